"""Remembered turns: the file of one machine, and the table that replicas share, behind the same words."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pollux.store.shared_turns import SharedTurns
from pollux.store.store import Store, open_store
from pollux.store.turns import SqliteTurnStore
from tests.store.conftest import Hands


@asynccontextmanager
async def _opened(kind: str, folder: Path, url: str) -> AsyncIterator[SqliteTurnStore | SharedTurns]:
    if kind == "file":
        turns = SqliteTurnStore(folder / "turns.sqlite3", days=7, bytes_max=10_000_000)
        yield turns
        turns.close()
        return
    store = await open_store(folder, store_url=url)
    shared = SharedTurns(store.database, store.clock, days=7, bytes_max=10_000_000)
    yield shared
    await shared.flush()
    await store.close()


@pytest.mark.parametrize("kind", ["file", "table"])
async def test_turns_are_kept_for_their_owner(kind: str, tmp_path: Path, store_url: str) -> None:
    """At once where somebody waits, in a moment where nobody does, and seen at once by this process."""
    async with _opened(kind, tmp_path, store_url) as turns:
        await turns.put("ann", {"a": b"1", "b": b"2"})
        turns.put_soon("ann", {"c": b"3", "a": b"new"})
        at_once = await turns.get("ann", ["a", "b", "c", "d"])
        others = await turns.get("bob", ["a", "b", "c"])
    async with _opened(kind, tmp_path, store_url) as turns:
        after = await turns.get("ann", (key for key in "abc"))

    assert at_once == after == {"a": b"new", "b": b"2", "c": b"3"}
    assert others == {}


async def test_replicas_see_each_others_turns(store_url: str, tmp_path: Path) -> None:
    """Two stores on one database."""
    async with _opened("table", tmp_path, store_url) as one, _opened("table", tmp_path, store_url) as other:
        await one.put("ann", {"a": b"1"})

        assert await other.get("ann", ["a"]) == {"a": b"1"}


async def test_many_writers_of_the_same_turns_do_not_lock_each_other_out(store_url: str, tmp_path: Path) -> None:
    """In whatever order they name them."""
    async with _opened("table", tmp_path, store_url) as one, _opened("table", tmp_path, store_url) as other:
        keys = [f"k{number}" for number in range(50)]
        await asyncio.gather(
            *(
                turns.put("ann", dict.fromkeys(order, b"x"))
                for turns, order in ((one, keys), (other, keys[::-1]))
                for _ in range(10)
            )
        )

        assert len(await one.get("ann", keys)) == 50


async def test_old_turns_go_and_the_oldest_when_there_are_too_many(store: Store, hands: Hands) -> None:
    """By days, then by size."""
    turns = SharedTurns(store.database, store.clock, days=7, bytes_max=1500)
    await turns.put("ann", {"old": b"x"})
    hands.pass_by(8 * 86_400)
    await turns.put("ann", {"young": b"x"})
    await turns.sweep()
    by_days = await turns.get("ann", ["old", "young"])
    for number in range(1200):
        hands.pass_by(1)
        turns.put_soon("ann", {f"k{number}": b"xy"})
        if number % 400 == 0:
            await turns.flush()
    await turns.flush()
    await turns.sweep()
    left = await turns.get("ann", ["young", *(f"k{number}" for number in range(1200))])

    assert set(by_days) == {"young"}
    assert "young" not in left
    assert "k1199" in left
    assert 0 < sum(map(len, left.values())) <= 1500


async def test_chat_goes_on_when_the_database_is_away(store: Store) -> None:
    """Nothing is remembered then, and nothing fails."""
    turns = SharedTurns(store.database, store.clock, days=7, bytes_max=1500)

    class Away:
        async def all(self, *_: object) -> list[tuple[object, ...]]:
            from pollux.errors import StoreUnavailable

            raise StoreUnavailable("away")

        def transaction(self, **_: object) -> object:
            from pollux.errors import StoreUnavailable

            raise StoreUnavailable("away")

    turns._database = Away()  # type: ignore[assignment]  # what a database does that is away
    await turns.put("ann", {"a": b"1"})

    assert await turns.get("ann", ["a"]) == {}


async def test_the_turns_of_one_owner_are_erased(tmp_path: Path) -> None:
    """Those on their way too."""
    turns = SqliteTurnStore(tmp_path / "turns.sqlite3", days=7, bytes_max=10_000_000)
    await turns.put("ann", {"a": b"1"})
    await turns.put("bob", {"a": b"2"})
    turns.put_soon("ann", {"b": b"3"})
    erased = await turns.erase("ann")
    left = [await turns.get(owner, ["a", "b"]) for owner in ("ann", "bob")]
    turns.close()

    assert erased == 1
    assert left == [{}, {"a": b"2"}]


async def test_many_turns_are_found_at_once(store: Store) -> None:
    """More than one statement takes, and any number below that."""
    turns = SharedTurns(store.database, store.clock, days=7, bytes_max=1_000_000)
    await turns.put("ann", {f"k{number}": b"x" for number in range(0, 1200, 2)})

    for count in (0, 1, 2, 3, 511, 512, 513, 1200):
        found = await turns.get("ann", [f"k{number}" for number in range(count)])
        assert len(found) == (count + 1) // 2
