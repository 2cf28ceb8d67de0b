"""Videos: what each owner asked for, and how it stands. What is written is JSON of the server's; the store does not read it.

A film is paid for, so its row is there before the service is asked. As long as `until_us` is ahead, a living process waits for
the service's word. Writes name the `epoch` that they read; one that comes late changes nothing.
"""

from dataclasses import dataclass
from typing import Literal

from pollux.store.database import Database, Row

COLUMNS = "owner, id, created_us, fingerprint, retried, state, until_us, epoch"


@dataclass(frozen=True, slots=True)
class VideoRow:
    """A video as it is kept. Times are microseconds since 1970 by the database's clock."""

    owner: str
    id: str
    created_us: int
    fingerprint: str
    retried: int
    state: bytes
    until_us: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Page:
    """Videos in their order, and whether there are more behind them."""

    videos: list[VideoRow]
    more: bool


class Videos:
    """The videos of all owners."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now_us(self) -> int:
        """Give the database's time."""
        row = await self._database.one(f"SELECT {self._database.now_us}")
        assert row is not None
        return int(row[0])

    async def begin(
        self,
        owner: str,
        video_id: str,
        fingerprint: str,
        state: bytes,
        *,
        arrived_us: int,
        again_us: int | None,
        seconds: float,
    ) -> tuple[VideoRow, bool]:
        """Add a video whose service is about to be asked, for `seconds`; or give the one that the same request made already.

        `again_us`: the request is one that a client repeats; what was made of the same since then is it. A request that is
        not repeated, but arrived (`arrived_us`) before a repetition of it made a video, is that one too. One owner's requests
        pass here one after the other.
        """
        now = self._database.now_us
        since, which = (arrived_us, " AND retried = 1") if again_us is None else (again_us, "")
        async with self._database.transaction() as transaction:
            await transaction.run(
                "INSERT INTO lease (owner, name, holder, until_us) VALUES ($1, 'videos', '', 0)"
                " ON CONFLICT (owner, name) DO UPDATE SET until_us = 0",
                owner,
            )
            row = await transaction.one(
                f"SELECT {COLUMNS} FROM video WHERE owner = $1 AND fingerprint = $2 AND created_us >= $3{which}"  # noqa: S608 - fixed
                " ORDER BY created_us DESC LIMIT 1",
                owner,
                fingerprint,
                since,
            )
            if row is not None:
                return _video(row), False
            await transaction.run(
                f"INSERT INTO video ({COLUMNS})"  # noqa: S608 - fixed columns
                f" VALUES ($1, $2, {now}, $3, $4, $5, {now} + CAST($6 AS BIGINT), 0)",
                owner,
                video_id,
                fingerprint,
                int(again_us is not None),
                state,
                int(seconds * 1e6),
            )
            row = await transaction.one(f"SELECT {COLUMNS} FROM video WHERE owner = $1 AND id = $2", owner, video_id)  # noqa: S608 - fixed columns
        assert row is not None
        return _video(row), True

    async def recent(self, owner: str, fingerprint: str, since_us: int) -> VideoRow | None:
        """Give the newest video that the same request has made since then, or None."""
        row = await self._database.one(
            f"SELECT {COLUMNS} FROM video WHERE owner = $1 AND fingerprint = $2 AND created_us >= $3"  # noqa: S608 - fixed columns
            " ORDER BY created_us DESC LIMIT 1",
            owner,
            fingerprint,
            since_us,
        )
        return _video(row) if row else None

    async def get(self, owner: str, video_id: str) -> VideoRow | None:
        """Give a video, or None."""
        row = await self._database.one(f"SELECT {COLUMNS} FROM video WHERE owner = $1 AND id = $2", owner, video_id)  # noqa: S608 - fixed columns
        return _video(row) if row else None

    async def wait_longer(self, row: VideoRow, seconds: float) -> None:
        """Say that a living process still waits for the service's word."""
        async with self._database.transaction() as transaction:
            await transaction.run(
                f"UPDATE video SET until_us = {self._database.now_us} + CAST($4 AS BIGINT)"  # noqa: S608 - fixed
                " WHERE owner = $1 AND id = $2 AND epoch = $3",
                row.owner,
                row.id,
                row.epoch,
                int(seconds * 1e6),
            )

    async def save(self, row: VideoRow, state: bytes) -> VideoRow | None:
        """Write a new state, with which nobody waits any more; give the row as it is then, None when it is gone.

        When another has written since `row` was read, nothing is written.
        """
        async with self._database.transaction() as transaction:
            await transaction.run(
                "UPDATE video SET state = $4, until_us = 0, epoch = epoch + 1 WHERE owner = $1 AND id = $2 AND epoch = $3",
                row.owner,
                row.id,
                row.epoch,
                state,
            )
            found = await transaction.one(f"SELECT {COLUMNS} FROM video WHERE owner = $1 AND id = $2", row.owner, row.id)  # noqa: S608 - fixed columns
        return _video(found) if found else None

    async def remove(self, owner: str, video_id: str) -> bool:
        """Remove a video; say whether there was one."""
        async with self._database.transaction() as transaction:
            return bool(await transaction.run("DELETE FROM video WHERE owner = $1 AND id = $2", owner, video_id))

    async def page(self, owner: str, *, after: VideoRow | None, limit: int, order: Literal["asc", "desc"]) -> Page:
        """Give up to `limit` videos behind `after`."""
        values: list[object] = [owner, limit + 1]
        where = "owner = $1"
        if after is not None:
            where += f" AND (created_us, id) {'<' if order == 'desc' else '>'} ($3, $4)"
            values += [after.created_us, after.id]
        direction = "DESC" if order == "desc" else "ASC"
        rows = await self._database.all(
            f"SELECT {COLUMNS} FROM video WHERE {where} ORDER BY created_us {direction}, id {direction} LIMIT $2",  # noqa: S608 - fixed
            *values,
        )
        return Page([_video(row) for row in rows[:limit]], len(rows) > limit)


def _video(row: Row) -> VideoRow:
    owner, video_id, created_us, fingerprint, retried, state, until_us, epoch = row
    return VideoRow(owner, video_id, created_us, fingerprint, retried, bytes(state), until_us, epoch)
