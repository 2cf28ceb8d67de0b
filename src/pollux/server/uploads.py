"""Uploads: POST /uploads, /uploads/{id}/parts, /complete and /cancel. A large file in parts, which may come in any order."""

import re
from collections import Counter
from typing import TYPE_CHECKING, NoReturn

import msgspec

from pollux.errors import ApiError, InvalidRequest, NotFound
from pollux.server import bodies, multipart
from pollux.server.access import Caller
from pollux.server.exchange import Exchange
from pollux.server.files import file_object, new_file, new_id, no_room
from pollux.server.multipart import FORM_BYTES_MAX
from pollux.translate import files as rules
from pollux.wire.openai.files import CompleteUploadRequest, CreateUploadRequest, UploadPart
from pollux.wire.openai.files import Upload as UploadObject

if TYPE_CHECKING:
    from pollux.server.app import App
    from pollux.store.files import File
    from pollux.store.store import Store
    from pollux.store.uploads import Part, Upload

ID = re.compile(r"upload_[A-Za-z0-9]{24}")
UPLOAD_SECONDS = 3600
"""How long an upload is open. Source: OpenAI API, Create upload."""

PARTS_MAX = 10_000
"""Most parts of one upload; 2 GB in parts of 200 kB."""

_create_decoder = msgspec.json.Decoder(CreateUploadRequest)
_complete_decoder = msgspec.json.Decoder(CompleteUploadRequest)
_encode = msgspec.json.Encoder().encode


async def create_upload(app: "App", exchange: Exchange) -> None:
    """Begin an upload."""
    caller = app.authenticated(exchange)
    request = bodies.read(await app.body(exchange), _create_decoder, nesting_max=app.settings.nesting_max)
    purpose = rules.check_purpose(request.purpose)
    seconds = rules.lasting_seconds(purpose, request.expires_after.seconds if request.expires_after else None)
    if not 1 <= request.bytes <= app.settings.file_bytes_max:
        raise InvalidRequest(f"bytes must be between 1 and {app.settings.file_bytes_max}.", param="bytes")
    await app.key_check.check(caller, app.upstream_headers(exchange))
    store = await app.storing.store()
    from pollux.store.uploads import Upload  # the store is loaded when it is first used

    now_us = store.clock.now_us()
    filename = rules.plain_name(request.filename)
    upload = Upload(
        id=new_id("upload_"),
        created_us=now_us,
        expires_us=now_us + UPLOAD_SECONDS * 1_000_000,
        filename=filename,
        purpose=purpose,
        bytes=request.bytes,
        mime_type=rules.media_type(filename, request.mime_type),
        file_seconds=seconds,
    )
    await store.uploads.add(caller.owner, upload)
    await exchange.answer(200, _encode(_object(upload, None)))


async def change_upload(app: "App", exchange: Exchange, rest: str) -> None:
    """Add a part, complete, or cancel."""
    caller = app.authenticated(exchange)
    upload_id, _, action = rest.partition("/")
    match action:
        case "parts":
            await _add_part(app, exchange, caller, upload_id)
        case "complete":
            await _complete(app, exchange, caller, upload_id)
        case "cancel":
            await _cancel(app, exchange, caller, upload_id)
        case _:
            raise NotFound(f"There is nothing at {exchange.path[:200]}.", code="unsupported_endpoint")


