"""Files of ours on the native paths: a client of Gemini's reads `file-…` ids as it reads `files/…` names.

So a batch's output opens under its id by both clients: `GET /v1beta/files/file-…:download?alt=media`. Ids that are not the
caller's are answered as any unknown name. Source: CONTRACT, section 3.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from pollux.server import batch_input_files, files
from pollux.server.access import Caller
from pollux.server.exchange import Exchange
from pollux.server.native_paths import Target
from pollux.server.owned import unknown
from pollux.server.passthrough import own_origin

if TYPE_CHECKING:
    from pollux.server.app import App
    from pollux.store.files import File

_encode = msgspec.json.Encoder().encode


async def answered(app: "App", exchange: Exchange, target: Target, caller: Caller) -> bool:
    """Answer a native request for a file of ours; false, and nothing done, when it is for something else."""
    collection, _, file_id = target.rest.partition("/")
    if collection != "files" or target.way == "upload" or not files.ID.fullmatch(file_id):
        return False
    if exchange.method not in ("GET", "HEAD", "DELETE") or target.verb not in ("", "download"):
        return False
    store = await app.storing.store()
    file = await store.files.get(caller.owner, file_id)
    if file is None:
        if files.NATIVE.fullmatch(target.rest):
            return False
        raise unknown(target.rest)  # no native name has capitals
    await app.body(exchange)
    exchange.watch()
    if target.verb == "download":
        await files.give_content(exchange, store, caller, file)
    elif exchange.method == "DELETE":
        await batch_input_files.remove(store, caller.owner, file_id)
        await exchange.answer(200, b"{}")
    else:
        await exchange.answer(200, _encode(_native(exchange, file)))
    return True


def _native(exchange: Exchange, file: "File") -> dict[str, Any]:
    """Say a file of ours in Gemini's form: one that was generated, since only such ones can be downloaded."""
    uri = f"{own_origin(exchange)}/v1beta/files/{file.id}"
    told = {
        "name": f"files/{file.id}",
        "displayName": file.filename,
        "mimeType": file.mime_type,
        "sizeBytes": str(file.bytes),
        "createTime": _time(file.created_us),
        "updateTime": _time(file.created_us),
        "uri": uri,
        "downloadUri": f"{uri}:download?alt=media",
        "state": "ACTIVE",
        "source": "GENERATED",
    }
    return told if file.expires_us is None else told | {"expirationTime": _time(file.expires_us)}


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat().replace("+00:00", "Z")
