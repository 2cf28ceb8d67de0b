"""One HTTP exchange over ASGI: the body in, within limits; the answer out; and notice of a client that leaves."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from pollux.emulator import errors
from pollux.emulator.clock import Clock
from pollux.emulator.journal import Entry
from pollux.emulator.limits import BODY_BYTES_MAX, BODY_SECONDS_MAX, UPLOAD_PIECE_SECONDS_MAX

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ClientLeft(Exception):
    """The client closed the connection before the answer was whole."""


class ConnectionCut(Exception):
    """A fault wants the connection closed now: the ASGI call returns without finishing its answer."""


class Exchange:
    """Request and answer of one ASGI call."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, clock: Clock) -> None:
        self.http_method: str = scope["method"]
        self.path: str = scope["path"]
        self.query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
        self.headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
        self.base_url = f"{scope.get('scheme', 'http')}://{self.headers.get('host', 'localhost')}"
        """Where the client believes the emulator to be: the beginning of the URLs in its answers."""
        self.entry: Entry | None = None
        """Where to note what was sent. It is noted before it is sent, so that whoever has an answer finds it in the journal."""
        self._receive, self._send, self._clock = receive, send, clock
        self._left = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    def now(self) -> datetime:
        """Say the time of the emulator's clock."""
        return self._clock.now()

    async def read_body(self) -> bytes:
        """Read the whole body; a client that leaves meanwhile ends the call."""
        chunks: list[bytes] = []
        size = 0
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for chunk in self.pieces():
                size += len(chunk)
                if size > BODY_BYTES_MAX:
                    raise errors.too_large(BODY_BYTES_MAX)
                chunks.append(chunk)
        return b"".join(chunks)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Read the body piece by piece, of any size; nothing, once it was read to its end."""
        more = self._watcher is None
        while more:
            async with asyncio.timeout(UPLOAD_PIECE_SECONDS_MAX):
                message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            more = message.get("more_body", False)
            if not more:
                self._watcher = asyncio.create_task(self._watch())
            yield message.get("body", b"")

    async def skip_body(self) -> None:
        """Read what is left of the body, and forget it."""
        async for _ in self.pieces():
            pass

    async def start(self, status: int, headers: dict[str, str]) -> None:
        """Send status and headers."""
        self._still_there()
        if self.entry is not None:
            self.entry.status = status
        listed = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": listed})

    async def write(self, data: bytes, *, events: int = 0) -> None:
        """Send a piece of the answer, with so many events in it."""
        self._still_there()
        if self.entry is not None:
            self.entry.events += events
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        # Give the server a turn, so that a client that left is noticed even by a stream without delays.
        await asyncio.sleep(0)

    async def end(self, data: bytes = b"") -> None:
        """Send the last piece."""
        self._still_there()
        if self.entry is not None:
            self.entry.complete = True
            self.entry.end()
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than the client does."""
        if seconds <= 0:
            return
        waits = {asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._left.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        self._still_there()

    async def close(self) -> None:
        """Stop watching."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)

    def _still_there(self) -> None:
        if self._left.is_set():
            raise ClientLeft

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left.set()
