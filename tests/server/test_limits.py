"""How much the server takes on at once, and that one caller cannot shut out the rest."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from pollux.errors import Overloaded
from pollux.server.limits import InFlight
from tests.server.asking import CHAT, KEY, SECONDS, Answer, Pollux, ask, chat, pollux
from tests.server.fake import Conversation, FakeUpstream, plainly


class Gate:
    """Steps that hold every answer back until the gate opens."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, conversation: Conversation) -> None:
        assert self.opened.wait(SECONDS)
        plainly(conversation)


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    """An upstream of each test's own."""
    with FakeUpstream() as fake:
        yield fake


def refused(answer: Answer) -> bool:
    """Say whether the server had too much to do, after a look at how it says so."""
    if answer.status == 200:
        return False
    assert answer.status == 503
    assert answer.error["code"] == "overloaded"
    assert answer.error["type"] == "server_error"
    assert int(answer.headers["retry-after"]) >= 1
    assert int(answer.headers["retry-after-ms"]) >= 1
    return True


def test_requests_in_flight_are_capped(upstream: FakeUpstream) -> None:
    """What is too much gets a 503 with Retry-After at once; when places are free again, requests are taken again."""
    gate = Gate()
    upstream.then(gate)
    with pollux(upstream, in_flight_max=4) as server, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(chat, server.url, key=f"AIza-caller-{n}", stream=n % 2 == 0) for n in range(4)]
        upstream.wait_for(4)
        too_many = [chat(server.url), chat(server.url, stream=True), ask(server.url, "/v1/models")]
        alive = ask(server.url, "/healthz")
        gate.opened.set()
        served = [answer.result().status for answer in waiting]
        after = chat(server.url)

    assert all(refused(answer) for answer in too_many)
    assert alive.status == 200
    assert served == [200] * 4
    assert after.status == 200
    assert len(upstream.requests) == 5


def test_one_caller_cannot_take_every_place(upstream: FakeUpstream) -> None:
    """A flood of one caller leaves a place for another."""
    gate = Gate()
    upstream.then(gate)
    with pollux(upstream, in_flight_max=10) as server, ThreadPoolExecutor(13) as pool:
        flood = [pool.submit(chat, server.url) for _ in range(12)]
        wait_until(lambda: server.app.in_flight.total + sum(answer.done() for answer in flood) == 12)
        other = pool.submit(chat, server.url, key=KEY + "-of-another")
        wait_until(lambda: other.done() or len(upstream.requests) == 10)
        gate.opened.set()
        flooded = [refused(answer.result()) for answer in flood]
        answer = other.result()

    assert answer.status == 200
    assert flooded.count(True) == 3


def test_when_places_are_short_each_caller_has_an_equal_share() -> None:
    """Above half, who holds more than a share is refused, and who holds less is served."""
    in_flight = InFlight(requests_max=12, bytes_max=1)
    for owner in "aaaaaaabbb":
        in_flight.enter(owner)
    with pytest.raises(Overloaded):
        in_flight.enter("a")
    in_flight.enter("b")
    in_flight.enter("c")

    assert in_flight.total == 12
    with pytest.raises(Overloaded):
        in_flight.enter("d")


def test_leaving_gives_the_place_back() -> None:
    """Counted in, counted out, also after a refusal; nothing of an owner stays."""
    in_flight = InFlight(requests_max=1, bytes_max=10)
    for _ in range(3):
        in_flight.enter("a")
        with pytest.raises(Overloaded):
            in_flight.enter("b")
        in_flight.leave("a")

    assert in_flight.total == 0
    assert not in_flight._of


def uploading(server: Pollux, size: int, key: str = KEY) -> socket.socket:
    """Begin a request and send so much of its body, but not all."""
    parts = urlsplit(server.url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=SECONDS)
    connection.sendall(
        f"POST {CHAT} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Length: {size + 1}\r\n\r\n".encode()
    )
    connection.sendall(b" " * size)
    return connection


def test_the_bytes_of_requests_are_capped_while_they_come(upstream: FakeUpstream) -> None:
    """Bodies that are only half here count; when their callers leave, the bytes are free again."""
    with pollux(upstream, buffered_bytes_max=3_000_000) as server, contextlib.ExitStack() as stack:
        held = [stack.enter_context(uploading(server, 1_000_000, f"AIza-caller-{n}")) for n in range(2)]
        wait_until(lambda: server.app.in_flight._bytes == 2_000_000)
        last = stack.enter_context(uploading(server, 1_500_000))
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := last.recv(65536):
                answer += piece
        small = chat(server.url)
        for connection in held:
            connection.close()
        wait_until(lambda: server.app.in_flight._bytes == 0)
        after = chat(server.url, user="x" * 2_500_000)

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in answer
    assert b'"code":"overloaded"' in answer
    assert small.status == 200
    assert after.status == 200


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    pause = threading.Event()
    for _ in range(int(SECONDS / 0.01)):
        if holds():
            return
        pause.wait(0.01)
    raise AssertionError("it never held")


def test_callers_that_leave_while_they_send_free_their_place(upstream: FakeUpstream) -> None:
    """A body that never ends well costs a place only as long as its connection lives."""
    with pollux(upstream, in_flight_max=3) as server:
        for _ in range(3):
            connections = [uploading(server, 10, f"AIza-caller-{n}") for n in range(3)]
            wait_until(lambda: server.app.in_flight.total == 3)
            for connection in connections:
                connection.close()
            wait_until(lambda: server.app.in_flight.total == 0)
        answer = chat(server.url)

    assert answer.status == 200
    assert len(upstream.requests) == 1
