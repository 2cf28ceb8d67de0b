"""Native bytes in motion: nothing is held, nobody is waited for who has left, what is cut looks cut."""

import http.client
import os
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.server.asking import KEY, MODEL, Pollux, ask, pollux
from tests.server.plumbing import Line, Plumbed
from tests.server.sharing import ALICE, MODES, mode

STREAM = f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
UPLOAD = "/upload/v1beta/files"
MEBIBYTE = 1_048_576
LARGE = 100 * MEBIBYTE
EVENTS = "content-type: text/event-stream"


@pytest.fixture(params=MODES)
def key_mode(request: pytest.FixtureRequest) -> str:
    """Give each key mode."""
    return str(request.param)


def opened(server: Pollux, path: str, *, method: str = "POST", length: int | None = 2) -> socket.socket:
    """Send the head of a request on a connection of one's own."""
    parts = urlsplit(server.url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=20)
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    head = f"{method} {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nx-goog-api-key: {ALICE}\r\n{framing}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def ended(line: Line, seconds: float = 5) -> float:
    """Wait until the server closes the upstream's connection, and give the seconds that this took."""
    started = time.monotonic()
    line.connection.settimeout(seconds)
    while line.some():
        pass
    return time.monotonic() - started


def test_events_are_passed_on_one_by_one(tmp_path: Path, key_mode: str) -> None:
    """Each is read by the caller before the upstream sends the next."""
    seen = threading.Semaphore(0)

    def handler(line: Line) -> None:
        line.some()
        line.send(f"HTTP/1.1 200 OK\r\n{EVENTS}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
        for i in range(5):
            event = b'data: {"i": %d}\r\n\r\n' % i
            line.send(b"%x\r\n%b\r\n" % (len(event), event))
            assert seen.acquire(timeout=10)
        line.send(b"0\r\n\r\n")

    with Plumbed(handler) as upstream, mode(key_mode, upstream.url, tmp_path) as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
        connection.request("POST", STREAM, b"{}", {"x-goog-api-key": ALICE})
        answer = connection.getresponse()
        told = []
        for _ in range(5):
            told.append(answer.readline())
            answer.readline()
            seen.release()
        rest = answer.read()
        connection.close()

    assert told == [b'data: {"i": %d}\r\n' % i for i in range(5)]
    assert rest == b""
    assert answer.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize("way", ["declared", "chunked"])
def test_a_large_upload_is_not_held(tmp_path: Path, key_mode: str, way: str) -> None:
    """100 MB go through with less than 30 MB of memory; the length stays as it was said."""
    received = []
    memory = psutil.Process()
    peak = 0

    def handler(line: Line) -> None:
        nonlocal peak
        size = 0
        while True:
            piece = line.some()
            size += len(piece)
            if line.headers.get("content-length") == str(size) or piece.endswith(b"0\r\n\r\n"):
                break
            if size % (8 * MEBIBYTE) < len(piece):
                time.sleep(0.02)  # slower than the caller
                peak = max(peak, memory.memory_info().rss)
        received.append(size)
        line.answer(200, b'{"file": {"name": "files/a"}}')

    with Plumbed(handler) as upstream, mode(key_mode, upstream.url, tmp_path) as server:
        ask(server.url, "/v1beta/models", headers={"x-goog-api-key": ALICE}, key="", body=b"{}")
        received.clear()
        before = peak = memory.memory_info().rss
        connection = opened(server, UPLOAD, length=LARGE if way == "declared" else None)
        piece = os.urandom(MEBIBYTE)
        for _ in range(LARGE // MEBIBYTE):
            if way == "declared":
                connection.sendall(piece)
            else:
                connection.sendall(b"%x\r\n" % MEBIBYTE)
                connection.sendall(piece)
                connection.sendall(b"\r\n")
        if way == "chunked":
            connection.sendall(b"0\r\n\r\n")
        told = connection.recv(65536)
        connection.close()

    assert told.startswith(b"HTTP/1.1 200 ")
    assert received[0] >= LARGE
    assert peak - before < 30 * MEBIBYTE


def test_a_large_answer_is_not_held(tmp_path: Path, key_mode: str) -> None:
    """A caller who reads slowly slows the upstream down; the server keeps little in between."""
    sent = 0

    def handler(line: Line) -> None:
        nonlocal sent
        line.some()
        line.send(f"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: {LARGE}\r\n\r\n".encode())
        piece = b"x" * 65536
        for _ in range(LARGE // len(piece)):
            line.send(piece)
            sent += len(piece)

    with Plumbed(handler) as upstream, mode(key_mode, upstream.url, tmp_path) as server:
        connection = opened(server, f"/v1beta/models/{MODEL}:generateContent")
        connection.sendall(b"{}")
        head = connection.recv(4096)
        time.sleep(1)
        held = sent
        connection.close()

    assert b"content-length: %d" % LARGE in head
    assert held < 30 * MEBIBYTE


@pytest.mark.parametrize("when", ["while sending", "while waiting", "while reading"])
def test_a_caller_who_leaves_ends_the_upstream_call(tmp_path: Path, key_mode: str, when: str) -> None:
    """Within a second, whatever is under way."""
    took: list[float] = []
    arrived = threading.Event()

    def handler(line: Line) -> None:
        line.some()
        if when == "while reading":
            line.send(f"HTTP/1.1 200 OK\r\n{EVENTS}\r\n\r\ndata: 1\r\n\r\n".encode())
        arrived.set()
        took.append(ended(line))

    with Plumbed(handler) as upstream, mode(key_mode, upstream.url, tmp_path) as server:
        connection = opened(
            server, STREAM if when != "while sending" else UPLOAD, length=2 if when != "while sending" else LARGE
        )
        connection.sendall(b"{}" if when != "while sending" else b"x" * MEBIBYTE)
        assert arrived.wait(10)
        if when == "while reading":
            connection.recv(65536)
        connection.close()

    assert took[0] < 1


def test_an_upstream_that_answers_early_is_heard(tmp_path: Path, key_mode: str) -> None:
    """A refusal of an upload does not wait for its last byte."""

    def handler(line: Line) -> None:
        line.some()
        line.answer(403, b'{"error": {"code": 403}}')

    with Plumbed(handler) as upstream, mode(key_mode, upstream.url, tmp_path) as server:
        connection = opened(server, UPLOAD, length=LARGE)
        connection.sendall(b"x" * 100_000)
        told = connection.recv(65536)
        while b'"code"' not in told:
            told += connection.recv(65536)
        connection.close()

    assert told.startswith(b"HTTP/1.1 403 ")


def test_an_upload_that_turns_out_too_large_is_refused(tmp_path: Path, key_mode: str) -> None:
    """Declared, before anything goes up; chunked, as soon as it is seen; both with 413 in Google's form."""

    def handler(line: Line) -> None:
        ended(line)

    with Plumbed(handler) as upstream, mode(key_mode, upstream.url, tmp_path, file_bytes_max=MEBIBYTE) as server:
        told = []
        for length in (2 * MEBIBYTE, None):
            connection = opened(server, UPLOAD, length=length)
            if length is None:
                connection.sendall(b"%x\r\n" % (2 * MEBIBYTE) + b"x" * (2 * MEBIBYTE))
            answer = b""
            while b'"status"' not in answer:
                answer += connection.recv(65536)
            told.append(answer)
            connection.close()

    assert [answer.split()[1] for answer in told] == [b"413", b"413"]
    assert all(b'"status":"INVALID_ARGUMENT"' in answer for answer in told)


def test_a_broken_stream_of_events_ends_with_an_error(tmp_path: Path, key_mode: str) -> None:
    """What came before it is there; the error is an event, as the service tells its own."""

    def handler(line: Line) -> None:
        line.some()
        line.send(f"HTTP/1.1 200 OK\r\n{EVENTS}\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n".encode())

    with Plumbed(handler) as upstream, mode(key_mode, upstream.url, tmp_path) as server:
        answer = ask(server.url, STREAM, body=b"{}", headers={"x-goog-api-key": ALICE}, key="")

    assert answer.body.startswith(b"data: 1\n\ndata: ")
    assert b'"status":"UNAVAILABLE"' in answer.body


def test_a_broken_answer_looks_broken() -> None:
    """A cut file is not taken for a whole one."""

    def handler(line: Line) -> None:
        line.send(b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")

    with Plumbed(handler) as upstream, pollux(upstream.url) as server:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            ask(server.url, "/v1beta/files/a:download?alt=media", headers={"x-goog-api-key": KEY}, key="")
        again = ask(server.url, "/healthz", key="")

    assert again.status == 200


def test_calls_that_may_cost_are_not_sent_again() -> None:
    """What makes something is sent once, whatever became of the connection; reading may be tried again."""
    asked: list[bytes] = []

    def handler(line: Line) -> None:
        while True:
            asked.append(line.head.split(b" ")[0])
            if len(asked) in {2, 5}:  # the connection was kept, and dies under the next request
                return
            line.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
            received = line.some()
            while received and b"\r\n\r\n" not in received:
                received += line.some()
            if not received:
                return
            line.head = received.partition(b"\r\n\r\n")[0]

    with Plumbed(handler) as upstream, pollux(upstream.url) as server:
        statuses = [_status(server, "GET", "/v1beta/files") for _ in range(3)]
        made = _status(server, "POST", "/v1beta/cachedContents")

    assert statuses == [200, 200, 200]
    assert asked[:4] == [b"GET"] * 4
    assert made in {200, 502}
    assert asked.count(b"POST") == 1


def test_a_streamed_body_is_looked_at_by_nobody_with_callers_keys() -> None:
    """A large request without references is passed on as it comes, byte by byte."""
    body = b'{"contents": [{"parts": [{"text": "' + b"y" * 300_000 + b'"}]}], "odd": 1.50}'
    got: list[bytes] = []

    def handler(line: Line) -> None:
        data = b""
        while len(data) < len(body):
            data += line.some()
        got.append(data)
        line.answer()

    with Plumbed(handler) as upstream, pollux(upstream.url) as server:
        ask(server.url, f"/v1beta/models/{MODEL}:generateContent", body=body, headers={"x-goog-api-key": KEY}, key="")

    assert got == [body]


def _status(server: Pollux, method: str, path: str) -> int:
    body = b"{}" if method == "POST" else None
    return ask(server.url, path, method=method, body=body, headers={"x-goog-api-key": KEY}, key="").status
