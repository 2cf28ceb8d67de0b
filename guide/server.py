"""Starts the real server with its emulator for one run, and stops it."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 15
COMMAND = Path(sys.executable).parent / "pollux"


class ServerStartError(Exception):
    """The server did not start; the message has its last words."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run `pollux serve --upstream emulator` on a free port and yield its base URL; its log is `server.log` in the folder.

    It gets no key and no settings of the shell's: callers bring their own keys. Raises ServerStartError.
    """
    port = _free_port()
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    command = [str(COMMAND), "serve", "--upstream", "emulator", "--host", "127.0.0.1", "--port", str(port)]
    log = folder / "server.log"
    if not COMMAND.exists():
        raise ServerStartError(f"there is no {COMMAND.name} beside {Path(sys.executable).name}; `make install` brings it")
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=folder, env=environment | {"HOME": str(folder)}, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        base_url = f"http://127.0.0.1:{port}"
        _wait(process, base_url, log)
        yield base_url
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], base_url: str, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the server is local
    patience = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < patience:
        if process.poll() is not None:
            raise ServerStartError(
                f"pollux serve ended with {process.returncode}:\n{log.read_text(errors='replace')[-2000:].strip()}"
            )
        try:
            with opener.open(f"{base_url}/readyz", timeout=1) as reply:
                if reply.status == 200:
                    return
        except urllib.error.HTTPError as error:  # it answers, and is not ready yet
            error.close()
        except OSError:  # it does not listen yet
            pass
        time.sleep(0.05)
    raise ServerStartError(f"not ready after {START_SECONDS_MAX} s:\n{log.read_text(errors='replace')[-2000:].strip()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
