"""Inputs of batches that come through the native Files API: their bytes are kept here too while they pass.

Gemini does not give uploaded files out again, and a batch must be read before it is translated. So what can be an input is
stored under its native name (`files/…`) for its owner, as long as Gemini keeps it, and deleted with it. Each chunk of a
resumable upload is a part in the store, so that chunks may come through any replica; one that breaks off is kept as far as it
came, and cut where the client goes on. When nothing can be kept, the upload itself goes on all the same.
"""

import logging
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from pollux.errors import ApiError, InvalidRequest
from pollux.server import batch_input_files, files
from pollux.server.access import Caller
from pollux.server.exchange import Exchange
from pollux.server.gemini_files import LIFE_SECONDS, expires_us
from pollux.server.multipart import RelatedFile
from pollux.server.native_paths import Target
from pollux.translate.files import plain_name
from pollux.wire.gemini.files import File as NativeFile
from pollux.wire.gemini.files import decode_uploaded

if TYPE_CHECKING:
    from pollux.server.app import App
    from pollux.store.blobs import Incoming, Written
    from pollux.store.files import File
    from pollux.store.uploads import Part

log = logging.getLogger("pollux.server")

INPUT_TYPES = frozenset(
    {
        "jsonl", "application/jsonl", "application/x-jsonl", "application/jsonlines", "application/json-lines", "text/jsonl",
        "text/x-jsonl", "application/ndjson", "application/x-ndjson", "application/json", "text/json", "text/plain",
        "application/octet-stream", "",
    }
)  # fmt: skip
"""Media types under which clients upload JSONL; the guide's sample 13 says `jsonl`."""

INPUT_TYPE = "application/jsonl"

SPACE = b" \t\r\n\xef\xbb\xbf"

PARTS_MAX = 100_000
"""Chunks of one upload; clients send 8 MiB each."""


