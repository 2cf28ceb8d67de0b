"""Places of bytes: a folder, and an object store behind the same words (here one that lies in a folder)."""

import asyncio
import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from pollux.errors import StorageFull, StoreUnavailable
from pollux.store.blobs import Blobs, BytesMissing, Incoming, open_blobs

MIB = 1024 * 1024


@pytest.fixture(params=["folder", "objects"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blobs]:
    """Either place."""
    place = tmp_path / "bytes"
    if request.param == "objects":
        place.mkdir()
    opened = open_blobs(f"file://{place}" if request.param == "objects" else "", place)
    yield opened
    asyncio.run(opened.close())


async def test_bytes_come_back_whole_and_in_ranges(blobs: Blobs) -> None:
    """Larger than a piece, larger than a part of a multipart upload."""
    data = secrets.token_bytes(11 * MIB + 7)
    async with Incoming(blobs) as incoming:
        for at in range(0, len(data), 100_000):
            await incoming.write(data[at : at + 100_000])
        written = await incoming.finish()

    assert written.bytes == len(data)
    assert await _read(blobs, written.blob, 0, len(data)) == data
    assert await _read(blobs, written.blob, 5 * MIB - 1, 6 * MIB + 1) == data[5 * MIB - 1 : 6 * MIB + 1]
    assert await _read(blobs, written.blob, 10, 10) == b""
    assert [found.name for found in await blobs.shard(written.blob[:2])] == [written.blob]


async def test_an_empty_blob_is_one(blobs: Blobs) -> None:
    """Nothing was written before the end."""
    async with Incoming(blobs) as incoming:
        written = await incoming.finish()

    assert written.bytes == 0
    assert await blobs.exists(written.blob)


async def test_what_is_left_before_its_end_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    """By an error, with pieces under way."""

    async def write_and_fail() -> None:
        async with Incoming(blobs) as incoming:
            for _ in range(4):
                await incoming.write(secrets.token_bytes(2 * MIB))
            raise RuntimeError("left")

    with pytest.raises(RuntimeError):
        await write_and_fail()

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_cancelled_task_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    """At whatever moment it is cancelled."""
    for delay in (0, 0.001, 0.003, 0.01, 0.03):

        async def write() -> None:
            async with Incoming(blobs) as incoming:
                for _ in range(20):
                    await incoming.write(bytes(MIB))
                await incoming.finish()
                await asyncio.sleep(10)

        task = asyncio.create_task(write())
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.wait([task])

        assert task.cancelled()
    left = {path.name for path in tmp_path.rglob("*") if path.is_file() and "#" not in path.name}
    assert len(left) <= 5
    assert not list(tmp_path.rglob("tmp/*"))


async def test_a_removed_blob_is_missing_and_removing_it_again_is_no_error(blobs: Blobs) -> None:
    """Reading says that it is missing."""
    async with Incoming(blobs) as incoming:
        await incoming.write(b"x")
        written = await incoming.finish()
    await blobs.remove(written.blob)
    await blobs.remove(written.blob)

    assert not await blobs.exists(written.blob)
    with pytest.raises(BytesMissing):
        await _read(blobs, written.blob, 0, 1)


async def test_the_mark_is_kept(blobs: Blobs) -> None:
    """None at first."""
    before = await blobs.mark()
    await blobs.set_mark("of this database")

    assert before is None
    assert await blobs.mark() == "of this database"


async def test_a_reader_that_leaves_holds_no_file(tmp_path: Path) -> None:
    """Its descriptor is closed, read-ahead or not."""
    blobs = open_blobs("", tmp_path)
    async with Incoming(blobs) as incoming:
        await incoming.write(bytes(8 * MIB))
        written = await incoming.finish()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        async with aclosing(blobs.read(written.blob, 0, 8 * MIB)) as pieces:
            await anext(pieces)
    await asyncio.sleep(0.2)

    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, StoreUnavailable)]
)
async def test_a_full_or_broken_disk_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    """In the middle of the bytes, and at the moment in which they are made safe."""
    blobs = open_blobs("", tmp_path)

    def fails(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    async def write() -> None:
        async with Incoming(blobs) as incoming:
            for _ in range(4):
                await incoming.write(bytes(MIB))
            await incoming.finish()

    for function in ("write", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, fails)
            with pytest.raises(kind):
                await write()

        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_an_address_that_is_none_of_an_object_store_is_refused(tmp_path: Path) -> None:
    """By name of the setting."""
    with pytest.raises(StoreUnavailable, match="bytes_url"):
        open_blobs("gopher://bucket", tmp_path)


async def _read(blobs: Blobs, name: str, start: int, stop: int) -> bytes:
    return b"".join([piece async for piece in blobs.read(name, start, stop)])
