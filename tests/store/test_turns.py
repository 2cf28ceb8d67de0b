"""The store of turns: bounded, shared by processes, and not lost when one of them is killed."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pollux.server.memory import open_memory
from pollux.server.storing import Storing
from pollux.settings import Settings
from pollux.store.turns import SqliteTurnStore

DAYS, BYTES_MAX = 7.0, 10_000_000

KEEPING_UNTIL_KILLED = """
import asyncio, sys
from pathlib import Path
from pollux.store.turns import SqliteTurnStore

async def main():
    store = SqliteTurnStore(Path(sys.argv[1]), days=7, bytes_max=100_000_000)
    number = 0
    while True:
        await store.put("owner", {f"{sys.argv[2]}-{number}": b"a turn" * 100})
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the place of a file in a folder that is not there yet."""
    return tmp_path / "data" / "turns.sqlite3"


@pytest_asyncio.fixture
async def store(file: Path) -> AsyncIterator[SqliteTurnStore]:
    """Open a store for a test."""
    opened = SqliteTurnStore(file, days=DAYS, bytes_max=BYTES_MAX)
    yield opened
    opened.close()


async def test_what_is_kept_is_there_after_opening_again(file: Path) -> None:
    """A turn is found by its owner and key, also by another process's store, and the latest of a key counts."""
    store = SqliteTurnStore(file, days=DAYS, bytes_max=BYTES_MAX)
    await store.put("owner", {"a": b"1", "b": b"2"})
    await store.put("owner", {"b": b"3"})
    store.close()
    again = SqliteTurnStore(file, days=DAYS, bytes_max=BYTES_MAX)
    found = await again.get("owner", ["a", "b", "c", "a"])
    again.close()

    assert found == {"a": b"1", "b": b"3"}


async def test_owners_do_not_see_one_another(store: SqliteTurnStore) -> None:
    """The same key of another owner is another turn, and an owner without turns finds none, gathered ones neither."""
    await store.put("one", {"a": b"1"})
    await store.put("two", {"a": b"2"})
    store.put_soon("one", {"b": b"3"})

    assert await store.get("one", ["a", "b"]) == {"a": b"1", "b": b"3"}
    assert await store.get("two", ["a", "b"]) == {"a": b"2"}
    assert await store.get("", ["a", "b"]) == await store.get("three", ["a", "b"]) == {}


async def test_what_nobody_waits_for_is_there_at_once_and_soon_for_all(store: SqliteTurnStore, file: Path) -> None:
    """A gathered turn is seen by its own process at once, and by another within a moment."""
    store.put_soon("owner", {"a": b"1"})
    other = SqliteTurnStore(file, days=DAYS, bytes_max=BYTES_MAX)
    at_once = await store.get("owner", ["a"]), await other.get("owner", ["a"])
    async with asyncio.timeout(5):
        while not await other.get("owner", ["a"]):
            await asyncio.sleep(0.01)
    other.close()

    assert at_once == ({"a": b"1"}, {})


async def test_closing_writes_what_is_gathered(file: Path) -> None:
    """What was to be written in a moment is written when the store is closed."""
    store = SqliteTurnStore(file, days=DAYS, bytes_max=BYTES_MAX)
    store.put_soon("owner", {"a": b"1"})
    store.close()
    again = SqliteTurnStore(file, days=DAYS, bytes_max=BYTES_MAX)
    found = await again.get("owner", ["a"])
    again.close()

    assert found == {"a": b"1"}


async def test_many_keys_are_looked_up(store: SqliteTurnStore) -> None:
    """More keys than one statement takes are found all the same."""
    turns = {f"key-{i}": b"%d" % i for i in range(2000)}
    await store.put("owner", turns)

    assert await store.get("owner", turns) == turns


async def test_old_turns_go(file: Path) -> None:
    """A turn that is older than the days is gone with the next sweep; a younger one stays."""
    store = SqliteTurnStore(file, days=DAYS, bytes_max=BYTES_MAX)
    await store.put("owner", {"old": b"1", "young": b"2"})
    store.close()
    aged = sqlite3.connect(file)
    aged.execute("UPDATE turn SET kept_at = kept_at - ? WHERE key = 'old'", (DAYS * 86_400 + 1,))
    aged.execute("UPDATE turn SET kept_at = kept_at - ? WHERE key = 'young'", (DAYS * 86_400 - 60,))
    aged.commit()
    aged.close()
    store = SqliteTurnStore(file, days=DAYS, bytes_max=BYTES_MAX)
    await store.put("owner", {"new": b"3"})
    found = await store.get("owner", ["old", "young", "new"])
    store.close()

    assert found == {"young": b"2", "new": b"3"}


