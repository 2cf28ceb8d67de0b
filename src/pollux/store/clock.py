"""The time of stored things, and whether it can be believed.

A wall clock can jump: a machine that slept tells the truth, one whose clock was set wrongly does not. What has passed its time
is hidden at once, but removed only while the clock runs evenly; so a jump there and back loses nothing.
"""

import logging
import time
from collections.abc import Callable

log = logging.getLogger("pollux.store")

JUMP_SECONDS = 600.0
"""A difference that no ordinary correction makes."""

DISTRUST_SECONDS = 3600.0
"""How long after a jump nothing is removed: time in which a clock is put right."""


def boot_seconds() -> float:
    """Give the seconds since the machine started, its sleep included where the system counts it."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Clock:
    """Tells the time in microseconds since 1970."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = boot_seconds) -> None:
        self._wall = wall
        self._steady = steady
        self._difference = wall() - steady()
        self._trusted_from = steady()

    def now_us(self) -> int:
        """Give the time now."""
        return int(self._wall() * 1e6)

    def even(self) -> bool:
        """Say whether the clock has run evenly for some time; asked at every sweep."""
        difference = self._wall() - self._steady()
        if abs(difference - self._difference) > JUMP_SECONDS:
            log.warning(
                "The clock jumped by %.0f seconds: nothing is removed from the store for an hour.",
                difference - self._difference,
            )
            self._difference = difference
            self._trusted_from = self._steady() + DISTRUST_SECONDS
        return self._steady() >= self._trusted_from
