"""Native requests on their way to the Gemini API and back, as they are: what is put on, what is taken off.

It knows HTTP's rules for those between (RFC 9110, section 7.6.1) and one of ours: the key goes to the configured origin only,
in one header, whatever a caller or an answer names. Nothing follows a redirect.
"""

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import NoReturn
from urllib.parse import quote, unquote_plus, urljoin, urlsplit

from pollux.errors import UpstreamFailed
from pollux.upstream.http import ConnectFailed, ConnectionBroken, HttpClient, HttpFailed, HttpRequest, HttpStream, TimedOut

HOP_BY_HOP = frozenset(
    {
        "connection",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers of one connection, never of the message. Source: RFC 9110, sections 7.6.1 and 10.1.1; RFC 9112, section 9."""

NOT_FORWARDED = HOP_BY_HOP | {
    "accept-encoding",
    "authorization",
    "content-length",
    "cookie",
    "forwarded",
    "host",
    "origin",
    "via",
    "x-goog-api-key",
    "x-real-ip",
}
"""Headers of a request that are ours to set, or that are no business of the upstream: keys, cookies, where the caller sits."""

NOT_FORWARDED_BEGINNINGS = ("sec-", "x-forwarded-", "x-emulator-", "x-pollux-")

NOT_PASSED_BACK = HOP_BY_HOP | {
    "alt-svc",
    "clear-site-data",
    "date",
    "nel",
    "report-to",
    "server",
    "set-cookie",
    "strict-transport-security",
    "x-request-id",
}
"""Headers of an answer that speak of the upstream's own host, which the caller does not talk to."""

NOT_PASSED_BACK_BEGINNINGS = ("access-control-", "proxy-", "x-pollux-")

PATH_SAFE = ":@!$&'()*+,;=-._~/"
"""What stands in a path as it is; everything else is percent-encoded anew, so that what was judged is what is sent."""


class Passthrough:
    """Sends native requests to one origin as they are."""

    def __init__(self, http: HttpClient, origin: str) -> None:
        self._http = http
        self.origin = origin.rstrip("/")
        self._place = _place(self.origin)
        self.host = urlsplit(self.origin).hostname or ""

    def url(self, path: str, query: str) -> str:
        """Give the upstream's URL of a path, which is not percent-encoded, and a query, which is."""
        return f"{self.origin}{quote(path, safe=PATH_SAFE)}" + (f"?{query}" if query else "")

    def own(self, url: str) -> bool:
        """Say whether a URL lies on the configured origin; a relative one does."""
        return _place(urljoin(f"{self.origin}/", url)) == self._place

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | AsyncIterable[bytes] | None,
        *,
        key: str,
        content_length: int | None = None,
        repeatable: bool = True,
    ) -> HttpStream:
        """Send a request; returns when the answer's headers are there. The key goes along to the configured origin only.

        Raises UpstreamFailed, also for what cannot be sent.
        """
        sent = dict(headers)
        if key and self.own(url):
            sent["x-goog-api-key"] = key
        request = HttpRequest(method, url, sent, body, content_length, repeatable)
        try:
            return await self._http.stream(request)
        except HttpFailed as error:
            failed(error)
        except ValueError:
            raise UpstreamFailed("The request cannot be passed on as it is.", status=400, code="invalid_value") from None


def request_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Give the headers of a caller that go on: without those of the connection, keys, and what cannot be sent."""
    texts = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]
    named = _named_by_connection(texts)
    return {
        name: value
        for name, value in texts
        if name not in NOT_FORWARDED
        and name not in named
        and not name.startswith(NOT_FORWARDED_BEGINNINGS)
        and value.isascii()
        and value.isprintable()
    }


def answer_headers(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Give the headers of an answer that go back, in small letters."""
    texts = [(name.lower(), value) for name, value in headers.items()]
    named = _named_by_connection(texts)
    return [
        (name, value)
        for name, value in texts
        if name not in NOT_PASSED_BACK
        and name not in named
        and not name.startswith(NOT_PASSED_BACK_BEGINNINGS)
        and "\r" not in value
        and "\n" not in value
    ]


def query_without(query: str, names: frozenset[str]) -> str:
    """Take parameters out of a query, however their names are spelled; the rest stays as it is."""
    return "&".join(pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]).lower() not in names)


def failed(error: HttpFailed) -> NoReturn:
    """Say a failure of the transport as one of our errors."""
    match error:
        case ConnectFailed():
            raise UpstreamFailed(f"The Gemini API cannot be reached: {error}", code="upstream_unreachable") from None
        case TimedOut():
            raise UpstreamFailed(f"The Gemini API is too slow: {error}", status=504, code="upstream_timeout") from None
        case ConnectionBroken():
            raise UpstreamFailed(f"The Gemini API broke the connection: {error}", code="upstream_broken") from None
    raise UpstreamFailed(f"The Gemini API failed: {error}", code="upstream_broken") from None


def _named_by_connection(headers: Iterable[tuple[str, str]]) -> set[str]:
    """Give the headers that `Connection` names as the connection's own; what frames the message cannot be named away."""
    named = {
        token.strip().lower() for name, value in headers if name == "connection" for token in value.split(",") if token.strip()
    }
    return named - {"content-type", "content-encoding", "content-length", "content-range"}


def _place(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    return parts.scheme.lower(), (parts.hostname or "").lower(), port or {"http": 80, "https": 443}.get(parts.scheme.lower())
