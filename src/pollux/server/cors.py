"""Web pages of other origins: preflights, and the headers that let a page read an answer.

Browser clients send a dozen `x-stainless-*` headers, so whatever header a page asks for is allowed; the origin decides. While
the server's key has no Pollux keys, no page may call and no header is sent. CONTRACT, section 2.
"""

from pollux.server.access import refuse_web_pages
from pollux.server.exchange import Exchange, Header
from pollux.settings import Settings

EXPOSED = (
    b"x-request-id, retry-after, retry-after-ms, x-should-retry, x-pollux-upstream, x-pollux-losses, openai-poll-after-ms, "
    b"x-goog-upload-url, x-goog-upload-status, x-goog-upload-size-received, x-goog-upload-chunk-granularity"
)
METHODS = b"GET, POST, PUT, PATCH, DELETE, OPTIONS"
PREFLIGHT_SECONDS = b"7200"


class Cors:
    """Answers preflights and marks answers, by the setting `cors_origins`."""

    def __init__(self, settings: Settings) -> None:
        self._off = settings.local_only
        origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
        self._any = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    async def answered(self, exchange: Exchange) -> bool:
        """Answer a preflight, or put the headers on what will be the answer. Says whether it has answered."""
        origin = exchange.headers.get(b"origin")
        if origin is None:
            return False
        if self._off:
            refuse_web_pages(exchange.headers)
            return False
        allowed: tuple[Header, ...] = ()
        if self._any:
            allowed = ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", EXPOSED))
        elif origin in self._origins:
            allowed = (
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", EXPOSED),
                (b"vary", b"origin"),
            )
        if exchange.method == "OPTIONS" and b"access-control-request-method" in exchange.headers:
            asked = exchange.headers.get(b"access-control-request-headers", b"")
            await exchange.answer(
                204,
                b"",
                (
                    *allowed,
                    (b"access-control-allow-methods", METHODS),
                    (b"access-control-allow-headers", asked),
                    (b"access-control-max-age", PREFLIGHT_SECONDS),
                )
                if allowed
                else (),
            )
            return True
        exchange.extra_headers = (*exchange.extra_headers, *allowed)
        return False
