"""What 32 image requests at once do to plain chat. `python -m bench.drawing`.

The server, the upstream and the 32 callers are processes of their own. The upstream gives JPEGs of 1 MB, as the models draw
them; the callers ask for them as they come, and as WebP, which is encoded. Chat is asked by one caller, again and again, before
and meanwhile. The last line is JSON, for a report.
"""

import base64
import http.client
import http.server
import io
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

import msgspec
import PIL.Image

COMMAND = [sys.executable, "-c", "import sys; from pollux.cli.main import main; sys.exit(main())"]
AT_ONCE, CHATS = 32, 300
TIMES_MAX = 2.0
"""How much slower half of the chats may be beside the image requests. Issue 7."""
MODEL = "gemini-3-pro-image"


@dataclass
class Figures:
    """What was measured: half and 95 of 100 chats took no longer, in milliseconds; pictures that were told meanwhile."""

    way: str
    alone_ms: tuple[float, float]
    beside_ms: tuple[float, float]
    pictures: int
    refused: int

    @property
    def times(self) -> float:
        """How much slower half of the chats were."""
        return self.beside_ms[0] / self.alone_ms[0]


def main() -> int:
    """Measure, print, and say by the exit code whether the limit holds."""
    found = [measure("as they come", {}), measure("as WebP", {"output_format": "webp"})]
    for figures in found:
        (half, most), (beside, most_beside) = figures.alone_ms, figures.beside_ms
        print(
            f"{figures.way:14} chat alone {half:5.1f} ms ({most:.1f} for 95 of 100), beside {AT_ONCE} image requests "
            f"{beside:5.1f} ms ({most_beside:.1f}): {figures.times:.2f} times; {figures.pictures} pictures, "
            f"{figures.refused} refused"
        )
    print(msgspec.json.encode([asdict(figures) for figures in found]).decode())
    return 0 if all(figures.times <= TIMES_MAX for figures in found) else 1


def measure(way: str, more: dict[str, Any]) -> Figures:
    """Run all, and measure chat without and with the image requests."""
    here, there = multiprocessing.Pipe()
    upstream = multiprocessing.Process(target=_upstream, args=(there,), daemon=True)
    upstream.start()
    with tempfile.TemporaryDirectory(prefix="pollux-bench-") as folder:
        environment = dict(os.environ) | {"POLLUX_DATA_DIR": folder, "POLLUX_ACCESS_LOG": "false", "POLLUX_ALIASES": ""}
        environment.pop("GEMINI_API_KEY", None)
        arguments = ["serve", "--port", "0", "--upstream-url", f"http://127.0.0.1:{here.recv()}"]
        with subprocess.Popen([*COMMAND, *arguments], env=environment, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            place = urlsplit("http://" + server.stdout.readline().partition("http://")[2].split()[0]).netloc
            callers = multiprocessing.Process(target=_draw, args=(place, more, there), daemon=True)
            try:
                _chats(place, 50)
                alone = _chats(place, CHATS)
                callers.start()
                assert here.recv() == "under way"
                beside = _chats(place, CHATS)
                here.send("enough")
                pictures, refused = here.recv()
                return Figures(way, alone, beside, pictures, refused)
            finally:
                server.terminate()
                upstream.terminate()
                callers.kill()


def _chats(place: str, count: int) -> tuple[float, float]:
    connection = http.client.HTTPConnection(place, timeout=60)
    body = msgspec.json.encode({"model": "gemini-3.6-flash", "messages": [{"role": "user", "content": "Hello"}]})
    took: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        _post(connection, "/v1/chat/completions", body)
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(0.005)
    connection.close()
    took.sort()
    return took[len(took) // 2], took[len(took) * 95 // 100]


def _draw(place: str, more: dict[str, Any], told: Connection) -> None:
    """Ask for pictures from 32 threads until it is enough."""
    body = msgspec.json.encode({"model": MODEL, "prompt": "A lighthouse"} | more)
    enough, pictures, refused = threading.Event(), [0], [0]

    def caller() -> None:
        connection = http.client.HTTPConnection(place, timeout=120)
        while not enough.is_set():
            status = _post(connection, "/v1/images/generations", body)
            (pictures if status == 200 else refused)[0] += 1

    threads = [threading.Thread(target=caller, daemon=True) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    while not pictures[0]:
        time.sleep(0.01)
    told.send("under way")
    told.recv()
    enough.set()
    told.send((pictures[0], refused[0]))


def _post(connection: http.client.HTTPConnection, path: str, body: bytes) -> int:
    connection.request("POST", path, body, {"Authorization": "Bearer key-of-the-bench", "Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


PICTURE_SECONDS, CHAT_SECONDS = 1.0, 0.0
"""How long the upstream takes; a real picture takes ten seconds."""


def _upstream(told: Connection) -> None:
    """Answer chats at once, and pictures after a while."""
    noise = PIL.Image.frombytes("RGB", (256, 256), os.urandom(256 * 256 * 3)).resize((1024, 1024))
    encoded = io.BytesIO()
    noise.save(encoded, "JPEG", quality=97)
    data = base64.b64encode(encoded.getvalue()).decode()
    picture = _reply({"inlineData": {"mimeType": "image/jpeg", "data": data}})
    text = _reply({"text": "Hello."})

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # an answer goes out at once

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            draws = MODEL in self.path
            time.sleep(PICTURE_SECONDS if draws else CHAT_SECONDS)
            body = picture if draws else text
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.send(server.server_address[1])
    server.serve_forever()


def _reply(part: dict[str, Any]) -> bytes:
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
    return msgspec.json.encode({"candidates": [candidate], "modelVersion": MODEL, "responseId": "r"})


if __name__ == "__main__":
    sys.exit(main())
