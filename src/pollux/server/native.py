"""The native paths: passed on to the Gemini API as they are, and its answers back.

What a caller's request gets here: the key that goes upstream, the server's limits, and, while callers share the server's key,
the owner filter (`owned`). Everything else is the upstream's. Errors of ours are told in Google's form, since Google's
clients call these paths. Source: CONTRACT, sections 1 and 2.
"""

import math
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from pollux.errors import (
    ApiError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Unauthenticated,
    UpstreamFailed,
)
from pollux.server import bodies, failures, native_paths
from pollux.server.access import Caller
from pollux.server.exchange import JSON, CallerLeft, Exchange, Header
from pollux.server.native_paths import Target
from pollux.server.owned import Owned, is_judged, makes
from pollux.server.passthrough import KEY_PARAMETERS, CallersBody, json_or_none, relay
from pollux.server.references import made_by, names_in
from pollux.translate import failures as native_failures
from pollux.upstream.http import HttpFailed, HttpStream
from pollux.upstream.passthrough import failed, query_without, request_headers
from pollux.wire.sse import EventTooLarge, SseDecoder

if TYPE_CHECKING:
    from pollux.server.app import App

SMALL_BODY_BYTES = 65_536
"""Bodies up to here are read before they are sent, as what the network brings at once: then a pooled connection can be used."""

AROUND_A_FILE_BYTES = 65_536
"""What a multipart upload may hold beside the file's bytes: the file's description, and the borders."""

ERROR_BYTES_MAX = 1_048_576
"""Longest error body that is looked into."""

LIST_PAGES_MAX = 50
"""Pages of a list that are read for one of the caller's; after that many, the page and its token are given as they are."""

REPEATABLE_VERBS = frozenset({"generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"})
"""Calls that may be sent again when a pooled connection turns out dead: not videos, batches, or what makes something."""

SHARED_KEY_PARAMETERS = KEY_PARAMETERS | {
    "$.xgafv",
    "$alt",
    "$callback",
    "$ctype",
    "$fields",
    "$httpheaders",
    "$httpmethod",
    "$key",
    "access_token",
    "callback",
    "fields",
    "oauth_token",
    "quotauser",
}
"""Parameters that change the method or the form of an answer: the owner filter has to see what is asked and what comes."""

SHARED_KEY_HEADERS = frozenset(
    {
        "accept",
        "content-encoding",
        "x-goog-fieldmask",
        "x-goog-user-project",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
    }
)

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ALREADY_EXISTS",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""Google's names of HTTP statuses. Source: google.rpc.Code."""

_json = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode


async def serve(app: "App", exchange: Exchange, path: str) -> None:
    """Answer a native request. `path` has no doubled and no trailing slashes."""
    target = native_paths.target(path)
    exchange.model = target.model
    session = native_paths.parameter(exchange.query, "upload_id") if target.way == "upload" else ""
    if session:
        await _Call(app, exchange, target).continue_upload(session)
    else:
        await _Call(app, exchange, target).serve(app.authenticated(exchange))


async def tell(exchange: Exchange, error: ApiError) -> None:
    """Answer with an error, in Google's form."""
    headers: list[Header] = [JSON]
    if error.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_seconds))))
    headers += [(name.encode(), value.encode()) for name, value in error.headers]
    await exchange.answer(error.status, error_body(error), tuple(headers))


