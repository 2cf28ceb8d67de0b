"""How the app is served: one socket, one process or several, and a stop that loses no answer.

A stop has four steps. The app says that it is draining, and connections are still taken for a moment, so that a load balancer
sees it. Then listening ends. Answers under way are finished, up to a limit. What is left is cut. A second signal goes to the
last step at once.
"""

import asyncio
import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from typing import Any, Literal, Protocol, cast

import msgspec
from uvicorn.server import Server

from pollux.server.access import with_secret
from pollux.server.protocol import HttpConfig, HttpProtocol
from pollux.settings import Settings, SettingsError

CUT_SECONDS = 1.0
"""How long the app may take to notice that its callers were cut off, and then to close what it holds."""

TAKEN, DENIED = "is taken by another program", "may not be opened by this user"

Announce = Callable[[str], None]


class Application(Protocol):
    """The ASGI app, as far as serving knows it."""

    draining: bool
    """Whether the server is about to stop; then the app is not ready."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or run the lifespan."""


def serve(settings: Settings, *, announce: Announce | None = None) -> int:
    """Serve until a signal says stop; return the exit code. `announce` gets the base URL once requests are answered.

    Raises SettingsError when the address cannot be listened on.
    """
    configure_logging(settings.log_format)
    settings = with_secret(settings)
    listener = bind(settings.host, settings.port)
    if settings.workers == 1:
        return run(settings, listener, announce=announce)
    from pollux.server.workers import supervise  # multiprocessing is loaded only where it is used

    return supervise(settings, listener, announce=announce)


def run(settings: Settings, listener: socket.socket, *, announce: Announce | None = None) -> int:
    """Serve in this process until SIGTERM or SIGINT; return the exit code."""
    server = app_server(settings, announce=announce)
    spare_the_collector()
    with _signals_to(server):
        return server.run_until_stopped(listener)


def spare_the_collector() -> None:
    """Take what lives as long as the process out of the garbage collector's way, and let it look less often.

    A stream makes and drops some ten objects for every event, none of them in a cycle. Measured: a tenth of an event's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


def app_server(settings: Settings, *, announce: Announce | None = None) -> "AppServer":
    """Build the app and the server around it."""
    from pollux.server.app import create_app  # late: the tests of serving bring their own app

    return AppServer(create_app(settings), settings, announce=announce)


class AppServer(Server):
    """uvicorn's server with Pollux's way to stop. It is told to stop by `stop()`, from any thread; signals are the caller's."""

    def __init__(self, app: Application, settings: Settings, *, announce: Announce | None = None) -> None:
        super().__init__(HttpConfig(app, settings))
        self.app = app
        self.settings = settings
        self.exit_code = 0
        self.announce = announce
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._force = asyncio.Event()
        self._grace_seconds = settings.shutdown_grace_seconds

    def run_until_stopped(self, listener: socket.socket) -> int:
        """Run in a new event loop on a bound socket; return the exit code."""
        try:
            with asyncio.Runner(loop_factory=self.config.get_loop_factory()) as runner:
                runner.run(self._serve([listener]))
        except SystemExit:  # uvicorn's answer to an app that does not start; it has logged why
            logging.getLogger("pollux.server").error("The app did not start.")  # noqa: TRY400 - the trace is there already
            return 1
        return self.exit_code

    def stop(self, *, grace: bool = True, force: bool = False) -> None:
        """Ask for the stop, from any thread or a signal handler. Without `grace` listening ends first; `force` cuts at once."""
        if not grace:
            self._grace_seconds = 0.0
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended in this moment: the server has stopped
                self._loop.call_soon_threadsafe(self._stop.set)
                if force:
                    self._loop.call_soon_threadsafe(self._force.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app and listen."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if sockets and self.announce is not None:
            self.announce(base_url(sockets[0]))

    async def main_loop(self) -> None:
        """Wait for the stop; keep the Date header, once a second."""
        while not self.should_exit:
            self.server_state.default_headers = [(b"date", formatdate(time.time(), usegmt=True).encode())]
            await _event_within(self._stop, 1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, end listening, finish what is under way, cut the rest, stop the app."""
        self.app.draining = True
        await _event_within(self._force, self._grace_seconds)
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._finished_within(self.settings.drain_seconds, unless=self._force)
        if self._force.is_set():
            self.exit_code = 1
        if self._busy():
            await self._cut()
        # Also when forced: the app writes its last log lines and closes its connections, in a moment.
        with suppress(TimeoutError):
            await asyncio.wait_for(self.lifespan.shutdown(), CUT_SECONDS)

    async def _finished_within(self, seconds: float, *, unless: asyncio.Event) -> None:
        deadline = time.monotonic() + seconds
        while self._busy() and time.monotonic() < deadline and not unless.is_set():
            await _event_within(unless, 0.05)

    def _busy(self) -> bool:
        return bool(self.server_state.connections or self.server_state.tasks)

    async def _cut(self) -> None:
        state = self.server_state
        logging.getLogger("pollux.server").warning("Stopping: %d requests were cut.", len(state.tasks))
        connections = cast("set[HttpProtocol]", state.connections)  # uvicorn names its own protocols
        for connection in list(connections):
            connection.cut()
        await self._finished_within(CUT_SECONDS, unless=asyncio.Event())
        for connection in list(connections):
            connection.transport.abort()
        for task in list(state.tasks):
            task.cancel()
        if state.tasks:
            await asyncio.wait(list(state.tasks), timeout=CUT_SECONDS)


def bind(host: str, port: int) -> socket.socket:
    """Open the listening socket. Raises SettingsError, which says what to do."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SettingsError(f"The host {host} cannot be listened on: {error.strerror}.") from None
    # A name such as localhost has addresses of both kinds; IPv4 is the one that every client tries.
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    if sys.platform != "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        why = {"EADDRINUSE": TAKEN, "EACCES": DENIED}.get(_errno_name(error), f"cannot be opened ({error.strerror})")
        raise SettingsError(f"Port {port} on {host} {why}. Choose another with --port, or 0 for a free one.") from None
    return listener


def base_url(listener: socket.socket) -> str:
    """Name the address of a listening socket for a program on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def configure_logging(form: Literal["text", "json"]) -> None:
    """Send the log to standard error, in the form of the access log; of uvicorn's log only what is wrong."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JSONLines() if form == "json" else _Lines("%(asctime)s %(levelname)s %(message)s"))
    for name, level in (("pollux", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.handlers = [handler]
        logger.propagate = False


class _Lines(logging.Formatter):
    """Lines that begin with the time, like those of the access log."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's names
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))


class _JSONLines(_Lines):
    def format(self, record: logging.LogRecord) -> str:
        entry = {"time": self.formatTime(record), "level": record.levelname, "message": record.getMessage()}
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


@contextmanager
def _signals_to(server: AppServer) -> Iterator[None]:
    def on_signal(number: int, _frame: object) -> None:
        # Ctrl-C comes from a person, who waits; SIGTERM from a supervisor, beside which a load balancer may stand.
        server.stop(grace=number != signal.SIGINT, force=server.should_exit)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _event_within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


def _errno_name(error: OSError) -> str:
    import errno

    return errno.errorcode.get(error.errno or 0, "")
