"""What a process has used: CPU and memory of it, its threads and its children, read from /proc."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of a process and its children, in bytes: now, and the sum of the highest values."""

    now: int
    peak: int


def family(pid: int) -> list[int]:
    """The process and everything below it."""
    found = [pid]
    for parent in found:
        for task in _tasks(parent):
            found += [int(child) for child in _read(task / "children").split()]
    return found


def cpu_ns(pid: int) -> int:
    """CPU time used so far, in nanoseconds: the first figure of schedstat, of every thread of the process and its children.

    It is the scheduler's own count. `stat` counts in ticks of ten milliseconds, too coarse for short runs.
    A thread or child that has ended no longer counts, so the servers measured must keep theirs.
    """
    return sum(int((_read(task / "schedstat") or "0").split()[0]) for member in family(pid) for task in _tasks(member))


def machine_ns() -> int:
    """CPU time that the whole machine has been busy so far, in nanoseconds, in ticks of ten milliseconds."""
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(int, _read(PROC / "stat").partition("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq + steal) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> Memory:
    """Resident memory, in bytes. Pages shared between a master and its workers count once for each."""
    figures = {"VmRSS": 0, "VmHWM": 0}
    for member in family(pid):
        for line in _read(PROC / str(member) / "status").splitlines():
            name, _, value = line.partition(":")
            if name in figures:
                figures[name] += int(value.split()[0]) * 1024
    return Memory(figures["VmRSS"], figures["VmHWM"])


def _tasks(pid: int) -> list[Path]:
    try:
        return list((PROC / str(pid) / "task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
