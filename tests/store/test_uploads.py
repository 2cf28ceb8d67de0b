"""Uploads in the store, on both databases."""

import asyncio
import hashlib
from pathlib import Path

from pollux.store.store import Store
from tests.store.conftest import Hands
from tests.store.keeping import add_part, begin_upload, content, file


async def test_parts_are_put_together_in_the_order_that_is_named(store: Store, tmp_path: Path) -> None:
    """Without a copy; a part that is not named is given up, and its space."""
    upload = await begin_upload(store, "ann", size=6)
    ids = [await add_part(store, "ann", upload.id, data) for data in (b"def", b"abc", b"unused")]
    parts = await store.uploads.parts("ann", upload.id)
    named = [parts[part_id] for part_id in (ids[1], ids[0]) if part_id]
    row = file(store, size=6)
    md5, _ = await store.uploads.digests(named)
    completed = await store.uploads.complete("ann", upload.id, row, named)
    after = await store.uploads.get("ann", upload.id)

    assert md5 == hashlib.md5(b"abcdef").hexdigest()
    assert completed
    assert await content(store, "ann", row.id) == b"abcdef"
    assert after is not None
    assert (after.status, after.file_id, after.part_ids) == ("completed", row.id, (ids[1], ids[0]))
    assert await store.files.space("ann") == 6
    assert await store.uploads.parts("ann", upload.id) == {}
    assert len(_blobs(tmp_path)) == 2


async def test_of_a_completion_and_a_cancellation_at_once_one_happens(store: Store, tmp_path: Path) -> None:
    """The file is there with all its bytes, or nothing is."""
    for _ in range(10):
        upload = await begin_upload(store, "ann", size=3)
        await add_part(store, "ann", upload.id, b"abc")
        parts = list((await store.uploads.parts("ann", upload.id)).values())
        row = file(store, size=3)
        completed, cancelled = await asyncio.gather(
            store.uploads.complete("ann", upload.id, row, parts), store.uploads.cancel("ann", upload.id)
        )

        assert completed != cancelled
        assert (await store.files.get("ann", row.id) is not None) == completed
        if completed:
            assert await content(store, "ann", row.id) == b"abc"
            await store.files.remove("ann", row.id)
    assert await store.files.space("ann") == 0
    assert _blobs(tmp_path) == []


async def test_a_part_for_an_upload_that_has_ended_leaves_nothing(store: Store, hands: Hands, tmp_path: Path) -> None:
    """Cancelled, past its time, somebody else's, unknown, full."""
    cancelled = await begin_upload(store, "ann", size=3)
    await store.uploads.cancel("ann", cancelled.id)
    past = await begin_upload(store, "ann", size=3, seconds=10)
    hands.pass_by(11)
    theirs = await begin_upload(store, "bob", size=3)
    small = await begin_upload(store, "ann", size=3)

    assert await add_part(store, "ann", cancelled.id, b"abc") is None
    assert await add_part(store, "ann", past.id, b"abc") is None
    assert await add_part(store, "ann", theirs.id, b"abc") is None
    assert await add_part(store, "ann", "upload_" + "0" * 24, b"abc") is None
    assert await add_part(store, "ann", small.id, b"abc", received_max=2) is None
    assert _blobs(tmp_path) == []
    assert await store.files.space("ann") == 0


async def test_an_upload_past_its_time_is_expired_and_its_parts_go_with_the_sweep(
    store: Store, hands: Hands, tmp_path: Path
) -> None:
    """Its row stays for a while, so that its caller is told so."""
    upload = await begin_upload(store, "ann", size=3)
    await add_part(store, "ann", upload.id, b"abc")
    hands.pass_by(3600)
    seen = await store.uploads.get("ann", upload.id)
    swept = await store.sweeper.sweep()
    after = await store.uploads.get("ann", upload.id)

    assert seen is not None
    assert seen.status == "expired"
    assert swept.uploads == 1
    assert after is not None
    assert after.status == "expired"
    assert _blobs(tmp_path) == []
    assert await store.files.space("ann") == 0


def _blobs(folder: Path) -> list[Path]:
    return [path for path in (folder / "bytes").rglob("*") if path.is_file() and path.name != "mark"]