def error_body(error: ApiError) -> bytes:
    """Say an error in Google's form. Source: Gemini API, errors; google.rpc.Status."""
    said: dict[str, Any] = {
        "code": error.status,
        "message": error.message,
        "status": STATUS_NAMES.get(error.status, "UNKNOWN"),
    }
    if error.retry_after_seconds is not None:
        delay = f"{max(1, math.ceil(error.retry_after_seconds))}s"
        said["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]
    return _encode({"error": said})


class _Call:
    """One native request and what is known of it."""

    def __init__(self, app: "App", exchange: Exchange, target: Target) -> None:
        self._app = app
        self._exchange = exchange
        self._target = target
        self._sent: CallersBody | None = None
        self._url = ""
        self._caller = Caller("", "")

    async def serve(self, caller: Caller) -> None:
        """Pass the request on, and the answer back."""
        self._caller = caller
        app, exchange, target = self._app, self._exchange, self._target
        owned = app.owned if caller.spends_server_key else None
        query = exchange.query.decode("latin-1")
        if owned is None:
            self._url = app.passthrough.url(target.path, query_without(query, KEY_PARAMETERS))
            await self._pass_back(await self._send(await self._body()))
            return
        if not is_judged(target, exchange.method):
            raise NotFound("Requested entity was not found.")
        query = _judged_query(query_without(query, SHARED_KEY_PARAMETERS), target)
        if target.name:
            await owned.check(caller, [target.name])
        if exchange.method == "GET" and not target.name and not _of_everyone(target):
            await self._list(owned, query)
            return
        if exchange.method not in {"GET", "POST", "PATCH", "PUT", "DELETE"}:
            raise MethodNotAllowed(f"{exchange.method} is not possible here.")
        self._url = app.passthrough.url(target.path, query)
        await self._note_and_pass_back(owned, await self._send(await self._judged_body(owned)))

    async def continue_upload(self, session: str) -> None:
        """Pass on a piece of an upload to the URL that the session's id holds.

        Pieces need no key, as at the native API; one that brings a key must bring the owner's. An id that is not ours, or not
        theirs, is an unknown one.
        """
        app, exchange = self._app, self._exchange
        opened = app.sealer.open(session)
        if b"authorization" in exchange.headers or native_paths.has_native_key(exchange) or app.settings.local_only:
            caller = app.authenticated(exchange)
        elif opened is not None and app.access.knows(opened[0]):
            caller = app.admitted(exchange, app.access.keyless(opened[0]))
        else:
            caller = None
        if opened is None or caller is None or caller.owner != opened[0]:
            raise NotFound("Requested entity was not found.")
        self._caller = caller
        self._url = opened[1]
        stream = await self._send(await self._body())
        if caller.spends_server_key and app.owned is not None:
            await self._note_and_pass_back(app.owned, stream)
        else:
            await self._pass_back(stream)

    async def _body(self) -> bytes | CallersBody | None:
        """Give the request's body: whole when it is small, else as it comes, or None."""
        exchange = self._exchange
        settings = self._app.settings
        bytes_max = settings.body_bytes_max
        if self._target.way == "upload":
            bytes_max = settings.file_bytes_max + AROUND_A_FILE_BYTES
            exchange.receive_within(settings.upload_receive_seconds)
        exchange.check_length(bytes_max)
        length = _declared_length(exchange)
        if b"transfer-encoding" in exchange.headers or length > SMALL_BODY_BYTES:
            self._sent = CallersBody(exchange, bytes_max)
            return self._sent
        body = await self._app.body(exchange)
        exchange.watch()
        return body if body or exchange.method in {"POST", "PUT", "PATCH"} else None

    async def _judged_body(self, owned: Owned) -> bytes | CallersBody | None:
        """Give the request's body after a look for what it names; what was looked at is what is sent. Raises like `check`."""
        exchange = self._exchange
        if self._target.way == "upload" or exchange.method in {"GET", "DELETE"}:
            return await self._body()
        if exchange.headers.get(b"content-encoding", b"identity") != b"identity":
            raise InvalidRequest("Send the body without a content-encoding.")
        body = await self._app.body(exchange)
        exchange.watch()
        if not body.strip():
            return b""
        asked = bodies.read(body, _json, nesting_max=self._app.settings.nesting_max)
        await owned.check_body(self._caller, asked)
        return _encode(asked)

    async def _send(self, body: bytes | CallersBody | None) -> HttpStream:
        """Send the request, and give the answer as soon as its headers are there. Raises ApiError or CallerLeft."""
        app, exchange, target = self._app, self._exchange, self._target
        headers = request_headers(exchange.headers.items())
        if self._caller.spends_server_key and app.owned is not None:
            headers = {name: value for name, value in headers.items() if name not in SHARED_KEY_HEADERS}
            if isinstance(body, bytes) and target.way != "upload":
                headers["content-type"] = "application/json"
        length = _declared_length(exchange)
        try:
            return await app.passthrough.send(
                exchange.method,
                self._url,
                headers | dict(app.upstream_headers(exchange)),
                body,
                key=self._caller.upstream_key,
                content_length=None if b"transfer-encoding" in exchange.headers else length,
                repeatable=exchange.method in {"GET", "HEAD"} or target.verb in REPEATABLE_VERBS,
            )
        except UpstreamFailed:
            if self._sent is not None and self._sent.failure is not None:
                raise self._sent.failure from None
            raise

    async def _pass_back(self, stream: HttpStream) -> None:
        """Pass the answer back as it comes."""
        try:
            await relay(self._exchange, stream, self._headers(stream), error_body)
        finally:
            await stream.close()
            if self._sent is not None and isinstance(self._sent.failure, CallerLeft):
                self._exchange.left = True

    async def _note_and_pass_back(self, owned: Owned, stream: HttpStream) -> None:
        """Pass the answer back, after noting what it says was made."""
        target, exchange = self._target, self._exchange
        if stream.status >= 400:
            await self._pass_error_back(stream)
        elif _of_everyone(target) and not makes(target):
            await self._pass_back(stream)
        elif _is_events(stream):
            tap = _Tap(owned, self._caller, target)
            try:
                await relay(exchange, stream, self._headers(stream), error_body, tap=tap.see)
            finally:
                await stream.close()
        elif _is_json(stream) and not self._gives_bytes():
            data = await self._whole(stream, self._app.settings.reply_bytes_max)
            if exchange.method == "DELETE":
                if target.whole:
                    await owned.forget(self._caller, target.name)
            else:
                await owned.note(self._caller, target, exchange.method, json_or_none(data))
            await self._answer(stream, data)
        else:
            await self._pass_back(stream)

    async def _pass_error_back(self, stream: HttpStream) -> None:
        """Pass an error back without the server's key; the key's own refusal is not the caller's fault."""
        data = await self._whole(stream, ERROR_BYTES_MAX)
        error = native_failures.from_gemini(stream.status, data)
        if isinstance(error, Unauthenticated):
            raise failures.blame(self._exchange, error)
        key = self._caller.upstream_key.encode()
        await self._answer(stream, data.replace(key, "…".encode()) if key else data)

    async def _list(self, owned: Owned, query: str) -> None:
        """Answer a list with the caller's own items.

        Clients take an empty page, even the last one, for a mistake. So pages without the caller's items are passed over, and a
        page has a next one only if there are items of theirs on it: the page after is looked at, too.
        """
        await self._app.body(self._exchange)
        self._exchange.watch()
        first: tuple[HttpStream, dict[str, Any]] | None = None
        for _ in range(LIST_PAGES_MAX):
            self._url = self._app.passthrough.url(self._target.path, query)
            stream = await self._send(None)
            if stream.status != 200:
                await self._pass_error_back(stream)
                return
            page = json_or_none(await self._whole(stream, self._app.settings.reply_bytes_max))
            if not isinstance(page, dict):
                raise UpstreamFailed("The Gemini API sent what is not a list.", code="upstream_malformed")
            found = await owned.only_own(self._caller, self._target.collection, page)
            token = page.get("nextPageToken")
            if found and first is not None:
                break
            if first is None and (found or not token):
                first = stream, page
            if not isinstance(token, str) or not token:
                if first is not None:
                    first[1].pop("nextPageToken", None)
                break
            if first is not None:
                first[1]["nextPageToken"] = token
            rest = query_without(query, _PAGE_TOKEN)
            query = (f"{rest}&" if rest else "") + f"pageToken={quote(token, safe='')}"
        stream, page = first or (stream, page)
        await self._answer(stream, _encode({key: value for key, value in page.items() if value != []}))

    async def _whole(self, stream: HttpStream, bytes_max: int) -> bytes:
        try:
            return await stream.read(bytes_max)
        except HttpFailed as error:
            failed(error)
        finally:
            await stream.close()

    async def _answer(self, stream: HttpStream, data: bytes) -> None:
        headers = [header for header in self._headers(stream) if header[0] != b"content-length"]
        await self._exchange.answer(stream.status, data, tuple(headers))

    def _headers(self, stream: HttpStream) -> list[Header]:
        return self._app.addresses.headers(
            self._exchange, stream, owner=self._caller.owner, url=self._url, attached=self._gives_bytes()
        )

    def _gives_bytes(self) -> bool:
        """Whether the answer is a file's content."""
        target = self._target
        return target.way == "download" or target.verb == "download" or b"alt=media" in self._exchange.query


class _Tap:
    """Looks at the events of an interaction as they pass, and notes what they say was made."""

    def __init__(self, owned: Owned, caller: Caller, target: Target) -> None:
        self._owned = owned
        self._caller = caller
        self._target = target
        self._decoder: SseDecoder | None = SseDecoder()

    async def see(self, data: bytes) -> None:
        """See a piece before it is sent."""
        if self._decoder is None:
            return
        try:
            payloads = self._decoder.feed(data)
        except EventTooLarge:
            self._decoder = None
            return
        for payload in payloads:
            event = json_or_none(payload)
            if not isinstance(event, dict):
                continue
            inner = event.get("interaction")
            if made_by(inner, self._target.collection):
                await self._owned.note(self._caller, self._target, "POST", inner)
            elif names_in(event):
                await self._owned.note(self._caller, self._target, "GET", event)


_PAGE_TOKEN = frozenset({"pagetoken", "page_token"})


def _of_everyone(target: Target) -> bool:
    """Say whether a path is of the models themselves, which belong to all."""
    return not target.way and target.collection == "models" and target.rest.count("/") <= 1


def _judged_query(query: str, target: Target) -> str:
    """Take away a form of the answer that the owner filter cannot read: `alt` may be json, sse or media."""
    forms = native_paths.parameter(query.encode("latin-1"), "alt")
    if forms in {"sse", "media", "json"} or _of_everyone(target):
        return query
    return query_without(query, frozenset({"alt"}))


def _declared_length(exchange: Exchange) -> int:
    declared = exchange.headers.get(b"content-length", b"0")
    return int(declared) if declared.isdigit() else 0


def _is_events(stream: HttpStream) -> bool:
    return stream.headers.get("content-type", "").startswith("text/event-stream")


def _is_json(stream: HttpStream) -> bool:
    return "json" in stream.headers.get("content-type", "") or not stream.headers.get("content-type")
