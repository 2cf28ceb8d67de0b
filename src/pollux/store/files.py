"""Files: their rows, and the bytes that the rows refer to.

A row is written after its bytes are safe, and removed before them. An id that is not the owner's is an id that is not there,
and so is one whose time has passed.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pollux.store import content
from pollux.store.blobs import Blobs, Incoming, Written
from pollux.store.clock import Clock
from pollux.store.content import Segment
from pollux.store.database import Database, Row, Transaction
from pollux.store.garbage import Garbage

COLUMNS = "id, created_us, filename, purpose, bytes, mime_type, sha256, expires_us"


LINKED = "linked"
"""The purpose of a file that is behind a link and nowhere else: it is in no list."""

UNBOUNDED = 2**62
"""More bytes than anybody has."""

HIDDEN_US = 7 * 86_400_000_000
"""How long a hidden file lasts at most."""


@dataclass(frozen=True, slots=True)
class File:
    """A stored file. Times are microseconds since 1970; `sha256` is None until somebody needs it."""

    id: str
    created_us: int
    filename: str
    purpose: str
    bytes: int
    mime_type: str
    sha256: str | None = None
    expires_us: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Files in order, and whether there are more behind them."""

    files: list[File]
    more: bool


class Files:
    """The files of all owners."""

    def __init__(self, database: Database, blobs: Blobs, garbage: Garbage, clock: Clock) -> None:
        self._database = database
        self._blobs = blobs
        self._garbage = garbage
        self._clock = clock

    def incoming(self) -> Incoming:
        """Begin the bytes of a file. A context; left before `add`, it leaves nothing."""
        return Incoming(self._blobs)

    async def add(self, owner: str, file: File, written: Written, *, owner_bytes_max: int) -> bool:
        """Add a file with its bytes. False, and the bytes gone, when the owner would have more than `owner_bytes_max`."""
        async with self._database.transaction() as transaction:
            if await content.take_space(transaction, owner, file.bytes, owner_bytes_max):
                await insert(transaction, owner, file, [Segment(written.blob, written.bytes)])
                return True
        await self._blobs.remove(written.blob)
        return False

    async def add_in(self, transaction: Transaction, owner: str, file: File, written: Written) -> None:
        """Add a file that the server itself has made, in a transaction. It counts as the owner's, and is never too much."""
        await content.take_space(transaction, owner, file.bytes, UNBOUNDED)
        await insert(transaction, owner, file, [Segment(written.blob, written.bytes)])

    async def get(self, owner: str, file_id: str, *, ended: bool = False) -> File | None:
        """Give a file, or None; with `ended` also one whose time has passed and which is not swept yet."""
        row = await self._database.one(
            f"SELECT {COLUMNS} FROM file WHERE owner = $1 AND id = $2 AND (expires_us IS NULL OR expires_us > $3)",  # noqa: S608 - fixed columns
            owner,
            file_id,
            0 if ended else self._clock.now_us(),
        )
        return _file(row) if row else None

    async def list(
        self, owner: str, *, after: str | None, limit: int, order: Literal["asc", "desc"], purpose: str | None
    ) -> Page | None:
        """Give up to `limit` files behind the file `after`, by age; None when there is no such file and was none lately."""
        values: list[object] = [owner, self._clock.now_us(), limit + 1, LINKED]
        where = "owner = $1 AND (expires_us IS NULL OR expires_us > $2) AND purpose NOT IN ($4, '')"
        if purpose is not None:
            values.append(purpose)
            where += f" AND purpose = ${len(values)}"
        if after is not None:
            place = await self._place(owner, after)
            if place is None:
                return None
            values += [place, after]
            where += f" AND (created_us, id) {'>' if order == 'asc' else '<'} (${len(values) - 1}, ${len(values)})"
        direction = "ASC" if order == "asc" else "DESC"
        rows = await self._database.all(
            f"SELECT {COLUMNS} FROM file WHERE {where} ORDER BY created_us {direction}, id {direction} LIMIT $3",  # noqa: S608 - all values are marks
            *values,
        )
        return Page([_file(row) for row in rows[:limit]], len(rows) > limit)

    async def remove(self, owner: str, file_id: str) -> bool:
        """Remove a file and its bytes; False when there is none. The bytes are gone on return, or at the next sweep."""
        now_us = self._clock.now_us()
        async with self._database.transaction() as transaction:
            row = await transaction.one(
                "SELECT created_us FROM file WHERE owner = $1 AND id = $2 AND (expires_us IS NULL OR expires_us > $3)",
                owner,
                file_id,
                now_us,
            )
            if row is None or not await delete(transaction, owner, file_id, row[0], now_us):
                return False
            blobs = await content.give_up_file(transaction, owner, file_id, now_us)
        await self._garbage.collect(blobs)
        return True

    async def hide(self, owner: str, file_id: str, hidden_id: str) -> bool:
        """Take a file out of its owner's sight, under another id and without a purpose, until it is removed; false without one.

        Should that be forgotten, its time ends it.
        """
        now_us = self._clock.now_us()
        async with self._database.transaction() as transaction:
            row = await transaction.one(
                f"SELECT {COLUMNS} FROM file WHERE owner = $1 AND id = $2 AND (expires_us IS NULL OR expires_us > $3)",  # noqa: S608 - fixed columns
                owner,
                file_id,
                now_us,
            )
            if row is None or not await delete(transaction, owner, file_id, row[1], now_us):
                return False
            hidden = replace(_file(row), id=hidden_id, purpose="", expires_us=now_us + HIDDEN_US)
            await transaction.run(
                "UPDATE segment SET file_id = $3 WHERE owner = $1 AND file_id = $2", owner, file_id, hidden_id
            )
            await insert(transaction, owner, hidden, [])
        return True

    async def extend(self, owner: str, file_id: str, until_us: int) -> None:
        """Let a file last at least until then."""
        async with self._database.transaction() as transaction:
            await transaction.run(
                "UPDATE file SET expires_us = $3 WHERE owner = $1 AND id = $2 AND expires_us < $3", owner, file_id, until_us
            )

    async def segments(self, owner: str, file_id: str) -> Sequence[Segment]:
        """Give where the bytes of a file are, in order."""
        rows = await self._database.all(
            "SELECT blob, bytes FROM segment WHERE owner = $1 AND file_id = $2 ORDER BY position", owner, file_id
        )
        return [Segment(*row) for row in rows]

    def read(self, segments: Sequence[Segment], start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Give bytes [start, stop) of a file. Raises BytesMissing or StoreUnavailable."""
        return content.read(self._blobs, segments, start, stop)

    async def sha256(self, owner: str, file: File) -> str:
        """Give the SHA-256 of a file's bytes, in hexadecimal digits; computed once. Raises BytesMissing."""
        if file.sha256 is not None:
            return file.sha256
        _, sha256 = await content.digests(self._blobs, await self.segments(owner, file.id))
        async with self._database.transaction() as transaction:
            await transaction.run("UPDATE file SET sha256 = $3 WHERE owner = $1 AND id = $2", owner, file.id, sha256)
        return sha256

    async def space(self, owner: str) -> int:
        """Give how many bytes an owner's files and parts add up to."""
        row = await self._database.one("SELECT bytes FROM space WHERE owner = $1", owner)
        return int(row[0]) if row else 0

    async def _place(self, owner: str, file_id: str) -> int | None:
        for table in ("file", "gone_file"):
            row = await self._database.one(f"SELECT created_us FROM {table} WHERE owner = $1 AND id = $2", owner, file_id)  # noqa: S608 - fixed tables
            if row is not None:
                return int(row[0])
        return None


async def insert(transaction: Transaction, owner: str, file: File, segments: Sequence[Segment]) -> None:
    """Write the rows of a file."""
    await transaction.run(
        f"INSERT INTO file (owner, {COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",  # noqa: S608 - fixed columns
        owner,
        file.id,
        file.created_us,
        file.filename,
        file.purpose,
        file.bytes,
        file.mime_type,
        file.sha256,
        file.expires_us,
    )
    await transaction.many(
        "INSERT INTO segment (owner, file_id, position, blob, bytes) VALUES ($1, $2, $3, $4, $5)",
        [(owner, file.id, position, segment.blob, segment.bytes) for position, segment in enumerate(segments)],
    )


async def delete(transaction: Transaction, owner: str, file_id: str, created_us: int, now_us: int) -> bool:
    """Delete the row of a file and remember its place; False when another was faster."""
    if not await transaction.run("DELETE FROM file WHERE owner = $1 AND id = $2", owner, file_id):
        return False
    await transaction.run(
        "INSERT INTO gone_file (owner, id, created_us, gone_us) VALUES ($1, $2, $3, $4) ON CONFLICT (owner, id) DO NOTHING",
        owner,
        file_id,
        created_us,
        now_us,
    )
    return True


def _file(row: Row) -> File:
    return File(*row)
