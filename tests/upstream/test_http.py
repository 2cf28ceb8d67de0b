"""The HTTP client against a far side that says any bytes at any time. Each test runs over every client, on both event loops."""

import asyncio
import gc
import itertools
import logging
import socket
import ssl
import subprocess
import sys
import time
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from pollux.upstream.http import (
    HEADER_LINE_BYTES_MAX,
    HEADERS_MAX,
    STALE_SECONDS,
    AiohttpClient,
    Body,
    ConnectFailed,
    ConnectionBroken,
    HttpClient,
    HttpFailed,
    HttpReply,
    HttpRequest,
    HttpStream,
    Proxies,
    TimedOut,
    Timeouts,
    TooLarge,
)
from pollux.upstream.plain_client import PlainClient
from tests.upstream.peer import Wire, far_side

CLIENTS: dict[str, Callable[..., HttpClient]] = {"aiohttp": AiohttpClient, "plain": PlainClient}
KEY = "AIza-do-not-tell"
AMPLE = Timeouts(connect_seconds=5, first_byte_seconds=5, silence_seconds=5, total_seconds=10)
BIG = bytes(range(256)) * 80_000  # 20 MB

Make = Callable[..., HttpClient]


@pytest.fixture(params=[*CLIENTS.values()], ids=[*CLIENTS])
async def make(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Make]:
    """Make clients, close them, and see that nothing they did wrote the key to a log."""
    made: list[HttpClient] = []
    caplog.set_level(logging.DEBUG)

    def make(timeouts: Timeouts = AMPLE, **options: Any) -> HttpClient:
        options = {"body_bytes_max": 1_000_000, "proxy_from_environment": False, **options}
        made.append(request.param(timeouts=timeouts, **options))
        return made[-1]

    yield make
    for client in made:
        await client.close()
    assert KEY not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The one who signs the far side's certificates."""
    return trustme.CA()


@pytest.fixture
def far_tls(authority: trustme.CA) -> ssl.SSLContext:
    """TLS as the far side has it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def near_tls(authority: trustme.CA) -> ssl.SSLContext:
    """TLS as a client has it that trusts the far side."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def get(url: str, **options: Any) -> HttpRequest:
    return HttpRequest("GET", url, {"x-goog-api-key": KEY}, **options)


def post(url: str, body: Body = b"{}", **options: Any) -> HttpRequest:
    return HttpRequest("POST", url, {"x-goog-api-key": KEY, "content-type": "application/json"}, body, **options)


async def collect(stream: HttpStream) -> bytes:
    return b"".join([data async for data in stream.reads()])


async def failure_of(awaitable: Awaitable[object]) -> HttpFailed:
    """Await what fails, and see that the error tells no key and drags no foreign error along."""
    with pytest.raises(HttpFailed) as raised:
        await awaitable
    error = raised.value
    assert KEY not in "".join(traceback.format_exception(error)) + repr(error.__dict__)
    assert error.__context__ is None
    assert error.__cause__ is None
    assert str(error).endswith(".")
    return error


async def soon(condition: Callable[[], object], seconds: float = 1.0) -> bool:
    """Wait until something holds; False when it does not within the time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.005)
    return True


async def answers(wire: Wire) -> None:
    """A far side that answers every request with its body."""
    while True:
        asked = await wire.request()
        await wire.answer(asked.body or b"ok")


# What is sent, and what is given back.


async def test_a_request_is_sent_as_given(make: Make) -> None:
    """Method, path, query and headers arrive untouched; the defaults are few and name no library."""
    async with far_side(answers) as peer:
        reply = await make().call(post(peer.url("/v1beta/models%2Fa:generateContent?alt=sse&x=%7E"), b'{"a":1}'))

    assert reply.body == b'{"a":1}'
    assert peer.asked[0].line == "POST /v1beta/models%2Fa:generateContent?alt=sse&x=%7E HTTP/1.1"
    assert peer.asked[0].body == b'{"a":1}'
    assert peer.asked[0].headers == {
        "host": f"127.0.0.1:{peer.port}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "pollux",
        "x-goog-api-key": KEY,
        "content-type": "application/json",
        "content-length": "7",
    }


async def test_a_request_without_a_body_says_so(make: Make) -> None:
    """GET has no length; POST has the length 0, also for an empty body."""
    async with far_side(answers) as peer:
        client = make()
        for request in (get(peer.url()), HttpRequest("POST", peer.url(), {}), HttpRequest("POST", peer.url(), {}, b"")):
            await client.call(request)

    assert [asked.headers.get("content-length") for asked in peer.asked] == [None, "0", "0"]
    assert peer.connections == 1


async def test_a_given_header_takes_the_place_of_a_default(make: Make) -> None:
    """Names of headers are the same in any case, so the default is not sent beside the given one."""
    async with far_side(answers) as peer:
        await make().call(HttpRequest("GET", peer.url(), {"user-agent": "me", "ACCEPT-ENCODING": "gzip"}))

    assert peer.asked[0].headers["user-agent"] == "me"
    assert peer.asked[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    "url",
    ["", "/v1", "ftp://host/", "https://", "https:///x", "https://user:word@host/", "https://host/a b", "https://höst/\r\n"],
)
async def test_an_unusable_url_is_not_sent(make: Make, url: str) -> None:
    """A URL that is not plain, absolute and without a user name is refused without being repeated in the message."""
    with pytest.raises(ValueError, match=r"^The URL is not an absolute") as raised:
        await make().call(get(url))

    assert "host" not in str(raised.value)


@pytest.mark.parametrize("value", [f"{KEY}\r\nx: y", f"{KEY}\n", f"{KEY}\0", f"{KEY}é", f"{KEY}\udc80"])
async def test_an_unusable_header_is_not_sent(make: Make, value: str) -> None:
    """A key with a line break in it would smuggle a header: it is refused, by the header's name."""
    async with far_side(answers) as peer:
        with pytest.raises(ValueError, match="x-goog-api-key") as raised:
            await make().stream(HttpRequest("GET", peer.url(), {"x-goog-api-key": value}))

    assert KEY not in "".join(traceback.format_exception(raised.value))
    assert peer.connections == 0


