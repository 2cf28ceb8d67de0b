"""A native request of one of many callers who share the server's key: what it names is judged, what it makes is noted.

What would hide from the judge what is asked, or from the note what comes, is taken away: other methods in headers, other forms
of answers, parts of answers. What was looked at is what is sent: JSON is written anew.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote

import msgspec

from pollux.errors import ApiError, InvalidRequest, MethodNotAllowed, NotFound, UpstreamFailed
from pollux.server import bodies
from pollux.server.access import Caller
from pollux.server.batch_uploads import BatchUpload
from pollux.server.exchange import Exchange
from pollux.server.native_call import Call, is_json
from pollux.server.native_paths import Target, parameters
from pollux.server.owned import Owned, is_judged, makes
from pollux.server.passthrough import KEY_PARAMETERS, CallersBody, json_or_none, relay
from pollux.server.references import made_by, names_in
from pollux.upstream.http import HttpStream
from pollux.upstream.passthrough import query_without
from pollux.wire.sse import EventTooLarge, SseDecoder

if TYPE_CHECKING:
    from pollux.server.app import App

LIST_PAGES_MAX = 50
"""Pages of a list that are read for one of the caller's; after that many, there is an empty page with the next one's token."""

METHODS = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})

NOT_SENT_PARAMETERS = KEY_PARAMETERS | {
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
"""Parameters that change the method, the key, or the form of an answer. Source: Google's system parameters."""

NOT_SENT_HEADERS = frozenset(
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

FORMS = frozenset({"json", "media", "sse"})
"""What `alt` may be: forms that are read here, or that are bytes."""

_PAGE_TOKEN = frozenset({"pagetoken", "page_token"})
_ALT = frozenset({"alt"})

_json = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode


class SharedCall(Call):
    """A native request under the server's key."""

    def __init__(
        self,
        app: "App",
        exchange: Exchange,
        target: Target,
        caller: Caller,
        tell: Callable[[ApiError], bytes],
        owned: Owned,
        upload: BatchUpload | None = None,
    ) -> None:
        super().__init__(app, exchange, target, caller, tell, upload)
        self._owned = owned

    async def serve(self) -> None:
        """Judge the request, pass it on, and the answer back."""
        exchange, target = self._exchange, self._target
        if not is_judged(target, exchange.method):
            raise NotFound("Requested entity was not found.")
        if exchange.method not in METHODS:
            raise MethodNotAllowed(f"{exchange.method} is not possible here.")
        if target.name:
            await self._owned.check(self._caller, [target.name])
        if exchange.query:
            # A query may set fields of a request, too. Source: google.api.http, on query parameters.
            await self._owned.check(self._caller, names_in(parse_qs(exchange.query.decode("latin-1"))))
        query = _judged_query(exchange.query)
        if exchange.method == "GET" and not target.name and not target.of_everyone:
            await self._list(query)
            return
        self._url = self._app.passthrough.url(target.path, query)
        await self._through(await self._judged_body())

    async def _judged_body(self) -> bytes | CallersBody | None:
        """Give the request's body after a look for what it names. Raises like `Owned.check`."""
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
        await self._owned.check_body(self._caller, asked)
        return _encode(asked)

    def _sent_headers(self, body: bytes | CallersBody | None) -> dict[str, str]:
        headers = {name: value for name, value in super()._sent_headers(body).items() if name not in NOT_SENT_HEADERS}
        if isinstance(body, bytes) and self._target.way != "upload":
            headers["content-type"] = "application/json"
        return headers

    async def _pass_back(self, stream: HttpStream) -> None:
        """Pass the answer back, after noting what it says was made."""
        target, exchange = self._target, self._exchange
        if stream.status >= 400 or (target.of_everyone and not makes(target)) or self._gives_bytes():
            await super()._pass_back(stream)
        elif stream.headers.get("content-type", "").startswith("text/event-stream"):
            tap = _Tap(self._owned, self._caller, target)
            try:
                await relay(exchange, stream, self._headers(stream), self._tell, tap=tap.see)
            finally:
                await stream.close()
        elif is_json(stream):
            data = await self._whole(stream, self._app.settings.reply_bytes_max)
            if exchange.method != "DELETE":
                await self._owned.note(self._caller, target, exchange.method, json_or_none(data))
            elif target.whole:
                await self._owned.forget(self._caller, target.name)
            await self._answer(stream, data)
        else:
            await self._relay(stream)

    async def _list(self, query: str) -> None:
        """Answer a list with the caller's own items.

        Clients take an empty page, even the last one, for a mistake. So pages without the caller's items are passed over, and a
        page has a next one only if there are items of theirs on it: the page after is looked at, too.
        """
        await self._app.body(self._exchange)
        self._exchange.watch()
        given: dict[str, Any] | None = None
        pages = 0
        while True:
            pages += 1
            stream, page, token = await self._page(query)
            if page is None:
                await self._pass_error_back(stream)
                return
            found = await self._owned.only_own(self._caller, self._target.collection, page)
            if found and given is not None:
                break
            given = page if found else given
            if given is not None:
                given["nextPageToken"] = token
            if not token or pages == LIST_PAGES_MAX:
                break
            rest = query_without(query, _PAGE_TOKEN)
            query = (f"{rest}&" if rest else "") + f"pageToken={quote(token, safe='')}"
        told = {"nextPageToken": token} if given is None else given
        await self._answer(stream, _encode({key: value for key, value in told.items() if value}))

    async def _page(self, query: str) -> tuple[HttpStream, dict[str, Any] | None, str]:
        """Ask for a page; give the answer, the page, None when it failed, and the next one's token, or nothing."""
        self._url = self._app.passthrough.url(self._target.path, query)
        stream = await self._send(None)
        if stream.status != 200:
            return stream, None, ""
        page = json_or_none(await self._whole(stream, self._app.settings.reply_bytes_max))
        if not isinstance(page, dict):
            raise UpstreamFailed("The Gemini API sent what is not a list.", code="upstream_malformed")
        token = page.pop("nextPageToken", "")
        return stream, page, token if isinstance(token, str) else ""


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


def _judged_query(query: bytes) -> str:
    """Take away what the owner filter must not be asked."""
    forms = parameters(query, "alt")
    unread = len(forms) > 1 or not FORMS.issuperset(forms)
    return query_without(query.decode("latin-1"), NOT_SENT_PARAMETERS | _ALT if unread else NOT_SENT_PARAMETERS)
