"""Turns in the database, for replicas that share one. The file of `turns` is faster, but one machine's own.

A write is hasty: it survives the death of the process. Writes that nobody waits for are gathered. When the database is away,
turns are not remembered, and chat goes on without them.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from pollux.errors import ApiError
from pollux.store.clock import Clock
from pollux.store.database import VALUES_AT_ONCE, Database, marks
from pollux.store.turns import GATHER_SECONDS

log = logging.getLogger("pollux.store")

DAY_US = 86_400_000_000
SWEPT_AT_ONCE = 1000


class SharedTurns:
    """Turns of all owners; `days` and `bytes_max` bound them."""

    def __init__(self, database: Database, clock: Clock, *, days: float, bytes_max: int) -> None:
        self._database = database
        self._clock = clock
        self._days = days
        self._bytes_max = bytes_max
        self._gathered: dict[tuple[str, str], bytes] = {}
        self._writing: asyncio.Task[None] | None = None

    async def get(self, owner: str, keys: Iterable[str]) -> dict[str, bytes]:
        """Give what is kept of an owner under these keys."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, bytes] = {}
        try:
            for at in range(0, len(wanted), VALUES_AT_ONCE):
                listed, values = marks(wanted[at : at + VALUES_AT_ONCE], 2)
                statement = f"SELECT key, turn FROM turn WHERE owner = $1 AND key IN ({listed})"  # noqa: S608 - only marks
                found.update((key, bytes(turn)) for key, turn in await self._database.all(statement, owner, *values))
        except ApiError as error:
            log.warning("Remembered turns cannot be read: %s", error.message)
        for key in wanted:
            turn = self._gathered.get((owner, key))
            if turn is not None:
                found[key] = turn
        return found

    async def put(self, owner: str, turns: Mapping[str, bytes]) -> None:
        """Keep turns; returns when they are kept."""
        await self._keep([(owner, key, turn) for key, turn in turns.items()])

    def put_soon(self, owner: str, turns: Mapping[str, bytes]) -> None:
        """Keep turns within a moment; this process sees them at once."""
        for key, turn in turns.items():
            self._gathered[owner, key] = turn
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._keep_gathered(GATHER_SECONDS))

    async def flush(self) -> None:
        """Write what is gathered."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])
        await self._keep_gathered(0)

    async def sweep(self) -> None:
        """Remove what is too old, and the oldest while there is too much."""
        async with self._database.transaction(hasty=True) as transaction:
            await transaction.run("DELETE FROM turn WHERE kept_us < $1", self._clock.now_us() - int(self._days * DAY_US))
        while True:
            row = await self._database.one("SELECT coalesce(sum(length(turn)), 0) FROM turn")
            if row is None or row[0] <= self._bytes_max:
                return
            async with self._database.transaction(hasty=True) as transaction:
                if not await transaction.run(
                    "DELETE FROM turn WHERE (owner, key) IN (SELECT owner, key FROM turn ORDER BY kept_us LIMIT $1)",
                    SWEPT_AT_ONCE,
                ):
                    return

    async def _keep_gathered(self, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        self._writing = None
        gathered = dict(self._gathered)
        if gathered:
            await self._keep([(owner, key, turn) for (owner, key), turn in gathered.items()])
        for row, turn in gathered.items():
            if self._gathered.get(row) is turn:
                del self._gathered[row]

    async def _keep(self, rows: list[tuple[str, str, bytes]]) -> None:
        now_us = self._clock.now_us()
        try:
            async with self._database.transaction(hasty=True) as transaction:
                await transaction.many(
                    "INSERT INTO turn (owner, key, kept_us, turn) VALUES ($1, $2, $3, $4) ON CONFLICT (owner, key)"
                    " DO UPDATE SET kept_us = $3, turn = $4",
                    # In one order, so that two never wait crosswise.
                    sorted((owner, key, now_us, turn) for owner, key, turn in rows),
                )
        except ApiError as error:
            log.warning("Thought signatures could not be kept: %s Clients that drop them lose quality.", error.message)
