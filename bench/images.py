"""A picture of 20 MB in an answer: memory. `python -m bench.images [MEGABYTES]`.

Of chat and of the images endpoint, whole and streamed. The server is a process of its own; the upstream, here, gives one native
answer with a picture, whole and as an event. The last line is JSON, for a report.
"""

import http.client
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from subprocess import PIPE, Popen
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bench.cpu import memory
from bench.upstream import Upstream, served

COMMAND = [sys.executable, "-c", "import sys; from pollux.cli.main import main; sys.exit(main())"]
MB = 1_000_000
MODEL = "gemini-nano-banana-2.1"
COPIES_MAX = 3.1
"""How often the picture may be in memory at once: as it is told, encoded, and framed; and the slices that are on their way."""


@dataclass
class Figures:
    """What was measured; sizes in millions of bytes, times in seconds."""

    way: str
    picture_mb: float
    memory_before_mb: float
    memory_peak_mb: float
    seconds: float

    @property
    def copies(self) -> float:
        """How often the picture was in memory at the peak."""
        return (self.memory_peak_mb - self.memory_before_mb) / self.picture_mb


def main() -> int:
    """Measure, print, and say by the exit code whether the limit holds."""
    mb = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    found = [measure(mb, path, streamed=streamed) for path in ASKED for streamed in (False, True)]
    for figures in found:
        print(
            f"{figures.way:34}{figures.seconds:6.2f} s  {figures.memory_before_mb:5.0f} MB before, "
            f"{figures.memory_peak_mb:5.0f} MB at its peak: {figures.copies:.2f} copies"
        )
    print(msgspec.json.encode([asdict(figures) for figures in found]).decode())
    return 0 if all(figures.copies <= COPIES_MAX for figures in found) else 1


ASKED: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "{}"}]},
    "/v1/images/generations": {"prompt": "{}"},
}
"""What is asked for, by endpoint; the prompt says how large the picture is to be."""


def measure(mb: int, path: str, *, streamed: bool) -> Figures:
    """Run a server and an upstream, and ask for a picture of so many millions of base64 characters."""
    with tempfile.TemporaryDirectory(prefix="pollux-bench-") as folder, _upstream(mb) as url:
        environment = dict(os.environ) | {"POLLUX_DATA_DIR": folder, "POLLUX_ACCESS_LOG": "false"}
        arguments = ["serve", "--port", "0", "--upstream-url", url]
        with Popen([*COMMAND, *arguments], env=environment, stdout=PIPE, text=True) as process:
            assert process.stdout is not None
            place = urlsplit("http://" + process.stdout.readline().partition("http://")[2].split()[0]).netloc
            try:
                _ask(place, path, "small", streamed=streamed)
                before = memory(process.pid).now
                began = time.monotonic()
                length = _ask(place, path, "large", streamed=streamed)
                seconds = time.monotonic() - began
                assert length > mb * MB
                way = f"{path}, {'streamed' if streamed else 'whole'}"
                return Figures(way, mb, before / MB, memory(process.pid).peak / MB, seconds)
            finally:
                process.terminate()


def _ask(place: str, path: str, text: str, *, streamed: bool) -> int:
    connection = http.client.HTTPConnection(place, timeout=60)
    asked = msgspec.json.encode(ASKED[path] | {"model": MODEL, "stream": streamed}).replace(b"{}", text.encode())
    headers = {"Authorization": "Bearer key-of-the-bench", "Content-Type": "application/json"}
    connection.request("POST", path, asked, headers)
    answer = connection.getresponse()
    length = 0
    while data := answer.read(65_536):
        length += len(data)
    connection.close()
    assert answer.status == 200, answer.status
    return length


@contextmanager
def _upstream(mb: int) -> Iterator[str]:
    """Serve native answers: a small picture, or a large one, by the words of the prompt."""
    replies = {name: _reply(size) for name, size in (("small", 1000), ("large", mb * MB))}

    class Handler(Upstream):
        def do_GET(self) -> None:
            self.answer({"models": [{"name": f"models/{MODEL}"}]})

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["content-length"]))
            reply = replies["large" if b"large" in asked else "small"]
            if "stream" in self.path:
                self.answer(b"data: " + reply + b"\r\n\r\n", "text/event-stream")
            else:
                self.answer(reply)

    with served(Handler) as url:
        yield url


def _reply(size: int) -> bytes:
    part = {"inlineData": {"mimeType": "image/png", "data": "iVBO" * (size // 4)}, "thoughtSignature": "c2ln"}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
    return msgspec.json.encode({"candidates": [candidate], "modelVersion": MODEL, "responseId": "r"})


if __name__ == "__main__":
    sys.exit(main())
