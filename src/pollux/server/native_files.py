"""Native files (`files/…`) on OpenAI's paths: what is known of one, and its end."""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from pollux.errors import NotFound, PermissionDenied
from pollux.server import batch_input_files
from pollux.server.access import Caller
from pollux.server.exchange import Exchange
from pollux.wire.gemini.files import File as NativeFile
from pollux.wire.openai.files import FileObject

if TYPE_CHECKING:
    from pollux.server.app import App


async def retrieved(app: "App", exchange: Exchange, caller: Caller, name: str) -> FileObject | None:
    """Say a native file of the caller's in OpenAI's form; None when there is none."""
    try:
        if app.owned is not None:
            await app.owned.check(caller, [name])
        return _object(await app.native_files.get(name, key=caller.upstream_key, headers=app.upstream_headers(exchange)))
    except (NotFound, PermissionDenied):
        return None


async def deleted(app: "App", exchange: Exchange, caller: Caller, name: str) -> bool:
    """Delete a native file of the caller's, and what is kept of it here; false when there is none."""
    try:
        if app.owned is not None:
            await app.owned.check(caller, [name])
        await app.native_files.delete(name, key=caller.upstream_key, headers=app.upstream_headers(exchange))
        there = True
    except (NotFound, PermissionDenied):
        there = False
    if there and app.owned is not None:
        await app.owned.forget(caller, name)
    return await batch_input_files.remove(await app.storing.store(), caller.owner, name) or there


def _object(file: NativeFile) -> FileObject:
    return FileObject(
        id=file.name,
        bytes=int(size) if (size := file.size_bytes or "").isdecimal() else 0,
        created_at=_seconds(file.create_time) or 0,
        filename=file.display_name or file.name.removeprefix("files/"),
        purpose="batch_output" if file.source == "GENERATED" else "user_data",
        expires_at=_seconds(file.expiration_time) or msgspec.UNSET,
    )


def _seconds(time: str | None) -> int | None:
    try:
        return int(datetime.fromisoformat(time or "").timestamp())
    except ValueError:
        return None
