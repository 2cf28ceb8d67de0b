"""The lines of a batch: read and checked at the create, answered one by one afterwards.

A file is read in pieces and never held whole. One line that is not a request refuses the whole create; a request that the
model refuses is an error of its own line (recorded: ground-truth.md, section 1.5).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.files import File
from pollux.emulator.limits import BATCH_LINE_BYTES_MAX, BATCH_PIECE_BYTES
from pollux.emulator.shapes import canonical

RPC_CODES = {
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "UNAUTHENTICATED": 16,
}
"""Numbers of google.rpc.Code: a line's error is a google.rpc.Status, whose code is no HTTP status."""

LINES_AT_ONCE = 50
"""Lines after which others get their turn."""


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a batch."""

    request: dict[str, Any]
    key: str | None = None
    metadata: Any = None

    def told(self) -> dict[str, Any]:
        """What of it stands beside its answer."""
        told: dict[str, Any] = {} if self.key is None else {"key": self.key}
        return told if self.metadata is None else {**told, "metadata": self.metadata}


Answering = Callable[[dict[str, Any]], Awaitable[Any]]
"""Answers one canonical request of a line, or raises NativeError."""


def inlined(config: dict[str, Any]) -> list[Line]:
    """Give the requests of a create that holds them itself, already canonical."""
    requests = config.get("requests", {}).get("requests", [])
    if not requests:
        # No wording is known: the emulator's own.
        raise invalid("* BatchGenerateContentRequest.batch.input_config: requests must not be empty\n")
    return [Line(one.get("request", {}), metadata=one.get("metadata")) for one in requests]


async def lines_of(file: File, message: str) -> AsyncIterator[Line]:
    """Read the lines of a file; `message` is the kind of their requests. Raises NativeError at the first that is none."""
    number = 0
    async for text in _texts(file):
        number += 1
        if text.strip():
            yield _line(text, number, message)
        if number % LINES_AT_ONCE == 0:
            await asyncio.sleep(0)


async def check(file: File, message: str) -> int:
    """Read all lines of a file, and give their number. Raises NativeError at the first that is no request."""
    count = 0
    async for _ in lines_of(file, message):
        count += 1
    if not count:
        # No wording is known: the emulator's own.
        raise invalid("The input file of the batch is empty.")
    return count


async def answered(line: Line, answer: Answering) -> tuple[dict[str, Any], bool]:
    """Answer one line, and say whether that went well."""
    try:
        return line.told() | {"response": await answer(line.request)}, True
    except NativeError as error:
        status = error.body()["error"]["status"]
        return line.told() | {"error": {"code": RPC_CODES.get(status, 2), "message": error.message}}, False


async def _texts(file: File) -> AsyncIterator[bytes]:
    rest, at = b"", 0
    while at < file.content.size:
        piece = await asyncio.to_thread(file.content.read, at, BATCH_PIECE_BYTES)
        if not piece:
            return  # it was deleted meanwhile
        at += len(piece)
        *whole, rest = (rest + piece).split(b"\n")
        if len(rest) > BATCH_LINE_BYTES_MAX:
            raise invalid(f"A line of the batch is larger than {BATCH_LINE_BYTES_MAX} bytes.")
        for text in whole:
            yield text
    if rest:
        yield rest


def _line(text: bytes, number: int, message: str) -> Line:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _malformed(number, "it is not valid JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("request"), dict):
        raise _malformed(number, "it has no request")
    try:
        request = canonical(value["request"], message)
    except NativeError as error:
        raise _malformed(number, error.message) from None
    key = value.get("key")
    return Line(request, None if key is None else str(key), value.get("metadata"))


def _malformed(number: int, why: str) -> NativeError:
    """One malformed line refuses the whole create with a 400 (recorded); the words are the emulator's own."""
    return invalid(f"Failed to parse the batch input file: line {number}: {why}")
