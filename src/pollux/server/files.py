"""Files: POST, GET and DELETE /files, GET /files/{id} and /files/{id}/content.

An id of another owner gets exactly the answer of an unknown one. What is stored is given out as an attachment, never as a page.
"""

import re
import secrets
from contextlib import aclosing
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote

import msgspec

from pollux.errors import ApiError, InvalidRequest, NotFound
from pollux.server import batch_input_files, multipart, native_files, pages, ranges
from pollux.server.access import Caller
from pollux.server.exchange import Exchange, Header
from pollux.server.multipart import FORM_BYTES_MAX, Form
from pollux.translate import files as rules
from pollux.wire.openai.files import ExpiresAfter, FileDeleted, FileList, FileObject

if TYPE_CHECKING:
    from pollux.server.app import App
    from pollux.store.files import File
    from pollux.store.store import Store

ID = re.compile(r"file-[A-Za-z0-9]{24}")
NATIVE = re.compile(r"files/[a-z0-9][a-z0-9-]{0,127}")
"""Native names; those of results are longer than the forty characters of a caller's own."""

ID_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
LIST_MAX = 10_000
"""Most files of one page, and the default. Source: OpenAI API, List files."""

BYTES: tuple[Header, ...] = (
    (b"content-type", b"application/octet-stream"),
    (b"x-content-type-options", b"nosniff"),
    (b"accept-ranges", b"bytes"),
    (b"cache-control", b"private"),
)

_encode = msgspec.json.Encoder().encode


async def create_file(app: "App", exchange: Exchange) -> None:
    """Store a file as its bytes come."""
    caller = app.authenticated(exchange)
    settings = app.settings
    exchange.check_length(settings.file_bytes_max + FORM_BYTES_MAX)
    await app.key_check.check(caller, app.upstream_headers(exchange))
    store = await app.storing.store()
    if await store.files.space(caller.owner) + _declared(exchange) - FORM_BYTES_MAX > settings.owner_bytes_max:
        await no_room(app, store, caller)  # before it is sent for nothing
    exchange.receive_within(settings.upload_receive_seconds)
    async with store.files.incoming() as incoming:
        form = await multipart.read(
            exchange.pieces(settings.file_bytes_max + FORM_BYTES_MAX),
            exchange.headers.get(b"content-type", b""),
            file_field="file",
            file_bytes_max=settings.file_bytes_max,
            take=incoming.write,
            check=_check_what_is_known,
        )
        purpose = rules.check_purpose(form.fields.get("purpose"))
        seconds = rules.lasting_seconds(purpose, _expires_after(form))
        if not incoming.bytes:
            raise InvalidRequest("File is empty.", param="file", code="empty_file")
        written = await incoming.finish()
    file = new_file(
        store,
        filename=rules.plain_name(form.filename),
        purpose=purpose,
        size=written.bytes,
        declared_type=form.content_type,
        lasting_seconds=seconds,
        sha256=written.sha256,
    )
    if not await store.files.add(caller.owner, file, written, owner_bytes_max=settings.owner_bytes_max):
        await no_room(app, store, caller)
    await exchange.answer(200, _encode(file_object(file)))


async def list_files(app: "App", exchange: Exchange) -> None:
    """Give a page of the caller's files."""
    caller = await _caller(app, exchange)
    query = pages.asked(exchange)
    after = query.get("after")
    limit = pages.limit(query, default=LIST_MAX, most=LIST_MAX)
    order = pages.order(query)
    store = await app.storing.store()
    page = None
    if after is None or ID.fullmatch(after) or NATIVE.fullmatch(after):
        purpose = query.get("purpose")
        page = await store.files.list(caller.owner, after=after, limit=limit, order=order, purpose=_plain(purpose))
    if page is None:
        raise NotFound(f"No such File object: {(after or '')[:100]}", param="after")
    files = [file_object(file) for file in page.files]
    first_id, last_id = (files[0].id, files[-1].id) if files else (None, None)
    await exchange.answer(200, _encode(FileList(data=files, first_id=first_id, last_id=last_id, has_more=page.more)))


