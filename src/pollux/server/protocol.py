"""HTTP/1.1 in, with absolute limits: uvicorn's protocol, made safe against slow and endless requests.

uvicorn limits neither the size of a head nor the time in which a request arrives. Here every connection has one deadline.
What it means follows from where the connection stands:

    idle          nothing has come yet, or the last answer was sent      passed: closed without a word
    head          from the first byte to the empty line                  passed: 408
    body          from the first byte to the last                        passed: 408
    answering     the request is here, the answer under way              no deadline: the app has its own
    leaving       an answer that ends the connection was sent            passed: cut

The deadline is moved by storing a number. One timer per connection looks at it and is armed anew only when it fires, so that
a request costs no timer. A connection that ends while its caller still sends is not cut at once: the kernel would answer the
caller's next packet with a reset, and the caller might never read the answer. It is shut for writing, and what comes is thrown
away for a short time.
"""

import asyncio
import logging
import math
import secrets
from functools import partial
from typing import Any

import httptools
import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from pollux.errors import ApiError, InvalidRequest, Overloaded, ReceiveTimeout
from pollux.settings import Settings

logger = logging.getLogger("pollux.server")

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept. Longer than load balancers keep theirs (AWS 60 s, nginx 60 s), so that they, not we,
close first: else a request of theirs meets a connection that is just going away."""

LEAVING_SECONDS = 2.0
"""How long a caller that still sends may take to read the answer that ends its connection."""

LEAVING_BYTES_MAX = 1_048_576
"""How much of what such a caller still sends is read and thrown away."""

WRITING_SECONDS = 60
"""How long a caller may take nothing of an answer that waits for it. As in nginx; then the connection is cut."""

OFFER_FIELDS = frozenset({b"connection", b"upgrade", b"http2-settings"})
"""The header fields by which a caller offers another protocol. Java's HTTP client offers HTTP/2 so with every first request."""


class Refused(Exception):
    """A request that ends before the app sees it, or while the app waits for its body."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.message)
        self.error = error


class HttpConfig(Config):
    """uvicorn's configuration, with the limits that the protocol keeps."""

    def __init__(self, app: Any, settings: Settings) -> None:
        super().__init__(
            app,
            http=HttpProtocol,
            ws="none",
            interface="asgi3",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            workers=1,
        )
        self.settings = settings


