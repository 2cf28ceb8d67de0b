"""Whose a native resource is: names of files, caches, batches and the like, and their owners.

With the server's key all callers share one Google project, and Google tells them all of everything in it. What a caller made
is noted here, and only that is shown to them. A name is noted before its maker is told of it.

One SQLite file that all worker processes of a machine share, as the turns' file. Reads take no lock and are small; writes go
through one thread.
"""

import asyncio
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

BUSY_SECONDS = 5.0
"""How long a write waits for another process's write."""

NAMES_AT_ONCE = 500
"""Names of one SQL statement; SQLite takes some thousands."""

SWEEP_EVERY_SECONDS = 3600.0

KEPT_DAYS: Mapping[str, float] = {"files": 7, "batches": 90, "interactions": 90, "operations": 90, "models": 90}
"""How long names are kept, per collection; others until they are deleted. The service keeps files for 2 days."""


class OwnedNames(Protocol):
    """Knows who made what."""

    async def add(self, owner: str, names: Iterable[str], *, made: bool = True) -> None:
        """Note names; returns when they are kept. `made` takes a name over, since the service has just given it anew.

        Not `made`, a name that has an owner stays theirs. Raises OSError when they cannot be kept.
        """

    async def remove(self, owner: str, name: str) -> None:
        """Forget a name that its owner has deleted, and all below it."""

    async def erase(self, owner: str) -> None:
        """Forget all names of an owner."""

    async def owner_of(self, names: Iterable[str]) -> dict[str, str]:
        """Give the owners of those names that have one."""

    def close(self) -> None:
        """Close."""


class SqliteOwnedNames:
    """Keeps names in an SQLite file."""

    def __init__(self, file: Path | None) -> None:
        """Open the file, or make it; None keeps the names in memory. Raises OSError or sqlite3.Error."""
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(mode=0o600)
        self._path = str(file) if file is not None else f"file:names-{id(self)}?mode=memory&cache=shared"
        self._write = self._connect()
        self._write.executescript(
            ("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" if file is not None else "")
            + "CREATE TABLE IF NOT EXISTS name (name TEXT PRIMARY KEY, owner TEXT, noted_at REAL) WITHOUT ROWID;"
            "CREATE INDEX IF NOT EXISTS name_by_age ON name (noted_at);"
        )
        self._read = self._connect()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="names")
        self._swept = 0.0

    async def add(self, owner: str, names: Iterable[str], *, made: bool = True) -> None:
        """Note names; returns when they are kept."""
        now = time.time()
        rows = [(name, owner, now) for name in names]
        how = "REPLACE" if made else "IGNORE"
        await self._run(f"INSERT OR {how} INTO name (name, owner, noted_at) VALUES (?, ?, ?)", rows)  # noqa: S608 - of two words

    async def remove(self, owner: str, name: str) -> None:
        """Forget a name that its owner has deleted, and all below it."""
        below = (owner, name, f"{name}/", f"{name}0")  # "0" follows "/"
        await self._run("DELETE FROM name WHERE owner = ? AND (name = ? OR (name > ? AND name < ?))", [below])

    async def erase(self, owner: str) -> None:
        """Forget all names of an owner."""
        await self._run("DELETE FROM name WHERE owner = ?", [(owner,)])

    async def owner_of(self, names: Iterable[str]) -> dict[str, str]:
        """Give the owners of those names that have one."""
        wanted = list(dict.fromkeys(names))
        found: dict[str, str] = {}
        for at in range(0, len(wanted), NAMES_AT_ONCE):
            some = wanted[at : at + NAMES_AT_ONCE]
            marks = ",".join("?" * len(some))
            found.update(self._read.execute(f"SELECT name, owner FROM name WHERE name IN ({marks})", some))  # noqa: S608 - only marks
        return found

    def close(self) -> None:
        """Close."""
        self._thread.shutdown()
        self._read.close()
        self._write.close()

    async def _run(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._execute, statement, rows)

    def _execute(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        now = time.time()
        try:
            self._write.execute("BEGIN IMMEDIATE")
            self._write.executemany(statement, rows)
            if now - self._swept > SWEEP_EVERY_SECONDS:
                self._swept = now
                for collection, days in KEPT_DAYS.items():
                    self._write.execute(
                        "DELETE FROM name WHERE noted_at < ? AND name > ? AND name < ?",
                        (now - days * 86_400, f"{collection}/", f"{collection}0"),
                    )
            self._write.execute("COMMIT")
        except sqlite3.Error as error:
            if self._write.in_transaction:
                self._write.execute("ROLLBACK")
            raise OSError(f"Names could not be kept: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            uri=self._path.startswith("file:"),
        )
