"""The upstream of the bench: three native calls, canned answers. `python -m bench.mock --port N [--tls-port N …]`."""

import argparse
import asyncio
import re
import ssl
import time
from collections.abc import Iterator
from random import random
from typing import cast

import uvloop

from bench.bodies import CALL_REPLY, KEY, MODELS_REPLY, STAMP, STREAMS, WHOLE_REPLY, Stream

_KEY_HEADER = f"\r\nx-goog-api-key: {KEY}\r\n".encode()
_PLAY = re.compile(rb"\[play (\S+) ([0-9.]+)\]")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Disposition: attachment\r\n"
    b"Server-Timing: gfet4t7; dur=520\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_STREAM_END = b"0\r\n\r\n"


def _whole(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json; charset=UTF-8\r\nServer-Timing: gfet4t7; dur=520\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


_REPLY = _whole("200 OK", WHOLE_REPLY)
_CALL = _whole("200 OK", CALL_REPLY)
_MODELS = _whole("200 OK", MODELS_REPLY)


class Frames:
    """A stream's events as HTTP chunks, cut where the stamp goes."""

    def __init__(self, stream: Stream) -> None:
        self.pauses_seconds = stream.pauses_seconds
        self.parts: list[tuple[bytes, bytes]] = []
        for index in range(len(stream.texts)):
            event = stream.event(index)
            before, after = (b"%x\r\n%b\r\n" % (len(event), event)).split(STAMP)
            self.parts.append((before, after))

    def frame(self, index: int) -> bytes:
        """The chunk, stamped with the present nanosecond."""
        before, after = self.parts[index]
        return b"%b@%019d@%b" % (before, time.monotonic_ns(), after)


FRAMES = {name: Frames(stream) for name, stream in STREAMS.items()}


class Upstream(asyncio.Protocol):
    """One connection from a server under test."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.unread = b""
        self.timer: asyncio.TimerHandle | None = None
        self.resume: asyncio.Event | None = None
        self.burst: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own classes do not inherit from it

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's own signature
        """Stop playing to nobody."""
        if self.timer:
            self.timer.cancel()
        if self.burst:
            self.burst.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer once head and body are here. Requests are not pipelined."""
        self.unread = self.unread + data if self.unread else data
        end = self.unread.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.unread[: end + 2].lower()
        length = _LENGTH.search(head)
        if len(self.unread) < end + 4 + (int(length[1]) if length else 0):
            return
        line, body, self.unread = self.unread[: self.unread.find(b"\r\n")], self.unread[end + 4 :], b""
        self.answer(line, head, body)

    def answer(self, line: bytes, head: bytes, body: bytes) -> None:
        """Play what the request names, if it is the native request that we expect."""
        if line.startswith(b"GET ") and b"/models" in line:
            self.transport.write(_MODELS)
            return
        play = _PLAY.search(body)
        if not (play and line.startswith(b"POST ") and b'"contents"' in body and _KEY_HEADER in head):
            self.transport.write(
                _whole("400 Bad Request", b'{"error": {"code": 400, "message": "not a request of the bench"}}')
            )
        elif b":generateContent " in line:
            self.transport.write(_CALL if play[1] == b"tools" else _REPLY)
        elif b":streamGenerateContent?alt=sse " in line:
            self.play(FRAMES[play[1].decode()], float(play[2]))
        else:
            self.transport.write(_whole("404 Not Found", b'{"error": {"code": 404, "message": "unknown method"}}'))

    def play(self, frames: Frames, scale: float) -> None:
        """Send the stream at its pace, or as fast as it is read."""
        self.transport.write(_STREAM_HEAD)
        if not any(frames.pauses_seconds):
            self.burst = self.loop.create_task(self.send_at_once(frames))
            return
        due = time.monotonic() - random() * frames.pauses_seconds[0] * scale  # so that parallel streams do not march in step
        dues = []
        for pause in frames.pauses_seconds:
            due += pause * scale
            dues.append(due)
        self.send_when_due(frames, iter(enumerate(dues)))

    def send_when_due(self, frames: Frames, dues: Iterator[tuple[int, float]]) -> None:
        """Wait for the next event, send it, and so on. The loop's timers count in milliseconds; the rest is slept."""
        index_and_due = next(dues, None)
        if index_and_due is None:
            self.timer = None
            self.transport.write(_STREAM_END)
            return
        index, due = index_and_due

        def send() -> None:
            rest = due - time.monotonic()
            if rest > 0:
                time.sleep(min(rest, 0.001))
            self.transport.write(frames.frame(index))
            self.send_when_due(frames, dues)

        milliseconds = int((due - time.monotonic()) * 1000)
        self.timer = self.loop.call_later(max(milliseconds, 0) / 1000, send)

    async def send_at_once(self, frames: Frames) -> None:
        """Send event after event, each in a write of its own, no faster than they are read."""
        self.resume = asyncio.Event()
        self.resume.set()
        for index in range(len(frames.parts)):
            self.transport.write(frames.frame(index))
            await asyncio.sleep(0)
            if not self.resume.is_set():
                await self.resume.wait()
        self.transport.write(_STREAM_END)

    def pause_writing(self) -> None:
        """The reader is behind."""
        if self.resume:
            self.resume.clear()

    def resume_writing(self) -> None:
        """The reader has caught up."""
        if self.resume:
            self.resume.set()


async def serve(port: int, tls_port: int | None, certificate: str | None) -> None:
    """Listen on loopback until stopped."""
    loop = asyncio.get_running_loop()
    await loop.create_server(Upstream, "127.0.0.1", port, backlog=2048)
    if tls_port and certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        await loop.create_server(Upstream, "127.0.0.1", tls_port, ssl=context, backlog=2048)
    await asyncio.Event().wait()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="A mock of the native Gemini API with canned answers.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tls-port", type=int)
    parser.add_argument("--certificate", help="PEM file with key and chain, for --tls-port")
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.tls_port, options.certificate))


if __name__ == "__main__":
    main()
