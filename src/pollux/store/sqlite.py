"""The database in one SQLite file, for all worker processes of one machine.

WAL, so that reads wait for no write, and synchronous=FULL, so that what is committed survives a power failure. One thread
writes and one reads: the event loop never waits for a disk. Transactions begin IMMEDIATE: two processes that write wait for one
another instead of failing in the middle.
"""

import asyncio
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pollux.errors import StorageFull, StoreUnavailable
from pollux.store.database import RETRY_AFTER_SECONDS, Row, Transaction

log = logging.getLogger("pollux.store")

T = TypeVar("T")

BUSY_SECONDS = 20.0
"""How long a write waits for another process's write; those take milliseconds, a sweep of many rows a second."""


class SqliteDatabase:
    """A `Database` in a file. Its time is the machine's."""

    now_us = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"

    def __init__(self, file: Path) -> None:
        self._file = file
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="store-read")
        self._writing = asyncio.Lock()
        self._write: sqlite3.Connection
        self._read: sqlite3.Connection

    @classmethod
    async def open(cls, file: Path) -> "SqliteDatabase":
        """Open the file, or make it. Raises StoreUnavailable or StorageFull."""
        database = cls(file)
        try:
            await _in(database._writer, database._connect)
        except BaseException:
            database._writer.shutdown(wait=False)
            database._reader.shutdown(wait=False)
            raise
        return database

    async def all(self, sql: str, *values: Any) -> Sequence[Row]:
        """Give all rows of a query."""
        return await _in(self._reader, _all, self._read, sql, values)

    async def one(self, sql: str, *values: Any) -> Row | None:
        """Give the first row of a query, or None."""
        return await _in(self._reader, _one, self._read, sql, values)

    @asynccontextmanager
    async def transaction(self, *, hasty: bool = False) -> AsyncIterator[Transaction]:  # noqa: ARG002 - see there
        """Begin a transaction; in SQLite none is hasty, since each costs one wait for the disk at its end."""
        async with self._writing:
            try:
                await _in(self._writer, self._write.execute, "BEGIN IMMEDIATE")
                yield _Transaction(self._writer, self._write)
                await _in(self._writer, self._write.execute, "COMMIT")
            except BaseException:
                # Statements of a cancelled task still run in the thread; this comes after them.
                await asyncio.shield(_in(self._writer, self._roll_back))
                raise

    async def lock_schema(self, transaction: Transaction) -> None:
        """Nothing to do: a transaction that writes is the only one of its kind."""

    async def close(self) -> None:
        """Close both connections."""
        for thread, connection in ((self._reader, self._read), (self._writer, self._write)):
            await asyncio.wrap_future(thread.submit(connection.close))
            thread.shutdown(wait=False)

    def _connect(self) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file.touch(mode=0o600)
        except OSError as error:
            raise StoreUnavailable(
                "The folder of the store cannot be used now.", retry_after_seconds=RETRY_AFTER_SECONDS
            ) from error
        self._write = self._connection()
        self._write.execute("PRAGMA journal_mode = WAL")
        self._write.execute("PRAGMA synchronous = FULL")
        self._read = self._connection()
        self._read.execute("PRAGMA query_only = ON")

    def _connection(self) -> sqlite3.Connection:
        return sqlite3.connect(str(self._file), timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)

    def _roll_back(self) -> None:
        if self._write.in_transaction:
            self._write.execute("ROLLBACK")


class _Transaction:
    __slots__ = ("_connection", "_thread")

    def __init__(self, thread: ThreadPoolExecutor, connection: sqlite3.Connection) -> None:
        self._thread = thread
        self._connection = connection

    async def all(self, sql: str, *values: Any) -> Sequence[Row]:
        return await _in(self._thread, _all, self._connection, sql, values)

    async def one(self, sql: str, *values: Any) -> Row | None:
        return await _in(self._thread, _one, self._connection, sql, values)

    async def run(self, sql: str, *values: Any) -> int:
        return await _in(self._thread, _run, self._connection, sql, values)

    async def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        await _in(self._thread, _many, self._connection, sql, rows)


def _all(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> list[Row]:
    return connection.execute(_marked(sql), _named(values)).fetchall()


def _one(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> Row | None:
    row: Row | None = connection.execute(_marked(sql), _named(values)).fetchone()
    return row


def _run(connection: sqlite3.Connection, sql: str, values: Sequence[Any]) -> int:
    return connection.execute(_marked(sql), _named(values)).rowcount


def _many(connection: sqlite3.Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    connection.executemany(_marked(sql), [_named(row) for row in rows])


@lru_cache(maxsize=256)
def _marked(sql: str) -> str:
    """Write PostgreSQL's marks for values as SQLite's."""
    return re.sub(r"\$(\d+)", r":v\1", sql)


def _named(values: Sequence[Any]) -> dict[str, Any]:
    return {f"v{number}": value for number, value in enumerate(values, 1)}


async def _in(thread: ThreadPoolExecutor, work: Callable[..., T], *arguments: Any) -> T:
    try:
        return await asyncio.get_running_loop().run_in_executor(thread, work, *arguments)
    except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
        _failed(error)


UNAVAILABLE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_PROTOCOL,
}


def _failed(error: sqlite3.DatabaseError) -> NoReturn:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind
    if code == sqlite3.SQLITE_FULL:
        raise StorageFull("The server's disk is full. Whoever runs it has to make room.", should_retry=False) from error
    if code in UNAVAILABLE:
        log.warning("The store's database cannot be used: %s.", error)
        raise StoreUnavailable("The store's database cannot be used now.", retry_after_seconds=RETRY_AFTER_SECONDS) from error
    raise error
