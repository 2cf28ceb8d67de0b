"""One HTTP exchange: a request as it came in, and its answer as it goes out.

Handlers see an `Exchange` and nothing of ASGI. It counts the body while it reads, puts the headers of every answer on, watches
whether the caller leaves, and remembers what the access log tells.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

from pollux.errors import TooLarge
from pollux.server.access import Caller
from pollux.translate.losses import header as header_of_losses
from pollux.translate.notes import Note

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")
EVENT_STREAM: tuple[Header, ...] = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)

SENT_AT_ONCE = 1_048_576
"""Largest piece of a body that is handed on at once; the server frames and buffers each piece, which are two copies."""


class Cycle(Protocol):
    """What our own HTTP server knows of an exchange beyond ASGI; other servers leave it out of the scope."""

    def receive_within(self, seconds: float) -> None:
        """Give the request another time to arrive as a whole, from its first byte on."""

    def when_left(self, tell: Callable[[], object] | None) -> None:
        """Call this, once, when the caller leaves before the answer is complete; None: do not."""


class CallerLeft(Exception):
    """The caller closed the connection before the request was whole."""


class BrokenOff(Exception):
    """An answer cannot be completed, and its beginning is sent: all that is left is to cut the connection."""


class Exchange:
    """A request and its answer."""

    __slots__ = (
        "_cycle",
        "_receive",
        "_send",
        "_watch",
        "body_bytes",
        "caller",
        "extra_headers",
        "headers",
        "held_bytes",
        "left",
        "method",
        "model",
        "notes",
        "path",
        "places",
        "query",
        "reports_in_body",
        "request_id",
        "started",
        "status",
        "tokens",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, extra_headers: tuple[Header, ...]) -> None:
        self._receive = receive
        self._cycle: Cycle | None = scope.get("pollux.cycle")
        self._send = send
        self._watch: asyncio.Future[Message] | None = None
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.request_id = "req_" + os.urandom(12).hex()
        self.extra_headers = extra_headers
        self.started = time.monotonic()
        self.body_bytes = 0
        self.held_bytes = 0
        self.places = 0
        self.status = 0
        self.left = False
        self.reports_in_body = False
        self.notes: list[Note] = []
        # For the access log.
        self.caller: Caller | None = None
        self.model = ""
        self.tokens: tuple[int, int] | None = None

    async def body(self, bytes_max: int, hold: Callable[[int], None]) -> bytes | bytearray:
        """Read the request's body; each piece is held as it comes. Raises TooLarge without reading further, or CallerLeft.

        It grows in one place: pieces that wait to be joined are a second body, in memory that is touched for the first time.
        """
        self.check_length(bytes_max)
        body = bytearray()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise CallerLeft
            piece: bytes = message.get("body", b"")
            self.body_bytes += len(piece)
            if self.body_bytes > bytes_max:
                raise _too_large(bytes_max)
            hold(len(piece))
            self.held_bytes += len(piece)
            if not message.get("more_body") and not body:
                return piece
            body += piece
            if not message.get("more_body"):
                return body

    async def pieces(self, bytes_max: int) -> AsyncIterator[bytes]:
        """Give the request's body piece by piece, holding none. Raises TooLarge without reading further, or CallerLeft."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise CallerLeft
            piece = message.get("body", b"")
            more = message.get("more_body", False)
            self.body_bytes += len(piece)
            if self.body_bytes > bytes_max:
                raise _too_large(bytes_max)
            if piece:
                yield piece

    def receive_within(self, seconds: float) -> None:
        """Give the request another time to arrive as a whole, from its first byte on."""
        if self._cycle is not None:
            self._cycle.receive_within(seconds)

    def check_length(self, bytes_max: int) -> None:
        """Refuse a body that says itself that it is too large. Raises TooLarge."""
        declared = self.headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > bytes_max:
            raise _too_large(bytes_max)

    def watch(self, task: "asyncio.Task[Any] | None" = None) -> None:
        """From now on cancel a task, the current one, when the caller leaves; the body must have been read."""
        task = task or asyncio.current_task()
        assert task is not None

        def leave() -> None:
            self.left = True
            task.cancel()

        if self._cycle is not None:
            self._cycle.when_left(leave)
            return

        def received(watch: asyncio.Future[Message]) -> None:
            if not watch.cancelled() and watch.exception() is None and watch.result()["type"] == "http.disconnect":
                leave()

        self._watch = asyncio.ensure_future(self._receive())
        self._watch.add_done_callback(received)

    def unwatch(self) -> None:
        """Stop watching."""
        if self._cycle is not None:
            self._cycle.when_left(None)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def answer(self, status: int, body: bytes, headers: tuple[Header, ...] = (JSON,)) -> None:
        """Send a whole answer."""
        await self.start(status, (*headers, (b"content-length", b"%d" % len(body))), body_follows=True)
        await self.send(b"" if self.method == "HEAD" else body, more=False)

    async def start(self, status: int, headers: tuple[Header, ...], *, body_follows: bool = False) -> None:
        """Send the status and the headers; from here on an error cannot change them. The body may follow at once."""
        self.status = status
        losses: tuple[Header, ...] = ((b"x-pollux-losses", header_of_losses(self.notes)),) if self.notes else ()
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, (b"x-request-id", self.request_id.encode()), *losses, *self.extra_headers],
                "pollux.body_follows": body_follows,
            }
        )

    async def send(self, data: bytes, *, more: bool = True) -> None:
        """Send a piece of the answer's body. A large one goes out in slices, never copied whole on its way."""
        if len(data) > SENT_AT_ONCE:
            for start in range(0, len(data), SENT_AT_ONCE):
                await self._send({"type": "http.response.body", "body": data[start : start + SENT_AT_ONCE], "more_body": True})
            data = b""
            if more:
                return
        await self._send({"type": "http.response.body", "body": data, "more_body": more})


def _too_large(bytes_max: int) -> TooLarge:
    return TooLarge(
        f"The request's body is larger than {bytes_max} bytes, which is the limit here.",
        headers=(("connection", "close"),),
    )
