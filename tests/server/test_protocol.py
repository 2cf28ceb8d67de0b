"""The limits of the HTTP protocol, with raw bytes on real sockets."""

import dataclasses
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from pollux.settings import Settings
from tests.server.tiny import TinyApp
from tests.serving import running

SETTINGS = Settings(header_bytes_max=4096, header_count_max=20, head_seconds=0.4, receive_seconds=0.8)
PATIENT = dataclasses.replace(SETTINGS, head_seconds=10, receive_seconds=20)


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """Open a connection that waits no longer than ten seconds for anything."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    """Read until the server closes."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one answer with a length."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        assert piece, received
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    headers = dict(re.split(r":\s*", field, maxsplit=1) for field in fields)
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65536)
    return int(status.split()[1]), headers, body


def exchange(url: str, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes, read the answer, and see the connection closed."""
    with connected(url) as connection:
        connection.sendall(request)
        answer = read_answer(connection)
        assert connection.recv(1) == b""
    return answer


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server with small limits on sizes and short ones on time."""
    with running(SETTINGS, TinyApp()) as base_url:
        yield base_url


def error_of(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    """Check the form of an error answer; give its status and code."""
    status, headers, body = answer
    error = msgspec.json.decode(body)["error"]
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    assert headers["x-request-id"].startswith("req_")
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error" or status >= 500
    assert error["param"] is None
    return status, error["code"]


def test_a_request_is_answered_and_the_connection_kept(url: str) -> None:
    """Several requests on one connection are answered in turn, with a Date."""
    with connected(url) as connection:
        for body in (b"one", b"two"):
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n" + body)
            status, headers, received = read_answer(connection)

            assert (status, received) == (200, body)
            assert "connection" not in headers
            assert "date" in headers
            assert "server" not in headers


def test_pipelined_requests_are_answered_in_order(url: str) -> None:
    """Requests sent at once, the last one asking to close, get their answers in the same order."""
    requests = b"".join(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n%d" % number for number in range(5))
    with connected(url) as connection:
        connection.sendall(requests + b"GET /early HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = read_to_end(connection)

    assert [body[-1:] for body in received.split(b"HTTP/1.1 ")[1:-1]] == [b"0", b"1", b"2", b"3", b"4"]
    assert received.endswith(b"no key")


def test_a_request_may_come_byte_by_byte_within_its_time() -> None:
    """The bytes of head and body in single packets are read as one request."""
    with running(PATIENT, TinyApp()) as url, connected(url) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
            connection.sendall(bytes([byte]))
        status, headers, body = read_answer(connection)

    assert (status, body) == (200, b"abc")
    assert "connection" not in headers


def test_an_idle_fresh_connection_is_closed_without_a_word(url: str) -> None:
    """A connection on which nothing comes ends after head_seconds."""
    start = time.monotonic()
    with connected(url) as connection:
        received = read_to_end(connection)

    assert received == b""
    assert 0.3 < time.monotonic() - start < 3


def test_empty_lines_do_not_keep_a_connection_open(url: str) -> None:
    """Line ends before a request are no request, however often they come."""
    start = time.monotonic()
    with connected(url) as connection:
        trickle(connection, b"\r\n" * 500, pause_seconds=0.05)

    assert time.monotonic() - start < 3


def test_a_slow_head_gets_a_408_however_steadily_it_comes(url: str) -> None:
    """The time runs from the first byte of the head, not from the last."""
    start = time.monotonic()
    with connected(url) as connection:
        trickle(connection, b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: " + b"a" * 500, pause_seconds=0.05)
        answer = read_answer(connection)

    assert error_of(answer) == (408, "request_timeout")
    assert b"The head did not arrive as a whole within 0.4 seconds." in answer[2]
    assert 0.3 < time.monotonic() - start < 3


def test_a_slow_body_gets_a_408_and_the_app_is_told() -> None:
    """The time of a body runs from the first byte of the request, and the app sees the caller leave."""
    app = TinyApp()
    start = time.monotonic()
    with running(SETTINGS, app) as url, connected(url) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n")
        trickle(connection, b"a" * 499, pause_seconds=0.05)
        answer = read_answer(connection)

    assert error_of(answer) == (408, "request_timeout")
    assert 0.7 < time.monotonic() - start < 4
    assert app.disconnects == 1


def test_a_slow_second_request_on_a_kept_connection_gets_a_408(url: str) -> None:
    """The time starts anew with every request of a connection."""
    with connected(url) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        first = read_answer(connection)
        time.sleep(0.6)
        connection.sendall(b"GET / HTTP/1.1\r\n")
        second = read_answer(connection)

    assert first[0] == 200
    assert error_of(second) == (408, "request_timeout")


def test_a_long_answer_is_not_cut_by_the_times_of_requests(url: str) -> None:
    """While the app answers, the connection has no deadline."""
    with connected(url) as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        received = read_to_end(connection)

    assert received.endswith(b"end\n\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Big: " + b"a" * 5000 + b"\r\n\r\n", 431, "request_header_fields_too_large"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-Endless: " + b"a" * 5000, 431, "request_header_fields_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(22)), 431, "request_header_fields_too_large"),
        (b"GET /" + b"a" * 5000, 414, "uri_too_long"),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "uri_too_long"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "invalid_http"),
        (b"GET / HTTP/9.9\r\n\r\n", 400, "invalid_http"),
        (b"hello\r\n\r\n", 400, "invalid_http"),
        (b"CONNECT gemini:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid_http"),
        (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400, "invalid_http"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nNo colon\r\n\r\n", 400, "invalid_http"),
        (b"GET / HTTP/1.1\r\nX-Nul: a\x00b\r\n\r\n", 400, "invalid_http"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "invalid_http"),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400, "invalid_http"),
        (b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "invalid_http"),
        (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "invalid_http"),
    ],
    ids=[
        "a large field", "an endless field", "many fields", "an endless address", "a long address", "TLS", "another version",
        "garbage", "CONNECT", "an address of bytes", "a field without a colon", "NUL in a field", "a negative length",
        "two lengths", "length and chunks", "a broken chunk",
    ],
)  # fmt: skip
def test_what_is_too_large_or_malformed_gets_an_error(url: str, request_bytes: bytes, status: int, code: str) -> None:
    """Each gets OpenAI's error object with its status, and the connection ends."""
    answer = exchange(url, request_bytes)

    assert error_of(answer) == (status, code)


def test_a_flood_of_trailers_ends_the_connection(url: str) -> None:
    """Fields after the body are counted too, by their bytes."""
    with connected(url) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
        time.sleep(0.1)
        connection.sendall(b"X-Trailer: " + b"a" * 5000)
        answer = read_answer(connection)

    assert error_of(answer) == (431, "request_header_fields_too_large")


def test_trailers_are_no_headers(url: str) -> None:
    """A field after the body does not reach the app, which has decided by then."""
    with connected(url) as connection:
        connection.sendall(
            b"POST /headers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Key: b\r\n\r\n"
        )
        status, _, body = read_answer(connection)

    assert status == 200
    assert b"x-key" not in body


def test_a_large_body_in_one_packet_with_its_head_is_no_large_head(url: str) -> None:
    """Only the head counts against the limit of the head."""
    body = b"a" * 20_000
    with connected(url) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + body)
        status, _, received = read_answer(connection)

    assert (status, received) == (200, body)


