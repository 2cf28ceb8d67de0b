"""Short ways to keep things in a store."""

import secrets
from dataclasses import replace

from pollux.store.files import File
from pollux.store.store import Store
from pollux.store.uploads import Upload

ROOM = 10**12


def file(store: Store, *, size: int = 0, purpose: str = "user_data", lasting_seconds: float | None = None) -> File:
    """Make the row of a file that begins now."""
    now_us = store.clock.now_us()
    return File(
        id="file-" + secrets.token_hex(12),
        created_us=now_us,
        filename="notes.txt",
        purpose=purpose,
        bytes=size,
        mime_type="text/plain",
        expires_us=None if lasting_seconds is None else now_us + int(lasting_seconds * 1e6),
    )


async def keep(
    store: Store, owner: str, data: bytes, *, purpose: str = "user_data", lasting_seconds: float | None = None, room: int = ROOM
) -> File | None:
    """Keep a file; None when there is no room for it."""
    async with store.files.incoming() as incoming:
        await incoming.write(data)
        written = await incoming.finish()
    row = replace(file(store, purpose=purpose, lasting_seconds=lasting_seconds), bytes=written.bytes, sha256=written.sha256)
    return row if await store.files.add(owner, row, written, owner_bytes_max=room) else None


async def content(store: Store, owner: str, file_id: str) -> bytes:
    """Read a file whole."""
    segments = await store.files.segments(owner, file_id)
    size = sum(segment.bytes for segment in segments)
    return b"".join([piece async for piece in store.files.read(segments, 0, size)])


async def begin_upload(store: Store, owner: str, *, size: int, seconds: float = 3600) -> Upload:
    """Begin an upload."""
    now_us = store.clock.now_us()
    upload = Upload(
        id="upload_" + secrets.token_hex(12),
        created_us=now_us,
        expires_us=now_us + int(seconds * 1e6),
        filename="long.jsonl",
        purpose="batch",
        bytes=size,
        mime_type="application/jsonl",
    )
    await store.uploads.add(owner, upload)
    return upload


async def add_part(store: Store, owner: str, upload_id: str, data: bytes, *, received_max: int = ROOM) -> str | None:
    """Add a part and give its id; None when it is not taken."""
    async with store.uploads.incoming() as incoming:
        await incoming.write(data)
        written = await incoming.finish()
    part_id = "part_" + secrets.token_hex(12)
    taken = await store.uploads.add_part(
        owner, upload_id, part_id, written, received_max=received_max, parts_max=100, owner_bytes_max=ROOM
    )
    return part_id if taken else None
