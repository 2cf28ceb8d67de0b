"""The workshop: codec work outside the event loop, in processes of its own.

Bytes from strangers go through large C libraries. So the work is done by child processes (`worker.py`) that open no files and
no connections, have a limit on memory, and are killed when a job takes too long, when its caller leaves, or when the server
stops. A crash there is an error of one request here.

The first job starts a process; it is kept for the next ones, and ends after some idle time, so that a server that nobody asks
for media pays nothing.

Why not threads: `docs/decisions/2026-11-22-codecs-in-processes.md`.
"""

import asyncio
import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar, get_type_hints

import msgspec

from pollux.errors import Overloaded, UnusableMedia
from pollux.media.worker import FRAME, Answer

P = ParamSpec("P")
T = TypeVar("T")

IDLE_SECONDS = 60.0
"""How long a process waits for its next job; starting one costs some 0.3 s, keeping one some 60 MB."""

RETRY_AFTER_SECONDS = 1.0

PATIENCE_SECONDS = 300.0
"""How long a finished answer may wait for a place; OpenAI's clients wait ten minutes."""

PAUSE_SECONDS = 0.25
"""Time between looks for a place."""

ANSWER_BYTES_MAX = 536_870_912
"""Largest result: more than any limit of the codecs lets through. It bounds what a process gone mad may send."""

_answers = msgspec.msgpack.Decoder(Answer)


class Workshop:
    """Runs codec functions, at most `processes` at once; `waiting_max` more may wait, beyond that a 503."""

    def __init__(self, *, processes: int = 1, waiting_max: int = 32, seconds_max: float = 60.0) -> None:
        self._free = asyncio.Semaphore(processes)
        self._places = processes + waiting_max
        self._taken = 0
        self._seconds_max = seconds_max
        self._idle: list[_Process] = []

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function of `pollux.media` in a process, and give what it returns.

        Raises what the function raises of our errors; UnusableMedia too when it takes too long, needs too much memory or
        crashes; Overloaded when too many wait.
        """
        if self._taken >= self._places:
            raise Overloaded(
                "Too many pictures, sounds and videos are being worked on; ask again.",
                retry_after_seconds=RETRY_AFTER_SECONDS,
            )
        self._taken += 1
        try:
            async with self._free:
                job = pickle.dumps((function, args, kwargs), protocol=5)
                answer = await self._ask(job)
        finally:
            self._taken -= 1
        if answer.error is not None:
            raise UnusableMedia(answer.error.message, code=answer.error.code)
        result_type: Any = get_type_hints(function)["return"]
        return msgspec.msgpack.decode(answer.result, type=result_type)  # type: ignore[no-any-return] # the type is in a variable

    async def run_at_last(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call as `run` does, but wait for a place: for what was paid for already, which a 503 would have paid for again.

        Raises Overloaded after PATIENCE_SECONDS.
        """
        end = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while True:
            try:
                return await self.run(function, *args, **kwargs)
            except Overloaded:
                if asyncio.get_running_loop().time() > end:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)

    async def close(self) -> None:
        """End the processes."""
        idle, self._idle = self._idle, []
        for process in idle:
            await process.end()

    async def _ask(self, job: bytes) -> Answer:
        process = self._idle.pop() if self._idle else await _Process.start()
        answer = None
        try:
            process.stop_waiting()
            answer = await process.ask(job, self._seconds_max)
            return answer
        finally:
            if answer is None:
                await process.end()
            else:
                self._idle.append(process)
                process.wait_until(IDLE_SECONDS, self._retire)

    def _retire(self, process: "_Process") -> None:
        if process in self._idle:
            self._idle.remove(process)
            process.close()


class _Process:
    """One child process and the pipes to it."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        self._child = child
        self._to = child.stdin
        self._from = child.stdout
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls) -> "_Process":
        """Start a process. It has no environment but the search path of modules, and no credentials in it."""
        kept = {name: os.environ[name] for name in ("PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "pollux.media.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=kept,
            start_new_session=True,  # Ctrl-C in a terminal is for the server; this process ends with its pipe
        )
        return cls(child)

    async def ask(self, job: bytes, seconds_max: float) -> Answer:
        """Have a job done."""
        try:
            async with asyncio.timeout(seconds_max):
                self._to.write(FRAME.pack(len(job)))
                self._to.write(job)
                await self._to.drain()
                length = FRAME.unpack(await self._from.readexactly(FRAME.size))[0]
                if length > ANSWER_BYTES_MAX:
                    raise UnusableMedia("The result is too large.")
                return _answers.decode(await self._from.readexactly(length))
        except TimeoutError:
            raise UnusableMedia(f"Working on this takes longer than {seconds_max:g} seconds.", code="media_too_large") from None
        except (asyncio.IncompleteReadError, OSError, msgspec.DecodeError):
            raise UnusableMedia("These bytes could not be worked on: they need too much memory, or are damaged.") from None

    def wait_until(self, seconds: float, retire: Callable[["_Process"], None]) -> None:
        """Retire after some seconds without a job."""
        self._timer = asyncio.get_running_loop().call_later(seconds, retire, self)

    def stop_waiting(self) -> None:
        """There is a job."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Let the process end by itself: its input ends."""
        self._to.close()

    async def end(self) -> None:
        """Kill the process, whatever it does."""
        self.stop_waiting()
        with suppress(ProcessLookupError):
            self._child.kill()
        self._to.close()
        await self._child.wait()
