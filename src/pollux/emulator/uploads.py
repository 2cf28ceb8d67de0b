"""Uploads of files: resumable ones in steps, and those of one request.

    start → upload, upload … → upload, finalize          query at any time; cancel

The headers and bodies of `start` and of `upload, finalize` are recorded; an upload's URL holds its `upload_id`, which
nobody can guess, and needs no key. What is not recorded is Google's common upload protocol as its clients use it: `query`
tells `X-Goog-Upload-Size-Received`, a chunk that is not the last is a multiple of the granularity, and refusals inside an
upload are plain text. A later request for the same upload takes it over from one that hangs.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from pollux.emulator import errors, multipart
from pollux.emulator.clock import Clock
from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.exchange import ClientLeft, ConnectionCut, Exchange
from pollux.emulator.faults import Fault
from pollux.emulator.files import File, Files
from pollux.emulator.framing import JSON_TYPE, pretty
from pollux.emulator.limits import UPLOAD_HOURS_MAX, UPLOAD_WRITE_BYTES, UPLOADS_MAX
from pollux.emulator.routes import Route
from pollux.emulator.sending import Delivery
from pollux.emulator.shapes import canonical
from pollux.emulator.spool import Bytes
from pollux.emulator.upload_refusals import GRANULARITY, Refused, terminated, too_long, too_short, wrong_length, wrong_offset

TEXT_TYPE = "text/plain; charset=utf-8"
"""Recorded with the empty body of `start`."""

STEPS = {
    "start": "media.upload.start",
    "upload": "media.upload.chunk",
    "upload,finalize": "media.upload.chunk",
    "finalize": "media.upload.chunk",
    "query": "media.upload.query",
    "cancel": "media.upload.cancel",
}
"""Values of `X-Goog-Upload-Command`, without spaces, and what a rule's `method` calls them."""

STREAMED = ("media.upload.chunk", "media.upload.raw", "media.upload.multipart")
"""Steps whose bodies are bytes of a file."""


def step(found: Route, exchange: Exchange) -> Route:
    """Say which step of which kind of upload a request is, before its body is read."""
    command = exchange.headers.get("x-goog-upload-command", "").lower().replace(" ", "")
    protocol = _protocol(exchange)
    if "upload_id" in exchange.query:
        method = STEPS.get(command, "")
        if method in ("", "media.upload.start"):
            raise invalid(f"Invalid upload command: {command or '(none)'}.")
        return Route(method, found.version, id=exchange.query["upload_id"])
    if protocol == "resumable":
        if command != "start":
            raise invalid("An upload begins with X-Goog-Upload-Command: start.")
        return Route("media.upload.start", found.version)
    if protocol not in ("raw", "multipart"):
        raise errors.not_emulated(f"the upload protocol {protocol}")
    return Route(f"media.upload.{protocol}", found.version)


def has_own_right(found: Route) -> bool:
    """Tell whether a request needs no key, because it has an upload's id."""
    return found.method.startswith("media.upload.") and bool(found.id)