@pytest.mark.parametrize(
    "status", ["200 OK", "201 ", "302 Found", "400 Bad Request", "429 Too Many Requests", "503 No", "599 Odd"]
)
async def test_any_status_is_an_answer(make: Make, status: str) -> None:
    """No status is judged, and no redirect followed."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer(b"told", status=status, headers="Location: /elsewhere\r\nRetry-After: 7\r\n")
        await wire.closed()

    async with far_side(script) as peer:
        reply = await make().call(get(peer.url()))

    assert (reply.status, reply.body) == (int(status[:3]), b"told")
    assert reply.headers["retry-after"] == reply.headers.get("RETRY-AFTER") == "7"
    assert len(peer.asked) == 1


async def test_cookies_are_not_kept(make: Make) -> None:
    """What one caller's answer sets is not sent with the next caller's request."""

    async def script(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.answer(headers="Set-Cookie: who=first; Path=/\r\n")

    async with far_side(script) as peer:
        client = make()
        for _ in range(2):
            await client.call(get(peer.url("/", host="localhost")))

    assert [asked.headers.get("cookie") for asked in peer.asked] == [None, None]


async def test_passwords_of_the_machine_are_not_sent(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A netrc file on the server is nobody's business."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login root password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with far_side(answers) as peer:
        await make(proxy_from_environment=True).call(get(peer.url()))

    assert "authorization" not in peer.asked[0].headers


async def test_a_body_is_not_decoded(make: Make) -> None:
    """A far side that compresses unasked is seen in the header, and its bytes are given as they came."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer(b"\x1f\x8bnot really", headers="Content-Encoding: gzip\r\n")
        await wire.closed()

    async with far_side(script) as peer:
        reply = await make().call(get(peer.url()))

    assert (reply.headers["content-encoding"], reply.body) == ("gzip", b"\x1f\x8bnot really")


# Framing.

CHUNKED = b"HTTP/1.1 200 OK\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n"
COUNTED = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 12\r\n\r\nhello, world"


@pytest.mark.parametrize("answer", [CHUNKED, COUNTED], ids=["chunked", "counted"])
async def test_any_split_of_an_answer_is_the_same_answer(make: Make, answer: bytes) -> None:
    """Cut at any one place, and byte by byte: head, interim answer, chunk sizes and body are put together again."""
    cuts = iter([*([at] for at in range(1, len(answer))), range(1, len(answer))])

    async def script(wire: Wire) -> None:
        for cut in cuts:
            await wire.request()
            places = [0, *cut, len(answer)]
            for start, end in itertools.pairwise(places):
                await wire.send(answer[start:end])
                await asyncio.sleep(0.001)

    async with far_side(script) as peer:
        client = make()
        replies = [await client.call(get(peer.url())) for _ in range(len(answer))]

    assert {(reply.status, reply.headers["x-a"], reply.body) for reply in replies} == {(200, "b", b"hello, world")}
    assert peer.connections == 1


async def test_reads_come_as_they_arrive(make: Make) -> None:
    """A stream gives each read at once, not when the next one or the end is there, and never an empty one."""
    heard = asyncio.Queue[bytes]()

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.begin()
        for data in (b"one", b"two", b"three"):
            await wire.chunk(data)
            assert await asyncio.wait_for(heard.get(), 1) == data
        await wire.chunk(b"")
        await wire.closed()

    async with far_side(script) as peer:
        stream = await make().stream(get(peer.url()))
        reads = []
        async for data in stream.reads():
            reads.append(data)
            heard.put_nowait(data)
        await stream.close()

    assert reads == [b"one", b"two", b"three"]


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")])
async def test_answers_without_a_body_end_with_their_head(make: Make, method: str, status: str) -> None:
    """Their Content-Length tells of a body that does not come; the connection serves on."""

    async def script(wire: Wire) -> None:
        for _ in range(2):
            await wire.request()
            await wire.send(f"HTTP/1.1 {status}\r\nContent-Length: 5000000\r\n\r\n".encode())
        await wire.closed()

    async with far_side(script) as peer:
        client = make(body_bytes_max=100)
        replies = [await client.call(HttpRequest(method, peer.url(), {})) for _ in range(2)]

    assert [reply.body for reply in replies] == [b"", b""]
    assert peer.connections == 1


async def test_a_body_may_end_with_the_connection(make: Make) -> None:
    """Without a length and without chunks everything up to the end is the body."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.0 200 OK\r\n\r\nall ")
        await asyncio.sleep(0.02)
        await wire.send(b"of it")

    async with far_side(script) as peer:
        reply = await make().call(get(peer.url()))

    assert reply.body == b"all of it"


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\x01\x02\x03 nonsense \r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nstuff",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * (HEADER_LINE_BYTES_MAX + 1) + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: x\r\n" * (HEADERS_MAX + 1) + b"\r\n",
    ],
    ids=["zeros", "ssh", "status", "colon", "lengths", "negative", "chunk-size", "chunk-end", "upgrade", "long", "many"],
)
async def test_what_is_not_http_breaks_the_connection(make: Make, answer: bytes) -> None:
    """Malformed or oversized framing is an error at once, and the connection is closed, though the far side keeps it open."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer)
        await wire.closed()

    async with far_side(script) as peer:
        error = await failure_of(make().call(get(peer.url())))
        closed = await soon(lambda: peer.closings)

    assert isinstance(error, ConnectionBroken)
    assert error.received_bytes > 0
    assert closed
    assert len(peer.asked) == 1


async def test_headers_up_to_the_limit_are_read(make: Make) -> None:
    """The limit is generous: lines of 15 KB and a hundred headers are fine."""
    headers = f"X-Long: {'x' * 15_000}\r\n" + "".join(f"X-{number}: y\r\n" for number in range(100))

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer(status=f"200 {'x' * 15_000}", headers=headers)
        await wire.closed()

    async with far_side(script) as peer:
        reply = await make().call(get(peer.url()))

    assert len(reply.headers["x-long"]) == 15_000
    assert reply.headers["x-99"] == "y"


# Answers that break.

CUT = {
    "counted": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nonly this",
}


@pytest.mark.parametrize("how", ["closed", "reset"])
@pytest.mark.parametrize("answer", CUT.values(), ids=CUT)
async def test_a_cut_body_is_never_a_whole_one(make: Make, answer: bytes, how: str) -> None:
    """What arrived is given, even to a reader who comes late; then comes the error, with the bytes counted."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer)
        await asyncio.sleep(0.02)
        if how == "reset":
            wire.reset()

    async with far_side(script) as peer:
        client = make()
        error = await failure_of(client.call(get(peer.url())))
        stream = await client.stream(get(peer.url()))
        await asyncio.sleep(0.05)
        reads = stream.reads()
        first = await anext(reads)
        later = [await failure_of(anext(reads)) for _ in range(2)]

    assert first == b"only this"
    assert {type(each) for each in (error, *later)} == {ConnectionBroken}
    assert isinstance(error, ConnectionBroken)
    assert error.received_bytes == len(answer)
    assert str(later[0]) == f"The connection broke after {len(answer)} bytes of the answer."


async def test_a_reset_is_no_end_of_a_body(make: Make) -> None:
    """A body that ends with the connection ends with an orderly close, not with a reset."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf")
        await asyncio.sleep(0.05)
        wire.reset()

    async with far_side(script) as peer:
        error = await failure_of(make().call(get(peer.url())))

    assert isinstance(error, ConnectionBroken)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
