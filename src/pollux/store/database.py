"""One database interface for SQLite and PostgreSQL, and the SQL that both understand.

Statements are written once: `$1` marks values, columns are TEXT, BIGINT or BYTEA (in SQLite names of affinities), conflicts are
solved with ON CONFLICT. What only one of the two has is not used (RETURNING wants a newer SQLite than some systems have).
Rows are tuples. Writing happens in transactions; a transaction that is left by an error or a cancelled task changes nothing.
Errors leave as StoreUnavailable or StorageFull; whatever else escapes is a mistake of ours.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

Row = tuple[Any, ...]

RETRY_AFTER_SECONDS = 2.0
"""What a caller is told to wait when the database is away; a restart takes seconds."""


VALUES_AT_ONCE = 512
"""Values of one list; both databases take some ten thousand."""


class Transaction(Protocol):
    """What can be done inside a transaction."""

    async def all(self, sql: str, *values: Any) -> Sequence[Row]:
        """Give all rows of a query."""
        ...

    async def one(self, sql: str, *values: Any) -> Row | None:
        """Give the first row of a query, or None."""
        ...

    async def run(self, sql: str, *values: Any) -> int:
        """Change rows; give how many."""
        ...

    async def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement with many rows of values."""
        ...


class Database(Protocol):
    """A database. Reads outside of a transaction see what is committed.

    `now_us` is SQL for its own time, in microseconds since 1970: the one clock that all replicas share.
    """

    now_us: str

    async def all(self, sql: str, *values: Any) -> Sequence[Row]:
        """Give all rows of a query."""
        ...

    async def one(self, sql: str, *values: Any) -> Row | None:
        """Give the first row of a query, or None."""
        ...

    def transaction(self, *, hasty: bool = False) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction; leaving it commits, and what is committed survives a power failure.

        A `hasty` one survives the death of the process only, and does not wait for the disk.
        """
        ...

    async def lock_schema(self, transaction: Transaction) -> None:
        """Wait until no other process changes the schema, up to the end of this transaction."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def marks(values: Sequence[Any], first: int) -> tuple[str, Sequence[Any]]:
    """Give the marks of a list of values, from number `first` on, and the values, the last one repeated.

    So the lists of all lengths make a few different statements only, which a server prepares once.
    """
    length = 1 << max(len(values) - 1, 0).bit_length()
    filled = [*values, *([values[-1]] * (length - len(values)))]
    return ", ".join(f"${number}" for number in range(first, first + length)), filled


async def open_database(url: str, file: Path) -> Database:
    """Open the database of this URL (`postgresql://…`); without a URL the SQLite file, which is made if it is not there.

    Raises StoreUnavailable or StorageFull.
    """
    if url:
        from pollux.store.postgres import PostgresDatabase  # asyncpg costs 90 ms to import

        return await PostgresDatabase.connect(url)
    from pollux.store.sqlite import SqliteDatabase

    return await SqliteDatabase.open(file)
