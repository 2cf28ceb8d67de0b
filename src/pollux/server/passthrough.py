"""Bytes through the server, both ways: a caller's body to the upstream, an answer back, nothing held.

Back-pressure comes from below: a piece of the body is read from the caller when the one before has gone out, a piece of the
answer from the upstream when the caller has taken the one before. A caller who leaves ends both.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

from pollux.errors import ApiError
from pollux.server.exchange import CallerLeft, Exchange, Header
from pollux.server.sealed import Sealer
from pollux.upstream.http import HttpFailed, HttpStream
from pollux.upstream.passthrough import Passthrough, answer_headers, query_without

log = logging.getLogger("pollux.server")

KEY_PARAMETERS = frozenset({"key"})

UPLOAD_URLS = ("x-goog-upload-url", "x-goog-upload-control-url")
"""Headers of an answer that hold the upstream's URL of an upload session."""

_HOST = re.compile(r"[A-Za-z0-9._\-]+(?::\d+)?|\[[0-9A-Fa-f:.]+\](?::\d+)?")


class CallersBody:
    """A caller's body on its way: read once, piece by piece. `tap` sees each before it goes on; `failure` is a bad end.

    When it has ended well, the caller is watched: `task` is cancelled when they leave.
    """

    def __init__(self, exchange: Exchange, bytes_max: int, tap: Callable[[bytes], Awaitable[None]] | None = None) -> None:
        self._exchange = exchange
        self._bytes_max = bytes_max
        self._tap = tap
        self._task = asyncio.current_task()
        self.failure: ApiError | CallerLeft | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._exchange.pieces(self._bytes_max):
                if self._tap is not None:
                    await self._tap(piece)
                yield piece
        except (ApiError, CallerLeft) as failure:
            self.failure = failure
            raise
        self._exchange.watch(self._task)


class Addresses:
    """Turns the upstream's addresses in an answer's headers into our own."""

    def __init__(self, passthrough: Passthrough, sealer: Sealer) -> None:
        self._passthrough = passthrough
        self._sealer = sealer

    def headers(
        self, exchange: Exchange, stream: HttpStream, *, owner: str, url: str, attached: bool, session_id: str = ""
    ) -> list[Header]:
        """Give the headers of an answer to `url` as the caller gets them; `attached` are bytes, which no browser shows.

        `session_id` is ours for an upload that begins; it is sealed with its URL, as a fragment, which is never sent.
        """
        told: list[tuple[str, str]] = []
        for name, value in answer_headers(stream.headers):
            if name in UPLOAD_URLS:
                there = urljoin(url, value) + (f"#{session_id}" if session_id else "")
                told.append((name, self._session(exchange, owner, there)))
            elif name in {"location", "content-location"}:
                told.append((name, self._place(exchange, owner, url, value)))
            elif not (name == "x-content-type-options" or (attached and name == "content-disposition")):
                told.append((name, value))
        told.append(("x-content-type-options", "nosniff"))
        if attached:
            told.append(("content-disposition", _attachment(stream.headers.get("content-disposition", ""))))
        return [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in told]

    def _session(self, exchange: Exchange, owner: str, url: str) -> str:
        return f"{own_origin(exchange)}{exchange.path}?upload_id={self._sealer.seal(owner, url)}&upload_protocol=resumable"

    def _place(self, exchange: Exchange, owner: str, url: str, value: str) -> str:
        """Rewrite a redirect's target: the upstream's own becomes ours; a foreign one stays, without a key."""
        there = urljoin(url, value)
        parts = urlsplit(there)
        query = query_without(parts.query, KEY_PARAMETERS)
        if not self._passthrough.own(there):
            return parts._replace(query=query).geturl()
        if "upload_id=" in query:
            return self._session(exchange, owner, there)
        return own_origin(exchange) + parts._replace(scheme="", netloc="", query=query).geturl()


def own_origin(exchange: Exchange) -> str:
    """Give the scheme and host under which the caller reached us; nothing when they did not say it well."""
    host = exchange.headers.get(b"host", b"").decode("latin-1")
    if not _HOST.fullmatch(host):
        return ""
    scheme = exchange.headers.get(b"x-forwarded-proto", b"http")
    return f"{'https' if scheme == b'https' else 'http'}://{host}"


async def relay(
    exchange: Exchange,
    stream: HttpStream,
    headers: list[Header],
    tell: Callable[[ApiError], bytes],
    *,
    tap: Callable[[bytes], Awaitable[None]] | None = None,
) -> None:
    """Pass an answer back as it comes. `tap` sees each piece before it is sent.

    When the upstream breaks off, a stream of events ends with an error (`tell` gives its body); any other answer is cut, so
    that no caller takes it for whole.
    """
    await exchange.start(stream.status, tuple(headers))
    events = stream.headers.get("content-type", "").startswith("text/event-stream")
    try:
        async for data in stream.reads():
            if tap is not None:
                await tap(data)
            await exchange.send(data)
    except (HttpFailed, ApiError) as error:
        log.warning("An answer ended early: %s (%s)", error, exchange.request_id)
        if not events:
            return
        failure = error if isinstance(error, ApiError) else ApiError(f"The Gemini API failed: {error}", status=502)
        await exchange.send(b"data: " + tell(failure) + b"\r\n\r\n")
    await exchange.send(b"", more=False)


def json_or_none(data: bytes) -> Any:
    """Decode an answer; None when it is not JSON."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _attachment(given: str) -> str:
    kind, _, rest = given.partition(";")
    return f"attachment;{rest}" if kind.strip().lower() in {"attachment", "inline"} and rest else "attachment"
