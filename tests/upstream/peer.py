"""The far side of the HTTP tests: a raw server on loopback that says what a test tells it to, byte by byte."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


class Wire:
    """One connection, seen from the far side."""

    def __init__(self, peer: "Peer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._peer = peer
        self._reader = reader
        self._writer = writer

    async def request(self, pause_seconds: float = 0.0) -> Asked:
        """Read one request, whole, with pauses if told so. Raises IncompleteReadError when the client has closed."""
        asked = await self.head()
        body = b""
        missing = int(asked.headers.get("content-length", "0"))
        while missing:
            await asyncio.sleep(pause_seconds)
            body += await self._reader.readexactly(min(missing, 8_000_000))
            missing -= min(missing, 8_000_000)
        asked = Asked(asked.line, asked.headers, body)
        self._peer.asked.append(asked)
        return asked

    async def head(self) -> Asked:
        """Read the head of a request and leave its body unread."""
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
        return Asked(lines[0], headers, b"")

    async def send(self, data: bytes) -> None:
        """Send bytes, and wait while the client does not take them."""
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, body: bytes = b"ok", *, status: str = "200 OK", headers: str = "") -> None:
        """Send a whole answer."""
        await self.send(f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    async def begin(self, headers: str = "Transfer-Encoding: chunked\r\n") -> None:
        """Send the head of an answer whose body comes later."""
        await self.send(f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode())

    async def chunk(self, data: bytes) -> None:
        """Send one chunk of a chunked body; an empty one ends it."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def closed(self) -> int:
        """Wait until the client has closed, and give how many bytes it still sent."""
        size = 0
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(65536):
                size += len(data)
        self._peer.closings += 1
        return size

    def close(self) -> None:
        """Close in the ordinary way."""
        self._writer.close()

    def reset(self) -> None:
        """Close with a reset: what was on its way is lost."""
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()

    async def copy_to(self, host: str, port: int) -> None:
        """Be a tunnel: pass bytes on in both directions until one side closes."""
        reader, writer = await asyncio.open_connection(host, port)
        try:
            done, waiting = await asyncio.wait(
                [asyncio.ensure_future(_copy(self._reader, writer)), asyncio.ensure_future(_copy(reader, self._writer))],
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in waiting:
                task.cancel()
            await asyncio.gather(*done, *waiting, return_exceptions=True)
        finally:
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


Script = Callable[[Wire], Awaitable[None]]
"""What the far side does with a connection; when it returns, the connection is closed."""


@dataclass
class Peer:
    """A running far side: where it is, and what it saw."""

    port: int
    scheme: str
    connections: int = 0
    open: int = 0
    asked: list[Asked] = field(default_factory=list)
    closings: int = 0
    failures: list[BaseException] = field(default_factory=list)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """Give a URL that leads here."""
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextlib.asynccontextmanager
async def far_side(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Run a far side. What fails in its script, other than a connection that the client left, fails the test."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.connections += 1
        peer.open += 1
        try:
            await script(Wire(peer, reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            peer.closings += 1
        except asyncio.CancelledError:  # the test is over
            writer.transport.abort()
        except Exception as error:  # noqa: BLE001 - told to the test below
            peer.failures.append(error)
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            peer.open -= 1

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls, backlog=1000)
    peer = Peer(server.sockets[0].getsockname()[1], "https" if tls else "http")
    try:
        yield peer
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
    if peer.failures:
        raise peer.failures[0]
