"""The native Gemini API: one method per call. It knows Gemini and no HTTP library; `upstream.http` sends.

The caller's key goes to the configured origin only, as `x-goog-api-key`. A failure leaves here as one of our errors.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import TracebackType
from typing import NoReturn, Self, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from pollux.errors import ApiError, UpstreamFailed
from pollux.translate import failures
from pollux.upstream.http import Body, ConnectFailed, ConnectionBroken, HttpClient, HttpRequest, HttpStream, TimedOut, TooLarge
from pollux.wire.gemini.embeddings import Vectors, decode_count, decode_embeddings, decode_read_embeddings
from pollux.wire.gemini.errors import Status
from pollux.wire.gemini.generate import GenerateContentResponse, decode_reply, second_look
from pollux.wire.gemini.models import Model, decode_model, decode_models
from pollux.wire.sse import EventTooLarge, SseDecoder

log = logging.getLogger("pollux.upstream")

GOOGLE = "https://generativelanguage.googleapis.com"

MODEL_PAGES_MAX = 20
"""Pages of the models list that are followed; one holds up to 1,000 and Google lists some sixty models."""

ERROR_BYTES_MAX = 1_048_576
"""Longest error body that is read."""

SECOND_LOOK_EVERY = 1000
"""One whole reply in so many is looked at again for keys that no shape names."""


class GeminiClient:
    """Calls the native Gemini API at one origin with a caller's key."""

    def __init__(
        self, http: HttpClient, *, base_url: str = GOOGLE, version: str = "v1beta", user_agent: str = "pollux"
    ) -> None:
        self._http = http
        self._base = f"{base_url.rstrip('/')}/{version}"
        self._user_agent = user_agent
        self._replies = 0

    async def generate_content(
        self, model: str, body: Body, *, key: str, headers: Mapping[str, str] | None = None
    ) -> GenerateContentResponse:
        """Send a generateContent request and read its reply. Raises ApiError."""
        reply_body = await self._call("POST", f"models/{quote(model)}:generateContent", key, body, headers, model)
        try:
            reply = decode_reply(reply_body)
        except _UNREADABLE:
            raise _malformed() from None
        if reply.error is not None:
            raise _in_stream(reply.error, model)
        self._replies += 1
        if self._replies % SECOND_LOOK_EVERY == 1:
            _look_again(reply_body, reply)
        return reply

    async def stream_content(
        self, model: str, body: Body, *, key: str, headers: Mapping[str, str] | None = None
    ) -> "ContentStream":
        """Send a streamGenerateContent request; returns when the service's headers have arrived. Raises ApiError."""
        request = HttpRequest(
            "POST", f"{self._base}/models/{quote(model)}:streamGenerateContent?alt=sse", self._headers(key, body, headers), body
        )
        try:
            stream = await self._http.stream(request)
        except _TRANSPORT_ERRORS as error:
            _failed(error)
        if stream.status != 200:
            try:
                error_body = await stream.read(ERROR_BYTES_MAX)
            except _TRANSPORT_ERRORS as error:
                _failed(error)
            finally:
                await stream.close()
            raise failures.from_gemini(stream.status, error_body, model=model)
        return ContentStream(stream, model)

    async def embed_contents(
        self, model: str, body: bytes, *, read: bool, key: str, headers: Mapping[str, str] | None = None
    ) -> Vectors:
        """Send a batchEmbedContents request; give the vectors as they came, or read into numbers. Raises ApiError.

        The reply is asked for without the white space that Google's API adds for people.
        """
        path = f"models/{quote(model)}:batchEmbedContents?prettyPrint=false"
        reply = await self._call("POST", path, key, body, headers, model)
        return _read(decode_read_embeddings, reply) if read else _read(decode_embeddings, reply)

    async def count_tokens(self, model: str, body: bytes, *, key: str, headers: Mapping[str, str] | None = None) -> int:
        """Ask how many tokens a request has. Raises ApiError."""
        reply = await self._call("POST", f"models/{quote(model)}:countTokens", key, body, headers, model)
        return _read(decode_count, reply).total_tokens

    async def list_models(self, *, key: str, headers: Mapping[str, str] | None = None) -> list[Model]:
        """Give the models of all pages. Raises ApiError."""
        models: list[Model] = []
        token = ""
        for _ in range(MODEL_PAGES_MAX):
            query = {"pageSize": "1000"} | ({"pageToken": token} if token else {})
            page = _read(decode_models, await self._call("GET", f"models?{urlencode(query)}", key, None, headers))
            models += page.models or []
            token = page.next_page_token or ""
            if not token:
                return models
        raise UpstreamFailed(f"The Gemini API's list of models did not end after {MODEL_PAGES_MAX} pages.")

    async def get_model(self, model: str, *, key: str, headers: Mapping[str, str] | None = None) -> Model:
        """Give what the service says of one model. Raises ApiError, NotFound among them."""
        return _read(decode_model, await self._call("GET", f"models/{quote(model)}", key, None, headers, model))

    async def reachable(self) -> bool:
        """Say whether the service answers at all; without a key it answers with an error, which is an answer."""
        try:
            await self._http.call(HttpRequest("GET", f"{self._base}/models?pageSize=1", {"user-agent": self._user_agent}))
        except _TRANSPORT_ERRORS:
            return False
        return True

    async def close(self) -> None:
        """Close the pool of connections."""
        await self._http.close()

    async def _call(
        self, method: str, path: str, key: str, body: Body | None, headers: Mapping[str, str] | None, model: str | None = None
    ) -> bytes:
        request = HttpRequest(method, f"{self._base}/{path}", self._headers(key, body, headers), body)
        try:
            reply = await self._http.call(request)
        except _TRANSPORT_ERRORS as error:
            _failed(error)
        if reply.status != 200:
            raise failures.from_gemini(reply.status, reply.body, model=model)
        return reply.body

    def _headers(self, key: str, body: Body | None, headers: Mapping[str, str] | None) -> dict[str, str]:
        sent = {"x-goog-api-key": key, "user-agent": self._user_agent}
        if body is not None:
            sent["content-type"] = "application/json"
        if headers:
            sent.update(headers)
        return sent


