"""The media of a request: read where they lie in it; elsewhere fetched, looked up or uploaded, all side by side.

| what a part names                            | what becomes of it                                                  |
|----------------------------------------------|---------------------------------------------------------------------|
| base64, a data URL                           | checked, and passed on as it came                                   |
| a file of ours (`file-…`)                    | its copy at the Files API, uploaded on first need                   |
| a native file (`files/…`, or its URI)        | its URI, if it is the caller's                                      |
| YouTube, `gs://`                             | passed on; Google reads them                                        |
| another http or https URL                    | by the setting `remote_media`: fetched, passed on, or refused       |

What is more than one native request takes goes through the Files API, the largest first.
"""

import asyncio
import hashlib
import re
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import AsyncGenerator, Coroutine, Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from urllib.parse import urlsplit

from pollux.errors import ApiError, InvalidRequest, NotFound, PermissionDenied, Unsupported, UnusableMedia
from pollux.media import images, inline, sniff
from pollux.server import files
from pollux.server.access import Caller
from pollux.server.asking import Call, Replies
from pollux.server.references import resource
from pollux.translate.files import TYPES
from pollux.translate.media import Found, Source, sources
from pollux.upstream.files import Source as Upload
from pollux.upstream.http import Parts
from pollux.wire.gemini.generate import Base64
from pollux.wire.openai.chat import Message

if TYPE_CHECKING:
    from pollux.server.app import App
    from pollux.upstream.fetch import Fetched

AT_ONCE = 8
"""Fetches, look-ups and uploads of one request that run side by side."""

ELSEWHERE_MAX = 100
"""Media of one request that do not lie in it; each costs a call or two."""

PDF_BYTES_MAX = 50_000_000
"""Largest PDF that the native API takes inline."""

YOUTUBE = re.compile(
    r"https?://(?:(?:www\.|m\.)?youtube\.com/(?:watch\?|shorts/|live/|embed/)|youtu\.be/)[^\s]{1,300}", re.IGNORECASE
)
_GOOGLE_STORAGE = re.compile(r"gs://[^\s/]{1,222}/[^\s]{1,1024}")


class Holder(Protocol):
    """What counts the bytes that are held for it, and gives them back at its end: an exchange, or a line of a batch."""

    held_bytes: int


