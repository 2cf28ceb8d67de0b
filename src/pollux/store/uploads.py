"""Uploads: a file that comes in parts. Each part is a blob; completing puts them in order without copying a byte.

Whoever changes an upload first changes its row under the condition that it is still pending. So of two that do it at once, in
whatever process, the second waits and then finds it changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pollux.store import content, files
from pollux.store.blobs import Blobs, Incoming, Written
from pollux.store.clock import Clock
from pollux.store.content import Segment
from pollux.store.database import Database, Row
from pollux.store.files import File
from pollux.store.garbage import Garbage

COLUMNS = "id, created_us, expires_us, filename, purpose, bytes, mime_type, status, file_seconds, received, file_id, part_ids"


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload. `status` is pending, completed, cancelled or expired; `received` counts the bytes of its parts."""

    id: str
    created_us: int
    expires_us: int
    filename: str
    purpose: str
    bytes: int
    mime_type: str
    status: str = "pending"
    file_seconds: int | None = None
    received: int = 0
    file_id: str | None = None
    part_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an upload that has arrived."""

    id: str
    segment: Segment


class Uploads:
    """The uploads of all owners."""

    def __init__(self, database: Database, blobs: Blobs, garbage: Garbage, clock: Clock) -> None:
        self._database = database
        self._blobs = blobs
        self._garbage = garbage
        self._clock = clock

    async def add(self, owner: str, upload: Upload) -> None:
        """Add an upload."""
        async with self._database.transaction() as transaction:
            await transaction.run(
                "INSERT INTO upload (owner, id, created_us, expires_us, filename, purpose, bytes, mime_type, status,"
                " file_seconds, received, parts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, 0, 0)",
                owner,
                upload.id,
                upload.created_us,
                upload.expires_us,
                upload.filename,
                upload.purpose,
                upload.bytes,
                upload.mime_type,
                upload.file_seconds,
            )

    async def get(self, owner: str, upload_id: str) -> Upload | None:
        """Give an upload, or None; one whose time has passed is `expired`."""
        row = await self._database.one(
            f"SELECT {COLUMNS} FROM upload WHERE owner = $1 AND id = $2",  # noqa: S608 - fixed columns
            owner,
            upload_id,
        )
        return _upload(row, self._clock.now_us()) if row else None

    def incoming(self) -> Incoming:
        """Begin the bytes of a part. A context; left before `add_part`, it leaves nothing."""
        return Incoming(self._blobs)

    async def add_part(
        self,
        owner: str,
        upload_id: str,
        part_id: str,
        written: Written,
        *,
        received_max: int,
        parts_max: int,
        owner_bytes_max: int,
    ) -> bool:
        """Add a part. False, and its bytes gone, when the upload is not pending or takes no more, or the owner has no room.

        `received_max` bounds the bytes of all parts together.
        """
        now_us = self._clock.now_us()
        added = False
        async with self._database.transaction() as transaction:
            if await transaction.run(
                "UPDATE upload SET received = received + $3, parts = parts + 1 WHERE owner = $1 AND id = $2"
                " AND status = 'pending' AND expires_us > $4 AND received + $3 <= $5 AND parts < $6",
                owner,
                upload_id,
                written.bytes,
                now_us,
                received_max,
                parts_max,
            ):
                added = await content.take_space(transaction, owner, written.bytes, owner_bytes_max)
                if added:
                    await transaction.run(
                        "INSERT INTO part (owner, upload_id, id, created_us, blob, bytes) VALUES ($1, $2, $3, $4, $5, $6)",
                        owner,
                        upload_id,
                        part_id,
                        now_us,
                        written.blob,
                        written.bytes,
                    )
                else:
                    await transaction.run(
                        "UPDATE upload SET received = received - $3, parts = parts - 1 WHERE owner = $1 AND id = $2",
                        owner,
                        upload_id,
                        written.bytes,
                    )
        if not added:
            await self._blobs.remove(written.blob)
        return added

    async def cut(self, owner: str, upload_id: str, at: int) -> None:
        """Forget the bytes from `at` on, of an upload whose parts are called by their offsets: it goes on from there."""
        now_us = self._clock.now_us()
        async with self._database.transaction() as transaction:
            rows = await transaction.all(
                "SELECT id, bytes FROM part WHERE owner = $1 AND upload_id = $2 ORDER BY id DESC", owner, upload_id
            )
            given_up: list[str] = []
            for part_id, size in rows:
                left = min(max(at - int(part_id), 0), size)
                if left == size:
                    break
                given_up += await content.shorten_part(transaction, owner, upload_id, part_id, left, now_us)
        await self._garbage.collect(given_up)

    async def parts(self, owner: str, upload_id: str) -> dict[str, Part]:
        """Give the parts that have arrived, by id."""
        rows = await self._database.all(
            "SELECT id, blob, bytes FROM part WHERE owner = $1 AND upload_id = $2", owner, upload_id
        )
        return {row[0]: Part(row[0], Segment(row[1], row[2])) for row in rows}

    async def digests(self, parts: Sequence[Part]) -> tuple[str, str]:
        """Give MD5 and SHA-256 of the parts put together. Raises BytesMissing or StoreUnavailable."""
        return await content.digests(self._blobs, [part.segment for part in parts])

    async def complete(self, owner: str, upload_id: str, file: File, parts: Sequence[Part]) -> bool:
        """Make a file of these parts, and give up the others. False when the upload is not pending any more."""
        now_us = self._clock.now_us()
        async with self._database.transaction() as transaction:
            if not await transaction.run(
                "UPDATE upload SET status = 'completed', file_id = $3, part_ids = $4"
                " WHERE owner = $1 AND id = $2 AND status = 'pending' AND expires_us > $5",
                owner,
                upload_id,
                file.id,
                " ".join(part.id for part in parts),
                now_us,
            ):
                return False
            await transaction.many(
                "DELETE FROM part WHERE owner = $1 AND upload_id = $2 AND id = $3",
                [(owner, upload_id, part.id) for part in parts],
            )
            given_up = await content.give_up_parts(transaction, owner, upload_id, now_us)
            await files.insert(transaction, owner, file, [part.segment for part in parts])
        await self._garbage.collect(given_up)
        return True

    async def cancel(self, owner: str, upload_id: str) -> bool:
        """Cancel an upload, and give up its parts. False when it is not pending any more."""
        now_us = self._clock.now_us()
        async with self._database.transaction() as transaction:
            if not await transaction.run(
                "UPDATE upload SET status = 'cancelled'"
                " WHERE owner = $1 AND id = $2 AND status = 'pending' AND expires_us > $3",
                owner,
                upload_id,
                now_us,
            ):
                return False
            given_up = await content.give_up_parts(transaction, owner, upload_id, now_us)
        await self._garbage.collect(given_up)
        return True


def _upload(row: Row, now_us: int) -> Upload:
    *values, part_ids = row
    upload = replace(Upload(*values), part_ids=tuple((part_ids or "").split()))
    if upload.status == "pending" and upload.expires_us <= now_us:
        return replace(upload, status="expired")
    return upload
