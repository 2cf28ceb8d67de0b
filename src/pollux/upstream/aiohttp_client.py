"""The HTTP client over aiohttp's pool and parser.

aiohttp keeps the pool, dials, parses; what Pollux promises beyond that is in `_Connection`, aiohttp's own connection class with
a state (new → sending → waiting → reading → idle → sending …) and a clock. Every bad end of an exchange passes its
`set_exception`, which makes one of our errors of it: aiohttp's rule of repeating GET and PUT knows only its own errors and so
never applies, and no error text of aiohttp (they hold URLs, addresses, proxies with passwords) gets out.

The clock is one timer per connection, set when a request begins unless it runs already: when it fires, it looks at what is due,
and sets itself again. A read only notes the time.
"""

import asyncio
import functools
import math
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Self, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.payload import Payload
from yarl import URL

from pollux.upstream.http import (
    CONNECTION_IDLE_SECONDS,
    DEFAULT_HEADERS,
    HEADER_LINE_BYTES_MAX,
    HEADERS_MAX,
    NAME_SECONDS,
    STALE_SECONDS,
    ConnectFailed,
    ConnectionBroken,
    HttpFailed,
    HttpReply,
    HttpRequest,
    Proxies,
    TimedOut,
    Timeouts,
    TooLarge,
    check,
    origin_name,
    os_reason,
    parts_of,
)

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.client import ClientTimeout
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_WRITE_BYTES: Final = 256 * 1024
"""How much of a request's body is handed to the transport at once: it copies what the socket does not take."""