async def test_a_cut_head_is_no_answer(make: Make, sent: bytes) -> None:
    """A new connection that ends before the headers do is broken, and nothing is sent again."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(sent)

    async with far_side(script) as peer:
        error = await failure_of(make().stream(get(peer.url())))

    assert isinstance(error, ConnectionBroken)
    assert error.received_bytes == len(sent)
    assert len(peer.asked) == 1


async def test_a_reset_while_sending_breaks_the_connection(make: Make) -> None:
    """A far side that goes away within a large request."""

    async def script(wire: Wire) -> None:
        await wire.head()
        wire.reset()

    async with far_side(script) as peer:
        error = await failure_of(make().call(post(peer.url(), BIG)))

    assert isinstance(error, ConnectionBroken)
    assert error.received_bytes == 0
    assert peer.connections == 1


# The pool.


async def test_a_connection_is_used_again(make: Make) -> None:
    """After a whole answer, also a streamed one read to its end, the next request takes the same connection."""
    async with far_side(answers) as peer:
        client = make()
        await client.call(post(peer.url()))
        stream = await client.stream(post(peer.url()))
        await collect(stream)
        await stream.close()
        await client.call(get(peer.url()))

    assert (peer.connections, len(peer.asked)) == (1, 3)


async def test_a_connection_the_far_side_will_close_is_not_used_again(make: Make) -> None:
    """`Connection: close` is believed, before the close itself is seen."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer(headers="Connection: close\r\n")
        await wire.closed()

    async with far_side(script) as peer:
        client = make()
        replies = [await client.call(get(peer.url())) for _ in range(2)]

    assert [reply.status for reply in replies] == [200, 200]
    assert peer.connections == 2


async def test_idle_connections_are_closed(make: Make) -> None:
    """A connection does not wait longer for work than it may."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer()
        await wire.closed()

    async with far_side(script) as peer:
        await make(connections_idle_seconds=0.1).call(get(peer.url()))
        closed = await soon(lambda: peer.closings)

    assert closed


async def test_many_exchanges_go_on_at_once(make: Make) -> None:
    """The pool sets no limit: more streams than any usual limit are open at the same time."""
    everyone = asyncio.Event()
    waiting = 0

    async def script(wire: Wire) -> None:
        nonlocal waiting
        await wire.request()
        await wire.begin()
        waiting += 1
        if waiting == 120:
            everyone.set()
        await everyone.wait()
        await wire.chunk(b"here")
        await wire.chunk(b"")
        await wire.closed()

    async with far_side(script) as peer:
        client = make()

        async def one() -> bytes:
            return await collect(await client.stream(get(peer.url())))

        bodies = await asyncio.gather(*(one() for _ in range(120)))

    assert bodies == [b"here"] * 120


def dying(*, after: int, answer: bytes = b"", reset: bool = False, pause: float = 0.0) -> Callable[[Wire], Awaitable[None]]:
    """A far side whose connections answer some requests and die over the next one."""

    async def script(wire: Wire) -> None:
        for _ in range(after):
            await wire.request()
            await wire.answer(b"well")
        await wire.request()
        await asyncio.sleep(pause)
        await wire.send(answer)
        if reset:
            wire.reset()

    return script


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("make_request", [get, post])
async def test_a_request_on_a_dead_connection_is_sent_once_more(
    make: Make, make_request: Callable[[str], HttpRequest], reset: bool
) -> None:
    """A reused connection that ends without a byte of answer had died before: the request goes out again, on a new one."""
    async with far_side(dying(after=1, reset=reset)) as peer:
        client = make()
        replies = [await client.call(make_request(peer.url())) for _ in range(2)]

    assert [reply.body for reply in replies] == [b"well"] * 2
    assert peer.connections == 2
    assert len(peer.asked) == 3


async def test_nothing_is_sent_a_third_time(make: Make) -> None:
    """When the new connection ends as well, that is the answer."""
    served = 0

    async def script(wire: Wire) -> None:
        nonlocal served
        while True:
            await wire.request()
            served += 1
            if served > 1:
                return
            await wire.answer()

    async with far_side(script) as peer:
        client = make()
        await client.call(get(peer.url()))
        error = await failure_of(client.call(get(peer.url())))

    assert isinstance(error, ConnectionBroken)
    assert error.received_bytes == 0
    assert served == 3


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_a_new_connection_that_dies_is_not_tried_again(make: Make, method: str) -> None:
    """Not for any method: whoever answered nothing on a new connection may have done the work all the same."""
    async with far_side(dying(after=0)) as peer:
        error = await failure_of(make().call(HttpRequest(method, peer.url(), {})))

    assert isinstance(error, ConnectionBroken)
    assert len(peer.asked) == 1


async def test_an_answer_that_began_is_not_asked_for_again(make: Make) -> None:
    """One byte of an answer, or an interim one, is enough."""
    for sent in (b"H", b"HTTP/1.1 100 Continue\r\n\r\n"):
        async with far_side(dying(after=1, answer=sent)) as peer:
            client = make()
            await client.call(get(peer.url()))
            error = await failure_of(client.call(get(peer.url())))

        assert isinstance(error, ConnectionBroken)
        assert len(peer.asked) == 2


async def test_a_request_that_was_worked_on_is_not_sent_again(make: Make) -> None:
    """A reused connection that ends late was alive: the far side may have made, and billed, an answer."""
    async with far_side(dying(after=1, pause=STALE_SECONDS + 0.1)) as peer:
        client = make()
        await client.call(get(peer.url()))
        error = await failure_of(client.call(get(peer.url())))

    assert isinstance(error, ConnectionBroken)
    assert len(peer.asked) == 2


async def test_what_is_not_repeatable_meets_no_dead_connection(make: Make) -> None:
    """A request that may go out only once gets a connection of its own, though an old one is at hand, and keeps none."""
    async with far_side(dying(after=1)) as peer:
        client = make()
        await client.call(get(peer.url()))
        reply = await client.call(post(peer.url(), repeatable=False))
        error_free = await client.call(post(peer.url(), repeatable=False))

    assert reply.body == error_free.body == b"well"
    assert (peer.connections, len(peer.asked)) == (3, 3)


async def test_what_is_not_repeatable_is_not_repeated(make: Make) -> None:
    """Whatever happens to it."""
    async with far_side(dying(after=0)) as peer:
        client = make()
        for _ in range(2):
            await failure_of(client.call(post(peer.url(), repeatable=False)))

    assert len(peer.asked) == 2


@pytest.mark.parametrize("how", ["with the answer", "with its last bytes", "later", "later, in part"])
async def test_an_answer_nobody_asked_for_is_nobodys_answer(make: Make, how: str) -> None:
    """Bytes beyond an answer do not become the answer to the next request."""
    head, stray = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"
    sends = {
        "with the answer": [head + b"ok" + stray],
        "with its last bytes": [head, b"ok" + stray],
        "later": [head + b"ok", stray],
        "later, in part": [head + b"ok", stray[:20]],
    }[how]

    async def script(wire: Wire) -> None:
        await wire.request()
        for data in sends:
            await wire.send(data)
            await asyncio.sleep(0.02)
        await wire.closed()

    async with far_side(script) as peer:
        client = make()
        first = await client.call(get(peer.url()))
        await asyncio.sleep(0.05)
        second = await client.call(get(peer.url()))

    assert (first.body, second.body) == (b"ok", b"ok")
    assert peer.connections == 2


# Time.

SHORT = 0.12
LONG = 0.3
"""Where something must come before a limit: far enough from it for a busy machine."""


def about(seconds: float, started: float) -> bool:
    """Say whether that long has passed since, give or take a busy machine."""
    return seconds * 0.9 <= time.monotonic() - started < seconds + 1.0


async def test_a_connection_that_is_not_made_times_out(make: Make, near_tls: ssl.SSLContext) -> None:
    """TLS that is never answered counts as connecting."""

    async def script(wire: Wire) -> None:
        await wire.closed()

    async with far_side(script) as peer:
        started = time.monotonic()
        client = make(Timeouts(connect_seconds=SHORT), ssl_context=near_tls)
        error = await failure_of(client.call(get(f"https://127.0.0.1:{peer.port}/")))
        in_time = about(SHORT, started)
        closed = await soon(lambda: peer.closings)

    assert (type(error), vars(error)) == (TimedOut, {"phase": "connect", "seconds": SHORT})
    assert str(error) == "No connection was made within 0.12 seconds."
    assert in_time
    assert closed


async def test_an_answer_that_does_not_begin_times_out(make: Make) -> None:
    """Neither an interim answer nor a head that drips counts as a beginning; the connection is closed."""
    for sent in (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100):

        async def script(wire: Wire, sent: bytes = sent) -> None:
            await wire.request()
            for at in range(0, len(sent), 6):
                await wire.send(sent[at : at + 6])
                await asyncio.sleep(0.02)
            await wire.closed()

        async with far_side(script) as peer:
            client = make(Timeouts(first_byte_seconds=SHORT))
            started = time.monotonic()
            error = await failure_of(client.call(post(peer.url())))
            in_time = about(SHORT, started)
            closed = await soon(lambda peer=peer: peer.closings)  # type: ignore[misc]

        assert (type(error), vars(error)) == (TimedOut, {"phase": "first_byte", "seconds": SHORT})
        assert in_time
        assert closed


async def test_a_slow_first_byte_within_its_limit_is_no_silence(make: Make) -> None:
    """A model that thinks may be silent longer before its answer than within it, where the time counts anew."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await asyncio.sleep(1.8 * LONG)
        await wire.begin()
        await asyncio.sleep(LONG / 3)
        await wire.chunk(b"ok")
        await wire.chunk(b"")
        await wire.closed()

    async with far_side(script) as peer:
        reply = await make(Timeouts(first_byte_seconds=5, silence_seconds=LONG)).call(get(peer.url()))

    assert reply.body == b"ok"


