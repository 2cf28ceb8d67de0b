"""The error funnel: the one place that makes HTTP answers of errors."""

import math

import msgspec

from pollux.errors import ApiError, Unauthenticated, UpstreamFailed
from pollux.server.exchange import JSON, Exchange, Header
from pollux.translate import failures

HIDDEN_KEY_CHARACTERS_MIN = 8
"""Shorter keys are not hidden in messages: none is real, and hiding "k" would spoil every text."""

_encode = msgspec.json.Encoder().encode


async def answer(exchange: Exchange, error: ApiError) -> None:
    """Answer with an error."""
    headers: list[Header] = [JSON]
    if error.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_seconds))))
        headers.append((b"retry-after-ms", b"%d" % max(1, math.ceil(error.retry_after_seconds * 1000))))
    if error.should_retry is not None:
        headers.append((b"x-should-retry", b"true" if error.should_retry else b"false"))
    headers += [(name.encode(), value.encode()) for name, value in error.headers]
    await exchange.answer(error.status, encode(exchange, error), tuple(headers))


def encode(exchange: Exchange, error: ApiError) -> bytes:
    """Give the body of an error; the caller's key is never in it."""
    data = _encode(failures.body(error))
    key = exchange.caller.upstream_key if exchange.caller else ""
    if len(key) < HIDDEN_KEY_CHARACTERS_MIN:
        return data
    return data.replace(_encode(key)[1:-1], "…".encode())  # also in the native details


def unexpected(exchange: Exchange) -> ApiError:
    """Give the error that the caller sees of a bug; what it was stands in the log."""
    return ApiError(f"The server made a mistake. It is in the server's log under {exchange.request_id}.", code="internal_error")


def blame(exchange: Exchange, error: ApiError) -> ApiError:
    """Do not blame the caller for the server's key: its refusal is the operator's to mend.

    A caller who is not known by now was refused here, for a key of their own.
    """
    if exchange.caller is not None and exchange.caller.spends_server_key and isinstance(error, Unauthenticated):
        return UpstreamFailed(
            "The Gemini API refuses this server's own key. Whoever runs the server has to look at it: `pollux doctor`.",
            code="upstream_key_refused",
            should_retry=False,
        )
    return error
