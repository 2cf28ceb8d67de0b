"""Where bytes are kept: immutable blobs under random names, written once, read in pieces, removed.

A blob is visible under its name only when it is whole and safe. What refers to a blob is a row of the database, written after
it; a row is removed before its blob. So a crash leaves at most a blob without a row, which the sweep finds.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

PIECE_BYTES = 512 * 1024
"""How much is read at once. Larger pieces save little time, and each reader holds one or two."""

GATHER_BYTES = 1024 * 1024
"""How much is gathered before it is written: a hop to another thread for each read would cost more than the writing."""

SHARDS = tuple(f"{number:02x}" for number in range(256))
"""The first two characters of a name. Each is a folder, so that none grows large and a sweep goes one by one."""


class BytesMissing(Exception):
    """A blob that should be there is not."""


@dataclass(frozen=True, slots=True)
class Found:
    """A blob as a listing shows it; `modified_us` is in microseconds since 1970."""

    name: str
    modified_us: int


class BlobWriter(Protocol):
    """One blob on its way in. Exactly one of `finish` and `abandon` ends it."""

    async def write(self, pieces: list[bytes]) -> None:
        """Take pieces; returns when more may come. Raises StorageFull or StoreUnavailable."""
        ...

    async def finish(self) -> None:
        """Make it visible under its name; returns when it survives a power failure."""
        ...

    async def abandon(self) -> None:
        """Leave nothing of it behind."""
        ...


class Blobs(Protocol):
    """A place for blobs."""

    def writer(self, name: str) -> BlobWriter:
        """Begin a blob."""
        ...

    def read(self, name: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Give bytes [start, stop) of a blob, in pieces of some PIECE_BYTES. Raises BytesMissing or StoreUnavailable."""
        ...

    async def remove(self, name: str) -> None:
        """Remove a blob; one that is not there is removed already."""
        ...

    async def exists(self, name: str) -> bool:
        """Say whether a blob is there."""
        ...

    async def shard(self, shard: str) -> list[Found]:
        """Give the blobs whose names begin so (two characters)."""
        ...

    async def mark(self) -> str | None:
        """Give the mark that `set_mark` left in this place, or None."""
        ...

    async def set_mark(self, mark: str) -> None:
        """Leave a mark in this place, so that it is known again."""
        ...

    async def sweep_unfinished(self, grace_seconds: float) -> int:
        """Remove what dead processes left half written; give how many."""
        ...

    async def close(self) -> None:
        """Release what is held."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """A whole blob, not yet referred to."""

    blob: str
    bytes: int
    sha256: str


class Incoming:
    """Bytes on their way into a blob, gathered, counted and hashed. A context: left without `finish`, it leaves nothing."""

    __slots__ = ("_gathered", "_gathered_bytes", "_hash", "_name", "_open", "_writer", "bytes")

    def __init__(self, blobs: Blobs) -> None:
        self._name = secrets.token_hex(16)
        self._writer = blobs.writer(self._name)
        self._hash = hashlib.sha256()
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._open = True
        self.bytes = 0

    async def write(self, piece: bytes) -> None:
        """Take a piece; waits for the disk when it is behind. Raises StorageFull or StoreUnavailable."""
        self.bytes += len(piece)
        self._gathered.append(piece)
        self._gathered_bytes += len(piece)
        if self._gathered_bytes >= GATHER_BYTES:
            await self._pass_on()

    async def finish(self) -> Written:
        """Make the blob whole and safe."""
        if self._gathered:
            await self._pass_on()
        await self._writer.finish()
        self._open = False
        return Written(self._name, self.bytes, self._hash.hexdigest())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._open:
            self._open = False
            await self._writer.abandon()

    async def _pass_on(self) -> None:
        pieces, self._gathered, self._gathered_bytes = self._gathered, [], 0
        await asyncio.to_thread(self._count_in, pieces)  # a millisecond each, in which other requests go on
        await self._writer.write(pieces)

    def _count_in(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._hash.update(piece)


def open_blobs(url: str, folder: Path) -> Blobs:
    """Open the place of this URL (`s3://bucket/prefix`, `gs://bucket/prefix`, …); without a URL the folder.

    Raises StoreUnavailable.
    """
    if url:
        from pollux.store.objects import ObjectBlobs  # obstore is loaded where it is used

        return ObjectBlobs(url)
    from pollux.store.folder import FolderBlobs

    return FolderBlobs(folder)
