"""Processes that are started on loopback, waited for, and always stopped, each by its id."""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_STOP_SECONDS = 10.0
_libc = ctypes.CDLL(None, use_errno=True)


class StartError(Exception):
    """A server ended, or did not listen in time."""


def free_port() -> int:
    """A loopback port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: list[str], *, ports: list[int], log: Path, folder: Path, environment: dict[str, str] | None = None
) -> Iterator[int]:
    """Run a server, its output into a file, from the moment it listens until the block ends. Yields its process id."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=_plain_environment() | {"HOME": str(log.parent)} | (environment or {}),
            start_new_session=True,  # Ctrl-C reaches the bench alone, which then stops each of them
            preexec_fn=before_start,  # noqa: PLW1509  no threads here
        )
    try:
        for port in ports:
            _wait_for(process, port, log)
        yield process.pid
    finally:
        stop(process)


def _plain_environment() -> dict[str, str]:
    """The environment without what would send the run elsewhere: keys, settings of Pollux, proxies."""
    foreign = ("GEMINI_", "GOOGLE_", "POLLUX_", "SSL_CERT_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(foreign) and not name.lower().endswith("_proxy")
    }


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask a process to end, then end it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _wait_for(process: "subprocess.Popen[bytes]", port: int, log: Path, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not listens(port):
        if process.poll() is not None or time.monotonic() > end:
            raise StartError(f"{process.args!r} does not listen on {port}:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.005)


def before_start() -> None:
    """In the child: end with the bench even if the bench is killed, and have files enough for a thousand streams."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
