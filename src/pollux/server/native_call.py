"""One native request, passed on as it is, and its answer back."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pollux.errors import ApiError, Unauthenticated, UpstreamFailed
from pollux.server import batch_uploads, failures
from pollux.server.access import Caller
from pollux.server.batch_uploads import BatchUpload
from pollux.server.exchange import CallerLeft, Exchange, Header
from pollux.server.native_paths import Target, parameters
from pollux.server.passthrough import KEY_PARAMETERS, CallersBody, relay
from pollux.translate import failures as native_failures
from pollux.upstream.http import HttpFailed, HttpStream
from pollux.upstream.passthrough import failed, query_without, request_headers

if TYPE_CHECKING:
    from pollux.server.app import App

SMALL_BODY_BYTES = 65_536
"""Bodies up to here are read before they are sent, as what the network brings at once: then a pooled connection can be used."""

AROUND_A_FILE_BYTES = 65_536
"""What a multipart upload may hold beside the file's bytes: the file's description, and the borders."""

ERROR_BYTES_MAX = 1_048_576
"""Longest error body that is looked into."""

REPEATABLE_VERBS = frozenset({"generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"})
"""Calls that may be sent again when a pooled connection turns out dead: not videos, batches, or what makes something."""


class Call:
    """A native request of a caller who is known. `tell` makes the body of an error."""

    def __init__(
        self,
        app: "App",
        exchange: Exchange,
        target: Target,
        caller: Caller,
        tell: Callable[[ApiError], bytes],
        upload: BatchUpload | None = None,
    ) -> None:
        self._app = app
        self._exchange = exchange
        self._target = target
        self._caller = caller
        self._tell = tell
        self._url = ""
        self._sent: CallersBody | None = None
        self._upload = upload

    async def serve(self) -> None:
        """Pass the request on, and the answer back."""
        query = query_without(self._exchange.query.decode("latin-1"), KEY_PARAMETERS)
        self._url = self._app.passthrough.url(self._target.path, query)
        await self._through(await self._body())

    async def continue_upload(self, url: str) -> None:
        """Pass a piece of an upload on to the session's true URL, and the answer back."""
        self._url = url
        await self._through(await self._body())

    async def _through(self, body: bytes | CallersBody | None) -> None:
        """Pass the request on and the answer back; note what it means for inputs of batches that are kept here."""
        if self._upload is not None:
            async with self._upload as upload:
                if isinstance(body, bytes):
                    await upload.take(body)
                stream = await self._send(body)
                await upload.answered(stream.status)
                await self._pass_back(stream)
            return
        stream = await self._send(body)
        target = self._target
        if self._exchange.method == "DELETE" and stream.status == 200 and target.collection == "files" and target.whole:
            await batch_uploads.forget(self._app, self._caller, target.name)
        await self._pass_back(stream)

    async def _body(self) -> bytes | CallersBody | None:
        """Give the request's body: whole when it is small, else as it comes, or None."""
        exchange, settings = self._exchange, self._app.settings
        bytes_max = settings.body_bytes_max
        if self._target.way == "upload":
            bytes_max = settings.file_bytes_max + AROUND_A_FILE_BYTES
            exchange.receive_within(settings.upload_receive_seconds)
        exchange.check_length(bytes_max)
        if b"transfer-encoding" in exchange.headers or _declared_length(exchange) > SMALL_BODY_BYTES:
            self._sent = CallersBody(exchange, bytes_max, self._upload.take if self._upload is not None else None)
            return self._sent
        body = await self._app.body(exchange)
        exchange.watch()
        return bytes(body) if body or exchange.method in {"POST", "PUT", "PATCH"} else None

    async def _send(self, body: bytes | CallersBody | None) -> HttpStream:
        """Send the request, and give the answer as soon as its headers are there. Raises ApiError or CallerLeft."""
        app, exchange = self._app, self._exchange
        try:
            return await app.passthrough.send(
                exchange.method,
                self._url,
                self._sent_headers(body) | dict(app.upstream_headers(exchange)),
                body,
                key=self._caller.upstream_key,
                content_length=None if b"transfer-encoding" in exchange.headers else _declared_length(exchange),
                repeatable=exchange.method in {"GET", "HEAD"} or self._target.verb in REPEATABLE_VERBS,
            )
        except UpstreamFailed:
            if self._sent is not None and self._sent.failure is not None:
                raise self._sent.failure from None
            raise

    def _sent_headers(self, body: bytes | CallersBody | None) -> dict[str, str]:  # noqa: ARG002 - for those who look into bodies
        return request_headers(self._exchange.headers.items())

    async def _pass_back(self, stream: HttpStream) -> None:
        """Pass the answer back."""
        if stream.status >= 400 and is_json(stream):
            await self._pass_error_back(stream)
        elif self._upload is not None and is_json(stream):
            await self._answer(stream, await self._whole(stream, self._app.settings.reply_bytes_max))
        else:
            await self._relay(stream)

    async def _relay(self, stream: HttpStream) -> None:
        """Pass the answer back as it comes."""
        try:
            await relay(self._exchange, stream, self._headers(stream), self._tell)
        finally:
            await stream.close()
            if self._sent is not None and isinstance(self._sent.failure, CallerLeft):
                self._exchange.left = True

    async def _pass_error_back(self, stream: HttpStream) -> None:
        """Pass an error back, without the key, which some hold; the refusal of the server's key is not the caller's fault."""
        data = await self._whole(stream, ERROR_BYTES_MAX)
        if self._caller.spends_server_key:
            error = native_failures.from_gemini(stream.status, data)
            if isinstance(error, Unauthenticated):
                raise failures.blame(self._exchange, error)
        key = self._caller.upstream_key.encode()
        await self._answer(stream, data.replace(key, "…".encode()) if len(key) >= failures.HIDDEN_KEY_CHARACTERS_MIN else data)

    async def _whole(self, stream: HttpStream, bytes_max: int) -> bytes:
        """Read an answer that has to be looked into. Raises UpstreamFailed."""
        try:
            return await stream.read(bytes_max)
        except HttpFailed as error:
            failed(error)
        finally:
            await stream.close()

    async def _answer(self, stream: HttpStream, data: bytes) -> None:
        """Pass an answer back whose body was read."""
        if self._upload is not None and stream.status == 200:
            await self._upload.finished(data)
        headers = [header for header in self._headers(stream) if header[0] != b"content-length"]
        await self._exchange.answer(stream.status, data, tuple(headers))

    def _headers(self, stream: HttpStream) -> list[Header]:
        return self._app.addresses.headers(
            self._exchange,
            stream,
            owner=self._caller.owner,
            url=self._url,
            attached=self._gives_bytes(),
            session_id=self._upload.id if self._upload is not None and self._upload.begins else "",
        )

    def _gives_bytes(self) -> bool:
        """Whether the answer is a file's content."""
        target = self._target
        return "download" in {target.way, target.verb} or "media" in parameters(self._exchange.query, "alt")


def is_json(stream: HttpStream) -> bool:
    """Say whether an answer is JSON, or does not say what it is."""
    kind = stream.headers.get("content-type", "")
    return not kind or "json" in kind


def _declared_length(exchange: Exchange) -> int:
    declared = exchange.headers.get(b"content-length", b"0")
    return int(declared) if declared.isdigit() else 0