@dataclass
class Upload:
    """One resumable upload that was begun."""

    project: str
    meta: dict[str, Any]
    content: Bytes
    began: datetime
    size: int | None
    """As `start` told it."""
    fault: Fault
    file: File | None = None
    """Once it is finished."""
    turn: int = 0
    """The number of the request that may write."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Uploads:
    """Uploads that were begun, by their ids."""

    def __init__(self, clock: Clock, files: Files) -> None:
        self._clock, self._files = clock, files
        self._begun: dict[str, Upload] = {}

    async def answer(self, found: Route, request: dict[str, Any], project: str, delivery: Delivery) -> None:
        """Answer one step."""
        try:
            match found.method:
                case "media.upload.start":
                    await self._start(found, request, project, delivery)
                case "media.upload.chunk":
                    await self._chunk(self._find(found.id), delivery)
                case "media.upload.query":
                    await self._query(self._find(found.id), delivery)
                case "media.upload.cancel":
                    self._give_up(self._find(found.id), found.id)
                    await delivery.content(200, {"content-type": TEXT_TYPE, "x-goog-upload-status": "cancelled"})
                case _:
                    await self._at_once(found, project, delivery)
        except Refused as refused:
            if not refused.active:
                self._end(found.id)
            headers = {"content-type": TEXT_TYPE, "x-goog-upload-status": "active" if refused.active else "final"}
            await delivery.content(refused.code, headers, refused.text.encode())
        except NativeError as error:
            self._end(found.id)
            headers = {"content-type": JSON_TYPE, "x-goog-upload-status": "final"}
            await delivery.content(error.code, headers, pretty(error.body()))
        except OSError as error:
            what = f"The Pollux emulator cannot keep the file: {error.strerror or error}."
            await delivery.content(500, {"content-type": JSON_TYPE}, pretty(NativeError(500, what).body()))

    def clear(self) -> None:
        """Give up all uploads."""
        for name, upload in list(self._begun.items()):
            self._give_up(upload, name)

    async def _start(self, found: Route, request: dict[str, Any], project: str, delivery: Delivery) -> None:
        headers = delivery.exchange.headers
        size = _number(headers, "x-goog-upload-header-content-length")
        meta = dict(request.get("file", {}))
        meta["mimeType"] = meta.get("mimeType") or headers.get("x-goog-upload-header-content-type", "")
        self._files.check_new(project, meta, size or 0)
        self._sweep()
        name = secrets.token_urlsafe(48)
        self._begun[name] = Upload(project, meta, self._files.spool.new(), self._clock.now(), size, delivery.fault)
        url = f"{delivery.exchange.base_url}/upload/{found.version}/files?upload_id={name}&upload_protocol=resumable"
        recorded = {
            "content-type": TEXT_TYPE,
            "x-goog-upload-url": url,
            "x-goog-upload-control-url": url,
            "x-goog-upload-chunk-granularity": str(GRANULARITY),
            "x-goog-upload-status": "active",
        }
        await delivery.content(200, recorded)

    async def _chunk(self, upload: Upload, delivery: Delivery) -> None:
        exchange = delivery.exchange
        command = exchange.headers.get("x-goog-upload-command", "").lower().replace(" ", "")
        upload.turn += 1
        if upload.file is not None:
            raise terminated()
        if command != "finalize":
            await self._write(upload, delivery, last=command == "upload,finalize")
        else:
            await exchange.read_body()
        if command == "upload":
            await delivery.content(200, {"content-type": TEXT_TYPE, "x-goog-upload-status": "active"})
            return
        if upload.size is not None and upload.content.size != upload.size:
            raise too_short(upload.content.size, upload.size)
        fault = delivery.fault if delivery.fault.file_state or delivery.fault.processing is not None else upload.fault
        upload.file = self._files.add(upload.project, upload.meta, upload.content, upload.began, fault)
        await self._files.examine(upload.file, fault)
        await self._finished(upload.file, delivery)

    async def _write(self, upload: Upload, delivery: Delivery, *, last: bool) -> None:
        """Take a chunk; what is too much or no multiple of the granularity is forgotten again."""
        headers = delivery.exchange.headers
        offset = _number(headers, "x-goog-upload-offset")
        async with upload.lock:
            if offset != upload.content.size:
                raise wrong_offset(offset, upload.content.size)
            length = _number(headers, "content-length")
            if not last and length is not None and length % GRANULARITY:
                raise wrong_length(length)
            mark = upload.content.copy()
        try:
            await self._take(upload, delivery.exchange.pieces(), delivery)
            if not last and (upload.content.size - mark.size) % GRANULARITY:
                raise wrong_length(upload.content.size - mark.size)
        except (Refused, NativeError):
            await asyncio.to_thread(upload.content.restore, mark)
            raise

    async def _take(self, upload: Upload, pieces: AsyncIterator[bytes], delivery: Delivery) -> None:
        """Write a body piece by piece; when the client leaves, what came is kept."""
        turn, stop = upload.turn, delivery.fault.cut_upload_after
        waiting = bytearray()
        took = 0
        try:
            async for piece in pieces:
                took += len(piece)
                waiting += piece if stop is None or took < stop else piece[: len(piece) - (took - stop)]
                self._check_size(upload, len(waiting))
                if stop is not None and took >= stop:
                    raise ConnectionCut
                if len(waiting) >= UPLOAD_WRITE_BYTES:
                    await _append(upload, turn, bytes(waiting))
                    waiting.clear()
        finally:
            delivery.entry.body = {"omitted_bytes": took}
            await _append(upload, turn, bytes(waiting))

    def _check_size(self, upload: Upload, more: int) -> None:
        size = upload.content.size + more
        if upload.size is not None and size > upload.size:
            raise too_long(upload.size)
        self._files.check_room(upload.project, size)

    async def _query(self, upload: Upload, delivery: Delivery) -> None:
        """Tell how much has arrived; a finished upload answers with its file again."""
        upload.turn += 1
        if upload.file is not None:
            await self._finished(upload.file, delivery)
            return
        async with upload.lock:
            received = str(upload.content.size)
        headers = {"x-goog-upload-status": "active", "x-goog-upload-size-received": received}
        headers["x-goog-upload-chunk-granularity"] = str(GRANULARITY)
        await delivery.content(200, {"content-type": TEXT_TYPE, **headers})

    async def _at_once(self, found: Route, project: str, delivery: Delivery) -> None:
        """Take a whole file in one request: bytes alone, or metadata and bytes."""
        exchange = delivery.exchange
        pieces, meta = exchange.pieces(), dict[str, Any]()
        mime_type = exchange.headers.get("x-goog-upload-header-content-type") or exchange.headers.get("content-type", "")
        if found.method == "media.upload.multipart":
            related = multipart.Related(pieces, multipart.boundary(mime_type))
            meta = dict(_metadata(await related.metadata()).get("file", {}))
            mime_type = await related.media_type()
            pieces = related.media()
        meta["mimeType"] = meta.get("mimeType") or mime_type.partition(";")[0].strip()
        upload = Upload(project, meta, self._files.spool.new(), self._clock.now(), None, delivery.fault)
        try:
            self._files.check_new(project, meta, 0)
            await self._take(upload, pieces, delivery)
            upload.file = self._files.add(project, meta, upload.content, upload.began, delivery.fault)
            await self._files.examine(upload.file, delivery.fault)
        finally:
            if upload.file is None:
                upload.content.discard()
        await self._finished(upload.file, delivery)

    async def _finished(self, file: File, delivery: Delivery) -> None:
        told = {"file": file.resource(self._clock.now(), delivery.exchange.base_url)}
        await delivery.content(200, {"content-type": JSON_TYPE, "x-goog-upload-status": "final"}, pretty(told))

    def _find(self, name: str) -> Upload:
        self._sweep()
        found = self._begun.get(name)
        if found is None:
            raise terminated()
        return found

    def _end(self, name: str) -> None:
        """Give an upload up after a refusal; a finished one stays known."""
        upload = self._begun.get(name)
        if upload is not None and upload.file is None:
            self._give_up(upload, name)

    def _give_up(self, upload: Upload, name: str) -> None:
        upload.turn += 1
        self._begun.pop(name, None)
        if upload.file is None:
            upload.content.discard()

    def _sweep(self) -> None:
        """Forget what is old, or too much; the dictionary is in the order of beginning."""
        oldest_allowed = self._clock.now() - timedelta(hours=UPLOAD_HOURS_MAX)
        for name, upload in list(self._begun.items()):
            if upload.began > oldest_allowed and len(self._begun) < UPLOADS_MAX:
                break
            self._give_up(upload, name)


def _protocol(exchange: Exchange) -> str:
    """Read the protocol: Google's header, its older query parameter, or the form of the body."""
    given = exchange.headers.get("x-goog-upload-protocol") or exchange.query.get("upload_protocol") or ""
    older = {"media": "raw", "multipart": "multipart", "resumable": "of uploadType=resumable"}
    related = exchange.headers.get("content-type", "").lower().startswith("multipart/related")
    return given.lower() or older.get(exchange.query.get("uploadType", "")) or ("multipart" if related else "raw")


def _metadata(data: bytes) -> dict[str, Any]:
    try:
        return canonical(msgspec.json.decode(data or b"{}"), "CreateFileRequest")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise invalid("Malformed multipart body: the first part is not the JSON of a file.") from None


async def _append(upload: Upload, turn: int, data: bytes) -> None:
    """Write in a thread, unless another request has taken the upload over."""
    async with upload.lock:
        if upload.turn != turn:
            raise ClientLeft
        if data:
            await asyncio.to_thread(upload.content.append, data)


def _number(headers: dict[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise invalid(f"Invalid value of {name}: {text[:40]!r}.")
    return int(text)
