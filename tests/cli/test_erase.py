"""`pollux erase`."""

import asyncio
from pathlib import Path

import pytest

from pollux.cli.main import main
from pollux.store.names import SqliteOwnedNames
from pollux.store.store import Store, open_store
from pollux.store.turns import SqliteTurnStore
from tests.store.keeping import content, keep

OWNER = "93cfa4b5" + "0" * 24
OTHER = "93cfa4b5" + "1" * 24


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder in which two owners have a file, turns and names."""
    monkeypatch.setenv("POLLUX_DATA_DIR", str(tmp_path))

    async def fill() -> None:
        store = await open_store(tmp_path)
        turns = SqliteTurnStore(tmp_path / "turns.sqlite3", days=7, bytes_max=1_000_000)
        names = SqliteOwnedNames(tmp_path / "names.sqlite3")
        for owner in (OWNER, OTHER, "alice"):
            await keep(store, owner, owner.encode())
            await turns.put(owner, {"key": b"turn"})
            await names.add(owner, [f"files/{owner}"])
        turns.close()
        names.close()
        await store.close()

    asyncio.run(fill())
    return tmp_path


def left(folder: Path) -> dict[str, list[object]]:
    """Give what is left, by owner: contents, turns, names."""

    async def look() -> dict[str, list[object]]:
        store: Store = await open_store(folder)
        turns = SqliteTurnStore(folder / "turns.sqlite3", days=7, bytes_max=1_000_000)
        names = SqliteOwnedNames(folder / "names.sqlite3")
        found: dict[str, list[object]] = {}
        for owner in (OWNER, OTHER, "alice"):
            page = await store.files.list(owner, after=None, limit=10, order="asc", purpose=None)
            assert page is not None
            found[owner] = [*[await content(store, owner, file.id) for file in page.files]]
            found[owner] += (await turns.get(owner, ["key"])).values()
            found[owner] += await names.owner_of([f"files/{owner}"])
        turns.close()
        names.close()
        await store.close()
        return found

    return asyncio.run(look())


@pytest.mark.parametrize("arguments", [[OWNER], [OWNER[:9]]])
def test_one_owner_is_erased_by_id_or_its_beginning(
    folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Files, turns and names, rows and bytes; nothing of another."""
    code = main(["erase", *arguments])
    said = capsys.readouterr().out
    found = left(folder)

    assert code == 0
    assert said == f"Erased of {OWNER}: 1 files, 1 remembered turns.\n"
    assert found[OWNER] == []
    assert [len(found[owner]) for owner in (OTHER, "alice")] == [3, 3]
    assert len(list((folder / "bytes").glob("??/*"))) == 2


def test_the_owner_of_a_pollux_key_is_its_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Erasing again finds nothing, and is no error."""
    codes = [main(["erase", "--key-name", "alice"]) for _ in range(2)]
    said = capsys.readouterr().out

    assert codes == [0, 0]
    assert "there was nothing" in said.splitlines()[1]
    assert left(folder)["alice"] == []


def test_a_beginning_of_several_owners_erases_nobody(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are named."""
    code = main(["erase", "93cfa4b5"])
    said = capsys.readouterr().err

    assert code == 2
    assert OWNER in said
    assert OTHER in said
    assert all(len(things) == 3 for things in left(folder).values())


def test_somebody_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    """And only once."""
    with pytest.raises(SystemExit) as nobody:
        main(["erase"])
    with pytest.raises(SystemExit) as both:
        main(["erase", OWNER, "--key-name", "alice"])

    assert nobody.value.code == both.value.code == 2
    assert "OWNER" in capsys.readouterr().err


def test_a_store_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its address."""
    monkeypatch.setenv("POLLUX_STORE_URL", "postgresql://user:secret-password@127.0.0.1:1/none")
    code = main(["erase", "--key-name", "alice"])
    said = capsys.readouterr().err

    assert code == 1
    assert "cannot be used now" in said
    assert "secret-password" not in said
