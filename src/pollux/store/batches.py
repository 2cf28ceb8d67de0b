"""Batches: their rows, and the fence that lets one worker at a time write them.

Whoever works on a batch takes its lease and with it a new epoch. Every write names the epoch and changes nothing once another
has been given out: a worker that slept past its lease finds that out in the very transaction in which it writes. All times of
leases are the database's, since replicas' clocks differ. What is written is JSON of the server's; the store does not read it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pollux.store.database import Database, Row, Transaction

COLUMNS = "owner, id, created_us, state, due_us, cancel_us, epoch"


class Fenced(Exception):
    """The lease went to somebody else; what was to be written is not."""


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch as it is kept. Times are microseconds since 1970; `due_us` is None when it has ended."""

    owner: str
    id: str
    created_us: int
    state: bytes
    due_us: int | None
    cancel_us: int | None
    epoch: int


@dataclass(frozen=True, slots=True)
class Page:
    """Batches, newest first, and whether there are more behind them."""

    batches: list[BatchRow]
    more: bool


@dataclass(frozen=True, slots=True)
class Writing:
    """A write under way: its transaction, and when the owner cancelled the batch, if they did."""

    transaction: Transaction
    cancel_us: int | None


class Batches:
    """The batches of all owners."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, owner: str, batch_id: str, state: bytes) -> BatchRow:
        """Add a batch, due at once."""
        now = self._database.now_us
        async with self._database.transaction() as transaction:
            await transaction.run(
                "INSERT INTO batch (owner, id, created_us, state, due_us, epoch, holder, until_us)"  # noqa: S608 - fixed
                f" VALUES ($1, $2, {now}, $3, 0, 0, '', 0)",
                owner,
                batch_id,
                state,
            )
            row = await transaction.one(f"SELECT {COLUMNS} FROM batch WHERE owner = $1 AND id = $2", owner, batch_id)  # noqa: S608 - fixed columns
        assert row is not None
        return _batch(row)

    async def get(self, owner: str, batch_id: str) -> BatchRow | None:
        """Give a batch, or None."""
        row = await self._database.one(f"SELECT {COLUMNS} FROM batch WHERE owner = $1 AND id = $2", owner, batch_id)  # noqa: S608 - fixed columns
        return _batch(row) if row else None

    async def page(self, owner: str, *, after: BatchRow | None, limit: int) -> Page:
        """Give up to `limit` batches behind `after`, newest first."""
        values: list[object] = [owner, limit + 1]
        where = "owner = $1"
        if after is not None:
            where += " AND (created_us, id) < ($3, $4)"
            values += [after.created_us, after.id]
        rows = await self._database.all(
            f"SELECT {COLUMNS} FROM batch WHERE {where} ORDER BY created_us DESC, id DESC LIMIT $2",  # noqa: S608 - fixed columns
            *values,
        )
        return Page([_batch(row) for row in rows[:limit]], len(rows) > limit)

    async def running(self, owner: str) -> list[BatchRow]:
        """Give an owner's batches that have not ended."""
        rows = await self._database.all(f"SELECT {COLUMNS} FROM batch WHERE owner = $1 AND due_us IS NOT NULL", owner)  # noqa: S608 - fixed columns
        return [_batch(row) for row in rows]

    async def cancel(self, owner: str, batch_id: str) -> None:
        """Note that the owner cancels it, and make it due. What has ended stays as it is."""
        async with self._database.transaction() as transaction:
            await transaction.run(
                f"UPDATE batch SET cancel_us = {self._database.now_us}, due_us = 0"  # noqa: S608 - fixed
                " WHERE owner = $1 AND id = $2 AND due_us IS NOT NULL AND cancel_us IS NULL",
                owner,
                batch_id,
            )

    async def due(self, limit: int) -> list[tuple[str, str]]:
        """Give batches of any owner that are due and that nobody works on: owner and id."""
        now = self._database.now_us
        rows = await self._database.all(
            f"SELECT owner, id FROM batch WHERE due_us <= {now} AND until_us <= {now} ORDER BY due_us LIMIT $1",  # noqa: S608 - fixed
            limit,
        )
        return [(row[0], row[1]) for row in rows]

    async def take(self, owner: str, batch_id: str, holder: str, seconds: float) -> BatchRow | None:
        """Take the lease, with a new epoch; None while another has it, or when there is no such batch, or it has ended."""
        now = self._database.now_us
        async with self._database.transaction() as transaction:
            if not await transaction.run(
                f"UPDATE batch SET epoch = epoch + 1, holder = $3, until_us = {now} + CAST($4 AS BIGINT)"  # noqa: S608 - fixed
                f" WHERE owner = $1 AND id = $2 AND due_us IS NOT NULL AND until_us <= {now}",
                owner,
                batch_id,
                holder,
                int(seconds * 1e6),
            ):
                return None
            row = await transaction.one(f"SELECT {COLUMNS} FROM batch WHERE owner = $1 AND id = $2", owner, batch_id)  # noqa: S608 - fixed columns
        return _batch(row) if row else None

    async def renew(self, owner: str, batch_id: str, epoch: int, seconds: float) -> None:
        """Hold on to the lease for some more time. Raises Fenced."""
        async with self._database.transaction() as transaction:
            if not await transaction.run(
                f"UPDATE batch SET until_us = {self._database.now_us} + CAST($4 AS BIGINT)"  # noqa: S608 - fixed
                " WHERE owner = $1 AND id = $2 AND epoch = $3",
                owner,
                batch_id,
                epoch,
                int(seconds * 1e6),
            ):
                raise Fenced

    @asynccontextmanager
    async def writing(
        self, owner: str, batch_id: str, epoch: int, state: bytes, *, due_seconds: float | None, release: bool
    ) -> AsyncIterator[Writing]:
        """Write a batch in a transaction, with whatever else the block writes in it. Raises Fenced, and nothing is written.

        It is due again in `due_seconds`, never when that is None. `release` gives the lease back.
        """
        due = "NULL" if due_seconds is None else f"{self._database.now_us} + {int(due_seconds * 1e6)}"
        async with self._database.transaction() as transaction:
            if not await transaction.run(
                f"UPDATE batch SET state = $4, due_us = {due}{', until_us = 0' if release else ''}"  # noqa: S608 - numbers of ours
                " WHERE owner = $1 AND id = $2 AND epoch = $3",
                owner,
                batch_id,
                epoch,
                state,
            ):
                raise Fenced
            row = await transaction.one("SELECT cancel_us FROM batch WHERE owner = $1 AND id = $2", owner, batch_id)
            yield Writing(transaction, row[0] if row else None)

    async def release(self, owner: str, batch_id: str, epoch: int, *, due_seconds: float) -> None:
        """Give the lease back without having written; the batch is due again in so many seconds."""
        async with self._database.transaction() as transaction:
            await transaction.run(
                f"UPDATE batch SET until_us = 0, due_us = {self._database.now_us} + CAST($4 AS BIGINT)"  # noqa: S608 - fixed
                " WHERE owner = $1 AND id = $2 AND epoch = $3",
                owner,
                batch_id,
                epoch,
                int(due_seconds * 1e6),
            )


def _batch(row: Row) -> BatchRow:
    owner, batch_id, created_us, state, due_us, cancel_us, epoch = row
    return BatchRow(owner, batch_id, created_us, bytes(state), due_us, cancel_us, epoch)