class HttpProtocol(HttpToolsProtocol):
    """One connection of a caller."""

    config: HttpConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings = self.config.settings
        self._head_bytes_max = settings.header_bytes_max
        self._head_count_max = settings.header_count_max
        self._head_seconds = settings.head_seconds
        self._receive_seconds = settings.receive_seconds
        self._tick_seconds = min(settings.head_seconds, settings.receive_seconds, KEEP_ALIVE_SECONDS)
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = math.inf
        self._in_head = False
        self._in_message = False
        self._began = 0.0
        self._unframed_bytes = 0
        self._unwritten_bytes = 0
        self._written_at = 0.0
        self._head_without_offer = b""
        self._keep_alive = False
        self._stopping = False
        self._leaving = False
        self._farewell: bytes | None = None
        self._last_words = _LastWords(self)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn: a narrower transport
        """Start the clock: a connection on which nothing comes is closed."""
        super().connection_made(transport)
        now = self.loop.time()
        self._deadline = now + self._head_seconds
        self._arm(now + self._tick_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came. What is not a body counts against the limit of the head: heads, trailers, chunk extensions."""
        self._unframed_bytes += len(data)
        if self._leaving:
            if self._unframed_bytes > LEAVING_BYTES_MAX:
                self.transport.abort()
            return
        rest = data
        while rest:
            try:
                self.parser.feed_data(rest)
                break
            except httptools.HttpParserUpgrade as upgrade:
                # The parser takes what follows for another protocol. Nothing is upgraded here: the head is read again without
                # the offer, so that its body is a body (and never the next request).
                rest = self._head_without_offer + rest[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            except httptools.HttpParserError as error:
                cause = error.__context__
                self._refuse(cause.error if isinstance(cause, Refused) else _malformed(error))
                return
        if self._unframed_bytes > self._head_bytes_max:
            self._refuse(self._head_too_large())

    def on_message_begin(self) -> None:
        """Start the time of a request at its first byte."""
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._began = self.loop.time()
        self._deadline = self._began + self._head_seconds

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; fields after the body (trailers) are dropped, as nobody reads them."""
        if not self._in_head:
            return
        if len(self.headers) >= self._head_count_max:
            raise Refused(_head_error(f"The request has more than {self._head_count_max} header fields."))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request to the app, and expect its body."""
        if self._unframed_bytes > self._head_bytes_max and self._head_bytes() > self._head_bytes_max:
            raise Refused(self._head_too_large())
        if self.parser.should_upgrade():
            self._head_without_offer = self._without_offer()
            return
        super().on_headers_complete()
        self._in_head = False
        self._deadline = self._began + self._receive_seconds
        # Until the body is here, an answer ends the connection, and says so: else the rest of the body would have to be read.
        cycle = self.cycle
        self._keep_alive = cycle.keep_alive
        cycle.keep_alive = False
        cycle.scope["pollux.receive_within"] = partial(self._receive_within, cycle)  # type: ignore[typeddict-unknown-key]  # ours
        cycle.transport = self._last_words  # type: ignore[assignment]  # it has the three methods that an answer calls

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of the body."""
        self._unframed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is here as a whole; from now on the app has the time."""
        if self.parser.should_upgrade():
            return
        self._unframed_bytes = 0
        self._in_message = False
        self._deadline = math.inf
        cycle = self.cycle
        if not cycle.response_started:
            cycle.keep_alive = self._keep_alive and not self._stopping
        cycle.transport = _Joining(self)  # type: ignore[assignment]  # it has the three methods that an answer calls
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it."""
        self.server_state.total_requests += 1
        if self._leaving or self.transport.is_closing():
            return
        if self.pipeline:
            if self._farewell is None:
                self.flow.resume_reading()
            self._start_asgi_task(*self.pipeline.pop())
            # While a request waited for its turn, reading was paused: that time is not its caller's.
            self._began = self.loop.time()
            if self._in_message:
                self._deadline = self._began + self._receive_seconds
        elif self._farewell is not None:
            self._leave(self._farewell)
        else:
            self.flow.resume_reading()
            if not self._in_message:
                self._deadline = self.loop.time() + self.timeout_keep_alive

    def shutdown(self) -> None:
        """End the connection as soon as what was begun on it is done."""
        self._stopping = True
        if self._answering():
            self.cycle.keep_alive = False
        elif not self._in_message and not self._leaving:
            self.transport.close()

    def cut(self) -> None:
        """End the connection now. A caller that has not got the head of its answer is told to come back."""
        unanswered = self._in_message or (self._answering() and not self.cycle.response_started)
        if unanswered and not self._leaving:
            self._refuse(Overloaded("The server is stopping. Try again.", code="server_stopping"))
        else:
            self.transport.abort()

    def _receive_within(self, cycle: RequestResponseCycle, seconds: float) -> None:
        """Give a request another time to arrive, if it still does."""
        if self.cycle is cycle and self._in_message and not self._in_head:
            self._deadline = self._began + seconds

    def _answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn declares that there always is one
        return cycle is not None and not cycle.response_complete

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(at, self._on_timer)

    def _on_timer(self) -> None:
        """Look at the deadline. It is set at least a tick ahead (leaving arms anew), so a look in every tick is in time."""
        self._timer = None
        now = self.loop.time()
        unwritten = self.transport.get_write_buffer_size()
        if unwritten == 0 or unwritten != self._unwritten_bytes:
            self._unwritten_bytes = unwritten
            self._written_at = now
        if now - self._written_at >= WRITING_SECONDS:
            self.transport.abort()
        elif now >= self._deadline and not self.transport.is_closing():
            self._on_deadline(unwritten)
        if self._timer is None:
            next_tick = now + self._tick_seconds
            self._arm(self._deadline if now < self._deadline < next_tick else next_tick)

    def _on_deadline(self, unwritten: int) -> None:
        if self._leaving:
            self.transport.abort()
        elif self._in_message and not self.flow.read_paused:
            limit = self._head_seconds if self._in_head else self._deadline - self._began
            what = "head" if self._in_head else "request"
            self._refuse(ReceiveTimeout(f"The {what} did not arrive as a whole within {limit:g} seconds."))
        elif not self._in_message and unwritten == 0:
            self.transport.close()
        # Else we are the slow side, or the caller is still taking the last answer: looked at again a tick later.

    def _refuse(self, error: ApiError) -> None:
        """Answer in place of the app, and end the connection."""
        if self._leaving or self._farewell is not None or self.transport.is_closing():
            return
        if self.config.settings.access_log:
            caller = self.client[0] if self.client else "a socket"
            logger.info("%d, before the app: %s (from %s)", error.status, error.message, caller)
        answer = _answer(error, self.server_state.default_headers)
        broken = self.cycle if self._in_message and not self._in_head else None
        self._in_head = self._in_message = False
        if broken is None and self._answering():
            # Answers under way come first; this one is sent after the last of them.
            self._await_turn(answer)
        elif broken is not None and self.pipeline and self.pipeline[0][0] is broken:
            self.pipeline.popleft()
            broken.response_complete = True
            self._await_turn(answer)
        elif self._answering():
            started = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._leave(b"" if started else answer)
        else:
            self._leave(answer)

    def _await_turn(self, answer: bytes) -> None:
        self._farewell = answer
        self._deadline = math.inf
        self.flow.pause_reading()

    def _leave(self, answer: bytes) -> None:
        """Send the last answer, and throw away what the caller still sends until it has read it."""
        self._leaving = True
        self._unframed_bytes = 0
        if answer:
            self.transport.write(answer)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._deadline = self.loop.time() + LEAVING_SECONDS
        self._arm(self._deadline)

    def _without_offer(self) -> bytes:
        method = self.parser.get_method()
        if method == b"CONNECT":
            raise Refused(InvalidRequest("This server is no proxy: it does not know the method CONNECT.", code="invalid_http"))
        kept = [(name, value) for name, value in self.headers if name not in OFFER_FIELDS]
        line = b"%b %b HTTP/%b\r\n" % (method, self.url, self.parser.get_http_version().encode())
        return line + b"".join(b"%b: %b\r\n" % field for field in kept) + b"\r\n"

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _head_too_large(self) -> ApiError:
        if len(self.url) * 2 > self._head_bytes_max:
            return InvalidRequest(f"The address is longer than {self._head_bytes_max} bytes.", status=414, code="uri_too_long")
        return _head_error(f"The request's head is larger than {self._head_bytes_max} bytes.")


class _LastWords:
    """The transport of an answer that is given while its request still arrives: closing it lets the caller read the answer."""

    __slots__ = ("_protocol",)

    def __init__(self, protocol: HttpProtocol) -> None:
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        self._protocol.transport.write(data)

    def is_closing(self) -> bool:
        return self._protocol.transport.is_closing()

    def close(self) -> None:
        if not self._protocol.transport.is_closing():
            self._protocol._leave(b"")  # noqa: SLF001 - the other half of the same thing


class _Joining:
    """The transport of one answer: its head waits for the first piece of its body, so that both go out in one write.

    uvicorn writes them one by one. A head whose body is not there yet goes out when the loop comes round.
    """

    __slots__ = ("_head", "_is_first", "_protocol")

    def __init__(self, protocol: HttpProtocol) -> None:
        self._protocol = protocol
        self._head = b""
        self._is_first = True

    def write(self, data: bytes) -> None:
        if self._is_first:
            self._is_first = False
            self._head = data
            self._protocol.loop.call_soon(self._flush)
        elif self._head:
            data, self._head = self._head + data, b""
            self._protocol.transport.write(data)
        else:
            self._protocol.transport.write(data)

    def is_closing(self) -> bool:
        return self._protocol.transport.is_closing()

    def close(self) -> None:
        self._flush()
        self._protocol.transport.close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._protocol.transport.write(head)


def _head_error(message: str) -> ApiError:
    return InvalidRequest(message, status=431, code="request_header_fields_too_large")


def _malformed(error: Exception) -> ApiError:
    reason = "its address cannot be read" if error.__context__ else str(error).rstrip(".")
    return InvalidRequest(f"This is not a valid HTTP/1.1 request: {reason}.", code="invalid_http")


def _answer(error: ApiError, headers: list[tuple[bytes, bytes]]) -> bytes:
    body = msgspec.json.encode({"error": {"message": error.message, "type": error.type, "param": None, "code": error.code}})
    fields = [
        *headers,
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", b"req_" + secrets.token_hex(12).encode()),
        (b"connection", b"close"),
    ]
    return b"".join([STATUS_LINE[error.status], *(b"%b: %b\r\n" % field for field in fields), b"\r\n", body])
