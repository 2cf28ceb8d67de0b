"""One measurement each: CPU of a case, latency of one caller, memory, cold start."""

import http.client
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.answers import Language, check_whole
from bench.bodies import native_request, openai_request
from bench.cases import Case
from bench.cpu import memory
from bench.load import Job, Seen
from bench.processes import before_start
from bench.servers import Running

ROOT = Path(__file__).resolve().parents[1]


class LoadError(Exception):
    """The load generator saw a wrong answer, or did not end."""


@dataclass(frozen=True, slots=True)
class CpuRun:
    """One run of one case against one server: microseconds of CPU per unit, and what the streams felt."""

    server_us: float
    mock_us: float
    load_us: float
    units: int
    seconds: float
    others_cores: float
    """Cores that other programs of the machine kept busy meanwhile: they share caches and cores with what is measured."""
    delay_p50_ms: float | None
    delay_p99_ms: float | None
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class LatencyRun:
    """One block of requests of one sequential caller."""

    p50_us: float
    p99_us: float


def cpu_run(case: Case, target: Running, mock_pid: int, *, quick: bool) -> CpuRun:
    """Play a case against a server and divide the CPU by what was answered rightly."""
    seen = load(
        Job(
            port=target.port,
            language=target.language,
            plays=case.plays,
            connections=case.connections,
            count=case.quick_count if quick else case.count,
            warm_up=case.warm_up,
            warm_up_plays=case.warm_up_plays,
            scale=case.scale,
            ramp_seconds=case.ramp_seconds,
            watch={"server": target.pid, "mock": mock_pid},
        )
    )
    units = seen.events if case.unit == "event" else seen.requests
    paced = case.unit == "stream" or case.name == "paced"
    return CpuRun(
        server_us=seen.cpu_ns["server"] / units / 1000,
        mock_us=seen.cpu_ns["mock"] / units / 1000,
        load_us=seen.cpu_ns["load"] / units / 1000,
        units=units,
        seconds=seen.seconds,
        others_cores=max(0.0, (seen.machine_ns - sum(seen.cpu_ns.values())) / 1e9 / seen.seconds),
        delay_p50_ms=percentile(seen.delay_ns, 50) / 1e6 if paced else None,
        delay_p99_ms=percentile(seen.delay_ns, 99) / 1e6 if paced else None,
        memory_bytes=memory(target.pid).now,
    )


def latency_run(target: Running, *, quick: bool) -> LatencyRun:
    """One caller, one request after the other."""
    seen = load(Job(target.port, target.language, ("whole",), connections=1, count=200 if quick else 500, warm_up=50))
    return LatencyRun(percentile(seen.latency_ns, 50) / 1000, percentile(seen.latency_ns, 99) / 1000)


def requests(target: Running, count: int) -> None:
    """Many whole requests, for what they leave behind."""
    load(Job(target.port, target.language, ("whole",), connections=8, count=count, warm_up=0, seconds_max=300))


def first_answer_seconds(target_port: int, language: Language, started: float, seconds_max: float = 30.0) -> float:
    """Ask from the moment of the start until the right answer is there."""
    request = openai_request("whole", stream=False) if language == "openai" else native_request("whole", stream=False)
    path = request.split(b" ", 2)[1].decode()
    head, body = request.split(b"\r\n\r\n", 1)
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", target_port, timeout=5)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except OSError:
            if time.perf_counter() - started > seconds_max:
                raise
            time.sleep(0.002)
            continue
        finally:
            connection.close()
        check_whole(language, content)
        return time.perf_counter() - started


def load(job: Job) -> Seen:
    """Run the load generator as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=before_start,  # noqa: PLW1509  no threads here
    )
    try:
        output, errors = process.communicate(msgspec.json.encode(job), timeout=job.seconds_max + 10)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        raise LoadError(errors.decode(errors="replace").strip())
    return msgspec.json.decode(output, type=Seen)


def percentile(ordered: Sequence[int], percent: int) -> float:
    """A value of an ordered list. Nothing seen is a mistake of the bench, not a zero."""
    return float(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)])
