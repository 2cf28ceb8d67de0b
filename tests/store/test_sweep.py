"""The sweep, on both databases: what has passed its time, what a crash left behind, and what must stay."""

from pathlib import Path

from pollux.store.store import Store, open_store
from tests.store.conftest import Hands
from tests.store.keeping import add_part, begin_upload, content, keep

TWO_DAYS_AND_AN_HOUR = 49 * 3600.0


async def test_what_has_passed_its_time_goes_row_and_bytes(store: Store, hands: Hands, tmp_path: Path) -> None:
    """And nothing else."""
    short = await keep(store, "ann", b"short", lasting_seconds=3600)
    stays = await keep(store, "ann", b"stays", lasting_seconds=7200)
    hands.pass_by(3601)
    swept = await store.sweeper.sweep()
    again = await store.sweeper.sweep()

    assert short is not None
    assert stays is not None
    assert (swept.files, again.files) == (1, 0)
    assert await store.files.space("ann") == 5
    assert await content(store, "ann", stays.id) == b"stays"
    assert len(_blobs(tmp_path)) == 1


async def test_bytes_without_a_row_go_after_a_grace(store: Store, tmp_path: Path) -> None:
    """As a process leaves them that dies between the bytes and the row; what has a row stays, also a part's."""
    kept = await keep(store, "ann", b"kept")
    upload = await begin_upload(store, "ann", size=3)
    await add_part(store, "ann", upload.id, b"abc")
    async with store.files.incoming() as incoming:
        await incoming.write(b"orphan")
        await incoming.finish()
    young = await store.sweeper.sweep(grace_seconds=10**12)
    old = await store.sweeper.sweep(grace_seconds=-(10**12))

    assert young.blobs == 0
    assert old.blobs == 1
    assert kept is not None
    assert await content(store, "ann", kept.id) == b"kept"
    assert len(_blobs(tmp_path)) == 2


async def test_a_row_without_bytes_goes_after_a_grace(store: Store, hands: Hands, tmp_path: Path) -> None:
    """Its file is unknown then, and its space free."""
    kept = await keep(store, "ann", b"lost")
    assert kept is not None
    for path in _blobs(tmp_path):
        path.unlink()
    await store.sweeper.sweep()
    young = await store.files.get("ann", kept.id)
    hands.pass_by(7 * 3600)
    await store.sweeper.sweep()

    assert young == kept
    assert await store.files.get("ann", kept.id) is None
    assert await store.files.space("ann") == 0


async def test_a_place_of_bytes_that_is_not_ours_takes_no_row_away(store: Store, hands: Hands, tmp_path: Path) -> None:
    """As when a volume is not mounted: nothing of the database is removed for it."""
    kept = await keep(store, "ann", b"elsewhere")
    assert kept is not None
    (tmp_path / "bytes").rename(tmp_path / "away")
    hands.pass_by(7 * 3600)
    await store.sweeper.sweep()
    (tmp_path / "away").rename(tmp_path / "bytes")

    assert await content(store, "ann", kept.id) == b"elsewhere"


async def test_half_a_file_of_a_dead_process_goes_and_that_of_a_living_one_stays(store: Store, tmp_path: Path) -> None:
    """Told apart by the lock that a writer holds as long as it lives."""
    async with store.files.incoming() as incoming:
        for _ in range(3):  # when the third is taken, the first is written
            await incoming.write(b"x" * 1_500_000)
        (tmp_path / "bytes" / "tmp" / "dead").write_bytes(b"half")
        swept = await store.sweeper.sweep(unfinished_grace_seconds=-1)
        written = await incoming.finish()

    assert swept.unfinished == 1
    assert written.bytes == 4_500_000
    assert list((tmp_path / "bytes" / "tmp").iterdir()) == []