async def test_silence_in_a_body_times_out(make: Make) -> None:
    """What came before is given; the limit counts from the last read, not from the start."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.begin()
        for _ in range(5):
            await asyncio.sleep(LONG / 4)
            await wire.chunk(b"tick")
        await wire.closed()

    async with far_side(script) as peer:
        stream = await make(Timeouts(silence_seconds=LONG)).stream(get(peer.url()))
        heard = bytearray()

        async def listen() -> None:
            async for data in stream.reads():
                heard.extend(data)

        error = await failure_of(listen())
        closed = await soon(lambda: peer.closings)

    assert (type(error), vars(error)) == (TimedOut, {"phase": "silence", "seconds": LONG})
    assert heard == b"tick" * 5
    assert closed


FULL = 2 * 256 * 1024 + 1
"""With the last of these bytes aiohttp's buffer is full, and it stops reading."""


async def test_a_reader_that_pauses_is_no_silence(make: Make) -> None:
    """A far side that is held back by our own reader is not silent; its time counts from when the reader goes on."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.begin(f"Content-Length: {FULL + 1}\r\n")
        await wire.send(BIG[:FULL])
        await reads_on.wait()
        await asyncio.sleep(LONG / 4)
        await wire.send(b"!")
        await wire.closed()

    for pause in (0.9 * LONG, 1.5 * LONG):
        async with far_side(script) as peer:
            reads_on = asyncio.Event()
            stream = await make(Timeouts(silence_seconds=LONG)).stream(get(peer.url()))
            await asyncio.sleep(pause)
            reads_on.set()
            body = await collect(stream)

        assert body == BIG[:FULL] + b"!"


async def test_a_request_that_is_taken_slowly_is_no_silence(make: Make) -> None:
    """As long as a part of it goes out now and then."""

    async def script(wire: Wire) -> None:
        await wire.request(pause_seconds=LONG / 4)
        await wire.answer()
        await wire.closed()

    async with far_side(script) as peer:
        started = time.monotonic()
        reply = await make(Timeouts(silence_seconds=LONG)).call(post(peer.url(), BIG * 2))
        took = time.monotonic() - started

    assert reply.body == b"ok"
    assert took > LONG


async def test_silence_that_nobody_waits_for_closes_the_connection(make: Make) -> None:
    """Whoever holds a stream without reading does not keep a dead connection."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.begin()
        await wire.chunk(b"first")
        await wire.closed()

    async with far_side(script) as peer:
        stream = await make(Timeouts(silence_seconds=SHORT)).stream(get(peer.url()))
        closed = await soon(lambda: peer.closings)
        reads = stream.reads()
        first = await anext(reads)
        error = await failure_of(anext(reads))

    assert closed
    assert first == b"first"
    assert isinstance(error, TimedOut)


