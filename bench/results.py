"""Everything that was measured, as `--json` stores it."""

from dataclasses import dataclass, field

from bench.cpu import Memory
from bench.measure import CpuRun, LatencyRun


@dataclass(slots=True)
class Results:
    """Lists hold one entry per repetition. The keys are names of cases and of servers."""

    cpu: dict[str, dict[str, list[CpuRun]]] = field(default_factory=dict)
    latency: dict[str, list[LatencyRun]] = field(default_factory=dict)
    memory: dict[str, dict[str, Memory]] = field(default_factory=dict)
    start_seconds: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
