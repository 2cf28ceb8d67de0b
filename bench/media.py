"""Media in chat: what 10 MB in a request cost, and what 16 fetches do to plain chat. `python -m bench.media`.

The server is a process of its own; the upstream and the host of the media are two small ones beside it, which read what
comes and answer. CPU and memory are the server's alone. The last line is JSON, for a report.
"""

import asyncio
import base64
import http.client
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import msgspec

from bench.cpu import cpu_ns, memory

COMMAND = [sys.executable, "-c", "import sys; from pollux.cli.main import main; sys.exit(main())"]
IMAGE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + os.urandom(10_000_000)
"""10 MB that begin as a PNG does."""
REMOTE = IMAGE[:500_000]
"""A picture as pages have them."""
REPLY = b'{"candidates":[{"content":{"parts":[{"text":"Yes."}],"role":"model"},"finishReason":"STOP"}]}'
MEMORY_MAX, CPU_MILLISECONDS_MAX = 2.2, 25.0
"""What an inline image of 10 MB may cost: bodies of memory, and time of the processor. Issue 6."""
IMAGES, CHATS, FETCHES = 20, 400, 16


@dataclass
class Figures:
    """What was measured."""

    body_mb: float
    image_cpu_ms: float
    passed_cpu_ms: float
    extra_bodies: float
    chat_alone_ms: tuple[float, float]
    chat_beside_fetches_ms: tuple[float, float]
    fetches_seconds: float


def main() -> int:
    """Measure, print, and say by the exit code whether the limit of memory holds; time depends on the machine, and is told."""
    figures = measure()
    print(f"image     {figures.image_cpu_ms:6.1f} ms of CPU for 10 MB as base64 ({figures.body_mb:.1f} MB of body), all told")
    print(f"          {figures.passed_cpu_ms:6.1f} ms of these when the native path passes the same body on, unread")
    cost = figures.image_cpu_ms - figures.passed_cpu_ms
    print(f"          {cost:6.1f} ms are for reading, checking and writing it; {CPU_MILLISECONDS_MAX:g} are wanted")
    print(f"memory    {figures.extra_bodies:6.2f} bodies more at its peak")
    for name, (half, most) in (("alone", figures.chat_alone_ms), ("beside", figures.chat_beside_fetches_ms)):
        print(
            f"chat      {half:6.1f} ms for half, {most:.1f} ms for 95 of 100 plain chats, {name} ({FETCHES} fetches of 0.5 MB)"
        )
    print(f"fetches   {figures.fetches_seconds:6.2f} s for a request with {FETCHES} of them")
    print(msgspec.json.encode(asdict(figures)).decode())
    return 0 if figures.extra_bodies <= MEMORY_MAX else 1


def measure() -> Figures:
    """Run the far side and the server, and send."""
    (gemini, port), (web, web_port) = _started(), _started()
    with tempfile.TemporaryDirectory(prefix="pollux-bench-") as folder:
        environment = dict(os.environ) | {
            "POLLUX_DATA_DIR": folder,
            "POLLUX_ACCESS_LOG": "false",
            "POLLUX_ALIASES": "",
            "POLLUX_REMOTE_MEDIA_INTERNAL_HOSTS": f"localhost:{web_port}",
        }
        environment.pop("GEMINI_API_KEY", None)
        arguments = ["serve", "--port", "0", "--upstream-url", f"http://127.0.0.1:{port}"]
        with subprocess.Popen([*COMMAND, *arguments], env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            try:
                return _measure(first.partition("http://")[2].split()[0].rstrip("/"), web_port, process.pid)
            finally:
                process.terminate()
                gemini.terminate()
                web.terminate()


def _started() -> tuple[BaseProcess, int]:
    """Start a far side, and give its port."""
    ours, theirs = multiprocessing.Pipe()
    far = multiprocessing.get_context("spawn").Process(target=_far_side, args=(theirs,), daemon=True)
    far.start()
    return far, ours.recv()


def _measure(place: str, port: int, pid: int) -> Figures:
    text = base64.b64encode(IMAGE).decode()
    body = _chat({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{text}"}})
    plain = _chat({"type": "text", "text": "And now?"})
    native = b'{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"%b"}}]}]}' % text.encode()
    for _ in range(50):
        _ask(place, plain)
    before = memory(pid)
    _ask(place, body)
    peak = memory(pid).peak
    passed = _cpu(place, pid, native, "/v1beta/models/m:generateContent")
    image = _cpu(place, pid, body) - _cpu(place, pid, plain)
    alone = _chats(place, plain, threading.Event())
    urls = [f"http://localhost:{port}/{i}.png" for i in range(FETCHES)]
    remote: list[dict[str, object]] = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    fetching = _Fetching(place, _chat(*remote))
    fetching.start()
    beside = _chats(place, plain, fetching.enough)
    fetching.join()
    return Figures(
        body_mb=len(body) / 1e6,
        image_cpu_ms=image,
        passed_cpu_ms=passed,
        extra_bodies=(peak - max(before.now, 0)) / len(body),
        chat_alone_ms=alone,
        chat_beside_fetches_ms=beside,
        fetches_seconds=min(fetching.seconds),
    )


def _chat(*parts: dict[str, object]) -> bytes:
    content = [{"type": "text", "text": "What is this?"}, *parts]
    return msgspec.json.encode({"model": "gemini-3.6-flash", "messages": [{"role": "user", "content": content}]})


def _ask(place: str, body: bytes, path: str = "/v1/chat/completions") -> float:
    """Send a request and give how many milliseconds its answer took."""
    connection = http.client.HTTPConnection(place, timeout=120)
    began = time.perf_counter()
    key = {"x-goog-api-key": "k"} if path.startswith("/v1beta") else {"Authorization": "Bearer k"}
    connection.request("POST", path, body, key | {"Content-Type": "application/json"})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    assert answer.status == 200, data
    assert b"Yes." in data, data
    return (time.perf_counter() - began) * 1000


def _cpu(place: str, pid: int, body: bytes, path: str = "/v1/chat/completions") -> float:
    """Give the server's CPU time for one request, in milliseconds: the least of many, since a busy machine adds to it."""
    used = []
    for _ in range(IMAGES):
        before = cpu_ns(pid)
        _ask(place, body, path)
        used.append((cpu_ns(pid) - before) / 1e6)
    return min(used)


def _chats(place: str, body: bytes, enough: threading.Event) -> tuple[float, float]:
    """Send plain chats one after the other; give the median and the 95th percentile in milliseconds."""
    took = sorted(_ask(place, body) for _ in range(CHATS))
    enough.set()
    return took[CHATS // 2], took[CHATS * 95 // 100]


class _Fetching(threading.Thread):
    """Another caller, whose requests hold 16 URLs each, one after the other until there is enough."""

    def __init__(self, place: str, body: bytes) -> None:
        super().__init__(daemon=True)
        self.enough = threading.Event()
        self.seconds: list[float] = []
        self._place = place
        self._body = body

    def run(self) -> None:
        while not self.enough.is_set():
            self.seconds.append(_ask(self._place, self._body) / 1000)


def _far_side(pipe: Connection) -> None:
    asyncio.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    """Be Gemini, which answers anything, and a host of media."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                if head.startswith("get"):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(REMOTE))
                    writer.write(REMOTE)
                else:
                    await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
                    writer.write(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(REPLY)
                    )
                    writer.write(REPLY)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, limit=2**22)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