async def test_a_request_that_is_not_taken_times_out(make: Make) -> None:
    """A far side that stops reading a large body ends in silence, not in hours."""

    async def script(wire: Wire) -> None:
        await wire.head()
        await asyncio.sleep(5)

    async with far_side(script) as peer:
        started = time.monotonic()
        error = await failure_of(make(Timeouts(silence_seconds=SHORT)).call(post(peer.url(), BIG)))
        in_time = about(SHORT, started)

    assert (type(error), vars(error)) == (TimedOut, {"phase": "silence", "seconds": SHORT})
    assert in_time


@pytest.mark.parametrize("begins", [True, False])
async def test_the_whole_exchange_has_an_end(make: Make, begins: bool) -> None:
    """A body that keeps coming, or an answer that keeps not coming, ends at the total."""

    async def script(wire: Wire) -> None:
        await wire.request()
        if begins:
            await wire.begin()
        while begins:
            await wire.chunk(b"tick")
            await asyncio.sleep(0.02)
        await wire.closed()

    async with far_side(script) as peer:
        started = time.monotonic()
        error = await failure_of(make(Timeouts(total_seconds=2 * SHORT)).call(get(peer.url())))
        in_time = about(2 * SHORT, started)

    assert (type(error), vars(error)) == (TimedOut, {"phase": "total", "seconds": 2 * SHORT})
    assert in_time


async def test_time_is_counted_for_each_exchange(make: Make) -> None:
    """The limits of one exchange do not end the next one on the same connection, nor the connection while it is idle."""

    async def script(wire: Wire) -> None:
        for _ in range(3):
            await wire.request()
            await asyncio.sleep(LONG / 4)
            await wire.answer()
        await wire.closed()

    async with far_side(script) as peer:
        client = make(Timeouts(first_byte_seconds=LONG, silence_seconds=LONG, total_seconds=LONG))
        replies: list[HttpReply] = []
        for pause in (LONG * 1.2, LONG * 0.6, 0):
            replies.append(await client.call(get(peer.url())))
            await asyncio.sleep(pause)

    assert len(replies) == 3
    assert peer.connections == 1


# No connection.


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_refused_connection_says_where(make: Make, host: str) -> None:
    """The host, the port and the reason, and no path or query; also when a name has several addresses."""
    async with far_side(answers) as peer:
        pass

    error = await failure_of(make().call(get(peer.url(f"/secret?key={KEY}", host=host))))

    assert str(error) == f"Could not connect to {host}:{peer.port}: the connection was refused."


@pytest.mark.asyncio(loop_factories=["asyncio"])  # only there the look-up can be replaced
async def test_a_name_that_is_not_found_says_so(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the look-up said is not repeated: it would be the system's words in the system's language."""

    def look_up(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    error = await failure_of(make().call(get("http://far.test/")))

    assert str(error) == "Could not connect to far.test:80: its name was not found."


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".test", ".".join(["long"] * 60)])
async def test_a_name_that_cannot_be_says_so(make: Make, host: str) -> None:
    """Names that no look-up can find are no failure of the program."""
    error = await failure_of(make().call(get(f"http://{host}/")))

    assert isinstance(error, ConnectFailed)
    assert (error.host, error.reason) == (f"{host}:80", "its name was not found")


async def test_an_untrusted_certificate_is_refused(make: Make, far_tls: ssl.SSLContext) -> None:
    """Nothing is sent to whom the system does not trust."""
    async with far_side(answers, tls=far_tls) as peer:
        error = await failure_of(make().call(get(peer.url())))

    assert isinstance(error, ConnectFailed)
    assert error.host == f"127.0.0.1:{peer.port}"
    assert "certificate was not accepted (" in error.reason
    assert peer.asked == []


async def test_a_certificate_of_another_name_is_refused(make: Make, authority: trustme.CA, near_tls: ssl.SSLContext) -> None:
    """Trusted, but for somebody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.test").configure_cert(context)
    async with far_side(answers, tls=context) as peer:
        error = await failure_of(make(ssl_context=near_tls).call(get(peer.url())))

    assert isinstance(error, ConnectFailed)
    assert "certificate was not accepted (" in error.reason


async def test_a_far_side_without_tls_is_told(make: Make) -> None:
    """It answers the handshake with something else, or with nothing."""
    for sent in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b""):

        async def script(wire: Wire, sent: bytes = sent) -> None:
            await wire.send(sent)

        async with far_side(script) as peer:
            error = await failure_of(make().call(get(f"https://127.0.0.1:{peer.port}/")))

        assert isinstance(error, ConnectFailed)
        assert error.host == f"127.0.0.1:{peer.port}"
        assert error.reason


# TLS.


async def test_tls_carries_calls_and_streams(make: Make, far_tls: ssl.SSLContext, near_tls: ssl.SSLContext) -> None:
    """Over one connection, by name and with the name checked."""
    async with far_side(answers, tls=far_tls) as peer:
        client = make(ssl_context=near_tls, body_bytes_max=len(BIG))
        small = await client.call(post(peer.url(host="localhost"), b"small"))
        large = await client.call(post(peer.url(host="localhost"), BIG))

    assert (small.body, large.body) == (b"small", BIG)
    assert peer.connections == 1


@pytest.mark.parametrize("secure", [False, True])
async def test_closing_within_a_body_closes_the_connection(
    make: Make, far_tls: ssl.SSLContext, near_tls: ssl.SSLContext, secure: bool
) -> None:
    """The far side, which goes on sending, sees it within a second; closing again is fine, and the pool is not poisoned."""
    ended = asyncio.Event()

    async def script(wire: Wire) -> None:
        asked = await wire.request()
        if asked.line.startswith("POST"):
            await wire.answer()
            await wire.closed()
        await wire.begin()
        try:
            while True:
                await wire.chunk(b"more")
                await asyncio.sleep(0.01)
        except ConnectionError:
            ended.set()

    async with far_side(script, tls=far_tls if secure else None) as peer:
        client = make(ssl_context=near_tls)
        stream = await client.stream(get(peer.url()))
        await anext(stream.reads())
        await stream.close()
        await stream.close()
        saw_it = await soon(ended.is_set)
        error = await failure_of(anext(stream.reads()))
        reply = await client.call(post(peer.url()))

    assert saw_it
    assert isinstance(error, ConnectionBroken)
    assert reply.body == b"ok"