@pytest.mark.parametrize(("turn_bytes", "turns"), [(1000, 3000), (200_000, 15)], ids=["small", "large"])
async def test_the_oldest_turns_go_when_there_are_too_many(file: Path, turn_bytes: int, turns: int) -> None:
    """Above the bytes the oldest turns go, and only as many as must; the youngest stay."""
    bytes_max = 1_000_000
    for third in range(3):
        store = SqliteTurnStore(file, days=DAYS, bytes_max=bytes_max)  # it sweeps with its first write
        for number in range(turns * third // 3, turns * (third + 1) // 3):
            await store.put("owner", {f"{number}": bytes(turn_bytes)})
        store.close()
    store = SqliteTurnStore(file, days=DAYS, bytes_max=bytes_max)
    await store.put("owner", {"last": bytes(turn_bytes)})
    found = await store.get("owner", [*map(str, range(turns)), "last"])
    store.close()
    kept = [key for key in [*map(str, range(turns)), "last"] if key in found]

    assert kept == [*map(str, range(turns)), "last"][-len(kept) :]
    assert bytes_max * 0.5 < sum(map(len, found.values())) <= bytes_max
    assert file.stat().st_size < bytes_max * 4


async def test_processes_share_the_file_and_a_kill_loses_nothing_that_was_acknowledged(file: Path) -> None:
    """Two processes write at the same time; both are killed, and every turn that they said was kept is there."""
    file.parent.mkdir()
    names = ["one", "two"]
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", KEEPING_UNTIL_KILLED, str(file), name), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for name in names
    ]
    acknowledged: list[int] = []
    for process in processes:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            while int(await process.stdout.readline()) < 50:
                pass
    for process in processes:
        process.send_signal(signal.SIGKILL)
        rest, errors = await process.communicate()
        acknowledged.append(int((rest.decode().split("\n")[:-1] or ["50"])[-1]))
        assert errors == b""
    store = SqliteTurnStore(file, days=DAYS, bytes_max=100_000_000)
    keys = [f"{name}-{number}" for name, last in zip(names, acknowledged, strict=True) for number in range(last + 1)]
    found = await store.get("owner", keys)
    store.close()

    assert sorted(found) == sorted(keys)
    assert set(found.values()) == {b"a turn" * 100}


async def test_in_memory_reads_and_writes_do_not_meet() -> None:
    """A store without a file keeps all that is written while it is read, and reads never fail."""
    store = SqliteTurnStore(None, days=DAYS, bytes_max=100_000_000)
    keys = [f"{i}-{j}" for i in range(50) for j in range(10)]
    writing = asyncio.gather(*(store.put("owner", {f"{i}-{j}": bytes(20_000) for j in range(10)}) for i in range(50)))
    while not writing.done():
        await store.get("owner", keys[:1])
        await asyncio.sleep(0)
    found = await store.get("owner", keys)
    store.close()

    assert sorted(found) == sorted(keys)


async def test_a_read_that_fails_is_a_warning(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A table that is gone costs the memory, not the request; what is gathered is still there."""
    store = SqliteTurnStore(file, days=DAYS, bytes_max=BYTES_MAX)
    broken = sqlite3.connect(file)
    broken.execute("DROP TABLE turn")
    broken.close()
    store.put_soon("owner", {"a": b"1"})
    found = await store.get("owner", ["a", "b"])
    await store.put("owner", {"b": b"2"})
    store.close()

    assert found == {"a": b"1"}
    assert "could not be read" in caplog.text
    assert "could not be kept" in caplog.text


@pytest.mark.parametrize("trouble", ["corrupted", "no_folder", "a_folder"])
async def test_a_file_that_cannot_be_used_is_replaced_by_memory(
    trouble: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The server starts with a warning and remembers in its process alone; the file is left as it is."""
    folder = tmp_path / "data"
    if trouble == "no_folder":
        folder.write_text("a file")
    elif trouble == "a_folder":
        (folder / "turns.sqlite3").mkdir(parents=True)
    else:
        folder.mkdir()
        (folder / "turns.sqlite3").write_bytes(b"This is no database, whoever wrote it." * 100)
    settings = Settings(data_dir=str(folder))
    memory = open_memory(settings, Storing(settings))
    await memory.keep("owner", {"a": b"1"})
    memory.close()

    assert "kept in memory only" in caplog.text
    if trouble == "corrupted":
        assert (folder / "turns.sqlite3").read_bytes() == b"This is no database, whoever wrote it." * 100


async def test_the_file_is_the_owner_s_alone(store: SqliteTurnStore, file: Path) -> None:
    """Nobody else on the machine may read the turns."""
    await store.put("owner", {"a": b"1"})

    assert file.stat().st_mode & 0o077 == 0
    assert file.parent.stat().st_mode & 0o077 == 0
    assert [one.name for one in file.parent.iterdir() if one.stat().st_mode & 0o077] == []
