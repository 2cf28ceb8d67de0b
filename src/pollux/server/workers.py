"""Several worker processes on one listening socket, and the parent that watches them.

uvicorn has a supervisor of its own. This one differs where an operator feels it: a dead worker is noticed at once, a stop ends
with exit code 0, a second signal is heard while the first stop is under way, and workers whose parent was killed stop too. A
worker takes its orders from the parent's pipe alone: Ctrl-C and service managers signal the whole group, so that a signal that
reaches a worker is no second one.
"""

import logging
import multiprocessing
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from pollux.server.serving import Announce, app_server, base_url, configure_logging, spare_the_collector
from pollux.settings import Settings

logger = logging.getLogger("pollux.server")

RESTART_SECONDS = 1.0
"""Pause before a worker is replaced that died before it served: what stops it from starting may last."""

READY, STOP, STOP_WITHOUT_GRACE, FORCE = "ready", "stop", "stop without grace", "force"


def supervise(settings: Settings, listener: socket.socket, *, announce: Announce | None = None) -> int:
    """Keep `settings.workers` processes serving until SIGTERM or SIGINT; return the exit code."""
    url = base_url(listener)
    with _signals() as signals:
        workers = [_Worker(settings, listener) for _ in range(settings.workers)]
        announced = False
        order = ""
        while not order:
            wait([signals, *(worker.sentinel for worker in workers), *(worker.pipe for worker in workers if not worker.ready)])
            order = _order(signals)
            for index, worker in enumerate(workers):
                if worker.heard_ready() or worker.alive():
                    continue
                if not announced and not worker.ready:
                    logger.error("Worker %d did not start. The server stops.", worker.pid)
                    return _stopped(workers, signals, STOP_WITHOUT_GRACE) or 1
                logger.warning("Worker %d died (exit code %s) and is replaced.", worker.pid, worker.exit_code)
                if not worker.ready:
                    time.sleep(RESTART_SECONDS)
                workers[index] = _Worker(settings, listener)
            if not announced and all(worker.ready for worker in workers):
                announced = True
                if announce is not None:
                    announce(url)
        listener.close()
        return _stopped(workers, signals, order)


def _stopped(workers: list["_Worker"], signals: socket.socket, order: str) -> int:
    """Pass the order on and wait for the workers' ends; a second signal makes it the last order."""
    for worker in workers:
        worker.tell(order)
    while alive := [worker for worker in workers if worker.alive()]:
        wait([signals, *(worker.sentinel for worker in alive)])
        if _order(signals):
            for worker in alive:
                worker.tell(FORCE)
    return max(abs(worker.exit_code or 0) for worker in workers) and 1


class _Worker:
    """One worker process, as its parent sees it."""

    def __init__(self, settings: Settings, listener: socket.socket) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of an emulator in this process
        self.pipe, theirs = context.Pipe()
        self.ready = False
        self._process: SpawnProcess = context.Process(target=_work, args=(settings, listener, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.sentinel = self._process.sentinel
        self.pid = self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.exitcode

    def alive(self) -> bool:
        return self._process.is_alive()

    def heard_ready(self) -> bool:
        """Whether the worker has just said that it serves."""
        try:
            if self.ready or not self.pipe.poll():
                return False
            self.ready = self.pipe.recv() == READY
        except (EOFError, OSError):
            return False
        return self.ready

    def tell(self, order: str) -> None:
        with suppress(OSError):  # it has ended already
            self.pipe.send(order)


def _work(settings: Settings, listener: socket.socket, pipe: Connection) -> None:
    """Serve in a worker process, as the pipe orders; the end of the pipe is the end of the parent."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    configure_logging(settings.log_format)
    server = app_server(settings, announce=lambda _url: pipe.send(READY))
    spare_the_collector()
    signal.signal(signal.SIGTERM, lambda _number, _frame: server.stop())

    def obey() -> None:
        while True:
            try:
                order = pipe.recv()
            except (EOFError, OSError):
                server.stop(grace=False)
                return
            server.stop(grace=order == STOP, force=order == FORCE)

    threading.Thread(target=obey, daemon=True).start()
    code = server.run_until_stopped(listener)
    if code:
        raise SystemExit(code)


def _order(signals: socket.socket) -> str:
    """Read the signals that have come, if any, as an order."""
    try:
        numbers = signals.recv(64)
    except BlockingIOError:
        return ""
    if signal.SIGTERM in numbers:
        return STOP
    return STOP_WITHOUT_GRACE if signal.SIGINT in numbers else ""


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """Give a socket that becomes readable, with their numbers, when SIGTERM or SIGINT come."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    wakeup_before = signal.set_wakeup_fd(writing.fileno())
    before = {number: signal.signal(number, lambda _number, _frame: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield reading
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup_before)
        reading.close()
        writing.close()