async def test_closing_after_the_end_keeps_the_connection(make: Make) -> None:
    """There is nothing to cut off."""
    async with far_side(answers) as peer:
        client = make()
        for _ in range(3):
            stream = await client.stream(get(peer.url()))
            await collect(stream)
            await stream.close()

    assert peer.connections == 1


# Callers that leave.


async def test_whoever_leaves_while_waiting_closes_the_connection(
    make: Make, far_tls: ssl.SSLContext, near_tls: ssl.SSLContext
) -> None:
    """Cancelled before the headers came, plain and over TLS, with calls and with streams."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.closed()

    for tls in (None, far_tls):
        async with far_side(script, tls=tls) as peer:
            client = make(ssl_context=near_tls)
            tasks = [
                asyncio.ensure_future(client.call(post(peer.url()))),
                asyncio.ensure_future(client.stream(get(peer.url()))),
            ]
            asked = await soon(lambda peer=peer: len(peer.asked) == 2)  # type: ignore[misc]
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            closed = await soon(lambda peer=peer: peer.closings == 2)  # type: ignore[misc]

        assert asked
        assert [type(result) for result in results] == [asyncio.CancelledError] * 2
        assert closed


async def test_whoever_leaves_while_reading_closes_the_connection(make: Make) -> None:
    """Cancelled between two reads of a body, of a stream and of a call."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.begin()
        await wire.chunk(b"first")
        await wire.closed()

    async with far_side(script) as peer:
        client = make()
        stream = await client.stream(get(peer.url()))
        tasks = [asyncio.ensure_future(collect(stream)), asyncio.ensure_future(client.call(get(peer.url())))]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        closed = await soon(lambda: peer.closings == 2)

    assert closed


async def test_whoever_leaves_while_connecting_closes_the_connection(make: Make) -> None:
    """Cancelled within the TLS handshake."""

    async def script(wire: Wire) -> None:
        await wire.closed()

    async with far_side(script) as peer:
        task = asyncio.ensure_future(make().call(get(f"https://127.0.0.1:{peer.port}/")))
        await soon(lambda: peer.connections)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        closed = await soon(lambda: peer.closings)

    assert task.cancelled()
    assert closed


async def test_a_connection_given_up_at_any_step_leaves_no_memory(
    make: Make, far_tls: ssl.SSLContext, near_tls: ssl.SSLContext
) -> None:
    """Beyond the time that connecting may take, at most: its buffers are large, and leaving callers many."""

    def handshakes() -> int:
        gc.collect()
        return sum(type(each) is ssl.SSLObject for each in gc.get_objects())

    async def leave(client: HttpClient, url: str, turns: int) -> None:
        task = asyncio.ensure_future(client.call(get(url)))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    before = handshakes()
    async with far_side(answers, tls=far_tls) as peer:
        client = make(Timeouts(connect_seconds=LONG), ssl_context=near_tls)
        for turns in range(0, 400, 3):
            await leave(client, peer.url(), turns)
        await client.close()
    forgotten = await soon(lambda: handshakes() == before, 2.0)

    assert forgotten


async def test_whoever_leaves_while_sending_closes_the_connection(make: Make) -> None:
    """Cancelled within a large body; the far side gets no whole request."""
    began = asyncio.Event()
    received = 0

    async def script(wire: Wire) -> None:
        nonlocal received
        began.set()
        await asyncio.sleep(0.1)
        received = await wire.closed()

    async with far_side(script) as peer:
        task = asyncio.ensure_future(make().call(post(peer.url(), BIG)))
        await began.wait()
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        closed = await soon(lambda: peer.closings)

    assert task.cancelled()
    assert closed
    assert 0 < received < len(BIG)


async def test_closing_the_client_ends_what_is_open(make: Make) -> None:
    """Readers and waiters get an error instead of waiting for ever; nothing is sent afterwards."""

    async def script(wire: Wire) -> None:
        asked = await wire.request()
        if asked.line.startswith("GET"):
            await wire.begin()
            await wire.chunk(b"first")
        await wire.closed()

    async with far_side(script) as peer:
        client = make()
        stream = await client.stream(get(peer.url()))
        reads = stream.reads()
        await anext(reads)
        pending = [
            asyncio.ensure_future(failure_of(anext(reads))),
            asyncio.ensure_future(failure_of(client.call(post(peer.url())))),
        ]
        await soon(lambda: len(peer.asked) == 2)
        await client.close()
        errors = await asyncio.wait_for(asyncio.gather(*pending), 1)
        afterwards = await failure_of(client.call(get(peer.url())))
        await client.close()

    assert [type(error) for error in errors] == [ConnectionBroken, ConnectionBroken]
    assert isinstance(afterwards, ConnectFailed)
    assert len(peer.asked) == 2


async def test_nothing_is_left_behind(make: Make) -> None:
    """After exchanges that ended in every way there is no task and no connection more than before."""

    async def script(wire: Wire) -> None:
        asked = await wire.request()
        match asked.line.split()[1]:
            case "/cut":
                await wire.begin("Content-Length: 9\r\n")
            case "/large":
                await wire.answer(b"x" * 2000)
            case "/silent":
                await wire.begin()
                await wire.closed()
            case "/late":
                await wire.closed()

    async with far_side(script) as peer:
        before = len(asyncio.all_tasks())
        client = make(
            Timeouts(first_byte_seconds=SHORT, silence_seconds=SHORT), body_bytes_max=1000, connections_idle_seconds=SHORT
        )
        calls = [client.call(post(peer.url(path))) for path in ["/cut", "/large", "/silent", "/late", "/nothing"] * 10]
        results = await asyncio.gather(*calls, return_exceptions=True)
        leaving = [asyncio.ensure_future(client.call(get(peer.url("/late")))) for _ in range(10)]
        await asyncio.sleep(SHORT / 4)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        is_quiet = await soon(lambda: peer.open == 0 and len(asyncio.all_tasks()) == before)

    assert [type(result) for result in results] == [ConnectionBroken, TooLarge, TimedOut, TimedOut, ConnectionBroken] * 10
    assert is_quiet


# Sizes.