async def retrieve_file(app: "App", exchange: Exchange, rest: str) -> None:
    """Say what is known of a file, or give its content."""
    file_id, tail = _taken_apart(rest)
    caller = await _caller(app, exchange)
    if tail == "content":
        store, file = await find(app, caller, file_id)
        await give_content(exchange, store, caller, file)
    elif tail:
        raise NotFound(f"There is nothing at {exchange.path[:200]}.", code="unsupported_endpoint")
    else:
        told = await native_files.retrieved(app, exchange, caller, file_id) if NATIVE.fullmatch(file_id) else None
        if told is None:
            _, file = await find(app, caller, file_id)
            told = file_object(file)
        await exchange.answer(200, _encode(told))


async def delete_file(app: "App", exchange: Exchange, file_id: str) -> None:
    """Delete a file. The copy of one of ours at the Gemini API, if there is one, ends by itself within 48 hours."""
    caller = await _caller(app, exchange)
    if NATIVE.fullmatch(file_id):
        there = await native_files.deleted(app, exchange, caller, file_id)
    else:
        there = ID.fullmatch(file_id) is not None
        there = there and await batch_input_files.remove(await app.storing.store(), caller.owner, file_id)
    if not there:
        unknown(file_id)
    await exchange.answer(200, _encode(FileDeleted(id=file_id)))


async def find(app: "App", caller: Caller, file_id: str, param: str = "id") -> "tuple[Store, File]":
    """Give a file of the caller's whose bytes are here, by its id, or by a native name (`batch_uploads`). Raises NotFound."""
    store = await app.storing.store()
    native = NATIVE.fullmatch(file_id)
    file = await store.files.get(caller.owner, file_id) if native or ID.fullmatch(file_id) else None
    if file is None and native:
        raise NotFound(
            f"The bytes of {file_id} are not here: the Gemini API does not give uploaded files out, so this server reads only "
            "JSONL that was uploaded through it. Upload the file here, by either client.",
            param=param,
        )
    if file is None:
        unknown(file_id, param)
    return store, file


def unknown(file_id: str, param: str = "id") -> NoReturn:
    """Raise the error of an id that is not there, or not the caller's."""
    raise NotFound(f"No such File object: {file_id[:100]}", param=param)


async def no_room(app: "App", store: "Store", caller: Caller) -> NoReturn:
    """Raise the error of an owner who has no room left."""
    used = await store.files.space(caller.owner)
    raise InvalidRequest(
        f"There is no room for this: your files hold {used} of {app.settings.owner_bytes_max} bytes. Delete some.",
        param="file",
        code="storage_limit_exceeded",
    )


def new_id(prefix: str) -> str:
    """Make an id: the prefix and 24 random characters (143 bits)."""
    return prefix + "".join(secrets.choice(ID_CHARACTERS) for _ in range(24))


def new_file(
    store: "Store",
    *,
    filename: str,
    purpose: str,
    size: int,
    declared_type: str,
    lasting_seconds: int | None,
    sha256: str | None,
) -> "File":
    """Make the row of a file that begins now."""
    from pollux.store.files import File  # the store is loaded when it is first used

    now_us = store.clock.now_us()
    return File(
        id=new_id("file-"),
        created_us=now_us,
        filename=filename,
        purpose=purpose,
        bytes=size,
        mime_type=rules.media_type(filename, declared_type),
        sha256=sha256,
        expires_us=None if lasting_seconds is None else now_us + lasting_seconds * 1_000_000,
    )


def file_object(file: "File") -> FileObject:
    """Say a file in OpenAI's form."""
    return FileObject(
        id=file.id,
        bytes=file.bytes,
        created_at=file.created_us // 1_000_000,
        filename=file.filename,
        purpose=file.purpose,
        expires_at=msgspec.UNSET if file.expires_us is None else file.expires_us // 1_000_000,
    )