async def test_garbage_that_could_not_be_removed_at_once_is_removed_later(store: Store, tmp_path: Path) -> None:
    """As a process leaves it that dies between the row and the bytes."""
    kept = await keep(store, "ann", b"x")
    assert kept is not None
    blob = (await store.files.segments("ann", kept.id))[0].blob
    async with store.database.transaction() as transaction:
        await transaction.run("DELETE FROM segment")
        await transaction.run("DELETE FROM file")
        await transaction.run("INSERT INTO garbage (blob, owner, since_us) VALUES ($1, 'ann', 0)", blob)
    swept = await store.sweeper.sweep()

    assert swept.blobs == 1
    assert _blobs(tmp_path) == []
    assert await store.database.all("SELECT blob FROM garbage") == []


async def test_a_clock_that_jumps_there_and_back_loses_nothing(store: Store, hands: Hands) -> None:
    """What seems to have passed its time is hidden, and not removed before the clock has run evenly for an hour."""
    kept = await keep(store, "ann", b"here", lasting_seconds=24 * 3600)
    upload = await begin_upload(store, "ann", size=3)
    await add_part(store, "ann", upload.id, b"abc")
    assert kept is not None
    hands.jump(TWO_DAYS_AND_AN_HOUR)
    hidden = await store.files.get("ann", kept.id)
    swept = await store.sweeper.sweep(grace_seconds=0)
    hands.jump(-TWO_DAYS_AND_AN_HOUR)
    await store.sweeper.sweep(grace_seconds=0)
    back = await store.uploads.get("ann", upload.id)

    assert hidden is None
    assert (swept.files, swept.uploads) == (0, 0)
    assert await store.files.get("ann", kept.id) == kept
    assert await content(store, "ann", kept.id) == b"here"
    assert back is not None
    assert back.status == "pending"
    assert len(await store.uploads.parts("ann", upload.id)) == 1


async def test_a_clock_that_stays_where_it_jumped_is_believed_in_the_end(store: Store, hands: Hands) -> None:
    """A machine whose clock was wrong before must not keep things for ever."""
    await keep(store, "ann", b"x", lasting_seconds=24 * 3600)
    hands.jump(TWO_DAYS_AND_AN_HOUR)
    at_once = await store.sweeper.sweep()
    hands.pass_by(3601)
    later = await store.sweeper.sweep()

    assert at_once.files == 0
    assert later.files == 1


async def test_erasing_takes_everything_of_one_owner_and_nothing_of_another(store: Store, tmp_path: Path) -> None:
    """Rows of all tables, and bytes."""
    for owner in ("ann", "bob"):
        await keep(store, owner, b"file of " + owner.encode())
        upload = await begin_upload(store, owner, size=3)
        await add_part(store, owner, upload.id, b"abc")
        await store.leases.take(owner, "work", "me", 60)
    erased = await store.erase("ann")
    again = await store.erase("ann")
    page = await store.files.list("bob", after=None, limit=10, order="desc", purpose=None)

    assert (erased["file"], erased["upload"], erased["part"]) == (1, 1, 1)
    assert again == {}
    assert await store.files.space("ann") == 0
    assert page is not None
    assert await content(store, "bob", page.files[0].id) == b"file of bob"
    assert len(_blobs(tmp_path)) == 2


async def test_every_table_with_an_owner_is_erased(tmp_path: Path) -> None:
    """A new table that is forgotten in the list fails here."""
    from pollux.store.migrations import OWNED

    store = await open_store(tmp_path)
    tables = [row[0] for row in await store.database.all("SELECT name FROM sqlite_master WHERE type = 'table'")]
    owned = set()
    for table in tables:
        columns = {row[1] for row in await store.database.all(f"PRAGMA table_info({table})")}
        if "owner" in columns:
            owned.add(table)
    await store.close()

    assert owned == set(OWNED)


def _blobs(folder: Path) -> list[Path]:
    return [
        path for path in (folder / "bytes").rglob("*") if path.is_file() and path.name != "mark" and path.parent.name != "tmp"
    ]
