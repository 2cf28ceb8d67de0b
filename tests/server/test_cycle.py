"""The exchange on a connection, as an ASGI app sees it: what an app does wrong, and what a caller that leaves does to it."""

import asyncio
import gc
import http.client
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pollux.settings import Settings
from tests.server.test_protocol import connected, read_answer, read_to_end
from tests.server.tiny import TinyApp, answer
from tests.serving import running

REQUEST = b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n"


class OddApp(TinyApp):
    """Makes the mistakes that an app can make, and waits for callers that leave."""

    def __init__(self) -> None:
        super().__init__()
        self.left = threading.Semaphore(0)
        self.waits = threading.Semaphore(0)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        match scope.get("path"):
            case "/nothing":
                return
            case "/fails":
                raise ValueError
            case "/odd-header":
                headers = [(b"x-odd", b"a\r\nset-cookie: b")]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
            case "/short":
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
                await send({"type": "http.response.body", "body": b"four"})
            case "/twice":
                await answer(send, 200, b"once")
                await send({"type": "http.response.body", "body": b"twice"})
            case "/cut":
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"a part", "more_body": True})
            case "/head-first":
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
                await receive()
                self.waits.release()
                await receive()
                self.left.release()
            case "/told":
                scope["pollux.cycle"].when_left(self.left.release)
                self.waits.release()
                await asyncio.sleep(0.5)
                await answer(send, 200, b"nobody reads this")
            case _:
                await super().__call__(scope, receive, send)


@pytest.fixture(scope="module")
def app() -> OddApp:
    """The app of all these tests."""
    return OddApp()


@pytest.fixture(scope="module")
def url(app: OddApp) -> Iterator[str]:
    """A server around it."""
    with running(Settings(), app) as base_url:
        yield base_url


@pytest.mark.parametrize("path", [b"/nothing", b"/fails", b"/odd-header"])
def test_an_app_without_an_answer_gives_a_500_and_the_server_goes_on(url: str, path: bytes) -> None:
    """Also one whose headers would smuggle another in: nothing of it is sent."""
    with connected(url) as connection:
        connection.sendall(REQUEST % path)
        status, headers, body = read_answer(connection)
        rest = connection.recv(1)
    with connected(url) as connection:
        connection.sendall(REQUEST % b"/readyz")
        again, _, _ = read_answer(connection)

    assert (status, body, headers["connection"], rest) == (500, b"Internal Server Error", "close", b"")
    assert "set-cookie" not in headers
    assert again == 200


@pytest.mark.parametrize("path", [b"/short", b"/cut"])
def test_an_answer_that_ends_in_the_middle_looks_broken(url: str, path: bytes) -> None:
    """The connection closes before the promised end, so that a part is not taken for the whole."""
    host, _, port = url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request("GET", path.decode())

    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        connection.getresponse().read()
    connection.close()


def test_what_is_sent_after_the_end_goes_nowhere(url: str) -> None:
    """The next answer of the connection is its own."""
    with connected(url) as connection:
        connection.sendall(REQUEST % b"/twice")
        first = read_answer(connection)
        connection.sendall(REQUEST % b"/early")
        second = read_answer(connection)

    assert (first[2], second[2]) == (b"once", b"no key")


def test_a_head_does_not_wait_for_its_body(url: str, app: OddApp) -> None:
    """It goes out when the app waits for something else; and the app hears that its caller left."""
    with connected(url) as connection:
        connection.sendall(REQUEST % b"/head-first")
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)

        assert received.endswith(b"content-length: 2\r\n\r\n")
        assert app.waits.acquire(timeout=10)
    assert app.left.acquire(timeout=10)


@pytest.mark.parametrize("sent", [REQUEST % b"/told", REQUEST % b"/told" + REQUEST % b"/readyz"])
def test_whoever_wants_to_know_is_told_when_the_caller_leaves(url: str, app: OddApp, sent: bytes) -> None:
    """By a call, not by a task that waits; also when another request of the connection waits behind."""
    with connected(url) as connection:
        connection.sendall(sent)
        assert app.waits.acquire(timeout=10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # leaves by a reset

    assert app.left.acquire(timeout=10)


def test_an_answer_to_http_1_0_ends_with_the_connection(url: str) -> None:
    """Nothing is kept for a caller that knows of no keeping."""
    with connected(url) as connection:
        connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        received = read_to_end(connection)

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close\r\n" in received


def test_a_request_leaves_nothing_for_the_garbage_collector(url: str) -> None:
    """Nothing of an exchange points to itself, so that the collector, which is asked rarely, is not needed."""
    with connected(url) as connection:
        for _ in range(3):  # what is made once is made
            _ask(connection)
        gc.collect()
        gc.disable()
        try:
            for _ in range(200):
                _ask(connection)
            found = gc.collect()
        finally:
            gc.enable()

    assert found < 200


def _ask(connection: socket.socket) -> None:
    connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
    assert read_answer(connection)[0] == 200
