"""Call an ASGI application in process, without a socket: what it sent, piece by piece, and whether it finished."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from pollux.emulator import Emulator

KEY = "test-key-of-the-emulator"

PATH = "/v1beta/models/gemini-3-flash-preview:generateContent"

STREAM = "/v1beta/models/gemini-3-flash-preview:streamGenerateContent?alt=sse"


@dataclass
class Reply:
    """One answer of the application."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    finished: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def events(self) -> list[Any]:
        """The events of a stream of server-sent events."""
        frames = self.body.decode().split("\r\n\r\n")
        assert frames[-1] == ""
        return [msgspec.json.decode(frame.removeprefix("data: ")) for frame in frames[:-1]]

    @property
    def message(self) -> str:
        return str(self.json["error"]["message"])


async def call(
    app: Emulator,
    target: str = PATH,
    body: Any = None,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    key: str = KEY,
    leave_after: int | None = None,
) -> Reply:
    """Send one request; `leave_after` disconnects after so many pieces of body."""
    parts = urlsplit(target)
    data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
    given = {"host": "emulator.test", **({"x-goog-api-key": key} if key else {}), **(headers or {})}
    scope = {
        "type": "http",
        "method": method,
        "path": parts.path,
        "query_string": parts.query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
    }
    reply, left, asked = Reply(), asyncio.Event(), False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": data, "more_body": False}
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            reply.chunks.append(message.get("body", b""))
            reply.finished = not message.get("more_body", False)
            if leave_after is not None and len(reply.chunks) >= leave_after:
                left.set()

    if leave_after == 0:
        left.set()
    await app(scope, receive, send)
    return reply


def say(text: str = "Hello", **more: Any) -> dict[str, Any]:
    """Make a request with one user text."""
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}


def config(**fields: Any) -> dict[str, Any]:
    """Make a request with these settings."""
    return say(generationConfig=fields)
