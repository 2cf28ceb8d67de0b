"""The native paths: passed on to the Gemini API as they are, and its answers back.

What a caller's request gets here: the key that goes upstream, the server's limits, and, while callers share the server's key,
the owner filter (`shared_call`). Everything else is the upstream's. Errors of ours are told in Google's form, since Google's
clients call these paths. Source: CONTRACT, sections 1 and 2.
"""

import math
from typing import TYPE_CHECKING, Any

import msgspec

from pollux.errors import ApiError, NotFound
from pollux.server import batch_uploads, native_paths, own_files
from pollux.server.access import Caller
from pollux.server.batch_uploads import BatchUpload
from pollux.server.exchange import JSON, Exchange, Header
from pollux.server.native_call import Call
from pollux.server.native_paths import Target
from pollux.server.shared_call import SharedCall

if TYPE_CHECKING:
    from pollux.server.app import App

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

_encode = msgspec.json.Encoder().encode


async def serve(app: "App", exchange: Exchange, path: str) -> None:
    """Answer a native request. `path` has no doubled and no trailing slashes."""
    target = native_paths.target(path)
    exchange.model = target.model
    session = native_paths.parameters(exchange.query, "upload_id") if target.way == "upload" else []
    if session:
        opened = app.sealer.open(session[0])
        caller = _sender(app, exchange, opened[0] if opened is not None else None)
        if opened is None or caller is None or caller.owner != opened[0]:
            raise NotFound("Requested entity was not found.")
        url, _, upload_id = opened[1].partition("#")
        upload = batch_uploads.upload_of(app, exchange, target, caller, upload_id) if upload_id else None
        await _call(app, exchange, target, caller, upload).continue_upload(url)
        return
    caller = app.authenticated(exchange)
    if not await own_files.answered(app, exchange, target, caller):
        await _call(app, exchange, target, caller, batch_uploads.upload_of(app, exchange, target, caller)).serve()


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


def _call(app: "App", exchange: Exchange, target: Target, caller: Caller, upload: BatchUpload | None) -> Call:
    if caller.spends_server_key and app.owned is not None:
        return SharedCall(app, exchange, target, caller, error_body, app.owned, upload)
    return Call(app, exchange, target, caller, error_body, upload)


def _sender(app: "App", exchange: Exchange, owner: str | None) -> Caller | None:
    """Give the caller who sends a piece of an upload. Raises like `authenticated`.

    Pieces need no key, as at the native API: whoever has the session's id acts for its owner. One that brings a key is its
    key's caller.
    """
    if b"authorization" in exchange.headers or native_paths.has_native_key(exchange) or app.settings.local_only:
        return app.authenticated(exchange)
    if owner is not None and app.access.knows(owner):
        return app.admitted(exchange, app.access.keyless(owner))
    return None
