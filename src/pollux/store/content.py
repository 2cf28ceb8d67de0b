"""The bytes of a file: blobs in order. Reading them, counting them, and giving them up."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from pollux.store.blobs import Blobs
from pollux.store.database import Transaction


@dataclass(frozen=True, slots=True)
class Segment:
    """A blob and its size."""

    blob: str
    bytes: int


async def read(blobs: Blobs, segments: Sequence[Segment], start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """Give bytes [start, stop) of the segments put together. Raises BytesMissing or StoreUnavailable."""
    at = 0
    for segment in segments:
        first, last = max(start - at, 0), min(stop - at, segment.bytes)
        if first < last:
            async with aclosing(blobs.read(segment.blob, first, last)) as pieces:
                async for piece in pieces:
                    yield piece
        at += segment.bytes
        if at >= stop:
            return


async def digests(blobs: Blobs, segments: Sequence[Segment]) -> tuple[str, str]:
    """Give MD5 and SHA-256 of the whole, in hexadecimal digits. Raises BytesMissing or StoreUnavailable."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()

    def count_in(piece: bytes) -> None:
        md5.update(piece)
        sha256.update(piece)

    async for piece in read(blobs, segments, 0, sum(segment.bytes for segment in segments)):
        await asyncio.to_thread(count_in, piece)  # two milliseconds each, in which other requests go on
    return md5.hexdigest(), sha256.hexdigest()


async def take_space(transaction: Transaction, owner: str, size: int, bytes_max: int) -> bool:
    """Count bytes as an owner's; False, and nothing counted, when they would be more than `bytes_max`."""
    if size > bytes_max:
        return False
    changed = await transaction.run(
        "INSERT INTO space (owner, bytes) VALUES ($1, $2) ON CONFLICT (owner)"
        " DO UPDATE SET bytes = space.bytes + $2 WHERE space.bytes + $2 <= $3",
        owner,
        size,
        bytes_max,
    )
    return changed > 0


async def give_up_file(transaction: Transaction, owner: str, file_id: str, now_us: int) -> list[str]:
    """Give up the bytes of a file: they become garbage. Give the blobs' names."""
    rows = await transaction.all("SELECT blob, bytes FROM segment WHERE owner = $1 AND file_id = $2", owner, file_id)
    await transaction.run("DELETE FROM segment WHERE owner = $1 AND file_id = $2", owner, file_id)
    return await _give_up(transaction, owner, [Segment(*row) for row in rows], now_us)


async def give_up_parts(transaction: Transaction, owner: str, upload_id: str, now_us: int) -> list[str]:
    """Give up what is left of an upload's parts: their bytes become garbage. Give the blobs' names."""
    rows = await transaction.all("SELECT blob, bytes FROM part WHERE owner = $1 AND upload_id = $2", owner, upload_id)
    await transaction.run("DELETE FROM part WHERE owner = $1 AND upload_id = $2", owner, upload_id)
    return await _give_up(transaction, owner, [Segment(*row) for row in rows], now_us)


async def shorten_part(transaction: Transaction, owner: str, upload_id: str, part_id: str, left: int, now_us: int) -> list[str]:
    """Leave the first `left` bytes of a part, or nothing of it. Give the names of blobs that nothing refers to any more."""
    which = (owner, upload_id, part_id)
    row = await transaction.one("SELECT blob, bytes FROM part WHERE owner = $1 AND upload_id = $2 AND id = $3", *which)
    if row is None:
        return []
    if left == 0:
        await transaction.run("DELETE FROM part WHERE owner = $1 AND upload_id = $2 AND id = $3", *which)
        return await _give_up(transaction, owner, [Segment(*row)], now_us)
    await transaction.run("UPDATE part SET bytes = $4 WHERE owner = $1 AND upload_id = $2 AND id = $3", *which, left)
    await transaction.run("UPDATE space SET bytes = bytes - $2 WHERE owner = $1", owner, row[1] - left)
    return []


async def _give_up(transaction: Transaction, owner: str, segments: Sequence[Segment], now_us: int) -> list[str]:
    if segments:
        await transaction.many(
            "INSERT INTO garbage (blob, owner, since_us) VALUES ($1, $2, $3)",
            [(segment.blob, owner, now_us) for segment in segments],
        )
        await transaction.run(
            "UPDATE space SET bytes = bytes - $2 WHERE owner = $1", owner, sum(segment.bytes for segment in segments)
        )
    return [segment.blob for segment in segments]
