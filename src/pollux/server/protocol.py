"""HTTP/1.1 in, with absolute limits: a protocol for uvicorn's server, safe against slow and endless requests.

uvicorn's own limits neither the size of a head nor the time in which a request arrives. Here every connection has one deadline.
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
from collections import deque
from typing import Any
from urllib.parse import unquote

import httptools
import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from pollux.errors import ApiError, InvalidRequest, Overloaded, ReceiveTimeout
from pollux.server.cycle import Cycle
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


class HttpProtocol(asyncio.Protocol):
    """One connection of a caller."""

    def __init__(
        self,
        config: HttpConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        settings = config.settings
        self.config = config
        self.server_state = server_state
        self.tasks = server_state.tasks
        self.loop = _loop or asyncio.get_running_loop()
        self.transport: asyncio.Transport
        self.flow: FlowControl
        self.client: tuple[str, int] | None = None
        self.parser = _parser(self)
        # The request whose bytes come, or came last; the one that is being answered may be before it.
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.cycle: Cycle | None = None
        self._app_state = app_state
        self._answered: Cycle | None = None
        self._pipeline: deque[tuple[Cycle, dict[str, Any]]] = deque()
        self._expects_continue = False
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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn: a narrower transport
        """Start the clock: a connection on which nothing comes is closed."""
        self.server_state.connections.add(self)  # type: ignore[arg-type]  # uvicorn names its own protocols
        self.transport = transport
        self.flow = FlowControl(transport)
        self.client = get_remote_addr(transport)
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "server": get_local_addr(transport),
            "client": self.client,
            "scheme": "http",
            "root_path": "",
        }
        now = self.loop.time()
        self._deadline = now + self._head_seconds
        self._arm(now + self._tick_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock, and tell whoever answers."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.server_state.connections.discard(self)
        self._pipeline.clear()
        for cycle in {self._answered, self.cycle}:
            if cycle is not None:
                cycle.leave()
        self.flow.resume_writing()
        if exc is None:
            self.transport.close()

    def pause_writing(self) -> None:
        """The caller takes less than is sent."""
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        """The caller has taken most of what was sent."""
        self.flow.resume_writing()

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
                self.parser = _parser(self)
            except httptools.HttpParserError as error:
                cause = error.__context__
                self._refuse(cause.error if isinstance(cause, Refused) else _malformed(error))
                return
        if self._unframed_bytes > self._head_bytes_max:
            self._refuse(self._head_too_large())

    def on_message_begin(self) -> None:
        """Start the time of a request at its first byte."""
        self.url = b""
        self.headers = []
        self._expects_continue = False
        self._in_head = self._in_message = True
        self._began = self.loop.time()
        self._deadline = self._began + self._head_seconds

    def on_url(self, url: bytes) -> None:
        """Keep a piece of the address."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field of the head; fields after the body (trailers) are dropped, as nobody reads them."""
        if not self._in_head:
            return
        headers = self.headers
        if len(headers) >= self._head_count_max:
            raise Refused(_head_error(f"The request has more than {self._head_count_max} header fields."))
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand the request to the app, and expect its body."""
        if self._unframed_bytes > self._head_bytes_max and self._head_bytes() > self._head_bytes_max:
            raise Refused(self._head_too_large())
        parser = self.parser
        if parser.should_upgrade():
            self._head_without_offer = self._without_offer()
            return
        method = parser.get_method().decode("ascii")
        version = parser.get_http_version()
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        before = self.cycle
        cycle = self.cycle = Cycle(self, is_head=method == "HEAD", expects_continue=self._expects_continue)
        scope = self._scope | {
            "http_version": version,
            "method": method,
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "headers": self.headers,
            "state": self._app_state.copy(),
            "pollux.cycle": cycle,
        }
        self._in_head = False
        self._deadline = self._began + self._receive_seconds
        # Until the body is here, an answer ends the connection, and says so: else the rest of the body would have to be read.
        self._keep_alive = version != "1.0" and parser.should_keep_alive()
        if before is None or before.complete:
            self._answer(cycle, scope)
        else:
            self.flow.pause_reading()
            self._pipeline.append((cycle, scope))

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of the body."""
        self._unframed_bytes = 0
        cycle = self.cycle
        if cycle is not None and cycle.add(body):
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """Note that the request is here as a whole; from now on the app has the time."""
        cycle = self.cycle
        if cycle is None or self.parser.should_upgrade():
            return
        self._unframed_bytes = 0
        self._in_message = False
        self._deadline = math.inf
        if not cycle.started:
            cycle.keep_alive = self._keep_alive and not self._stopping
        cycle.end()

    def on_response_complete(self, cycle: Cycle) -> None:
        """End the connection, go on with the next request, or wait for it."""
        self.server_state.total_requests += 1
        if not cycle.keep_alive and not self.transport.is_closing():
            if cycle is self.cycle and self._in_message and not self._in_head:
                self._leave(b"")  # its request still arrives: closing would not let the caller read the answer
            else:
                self.transport.close()
        if self._leaving or self.transport.is_closing():
            return
        if self._pipeline:
            if self._farewell is None:
                self.flow.resume_reading()
            self._answer(*self._pipeline.popleft())
            # While a request waited for its turn, reading was paused: that time is not its caller's.
            self._began = self.loop.time()
            if self._in_message:
                self._deadline = self._began + self._receive_seconds
        elif self._farewell is not None:
            self._leave(self._farewell)
        else:
            self.flow.resume_reading()
            if not self._in_message:
                self._deadline = self.loop.time() + KEEP_ALIVE_SECONDS

    def shutdown(self) -> None:
        """End the connection as soon as what was begun on it is done."""
        self._stopping = True
        if self.cycle is not None and not self.cycle.complete:
            self.cycle.keep_alive = False
        elif not self._in_message and not self._leaving:
            self.transport.close()

    def cut(self) -> None:
        """End the connection now. A caller that has not got the head of its answer is told to come back."""
        cycle = self.cycle
        unanswered = self._in_message or (cycle is not None and not cycle.complete and not cycle.started)
        if unanswered and not self._leaving:
            self._refuse(Overloaded("The server is stopping. Try again.", code="server_stopping"))
        else:
            self.transport.abort()

    def receive_within(self, cycle: Cycle, seconds: float) -> None:
        """Give a request another time to arrive, if it still does."""
        if self.cycle is cycle and self._in_message and not self._in_head:
            self._deadline = self._began + seconds

    def _answer(self, cycle: Cycle, scope: dict[str, Any]) -> None:
        self._answered = cycle
        self.tasks.add(self.loop.create_task(cycle.run(self.config.loaded_app, scope)))

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
        answer = _error_answer(error, self.server_state.default_headers)
        cycle = self.cycle if self.cycle is not None and not self.cycle.complete else None
        broken = cycle if self._in_message and not self._in_head else None
        self._in_head = self._in_message = False
        if cycle is None:
            self._leave(answer)
        elif broken is None:
            # Answers under way come first; this one is sent after the last of them.
            self._await_turn(answer)
        elif self._pipeline and self._pipeline[-1][0] is broken:
            self._pipeline.pop()
            broken.complete = True
            self._await_turn(answer)
        else:
            started = broken.started
            broken.leave()
            self._leave(b"" if started else answer)

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


def _parser(protocol: HttpProtocol) -> "httptools.HttpRequestParser":
    parser = httptools.HttpRequestParser(protocol)
    parser.set_dangerous_leniencies(lenient_data_after_close=True)  # what follows a last request is passed over
    return parser


def _head_error(message: str) -> ApiError:
    return InvalidRequest(message, status=431, code="request_header_fields_too_large")


def _malformed(error: Exception) -> ApiError:
    reason = "its address cannot be read" if error.__context__ else str(error).rstrip(".")
    return InvalidRequest(f"This is not a valid HTTP/1.1 request: {reason}.", code="invalid_http")


def _error_answer(error: ApiError, headers: list[tuple[bytes, bytes]]) -> bytes:
    body = msgspec.json.encode({"error": {"message": error.message, "type": error.type, "param": None, "code": error.code}})
    fields = [
        *headers,
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"x-request-id", b"req_" + secrets.token_hex(12).encode()),
        (b"connection", b"close"),
    ]
    return b"".join([STATUS_LINE[error.status], *(b"%b: %b\r\n" % field for field in fields), b"\r\n", body])
