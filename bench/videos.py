"""A finished video of 100 MB through /content: memory, time, what other requests feel. `python -m bench.videos [MB]`.

The server is a process of its own; the upstream, here, gives the film as fast as it is taken. The quiet case comes first: the
list of videos, again and again, with nothing else to do. The last line is JSON, for a report.
"""

import http.client
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from subprocess import PIPE, Popen
from urllib.parse import urlsplit

import msgspec

from bench.cpu import memory
from bench.upstream import Upstream, served

COMMAND = [sys.executable, "-c", "import sys; from pollux.cli.main import main; sys.exit(main())"]
MB = 1_000_000
PIECE = os.urandom(MB)
OPERATION = "models/veo-9/operations/abc"
HEADERS = {"Authorization": "Bearer key-of-the-bench", "Content-Type": "application/json"}
EXTRA_MB_MAX = 20
"""What a film may cost. Issue 7."""

QUIET_REQUESTS = 200


@dataclass
class Figures:
    """What was measured; sizes in millions of bytes, times in seconds."""

    film_mb: int
    seconds: float
    memory_before_mb: float
    memory_peak_mb: float
    quiet_seconds: float
    beside_seconds: float

    @property
    def extra_mb(self) -> float:
        """Memory that the film cost."""
        return self.memory_peak_mb - self.memory_before_mb


def main() -> int:
    """Measure, print, and say by the exit code whether the limit holds."""
    figures = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    print(f"film      {figures.seconds:6.2f} s   {figures.film_mb / figures.seconds:6.0f} MB/s")
    print(f"memory    {figures.memory_before_mb:6.0f} MB before, {figures.extra_mb:.1f} MB more at its peak")
    print(f"others    {figures.quiet_seconds * 1000:6.1f} ms quiet, {figures.beside_seconds * 1000:.1f} ms beside it (medians)")
    print(msgspec.json.encode(asdict(figures)).decode())
    return 0 if figures.extra_mb < EXTRA_MB_MAX else 1


def measure(mb: int) -> Figures:
    """Run a server and an upstream, and read a film of so many millions of bytes."""
    with tempfile.TemporaryDirectory(prefix="pollux-bench-") as folder, _upstream(mb) as url:
        environment = dict(os.environ) | {"POLLUX_DATA_DIR": folder, "POLLUX_ACCESS_LOG": "false"}
        arguments = ["serve", "--port", "0", "--upstream-url", url]
        with Popen([*COMMAND, *arguments], env=environment, stdout=PIPE, text=True) as process:
            assert process.stdout is not None
            place = urlsplit("http://" + process.stdout.readline().partition("http://")[2].split()[0]).netloc
            try:
                body = msgspec.json.encode({"model": "veo-9", "prompt": "A wave"})
                made = msgspec.json.decode(_ask(place, "POST", "/v1/videos", body))["id"]
                _ask(place, "GET", f"/v1/videos/{made}")
                quiet = statistics.median(_listed(place) for _ in range(QUIET_REQUESTS))
                before = memory(process.pid).now
                beside: list[float] = []
                over = threading.Event()

                def others() -> None:
                    while not over.is_set():
                        beside.append(_listed(place))

                thread = threading.Thread(target=others)
                thread.start()
                began = time.monotonic()
                size = _read(place, f"/v1/videos/{made}/content")
                seconds = time.monotonic() - began
                over.set()
                thread.join()
                assert size == mb * MB
                peak = memory(process.pid).peak
                return Figures(mb, seconds, before / MB, peak / MB, quiet, statistics.median(beside))
            finally:
                process.terminate()


def _listed(place: str) -> float:
    began = time.monotonic()
    _ask(place, "GET", "/v1/videos")
    return time.monotonic() - began


def _ask(place: str, method: str, path: str, body: bytes | None = None) -> bytes:
    connection = http.client.HTTPConnection(place, timeout=60)
    connection.request(method, path, body, HEADERS)
    answer = connection.getresponse()
    told = answer.read()
    connection.close()
    assert answer.status == 200, told
    return told


def _read(place: str, path: str) -> int:
    connection = http.client.HTTPConnection(place, timeout=60)
    connection.request("GET", path, headers=HEADERS)
    answer = connection.getresponse()
    size = sum(len(data) for data in iter(lambda: answer.read(65_536), b""))
    connection.close()
    return size


@contextmanager
def _upstream(mb: int) -> Iterator[str]:
    """Serve an operation that is done, and its film."""

    class Handler(Upstream):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.answer({"name": OPERATION})

        def do_GET(self) -> None:
            if ":download" in self.path:
                self._film()
                return
            uri = f"http://{self.headers['host']}/v1beta/files/abc:download?alt=media"
            told = {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": uri}}]}}
            self.answer({"name": OPERATION, "done": True, "response": told})

        def _film(self) -> None:
            self.start("video/mp4", mb * MB)
            for _ in range(mb):
                self.wfile.write(PIECE)

    with served(Handler) as url:
        yield url


if __name__ == "__main__":
    sys.exit(main())