class RequestMedia:
    """Finds the media of one request."""

    def __init__(self, app: "App", holder: Holder, caller: Caller, headers: Mapping[str, str]) -> None:
        self._app = app
        self._holder = holder
        self._caller = caller
        self._headers = headers
        self._places = asyncio.Semaphore(AT_ONCE)
        self._fetching: dict[str, asyncio.Task[Fetched]] = {}
        self._fetched_bytes = 0
        self._copies: dict[str, Source | Found] = {}
        """What lies at the Files API for this request, by its URI: a stored file, or media that lay in the request."""

    async def of_messages(self, messages: list[Message]) -> list[Found]:
        """Find all media of a conversation. Raises ApiError, naming the part."""
        return await self.find(sources(messages))

    async def find(self, wanted: list[Source]) -> list[Found]:
        """Find media. Raises ApiError, naming the part."""
        if not wanted:
            return []
        elsewhere = [source for source in wanted if source.data is None]
        if len(elsewhere) > ELSEWHERE_MAX:
            raise InvalidRequest(
                f"The request names {len(elsewhere)} media by URL or id; {ELSEWHERE_MAX} are allowed.",
                param=elsewhere[ELSEWHERE_MAX].path,
            )
        here = {source.path: inline.found(source) for source in wanted if source.data is not None}
        there = await _all([self._elsewhere(source) for source in elsewhere])
        found = here | {each.source.path: each for each in there}
        return await self._within_limits([await self._as_taken(found[source.path]) for source in wanted])

    def renewing(self, call: Call) -> Call:
        """Make a call that is made again, with a new copy, when Gemini says that a file of ours is gone; once for each."""
        if not self._copies:
            return call

        async def renewing(body: Parts) -> Replies:
            for _ in range(len(self._copies)):  # the service names one file at a time
                try:
                    return await call(body)
                except (NotFound, PermissionDenied) as error:
                    renewed = await self._renewed(error, body)
                    if renewed is None:
                        raise
                    body = renewed
            return await call(body)

        return renewing

    async def _renewed(self, error: ApiError, body: Parts) -> Parts | None:
        """Give a refused native body with new copies of the files that Gemini says are gone; None when that is not the reason.

        A copy may have been deleted behind our back; then it is forgotten and uploaded once more.
        """
        gone = {uri: source for uri, source in self._copies.items() if uri.rpartition("/")[2] in error.message}
        if not gone:
            return None
        for uri, source in gone.items():
            del self._copies[uri]
            await self._app.gemini_files.forget(self._caller, uri)
            again = await (self._elsewhere(source) if isinstance(source, Source) else self._uploaded(source))
            old, new = f'"{uri}"'.encode(), f'"{again.uri}"'.encode()
            body = tuple(part.replace(old, new) if isinstance(part, bytes) else part for part in body)
        return body

    async def _elsewhere(self, source: Source) -> Found:
        async with self._places:
            try:
                return await self._at_address(source)
            except ApiError as error:
                error.param = error.param if error.param and error.param.startswith(source.path) else source.path
                raise

    async def _at_address(self, source: Source) -> Found:
        address = source.address
        gemini_files = self._app.gemini_files
        if files.ID.fullmatch(address):
            picture = await self._stored_picture(source)
            if picture is not None:
                return picture
            uri, mime_type = await gemini_files.uri(self._caller, address, self._headers)
            self._copies[uri] = source
            return Found(source, mime_type, uri=uri)
        native = resource(address, self._app.passthrough.host)
        if native is not None and native.startswith("files/"):
            uri, mime_type = await gemini_files.native(self._caller, native, self._headers)
            return Found(source, mime_type, uri=uri)
        if YOUTUBE.fullmatch(address):
            return Found(source, "video/mp4", uri=address)
        if _GOOGLE_STORAGE.fullmatch(address):
            return Found(source, _named_type(source), uri=address)
        if not address.lower().startswith(("http://", "https://")):
            self._unknown(source)
        match self._app.settings.remote_media:
            case "fetch":
                return await self._fetch(source)
            case "reference" if address.lower().startswith("https://"):
                self._app.fetcher.parsed(address, source.path)
                return Found(source, _named_type(source), uri=address)
        raise Unsupported(
            f"{source.path}: this server does not fetch media. Send the file itself, as a data URL.",
            param=source.path,
            code="remote_media_off",
        )

    async def _stored_picture(self, source: Source) -> Found | None:
        """Read a stored picture that the service does not take, so that it can be redrawn; None for every other file."""
        store, file = await files.find(self._app, self._caller, source.address)
        if file.mime_type not in sniff.REDRAWN or file.bytes > self._app.settings.remote_media_bytes_max:
            return None
        segments = await store.files.segments(self._caller.owner, file.id)
        async with aclosing(store.files.read(segments, 0, file.bytes)) as pieces:
            data = b"".join([piece async for piece in pieces])
        encoded = b64encode(data)
        self._count(len(encoded))
        return inline.of_type(source, data[: sniff.HEAD_BYTES], Base64(encoded), label=file.mime_type)

    async def _fetch(self, source: Source) -> Found:
        """Fetch what a URL leads to; one that stands in several places, once."""

        def look(head: bytes, label: str) -> None:
            inline.of_type(source, head, label=source.label or label)

        if source.address not in self._fetching:
            fetching = self._app.fetcher.fetch(source.address, source.path, look, self._hold)
            self._fetching[source.address] = asyncio.create_task(fetching)
        fetched = await self._fetching[source.address]
        label = source.label or fetched.label
        return inline.of_type(source, fetched.head, Base64(*fetched.pieces), label=label)

    def _hold(self, size: int) -> None:
        """Count bytes that are fetched for this request. Raises ApiError."""
        self._fetched_bytes += size
        if self._fetched_bytes > self._app.settings.remote_media_bytes_max * 4 // 3 + 4:
            raise InvalidRequest(
                f"The media behind the URLs of this request are larger than {self._app.settings.remote_media_bytes_max} bytes.",
                param="messages",
                code="media_too_large",
            )
        self._count(size)

    def _count(self, size: int) -> None:
        """Count bytes that are held for this request. Raises Overloaded."""
        self._app.in_flight.hold(size)
        self._holder.held_bytes += size

    def _unknown(self, source: Source) -> NoReturn:
        if source.path.endswith(".file"):
            files.unknown(source.address)
        raise InvalidRequest(
            f"{source.path} is neither a data URL nor an address that is read here (https://, files/…, gs://).",
            param=source.path,
            code="invalid_url",
        )

    async def _as_taken(self, found: Found) -> Found:
        """Redraw a picture of a format that the service does not take; one after the other, as few do it."""
        source, data = found.source, found.data
        if data is None or found.mime_type not in sniff.REDRAWN:
            return found
        try:
            still = await self._app.workshop.run(images.still, b"".join(data.pieces))
        except UnusableMedia as error:
            raise InvalidRequest(f"{source.path} cannot be used: {error.message}", param=source.path, code=error.code) from None
        self._count(len(still.data))
        note = "only the first of its pictures is sent" if still.more else ""
        return Found(source, "image/png", Base64(still.data), note=note)

    async def _within_limits(self, found: list[Found]) -> list[Found]:
        """Move media to the Files API until the rest fits into one native request."""
        here = sorted((each for each in found if each.data is not None), key=_size)
        left = sum(map(_size, here))
        moved = {each.source.path: each for each in here if each.mime_type == "application/pdf" and _size(each) > PDF_BYTES_MAX}
        left -= sum(map(_size, moved.values()))
        while left > self._app.settings.inline_bytes_max:
            largest = here.pop()
            if largest.source.path not in moved:
                moved[largest.source.path] = largest
                left -= _size(largest)
        if not moved:
            return found
        uploaded = {each.source.path: each for each in await _all([self._uploaded(each) for each in moved.values()])}
        return [uploaded.get(each.source.path, each) for each in found]

    async def _uploaded(self, found: Found) -> Found:
        """Bring media to the Files API, unless they are there already."""
        data = found.data
        assert data is not None
        async with self._places:
            size, sha256 = await asyncio.to_thread(_measured, data)
            upload = Upload(
                found.source.filename or "media", found.mime_type, size, lambda start, stop: _read(data, start, stop)
            )
            try:
                uri = await self._app.gemini_files.uri_of(self._caller, upload, sha256, self._headers)
            except ApiError as error:
                error.param = found.source.path
                raise
        self._copies[uri] = found
        return Found(found.source, found.mime_type, uri=uri, note=found.note)


