"""What is measured: one row, one case."""

from dataclasses import dataclass
from typing import Literal

from bench.bodies import STREAMS

Unit = Literal["request", "event", "stream"]


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of traffic."""

    name: str
    title: str
    unit: Unit
    """What the CPU time is divided by."""
    upstream_scheme: Literal["http", "https"]
    plays: tuple[str, ...]
    connections: int
    count: int
    """Requests or streams in one run."""
    quick_count: int
    warm_up: int
    target: float | None = None
    """The highest ratio to nginx that we want to see."""
    warm_up_plays: tuple[str, ...] = ()
    scale: float = 1.0
    """By what the pauses of the streams are multiplied."""
    ramp_seconds: float = 0.03
    """Over what time the connections begin."""


_RECORDED = tuple(name for name in STREAMS if name.startswith("recorded-"))
_REAL_TIME_STREAMS = 1000


def cases(streams: int) -> tuple[Case, ...]:
    """All of them. `streams` is how many streams of recorded shape run at once.

    A thousand streams run in real time. Fewer run faster in proportion, so that the events per second stay the same.
    """
    return (
        Case("whole", "whole chat request", "request", "http", ("whole",), 8, 5000, 1500, 300, target=13),
        Case("whole-tls", "the same, TLS to the upstream", "request", "https", ("whole",), 8, 5000, 1500, 300),
        Case("tools", "request with a tool, answered by a call", "request", "http", ("tools",), 8, 3000, 1000, 200),
        Case("schema", "request with a schema of 200 KB, seen before", "request", "http", ("schema",), 4, 600, 200, 40),
        Case("history", "request after 500 messages, 100 tool turns", "request", "http", ("history",), 4, 600, 200, 40),
        Case("paced", "streamed event, 5 ms pace", "event", "http", ("paced",), 10, 50, 20, 10, target=3.1),
        Case("burst", "streamed event, full speed", "event", "http", ("burst",), 16, 160, 48, 16, target=4),
        Case(
            *("recorded", f"stream of recorded shape, {streams} at once, TLS", "stream", "https", _RECORDED),
            connections=streams,
            count=streams * 4,
            quick_count=streams * 2,
            warm_up=streams,
            warm_up_plays=("hold",),
            scale=streams / _REAL_TIME_STREAMS,
            ramp_seconds=4.0 * streams / _REAL_TIME_STREAMS,
        ),
    )
