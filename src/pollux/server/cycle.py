"""One request and its answer on a connection, as an ASGI app sees them.

It does what uvicorn's `RequestResponseCycle` does, with less: a body that is here is given without an event, an answer's head
goes out in one write with the first piece of its body, and who wants to know that the caller leaves is called, where ASGI
needs a task that waits in `receive`. The app finds it in the scope as `pollux.cycle`.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

if TYPE_CHECKING:
    from pollux.server.protocol import HttpProtocol

Message = MutableMapping[str, Any]
App = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

BODY_BYTES_MAX = 65_536
"""How much of a request's body may wait for the app; above, the connection is not read."""

_ODD_IN_NAME = re.compile(rb'[\x00-\x20\x7f()<>@,;:\[\]={}\\"]')
_ODD_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

_FAILED = b"Internal Server Error"

log = logging.getLogger("pollux.server")


class Cycle:
    """A request that was read as far as its head, and its answer."""

    __slots__ = (
        "_chunked",
        "_connection",
        "_expects_continue",
        "_given",
        "_head",
        "_is_head",
        "_left_to_send",
        "_more",
        "_on_left",
        "_pieces",
        "_size",
        "_waiter",
        "complete",
        "keep_alive",
        "left",
        "started",
    )

    def __init__(self, connection: "HttpProtocol", *, is_head: bool, expects_continue: bool) -> None:
        self._connection = connection
        self._is_head = is_head
        self._expects_continue = expects_continue
        self._pieces: list[bytes] = []
        self._size = 0
        self._more = True
        self._given = False  # the app has the end of the body
        self._waiter: asyncio.Future[None] | None = None
        self._on_left: Callable[[], object] | None = None
        self._head = b""
        self._chunked = False
        self._left_to_send = 0
        self.keep_alive = False
        self.started = False
        self.complete = False
        self.left = False

    # What the connection tells.

    def add(self, piece: bytes) -> bool:
        """Take in a piece of the request's body; says whether that is enough for now."""
        if self.complete:
            return False
        self._pieces.append(piece)
        self._size += len(piece)
        self._wake()
        return self._size > BODY_BYTES_MAX

    def end(self) -> None:
        """The request is here as a whole."""
        self._more = False
        self._wake()

    def leave(self) -> None:
        """The caller has left, or will get no more of this answer."""
        if self.left or self.complete:
            return
        self._flush()
        self.left = True
        self._wake()
        if self._on_left is not None:
            self._on_left()

    async def run(self, app: App, scope: MutableMapping[str, Any]) -> None:
        """Have the app answer."""
        connection = self._connection
        try:
            await app(scope, self.receive, self.send)
            if not self.complete and not self.left:
                if not self.started:  # an app that gives up in the middle has said why
                    log.error("The app gave no answer.")
                await self._give_up()
        except BaseException:
            log.exception("The app failed.")
            await self._give_up()
        finally:
            task = asyncio.current_task()
            assert task is not None
            connection.tasks.discard(task)

    # What the app asks.

    def when_left(self, tell: Callable[[], object] | None) -> None:
        """Call this, once, when the caller leaves before the answer is complete."""
        self._on_left = tell
        if tell is None:
            return
        if self.left:
            tell()
        else:  # only a connection that is read shows its end
            self._connection.flow.resume_reading()

    def receive_within(self, seconds: float) -> None:
        """Give the request another time to arrive as a whole, from its first byte on."""
        self._connection.receive_within(self, seconds)

    async def receive(self) -> Message:
        """Give what has come of the body, waiting for something; or say that the exchange is over. One at a time."""
        if self._expects_continue:
            self._expects_continue = False
            if not self._connection.transport.is_closing():
                self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not (self.left or self.complete):
            self._connection.flow.resume_reading()
            if self._pieces or not (self._more or self._given):
                pieces, self._pieces, self._size = self._pieces, [], 0
                self._given = not self._more
                body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
                return {"type": "http.request", "body": body, "more_body": self._more}
            waiter = self._waiter = self._connection.loop.create_future()
            try:
                await waiter
            finally:
                self._waiter = None
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send a part of the answer, when the caller has taken enough of what was sent before."""
        flow = self._connection.flow
        if flow.write_paused and not self.left:
            await flow.drain()
        if self.left:
            return
        kind = message["type"]
        if kind != ("http.response.body" if self.started else "http.response.start") or self.complete:
            raise RuntimeError(f"{kind} is sent at the wrong place.")
        if self.started:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))
        else:
            self._send_head(message["status"], message.get("headers", ()))
            if not message.get("pollux.body_follows"):
                self._connection.loop.call_soon(self._flush)

    def _send_head(self, status: int, headers: Any) -> None:
        fields = [*self._connection.server_state.default_headers, *headers]
        names = [name for name, _ in fields]
        values = [value for _, value in fields]
        if _ODD_IN_NAME.search(b"".join(names)) or _ODD_IN_VALUE.search(b"".join(values)):
            raise RuntimeError("The name or value of a header is none.")
        self.started = True
        self._expects_continue = False
        lines = [b"%b: %b\r\n" % field for field in fields]
        names = [name.lower() for name in names]
        if b"transfer-encoding" in names:
            self._chunked = values[names.index(b"transfer-encoding")].lower() == b"chunked"
        elif b"content-length" in names:
            self._left_to_send = int(values[names.index(b"content-length")])
        elif not self._is_head and status not in {204, 304}:
            self._chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        if b"connection" in names and b"close" in values[names.index(b"connection")].lower():
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(b"connection: close\r\n")
        self._head = b"".join((STATUS_LINE[status], *lines, b"\r\n"))

    def _send_body(self, body: bytes, *, more: bool) -> None:
        head, self._head = self._head, b""
        if self._is_head:
            self._left_to_send = 0
            data = head
        elif self._chunked:
            end = b"" if more else b"0\r\n\r\n"
            data = b"".join((head, b"%x\r\n" % len(body), body, b"\r\n", end)) if body else head + end
        else:
            self._left_to_send -= len(body)
            data = head + body if head else body
        if self._left_to_send < 0 or (self._left_to_send and not more):
            self._head = head
            raise RuntimeError("The answer is not as long as its content-length says.")
        if data:
            self._connection.transport.write(data)
        if not more:
            self.complete = True
            self._wake()
            self._connection.on_response_complete(self)

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _flush(self) -> None:
        """Send a head whose body is not there yet."""
        head, self._head = self._head, b""
        if head and not self._connection.transport.is_closing():
            self._connection.transport.write(head)

    async def _give_up(self) -> None:
        """End an answer that the app did not end: with an error if nothing was sent, else by closing."""
        if self.complete or self.left:
            return
        if self.started:
            self._flush()
            self._connection.transport.close()
            return
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(_FAILED)), (b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": 500, "headers": headers})
        await self.send({"type": "http.response.body", "body": _FAILED})