async def _all(finding: Iterable[Coroutine[Any, Any, Found]]) -> list[Found]:
    """Wait for all; the first error ends the others."""
    tasks = [asyncio.ensure_future(each) for each in finding]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _size(found: Found) -> int:
    return found.data.size if found.data is not None else 0


def _named_type(source: Source) -> str:
    """Give the media type by the label, or by the end of the address; nothing where neither says it."""
    label = sniff.plain(source.label)
    return label or TYPES.get(urlsplit(source.address).path.rpartition(".")[2].lower(), "")


DECODED_CHARACTERS = 65_536
"""Base64 that is decoded at once, a multiple of four."""


def _decoded(data: Base64) -> Iterator[bytes]:
    for piece in data.pieces:
        for at in range(0, len(piece), DECODED_CHARACTERS):
            yield a2b_base64(piece[at : at + DECODED_CHARACTERS])


def _measured(data: Base64) -> tuple[int, str]:
    """Give the size and the SHA-256 of what base64 stands for, without holding it."""
    size, digest = 0, hashlib.sha256()
    for piece in _decoded(data):
        size += len(piece)
        digest.update(piece)
    return size, digest.hexdigest()


async def _read(data: Base64, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """Give the bytes [start, stop) of what base64 stands for, piece by piece."""
    at = 0
    for piece in data.pieces:
        for first in range(0, len(piece), DECODED_CHARACTERS):
            characters = piece[first : first + DECODED_CHARACTERS]
            size = len(characters) // 4 * 3 - bytes(characters[-2:]).count(b"=")
            if at < stop and at + size > start:
                yield a2b_base64(characters)[max(0, start - at) : stop - at]
            at += size