@pytest.mark.parametrize("framing", ["counted", "chunked"])
async def test_a_large_answer_comes_whole(make: Make, framing: str) -> None:
    """20 MB, as an image answer has them."""

    async def script(wire: Wire) -> None:
        await wire.request()
        if framing == "counted":
            await wire.answer(BIG)
        else:
            await wire.begin()
            for at in range(0, len(BIG), 100_000):
                await wire.chunk(BIG[at : at + 100_000])
            await wire.chunk(b"")
        await wire.closed()

    async with far_side(script) as peer:
        reply = await make(body_bytes_max=len(BIG)).call(get(peer.url()))

    assert reply.body == BIG


async def test_a_large_request_goes_out_whole(make: Make) -> None:
    """20 MB up, to a far side that takes its time."""

    async def script(wire: Wire) -> None:
        await asyncio.sleep(0.05)
        await wire.request()
        await wire.answer()
        await wire.closed()

    async with far_side(script) as peer:
        await make().call(post(peer.url(), BIG))

    assert peer.asked[0].body == BIG
    assert peer.asked[0].headers["content-length"] == str(len(BIG))


HERE: dict[str, Body] = {
    "whole": b"{}",
    "grown": bytearray(b"{}"),
    "parts": (b"{", memoryview(b""), b"}"),
    "large parts": (b"<", memoryview(BIG), b">"),
}


@pytest.mark.parametrize("body", HERE.values(), ids=HERE)
async def test_a_body_that_is_here_goes_out_again_whatever_it_lies_in(make: Make, body: Body) -> None:
    """Whole or in parts, with its length; on a connection that died before, once more."""
    async with far_side(dying(after=1, reset=False)) as peer:
        client = make()
        await client.call(get(peer.url()))
        reply = await client.call(post(peer.url(), body))

    sent = b"".join(body) if isinstance(body, tuple) else bytes(body)
    assert reply.body == b"well"
    assert peer.asked[-1].body == sent
    assert peer.asked[-1].headers["content-length"] == str(len(sent))


async def test_an_answer_before_the_request_is_whole_is_given(make: Make) -> None:
    """A far side may refuse a large body (413) without reading it; that connection is not used again."""

    async def script(wire: Wire) -> None:
        await wire.head()
        await wire.answer(b"too much", status="413 Content Too Large")
        await wire.closed()

    async with far_side(script) as peer:
        client = make()
        replies = [await client.call(post(peer.url(), BIG)) for _ in range(2)]

    assert [(reply.status, reply.body) for reply in replies] == [(413, b"too much")] * 2
    assert peer.connections == 2


@pytest.mark.parametrize("framing", ["counted", "chunked"])
async def test_an_answer_past_the_limit_is_cut_off(make: Make, framing: str) -> None:
    """It is not collected first: the far side gets rid of a small part of it only, and the connection is closed."""
    sent = 0

    async def script(wire: Wire) -> None:
        nonlocal sent
        await wire.request()
        await wire.begin("Content-Length: 1000000000\r\n" if framing == "counted" else "Transfer-Encoding: chunked\r\n")
        while sent < 1_000_000_000:
            await (wire.send if framing == "counted" else wire.chunk)(b"x" * 100_000)
            sent += 100_000

    async with far_side(script) as peer:
        error = await failure_of(make(body_bytes_max=1_000_000).call(get(peer.url())))
        await asyncio.sleep(0.05)
        sent_then = sent
        await asyncio.sleep(0.05)

    assert (type(error), vars(error)) == (TooLarge, {"limit": 1_000_000})
    assert sent == sent_then < 50_000_000


async def test_the_limit_itself_is_allowed(make: Make) -> None:
    """A body of exactly that many bytes passes, one more does not, whether it came in one read or in many."""
    async with far_side(answers) as peer:
        for size in (0, 10, 1_000_000):
            client = make(body_bytes_max=size)
            reply = await client.call(post(peer.url(), b"x" * size if size else b"")) if size else None
            error = await failure_of(client.call(post(peer.url(), b"x" * (size + 1))))

            assert reply is None or len(reply.body) == size
            assert isinstance(error, TooLarge)


async def test_the_rest_of_a_stream_can_be_read_whole(make: Make) -> None:
    """After some reads, for an error's body; past its limit it is an error."""
    goes_on = asyncio.Event()

    async def script(wire: Wire) -> None:
        for _ in range(2):
            await wire.request()
            await wire.begin()
            await wire.chunk(b"first")
            await goes_on.wait()
            await wire.chunk(b"the ")
            await wire.chunk(b"rest")
            await wire.chunk(b"")

    async with far_side(script) as peer:
        client = make()
        stream = await client.stream(get(peer.url()))
        first = await anext(stream.reads())
        goes_on.set()
        rest = await stream.read(8)
        nothing = await stream.read(8)
        error = await failure_of((await client.stream(get(peer.url()))).read(12))

    assert (first, rest, nothing) == (b"first", b"the rest", b"")
    assert (type(error), vars(error)) == (TooLarge, {"limit": 12})


async def test_a_reader_that_pauses_holds_the_far_side_back(make: Make) -> None:
    """What nobody reads is not collected: the far side waits, with a few megabytes on the way."""
    sent = 0

    async def script(wire: Wire) -> None:
        nonlocal sent
        await wire.request()
        await wire.begin()
        while sent < 100_000_000:
            await wire.chunk(b"x" * 100_000)
            sent += 100_000

    async with far_side(script) as peer:
        stream = await make().stream(get(peer.url()))
        await asyncio.sleep(0.2)
        sent_then = sent
        await asyncio.sleep(0.1)
        await stream.close()

    assert sent == sent_then < 20_000_000


# Proxies.


async def proxy(wire: Wire) -> None:
    """A proxy that tunnels, and itself answers what it is asked in the plain."""
    while True:
        asked = await wire.request()
        method, target, _ = asked.line.split()
        if method != "CONNECT":
            await wire.answer(target.encode())
            continue
        await wire.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        host, _, port = target.partition(":")
        await wire.copy_to(host, int(port))
        return


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the proxy variables, and only these."""

    def setup(**variables: str) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "REQUEST_METHOD"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return setup


async def test_plain_requests_go_to_the_proxy(make: Make, environment: Callable[..., None]) -> None:
    """With the whole URL, the proxy's password and one connection for all."""
    async with far_side(proxy) as peer:
        environment(HTTP_PROXY=f"http://me:p%40ss@127.0.0.1:{peer.port}")
        client = make(proxy_from_environment=True)
        replies = [await client.call(get(f"http://far.test/a?b={number}")) for number in range(2)]

    assert [reply.body for reply in replies] == [b"http://far.test/a?b=0", b"http://far.test/a?b=1"]
    assert [asked.headers["host"] for asked in peer.asked] == ["far.test", "far.test"]
    assert {asked.headers["proxy-authorization"] for asked in peer.asked} == {"Basic " + b64encode(b"me:p@ss").decode()}
    assert peer.connections == 1