class BatchUpload:
    """One request of an upload, and what is kept of it. A context around the request.

    `id` names a resumable upload in the store; it travels in the session's sealed address.
    """

    def __init__(self, app: "App", exchange: Exchange, caller: Caller, upload_id: str = "") -> None:
        self._app = app
        self._caller = caller
        self._headers = exchange.headers
        self._resumed = bool(upload_id)
        self.id = upload_id or files.new_id("native_")
        self._command = exchange.headers.get(b"x-goog-upload-command", b"").decode("latin-1").lower().replace(" ", "")
        offset = exchange.headers.get(b"x-goog-upload-offset", b"0")
        self._offset = int(offset) if offset.isdigit() and len(offset) < 19 else 0
        self._incoming: Incoming | None = None
        self._looked = self._offset > 0
        self._related = RelatedFile(exchange.headers.get(b"content-type", b""))
        self._refused = self._command in ("start", "query", "cancel")

    @property
    def begins(self) -> bool:
        """Whether this request begins a resumable upload of what may be an input."""
        kind = self._headers.get(b"x-goog-upload-header-content-type", b"").decode("latin-1")
        return self._command == "start" and _may_be_input(kind)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._incoming is not None:
            await self._answered(kept=self._resumed)

    async def take(self, piece: bytes) -> None:
        """Take what comes."""
        if self._refused:
            return
        try:
            for data in [piece] if self._resumed else self._related.feed(piece):
                await self._take(data)
        except ApiError as error:
            self._give_up(error)

    async def answered(self, status: int) -> None:
        """Note the status of the answer to a chunk: what the service refused is not kept."""
        if self._resumed and self._command == "cancel" and status == 200:
            with suppress(ApiError):
                await (await self._app.storing.store()).uploads.cancel(self._caller.owner, self.id)
        if self._resumed and self._incoming is not None:
            await self._answered(kept=status == 200 or status >= 500)

    async def finished(self, answer: bytes) -> None:
        """Read the answer that ends an upload, and keep the file under its name."""
        try:
            native = decode_uploaded(answer).file
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if not native.name.startswith("files/") or not _may_be_input(native.mime_type or ""):
            return
        try:
            await (self._put_together(native) if self._resumed else self._keep(native))
        except ApiError as error:
            log.warning("%s cannot be the input of a batch: %s", native.name, error.message)

    async def _take(self, data: bytes) -> None:
        if not self._looked:
            start = data.lstrip(SPACE)
            if start and not start.startswith(b"{"):  # every line of an input is a JSON object
                self._refused = True
                return
            self._looked = bool(start)
        if self._incoming is None:
            self._incoming = (await self._app.storing.store()).files.incoming()
        await self._incoming.write(data)

    async def _answered(self, *, kept: bool) -> None:
        """End the bytes of this request: as a part of the upload, or as nothing."""
        incoming, self._incoming = self._incoming, None
        if incoming is None:
            return
        async with incoming:
            if not kept:
                return
            try:
                await self._add_part(await incoming.finish())
            except ApiError as error:
                self._give_up(error)

    async def _add_part(self, written: "Written") -> None:
        from pollux.store.uploads import Upload

        store, owner, settings = await self._app.storing.store(), self._caller.owner, self._app.settings
        upload = await store.uploads.get(owner, self.id)
        if upload is None:
            now_us = store.clock.now_us()
            expires = now_us + int(LIFE_SECONDS * 1e6)
            upload = Upload(self.id, now_us, expires, "native", "batch", settings.file_bytes_max, INPUT_TYPE)
            await store.uploads.add(owner, upload)
        await store.uploads.cut(owner, self.id, self._offset)
        if not await store.uploads.add_part(
            owner,
            self.id,
            f"{self._offset:019d}",
            written,
            received_max=2 * settings.file_bytes_max,
            parts_max=PARTS_MAX,
            owner_bytes_max=settings.owner_bytes_max,
        ):
            raise InvalidRequest("There is no room for it.", code="storage_limit_exceeded")

    async def _put_together(self, native: NativeFile) -> None:
        """Make a file of the parts, if they are all here."""
        store, owner = await self._app.storing.store(), self._caller.owner
        parts = await store.uploads.parts(owner, self.id)
        ordered = [parts[name] for name in sorted(parts)]
        size = sum(part.segment.bytes for part in ordered)
        if not ordered or not _gapless(ordered) or str(size) != native.size_bytes:
            await store.uploads.cancel(owner, self.id)
            return
        await store.files.remove(owner, native.name)
        await store.uploads.complete(owner, self.id, _file(native, store.clock.now_us(), size, None), ordered)

    async def _keep(self, native: NativeFile) -> None:
        """Keep a file that came in one request."""
        incoming, self._incoming = self._incoming, None
        if incoming is None:
            return
        async with incoming:
            if str(incoming.bytes) != native.size_bytes:
                return
            written = await incoming.finish()
        store, owner = await self._app.storing.store(), self._caller.owner
        await store.files.remove(owner, native.name)
        file = _file(native, store.clock.now_us(), written.bytes, written.sha256)
        if not await store.files.add(owner, file, written, owner_bytes_max=self._app.settings.owner_bytes_max):
            raise InvalidRequest("There is no room for it.", code="storage_limit_exceeded")

    def _give_up(self, error: ApiError) -> None:
        log.warning("An upload to the Files API is not kept as the input of a batch: %s", error.message)
        self._refused = True


def upload_of(app: "App", exchange: Exchange, target: Target, caller: Caller, upload_id: str = "") -> BatchUpload | None:
    """Give what keeps this request of an upload; None where nothing is to be kept."""
    if target.way != "upload" or target.rest != "files" or exchange.method not in ("POST", "PUT"):
        return None
    if b"content-encoding" in exchange.headers:
        return None
    return BatchUpload(app, exchange, caller, upload_id)


async def forget(app: "App", caller: Caller, name: str) -> None:
    """Delete what is kept of a native file that its owner has deleted."""
    with suppress(ApiError):  # it goes with its time
        await batch_input_files.remove(await app.storing.store(), caller.owner, name)


def _file(native: NativeFile, now_us: int, size: int, sha256: str | None) -> "File":
    from pollux.store.files import File

    filename = plain_name(native.display_name or native.name)
    return File(native.name, now_us, filename, "batch", size, INPUT_TYPE, sha256, expires_us(native, now_us))


def _may_be_input(kind: str) -> bool:
    return kind.partition(";")[0].strip().lower() in INPUT_TYPES


def _gapless(parts: "list[Part]") -> bool:
    """Whether each part begins where the one before it ends; their ids are their offsets."""
    at = 0
    for part in parts:
        if int(part.id) != at:
            return False
        at += part.segment.bytes
    return True
