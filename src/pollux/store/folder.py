"""Blobs in a folder. Everything that can wait for a disk runs in threads of its own.

A blob is written to a temporary name, made safe (fsync), renamed, and its folder made safe. Its writer holds a lock (flock) on
the temporary file for as long as it lives: so a sweep tells what a dead process left from what a slow one still writes.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NoReturn, TypeVar

from pollux.errors import StorageFull, StoreUnavailable
from pollux.store.blobs import PIECE_BYTES, BytesMissing, Found
from pollux.store.database import RETRY_AFTER_SECONDS

T = TypeVar("T")

THREADS = 4
"""Disks do little more at once; and a slow disk must not take the threads in which names are looked up."""

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class FolderBlobs:
    """`Blobs` in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store-bytes")

    def writer(self, name: str) -> "_Writer":
        """Begin a blob."""
        return _Writer(self._threads, self._folder, name)

    async def read(self, name: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Give bytes [start, stop), reading ahead by one piece."""
        descriptor = await self._in_thread(_opened, self._path(name))
        ahead: Future[bytes] | None = None
        try:
            while start < stop:
                ahead = ahead or self._threads.submit(os.pread, descriptor, min(PIECE_BYTES, stop - start), start)
                piece = await _result(ahead)
                ahead = None
                if not piece:
                    raise BytesMissing(name)
                start += len(piece)
                if start < stop:
                    ahead = self._threads.submit(os.pread, descriptor, min(PIECE_BYTES, stop - start), start)
                yield piece
        finally:
            self._threads.submit(_closed, descriptor, ahead)

    async def remove(self, name: str) -> None:
        """Remove a blob."""
        await self._in_thread(self._path(name).unlink, True)

    async def exists(self, name: str) -> bool:
        """Say whether a blob is there."""
        return await self._in_thread(self._path(name).exists)

    async def shard(self, shard: str) -> list[Found]:
        """Give the blobs whose names begin so."""
        return await self._in_thread(_listed, self._folder / shard)

    async def mark(self) -> str | None:
        """Give the mark."""
        return await self._in_thread(_text, self._folder / "mark")

    async def set_mark(self, mark: str) -> None:
        """Leave a mark."""
        await self._in_thread(_set_text, self._folder / "mark", mark)

    async def sweep_unfinished(self, grace_seconds: float) -> int:
        """Remove temporary files that no process holds."""
        return await self._in_thread(_sweep, self._folder / "tmp", grace_seconds)

    async def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await _result(self._threads.submit(work, *arguments))


class _Writer:
    """One file on its way in. One write is under way while the next pieces come."""

    def __init__(self, threads: ThreadPoolExecutor, folder: Path, name: str) -> None:
        self._threads = threads
        self._temporary = folder / "tmp" / name
        self._final = folder / name[:2] / name
        self._descriptor = -1
        self._under_way: Future[None] | None = None

    async def write(self, pieces: list[bytes]) -> None:
        before = self._under_way
        if before is not None:
            await _result(before)
        self._under_way = self._threads.submit(self._write, pieces)

    async def finish(self) -> None:
        if self._under_way is not None:
            await _result(self._under_way)
        self._under_way = self._threads.submit(self._finish)
        await _result(self._under_way)

    async def abandon(self) -> None:
        under_way = self._under_way
        abandoning = self._threads.submit(self._abandon, under_way)
        with contextlib.suppress(OSError, StoreUnavailable, StorageFull):
            await asyncio.shield(_result(abandoning))

    def _write(self, pieces: list[bytes]) -> None:
        if self._descriptor < 0:
            self._open()
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[os.write(self._descriptor, view) :]

    def _open(self) -> None:
        try:
            self._descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            self._temporary.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def _finish(self) -> None:
        if self._descriptor < 0:
            self._open()
        os.fsync(self._descriptor)
        try:
            self._temporary.rename(self._final)
        except FileNotFoundError:
            self._final.parent.mkdir(exist_ok=True, mode=0o700)
            _make_safe(self._final.parent.parent)
            self._temporary.rename(self._final)
        _make_safe(self._final.parent)
        os.close(self._descriptor)
        self._descriptor = -1

    def _abandon(self, under_way: Future[None] | None) -> None:
        if under_way is not None:
            wait([under_way])
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._temporary.unlink(missing_ok=True)
        self._final.unlink(missing_ok=True)  # where `finish` was left in its middle


async def _result(future: "Future[T]") -> T:
    try:
        return await asyncio.wrap_future(future)
    except OSError as error:
        _failed(error)


def _failed(error: OSError) -> NoReturn:
    if error.errno in FULL:
        raise StorageFull("The server's disk is full. Whoever runs it has to make room.", should_retry=False) from error
    raise StoreUnavailable(
        "The store's folder of bytes cannot be used now.", retry_after_seconds=RETRY_AFTER_SECONDS
    ) from error


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BytesMissing(path.name) from None


def _closed(descriptor: int, ahead: "Future[bytes] | None") -> None:
    if ahead is not None:
        wait([ahead])
    os.close(descriptor)


def _make_safe(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _listed(folder: Path) -> list[Found]:
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return []
    found = []
    for entry in entries:
        with contextlib.suppress(FileNotFoundError):  # removed in the meantime
            found.append(Found(entry.name, entry.stat().st_mtime_ns // 1000))
    return found


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _set_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(text)
    fresh.rename(path)


def _sweep(folder: Path, grace_seconds: float) -> int:
    swept = 0
    now = time.time()
    for found in _listed(folder):
        path = folder / found.name
        if now - found.modified_us / 1e6 < grace_seconds:
            continue
        with contextlib.suppress(OSError):  # gone in the meantime, or held by a living process
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                swept += 1
            finally:
                os.close(descriptor)
    return swept
