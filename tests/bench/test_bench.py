"""The parts of the bench: they agree with each other. No time is asserted."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.answers import WrongAnswerError, check_stream, check_whole
from bench.bodies import STREAMS, WHOLE_REPLY, WHOLES
from bench.cases import cases
from bench.certificates import make_certificates
from bench.cpu import cpu_ns, family, memory
from bench.load import Job, run
from bench.measure import ROOT, CpuRun, LatencyRun, first_answer_seconds, load
from bench.processes import free_port, listens, running
from bench.report import print_report
from bench.results import Results
from bench.servers import NGINX, started
from bench.table import spread, table


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The mock on a port of its own: its port and its process id."""
    port = free_port()
    command = [sys.executable, "-m", "bench.mock", "--port", str(port)]
    with running(command, ports=[port], log=tmp_path / "mock.log", folder=ROOT) as pid:
        yield port, pid


def test_the_mock_answers_what_the_load_generator_expects(mock: tuple[int, int]) -> None:
    """Whole answers and streams at any pace are checked, counted, and timed."""
    port, pid = mock
    job = Job(
        port, "native", ("whole", "burst", "recorded-0"), connections=3, count=30, warm_up=3, scale=0.01, watch={"mock": pid}
    )
    seen = asyncio.run(run(job))

    assert (seen.requests, seen.events) == (30, 10 * 500 + 10 * 3)
    assert len(seen.latency_ns) == 10
    assert len(seen.delay_ns) == 10 * 3
    assert seen.cpu_ns["mock"] > 0
    assert seen.cpu_ns["load"] > 0
    assert seen.machine_ns >= 0


def test_the_load_generator_is_a_program_of_its_own(mock: tuple[int, int]) -> None:
    """The job goes in as JSON, what was seen comes out as JSON."""
    port, _ = mock

    assert load(Job(port, "native", ("whole",), connections=2, count=20, warm_up=0)).requests == 20


def test_a_wrong_answer_is_not_counted(mock: tuple[int, int]) -> None:
    """The mock refuses OpenAI's path; the run ends with what it said."""
    port, _ = mock

    with pytest.raises(WrongAnswerError, match="400 Bad Request"):
        asyncio.run(run(Job(port, "openai", ("whole",), connections=1, count=5, warm_up=0)))


def test_a_server_that_closes_is_not_counted() -> None:
    """A connection that ends without an answer ends the run."""

    async def closing() -> None:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            await run(Job(port, "native", ("whole",), connections=1, count=1, warm_up=0))

    with pytest.raises(WrongAnswerError, match="closed"):
        asyncio.run(closing())


def test_answers_are_compared_not_only_received() -> None:
    """A changed text, a missing end, a cut stream and a missing [DONE] are wrong answers."""
    stream = STREAMS["recorded-0"]
    events = [stream.event(index).replace(b"@0000000000000000000@", b"@1234567890123456789@") for index in range(3)]
    check_whole("native", WHOLE_REPLY)
    check_stream("native", "recorded-0", b"".join(events))

    with pytest.raises(WrongAnswerError):
        check_whole("native", WHOLE_REPLY.replace(b"gateway", b"getaway"))
    with pytest.raises(WrongAnswerError):
        check_stream("native", "recorded-0", b"".join(events[:2]))
    with pytest.raises(WrongAnswerError):
        check_stream("native", "recorded-0", events[0] + events[2])
    with pytest.raises(WrongAnswerError, match="DONE"):
        check_stream("openai", "recorded-0", b"".join(events))


def test_an_openai_answer_is_read_as_well() -> None:
    """The shape that a server under test answers with."""
    head = b'data: {"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}\n\n'
    text = "".join(STREAMS["recorded-0"].texts).encode()
    body = b'data: {"choices":[{"delta":{"content":"%b"},"finish_reason":null}]}\n\n' % text.replace(
        b"@" + b"0" * 19, b"@" + b"7" * 19
    )
    end = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":96,"completion_tokens":105,"total_tokens":201}}\n\n'
    check_stream("openai", "recorded-0", head + body + end + usage + b"data: [DONE]\n\n")

    with pytest.raises(WrongAnswerError):
        check_stream("openai", "recorded-0", head + body + usage + b"data: [DONE]\n\n")


