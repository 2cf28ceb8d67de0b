"""The load generator: keep-alive connections that ask, check and count. A program of its own, so that its CPU is its own.

`python -m bench.load` reads a job as JSON from standard input and prints what it saw as JSON.
"""

import asyncio
import re
import sys
import time
from itertools import cycle, islice
from typing import cast

import msgspec
import uvloop

from bench.answers import Language, WrongAnswerError, check_stream, check_whole
from bench.bodies import STREAMS, WHOLES, native_request, openai_request
from bench.cpu import cpu_ns, machine_ns

_STAMP = re.compile(rb"@(\d{19})@")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")
_END_OF_CHUNKS = b"\r\n0\r\n\r\n"


class Job(msgspec.Struct, frozen=True):
    """What to ask of whom."""

    port: int
    language: Language
    plays: tuple[str, ...]
    """Asked in turn. `whole` is a whole answer, the others are streams of bench.bodies."""
    connections: int
    count: int
    warm_up: int
    scale: float = 1.0
    warm_up_plays: tuple[str, ...] = ()
    ramp_seconds: float = 0.03
    """The connections begin one after the other over this time, not all at once."""
    watch: dict[str, int] = {}
    """Process ids whose CPU is read at the start and at the end of the counted part."""
    seconds_max: float = 120.0


class Seen(msgspec.Struct):
    """What was counted."""

    requests: int
    events: int
    seconds: float
    cpu_ns: dict[str, int]
    machine_ns: int
    """CPU of the whole machine in that time, of those above and of everybody else."""
    latency_ns: list[int]
    """From the request sent to the answer read, sorted, of whole answers."""
    delay_ns: list[int]
    """From the mock's write of an event to its arrival here, sorted, of streams that have pauses."""


class Phase:
    """Some requests over some connections. Hands out the next request, and ends when all are answered."""

    def __init__(self, language: Language, plays: tuple[str, ...], count: int, scale: float) -> None:
        ask = openai_request if language == "openai" else native_request
        requests = [(play, ask(play, stream=play not in WHOLES, scale=scale)) for play in plays]
        self.left = islice(cycle(requests), count)
        self.count = count
        self.requests = 0
        self.events = 0
        self.latency_ns: list[int] = []
        self.delay_ns: list[int] = []
        self.answers: list[tuple[str, bytes]] = []
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answered(self, play: str, body: bytes) -> None:
        """One more. It is kept, and checked when the clock has stopped, so that checking costs the servers no time."""
        self.answers.append((play, body))
        if len(self.answers) == self.count and not self.finished.done():
            self.finished.set_result(None)

    def check(self, language: Language) -> None:
        """Compare every answer with what was played, and count it. Raises WrongAnswerError."""
        for play, body in self.answers:
            if play in WHOLES:
                check_whole(language, body, play)
            else:
                check_stream(language, play, body)
                self.events += len(STREAMS[play].texts)
            self.requests += 1

    def failed(self, error: Exception) -> None:
        """The first wrong answer ends the run."""
        if not self.finished.done():
            self.finished.set_exception(error)


