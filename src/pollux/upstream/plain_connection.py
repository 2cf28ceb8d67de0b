"""One connection of the plain client, and the answer that comes on it.

A connection is asyncio's protocol with a state (sending → waiting → reading → idle) and a clock: one timer, set when a request
begins unless it runs already; when it fires it looks at what is due, and sets itself again. A read only notes the time. What
arrives goes straight from the parser into the `Stream` of the exchange, and wakes its reader once for each network read.

Every bad end of an exchange passes `Connection.fail`, which tells the waiting caller and cuts the connection.
"""

import asyncio
import math
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any, Final, Literal, NamedTuple, Protocol, Self, cast

import httptools

from pollux.upstream.http import (
    HEADER_LINE_BYTES_MAX,
    HEADERS_MAX,
    STALE_SECONDS,
    ConnectFailed,
    ConnectionBroken,
    HttpFailed,
    HttpRequest,
    TimedOut,
    Timeouts,
    TooLarge,
    origin_name,
    parts_of,
)

SLICE_BYTES: Final = 256 * 1024
"""How much of a request's body is handed to the transport at once: it copies what the socket does not take."""

BUFFER_BYTES_MAX: Final = 256 * 1024
"""How much of an answer may wait for its reader; above, the connection is not read."""

AGE_SECONDS: Final = 600.0
"""How long a connection is used for new requests, so that a name that moved is followed."""


class Proxy(NamedTuple):
    """A proxy on the way to an origin."""

    host: str
    port: int
    secure: bool
    credentials: str


class Origin(NamedTuple):
    """Where a request goes."""

    scheme: str
    authority: str
    host: str
    port: int
    secure: bool
    proxy: Proxy | None


class Owner(Protocol):
    """The client, as far as its connections know it."""

    timeouts: Timeouts
    idle_seconds: float
    buffer: memoryview

    def give_back(self, connection: "Connection") -> None:
        """Take a connection whose answer was read to the end into the pool."""

    def forget(self, connection: "Connection") -> None:
        """Drop a connection that is gone."""


class Stale(ConnectionBroken):
    """A connection of the pool ended before a byte of answer came: it had died before the request was sent."""


class Headers(dict[str, str]):
    """Headers, found in any case."""

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """Give a header's value."""
        return super().get(name.lower(), default)


class Stream:
    """An `HttpStream`, and its own iterator."""

    __slots__ = ("_connection", "_error", "_pieces", "_size", "_waiter", "complete", "head", "headers", "status")

    def __init__(self, connection: "Connection", head: asyncio.Future[None]) -> None:
        self._connection: Connection | None = connection
        self._pieces: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: HttpFailed | None = None
        self.head = head
        self.complete = False
        self.status = 0
        self.headers: Mapping[str, str] = Headers()

    # What the connection tells.

    def add(self, data: bytes) -> int:
        """Take in a piece of the body; gives how much waits for the reader."""
        self._pieces.append(data)
        self._size += len(data)
        return self._size

    def wake(self) -> None:
        """Let the reader look."""
        waiter = self._waiter
        if waiter is not None and (self._pieces or self.complete or self._error is not None):
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def end(self) -> None:
        """The answer is here to its last byte."""
        self.complete = True
        self._connection = None
        self.wake()

    def fail(self, error: HttpFailed) -> None:
        """The exchange broke."""
        if self._error is None and not self.complete:
            self._error = error
            self._connection = None
            if not self.head.done():
                self.head.set_exception(error)
                self.head.exception()  # whoever waits gets it; if nobody does any more, nobody has to
            self.wake()

    # What the caller asks.

    def reads(self) -> AsyncIterator[bytes]:
        """Give the body, one item for what one network read brought."""
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while True:
            if self._pieces:
                pieces, self._pieces = self._pieces, []
                self._size = 0
                if self._connection is not None:
                    self._connection.taken()
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            if self._error is not None:
                raise self._error.with_traceback(None)
            if self.complete or self._connection is None:
                raise StopAsyncIteration
            self._waiter = self._connection.loop.create_future()
            try:
                await self._waiter
            except asyncio.CancelledError:
                self._waiter = None
                await self.close()
                raise

    async def read(self, limit_bytes: int) -> bytes:
        """Give the rest of the body, whole."""
        if self.complete and len(self._pieces) == 1 and self._size <= limit_bytes:  # small answers come in one read
            return self._pieces.pop()
        declared = self.headers.get("content-length", "")
        too_large = declared.isdecimal() and int(declared) > limit_bytes and not (self.complete and not self._pieces)
        pieces: list[bytes] = []
        size = 0
        while not too_large:
            try:
                piece = await self.__anext__()
            except StopAsyncIteration:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.append(piece)
            size += len(piece)
            too_large = size > limit_bytes
        await self.close()
        raise TooLarge(limit_bytes)

    async def close(self) -> None:
        """Close the connection at once when the body is not at its end."""
        connection = self._connection
        self._pieces.clear()
        if connection is not None:
            connection.fail(ConnectionBroken(connection.received_bytes))