def test_an_offer_to_upgrade_is_ignored_and_the_next_request_answered(url: str) -> None:
    """Java and `curl --http2` offer HTTP/2 with a request; its body stays a body."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n"
    close = b"GET /early HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with connected(url) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n" + offer + b"Content-Length: 6\r\n\r\nGET / ")
        first = read_answer(connection)
        connection.sendall(b"GET /early HTTP/1.1\r\nHost: a\r\n" + offer + b"\r\n" + close)
        rest = read_to_end(connection)

    assert (first[0], first[2]) == (200, b"GET / ")
    assert rest.count(b"HTTP/1.1 401") == 2


def test_a_declared_body_that_is_too_large_is_answered_before_it_is_read() -> None:
    """A caller that sends 200 MB gets its 413, told to close, and cannot send the rest."""
    app = TinyApp()
    with running(PATIENT, app) as url, connected(url) as connection:
        connection.sendall(b"POST /limited HTTP/1.1\r\nHost: a\r\nContent-Length: 200000000\r\n\r\n")
        sent = send_until_refused(connection, bytes(1_000_000), 200)
        status, headers, _ = read_answer(connection)

    assert (status, headers["connection"]) == (413, "close")
    assert sent < 20
    assert app.received < 1_000_000


def test_a_chunked_body_that_is_too_large_is_answered_before_it_is_read() -> None:
    """The same without a declared length."""
    app = TinyApp()
    with running(PATIENT, app) as url, connected(url) as connection:
        connection.sendall(b"POST /limited HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = send_until_refused(connection, b"f4240\r\n" + bytes(1_000_000) + b"\r\n", 200)
        status, headers, _ = read_answer(connection)

    assert (status, headers["connection"]) == (413, "close")
    assert sent < 20
    assert app.received < 1_000_000


@pytest.mark.parametrize(
    ("framing", "piece"),
    [
        (b"Content-Length: 200000000", bytes(1_000_000)),
        (b"Transfer-Encoding: chunked", b"f4240\r\n" + bytes(1_000_000) + b"\r\n"),
    ],
    ids=["declared", "chunked"],
)
def test_the_server_itself_refuses_200_mb(framing: bytes, piece: bytes, tmp_path: Path) -> None:
    """The real app: a 413 in OpenAI's form, after little more than the limit, and the server keeps serving."""
    settings = Settings(
        upstream="emulator", upstream_url="http://127.0.0.1:9", data_dir=str(tmp_path), body_bytes_max=5_000_000
    )
    with running(settings) as url:
        with connected(url) as connection:
            connection.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\n" + framing + b"\r\n\r\n"
            )
            sent = send_until_refused(connection, piece, 200)
            answer = read_answer(connection)
        with connected(url) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            status, _, _ = read_answer(connection)

    assert error_of(answer) == (413, "request_too_large")
    assert sent < 30
    assert status == 200


