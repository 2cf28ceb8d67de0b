"""Where turns of the model are kept, so that thought signatures survive clients that drop them.

A store keeps bytes under (owner, key), for some days and up to some size; the oldest go first. What a turn is and what a
key means is known in `translate.memory`. One owner never sees another's.

The default is one SQLite file that all worker processes of a machine share. A write returns when the operating system has
it, so it survives the death of the process. Reads take no lock. Writes go through one thread, since another worker's write
can make them wait; those that nobody waits for are gathered.
"""

import asyncio
import logging
import sqlite3
import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

log = logging.getLogger("pollux.store")

GATHER_SECONDS = 0.1
"""How long turns that nobody waits for are gathered before they are written together."""

BUSY_SECONDS = 5.0
"""How long a write waits for another process's write."""

SWEEP_EVERY_SECONDS = 60.0
KEYS_AT_ONCE = 500
"""Keys of one SQL statement; SQLite takes some thousands."""


class TurnStore(Protocol):
    """Keeps turns."""

    async def get(self, owner: str, keys: Iterable[str]) -> dict[str, bytes]:
        """Give what is kept of an owner under these keys."""

    async def put(self, owner: str, turns: Mapping[str, bytes]) -> None:
        """Keep turns; returns when they are kept."""

    def put_soon(self, owner: str, turns: Mapping[str, bytes]) -> None:
        """Keep turns within a moment; this process sees them at once."""

    def close(self) -> None:
        """Write what is gathered, and close."""


class SqliteTurnStore:
    """Keeps turns in an SQLite file; `days` and `bytes_max` bound it."""

    def __init__(self, file: Path | None, *, days: float, bytes_max: int) -> None:
        """Open the file, or make it; None keeps the turns in memory. Raises OSError or sqlite3.Error."""
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(mode=0o600)
        self._path = str(file) if file is not None else f"file:turns-{id(self)}?mode=memory&cache=shared"
        self._days = days
        self._bytes_max = bytes_max
        self._write = self._connect()
        self._write.executescript(
            "PRAGMA auto_vacuum = INCREMENTAL;"
            + ("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" if file is not None else "")
            + "CREATE TABLE IF NOT EXISTS turn"
            " (owner TEXT, key TEXT, kept_at REAL, turn BLOB, PRIMARY KEY (owner, key));"
            "CREATE INDEX IF NOT EXISTS turn_by_age ON turn (kept_at);"
        )
        self._read = self._connect()
        if file is None:
            self._read.execute("PRAGMA read_uncommitted = 1")  # else a read and a write at the same time are both refused
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="turns")
        self._gathered: dict[tuple[str, str], bytes] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[tuple[list[tuple[str, str, bytes]], asyncio.Future[None]]] = deque()
        self._is_called = False
        self._swept = 0.0

    async def get(self, owner: str, keys: Iterable[str]) -> dict[str, bytes]:
        """Give what is kept of an owner under these keys; where the file cannot be read, what is gathered."""
        wanted = list(dict.fromkeys(keys))
        # Before the file: what is written meanwhile is no longer gathered, and not in a read that has begun.
        gathered = {key: turn for key in wanted if (turn := self._gathered.get((owner, key))) is not None}
        found: dict[str, bytes] = {}
        for at in range(0, len(wanted), KEYS_AT_ONCE):
            some = wanted[at : at + KEYS_AT_ONCE]
            marks = ",".join("?" * len(some))
            try:
                found.update(
                    self._read.execute(f"SELECT key, turn FROM turn WHERE owner = ? AND key IN ({marks})", (owner, *some))  # noqa: S608 - only marks
                )
            except sqlite3.Error as error:
                log.warning("Thought signatures could not be read: %s. Clients that drop them lose quality.", error)
                break
        return found | gathered

    async def put(self, owner: str, turns: Mapping[str, bytes]) -> None:
        """Keep turns; returns when they are kept. Those that are asked for meanwhile are written together."""
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[None] = loop.create_future()
        self._waiting.append(([(owner, key, turn) for key, turn in turns.items()], kept))
        if not self._is_called:
            self._is_called = True
            self._thread.submit(self._keep_waiting, loop)
        await kept

    def put_soon(self, owner: str, turns: Mapping[str, bytes]) -> None:
        """Keep turns within a moment; this process sees them at once."""
        for key, turn in turns.items():
            self._gathered[owner, key] = turn
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._flush_soon)

    async def erase(self, owner: str) -> int:
        """Remove all turns of an owner; give how many."""
        for row in [row for row in self._gathered if row[0] == owner]:
            del self._gathered[row]
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._erase, owner)

    def close(self) -> None:
        """Write what is gathered, and close."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._thread.submit(self._keep_gathered).result()
        self._thread.shutdown()
        self._read.close()
        self._write.close()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            self._path,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            uri=self._path.startswith("file:"),
        )

    def _flush_soon(self) -> None:
        self._timer = None
        self._thread.submit(self._keep_gathered)

    def _keep_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_called = False  # before the queue is emptied: what comes after this moment calls again
        rows: list[tuple[str, str, bytes]] = []
        waiting: list[asyncio.Future[None]] = []
        while self._waiting:
            more, kept = self._waiting.popleft()
            rows += more
            waiting.append(kept)
        if waiting:
            self._keep(rows)
            loop.call_soon_threadsafe(_settle, waiting)

    def _keep_gathered(self) -> None:
        gathered = dict(self._gathered)
        self._keep([(owner, key, turn) for (owner, key), turn in gathered.items()])
        for row, turn in gathered.items():
            if self._gathered.get(row) is turn:
                del self._gathered[row]

    def _keep(self, rows: list[tuple[str, str, bytes]]) -> None:
        now = time.time()
        try:
            self._write.execute("BEGIN IMMEDIATE")
            self._write.executemany(
                "INSERT OR REPLACE INTO turn (owner, key, kept_at, turn) VALUES (?, ?, ?, ?)",
                [(owner, key, now, turn) for owner, key, turn in rows],
            )
            if now - self._swept > SWEEP_EVERY_SECONDS:
                self._swept = now
                self._sweep(now)
            self._write.execute("COMMIT")
        except sqlite3.Error as error:
            if self._write.in_transaction:
                self._write.execute("ROLLBACK")
            log.warning("Thought signatures could not be kept: %s. Clients that drop them lose quality.", error)

    def _erase(self, owner: str) -> int:
        return self._write.execute("DELETE FROM turn WHERE owner = ?", (owner,)).rowcount

    def _sweep(self, now: float) -> None:
        """Remove what is too old, and the oldest while there is too much."""
        write = self._write
        write.execute("DELETE FROM turn WHERE kept_at < ?", (now - self._days * 86_400,))
        page_bytes = write.execute("PRAGMA page_size").fetchone()[0]
        while True:
            pages = write.execute("PRAGMA page_count").fetchone()[0] - write.execute("PRAGMA freelist_count").fetchone()[0]
            turns = write.execute("SELECT count(*) FROM turn").fetchone()[0]
            excess = 1 - self._bytes_max / (pages * page_bytes)
            if excess <= 0 or turns == 0:
                return
            write.execute(
                "DELETE FROM turn WHERE rowid IN (SELECT rowid FROM turn ORDER BY rowid LIMIT ?)",  # as they came: whole pages
                (max(1, int(turns * excess)),),
            )


def _settle(waiting: list[asyncio.Future[None]]) -> None:
    for kept in waiting:
        if not kept.done():
            kept.set_result(None)