async def test_tls_goes_through_a_tunnel(
    make: Make, environment: Callable[..., None], far_tls: ssl.SSLContext, near_tls: ssl.SSLContext
) -> None:
    """The proxy sees the host and its own password, and neither the path nor the key."""
    async with far_side(answers, tls=far_tls) as peer, far_side(proxy) as between:
        environment(https_proxy=f"me:pass@127.0.0.1:{between.port}")
        client = make(proxy_from_environment=True, ssl_context=near_tls)
        replies = [await client.call(post(peer.url("/x", host="localhost"), body)) for body in (b"one", b"two")]
        await client.close()

    assert [reply.body for reply in replies] == [b"one", b"two"]
    assert "proxy-authorization" not in peer.asked[0].headers
    assert [asked.line for asked in between.asked] == [f"CONNECT localhost:{peer.port} HTTP/1.1"]
    assert between.asked[0].headers["proxy-authorization"] == "Basic " + b64encode(b"me:pass").decode()
    assert KEY not in str(between.asked)
    assert peer.connections == 1


async def test_what_needs_no_proxy_goes_directly(make: Make, environment: Callable[..., None]) -> None:
    """NO_PROXY is honoured, and so is the setting that leaves the environment alone."""
    async with far_side(answers) as peer:
        environment(HTTP_PROXY="http://127.0.0.1:1", NO_PROXY="127.0.0.1")
        listed = await make(proxy_from_environment=True).call(get(peer.url()))
        environment(HTTP_PROXY="http://127.0.0.1:1")
        unread = await make(proxy_from_environment=False).call(get(peer.url()))

    assert (listed.status, unread.status) == (200, 200)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", b"", b"what?\r\n\r\n"]
)
async def test_a_proxy_that_refuses_is_named_in_the_error(make: Make, environment: Callable[..., None], answer: bytes) -> None:
    """A tunnel that is refused, closed or answered with nonsense is a failed connection; no password is told."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(answer)

    async with far_side(script) as between:
        environment(HTTPS_PROXY=f"http://me:{KEY}@127.0.0.1:{between.port}")
        error = await failure_of(make(proxy_from_environment=True).call(get("https://far.test/")))

    assert isinstance(error, ConnectFailed)
    assert error.host == "far.test:443"
    assert "the proxy" in error.reason
    assert ("407" in error.reason) == (b"407" in answer)


async def test_a_proxy_that_is_not_there_is_told(make: Make, environment: Callable[..., None]) -> None:
    """For plain requests and for tunnels, and for a kind of proxy that is not spoken."""
    async with far_side(answers) as peer:
        pass
    environment(HTTP_PROXY=f"http://me:{KEY}@127.0.0.1:{peer.port}", HTTPS_PROXY=f"http://127.0.0.1:{peer.port}")
    errors = [
        await failure_of(make(proxy_from_environment=True).call(get(f"{scheme}://far.test/"))) for scheme in ("http", "https")
    ]
    environment(HTTP_PROXY=f"socks5://me:{KEY}@127.0.0.1:{peer.port}")
    strange = await failure_of(make(proxy_from_environment=True).call(get("http://far.test/")))

    assert [str(error) for error in errors] == [f"Could not connect to 127.0.0.1:{peer.port}: the connection was refused."] * 2
    assert str(strange) == "Could not connect to far.test:80: the proxy in the environment is not an http or https URL."


@pytest.mark.parametrize(
    ("direct", "host", "port", "is_direct"),
    [
        ("", "far.test", 80, False),
        ("*", "far.test", 80, True),
        ("far.test", "far.test", 80, True),
        ("FAR.test", "far.TEST", 80, True),
        ("far.test", "a.far.test", 80, True),
        (".far.test", "a.far.test", 80, True),
        (".far.test", "far.test", 80, True),
        ("*.far.test", "a.far.test", 80, True),
        ("far.test", "toofar.test", 80, False),
        ("a.test, far.test", "far.test", 80, True),
        ("far.test:81", "far.test", 80, False),
        ("far.test:80", "far.test", 80, True),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("10.1.2.3:80", "10.1.2.3", 80, True),
        ("10.1.2.3:81", "10.1.2.3", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]", "::1", 80, True),
        ("[::1]:80", "::1", 80, True),
        ("fe80::/10", "::1", 80, False),
        ("far.test", "10.1.2.3", 80, False),
        ("0.0.1.2", "2.1", 80, False),
    ],
)
def test_entries_of_no_proxy(environment: Callable[..., None], direct: str, host: str, port: int, is_direct: bool) -> None:
    """Hosts, domains, ports, addresses and networks mean what they mean elsewhere."""
    environment(http_proxy="http://proxy.test:3128", no_proxy=direct)
    proxies = Proxies.from_environment()

    assert [proxies.find("http", host, port) for _ in range(2)] == [None if is_direct else "http://proxy.test:3128"] * 2


def test_the_environment_of_a_cgi_process_is_not_believed(environment: Callable[..., None]) -> None:
    """There HTTP_PROXY is the caller's `Proxy` header; the small spelling cannot be."""
    environment(HTTP_PROXY="http://evil.test", REQUEST_METHOD="GET")
    loud = Proxies.from_environment()
    environment(HTTP_PROXY="http://evil.test", http_proxy="http://good.test", REQUEST_METHOD="GET")
    small = Proxies.from_environment()

    assert loud.find("http", "far.test", 80) is None
    assert small.find("http", "far.test", 80) == "http://good.test"


def test_what_is_known_of_origins_does_not_grow_without_end() -> None:
    """Media may come from any number of hosts."""
    proxies = Proxies({"http": "http://proxy.test"})
    for number in range(5000):
        proxies.find("http", f"host-{number}.test", 80)

    assert len(proxies._known) <= 1000


def test_the_interface_alone_loads_no_http_library() -> None:
    """Commands that send nothing start without it; naming the client loads it."""
    program = (
        "import sys, pollux.upstream.http as http\n"
        "before = 'aiohttp' in sys.modules\n"
        "http.AiohttpClient\n"
        "print(before, 'aiohttp' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["False", "True"]
