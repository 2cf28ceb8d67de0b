"""The native paths: which they are, and that they are not served yet.

A later version passes them on to the Gemini API. Until then they are refused in Google's own form, since Google's clients call
them. Source: CONTRACT, section 1.
"""

from typing import TYPE_CHECKING

import msgspec

from pollux.errors import ApiError
from pollux.server.exchange import Exchange

if TYPE_CHECKING:
    from pollux.server.app import App

PREFIXES = ("/v1beta/", "/v1alpha/", "/upload/", "/download/")
OPENAI_BELOW = ("/v1beta/openai", "/v1beta/chat/completions")
BOTH = ("/v1/models", "/v1/files", "/v1/batches")
"""Paths under /v1 that mean both; the way in which the caller authenticates decides."""


def is_native(exchange: Exchange, path: str) -> bool:
    """Say whether a request speaks the native protocol."""
    if path.startswith(PREFIXES):
        return not path.startswith(OPENAI_BELOW)
    if path.startswith("/v1/models/") and ":" in path:
        return True
    if path.startswith(BOTH) and b"authorization" not in exchange.headers:
        return b"x-goog-api-key" in exchange.headers or b"&key=" in b"&" + exchange.query
    return False


async def refuse(app: "App", exchange: Exchange) -> None:
    """Refuse a native request in Google's form."""
    try:
        app.access.caller(exchange.headers, exchange.query)
    except ApiError as error:
        await _answer(exchange, error.status, "UNAUTHENTICATED" if error.status == 401 else "PERMISSION_DENIED", error.message)
        return
    await _answer(
        exchange,
        404,
        "NOT_FOUND",
        f"{exchange.method} {exchange.path[:200]}: native paths are not served by this version of Pollux. "
        "OpenAI's API is under /v1 and /v1beta/openai; `pollux emulate` serves the native API's emulator.",
    )


async def _answer(exchange: Exchange, code: int, status: str, message: str) -> None:
    await exchange.answer(code, msgspec.json.encode({"error": {"code": code, "message": message, "status": status}}))