class AiohttpClient:
    """An `HttpClient`. Its sessions are made at the first request, inside the running loop."""

    def __init__(
        self,
        *,
        timeouts: Timeouts,
        body_bytes_max: int,
        proxy_from_environment: bool = True,
        ssl_context: ssl.SSLContext | None = None,
        connections_idle_seconds: float = CONNECTION_IDLE_SECONDS,
    ) -> None:
        self._timeouts = timeouts
        self._body_bytes_max = body_bytes_max
        self._proxies = Proxies.from_environment() if proxy_from_environment else Proxies({})
        self._ssl_context = ssl_context
        self._idle_seconds = connections_idle_seconds
        self._pooled: aiohttp.ClientSession | None = None
        self._unpooled: aiohttp.ClientSession | None = None
        self._closed = False

    async def call(self, request: HttpRequest) -> HttpReply:
        """Send a request and give the whole answer, at most `body_bytes_max` large."""
        stream = await self.stream(request)
        return HttpReply(stream.status, stream.headers, await stream.read(self._body_bytes_max))

    async def stream(self, request: HttpRequest) -> "_Stream":
        """Send a request and return when the headers have arrived."""
        check(request)
        if request.repeatable and parts_of(request.body) is not None:
            try:
                return await self._send(request, pooled=True)
            except _Stale:
                pass
        return await self._send(request, pooled=False)

    async def close(self) -> None:
        """Close every connection."""
        self._closed = True
        for session in (self._pooled, self._unpooled):
            if session is not None:
                await session.close()

    async def _send(self, request: HttpRequest, *, pooled: bool) -> "_Stream":
        """Send a request once. Raises _Stale when it met a connection that had died in the pool."""
        session = self._session(pooled=pooled)
        url = URL(request.url, encoded=True)
        try:
            http_response = await session.request(
                request.method,
                url,
                headers=request.headers,
                data=_payload(request),
                proxy=self._proxy(url),
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            failure = self._failure(error, url)
        else:
            stream = _Stream(http_response)
            if stream.status != 101:
                return stream
            failure = stream.broken()  # nobody asked for another protocol
            await stream.close()
        raise failure  # out here, so that it has no context: aiohttp's errors hold the request

    def _session(self, *, pooled: bool) -> aiohttp.ClientSession:
        if self._closed:
            raise ConnectFailed("any host", "the client is closed")
        session = self._pooled if pooled else self._unpooled
        if session is None:
            timeouts = self._timeouts
            session = aiohttp.ClientSession(
                connector=_Connector(timeouts, self._ssl_context, self._idle_seconds if pooled else None),
                headers=DEFAULT_HEADERS,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(connect=min(timeouts.connect_seconds, timeouts.total_seconds)),
                max_line_size=HEADER_LINE_BYTES_MAX,
                max_field_size=HEADER_LINE_BYTES_MAX,
                max_headers=HEADERS_MAX,
            )
            if pooled:
                self._pooled = session
            else:
                self._unpooled = session
        return session

    def _proxy(self, url: URL) -> URL | None:
        proxy = self._proxies.find(url.scheme, url.raw_host or "", url.port or 0)
        if proxy is None:
            return None
        proxy_url = URL(proxy)
        if proxy_url.scheme not in {"http", "https"} or not proxy_url.raw_host:
            raise ConnectFailed(origin_name(url.raw_host, url.port), "the proxy in the environment is not an http or https URL")
        return proxy_url

    def _failure(self, error: Exception, url: URL) -> HttpFailed:
        """Say in our words why no answer came."""
        host = origin_name(url.raw_host, url.port)
        match error:
            case aiohttp.ConnectionTimeoutError():
                timeouts = self._timeouts
                if timeouts.total_seconds < timeouts.connect_seconds:
                    return TimedOut("total", timeouts.total_seconds)
                return TimedOut("connect", timeouts.connect_seconds)
            case aiohttp.ClientHttpProxyError():
                return ConnectFailed(host, f"the proxy refused the tunnel with status {error.status}")
            case aiohttp.ClientConnectorCertificateError():
                reason = getattr(error.certificate_error, "verify_message", "") or "it does not fit"
                return ConnectFailed(origin_name(error.host, error.port), f"its certificate was not accepted ({reason})")
            case aiohttp.ClientConnectorDNSError():
                return ConnectFailed(origin_name(error.host, error.port), "its name was not found")
            case UnicodeError():  # from the look-up: a part of the name is empty or too long
                return ConnectFailed(host, "its name was not found")
            case aiohttp.ClientConnectorError():
                return ConnectFailed(origin_name(error.host, error.port), os_reason(error.os_error))
            case aiohttp.ClientOSError() | aiohttp.ServerConnectionError():
                return ConnectionBroken(0)
            case _:
                return ConnectFailed(host, "the connection could not be set up")


class _Stale(ConnectionBroken):
    """A connection of the pool ended before a byte of answer came: it had died before the request was sent."""


class _Stream:
    """An `HttpStream`, and its own iterator: aiohttp's reader is asked directly, without a generator in between."""

    __slots__ = ("_connection", "_content", "_response", "headers", "status")

    def __init__(self, http_response: aiohttp.ClientResponse) -> None:
        self.status: int = http_response.status
        self.headers: Mapping[str, str] = http_response.headers
        self._response = http_response
        self._content = http_response.content
        connection = http_response.connection  # None when the whole answer is here already
        self._connection = connection and connection.protocol

    def reads(self) -> AsyncIterator[bytes]:
        """Give the body, one item for what one network read brought."""
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await self._content.readany()
        except asyncio.CancelledError:
            self._response.close()
            raise
        except (HttpFailed, aiohttp.ClientError, OSError, RuntimeError) as error:
            failure = error if isinstance(error, HttpFailed) else self.broken()
            data = self._arrived()
        else:
            if data:
                return data
            raise StopAsyncIteration
        if data:
            return data
        self._response.close()
        raise failure

    async def read(self, limit_bytes: int) -> bytes:
        """Give the rest of the body, whole."""
        declared = self.headers.get("Content-Length", "")
        too_large = declared.isdecimal() and int(declared) > limit_bytes and not self._content.is_eof()
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
        self._response.close()
        raise TooLarge(limit_bytes)

    async def close(self) -> None:
        """Close the connection at once when the body is not at its end."""
        self._response.close()

    def broken(self) -> ConnectionBroken:
        """Make the error of a connection that broke here."""
        connection = self._connection
        return ConnectionBroken(connection.received_bytes if isinstance(connection, _Connection) else 0)

    def _arrived(self) -> bytes:
        """Take what arrived before the exchange failed: aiohttp's reader gives nothing any more once it has an error."""
        buffer = self._content._buffer  # noqa: SLF001 - no public way; a test holds that it works
        data = b"".join(buffer)
        buffer.clear()
        return data


class _Connector(aiohttp.TCPConnector):
    """aiohttp's pool, with our connections in it; without an idle time it keeps none."""

    def __init__(self, timeouts: Timeouts, ssl_context: ssl.SSLContext | None, idle_seconds: float | None) -> None:
        pooling = {"force_close": True} if idle_seconds is None else {"keepalive_timeout": idle_seconds}
        super().__init__(ssl=ssl_context or True, limit=0, ttl_dns_cache=NAME_SECONDS, **pooling)
        factory: Callable[..., ResponseHandler] = functools.partial(_Connection, timeouts)
        self._factory = functools.partial(factory, loop=self._loop)
        self._handshake_seconds = timeouts.connect_seconds

    async def connect(self, req: "ClientRequest", traces: "list[Trace]", timeout: "ClientTimeout") -> "Connection":  # noqa: ASYNC109 - aiohttp's signature
        """Give a connection, from the pool or a new one, with its clock running."""
        started = self._loop.time()
        try:
            connection = await super().connect(req, traces, timeout)
        except ConnectionBroken:
            failure = ConnectFailed(origin_name(req.host, req.port), "the proxy closed the connection")
        else:
            assert isinstance(connection.protocol, _Connection)
            connection.protocol.begin(started)
            return connection
        raise failure

    async def _wrap_create_connection(self, *args: Any, **kwargs: Any) -> tuple[asyncio.Transport, ResponseHandler]:
        """Dial. A TLS handshake that was given up keeps its buffers in uvloop until the handshake's own limit, a minute."""
        if kwargs.get("ssl"):
            kwargs["ssl_handshake_timeout"] = self._handshake_seconds
        return await super()._wrap_create_connection(*args, **kwargs)


class _Connection(ResponseHandler):
    """One connection: its state, what arrived of the present answer, and its clock."""

    def __init__(self, timeouts: Timeouts, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.received_bytes = 0
        self._timeouts = timeouts
        self._state: Literal["new", "sending", "waiting", "reading", "idle"] = "new"
        self._reused = False
        self._began = 0.0
        self._deadline = math.inf
        self._moved = 0.0  # when something last moved in the present state
        self._clock: asyncio.TimerHandle | None = None
        self._clock_at = math.inf

    def begin(self, started: float) -> None:
        """Begin an exchange whose total time counts from `started`."""
        self._reused = self._state == "idle"
        self._state = "sending"
        self.received_bytes = 0
        self._began = self._moved = now = self._loop.time()
        self._deadline = started + self._timeouts.total_seconds
        self._set_clock(min(self._deadline, now + self._shortest_seconds()))

    # What aiohttp and the loop tell us.

    def start_timeout(self) -> None:
        """The request is written."""
        if self._state == "sending":
            self._state = "waiting"
            self._moved = self._loop.time()

    def resume_writing(self) -> None:
        """A part of the request has gone out."""
        super().resume_writing()
        self._moved = self._loop.time()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's signature
        """The reader wants more. aiohttp says so at every read; there is something to do only after a pause."""
        if self._reading_paused:
            self._moved = self._loop.time()
            super().resume_reading(resume_parser)

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer; nothing may come when nothing was asked."""
        if data:
            if self._state == "idle":
                self.abort()
                return
            self.received_bytes += len(data)
            if self._state == "reading":
                self._moved = self._loop.time()
        super().data_received(data)

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """The head of an answer, also of an interim one (1xx, which does not count)."""
        message, payload = data
        if self._state == "idle":
            self.abort()
            return
        if self._state in {"sending", "waiting"} and (message.code >= 200 or message.code == 101):
            self._state = "reading"
            self._moved = self._loop.time()
            payload.on_eof(self._end)
        super().feed_data(data, size)

    def _end(self) -> None:
        """The answer is here to its last byte."""
        self._state = "idle"

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:  # noqa: ARG002 - aiohttp's signature
        """Every bad end comes by here: tell it to whoever waits for the head or for the body."""
        failure = exc if isinstance(exc, HttpFailed) else self._broken()
        super().set_exception(failure)
        self._fail_body(failure)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone. A reset also cuts a body that only the connection's end would have ended."""
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        if exc is not None:
            self._fail_body(self._broken())
        super().connection_lost(exc)

    def close(self) -> None:
        """Close: at once unless the connection is idle, without waiting for buffers or for TLS to say goodbye."""
        transport = self.transport
        if transport is not None and (self._state != "idle" or transport.get_write_buffer_size()):
            self.abort()
        else:
            super().close()

    def abort(self) -> None:
        """Cut the connection; a reader of the body, whom aiohttp would forget here, is told."""
        self._fail_body(self._broken())
        super().abort()

    def _fail_body(self, failure: HttpFailed) -> None:
        payload = self._payload
        if self._state == "reading" and payload is not None and payload.exception() is None:
            payload.set_exception(failure)

    def _broken(self) -> ConnectionBroken:
        if self._reused and not self.received_bytes and self._loop.time() - self._began < STALE_SECONDS:
            return _Stale(0)
        return ConnectionBroken(self.received_bytes)

    def sent_some(self) -> None:
        """A piece of a streamed request was written: whoever gives it is slow, and the connection is not silent."""
        self._moved = self._loop.time()

    # The clock.

    def _shortest_seconds(self) -> float:
        return min(self._timeouts.first_byte_seconds, self._timeouts.silence_seconds)

    def _set_clock(self, when: float) -> None:
        """Make sure that the clock fires at `when` or before."""
        if self._clock is not None:
            if self._clock_at <= when:
                return
            self._clock.cancel()
        self._clock_at = when
        self._clock = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        """End the exchange if something is overdue, else look again when something may be."""
        self._clock = None
        if self._state == "idle" or self.transport is None:
            return
        now = self._loop.time()
        if self._reading_paused:
            self._moved = now
        timeouts = self._timeouts
        phase: Literal["first_byte", "silence"] = "first_byte" if self._state == "waiting" else "silence"
        seconds = timeouts.first_byte_seconds if phase == "first_byte" else timeouts.silence_seconds
        if now >= self._deadline:
            self._expire(TimedOut("total", timeouts.total_seconds))
        elif now >= self._moved + seconds:
            self._expire(TimedOut(phase, seconds))
        else:
            self._set_clock(min(self._deadline, self._moved + seconds, now + self._shortest_seconds()))

    def _expire(self, failure: TimedOut) -> None:
        self.set_exception(failure)
        self.abort()


class _Body(Payload):
    """A request's body, written in slices, so that a large one is neither copied whole nor sent in one go."""

    _value: tuple[bytes | bytearray | memoryview, ...]

    def __init__(self, value: tuple[bytes | bytearray | memoryview, ...]) -> None:
        super().__init__(value)
        self._size = sum(map(len, value))

    async def write(self, writer: "AbstractStreamWriter") -> None:
        """Write it."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: "AbstractStreamWriter", content_length: int | None) -> None:
        """Write it, as far as the declared length goes."""
        left = self._size or 0 if content_length is None else content_length
        for part in self._value:
            view = memoryview(part)[:left]
            left -= len(view)
            for start in range(0, len(view), _WRITE_BYTES):
                await writer.write(view[start : start + _WRITE_BYTES])

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Give it as text."""
        return b"".join(self._value).decode(encoding, errors)


class _Pieces(Payload):
    """A request's body that comes in pieces: each is written when the one before has gone out."""

    _value: AsyncIterable[bytes]

    def __init__(self, value: AsyncIterable[bytes], content_length: int | None) -> None:
        super().__init__(value)
        self._size = content_length

    async def write(self, writer: "AbstractStreamWriter") -> None:
        """Write it."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: "AbstractStreamWriter", content_length: int | None) -> None:  # noqa: ARG002 - the pieces' own length
        """Write it; a body that is shorter or longer than was said breaks the connection."""
        size = 0
        connection = getattr(writer, "protocol", None)
        async for piece in self._value:
            size += len(piece)
            if self._size is not None and size > self._size:
                break
            await writer.write(piece)
            await writer.drain()
            if isinstance(connection, _Connection):
                connection.sent_some()
        if self._size is not None and size != self._size:
            raise ValueError("The body is not as long as was said.")

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - aiohttp's signature
        """Never: it is read once."""
        raise TypeError("A body that comes in pieces is not text.")


def _payload(request: HttpRequest) -> Payload | None:
    if request.body is None:
        return None
    parts = parts_of(request.body)
    if parts is not None:
        return _Body(parts)
    return _Pieces(cast("AsyncIterable[bytes]", request.body), request.content_length)
