"""The schema's way, on both databases: several at once, upgrades with two versions running, and what is too new."""

import asyncio
from pathlib import Path

import pytest

from pollux.errors import StoreUnavailable
from pollux.store.database import Transaction, open_database
from pollux.store.migrations import MIGRATIONS, Migration, migrate
from pollux.store.store import Store, open_store
from tests.store.keeping import content, keep

NEXT = MIGRATIONS[-1].number + 1


async def _next(transaction: Transaction) -> None:
    await transaction.run("CREATE TABLE later (owner TEXT NOT NULL PRIMARY KEY)")
    await transaction.run("ALTER TABLE file ADD COLUMN later TEXT")


async def test_many_that_start_at_once_migrate_once(store_url: str, tmp_path: Path) -> None:
    """All of them open; each migration stands there once."""
    stores = await asyncio.gather(*(open_store(tmp_path, store_url=store_url) for _ in range(8)))
    rows = await stores[0].database.all("SELECT number FROM schema_version ORDER BY number")
    for store in stores:
        await store.close()

    assert [row[0] for row in rows] == [migration.number for migration in MIGRATIONS]


async def test_two_versions_work_on_one_database(store: Store, store_url: str, tmp_path: Path) -> None:
    """A newer one adds a table and a column; the older goes on, and may start again."""
    before = await keep(store, "ann", b"before")
    newer = await open_database(store_url, tmp_path / "store.sqlite3")
    await migrate(newer, (*MIGRATIONS, Migration(NEXT, _next)))
    after = await keep(store, "ann", b"after")
    older = await open_store(tmp_path, store_url=store_url)
    assert before is not None
    assert after is not None
    read = [await content(older, "ann", kept.id) for kept in (before, after)]
    await older.close()
    await newer.close()

    assert read == [b"before", b"after"]


async def test_a_database_that_only_newer_versions_can_read_is_refused(store_url: str, tmp_path: Path) -> None:
    """With what to do, and without a change."""
    newer = await open_database(store_url, tmp_path / "store.sqlite3")
    await migrate(newer, (*MIGRATIONS, Migration(NEXT, _next, readable_from=NEXT)))
    with pytest.raises(StoreUnavailable, match=f"newer Pollux.*schema {NEXT}.*Upgrade"):
        await open_store(tmp_path, store_url=store_url)
    rows = await newer.all("SELECT number FROM schema_version")
    await newer.close()

    assert len(rows) == NEXT


async def test_a_migration_that_fails_changes_nothing(store_url: str, tmp_path: Path) -> None:
    """The next start finds the schema as it was."""

    async def half(transaction: Transaction) -> None:
        await transaction.run("CREATE TABLE half (owner TEXT)")
        raise RuntimeError("died")

    database = await open_database(store_url, tmp_path / "store.sqlite3")
    await migrate(database)
    with pytest.raises(RuntimeError):
        await migrate(database, (*MIGRATIONS, Migration(NEXT, half)))
    await migrate(database, (*MIGRATIONS, Migration(NEXT, _next)))
    rows = await database.all("SELECT number FROM schema_version")
    async with database.transaction() as transaction:
        await transaction.run("CREATE TABLE half (owner TEXT)")
    await database.close()

    assert len(rows) == NEXT
