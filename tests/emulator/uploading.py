"""Speak the upload protocol to an emulator in process, with bodies in any pieces."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from pollux.emulator import Emulator
from tests.emulator.in_process import KEY, Reply, call

START = "/upload/v1beta/files"

MIB = 1_048_576

CHUNK = 8 * MIB


async def start(emulator: Emulator, size: int | None, *, key: str = KEY, file: Any = None, **headers: str) -> Reply:
    """Begin a resumable upload of a text file."""
    given = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
    if size is not None:
        given["x-goog-upload-header-content-length"] = str(size)
    given["x-goog-upload-header-content-type"] = "text/plain"
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await call(emulator, START, {"file": file or {}}, headers=given, key=key)


async def begin(emulator: Emulator, size: int | None, **more: Any) -> str:
    """Begin an upload and give the path of its URL."""
    reply = await start(emulator, size, **more)
    assert reply.status == 200, reply.body
    parts = urlsplit(reply.headers["x-goog-upload-url"])
    return f"{parts.path}?{parts.query}"


async def send(
    emulator: Emulator, target: str, command: str, data: bytes = b"", offset: int | None = None, **headers: str
) -> Reply:
    """Send one step, without a key."""
    given = {"x-goog-upload-command": command, "content-length": str(len(data))}
    if offset is not None:
        given["x-goog-upload-offset"] = str(offset)
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await call(emulator, target, data, headers=given, key="")


async def uploaded(emulator: Emulator, data: bytes, mime_type: str = "text/plain", *, key: str = KEY, **file: str) -> Any:
    """Upload a whole file and give its resource."""
    target = await begin(emulator, len(data), key=key, file={"mimeType": mime_type, **file})
    reply = await send(emulator, target, "upload, finalize", data, 0)
    assert reply.status == 200, reply.body
    return reply.json["file"]


async def streamed(
    emulator: Emulator,
    target: str,
    pieces: list[bytes],
    headers: dict[str, str],
    *,
    leave: bool = False,
    hold: asyncio.Event | None = None,
) -> Reply:
    """Send a body in pieces; `leave` disconnects after the last of them, `hold` is waited for before an empty one."""
    parts = urlsplit(target)
    reply, waiting, end = Reply(), list(pieces), asyncio.Event()

    async def receive() -> dict[str, Any]:
        if waiting:
            piece = waiting.pop(0)
            if hold is not None and not piece:
                await hold.wait()
            return {"type": "http.request", "body": piece, "more_body": bool(waiting) or leave}
        if not leave:
            await end.wait()
        return {"type": "http.disconnect"}

    async def respond(message: Any) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            reply.chunks.append(message.get("body", b""))
            reply.finished = not message.get("more_body", False)

    scope = {
        "type": "http",
        "method": "POST",
        "path": parts.path,
        "query_string": parts.query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await emulator(scope, receive, respond)
    return reply


async def get(emulator: Emulator, target: str, *, key: str = KEY, method: str = "GET", **headers: str) -> Reply:
    """Send a request without a body."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return await call(emulator, target, method=method, key=key, headers=given)


def names(page: Any, kind: str) -> list[str]:
    """The names on a page."""
    return [item["name"] for item in page.get(kind, [])]