async def _add_part(app: "App", exchange: Exchange, caller: Caller, upload_id: str) -> None:
    settings = app.settings
    exchange.check_length(settings.part_bytes_max + FORM_BYTES_MAX)
    store, upload = await _find(app, caller, upload_id)
    _check_pending(upload)
    exchange.receive_within(settings.upload_receive_seconds)
    async with store.uploads.incoming() as incoming:
        await multipart.read(
            exchange.pieces(settings.part_bytes_max + FORM_BYTES_MAX),
            exchange.headers.get(b"content-type", b""),
            file_field="data",
            file_bytes_max=settings.part_bytes_max,
            take=incoming.write,
        )
        if not incoming.bytes:
            raise InvalidRequest("The part is empty.", param="data", code="empty_file")
        written = await incoming.finish()
    part_id = new_id("part_")
    # Twice the file's size: parts that were sent again after a lost answer count too.
    received_max = 2 * upload.bytes + settings.part_bytes_max
    now_us = store.clock.now_us()
    if not await store.uploads.add_part(
        caller.owner,
        upload_id,
        part_id,
        written,
        received_max=received_max,
        parts_max=PARTS_MAX,
        owner_bytes_max=settings.owner_bytes_max,
    ):
        await _refuse_part(app, store, caller, upload_id, written.bytes, received_max)
    await exchange.answer(200, _encode(UploadPart(id=part_id, created_at=now_us // 1_000_000, upload_id=upload_id)))


async def _refuse_part(app: "App", store: "Store", caller: Caller, upload_id: str, size: int, received_max: int) -> NoReturn:
    upload = await store.uploads.get(caller.owner, upload_id)
    if upload is None:
        _unknown(upload_id)
    _check_pending(upload)
    if upload.received + size > received_max:
        raise InvalidRequest(f"The parts are far more than the {upload.bytes} bytes that the upload is for.", param="data")
    if await store.files.space(caller.owner) + size > app.settings.owner_bytes_max:
        await no_room(app, store, caller)
    raise InvalidRequest(f"An upload has at most {PARTS_MAX} parts.", param="data")


async def _complete(app: "App", exchange: Exchange, caller: Caller, upload_id: str) -> None:
    request = bodies.read(await app.body(exchange), _complete_decoder, nesting_max=app.settings.nesting_max)
    store, upload = await _find(app, caller, upload_id)
    if upload.status == "completed" and tuple(request.part_ids) == upload.part_ids:
        # Asked again, since the answer was lost: the same answer.
        await exchange.answer(200, _encode(_object(upload, await _file_of(store, caller, upload))))
        return
    _check_pending(upload)
    parts = _named_parts(request.part_ids, await store.uploads.parts(caller.owner, upload_id))
    size = sum(part.segment.bytes for part in parts)
    if size != upload.bytes:
        raise InvalidRequest(
            f"The parts hold {size} bytes, but the upload is for {upload.bytes}.", param="part_ids", code="size_mismatch"
        )
    file = new_file(
        store,
        filename=upload.filename,
        purpose=upload.purpose,
        size=size,
        declared_type=upload.mime_type,
        lasting_seconds=upload.file_seconds,
        sha256=await _checked_sha256(store, parts, request.md5),
    )
    if not await store.uploads.complete(caller.owner, upload_id, file, parts):
        _, upload = await _find(app, caller, upload_id)
        _check_pending(upload)
        raise InvalidRequest("The upload has changed in this moment; look at it again.", param="upload_id")
    _, upload = await _find(app, caller, upload_id)
    await exchange.answer(200, _encode(_object(upload, file)))


async def _cancel(app: "App", exchange: Exchange, caller: Caller, upload_id: str) -> None:
    await app.body(exchange)
    store, upload = await _find(app, caller, upload_id)
    if upload.status != "cancelled":
        _check_pending(upload)
        await store.uploads.cancel(caller.owner, upload_id)
        _, upload = await _find(app, caller, upload_id)
        if upload.status != "cancelled":
            _check_pending(upload)
    await exchange.answer(200, _encode(_object(upload, None)))


async def _find(app: "App", caller: Caller, upload_id: str) -> "tuple[Store, Upload]":
    store = await app.storing.store()
    upload = await store.uploads.get(caller.owner, upload_id) if ID.fullmatch(upload_id) else None
    if upload is None:
        _unknown(upload_id)
    return store, upload


def _unknown(upload_id: str) -> NoReturn:
    raise NotFound(f"No such Upload object: {upload_id[:100]}", param="upload_id")


def _check_pending(upload: "Upload") -> None:
    if upload.status != "pending":
        raise InvalidRequest(
            f"The upload is {upload.status}; nothing can be done with it.", param="upload_id", code="upload_ended"
        )


def _named_parts(part_ids: list[str], parts: "dict[str, Part]") -> "list[Part]":
    """Give the parts that are named, in order. Raises InvalidRequest, which names the place."""
    counted = Counter(part_ids)
    for index, part_id in enumerate(part_ids):
        if part_id not in parts:
            raise InvalidRequest(
                f"part_ids[{index}]: the upload has no part {part_id[:100]!r}.", param=f"part_ids[{index}]", code="unknown_part"
            )
        if counted[part_id] > 1:
            raise InvalidRequest(
                f"part_ids[{index}]: the part {part_id!r} is named more than once.",
                param=f"part_ids[{index}]",
                code="duplicate_part",
            )
    return [parts[part_id] for part_id in part_ids]


async def _checked_sha256(store: "Store", parts: "list[Part]", md5: str | None) -> str | None:
    """Check the MD5 of the parts put together; give their SHA-256, which comes with it. Raises InvalidRequest."""
    if md5 is None:
        return None
    if not re.fullmatch(r"[0-9a-fA-F]{32}", md5):
        raise InvalidRequest("md5 must be 32 hexadecimal digits.", param="md5")
    from pollux.store.blobs import BytesMissing

    try:
        found, sha256 = await store.uploads.digests(parts)
    except BytesMissing:
        raise ApiError("The bytes of a part are not in the store any more.", code="content_missing") from None
    if found != md5.lower():
        raise InvalidRequest(
            f"The MD5 of the parts in this order is {found}, not {md5.lower()}.", param="md5", code="md5_mismatch"
        )
    return sha256


async def _file_of(store: "Store", caller: Caller, upload: "Upload") -> "File | None":
    return await store.files.get(caller.owner, upload.file_id) if upload.file_id else None


def _object(upload: "Upload", file: "File | None") -> UploadObject:
    return UploadObject(
        id=upload.id,
        bytes=upload.bytes,
        created_at=upload.created_us // 1_000_000,
        expires_at=upload.expires_us // 1_000_000,
        filename=upload.filename,
        purpose=upload.purpose,
        status=upload.status,
        file=file_object(file) if file else None,
    )
