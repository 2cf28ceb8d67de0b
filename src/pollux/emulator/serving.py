"""The emulator over HTTP: in a thread of its own for tests and `pollux serve`, in the foreground for `pollux emulate`."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import uvicorn

from pollux.emulator.app import Emulator
from pollux.emulator.limits import START_SECONDS_MAX, STOP_SECONDS_MAX

THREAD_NAME = "pollux-emulator"


class EmulatorServer:
    """An emulator on a port, with a thread and an event loop of its own.

        with EmulatorServer(Emulator(script=[...])) as server:
            client = genai.Client(api_key="any", http_options={"base_url": server.url})

    Port 0 takes any free port. `start` returns the base URL once the port answers, or raises TimeoutError.
    """

    def __init__(self, emulator: Emulator | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.emulator = emulator or Emulator()
        self.url = ""
        self._host, self._port = host, port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> str:
        """Listen, and return the base URL."""
        listening = _listen(self._host, self._port)
        self.url = _url(listening)
        server = self._server = _server(self.emulator)
        self._thread = threading.Thread(target=lambda: asyncio.run(_serve(server, listening)), name=THREAD_NAME, daemon=True)
        self._thread.start()
        waited = 0.0
        while not server.started:
            if waited > START_SECONDS_MAX or not self._thread.is_alive():
                self.stop()
                raise TimeoutError(f"the emulator did not start within {START_SECONDS_MAX:g} seconds")
            self._thread.join(0.005)
            waited += 0.005
        return self.url

    def stop(self) -> None:
        """Close the port; streams that still run get a moment, then are cut."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(STOP_SECONDS_MAX + START_SECONDS_MAX)
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


async def run(host: str, port: int, emulator: Emulator, on_ready: Callable[[str], None]) -> None:
    """Serve in the foreground until SIGINT or SIGTERM; `on_ready` gets the base URL when the port answers."""
    listening = _listen(host, port)
    server = _server(emulator)
    serving = asyncio.create_task(_serve(server, listening))
    while not server.started and not serving.done():  # uvicorn has no event to wait for
        await asyncio.wait({serving}, timeout=0.005)
    if server.started:
        on_ready(_url(listening))
    await serving


def _server(emulator: Emulator) -> uvicorn.Server:
    logging.getLogger("uvicorn.error").addFilter(_not_of_the_emulator)
    config = _QuietConfig(
        emulator,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


class _QuietConfig(uvicorn.Config):
    """uvicorn's configuration, which leaves the process's logging alone: another uvicorn may run beside."""

    def configure_logging(self) -> None:
        """Set nothing."""


def _not_of_the_emulator(record: logging.LogRecord) -> bool:
    """Drop what uvicorn logs in the emulator's thread: it tells a cut connection as an error, and there it is wanted."""
    return record.threadName != THREAD_NAME


async def _serve(server: uvicorn.Server, listening: socket.socket) -> None:
    try:
        await server.serve(sockets=[listening])
    finally:
        listening.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
