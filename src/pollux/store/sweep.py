"""The sweep: what has passed its time goes, and what a crash left behind on either side.

It may run in several processes at once, and may die anywhere: each step finds what is still to do.
"""

import logging
from dataclasses import dataclass

from pollux.store import content, files
from pollux.store.blobs import SHARDS, Blobs
from pollux.store.clock import Clock
from pollux.store.database import Database, Row
from pollux.store.garbage import Garbage

log = logging.getLogger("pollux.store")

GRACE_SECONDS = 6 * 3600.0
"""Age from which a blob without a row, or a row without a blob, is an orphan. No request lives that long."""

UNFINISHED_GRACE_SECONDS = 60.0
"""Age from which a temporary file that nobody holds is one of a dead process; making it and holding it take an instant."""

REMEMBERED_US = 7 * 86_400_000_000
"""How long a removed file's place in the list, and an upload that has ended, are remembered."""

BATCHES_KEPT_US = 365 * 86_400_000_000
"""How long a batch that has ended is told of; its files have ends of their own."""

AT_ONCE = 500
"""Rows of one step, so that no transaction is long."""


@dataclass(frozen=True, slots=True)
class Swept:
    """How much a sweep removed."""

    files: int = 0
    uploads: int = 0
    blobs: int = 0
    unfinished: int = 0


class Sweeper:
    """Sweeps one store."""

    def __init__(self, database: Database, blobs: Blobs, garbage: Garbage, clock: Clock, mark: str) -> None:
        self._database = database
        self._blobs = blobs
        self._garbage = garbage
        self._clock = clock
        self._mark = mark

    async def sweep(self, *, grace_seconds: float = GRACE_SECONDS, unfinished_grace_seconds: float | None = None) -> Swept:
        """Sweep once. Raises StoreUnavailable in the middle when the database or the bytes go away."""
        if unfinished_grace_seconds is None:
            unfinished_grace_seconds = UNFINISHED_GRACE_SECONDS
        unfinished = await self._blobs.sweep_unfinished(unfinished_grace_seconds)
        collected = await self._collect_garbage()
        if not self._clock.even():
            return Swept(blobs=collected, unfinished=unfinished)
        now_us = self._clock.now_us()
        ended_files = await self._end_files(now_us)
        ended_uploads = await self._end_uploads(now_us)
        await self._forget(now_us)
        orphans = 0
        if await self._blobs.mark() == self._mark:
            for shard in SHARDS:
                orphans += await self._sweep_shard(shard, now_us - int(grace_seconds * 1e6))
        else:
            log.error("The place of bytes is not the one that belongs to this database: orphans are not looked for.")
        return Swept(ended_files, ended_uploads, collected + orphans, unfinished)

    async def _collect_garbage(self) -> int:
        collected = 0
        while True:
            rows = await self._database.all("SELECT blob FROM garbage ORDER BY blob LIMIT $1", AT_ONCE)
            await self._garbage.collect([row[0] for row in rows])
            left = await self._database.all("SELECT blob FROM garbage ORDER BY blob LIMIT $1", AT_ONCE)
            collected += len(rows)
            if not left or left == rows:
                return collected - len(left)

    async def _end_files(self, now_us: int) -> int:
        ended = 0
        while rows := await self._database.all(
            "SELECT owner, id, created_us FROM file WHERE expires_us <= $1 ORDER BY expires_us LIMIT $2", now_us, AT_ONCE
        ):
            for owner, file_id, created_us in rows:
                await self._end_file(owner, file_id, created_us, now_us)
            ended += len(rows)
        return ended

    async def _end_file(self, owner: str, file_id: str, created_us: int, now_us: int) -> None:
        blobs: list[str] = []
        async with self._database.transaction() as transaction:
            if await files.delete(transaction, owner, file_id, created_us, now_us):
                blobs = await content.give_up_file(transaction, owner, file_id, now_us)
        await self._garbage.collect(blobs)

    async def _end_uploads(self, now_us: int) -> int:
        ended = 0
        while rows := await self._database.all(
            "SELECT owner, id FROM upload WHERE status = 'pending' AND expires_us <= $1 ORDER BY expires_us LIMIT $2",
            now_us,
            AT_ONCE,
        ):
            for owner, upload_id in rows:
                blobs: list[str] = []
                async with self._database.transaction() as transaction:
                    if await transaction.run(
                        "UPDATE upload SET status = 'expired' WHERE owner = $1 AND id = $2 AND status = 'pending'",
                        owner,
                        upload_id,
                    ):
                        blobs = await content.give_up_parts(transaction, owner, upload_id, now_us)
                await self._garbage.collect(blobs)
            ended += len(rows)
        return ended

    async def _forget(self, now_us: int) -> None:
        long_ago = now_us - REMEMBERED_US
        async with self._database.transaction() as transaction:
            await transaction.run("DELETE FROM batch WHERE due_us IS NULL AND created_us < $1", now_us - BATCHES_KEPT_US)
            await transaction.run("DELETE FROM gone_file WHERE gone_us < $1", long_ago)
            await transaction.run("DELETE FROM upload WHERE status <> 'pending' AND expires_us < $1", long_ago)
            await transaction.run("DELETE FROM native_copy WHERE expires_us < $1", now_us)
            await transaction.run("DELETE FROM lease WHERE until_us < $1", long_ago)
            await transaction.run("DELETE FROM space WHERE bytes = 0")

    async def _sweep_shard(self, shard: str, before_us: int) -> int:
        """Remove blobs of a shard that no row names, and files whose bytes are not there."""
        found = await self._blobs.shard(shard)
        named = {row[0] for row in await self._named(shard)}
        removed = 0
        for blob in found:
            if blob.name not in named and blob.modified_us <= before_us:
                await self._blobs.remove(blob.name)
                removed += 1
        there = {blob.name for blob in found}
        if named - there:
            await self._remove_without_bytes(shard, there, before_us)
        return removed

    async def _named(self, shard: str) -> list[Row]:
        rows: list[Row] = []
        for table in ("segment", "part", "garbage"):
            rows += await self._database.all(
                f"SELECT blob FROM {table} WHERE blob >= $1 AND blob < $2",  # noqa: S608 - fixed tables
                shard,
                shard + "g",  # "g" follows "f", the last hexadecimal digit
            )
        return rows

    async def _remove_without_bytes(self, shard: str, there: set[str], before_us: int) -> None:
        rows = await self._database.all(
            "SELECT file.owner, file.id, file.created_us, segment.blob FROM segment"
            " JOIN file ON file.owner = segment.owner AND file.id = segment.file_id"
            " WHERE segment.blob >= $1 AND segment.blob < $2 AND file.created_us <= $3",
            shard,
            shard + "g",
            before_us,
        )
        for owner, file_id, created_us, blob in rows:
            if blob not in there and not await self._blobs.exists(blob):
                log.error("The bytes of the file %s are gone; the file is removed.", file_id)
                await self._end_file(owner, file_id, created_us, self._clock.now_us())
