"""The native Files API: upload a file in resumable steps, and ask how it is.

    start    →  the URL of a session (it stands for the key, which is not sent there)
    upload   →  chunks in order, each at the offset that the service has
    query    →  that offset, after a chunk that broke off
    finalize →  with the last chunk; its answer is the file

Bytes come from a function that reads any range of them, so a chunk is sent again without holding it, and a file of gigabytes
passes through some hundred kilobytes. Source: Gemini API, Files, resumable uploads; recorded traffic.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import NoReturn, TypeVar
from urllib.parse import quote, urljoin

import msgspec

from pollux.errors import ApiError, NotFound, PermissionDenied, UpstreamFailed
from pollux.translate import failures
from pollux.upstream.http import HttpClient, HttpFailed, HttpReply, HttpRequest
from pollux.upstream.passthrough import Passthrough, failed
from pollux.wire.gemini.files import File, FileToUpload, StartUpload, decode_file, decode_uploaded

CHUNK_BYTES = 32 * 1024 * 1024
"""Bytes of one request, a multiple of the 8 MiB that the service asks for; what breaks off is sent again from there."""

T = TypeVar("T")

TRIES_MAX = 4
"""Requests in a row that bring no byte forward."""

PAUSE_SECONDS = 0.5
"""Before the first try again; each further pause is twice as long."""

Read = Callable[[int, int], AsyncGenerator[bytes, None]]
"""Gives the bytes [start, stop) of a file, in pieces."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to be uploaded. `display_name` may be any text; `read` may be called for any range, again and again."""

    display_name: str
    mime_type: str
    bytes: int
    read: Read


class NativeFiles:
    """Calls the Files API at one origin."""

    def __init__(self, http: HttpClient, *, base_url: str, version: str, user_agent: str) -> None:
        self._http = http
        self._place = Passthrough(http, base_url)
        self._base = f"{self._place.origin}/{version}"
        self._upload = f"{self._place.origin}/upload/{version}/files"
        self._user_agent = user_agent

    async def upload(self, source: Source, *, key: str, headers: Mapping[str, str] | None = None) -> File:
        """Upload a file; it may be PROCESSING for some time. Raises ApiError, and what `source.read` raises."""
        url = await self._start(source, key, headers)
        at = tries = 0
        while True:
            stop = min(at + CHUNK_BYTES, source.bytes)
            try:
                reply = await self._chunk(source, url, at, stop)
            except _Again as again:
                received = await self._received(url)
                tries = 0 if received > at else tries + 1
                if tries >= TRIES_MAX or not 0 <= received <= source.bytes:
                    raise again.error from None
                at = received
                await asyncio.sleep(PAUSE_SECONDS * 2**tries)
                continue
            tries = 0
            at = stop
            if stop == source.bytes:
                return _decoded(decode_uploaded, reply.body).file

    async def get(self, name: str, *, key: str, headers: Mapping[str, str] | None = None) -> File:
        """Give what the service says of a file (`files/…`). Raises ApiError."""
        request = HttpRequest("GET", f"{self._base}/{quote(name)}", self._headers(key, headers))
        return _decoded(decode_file, (await self._call(request)).body)

    async def delete(self, name: str, *, key: str, headers: Mapping[str, str] | None = None) -> None:
        """Delete a file (`files/…`). Raises ApiError."""
        await self._call(HttpRequest("DELETE", f"{self._base}/{quote(name)}", self._headers(key, headers)))

    async def _start(self, source: Source, key: str, headers: Mapping[str, str] | None) -> str:
        told = StartUpload(file=FileToUpload(display_name=source.display_name, mime_type=source.mime_type))
        sent = self._headers(key, headers) | {
            "content-type": "application/json",
            "x-goog-upload-protocol": "resumable",
            "x-goog-upload-command": "start",
            "x-goog-upload-header-content-length": str(source.bytes),
            "x-goog-upload-header-content-type": source.mime_type,
        }
        reply = await self._call(HttpRequest("POST", self._upload, sent, msgspec.json.encode(told)))
        url = urljoin(self._upload, reply.headers.get("x-goog-upload-url", ""))
        if "upload_id" not in url or not self._place.own(url):
            _malformed("it began an upload without an address of its own for it")
        return url

    async def _chunk(self, source: Source, url: str, start: int, stop: int) -> HttpReply:
        """Send one chunk. Raises _Again where the rest may be sent again, else ApiError or what the source raises."""
        body = _Body(source.read, start, stop)
        sent = {
            "user-agent": self._user_agent,
            "content-type": "application/octet-stream",
            "x-goog-upload-command": "upload, finalize" if stop == source.bytes else "upload",
            "x-goog-upload-offset": str(start),
        }
        request = HttpRequest("POST", url, sent, body, content_length=stop - start, repeatable=False)
        try:
            reply = await self._http.call(request)
        except HttpFailed as error:
            if body.failure is not None:
                raise body.failure from None
            raise _Again(_error(error)) from None
        if reply.status >= 500:
            raise _Again(failures.from_gemini(reply.status, reply.body))
        if reply.status != 200:
            raise failures.from_gemini(reply.status, reply.body)
        return reply

    async def _received(self, url: str) -> int:
        """Ask how many bytes have arrived; -1 when the upload is not open any more."""
        sent = {"user-agent": self._user_agent, "x-goog-upload-command": "query"}
        try:
            reply = await self._call(HttpRequest("POST", url, sent, b""))
        except (NotFound, PermissionDenied):
            return -1
        received = reply.headers.get("x-goog-upload-size-received", "")
        active = reply.headers.get("x-goog-upload-status", "") == "active"
        return int(received) if active and received.isdecimal() else -1

    async def _call(self, request: HttpRequest) -> HttpReply:
        try:
            reply = await self._http.call(request)
        except HttpFailed as error:
            failed(error)
        if reply.status != 200:
            raise failures.from_gemini(reply.status, reply.body)
        return reply

    def _headers(self, key: str, headers: Mapping[str, str] | None) -> dict[str, str]:
        return {"x-goog-api-key": key, "user-agent": self._user_agent} | dict(headers or {})


class _Again(Exception):
    """A chunk that did not arrive as a whole; `error` is what to say if it never does."""

    def __init__(self, error: ApiError) -> None:
        self.error = error


class _Body:
    """A chunk's bytes on their way; `failure` is why they could not be read."""

    def __init__(self, read: Read, start: int, stop: int) -> None:
        self._read = read
        self._start = start
        self._stop = stop
        self.failure: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async with aclosing(self._read(self._start, self._stop)) as pieces:
                async for piece in pieces:
                    yield piece
        except Exception as failure:
            self.failure = failure
            raise


def _error(error: HttpFailed) -> ApiError:
    try:
        failed(error)
    except ApiError as said:
        return said


def _decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        _malformed("its answer about a file cannot be read")


def _malformed(what: str) -> NoReturn:
    raise UpstreamFailed(f"The Gemini API sent what is not an answer: {what}.", code="upstream_malformed")
