"""A database that is away, comes back, is full, or is held by another."""

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from pollux.errors import StorageFull, StoreUnavailable
from pollux.store import sqlite
from pollux.store.store import open_store
from tests.store.keeping import content, keep
from tests.store.postgres_server import PostgresServer


async def test_postgres_goes_away_and_comes_back(postgres: PostgresServer, tmp_path: Path) -> None:
    """Clear errors in between, that say when to come again; then all is as it was, on the same open store."""
    store = await open_store(tmp_path, store_url=postgres.create("away"))
    kept = await keep(store, "ann", b"before")
    assert kept is not None
    postgres.stop()
    try:
        with pytest.raises(StoreUnavailable) as reading:
            await store.files.get("ann", kept.id)
        with pytest.raises(StoreUnavailable):
            await store.files.remove("ann", kept.id)
        with pytest.raises(StoreUnavailable):
            await open_store(tmp_path, store_url=postgres.url("away"))
    finally:
        postgres.start()
    after = await store.files.get("ann", kept.id)
    data = await content(store, "ann", kept.id)
    await store.close()

    assert reading.value.status == 503
    assert reading.value.retry_after_seconds
    assert "nobody" not in str(reading.value)
    assert after == kept
    assert data == b"before"


async def test_a_transaction_in_which_postgres_goes_away_changes_nothing(postgres: PostgresServer, tmp_path: Path) -> None:
    """Its beginning is undone."""
    store = await open_store(tmp_path, store_url=postgres.create("cut"))
    kept = await keep(store, "ann", b"before")
    assert kept is not None

    async def begin_and_stop() -> None:
        async with store.database.transaction() as transaction:
            await transaction.run("DELETE FROM file")
            await asyncio.to_thread(postgres.stop)
            await transaction.run("DELETE FROM segment")

    try:
        with pytest.raises(StoreUnavailable):
            await begin_and_stop()
    finally:
        postgres.start()
    after = await store.files.get("ann", kept.id)
    await store.close()

    assert after == kept


async def test_a_full_database_is_told_and_changes_nothing(tmp_path: Path) -> None:
    """SQLite's own limit stands for the disk's."""
    store = await open_store(tmp_path)
    kept = await keep(store, "ann", b"before")
    assert kept is not None
    database = store.database
    assert isinstance(database, sqlite.SqliteDatabase)
    pages = database._write.execute("PRAGMA page_count").fetchone()[0]
    database._write.execute(f"PRAGMA max_page_count = {pages}")

    async def fill() -> None:
        for _ in range(1000):
            await keep(store, "ann", b"x")

    with pytest.raises(StorageFull) as full:
        await fill()
    database._write.execute("PRAGMA max_page_count = 1000000")
    more = await keep(store, "ann", b"after")
    await store.close()

    assert (full.value.status, full.value.code) == (500, "storage_full")
    assert full.value.should_retry is False
    assert more is not None


async def test_a_database_that_another_holds_is_waited_for_and_then_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without stopping the event loop, and reads go on."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.5)
    store = await open_store(tmp_path)
    kept = await keep(store, "ann", b"before")
    assert kept is not None
    other = sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    removing = asyncio.create_task(store.files.remove("ann", kept.id))
    ticks = 0
    while not removing.done():
        await asyncio.sleep(0.01)
        ticks += 1
    read = await store.files.get("ann", kept.id)
    with pytest.raises(StoreUnavailable):
        removing.result()
    waited = time.monotonic() - began
    other.execute("COMMIT")
    other.close()
    removed = await store.files.remove("ann", kept.id)
    await store.close()

    assert waited >= 0.4
    assert ticks > 10
    assert read == kept
    assert removed


async def test_a_cancelled_transaction_changes_nothing_and_locks_nobody_out(tmp_path: Path) -> None:
    """Wherever it is cancelled."""
    store = await open_store(tmp_path)

    async def write() -> None:
        async with store.database.transaction() as transaction:
            for number in range(200):
                await transaction.run("INSERT INTO space (owner, bytes) VALUES ($1, 1)", f"owner {number}")
            await asyncio.sleep(10)

    for delay in (0, 0.0005, 0.002, 0.01, 0.05):
        task = asyncio.create_task(write())
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.wait([task])
    rows = await store.database.all("SELECT owner FROM space")
    kept = await keep(store, "ann", b"after")
    await store.close()

    assert rows == []
    assert kept is not None


async def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """A file stands where the folder should."""
    (tmp_path / "taken").write_text("a file")

    with pytest.raises(StoreUnavailable):
        await open_store(tmp_path / "taken")