def attachment(filename: str) -> str:
    """Give a Content-Disposition that makes a browser save the file under its name, never show it. ASCII."""
    plain = re.sub(r"[^ !#-\[\]-~]", "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


async def give_content(exchange: Exchange, store: "Store", caller: Caller, file: "File") -> None:
    """Answer with the bytes of a file, as an attachment, or the range of them that is asked for."""
    disposition = (b"content-disposition", attachment(file.filename).encode("ascii"))
    await give(exchange, store, caller.owner, file, (*BYTES, disposition))


async def give(exchange: Exchange, store: "Store", owner: str, file: "File", headers: tuple[Header, ...]) -> None:
    """Answer with the bytes of a file, or the range of them that is asked for. Raises ApiError."""
    from pollux.store.blobs import BytesMissing

    etag = f'"{file.id}"'.encode()  # a file never changes
    headers += ((b"etag", etag),)
    if etag in exchange.headers.get(b"if-none-match", b""):
        await exchange.start(304, headers)
        await exchange.send(b"", more=False)
        return
    wanted = ranges.asked(exchange.headers.get(b"range"), exchange.headers.get(b"if-range"), size=file.bytes, etag=etag)
    start, stop = wanted or (0, file.bytes)
    headers += ((b"content-length", b"%d" % (stop - start)),)
    if wanted is not None:
        headers += ((b"content-range", b"bytes %d-%d/%d" % (start, stop - 1, file.bytes)),)
    status = 200 if wanted is None else 206
    if exchange.method == "HEAD":
        await exchange.start(status, headers)
        await exchange.send(b"", more=False)
        return
    segments = await store.files.segments(owner, file.id)
    if not segments:
        unknown(file.id)  # deleted in this moment
    async with aclosing(store.files.read(segments, start, stop)) as pieces:
        try:
            first = await anext(pieces)
        except BytesMissing:
            raise ApiError("The bytes of this file are not in the store any more.", code="content_missing") from None
        await exchange.start(status, headers)
        await exchange.send(first)
        try:
            async for piece in pieces:
                await exchange.send(piece)
        except (ApiError, BytesMissing) as error:  # the status is sent: all that is left is to cut the connection
            raise RuntimeError(f"The bytes of {file.id} broke off") from error
    await exchange.send(b"", more=False)


async def _caller(app: "App", exchange: Exchange) -> Caller:
    """Give the caller; when they leave, the request ends."""
    caller = app.authenticated(exchange)
    await app.body(exchange)
    exchange.watch()
    return caller


def _taken_apart(rest: str) -> tuple[str, str]:
    """Give the id of a path's end, and what is asked of it; a native name has a slash of its own."""
    prefix = "files/" if rest.startswith("files/") else ""
    file_id, _, tail = rest.removeprefix(prefix).partition("/")
    return prefix + file_id, tail


def _check_what_is_known(form: Form) -> None:
    """Refuse a file before its bytes are taken where the fields before it are wrong; the official clients send them first."""
    if "purpose" in form.fields:
        rules.lasting_seconds(rules.check_purpose(form.fields["purpose"]), _expires_after(form))


def _expires_after(form: Form) -> int | None:
    """Give `expires_after[seconds]` of a form, or of JSON in one field. Raises InvalidRequest."""
    fields = form.fields
    given = {name: fields[f"expires_after[{name}]"] for name in ("anchor", "seconds") if f"expires_after[{name}]" in fields}
    if not given and not fields.get("expires_after"):
        return None
    try:
        if given:
            expires_after = msgspec.convert(given, ExpiresAfter, strict=False)
        else:
            expires_after = msgspec.json.decode(fields["expires_after"], type=ExpiresAfter)
    except msgspec.MsgspecError:
        raise InvalidRequest(
            "expires_after must hold anchor (created_at) and seconds (a whole number).", param="expires_after"
        ) from None
    return expires_after.seconds


def _declared(exchange: Exchange) -> int:
    """Give how long the body says that it is; 0 when it does not say."""
    declared = exchange.headers.get(b"content-length", b"")
    return int(declared) if declared.isdigit() else 0


def _plain(purpose: str | None) -> str | None:
    """Give a purpose to look for; one that no file can have, if it is no purpose."""
    return purpose if purpose is None or re.fullmatch(r"[\w-]{1,64}", purpose) else "none"
