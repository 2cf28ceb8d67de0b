"""Blobs in an object store (S3, Google Cloud Storage, Azure), by `obstore`, the Rust library `object_store`.

Credentials come from the environment, as the clouds' own tools read them (AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS,
instance roles …). An object is visible only when it is whole; parts of a broken-off upload are the bucket's to expire, by a
rule for incomplete multipart uploads.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from pollux.errors import StoreUnavailable
from pollux.store.blobs import PIECE_BYTES, BytesMissing, Found
from pollux.store.database import RETRY_AFTER_SECONDS

log = logging.getLogger("pollux.store")

T = TypeVar("T")

PART_BYTES = 5 * 1024 * 1024
"""The least that S3 takes as a part of a multipart upload; 10,000 of them are 50 GB."""

PARTS_AT_ONCE = 3
"""Parts of one object on their way at once: three are enough for a gigabit, and each is held in memory."""


class ObjectBlobs:
    """`Blobs` in an object store."""

    def __init__(self, url: str) -> None:
        try:
            self._store = from_url(url)
        except (BaseError, ValueError) as error:
            raise StoreUnavailable("The setting bytes_url is not one of an object store.", should_retry=False) from error

    def writer(self, name: str) -> "_Writer":
        """Begin an object."""
        return _Writer(self, name)

    async def read(self, name: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Give bytes [start, stop)."""
        if start >= stop:
            return
        try:
            result = await obstore.get_async(self._store, _path(name), options={"range": (start, stop)})
            async for piece in result.stream(min_chunk_size=PIECE_BYTES):
                yield bytes(piece)
        except FileNotFoundError:
            raise BytesMissing(name) from None
        except (BaseError, OSError) as error:
            raise _unavailable(error) from error

    async def remove(self, name: str) -> None:
        """Remove an object."""
        with contextlib.suppress(FileNotFoundError):
            await _mapped(obstore.delete_async(self._store, _path(name)))

    async def exists(self, name: str) -> bool:
        """Say whether an object is there."""
        try:
            await _mapped(obstore.head_async(self._store, _path(name)))
        except FileNotFoundError:
            return False
        return True

    async def shard(self, shard: str) -> list[Found]:
        """Give the objects whose names begin so."""
        listed = await _mapped(obstore.list(self._store, prefix=f"{shard}/").collect_async())
        return [Found(meta["path"].rpartition("/")[2], int(meta["last_modified"].timestamp() * 1e6)) for meta in listed]

    async def mark(self) -> str | None:
        """Give the mark."""
        try:
            result = await _mapped(obstore.get_async(self._store, "mark"))
            return bytes(await _mapped(result.bytes_async())).decode()
        except FileNotFoundError:
            return None

    async def set_mark(self, mark: str) -> None:
        """Leave a mark."""
        await _mapped(obstore.put_async(self._store, "mark", mark.encode()))

    async def sweep_unfinished(self, grace_seconds: float) -> int:  # noqa: ARG002 - the bucket's own rule does this
        """Nothing to do: half an object is not visible."""
        return 0

    async def close(self) -> None:
        """Nothing to release."""

    async def put(self, name: str, pieces: AsyncIterator[bytes]) -> None:
        """Store an object of these pieces."""
        await _mapped(
            obstore.put_async(
                self._store, _path(name), pieces, use_multipart=True, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
            )
        )


class _Broken(Exception):
    """Ends a put in its middle."""


class _Writer:
    """Turns writes into the iterator that `obstore` reads from; it takes a piece when the last one is on its way."""

    def __init__(self, blobs: ObjectBlobs, name: str) -> None:
        self._blobs = blobs
        self._name = name
        self._pieces: asyncio.Queue[list[bytes] | None] = asyncio.Queue(1)
        self._broken = False
        self._putting: asyncio.Task[None] | None = None

    async def write(self, pieces: list[bytes]) -> None:
        if self._putting is None:
            self._putting = asyncio.create_task(self._blobs.put(self._name, self._given()))
        await self._hand_over(pieces)

    async def finish(self) -> None:
        if self._putting is None:
            self._putting = asyncio.create_task(self._blobs.put(self._name, self._given()))
        await self._hand_over(None)
        await self._putting

    async def abandon(self) -> None:
        self._broken = True
        if self._putting is not None:
            while not self._pieces.empty():
                self._pieces.get_nowait()
            self._pieces.put_nowait(None)
            with contextlib.suppress(StoreUnavailable, _Broken):
                await asyncio.shield(self._putting)
        with contextlib.suppress(StoreUnavailable):
            await self._blobs.remove(self._name)

    async def _hand_over(self, pieces: list[bytes] | None) -> None:
        """Pass on to the put, unless it has ended: then raise why."""
        assert self._putting is not None
        handing = asyncio.ensure_future(self._pieces.put(pieces))
        try:
            await asyncio.wait({handing, self._putting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not handing.done():
                handing.cancel()
        if self._putting.done():
            self._putting.result()

    async def _given(self) -> AsyncIterator[bytes]:
        while (pieces := await self._pieces.get()) is not None:
            yield b"".join(pieces)
        if self._broken:
            raise _Broken


def _path(name: str) -> str:
    return f"{name[:2]}/{name}"


async def _mapped(work: Awaitable[T]) -> T:
    try:
        return await work
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise _unavailable(error) from error


def _unavailable(error: Exception) -> StoreUnavailable:
    log.warning("The store's object store cannot be used: %s.", type(error).__name__)
    return StoreUnavailable("The store's place of bytes cannot be used now.", retry_after_seconds=RETRY_AFTER_SECONDS)
