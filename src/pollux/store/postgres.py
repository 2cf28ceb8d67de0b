"""The database in PostgreSQL, for any number of replicas. Connections come back by themselves when the server does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from pollux.errors import StorageFull, StoreUnavailable
from pollux.store.database import RETRY_AFTER_SECONDS, Row, Transaction

log = logging.getLogger("pollux.store")

CONNECTIONS_MAX = 8
"""Connections of one worker; PostgreSQL takes a hundred by default. Statements take a millisecond, so few are enough."""

CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 30.0
"""How long a statement may take, its wait for a lock included; a sweep of many rows takes a second."""

SCHEMA_LOCK = 7_046_029_254
"""Any number that nobody else uses as an advisory lock of this database."""

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)


class PostgresDatabase:
    """A `Database` over a pool of connections."""

    now_us = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def connect(cls, url: str) -> "PostgresDatabase":
        """Connect. Raises StoreUnavailable."""
        with _errors():
            pool = await asyncpg.create_pool(
                url, min_size=1, max_size=CONNECTIONS_MAX, timeout=CONNECT_SECONDS, command_timeout=STATEMENT_SECONDS
            )
        return cls(pool)

    async def all(self, sql: str, *values: Any) -> Sequence[Row]:
        """Give all rows of a query."""
        with _errors():
            async with self._pool.acquire(timeout=CONNECT_SECONDS) as connection:
                return [tuple(row) for row in await connection.fetch(sql, *values)]

    async def one(self, sql: str, *values: Any) -> Row | None:
        """Give the first row of a query, or None."""
        with _errors():
            async with self._pool.acquire(timeout=CONNECT_SECONDS) as connection:
                row = await connection.fetchrow(sql, *values)
                return None if row is None else tuple(row)

    @asynccontextmanager
    async def transaction(self, *, hasty: bool = False) -> AsyncIterator[Transaction]:
        """Begin a transaction."""
        with _errors():
            async with self._pool.acquire(timeout=CONNECT_SECONDS) as connection, connection.transaction():
                if hasty:
                    await connection.execute("SET LOCAL synchronous_commit = off")
                yield _Transaction(connection)

    async def lock_schema(self, transaction: Transaction) -> None:
        """Wait until no other process changes the schema."""
        await transaction.one("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK)

    async def close(self) -> None:
        """Close every connection, those that still work after a moment."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._pool.close()
        except (TimeoutError, *AWAY):
            self._pool.terminate()


class _Transaction:
    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:  # asyncpg's proxy of a connection has no declared methods
        self._connection = connection

    async def all(self, sql: str, *values: Any) -> Sequence[Row]:
        return [tuple(row) for row in await self._connection.fetch(sql, *values)]

    async def one(self, sql: str, *values: Any) -> Row | None:
        row = await self._connection.fetchrow(sql, *values)
        return None if row is None else tuple(row)

    async def run(self, sql: str, *values: Any) -> int:
        status: str = await self._connection.execute(sql, *values)
        count = status.rpartition(" ")[2]  # as in "UPDATE 3" and "INSERT 0 3"
        return int(count) if count.isdigit() else 0

    async def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        await self._connection.executemany(sql, rows)


@contextmanager
def _errors() -> Iterator[None]:
    """Say the driver's errors as ours. The message names neither host nor user."""
    try:
        yield
    except asyncpg.DiskFullError as error:
        raise StorageFull(
            "The disk of the server's database is full. Whoever runs it has to make room.", should_retry=False
        ) from error
    except AWAY as error:
        log.warning("The store's database cannot be used: %s.", type(error).__name__)
        raise StoreUnavailable("The store's database cannot be used now.", retry_after_seconds=RETRY_AFTER_SECONDS) from error
