"""Owners of native resources in the database, for replicas that share one. See `names`."""

from collections.abc import Iterable

from pollux.errors import ApiError
from pollux.store.clock import Clock
from pollux.store.database import VALUES_AT_ONCE, Database, marks
from pollux.store.names import KEPT_DAYS

DAY_US = 86_400_000_000


class SharedNames:
    """Keeps names. Like the file of `names`, it raises OSError when it cannot."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def add(self, owner: str, names: Iterable[str], *, made: bool = True) -> None:
        """Note names; returns when they are kept."""
        now_us = self._clock.now_us()
        rows = [(name, owner, now_us) for name in sorted(set(names))]
        conflict = "DO UPDATE SET owner = $2, noted_us = $3" if made else "DO NOTHING"
        if rows:
            try:
                async with self._database.transaction() as transaction:
                    await transaction.many(
                        f"INSERT INTO native_name (name, owner, noted_us) VALUES ($1, $2, $3) ON CONFLICT (name) {conflict}",  # noqa: S608 - of two texts
                        rows,
                    )
            except ApiError as error:
                raise OSError(error.message) from error

    async def remove(self, owner: str, name: str) -> None:
        """Forget a name that its owner has deleted, and all below it."""
        try:
            async with self._database.transaction() as transaction:
                await transaction.run(
                    "DELETE FROM native_name WHERE owner = $1 AND (name = $2 OR substr(name, 1, $3) = $4)",
                    owner,
                    name,
                    len(name) + 1,
                    f"{name}/",
                )
        except ApiError as error:
            raise OSError(error.message) from error

    async def erase(self, owner: str) -> None:
        """Forget all names of an owner."""
        async with self._database.transaction() as transaction:
            await transaction.run("DELETE FROM native_name WHERE owner = $1", owner)

    async def owner_of(self, names: Iterable[str]) -> dict[str, str]:
        """Give the owners of those names that have one. Raises StoreUnavailable: an unknown owner must not be guessed."""
        wanted = list(dict.fromkeys(names))
        found: dict[str, str] = {}
        for at in range(0, len(wanted), VALUES_AT_ONCE):
            listed, values = marks(wanted[at : at + VALUES_AT_ONCE], 1)
            statement = f"SELECT name, owner FROM native_name WHERE name IN ({listed})"  # noqa: S608 - only marks
            found.update((row[0], row[1]) for row in await self._database.all(statement, *values))
        return found

    async def sweep(self) -> None:
        """Forget names of what the service does not keep any more."""
        now_us = self._clock.now_us()
        async with self._database.transaction() as transaction:
            for collection, days in KEPT_DAYS.items():
                await transaction.run(
                    "DELETE FROM native_name WHERE noted_us < $1 AND substr(name, 1, $2) = $3",
                    now_us - int(days * DAY_US),
                    len(collection) + 1,
                    f"{collection}/",
                )
