"""A recording that a caller sends: spooled to disk while it comes, then known by its bytes and brought to where Gemini reads.

What fits into one native request is sent in it, and looked at first: a damaged file is refused before anything is paid for.
What does not goes through the Files API from the disk, never whole through memory.
"""

import asyncio
import hashlib
import tempfile
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pollux.errors import ApiError, InvalidRequest, StorageFull, UnusableMedia
from pollux.media import audio, sniff
from pollux.server.access import Caller
from pollux.server.exchange import Exchange
from pollux.server.multipart import Form
from pollux.translate.files import DEFAULT_TYPE, TYPES
from pollux.translate.media import Found, Source
from pollux.upstream.files import Source as Upload
from pollux.wire.gemini.generate import Base64

if TYPE_CHECKING:
    from pollux.server.app import App

SPOOLED_IN_MEMORY_BYTES = 1_048_576
"""Up to here a recording stays in memory while it comes; slow callers hold no more."""

READ_BYTES = 262_144

FIELD = "file"


class Recording:
    """The recording of one request. A context: leaving it forgets the bytes."""

    def __init__(self, app: "App", exchange: Exchange, folder: Path) -> None:
        self._app = app
        self._exchange = exchange
        self._folder = folder
        self._spool = tempfile.SpooledTemporaryFile(SPOOLED_IN_MEMORY_BYTES, dir=str(folder))  # noqa: SIM115 - closed with the context
        self._digest = hashlib.sha256()
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    async def write(self, piece: bytes) -> None:
        """Take some bytes. Raises StorageFull."""
        on_disk = self._size > SPOOLED_IN_MEMORY_BYTES
        self._size += len(piece)
        try:
            if self._size > SPOOLED_IN_MEMORY_BYTES:
                if not on_disk:
                    self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                await asyncio.to_thread(self._write, piece)
            else:
                self._write(piece)
        except OSError as error:
            raise StorageFull(f"There is no room on this server's disk for the recording: {error.strerror}.") from None

    async def found(self, form: Form, caller: Caller, headers: Mapping[str, str]) -> tuple[Found, float]:
        """Say what it is, and how long it sounds; 0 where that would cost reading gigabytes. Raises ApiError.

        Of a video, and of what the service does not take, the sound is sent alone.
        """
        if not self._size:
            raise InvalidRequest("file is empty.", param=FIELD, code="empty_file")
        head = self._read(0, sniff.HEAD_BYTES)
        mime_type = _type_of(head, form)
        source = Source(FIELD, filename=form.filename[:255])
        if self._size * 4 // 3 > self._app.settings.inline_bytes_max:
            return await self._uploaded(source, mime_type, caller, headers), 0.0
        self._hold(self._size * 7 // 3)  # the bytes and their base64
        data = await asyncio.to_thread(self._read, 0, self._size)
        try:
            form_of_samples = audio.pcm_form(mime_type)
            if form_of_samples is not None:
                seconds = form_of_samples.seconds(data)
            else:
                seconds = await self._app.workshop.run(audio.duration, data)
            if not sniff.is_taken(mime_type) or sniff.kind(mime_type) == "video":
                data, mime_type = await self._app.workshop.run(audio.soundtrack, data), "audio/flac"
        except UnusableMedia as error:
            raise InvalidRequest(f"file cannot be heard: {error.message}", param=FIELD, code=error.code) from None
        return Found(source, mime_type, Base64(b64encode(data))), seconds

    async def _uploaded(self, source: Source, mime_type: str, caller: Caller, headers: Mapping[str, str]) -> Found:
        if not sniff.is_taken(mime_type):
            raise _not_sound(mime_type)
        upload = Upload(source.filename or "recording", mime_type, self._size, self._pieces)
        try:
            uri = await self._app.gemini_files.uri_of(caller, upload, self._digest.hexdigest(), headers)
        except ApiError as error:
            error.param = FIELD
            raise
        return Found(source, mime_type, uri=uri)

    async def _pieces(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        for at in range(start, stop, READ_BYTES):
            yield await asyncio.to_thread(self._read, at, min(at + READ_BYTES, stop))

    def _hold(self, size: int) -> None:
        """Count bytes that are held for this request. Raises Overloaded."""
        self._app.in_flight.hold(size)
        self._exchange.held_bytes += size

    def _write(self, piece: bytes) -> None:
        self._digest.update(piece)
        self._spool.write(piece)

    def _read(self, start: int, stop: int) -> bytes:
        self._spool.seek(start)
        return self._spool.read(stop - start)


def _type_of(head: bytes, form: Form) -> str:
    """Give the type by the bytes; the label and the name's end say only what bytes cannot. Raises InvalidRequest."""
    label = form.content_type
    if not label or sniff.plain(label) == DEFAULT_TYPE:
        label = TYPES.get(form.filename.rpartition(".")[2].lower(), "")
    mime_type = sniff.media_type(head, label)
    if mime_type is None:
        raise InvalidRequest(
            "file is not sound: its bytes are of no known format. Send WAV, MP3, FLAC, Ogg, M4A, AAC, AIFF or WebM.",
            param=FIELD,
            code="invalid_media",
        )
    if sniff.kind(mime_type) not in {"audio", "video"}:
        raise _not_sound(mime_type)
    return mime_type


def _not_sound(mime_type: str) -> InvalidRequest:
    return InvalidRequest(
        f"file is of type {mime_type}, not sound that can be transcribed.", param=FIELD, code="unsupported_media_type"
    )