class Caller(asyncio.Protocol):
    """One connection: one request at a time."""

    transport: asyncio.Transport
    phase: Phase

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self.play = ""
        self.stamped = False
        self.read = bytearray()
        self.scanned = 0
        self.asked_ns = 0
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own classes do not inherit from it

    def connection_lost(self, exc: Exception | None) -> None:
        """A server that closes has not answered. An idle connection may go."""
        if self.waiting:
            self.phase.failed(WrongAnswerError(f"connection closed ({exc}) after {bytes(self.read[:1000])!r}"))

    def ask(self, phase: Phase) -> None:
        """Send the next request of the phase, if there is one left."""
        self.phase = phase
        play_and_request = next(phase.left, None)
        if play_and_request is None:
            return
        self.play, request = play_and_request
        self.waiting = True
        self.stamped = self.play not in WHOLES and any(STREAMS[self.play].pauses_seconds)
        self.read.clear()
        self.scanned = 0
        self.asked_ns = time.monotonic_ns()
        if self.transport.is_closing():
            phase.failed(WrongAnswerError("the server closed an idle connection"))
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Gather until the answer is whole, then ask again."""
        now_ns = time.monotonic_ns()
        self.read += data
        if self.stamped:
            for stamp in _STAMP.finditer(self.read, self.scanned):
                self.scanned = stamp.end()
                self.phase.delay_ns.append(now_ns - int(stamp[1]))
        try:
            body = self.body()
        except WrongAnswerError as error:
            self.phase.failed(error)
            return
        if body is None:
            return
        if self.play in WHOLES:
            self.phase.latency_ns.append(now_ns - self.asked_ns)
        self.waiting = False
        self.phase.answered(self.play, body)
        self.ask(self.phase)

    def body(self) -> bytes | None:
        """The body, once it is here: by its length, or by the end of its chunks."""
        end = self.read.find(b"\r\n\r\n") + 4
        if end < 4:
            return None
        if not self.read.startswith(b"HTTP/1.1 200"):
            raise WrongAnswerError(f"{bytes(self.read[:1000])!r}")
        length = _LENGTH.search(self.read[:end].lower())
        if length:
            whole = end + int(length[1])
            return bytes(self.read[end:whole]) if len(self.read) >= whole else None
        return _unchunked(self.read, end) if self.read.endswith(_END_OF_CHUNKS) else None

    def close(self) -> None:
        """Leave, on purpose."""
        self.waiting = False
        self.transport.close()


def _unchunked(read: bytearray, at: int) -> bytes:
    """The chunks of a body, joined."""
    chunks: list[bytes] = []
    while True:
        line = read.index(b"\r\n", at)
        size = int(read[at:line].partition(b";")[0], 16)
        if not size:
            return b"".join(chunks)
        chunks.append(bytes(read[line + 2 : line + 2 + size]))
        at = line + 4 + size


async def run(job: Job) -> Seen:
    """Warm up, then count."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(job.seconds_max):
        callers = [
            (await loop.create_connection(lambda: Caller(job.language), "127.0.0.1", job.port))[1]
            for _ in range(job.connections)
        ]
        try:
            if job.warm_up:
                await _play(callers, Phase(job.language, job.warm_up_plays or job.plays, job.warm_up, 1.0), 0.3)
            phase = Phase(job.language, job.plays, job.count, job.scale)
            before = {name: cpu_ns(pid) for name, pid in job.watch.items()}
            machine, own, started = machine_ns(), time.process_time_ns(), time.perf_counter()
            await _play(callers, phase, job.ramp_seconds)
            seconds, own = time.perf_counter() - started, time.process_time_ns() - own
            used = {name: cpu_ns(pid) - before[name] for name, pid in job.watch.items()} | {"load": own}
            machine = machine_ns() - machine
        finally:
            for caller in callers:
                caller.close()
        phase.check(job.language)
    return Seen(phase.requests, phase.events, seconds, used, machine, sorted(phase.latency_ns), sorted(phase.delay_ns))


async def _play(callers: list[Caller], phase: Phase, ramp_seconds: float) -> None:
    """Let every caller begin, and wait for the last answer."""
    began = time.monotonic()
    for number, caller in enumerate(callers):
        caller.ask(phase)
        ahead = began + ramp_seconds * (number + 1) / len(callers) - time.monotonic()
        if ahead > 0.001:
            await asyncio.sleep(ahead)
    await phase.finished


def main() -> None:
    """Run from the command line."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    try:
        seen = uvloop.run(run(job))
    except WrongAnswerError as error:
        sys.exit(f"wrong answer on port {job.port}, not counted: {error}")
    except TimeoutError:
        sys.exit(f"no end after {job.seconds_max:.0f} s on port {job.port}")
    sys.stdout.buffer.write(msgspec.json.encode(seen))


if __name__ == "__main__":
    main()
