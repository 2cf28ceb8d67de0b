"""Files and other content that Gemini must read: uploaded to the native Files API on first need, once per owner and content.

    known       a copy of this content lasts long enough: its URI, without a word to Gemini
    wanted      one of all processes takes the lease, uploads, waits until the file is ACTIVE, and notes it
    elsewhere   somebody else has the lease: wait for the note, or for the lease of one who died

A copy lives for 48 hours at Gemini and is made anew when its time is nearly over.
"""

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from pollux.errors import ApiError, InvalidRequest, UpstreamFailed
from pollux.media import sniff
from pollux.server import files
from pollux.server.access import Caller
from pollux.settings import Settings
from pollux.translate.files import DEFAULT_TYPE
from pollux.upstream.client import GOOGLE
from pollux.upstream.files import NativeFiles, Source
from pollux.wire.gemini.files import File as NativeFile

if TYPE_CHECKING:
    from pollux.server.app import App
    from pollux.store.copies import Copy, CopyKey
    from pollux.store.store import Store

log = logging.getLogger("pollux.server")

LASTING_SECONDS = 3600.0
"""How long a copy must still last to be used: longer than any request."""

LIFE_SECONDS = 48 * 3600.0
"""How long Gemini keeps a file, where it does not say."""

LEASE_SECONDS = 60.0
"""How long an upload of a process that died holds the others up; a living one renews its lease three times as often."""

ACTIVE_SECONDS = 600.0
"""How long a file may be PROCESSING; long videos take minutes."""

LOOK_SECONDS = (0.2, 5.0)
"""Time between looks at a file that is PROCESSING, or at another's upload: the first, and what it grows to."""


class GeminiFiles:
    """Knows where contents are at Gemini, and brings them there."""

    def __init__(self, app: "App", native: NativeFiles) -> None:
        self._app = app
        self._native = native
        self._project = _project(app.settings)

    async def uri(self, caller: Caller, file_id: str, headers: Mapping[str, str] | None = None) -> tuple[str, str]:
        """Give the URI by which Gemini reads a file of the caller's, and its media type. Raises NotFound and other ApiErrors.

        It may take as long as the upload does. `headers` go upstream with it.
        """
        store, file = await files.find(self._app, caller, file_id)
        sha256 = await store.files.sha256(caller.owner, file)
        segments = await store.files.segments(caller.owner, file.id)
        mime_type = file.mime_type
        if mime_type == DEFAULT_TYPE:
            async with aclosing(store.files.read(segments, 0, min(file.bytes, sniff.HEAD_BYTES))) as pieces:
                mime_type = sniff.media_type(b"".join([piece async for piece in pieces])) or mime_type

        def read(start: int, stop: int) -> AsyncGenerator[bytes, None]:
            return store.files.read(segments, start, stop)

        source = Source(file.filename, mime_type, file.bytes, read)
        return await self.uri_of(caller, source, sha256, headers), mime_type

    async def native(self, caller: Caller, name: str, headers: Mapping[str, str] | None = None) -> tuple[str, str]:
        """Give the URI and the media type of a native file (`files/…`), once it can be used. Raises ApiError."""
        if self._app.owned is not None:
            await self._app.owned.check(caller, [name])
        file = await self._native.get(name, key=caller.upstream_key, headers=headers)
        file = await self._active(file, caller, headers)
        return file.uri, file.mime_type or ""

    async def uri_of(self, caller: Caller, source: Source, sha256: str, headers: Mapping[str, str] | None = None) -> str:
        """Give the URI by which Gemini reads a content; uploaded on first need. Raises ApiError."""
        from pollux.store.copies import CopyKey  # the store is loaded when it is first used

        store = await self._app.storing.store()
        key = CopyKey(caller.owner, self._project, sha256, source.mime_type)
        lease = f"copy {self._project} {sha256} {source.mime_type}"
        holder = secrets.token_hex(8)
        deadline = time.monotonic() + self._app.settings.total_seconds
        pauses = _pauses()
        while True:
            copy = await store.copies.get(key, lasting_seconds=LASTING_SECONDS)
            if copy is not None:
                return copy.uri
            if await store.leases.take(caller.owner, lease, holder, LEASE_SECONDS):
                break
            if time.monotonic() > deadline:
                raise UpstreamFailed("The file is being uploaded to the Gemini API, and that does not end.", status=504)
            await asyncio.sleep(next(pauses))
        async with _held(store, caller.owner, lease, holder):
            # Between the look and the lease, another may have ended.
            copy = await store.copies.get(key, lasting_seconds=LASTING_SECONDS)
            if copy is None:
                copy = await self._upload(store, caller, source, key, headers)
            return copy.uri

    async def forget(self, caller: Caller, uri: str) -> None:
        """Forget a copy that Gemini says it does not have, so that the next need uploads it anew."""
        await (await self._app.storing.store()).copies.forget(caller.owner, uri)

    async def _upload(
        self, store: "Store", caller: Caller, source: Source, key: "CopyKey", headers: Mapping[str, str] | None
    ) -> "Copy":
        from pollux.store.copies import Copy

        native = await self._native.upload(source, key=caller.upstream_key, headers=headers)
        if self._app.owned is not None:
            await self._app.owned.add(caller.owner, [native.name])
        native = await self._active(native, caller, headers)
        copy = Copy(native.name, native.uri, expires_us(native, store.clock.now_us()))
        await store.copies.put(key, copy)
        return copy

    async def _active(self, native: NativeFile, caller: Caller, headers: Mapping[str, str] | None) -> NativeFile:
        deadline = time.monotonic() + ACTIVE_SECONDS
        pauses = _pauses()
        while native.state == "PROCESSING" and time.monotonic() < deadline:
            await asyncio.sleep(next(pauses))
            native = await self._native.get(native.name, key=caller.upstream_key, headers=headers)
        if native.state == "PROCESSING":
            raise UpstreamFailed(
                f"The Gemini API is still processing the file after {ACTIVE_SECONDS:g} seconds.",
                status=504,
                code="file_processing",
            )
        if native.state == "FAILED":
            why = (native.error and native.error.message) or "it does not say why"
            raise InvalidRequest(f"The Gemini API cannot process this file: {why}", code="file_failed")
        return native


@asynccontextmanager
async def _held(store: "Store", owner: str, lease: str, holder: str) -> AsyncIterator[None]:
    """Hold on to a lease as long as the block lasts, then give it back."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with suppress(ApiError):  # the next time may work; without it another uploads the same once more
                await store.leases.take(owner, lease, holder, LEASE_SECONDS)

    renewing = asyncio.create_task(renew())
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(ApiError):  # it ends by itself
            await asyncio.shield(store.leases.give_back(owner, lease, holder))


def _pauses() -> Iterator[float]:
    """Give ever longer pauses, up to a limit."""
    pause, longest = LOOK_SECONDS
    while True:
        yield pause
        pause = min(pause * 1.5, longest)


def _project(settings: Settings) -> str:
    """Name the place where copies are: the origin, and for the server's own key its project. Callers' keys are not in it."""
    origin = hashlib.sha256((settings.upstream_url or GOOGLE).encode()).hexdigest()[:16]
    return origin + (hashlib.sha256(settings.gemini_api_key.encode()).hexdigest()[:16] if settings.spends_server_key else "")


def expires_us(native: NativeFile, now_us: int) -> int:
    """Give the end of a copy by our clock."""
    with suppress(ValueError, TypeError):
        return int(datetime.fromisoformat(native.expiration_time or "").timestamp() * 1e6)
    return now_us + int(LIFE_SECONDS * 1e6)
