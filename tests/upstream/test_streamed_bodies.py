"""Request bodies that come in pieces: framed as said, taken as fast as the far side reads, never sent twice."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from pollux.upstream.http import ConnectionBroken, HttpClient, HttpFailed, HttpRequest, TimedOut, Timeouts
from tests.upstream.peer import Wire, far_side
from tests.upstream.test_http import AMPLE, answers, make

__all__ = ["make"]
Make = Callable[..., HttpClient]


async def pieces(*given: bytes) -> AsyncIterator[bytes]:
    """Give these pieces."""
    for piece in given:
        yield piece


def post(url: str, body: AsyncIterator[bytes], length: int | None) -> HttpRequest:
    """Make a request whose body comes in pieces."""
    return HttpRequest("POST", url, {"content-type": "text/plain"}, body, length)


async def test_a_body_of_known_length_says_so(make: Make) -> None:
    """The pieces arrive as one body."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer()

    async with far_side(script) as peer:
        reply = await make().call(post(peer.url(), pieces(b"ab", b"c"), 3))

    assert reply.status == 200
    assert peer.asked[0].body == b"abc"
    assert peer.asked[0].headers["content-length"] == "3"
    assert "transfer-encoding" not in peer.asked[0].headers


async def test_a_body_of_unknown_length_goes_out_chunked(make: Make) -> None:
    """One chunk for each piece, and an end."""
    heads: list[dict[str, str]] = []
    received = b""

    async def script(wire: Wire) -> None:
        nonlocal received
        heads.append((await wire.head()).headers)
        while not received.endswith(b"0\r\n\r\n"):
            received += await wire._reader.read(65536)
        await wire.answer()

    async with far_side(script) as peer:
        await make().call(post(peer.url(), pieces(b"ab", b"c"), None))

    assert heads[0]["transfer-encoding"] == "chunked"
    assert "content-length" not in heads[0]
    assert received == b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"


@pytest.mark.parametrize(("given", "length"), [((b"abc",), 2), ((b"abc",), 4), ((), 1)])
async def test_a_body_that_is_not_as_long_as_said_breaks_the_connection(
    make: Make, given: tuple[bytes, ...], length: int
) -> None:
    """Never a request that the far side could read on into."""

    async def script(wire: Wire) -> None:
        await wire.head()
        await wire.closed()

    async with far_side(script) as peer:
        with pytest.raises(ConnectionBroken):
            await make().call(post(peer.url(), pieces(*given), length))

    assert peer.connections == 1


async def test_a_body_that_fails_ends_the_exchange(make: Make) -> None:
    """Its giver knows why; nothing of the reason is in our error."""

    async def failing() -> AsyncIterator[bytes]:
        yield b"abc"
        raise ValueError("a secret reason")

    async def script(wire: Wire) -> None:
        await wire.head()
        await wire.closed()

    async with far_side(script) as peer:
        with pytest.raises(ConnectionBroken) as failed:
            await make().call(post(peer.url(), failing(), 6))

    assert "secret" not in str(failed.value)
    assert failed.value.__context__ is None


async def test_a_body_in_pieces_has_a_connection_of_its_own(make: Make) -> None:
    """It could not be given again, if a pooled one turned out to be dead."""
    async with far_side(answers) as peer:
        client = make()
        for _ in range(2):
            await client.call(HttpRequest("GET", peer.url(), {}))
        await client.call(post(peer.url(), pieces(b"abc"), 3))
        connections = peer.connections

    assert [asked.line.split()[0] for asked in peer.asked] == ["GET", "GET", "POST"]
    assert connections == 2


async def test_a_slow_giver_is_not_silence(make: Make) -> None:
    """Pieces that trickle in keep the connection; no piece at all does not."""

    async def trickle(pause: float) -> AsyncIterator[bytes]:
        for _ in range(6):
            await asyncio.sleep(pause)
            yield b"x"

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer()

    timeouts = Timeouts(connect_seconds=5, first_byte_seconds=5, silence_seconds=0.5, total_seconds=10)
    async with far_side(script) as peer:
        client = make(timeouts)
        reply = await client.call(post(peer.url(), trickle(0.2), 6))
        with pytest.raises(HttpFailed) as failed:
            await client.call(post(peer.url(), trickle(2), 6))

    assert reply.status == 200
    assert isinstance(failed.value, TimedOut)


async def test_an_early_answer_stops_the_giver(make: Make) -> None:
    """What is refused is not read to its end."""
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b"x" * 65536

    async def script(wire: Wire) -> None:
        await wire.head()
        await wire.answer(status="413 Too Large", headers="Connection: close\r\n")
        await wire.closed()

    async with far_side(script) as peer:
        stream = await make(AMPLE).stream(post(peer.url(), endless(), None))
        await stream.close()
        before = given
        await asyncio.sleep(0.2)

    assert stream.status == 413
    assert given == before
