"""`pollux emulate`: the emulator of the native Gemini API alone."""

import argparse
import signal
import threading
from pathlib import Path

from pollux.settings import SettingsError

EXAMPLES = """\
examples:
  pollux emulate                                          # on http://127.0.0.1:8081
  pollux emulate --script answers.toml                    # scripted answers; the format is in the emulator's README
  pollux emulate --fault "status=503; times=2"            # the first two requests fail
  pollux emulate --first-event-seconds 0.8 --event-seconds 0.05

  pollux serve --upstream emulator --upstream-url http://127.0.0.1:8081
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--host", default="127.0.0.1", help="Address to listen on. Default: 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8081, help="Port to listen on; 0 takes a free one. Default: 8081.")
    parser.add_argument("--script", type=Path, metavar="FILE", help="Scripted answers (TOML or JSON).")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        help="A fault for every request, in the language of x-emulator-fault; may be repeated.",
    )
    parser.add_argument("--first-event-seconds", type=float, default=0.0, metavar="SECONDS", help="Delay of an answer's start.")
    parser.add_argument("--event-seconds", type=float, default=0.0, metavar="SECONDS", help="Delay of each further event.")
    parser.add_argument("--seed", type=int, default=0, help="Changes all that looks like chance. Default: 0.")


def run(given: argparse.Namespace) -> int:
    """Run the emulator until SIGINT or SIGTERM."""
    if not 0 <= given.port <= 65_535:
        raise SettingsError(f"Port {given.port} is none: ports are between 0 and 65535.")
    from pollux.emulator.app import Emulator  # with its uvicorn it costs more than the rest of the command line
    from pollux.emulator.sending import Latency
    from pollux.emulator.serving import EmulatorServer

    try:
        emulator = Emulator(
            script=given.script,
            rules=[{"fault": fault} for fault in given.fault],
            latency=Latency(given.first_event_seconds, given.event_seconds),
            seed=given.seed,
        )
    except OSError as error:
        raise SettingsError(f"The script {given.script} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise SettingsError(f"The emulator cannot be set up: {error}.") from None
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stopped.set())
    server = EmulatorServer(emulator, host=given.host, port=given.port)
    try:
        url = server.start()
    except OSError as error:
        text = f"Port {given.port} on {given.host} cannot be listened on: {error.strerror}. Choose another with --port."
        raise SettingsError(text) from None
    try:
        print(_welcome(url), flush=True)
        stopped.wait()
    finally:
        server.stop()
    return 0


def _welcome(url: str) -> str:
    return f"""\
Emulator of the native Gemini API on {url}
  genai.Client(api_key="any", http_options={{"base_url": "{url}"}})
Any key is believed; nothing leaves this machine. Stop with Ctrl-C."""
