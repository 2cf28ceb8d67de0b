"""`make bench`: start the mock and the servers, measure them side by side, print one table. Nothing here asserts a time."""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.cases import Case, cases
from bench.certificates import Certificates, make_certificates
from bench.cpu import memory
from bench.measure import ROOT, LoadError, cpu_run, first_answer_seconds, latency_run, requests
from bench.processes import StartError, free_port, running
from bench.report import print_report
from bench.results import Results
from bench.servers import MOCK, SERVERS, Running, Server, started


@dataclass(frozen=True, slots=True)
class Stage:
    """The mock in place, and what is needed to put servers before it."""

    folder: Path
    certificates: Certificates
    mock: Running
    ports: dict[str, int]
    programs: dict[str, str]
    servers: list[Server]

    @contextmanager
    def server(self, server: Server, scheme: str = "http") -> Iterator[Running]:
        """Start one before the mock."""
        upstream = (scheme, self.ports[scheme])
        with started(server, self.programs[server.name], self.folder, upstream, self.certificates.authority) as target:
            yield target


def main() -> None:
    """Run from the command line."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    results = Results()
    try:
        with _stage(results) as stage:
            _measure(stage, options, results)
    except (StartError, LoadError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: stopped; every server it had started was stopped")
    print_report(results, cases(options.streams))
    if options.json:
        Path(options.json).write_bytes(msgspec.json.format(msgspec.json.encode(results)))


def _options() -> argparse.Namespace:
    names = [case.name for case in cases(1)] + ["latency", "memory", "start"]
    parser = argparse.ArgumentParser(prog="bench", description="CPU, latency and memory of Pollux beside nginx, on loopback.")
    parser.add_argument("--only", action="append", choices=names, help="measure this alone; may be repeated")
    parser.add_argument("--quick", action="store_true", help="fewer requests, one repetition")
    parser.add_argument("--repeat", type=int, help="repetitions (3, or 1 with --quick); medians and spread are shown")
    parser.add_argument(
        "--streams", type=int, default=100, help="streams of recorded shape at once (100); 1000 run in real time"
    )
    parser.add_argument("--json", metavar="FILE", help="store the figures there")
    options = parser.parse_args()
    options.only = options.only or names
    options.repeat = options.repeat or (1 if options.quick else 3)
    return options


@contextmanager
def _stage(results: Results) -> Iterator[Stage]:
    """The mock on two ports, and the servers that are installed."""
    programs = {server.name: server.program() for server in SERVERS}
    results.notes += [server.missing for server in SERVERS if not programs[server.name]]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        certificates = make_certificates(folder)
        ports = {"http": free_port(), "https": free_port()}
        command = [sys.executable, "-m", "bench.mock", "--port", str(ports["http"])]
        command += ["--tls-port", str(ports["https"]), "--certificate", str(certificates.server)]
        with running(command, ports=list(ports.values()), log=folder / "mock.log", folder=ROOT) as pid:
            yield Stage(
                folder,
                certificates,
                Running(MOCK, ports["http"], pid),
                ports,
                {name: program for name, program in programs.items() if program},
                [server for server in SERVERS if programs[server.name]],
            )


def _measure(stage: Stage, options: argparse.Namespace, results: Results) -> None:
    chosen = [case for case in cases(options.streams) if case.name in options.only]
    for scheme in ("http", "https"):
        _measure_cpu(stage, [case for case in chosen if case.upstream_scheme == scheme], options, results)
    if "latency" in options.only:
        _measure_latency(stage, options, results)
    if "memory" in options.only:
        _measure_memory(stage, 5_000 if options.quick else 50_000, results)
    if "start" in options.only:
        _measure_start(stage, options, results)


def _measure_cpu(stage: Stage, chosen: list[Case], options: argparse.Namespace, results: Results) -> None:
    """Each case over each server in turn, and all of that again, so that a slow minute meets all of them."""
    if not chosen:
        return
    with ExitStack() as stack:
        targets = [stack.enter_context(stage.server(server, chosen[0].upstream_scheme)) for server in stage.servers]
        for repetition in range(options.repeat):
            for case in chosen:
                for target in targets:
                    _say(f"{case.name}: {target.server.name} {repetition + 1}/{options.repeat}")
                    run = cpu_run(case, target, stage.mock.pid, quick=options.quick)
                    results.cpu.setdefault(case.name, {}).setdefault(target.server.name, []).append(run)


def _measure_latency(stage: Stage, options: argparse.Namespace, results: Results) -> None:
    """Small blocks in turn: the mock directly, then through each server."""
    with ExitStack() as stack:
        targets = [stage.mock, *(stack.enter_context(stage.server(server)) for server in stage.servers)]
        for repetition in range(options.repeat + 2):
            _say(f"latency: {repetition + 1}/{options.repeat + 2}")
            for target in targets:
                results.latency.setdefault(target.server.name, []).append(latency_run(target, quick=options.quick))


def _measure_memory(stage: Stage, count: int, results: Results) -> None:
    """A fresh server: after its first answer, and after many."""
    for server in stage.servers:
        _say(f"memory: {server.name}, {count} requests")
        with stage.server(server) as target:
            requests(target, 1)
            time.sleep(0.3)
            idle = memory(target.pid)
            requests(target, count)
            results.memory[server.name] = {"idle": idle, f"after {count}": memory(target.pid)}


def _measure_start(stage: Stage, options: argparse.Namespace, results: Results) -> None:
    """From the start of the process to the first right answer."""
    for repetition in range(options.repeat + 2):
        _say(f"start: {repetition + 1}/{options.repeat + 2}")
        for server in stage.servers:
            begun = time.perf_counter()
            with started(
                server,
                stage.programs[server.name],
                stage.folder,
                ("http", stage.ports["http"]),
                stage.certificates.authority,
                wait=False,
            ) as target:
                seconds = first_answer_seconds(target.port, server.language, begun)
            results.start_seconds.setdefault(server.name, []).append(seconds)


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
