"""Names of native resources and their owners, in the file that the workers of a machine share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pollux.store.names import SqliteOwnedNames


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[SqliteOwnedNames]:
    """Open a file of names."""
    kept = SqliteOwnedNames(tmp_path / "names.sqlite3")
    yield kept
    kept.close()


async def test_a_name_is_its_last_makers(kept: SqliteOwnedNames) -> None:
    """What is found in an answer stays whose it was; what was made anew is its maker's."""
    await kept.add("alice", ["files/a", "files/b"])
    await kept.add("bob", ["files/a"], made=False)
    await kept.add("bob", ["files/b"])

    assert await kept.owner_of(["files/a", "files/b", "files/c"]) == {"files/a": "alice", "files/b": "bob"}


async def test_forgetting_a_name_forgets_what_lies_below_it(kept: SqliteOwnedNames) -> None:
    """And nothing beside it, nor of others."""
    await kept.add("alice", ["fileSearchStores/a", "fileSearchStores/a/operations/o", "fileSearchStores/ab"])
    await kept.remove("bob", "fileSearchStores/a")
    await kept.remove("alice", "fileSearchStores/a")

    found = await kept.owner_of(["fileSearchStores/a", "fileSearchStores/a/operations/o", "fileSearchStores/ab"])
    assert found == {"fileSearchStores/ab": "alice"}


async def test_an_owner_is_erased(kept: SqliteOwnedNames) -> None:
    """All of theirs, and only theirs."""
    await kept.add("alice", ["files/a"])
    await kept.add("bob", ["files/b"])
    await kept.erase("alice")

    assert await kept.owner_of(["files/a", "files/b"]) == {"files/b": "bob"}


async def test_old_names_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files after a week; caches stay until they are deleted, since they may be renewed for ever."""
    now = 1_000_000_000.0
    monkeypatch.setattr("pollux.store.names.time.time", lambda: now)
    kept = SqliteOwnedNames(tmp_path / "names.sqlite3")
    await kept.add("alice", ["files/a", "cachedContents/a"])
    now += 8 * 86_400
    await kept.add("alice", ["files/b"])
    found = await kept.owner_of(["files/a", "files/b", "cachedContents/a"])
    kept.close()

    assert found.keys() == {"files/b", "cachedContents/a"}


async def test_many_names_are_looked_up_at_once(kept: SqliteOwnedNames) -> None:
    """More than one statement takes."""
    many = [f"files/{number}" for number in range(1200)]
    await kept.add("alice", many)

    assert len(await kept.owner_of(many)) == 1200