class ContentStream:
    """A streamed reply whose status was good. Use it as a context; leaving it closes the connection."""

    __slots__ = ("_model", "_stream")

    def __init__(self, stream: HttpStream, model: str) -> None:
        self._stream = stream
        self._model = model

    async def replies(self) -> AsyncIterator[list[GenerateContentResponse]]:
        """Give the replies that each network read brought, never an empty list. Raises ApiError, also for one in the stream.

        The replies before an error in the same read are given first.
        """
        decoder = SseDecoder()
        try:
            async for data in self._stream.reads():
                payloads = decoder.feed(data)
                if payloads:
                    for replies in self._decoded(payloads):
                        yield replies
            for replies in self._decoded(decoder.finish()):
                yield replies
        except EventTooLarge:
            raise UpstreamFailed("The Gemini API sent an event that is too large.") from None
        except _TRANSPORT_ERRORS as error:
            _failed(error)

    def _decoded(self, payloads: list[bytes]) -> Iterator[list[GenerateContentResponse]]:
        replies, failure = self._read(payloads)
        payloads.clear()  # one may have 20 MB, and is not needed while the replies are told
        if replies:
            yield replies
        if failure is not None:
            raise failure

    def _read(self, payloads: list[bytes]) -> tuple[list[GenerateContentResponse], ApiError | None]:
        """Decode payloads up to the first that is an error."""
        replies: list[GenerateContentResponse] = []
        for payload in payloads:
            try:
                reply = decode_reply(payload)
            except _UNREADABLE:
                return replies, failures.from_gemini(500, payload) if b'"error"' in payload else _malformed()
            if reply.error is not None:
                return replies, _in_stream(reply.error, self._model)
            replies.append(reply)
        return replies, None

    async def close(self) -> None:
        """Close the connection, at once when the stream is not at its end."""
        await self._stream.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


_TRANSPORT_ERRORS = (ConnectFailed, TimedOut, ConnectionBroken, TooLarge)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _failed(error: Exception) -> NoReturn:
    """Say a failure of the transport as one of our errors."""
    match error:
        case ConnectFailed():
            raise UpstreamFailed(f"The Gemini API cannot be reached: {error}", code="upstream_unreachable") from None
        case TimedOut():
            raise UpstreamFailed(f"The Gemini API is too slow: {error}", status=504, code="upstream_timeout") from None
        case TooLarge():
            raise UpstreamFailed(f"The Gemini API's answer is too large: {error}", code="upstream_too_large") from None
        case _:
            raise UpstreamFailed(f"The Gemini API broke the connection: {error}", code="upstream_broken") from None


def _malformed() -> UpstreamFailed:
    return UpstreamFailed("The Gemini API sent what is not an answer.", code="upstream_malformed")


def _in_stream(error: dict[str, object], model: str) -> ApiError:
    try:
        return failures.from_status(msgspec.convert(error, Status), model=model)
    except msgspec.ValidationError:
        return _malformed()


T = TypeVar("T")


def _read(decode: Callable[[bytes], T], body: bytes) -> T:
    try:
        return decode(body)
    except _UNREADABLE:
        raise _malformed() from None


def _look_again(body: bytes, reply: GenerateContentResponse) -> None:
    dropped = second_look(body, reply)
    if dropped:
        log.warning("The Gemini API sent fields that this version does not know: %s", ", ".join(dropped[:10]))
