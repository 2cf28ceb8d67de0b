"""Videos in the store, on both databases: begun once, noted late, paged, removed, erased with their owner."""

import asyncio

from pollux.store.store import Store
from pollux.store.videos import VideoRow

ALICE, BOB = "alice", "bob"
LONG_AGO_US = 1
SECONDS = 15.0


async def begun(
    store: Store, name: str, *, owner: str = ALICE, fingerprint: str = "one", again: bool = False
) -> tuple[VideoRow, bool]:
    """Begin a video."""
    now_us = await store.videos.now_us()
    return await store.videos.begin(
        owner,
        name,
        fingerprint,
        b"{}",
        arrived_us=now_us,
        again_us=now_us - 60_000_000 if again else None,
        seconds=SECONDS,
    )


async def test_a_repeated_request_finds_its_video(store: Store) -> None:
    """By owner and fingerprint; a request that is not repeated is a video of its own, whatever stands there."""
    first, is_new = await begun(store, "video_1")
    again, is_new_again = await begun(store, "video_2", again=True)
    other, is_other_new = await begun(store, "video_3")
    foreign, is_foreign_new = await begun(store, "video_4", owner=BOB, again=True)
    newest = await store.videos.recent(ALICE, "one", LONG_AGO_US)

    assert (is_new, is_new_again, is_other_new, is_foreign_new) == (True, False, True, True)
    assert again == first
    assert (other.id, foreign.id) == ("video_3", "video_4")
    assert newest == other
    assert first.until_us > first.created_us
    assert await store.videos.recent(ALICE, "two", LONG_AGO_US) is None


async def test_a_first_try_that_is_slower_than_its_repetition(store: Store) -> None:
    """It arrived before the repetition made the video: it is that video, too."""
    arrived_us = await store.videos.now_us()
    repeated, _ = await begun(store, "video_1", again=True)
    slow, is_new = await store.videos.begin(
        ALICE, "video_2", "one", b"{}", arrived_us=arrived_us, again_us=None, seconds=SECONDS
    )

    assert not is_new
    assert slow == repeated


async def test_repetitions_at_once_make_one(store: Store) -> None:
    """One owner's creates pass one after the other."""
    rows = await asyncio.gather(*(begun(store, f"video_{number}", again=True) for number in range(8)))

    assert sum(is_new for _, is_new in rows) == 1
    assert len({row.id for row, _ in rows}) == 1


async def test_what_comes_late_changes_nothing(store: Store) -> None:
    """A state that was made of an older row is not written; the newer one comes back. Waiting is told by the row alone."""
    row, _ = await begun(store, "video_1")
    await store.videos.wait_longer(row, 3600)
    waiting = await store.videos.get(ALICE, "video_1")
    saved = await store.videos.save(row, b'{"a":1}')
    late = await store.videos.save(row, b'{"a":2}')
    assert waiting is not None
    assert saved is not None

    assert waiting.until_us > row.until_us
    assert (saved.state, saved.until_us, saved.epoch) == (b'{"a":1}', 0, 1)
    assert late == saved


async def test_pages_and_removal(store: Store) -> None:
    """Newest or oldest first, behind a video; what is removed, or not there, is None."""
    rows = [(await begun(store, f"video_{number}"))[0] for number in range(3)]
    await begun(store, "video_9", owner=BOB)
    newest = await store.videos.page(ALICE, after=None, limit=2, order="desc")
    rest = await store.videos.page(ALICE, after=newest.videos[-1], limit=2, order="desc")
    oldest = await store.videos.page(ALICE, after=rows[0], limit=5, order="asc")

    assert [row.id for row in newest.videos + rest.videos] == ["video_2", "video_1", "video_0"]
    assert (newest.more, rest.more) == (True, False)
    assert [row.id for row in oldest.videos] == ["video_1", "video_2"]
    assert await store.videos.remove(ALICE, "video_1")
    assert not await store.videos.remove(ALICE, "video_1")
    assert not await store.videos.remove(BOB, "video_0")
    assert await store.videos.get(ALICE, "video_1") is None
    assert await store.videos.save(rows[1], b"{}") is None


async def test_an_owner_is_erased_with_their_videos(store: Store) -> None:
    """The prompts go too."""
    await begun(store, "video_1")
    await begun(store, "video_2", owner=BOB)
    erased = await store.erase(ALICE)

    assert erased["video"] == 1
    assert await store.videos.get(ALICE, "video_1") is None
    assert await store.videos.get(BOB, "video_2") is not None
