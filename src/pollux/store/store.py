"""The store: what Gemini does not keep for us. One database, one place of bytes, and the things in them."""

import secrets
from pathlib import Path

from pollux.store.batches import Batches
from pollux.store.blobs import Blobs, open_blobs
from pollux.store.clock import Clock
from pollux.store.copies import Copies
from pollux.store.database import Database, open_database
from pollux.store.files import Files
from pollux.store.garbage import Garbage
from pollux.store.leases import Leases
from pollux.store.migrations import OWNED, migrate
from pollux.store.sweep import Sweeper
from pollux.store.uploads import Uploads
from pollux.store.videos import Videos


class Store:
    """An open store. `open_store` makes one."""

    def __init__(self, database: Database, blobs: Blobs, clock: Clock, mark: str) -> None:
        self.database = database
        self.blobs = blobs
        self.clock = clock
        self.garbage = Garbage(database, blobs)
        self.files = Files(database, blobs, self.garbage, clock)
        self.uploads = Uploads(database, blobs, self.garbage, clock)
        self.copies = Copies(database, clock)
        self.leases = Leases(database, clock)
        self.batches = Batches(database)
        self.videos = Videos(database)
        self.sweeper = Sweeper(database, blobs, self.garbage, clock, mark)

    async def erase(self, owner: str) -> dict[str, int]:
        """Remove everything of an owner, rows and bytes; give how many rows of each table. Safe to repeat.

        Raises StoreUnavailable; then what was not removed is removed by the next call.
        """
        now_us = self.clock.now_us()
        erased: dict[str, int] = {}
        async with self.database.transaction() as transaction:
            for table in ("segment", "part"):
                await transaction.run(
                    f"INSERT INTO garbage (blob, owner, since_us) SELECT blob, owner, CAST($2 AS BIGINT) FROM {table}"  # noqa: S608 - fixed tables
                    " WHERE owner = $1",
                    owner,
                    now_us,
                )
            for table in OWNED:
                if table != "garbage":
                    count = await transaction.run(f"DELETE FROM {table} WHERE owner = $1", owner)  # noqa: S608 - fixed tables
                    if count:
                        erased[table] = count
        rows = await self.database.all("SELECT blob FROM garbage WHERE owner = $1", owner)
        await self.garbage.collect([row[0] for row in rows])
        return erased

    async def owners(self, beginning: str) -> list[str]:
        """Give the owners whose ids begin so and of whom anything is kept."""
        found: set[str] = set()
        for table in OWNED:
            rows = await self.database.all(
                f"SELECT DISTINCT owner FROM {table} WHERE substr(owner, 1, $2) = $1",  # noqa: S608 - fixed tables
                beginning,
                len(beginning),
            )
            found.update(row[0] for row in rows)
        return sorted(found)

    async def close(self) -> None:
        """Close the database and release the place of bytes."""
        await self.database.close()
        await self.blobs.close()


async def open_store(folder: Path, *, store_url: str = "", bytes_url: str = "", clock: Clock | None = None) -> Store:
    """Open the store: a file and a folder below `folder`, or what the URLs name. Its schema is brought up to date.

    Raises StoreUnavailable or StorageFull.
    """
    blobs = open_blobs(bytes_url, folder / "bytes")
    database = await open_database(store_url, folder / "store.sqlite3")
    try:
        await migrate(database)
        mark = await _mark(database, blobs)
    except BaseException:
        await database.close()
        await blobs.close()
        raise
    return Store(database, blobs, clock or Clock(), mark)


async def _mark(database: Database, blobs: Blobs) -> str:
    """Give the mark that the database and its place of bytes share; a fresh place gets it once."""
    async with database.transaction() as transaction:
        await transaction.run(
            "INSERT INTO about (name, value) VALUES ('mark', $1) ON CONFLICT (name) DO NOTHING", secrets.token_hex(16)
        )
        row = await transaction.one("SELECT value FROM about WHERE name = 'mark'")
        assert row is not None
        mark = str(row[0])
        placed = await transaction.one("SELECT value FROM about WHERE name = 'mark placed'")
    if placed is None:
        await blobs.set_mark(mark)
        async with database.transaction() as transaction:
            await transaction.run("INSERT INTO about (name, value) VALUES ('mark placed', 'yes') ON CONFLICT (name) DO NOTHING")
    return mark