class Connection(asyncio.BufferedProtocol):
    """One connection: its state, the answer that is coming, and its clock.

    All connections of a client read into one buffer, which the parser empties at once. Over TLS a transport would else make
    256 KiB anew for each read, and give them back: three system calls.
    """

    def __init__(self, client: Owner, origin: Origin) -> None:
        self.origin = origin
        self.loop = asyncio.get_running_loop()
        self.received_bytes = 0
        self._client = client
        self._timeouts = timeouts = client.timeouts
        self._shortest_seconds = min(timeouts.first_byte_seconds, timeouts.silence_seconds, client.idle_seconds)
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._state: Literal["idle", "sending", "waiting", "reading", "gone"] = "idle"
        self._stream: Stream | None = None
        self._headers = Headers()
        self._header_count = 0
        self._head_bytes = 0
        self._interim = False
        self._is_talkative = False  # more than one answer came: nothing of this connection is believed any more
        self._without_body = False
        self._tunnelling = False
        self._pooled = True
        self._reused = False
        self._began = 0.0
        self._born = self._idle_since = self.loop.time()
        self._deadline = math.inf
        self._moved = 0.0  # when something last moved in the present state
        self._paused = False
        self._drained: asyncio.Future[None] | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._clock_at = math.inf

    # What the client asks.

    def is_usable(self) -> bool:
        """Say whether a new request may begin here."""
        now = self.loop.time()
        return (
            self._state == "idle"
            and self._transport is not None
            and not self._transport.is_closing()
            and now - self._idle_since < self._client.idle_seconds
            and now - self._born < AGE_SECONDS
        )

    async def exchange(self, request: HttpRequest, head: bytes, started: float, *, pooled: bool = True) -> Stream:
        """Send a request and return when the headers have arrived."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectFailed(
                origin_name(self.origin.host, self.origin.port), "the connection was closed while it was set up"
            )
        self._pooled = pooled
        self._begin(started, without_body=request.method == "HEAD")
        stream = self._stream = Stream(self, self.loop.create_future())
        try:
            await self._send(transport, stream, head, request)
            if self._drained is not None and not stream.head.done():
                await asyncio.wait({self._drained, stream.head}, return_when=asyncio.FIRST_COMPLETED)
            if self._state == "sending":
                self._state = "waiting"
                self._moved = self.loop.time()
            await stream.head
        except asyncio.CancelledError:
            self.fail(ConnectionBroken(self.received_bytes))
            raise
        return stream

    async def _send(self, transport: asyncio.Transport, stream: "Stream", head: bytes, request: HttpRequest) -> None:
        """Write the request. An answer that is here before the request was written ends the writing: it is an answer."""
        parts = parts_of(request.body)
        if parts is not None and sum(map(len, parts)) <= SLICE_BYTES:
            transport.write(b"".join((head, *parts)))
            return
        transport.write(head)
        for part in parts or ():
            view = memoryview(part)
            for at in range(0, len(part), SLICE_BYTES):
                if not await self._may_write(stream):
                    return
                transport.write(view[at : at + SLICE_BYTES])
        if parts is not None:
            return
        pieces = cast("AsyncIterable[bytes]", request.body)
        writing = asyncio.ensure_future(self._send_pieces(transport, stream, pieces, request.content_length))
        try:
            await asyncio.wait({writing, stream.head}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not writing.done():  # an answer before the end of the request, or the end of the exchange
                self._pooled = False
                writing.cancel()
        if writing.done() and not writing.cancelled() and writing.exception() is not None:  # the caller's own error
            self.fail(ConnectionBroken(self.received_bytes))

    async def _send_pieces(
        self, transport: asyncio.Transport, stream: "Stream", pieces: AsyncIterable[bytes], length: int | None
    ) -> None:
        """Write a body that comes in pieces, each when the one before has gone out."""
        size = 0
        async for piece in pieces:
            if not await self._may_write(stream):
                self._pooled = False  # the rest of the request stays unsent
                return
            size += len(piece)
            if length is not None and size > length:
                break
            if length is not None:
                transport.write(piece)
            elif piece:
                transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if length is None:
            transport.write(b"0\r\n\r\n")
        elif size != length:
            raise ValueError("The body is not as long as was said.")

    async def _may_write(self, stream: "Stream") -> bool:
        """Wait until the transport takes more; False when the exchange has its answer, or its end."""
        if self._drained is not None:
            await asyncio.wait({self._drained, stream.head}, return_when=asyncio.FIRST_COMPLETED)
        self._moved = self.loop.time()
        return not stream.head.done()

    async def tunnel(self, proxy: Proxy) -> None:
        """Ask a proxy for a way to the origin. Raises ConnectFailed."""
        name = origin_name(self.origin.host, self.origin.port)
        credentials = f"Proxy-Authorization: {proxy.credentials}\r\n" if proxy.credentials else ""
        self._tunnelling = True
        self._begin(self.loop.time(), without_body=True)
        stream = self._stream = Stream(self, self.loop.create_future())
        assert self._transport is not None
        self._transport.write(f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n{credentials}\r\n".encode())
        self._state = "waiting"
        refused: str | None = None
        try:
            await stream.head
            if not 200 <= stream.status < 300:
                refused = f"the proxy refused the tunnel with status {stream.status}"
        except HttpFailed:
            refused = "the proxy closed the connection"
        except asyncio.CancelledError:
            self.close()
            raise
        if refused is not None:
            self.close()
            raise ConnectFailed(name, refused)
        self._transport.pause_reading()
        self._tunnelling = False
        self._stream = None
        self._state = "idle"
        self._parser = httptools.HttpResponseParser(self)

    def taken(self) -> None:
        """The reader took what had arrived."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._moved = self.loop.time()
            self._transport.resume_reading()

    def fail(self, error: HttpFailed) -> None:
        """End the exchange badly, and cut the connection at once."""
        stream, self._stream = self._stream, None
        if self._transport is not None:
            self._transport.abort()
        self._gone()
        if stream is not None:
            stream.fail(error)

    def close(self) -> None:
        """Close; an exchange under way breaks."""
        if self._state == "idle" and self._transport is not None and not self._transport.get_write_buffer_size():
            self._transport.close()
            self._gone()
        else:
            self.fail(ConnectionBroken(self.received_bytes))

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the transport's wish; what it gets is enough
        """Say where the next bytes go."""
        return self._client.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes of the answer; nothing may come when nothing was asked."""
        data = self._client.buffer[:nbytes]
        stream = self._stream
        if stream is None:
            self.close()
            return
        self.received_bytes += len(data)
        if self._state == "reading":
            self._moved = self.loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._state != "idle" or self._stream is not None:
                self.fail(self._broken())
        except httptools.HttpParserError:
            self.fail(self._broken())
        else:
            if self._state in {"sending", "waiting"}:
                self._head_bytes += len(data)
                if self._head_bytes > HEADER_LINE_BYTES_MAX * HEADERS_MAX:
                    self.fail(self._broken())
            stream.wake()
            if self._is_talkative:
                self.close()

    def eof_received(self) -> bool:
        """The peer says no more; the connection closes."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone. A body that only this ends is complete, unless the connection was reset."""
        stream, self._stream = self._stream, None
        ended_by_close = self._state == "reading" and exc is None and self._needs_close()
        failure = self._broken()
        self._gone()
        if stream is not None:
            if ended_by_close:
                stream.end()
            else:
                stream.fail(failure)

    def pause_writing(self) -> None:
        """The transport has enough to send."""
        if self._drained is None:
            self._drained = self.loop.create_future()

    def resume_writing(self) -> None:
        """A part of the request has gone out."""
        self._moved = self.loop.time()
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # What the parser tells.

    def on_message_begin(self) -> None:
        """A head begins."""
        if self._stream is None:
            self._is_talkative = True
        self._headers = Headers()
        self._header_count = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the answer."""
        self._header_count += 1
        if self._header_count > HEADERS_MAX or len(name) + len(value) > HEADER_LINE_BYTES_MAX:
            raise ValueError("too many or too long headers")
        if self._state == "reading" or self._stream is None:
            return  # trailers are dropped, as nobody reads them
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        earlier = self._headers.setdefault(key, text)
        if earlier is not text:
            self._headers[key] = f"{earlier}, {text}"

    def on_headers_complete(self) -> None:
        """The head is here: of the answer, or of an interim one (1xx), which does not count."""
        stream = self._stream
        if stream is None or self._state not in {"sending", "waiting"}:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            if status == 101:
                raise ValueError("nobody asked for another protocol")
            self._interim = True
            return
        if self._without_body:
            self._keep_head_only(stream, status)
            return
        self._state = "reading"
        self._moved = self.loop.time()
        stream.status = status
        stream.headers = self._headers
        if not stream.head.done():
            stream.head.set_result(None)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        stream = self._stream
        if stream is not None and stream.add(data) > BUFFER_BYTES_MAX and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """An answer is here to its last byte."""
        if self._interim:
            self._interim = False
            return
        stream = self._stream
        if stream is None or self._state != "reading":
            return
        self._stream = None
        self._finish(reusable=self._parser.should_keep_alive())
        stream.end()

    def _keep_head_only(self, stream: Stream, status: int) -> None:
        """End an answer that has no body whatever its head says: to HEAD, or to CONNECT."""
        self._state = "reading"
        stream.status = status
        stream.headers = self._headers
        stream.head.set_result(None)
        self._stream = None
        if not self._tunnelling:
            self._finish(reusable=self._parser.should_keep_alive())
        stream.end()

    # The rest.

    def _begin(self, started: float, *, without_body: bool) -> None:
        self._reused = self.received_bytes > 0
        self._state = "sending"
        self._without_body = without_body
        self._interim = False
        self.received_bytes = 0
        self._head_bytes = 0
        self._began = self._moved = now = self.loop.time()
        self._deadline = started + self._timeouts.total_seconds
        if self._clock_at > self._deadline or self._clock_at > now + self._shortest_seconds:
            self._set_clock(min(self._deadline, now + self._shortest_seconds))

    def _finish(self, *, reusable: bool) -> None:
        """The exchange is over: back to the pool, or closed."""
        transport = self._transport
        idle_bytes = 0 if transport is None else transport.get_write_buffer_size()
        if self._paused:
            self.taken()
        if reusable and self._pooled and self._state == "reading" and not idle_bytes and self._drained is None:
            self._state = "idle"
            self._idle_since = self._moved
            self._parser = httptools.HttpResponseParser(self)
            self._client.give_back(self)
        else:
            if transport is not None:
                transport.abort() if idle_bytes else transport.close()
            self._gone()

    def _gone(self) -> None:
        self._state = "gone"
        self._transport = None
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._client.forget(self)

    def _needs_close(self) -> bool:
        """Whether only the end of the connection ends the body."""
        headers = self._headers
        return "content-length" not in headers and "chunked" not in headers.get("transfer-encoding", "").lower()

    def _broken(self) -> ConnectionBroken:
        if self._reused and not self.received_bytes and self.loop.time() - self._began < STALE_SECONDS:
            return Stale(0)
        return ConnectionBroken(self.received_bytes)

    # The clock.

    def _set_clock(self, when: float) -> None:
        """Make sure that the clock fires at `when` or before."""
        if self._clock is not None:
            if self._clock_at <= when:
                return
            self._clock.cancel()
        self._clock_at = when
        self._clock = self.loop.call_at(when, self._look)

    def _look(self) -> None:
        """End what is overdue, else look again when something may be."""
        self._clock = None
        self._clock_at = math.inf
        now = self.loop.time()
        timeouts = self._timeouts
        if self._state == "idle":
            due = self._idle_since + self._client.idle_seconds
            if now >= due:
                self.close()
            else:
                self._set_clock(due)
            return
        if self._state == "gone":
            return
        if self._paused:
            self._moved = now
        phase: Literal["first_byte", "silence"] = "first_byte" if self._state == "waiting" else "silence"
        seconds = timeouts.first_byte_seconds if phase == "first_byte" else timeouts.silence_seconds
        if now >= self._deadline:
            self.fail(TimedOut("total", timeouts.total_seconds))
        elif now >= self._moved + seconds:
            self.fail(TimedOut(phase, seconds))
        else:
            self._set_clock(min(self._deadline, self._moved + seconds, now + self._shortest_seconds))
