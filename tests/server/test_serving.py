"""How the server starts, stops and lives with several workers: as a process, with signals."""

import dataclasses
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec
import pytest

from pollux.server.serving import bind
from pollux.settings import Settings, SettingsError
from tests.server.tiny import TinyApp
from tests.serving import running, running_server

SCRIPT = Path(__file__).with_name("tiny.py")
LINUX = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for child processes under /proc")


class Served:
    """A server process, what it said so far, and where it listens."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        assert process.stdout is not None
        first_line = process.stdout.readline()
        found = re.search(r"on (http://\S+?),?(\s|$)", first_line)
        assert found, first_line + self.log()
        self.url = found[1]

    def get(self, path: str) -> tuple[int, str]:
        """Ask for a path; give status and body."""
        try:
            with urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def exit_code(self) -> int:
        """Wait for the end."""
        return self.process.wait(timeout=10)

    def log(self) -> str:
        """What stands on standard error; only after the end."""
        assert self.process.stderr is not None
        return self.process.stderr.read()


@contextmanager
def served(*arguments: str, **settings: str) -> Iterator[Served]:
    """Run the tiny app as a process of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("POLLUX_", "GEMINI_"))}
    environment |= {f"POLLUX_{name.upper()}": value for name, value in settings.items()}
    environment["PYTHONPATH"] = os.pathsep.join(["src", "."])
    command = [sys.executable, str(SCRIPT), *arguments]
    with subprocess.Popen(
        command, env=environment, cwd=SCRIPT.parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Served(process)
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def reading_stream(url: str, path: str = "/stream") -> Iterator[list[str]]:
    """Read a stream in a thread while the block runs; the list holds its lines, and at last how it ended."""
    lines: list[str] = []
    started = threading.Event()

    def read() -> None:
        try:
            with urlopen(url + path, timeout=10) as answer:
                for line in answer:
                    lines.append(line.decode().strip())
                    started.set()
        except (OSError, ValueError) as error:
            lines.append(type(error).__name__)

    thread = threading.Thread(target=read)
    thread.start()
    assert started.wait(5)
    yield lines
    thread.join(10)


def test_sigterm_lets_a_stream_finish_and_new_callers_see_it_before_listening_ends() -> None:
    """While draining the server says that it is not ready and still answers; then the stream ends whole, with exit code 0."""
    with served(shutdown_grace_seconds="0.5") as server:
        with reading_stream(server.url) as lines:
            before = server.get("/readyz")[0]
            server.stop()
            time.sleep(0.2)
            draining = server.get("/readyz")[0]
            time.sleep(0.5)
            with pytest.raises(OSError, match="refused"):
                server.get("/readyz")
        code = server.exit_code()

        assert (before, draining) == (200, 503)
        assert lines[-1] == "end"
        assert code == 0
        assert server.log() == ""


def test_a_stream_that_does_not_end_in_time_is_cut_visibly() -> None:
    """After drain_seconds the stream breaks off without its end mark, and the exit is still clean."""
    with served(shutdown_grace_seconds="0", drain_seconds="0.2") as server:
        with reading_stream(server.url) as lines:
            server.stop()
        code = server.exit_code()

        assert "end" not in lines
        assert code == 0
        assert "1 requests were cut" in server.log()


def test_a_request_that_waits_is_told_to_come_back_when_it_is_cut() -> None:
    """A request without an answer yet gets a 503, not a broken connection."""
    with served(shutdown_grace_seconds="0", drain_seconds="0.2") as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc")
            time.sleep(0.1)
            server.stop()
            received = connection.recv(65536)
        code = server.exit_code()

        assert received.startswith(b"HTTP/1.1 503 ")
        assert b'"code":"server_stopping"' in received
        assert code == 0


def test_a_second_signal_ends_at_once() -> None:
    """Neither grace nor drain is waited for, and the exit code says so."""
    with served(shutdown_grace_seconds="20") as server, reading_stream(server.url):
        server.stop()
        time.sleep(0.1)
        server.stop()
        start = time.monotonic()
        code = server.exit_code()

        assert code == 1
        assert time.monotonic() - start < 5


def test_ctrl_c_stops_without_grace() -> None:
    """A person at the terminal does not wait for a load balancer."""
    with served(shutdown_grace_seconds="20") as server:
        server.stop(signal.SIGINT)

        assert server.exit_code() == 0


def test_idle_connections_do_not_delay_the_stop() -> None:
    """A kept connection without a request is closed."""
    with running_server(Settings(drain_seconds=20), TinyApp()) as (url, server):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"GET /early HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.recv(65536)
            server.stop(grace=False)

            assert connection.recv(65536) == b""


def test_a_dead_worker_is_replaced_and_named_in_one_line() -> None:
    """Two workers share the port; one that dies is replaced, and the rest of the service does not notice."""
    with served("--workers", "2") as server:
        with pytest.raises(OSError, match=r".*"):
            server.get("/die")
        answers = [server.get("/readyz")[0] for _ in range(10)]
        with reading_stream(server.url) as lines:
            server.stop()
        code = server.exit_code()

        assert answers == [200] * 10
        assert lines[-1] == "end"
        assert code == 0
        assert re.fullmatch(r"\S+ WARNING Worker \d+ died \(exit code 7\) and is replaced\.\n", server.log())


@LINUX
def test_a_group_wide_signal_is_one_signal_for_the_workers() -> None:
    """Service managers signal every process of the group: the workers still let their streams finish."""
    with served("--workers", "2", shutdown_grace_seconds="0.2") as server:
        with reading_stream(server.url) as lines:
            for pid in children(server.process.pid):
                os.kill(pid, signal.SIGTERM)
            server.stop()
        code = server.exit_code()

        assert lines[-1] == "end"
        assert code == 0


@LINUX
def test_workers_stop_when_their_parent_is_killed() -> None:
    """No worker stays behind on the port."""
    with served("--workers", "2") as server:
        workers = children(server.process.pid)
        server.process.kill()
        server.exit_code()
        deadline = time.monotonic() + 5
        while any(is_running(pid) for pid in workers) and time.monotonic() < deadline:
            time.sleep(0.05)

        assert len(workers) >= 2
        assert not any(is_running(pid) for pid in workers)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_app_that_does_not_start_ends_the_server(workers: str) -> None:
    """With exit code 1 and a reason, and not again and again."""
    environment = dict(os.environ) | {"TINY_FAILS": "1", "PYTHONPATH": os.pathsep.join(["src", "."])}
    command = [sys.executable, str(SCRIPT), "--workers", workers]
    done = subprocess.run(
        command, env=environment, cwd=SCRIPT.parents[2], capture_output=True, text=True, timeout=20, check=False
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert "did not start" in done.stderr


def test_the_log_is_lines_of_json_when_it_shall_be() -> None:
    """What is not a request is written in the form of the access log, too."""
    with served(shutdown_grace_seconds="0", drain_seconds="0.1", log_format="json") as server:
        with reading_stream(server.url):
            server.stop()
        server.exit_code()
        entry = msgspec.json.decode(server.log())

        assert entry["level"] == "WARNING"
        assert "were cut" in entry["message"]


def test_a_taken_port_is_told_in_one_sentence() -> None:
    """The message names the port and what to do."""
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            SettingsError, match=f"Port {port} on 127.0.0.1 is taken by another program. Choose another with --port"
        ):
            bind("127.0.0.1", port)


def test_an_unknown_host_is_told_in_one_sentence() -> None:
    """A host that is none of this machine's cannot be listened on."""
    with pytest.raises(SettingsError, match=r"192\.0\.2\.1"):
        bind("192.0.2.1", 0)


def test_localhost_means_ipv4_first() -> None:
    """Every client tries 127.0.0.1; some never try ::1."""
    with bind("localhost", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_settings_travel_to_workers_unchanged() -> None:
    """Secrets and tables included, and the tables are still read-only."""
    settings = dataclasses.replace(Settings(), gemini_api_key="secret", port=1)
    travelled = pickle.loads(pickle.dumps(settings))

    assert travelled == settings
    assert type(travelled.aliases) is type(settings.aliases)


def test_the_server_in_a_thread_answers_until_the_block_ends() -> None:
    """What the other tests use."""
    with running(Settings(), TinyApp()) as url, urlopen(url + "/readyz", timeout=10) as answer:
        assert answer.status == 200


def children(pid: int) -> list[int]:
    """Give the processes whose parent is this one."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
