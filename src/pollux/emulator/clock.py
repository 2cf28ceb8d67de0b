"""Time, as the emulator sees it: the machine's, or one that only a test moves."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the emulator needs of time."""

    def now(self) -> datetime:
        """Say the time."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    def advance(self, seconds: float) -> None:
        """Move the time forward."""

    def reset(self) -> None:
        """Undo what `advance` did."""


class SystemClock:
    """The machine's time, plus what was advanced. Delays are real."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        """Say the time, with what was advanced."""
        return datetime.now(UTC) + self._ahead

    async def sleep(self, seconds: float) -> None:
        """Wait really."""
        await asyncio.sleep(seconds)

    def advance(self, seconds: float) -> None:
        """Move the time forward; waits that run are not shortened."""
        self._ahead += timedelta(seconds=seconds)

    def reset(self) -> None:
        """Go back to the machine's time."""
        self._ahead = timedelta()


class ManualClock:
    """A time that stands still until it is advanced, from any thread. A delay ends when it is reached."""

    def __init__(self, start: datetime | None = None) -> None:
        self._start = self._now = start or datetime(2026, 11, 22, tzinfo=UTC)
        self._waiting: list[tuple[datetime, Callable[[], None]]] = []
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Say the time."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the time was advanced far enough."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        entry = (self._now + timedelta(seconds=seconds), lambda: _wake(loop, woken))
        with self._lock:
            self._waiting.append(entry)
        try:
            await woken.wait()
        finally:
            with self._lock:
                if entry in self._waiting:
                    self._waiting.remove(entry)

    def advance(self, seconds: float) -> None:
        """Move the time forward and end the delays that are due."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            due = [wake for deadline, wake in self._waiting if deadline <= self._now]
        for wake in due:
            wake()

    def reset(self) -> None:
        """Go back to the start; delays that run stay."""
        self._now = self._start


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(event.set)


def stamp(moment: datetime) -> str:
    """Write a time as Google does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def elapsed_seconds() -> float:
    """Read a steady counter, for durations."""
    return time.monotonic()