def test_the_readers_read_a_process_with_its_children() -> None:
    """CPU only grows, memory is there, and a process belongs to its own family."""
    pid = os.getpid()
    before = cpu_ns(pid)
    sum(range(300_000))

    assert cpu_ns(pid) > before
    assert memory(pid).peak >= memory(pid).now > 1_000_000
    assert family(pid)[0] == pid
    assert cpu_ns(2**22 + 1) == 0


def test_a_stopped_server_no_longer_listens(tmp_path: Path) -> None:
    """The block ends, and so does the process, also when the block fails."""
    port = free_port()

    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, SIM117  what is raised inside is the case
        with running(
            [sys.executable, "-m", "bench.mock", "--port", str(port)], ports=[port], log=tmp_path / "log", folder=ROOT
        ):
            assert listens(port)
            raise KeyboardInterrupt
    assert not listens(port)


@pytest.mark.skipif(NGINX.program() is None, reason="nginx is not installed")
def test_nginx_passes_through_over_tls(tmp_path: Path) -> None:
    """The generated configuration is accepted, and the answers come through it."""
    certificates = make_certificates(tmp_path)
    ports = [free_port(), free_port()]
    command = [sys.executable, "-m", "bench.mock", "--port", str(ports[0])]
    command += ["--tls-port", str(ports[1]), "--certificate", str(certificates.server)]
    with (
        running(command, ports=ports, log=tmp_path / "mock.log", folder=ROOT),
        started(NGINX, NGINX.program() or "", tmp_path, ("https", ports[1]), certificates.authority) as target,
    ):
        seen = load(Job(target.port, "native", ("whole", "recorded-0"), connections=2, count=20, warm_up=2, scale=0.01))
        first = first_answer_seconds(target.port, "native", 0.0)
        lines = (tmp_path / "nginx-https" / "access.log").read_text().splitlines()

    assert seen.requests == 20
    assert first > 0
    assert len(lines) >= 20


def test_the_table_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """Ratios, targets and warnings of made-up figures."""
    ours = CpuRun(200.0, 190.0, 20.0, 100, 1.0, 0.6, 0.5, 1.5, 40_000_000)
    nginx = CpuRun(20.0, 15.0, 20.0, 100, 1.0, 0.6, 0.1, 0.2, 5_000_000)
    runs = {"ours": [ours, ours], "nginx": [nginx, nginx]}
    results = Results(
        cpu={"whole": runs, "recorded": runs}, latency={"direct": [LatencyRun(50, 90)], "ours": [LatencyRun(350, 500)]}
    )
    results.start_seconds = {"ours": [0.4, 0.5, 0.6]}
    print_report(results, cases(100))
    printed = capsys.readouterr().out

    assert ["whole", "chat", "request,", "per", "request", "200", "20.0", "10.0", "<=", "13"] in [
        line.split() for line in printed.splitlines()
    ]
    assert "0.50 (0.40-0.60)" in printed
    assert "Warning: in 'whole chat request' the mock costs 190 us beside 200 us of the server." in printed
    assert "Warning: other programs kept 0.6 cores busy." in printed


def test_without_nginx_there_is_no_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    """The table says so instead of failing."""
    results = Results(cpu={"whole": {"ours": [CpuRun(200.0, 10.0, 20.0, 100, 1.0, 0.0, None, None, 1)]}}, notes=[NGINX.missing])
    print_report(results, cases(100))

    assert "nginx is not installed" in capsys.readouterr().out


def test_a_table_has_straight_columns() -> None:
    """Widths come from the widest cell; a spread shows its ends."""
    assert table(["a", "b"], [["long", "1"], ["x", "200"]]) == "a       b\nlong    1\nx     200"
    assert str(spread([3.0, 1.0, 2.0])) == "2.00 (1.00-3.00)"


def test_the_cases_say_what_can_be_played() -> None:
    """Every row names streams that the mock has."""
    for case in cases(10):
        assert set(case.plays) | set(case.warm_up_plays) <= {*STREAMS, *WHOLES}
