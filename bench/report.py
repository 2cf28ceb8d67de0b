"""What was measured, as plain tables on standard output."""

from collections.abc import Iterator, Sequence

from bench.bodies import HISTORY_MESSAGES
from bench.cases import Case
from bench.measure import CpuRun
from bench.results import Results
from bench.servers import MOCK, NGINX, POLLUX, SERVERS
from bench.table import Spread, number, spread, table

_TARGET_ADDED_MS = 0.5
_TARGET_MESSAGE_US = 5.0
_TARGET_IDLE_MB = 70
_TARGET_START_SECONDS = 1.0
_HELPER_SHARE_MAX = 0.8
"""The mock and the load generator must each cost less than this share of the server's CPU."""
_OTHERS_CORES_MAX = 0.2
"""More than this, and the figures are those of a busy machine."""


def print_report(results: Results, cases: Sequence[Case]) -> None:
    """The tables of what was measured, and what to doubt about them."""
    measured = [case for case in cases if case.name in results.cpu]
    blocks = [_cpu(results, measured), _helpers(results, measured), _delays(results, measured)]
    blocks += [
        _history(results),
        _latency(results),
        _memory(results),
        _start(results),
        *results.notes,
        *_warnings(results, measured),
    ]
    print("\n\n".join(block for block in blocks if block))


def _cpu(results: Results, measured: Sequence[Case]) -> str:
    """CPU of the server process alone, in microseconds, and its ratio to nginx in the same run."""
    if not measured:
        return ""
    others = [server.name for server in SERVERS if server.name not in (POLLUX.name, NGINX.name)]
    names = [POLLUX.name, NGINX.name, *others]
    rows = []
    for case in measured:
        runs = results.cpu[case.name]
        figures = [str(_server_us(runs[name])) if name in runs else "-" for name in names]
        ratio = _ratio(runs)
        rows.append(
            [
                f"{case.title}, per {case.unit}" if case.unit != "event" else case.title,
                *figures[:2],
                str(ratio) if ratio else "-",
                f"<= {case.target:g}" if case.target else "-",
                *figures[2:],
            ]
        )
    return table(["CPU of the server", "ours us", "nginx us", "ratio", "target", *(f"{name} us" for name in others)], rows)


def _history(results: Results) -> str:
    """What a message of history costs beyond the plain request."""
    if "history" not in results.cpu or "whole" not in results.cpu:
        return ""
    pairs = zip(results.cpu["history"][POLLUX.name], results.cpu["whole"][POLLUX.name], strict=True)
    each = spread([(long.server_us - plain.server_us) / HISTORY_MESSAGES for long, plain in pairs])
    return table(["history", "us", "target"], [["a message, over the plain request", str(each), f"<= {_TARGET_MESSAGE_US:g}"]])


def _server_us(runs: Sequence[CpuRun]) -> Spread:
    return spread([run.server_us for run in runs])


def _ratio(runs: dict[str, list[CpuRun]]) -> Spread | None:
    """Each repetition against nginx in the same repetition."""
    if POLLUX.name not in runs or NGINX.name not in runs:
        return None
    return spread([ours.server_us / nginx.server_us for ours, nginx in zip(runs[POLLUX.name], runs[NGINX.name], strict=True)])


def _helpers(results: Results, measured: Sequence[Case]) -> str:
    """What the mock and the load generator cost beside each server."""
    rows = [
        [
            f"{case.title}, {name}",
            str(_server_us(runs)),
            str(spread([run.mock_us for run in runs])),
            str(spread([run.load_us for run in runs])),
            str(runs[0].units),
            number(spread([run.seconds for run in runs]).middle),
            number(spread([run.others_cores for run in runs]).middle),
        ]
        for case in measured
        for name, runs in results.cpu[case.name].items()
    ]
    return (
        table(["CPU of all three", "server us", "mock us", "load us", "units", "seconds", "others, cores"], rows)
        if rows
        else ""
    )


def _delays(results: Results, measured: Sequence[Case]) -> str:
    """From the mock's write of an event to its arrival at the caller, and the server's memory after the run."""
    rows = []
    for case in measured:
        for name, runs in results.cpu[case.name].items():
            p50 = [run.delay_p50_ms for run in runs if run.delay_p50_ms is not None]
            p99 = [run.delay_p99_ms for run in runs if run.delay_p99_ms is not None]
            if p50 and p99:
                memory_mb = max(run.memory_bytes for run in runs) / 1e6
                rows.append([f"{case.title}, {name}", str(spread(p50)), str(spread(p99)), f"{memory_mb:.0f}"])
    return table(["delay of an event", "p50 ms", "p99 ms", "memory MB"], rows) if rows else ""


def _latency(results: Results) -> str:
    """One sequential caller: the whole time, and what the server adds to the mock asked directly."""
    if not results.latency:
        return ""
    direct = results.latency[MOCK.name]
    rows = []
    for name, runs in results.latency.items():
        row = [f"one caller, {'the mock directly' if name == MOCK.name else name}"]
        row += [str(spread([run.p50_us / 1000 for run in runs])), str(spread([run.p99_us / 1000 for run in runs]))]
        if name == MOCK.name:
            row += ["", "", ""]
        else:
            pairs = list(zip(runs, direct, strict=True))
            row += [str(spread([(run.p50_us - base.p50_us) / 1000 for run, base in pairs]))]
            row += [str(spread([(run.p99_us - base.p99_us) / 1000 for run, base in pairs]))]
            row += [f"<= {_TARGET_ADDED_MS:g}" if name == POLLUX.name else ""]
        rows.append(row)
    return table(["latency", "p50 ms", "p99 ms", "added p50 ms", "added p99 ms", "target p50"], rows)


def _memory(results: Results) -> str:
    """Resident memory of the server's processes."""
    rows = [
        [f"{name}, {moment}", f"{memory.now / 1e6:.1f}", f"{memory.peak / 1e6:.1f}", _memory_target(name, moment)]
        for name, moments in results.memory.items()
        for moment, memory in moments.items()
    ]
    return table(["memory", "MB", "peak MB", "target"], rows) if rows else ""


def _memory_target(name: str, moment: str) -> str:
    return f"<= {_TARGET_IDLE_MB}" if (name, moment) == (POLLUX.name, "idle") else ""


def _start(results: Results) -> str:
    """Cold start."""
    rows = [
        [name, str(spread(seconds)), f"<= {_TARGET_START_SECONDS:g}" if name == POLLUX.name else ""]
        for name, seconds in results.start_seconds.items()
    ]
    return table(["start to first answer", "seconds", "target"], rows) if rows else ""


def _warnings(results: Results, measured: Sequence[Case]) -> Iterator[str]:
    """Where the helpers, or other programs, cost so much that they may shape the figures."""
    busy = [run.others_cores for case in measured for runs in results.cpu[case.name].values() for run in runs]
    if busy and spread(busy).middle > _OTHERS_CORES_MAX:
        yield (
            f"Warning: other programs kept {spread(busy).middle:.1f} cores busy. That makes our microseconds larger, "
            "those of nginx rather smaller, and the ratio worse than it is on a quiet machine."
        )
    for case in measured:
        for name, runs in results.cpu[case.name].items():
            server = _server_us(runs).middle
            helpers = {
                "mock": spread([run.mock_us for run in runs]).middle,
                "load generator": spread([run.load_us for run in runs]).middle,
            }
            for helper, cost in helpers.items():
                if name == POLLUX.name and cost > server * _HELPER_SHARE_MAX:
                    yield f"Warning: in '{case.title}' the {helper} costs {cost:.0f} us beside {server:.0f} us of the server."
