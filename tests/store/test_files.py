"""Files in the store, on both databases."""

import time
from pathlib import Path

from pollux.store.store import Store
from tests.store.conftest import Hands
from tests.store.keeping import content, keep


async def test_what_is_kept_is_given_back(store: Store) -> None:
    """Row and bytes, whole and in ranges."""
    data = bytes(range(256)) * 8000
    kept = await keep(store, "ann", data)
    assert kept is not None
    segments = await store.files.segments("ann", kept.id)
    middle = b"".join([piece async for piece in store.files.read(segments, 1000, 1_500_000)])

    assert await store.files.get("ann", kept.id) == kept
    assert await content(store, "ann", kept.id) == data
    assert middle == data[1000:1_500_000]
    assert await store.files.space("ann") == len(data)


async def test_another_owners_id_is_an_unknown_id(store: Store) -> None:
    """Get, list, read, remove: nothing of it is there."""
    kept = await keep(store, "ann", b"private")
    assert kept is not None
    page = await store.files.list("bob", after=None, limit=10, order="desc", purpose=None)

    assert await store.files.get("bob", kept.id) is None
    assert await store.files.segments("bob", kept.id) == []
    assert not await store.files.remove("bob", kept.id)
    assert page is not None
    assert page.files == []
    assert await store.files.list("bob", after=kept.id, limit=10, order="desc", purpose=None) is None
    assert await content(store, "ann", kept.id) == b"private"


async def test_a_removed_file_is_gone_with_its_bytes_and_frees_its_space(store: Store, tmp_path: Path) -> None:
    """Once; the second time there is nothing."""
    kept = await keep(store, "ann", b"x" * 1000)
    assert kept is not None
    removed = [await store.files.remove("ann", kept.id) for _ in range(2)]

    assert removed == [True, False]
    assert await store.files.get("ann", kept.id) is None
    assert await store.files.space("ann") == 0
    assert [path for path in (tmp_path / "bytes").rglob("*") if path.is_file() and path.name != "mark"] == []


async def test_pages_go_through_all_files_once_in_either_order(store: Store, hands: Hands) -> None:
    """Also where many files begin in one moment, and with a purpose."""
    kept = []
    for number in range(10):
        kept.append(await keep(store, "ann", b"x", purpose="batch" if number % 2 else "vision"))
        if number % 3 == 0:
            hands.pass_by(1)
    ids = {row.id for row in kept if row}
    forward = await _walk(store, "asc", None)
    backward = await _walk(store, "desc", None)
    batch = await _walk(store, "asc", "batch")

    assert set(forward) == ids
    assert len(forward) == len(ids)
    assert forward == backward[::-1]
    assert batch == [file_id for file_id in forward if file_id in {row.id for row in kept if row and row.purpose == "batch"}]


async def test_a_page_goes_on_behind_a_file_that_was_removed_in_the_meantime(store: Store, hands: Hands) -> None:
    """A caller who deletes what it lists is not lost; an id that never was is not known."""
    for _ in range(4):
        await keep(store, "ann", b"x")
        hands.pass_by(1)
    order = await _walk(store, "desc", None)
    await store.files.remove("ann", order[1])
    page = await store.files.list("ann", after=order[1], limit=10, order="desc", purpose=None)

    assert page is not None
    assert [row.id for row in page.files] == order[2:]
    assert await store.files.list("ann", after="file-" + "0" * 24, limit=10, order="desc", purpose=None) is None


async def test_a_file_whose_time_has_passed_is_unknown_before_it_is_swept(store: Store, hands: Hands) -> None:
    """Also in the list, and to remove."""
    kept = await keep(store, "ann", b"x", lasting_seconds=3600)
    assert kept is not None
    hands.pass_by(3599)
    before = await store.files.get("ann", kept.id)
    hands.pass_by(1)
    page = await store.files.list("ann", after=None, limit=10, order="desc", purpose=None)

    assert before == kept
    assert await store.files.get("ann", kept.id) is None
    assert page is not None
    assert page.files == []
    assert not await store.files.remove("ann", kept.id)


async def test_an_owner_has_so_much_room_and_no_more(store: Store, tmp_path: Path) -> None:
    """What does not fit leaves nothing; another owner's room is another's."""
    first = await keep(store, "ann", b"x" * 60, room=100)
    second = await keep(store, "ann", b"x" * 41, room=100)
    third = await keep(store, "ann", b"x" * 40, room=100)
    other = await keep(store, "bob", b"x" * 100, room=100)
    blobs = [path for path in (tmp_path / "bytes").rglob("*") if path.is_file() and path.name != "mark"]

    assert first is not None
    assert second is None
    assert third is not None
    assert other is not None
    assert len(blobs) == 3
    assert await store.files.space("ann") == 100


async def test_the_hash_of_a_file_is_computed_once(store: Store) -> None:
    """And kept in its row."""
    kept = await keep(store, "ann", b"hello")
    assert kept is not None
    async with store.database.transaction() as transaction:
        await transaction.run("UPDATE file SET sha256 = NULL")
    row = await store.files.get("ann", kept.id)
    assert row is not None
    computed = await store.files.sha256("ann", row)
    after = await store.files.get("ann", kept.id)

    assert row.sha256 is None
    assert computed == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert after is not None
    assert after.sha256 == computed


async def test_a_page_costs_the_same_wherever_it_is_in_a_hundred_thousand(store: Store) -> None:
    """A page in the middle is not slower than the first, whatever stands before it."""
    now_us = store.clock.now_us()
    rows = [
        (
            "ann",
            f"file-{number:024}",
            now_us + number,
            "a.txt",
            "vision" if number % 10 else "batch",
            1,
            "text/plain",
            None,
            None,
        )
        for number in range(100_000)
    ]
    async with store.database.transaction() as transaction:
        await transaction.many(
            "INSERT INTO file (owner, id, created_us, filename, purpose, bytes, mime_type, sha256, expires_us)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            rows,
        )
        await transaction.run("ANALYZE")
    for purpose in (None, "batch"):
        first = await _best_seconds(store, None, purpose)
        deep = await _best_seconds(store, rows[50_000][1], purpose)

        assert deep < 4 * first + 0.003
        assert deep < 0.1


async def _best_seconds(store: Store, after: str | None, purpose: str | None) -> float:
    best = 1.0
    for _ in range(7):
        began = time.perf_counter()
        page = await store.files.list("ann", after=after, limit=20, order="desc", purpose=purpose)
        best = min(best, time.perf_counter() - began)
        assert page is not None
    return best


async def _walk(store: Store, order: str, purpose: str | None) -> list[str]:
    ids: list[str] = []
    after = None
    while True:
        page = await store.files.list("ann", after=after, limit=3, order="asc" if order == "asc" else "desc", purpose=purpose)
        assert page is not None
        ids += [row.id for row in page.files]
        if not page.more:
            return ids
        after = ids[-1]