def test_a_caller_that_sends_on_slowly_after_its_answer_is_cut() -> None:
    """Reading on, so that the answer can be read, has an end."""
    start = time.monotonic()
    with running(PATIENT, TinyApp()) as url, connected(url) as connection:
        connection.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
        answer = read_answer(connection)
        trickle(connection, b"a" * 1000, pause_seconds=0.05)

    assert answer[0] == 401
    assert time.monotonic() - start < 6


def test_an_error_in_a_pipelined_request_waits_for_the_answer_before_it(url: str) -> None:
    """A broken request does not break into the answer of the one before."""
    with connected(url) as connection:
        connection.sendall(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\nhello\r\n\r\n")
        received = read_to_end(connection)

    assert received.count(b"HTTP/1.1 200") == 1
    assert received.count(b"HTTP/1.1 400") == 1
    assert received.index(b"end\n\r\n0\r\n\r\n") < received.index(b"HTTP/1.1 400")


def test_an_error_in_the_body_of_a_pipelined_request_waits_too(url: str) -> None:
    """The same when the head of the second request was whole, and the app waits for its turn."""
    with connected(url) as connection:
        connection.sendall(
            b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
        )
        received = read_to_end(connection)

    assert received.count(b"HTTP/1.1 200") == 1
    assert received.index(b"end\n\r\n0\r\n\r\n") < received.index(b"HTTP/1.1 400")


def test_a_pipelined_body_that_waited_for_its_turn_has_its_full_time(url: str) -> None:
    """While an answer is under way nothing is read, and the next request's time does not run."""
    with connected(url) as connection:
        connection.sendall(
            b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc"
        )
        received = b""
        while b"end\n" not in received:
            received += connection.recv(65536)
        connection.sendall(b"def")
        while b"abcdef" not in received:
            piece = connection.recv(65536)
            assert piece, received
            received += piece

    assert b"408" not in received


def test_a_caller_that_leaves_frees_its_request() -> None:
    """The app is told when the connection of a request that still arrives is closed."""
    app = TinyApp()
    with running(PATIENT, app) as url:
        with connected(url) as connection:
            connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nabc")
            time.sleep(0.2)
        time.sleep(0.2)

        assert app.disconnects == 1


def test_a_caller_that_takes_nothing_of_its_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that nobody reads does not stay in memory for ever."""
    monkeypatch.setattr("pollux.server.protocol.WRITING_SECONDS", 0.5)
    with running(SETTINGS, TinyApp()) as url, connected(url) as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n")
        time.sleep(2.5)
        with pytest.raises((ConnectionResetError, AssertionError)):  # its kernel has a part of it, and then a reset
            read_answer_to_the_end(connection, 50_000_000)


def read_answer_to_the_end(connection: socket.socket, length: int) -> None:
    """Read so many bytes, or fail."""
    received = 0
    while received < length:
        piece = connection.recv(1_000_000)
        assert piece
        received += len(piece)


def trickle(connection: socket.socket, data: bytes, *, pause_seconds: float) -> None:
    """Send byte by byte until the server has said something or closed."""
    connection.setblocking(False)
    try:
        for byte in data:
            try:
                connection.send(bytes([byte]))
                if connection.recv(1, socket.MSG_PEEK) is not None:
                    return
            except BlockingIOError:
                time.sleep(pause_seconds)
            except ConnectionError:
                return
    finally:
        connection.settimeout(10)


def send_until_refused(connection: socket.socket, piece: bytes, times: int) -> int:
    """Send a piece again and again; give how often it could be sent."""
    for sent in range(times):
        try:
            connection.sendall(piece)
        except ConnectionError:
            return sent
    return times
