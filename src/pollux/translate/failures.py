"""Gemini error body → our error; our error → OpenAI error body.

Status and code come from the native `error.status` and `details[].reason`. Where the service gives neither a reason nor
details, the message is compared with one table of recorded patterns, and only under INVALID_ARGUMENT and FAILED_PRECONDITION.

Source: Gemini API, errors; google.rpc error details; recorded errors.
"""

import re
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from pollux.errors import (
    ApiError,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RateLimited,
    TooLarge,
    Unauthenticated,
    UpstreamFailed,
)
from pollux.wire.gemini.errors import ErrorBody, Status, WordedBody
from pollux.wire.openai import errors as wire

MESSAGE_CHARACTERS_MAX = 2000
"""Longest native message that is passed on; real ones have a few hundred."""

SECRET_DETAILS = ("type.googleapis.com/google.rpc.DebugInfo",)
"""Details that are never passed on: a recorded DebugInfo holds the caller's key."""


class Meaning(NamedTuple):
    """What a native status means in OpenAI's terms."""

    error: type[ApiError]
    status: int
    type: str
    code: str | None
    param: str | None = None


STATUS: dict[str, Meaning] = {
    "INVALID_ARGUMENT": Meaning(InvalidRequest, 400, "invalid_request_error", "invalid_value"),
    "FAILED_PRECONDITION": Meaning(InvalidRequest, 400, "invalid_request_error", "failed_precondition"),
    "OUT_OF_RANGE": Meaning(InvalidRequest, 400, "invalid_request_error", "invalid_value"),
    "UNAUTHENTICATED": Meaning(Unauthenticated, 401, "invalid_request_error", "invalid_api_key"),
    "PERMISSION_DENIED": Meaning(PermissionDenied, 403, "permission_error", "permission_denied"),
    "NOT_FOUND": Meaning(NotFound, 404, "invalid_request_error", "not_found"),
    "ALREADY_EXISTS": Meaning(ApiError, 409, "invalid_request_error", "already_exists"),
    "ABORTED": Meaning(ApiError, 409, "server_error", "aborted"),
    "RESOURCE_EXHAUSTED": Meaning(RateLimited, 429, "requests", "rate_limit_exceeded"),
    "CANCELLED": Meaning(ApiError, 499, "server_error", "cancelled"),
    "INTERNAL": Meaning(UpstreamFailed, 500, "server_error", "server_error"),
    "UNKNOWN": Meaning(UpstreamFailed, 500, "server_error", "server_error"),
    "UNIMPLEMENTED": Meaning(UpstreamFailed, 501, "server_error", "unimplemented"),
    "UNAVAILABLE": Meaning(UpstreamFailed, 503, "server_error", "overloaded"),
    "DEADLINE_EXCEEDED": Meaning(UpstreamFailed, 504, "server_error", "upstream_timeout"),
}
"""Meaning of a native `error.status`."""

BY_HTTP_STATUS: dict[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""The native status that an HTTP status stands for when the body does not say: front ends answer with HTML."""

REASON: dict[str, Meaning] = {
    "API_KEY_INVALID": STATUS["UNAUTHENTICATED"],
    "API_KEY_EXPIRED": STATUS["UNAUTHENTICATED"],
    "ACCESS_TOKEN_EXPIRED": STATUS["UNAUTHENTICATED"],
    "CREDENTIALS_MISSING": STATUS["UNAUTHENTICATED"],
    "SERVICE_DISABLED": Meaning(PermissionDenied, 403, "permission_error", "service_disabled"),
    "API_KEY_SERVICE_BLOCKED": Meaning(PermissionDenied, 403, "permission_error", "service_disabled"),
}
"""Meaning of an ErrorInfo reason, which outranks the status."""

SIGNATURE_REFUSED = "thought_signature_refused"
"""Code of the error that a repair can mend: a thought signature is missing, or not of this model."""

SCHEMA_REFUSED = "schema_refused"
"""Code of the error that a simpler schema can mend: the service cannot serve one as complex."""

SAYS_NOTHING = re.compile(r"Request contains an invalid argument\.?")
"""The message of a refusal that says nothing; some models refuse a complex schema so."""

PATTERNS: tuple[tuple[str, Meaning], ...] = (
    (
        r"too many states for serving|[Ss]chema .*(nesting depth|too (complex|deep|large))|schema is too (complex|deep|large)",
        Meaning(InvalidRequest, 400, "invalid_request_error", SCHEMA_REFUSED),
    ),
    (
        r"input token count( \(\d+\))? exceeds the maximum number of tokens",
        Meaning(InvalidRequest, 400, "invalid_request_error", "context_length_exceeded", "messages"),
    ),
    (r"API key (not valid|expired)|pass a valid API key", STATUS["UNAUTHENTICATED"]),
    (
        r"User location is not supported",
        Meaning(PermissionDenied, 403, "permission_error", "unsupported_country_region_territory"),
    ),
    (
        r"Multiple candidates is not enabled|Only one candidate can be specified|multiple candidate generations",
        Meaning(InvalidRequest, 400, "invalid_request_error", "unsupported_value", "n"),
    ),
    (
        r"[Tt]hought[_ ]signature",
        Meaning(InvalidRequest, 400, "invalid_request_error", SIGNATURE_REFUSED, "messages"),
    ),
    (
        r"Penalty is not enabled",
        Meaning(InvalidRequest, 400, "invalid_request_error", "unsupported_parameter", "frequency_penalty"),
    ),
    (r"Logprobs is not enabled", Meaning(InvalidRequest, 400, "invalid_request_error", "unsupported_parameter", "logprobs")),
)
"""Recorded messages of errors that carry no reason and no details. The one place that reads a message."""

_PATTERNS = tuple((re.compile(pattern), meaning) for pattern, meaning in PATTERNS)
_READ_MESSAGES_OF = ("INVALID_ARGUMENT", "FAILED_PRECONDITION")


def from_gemini(http_status: int, body: bytes, *, model: str | None = None) -> ApiError:
    """Say a native error answer as one of ours. `model` is the model that was called, for errors about it.

    Loses: DebugInfo; the rest of the details survives in `extra_content.google` of the error.
    """
    native = _native(body)
    if native is None:
        return _without_body(http_status, body)
    return from_status(native, http_status=http_status, model=model)


def from_status(native: Status, *, http_status: int | None = None, model: str | None = None) -> ApiError:
    """Say the inside of a native error body as one of ours; in streams there is no HTTP status beside it."""
    details = [detail for detail in native.details or [] if detail.get("@type") not in SECRET_DETAILS]
    code = native.code or http_status or 500
    status = native.status or BY_HTTP_STATUS.get(code, "UNKNOWN")
    message = (native.message or "The Gemini API gave no reason.")[:MESSAGE_CHARACTERS_MAX]
    meaning = _meaning(status, code, message, native.details or [])
    fields: dict[str, Any] = {"type": meaning.type, "code": meaning.code, "param": meaning.param}
    if meaning.error is NotFound and model is not None and "models/" in message:
        fields.update(code="model_not_found", param="model")
    if meaning.error is RateLimited:
        fields.update(_quota(code, details))
    return meaning.error(
        message,
        status=413 if code == 413 else meaning.status,
        native={"code": code, "status": status} | ({"details": details} if details else {}),
        **fields,
    )


def says_nothing(error: ApiError) -> bool:
    """Say whether the service refused a request without a reason."""
    return error.status == 400 and error.native is not None and SAYS_NOTHING.fullmatch(error.message) is not None


def body(error: ApiError) -> wire.ErrorBody:
    """Say one of our errors as OpenAI's error object."""
    return wire.ErrorBody(
        wire.Error(
            message=error.message,
            type=error.type,
            param=error.param,
            code=error.code,
            extra_content={"google": error.native} if error.native else UNSET,
        )
    )


def _native(body: bytes) -> Status | None:
    try:
        return msgspec.json.decode(body, type=ErrorBody).error
    except msgspec.DecodeError:
        pass
    try:
        return msgspec.json.decode(body, type=list[ErrorBody])[0].error
    except (msgspec.DecodeError, IndexError):
        pass
    try:
        worded = msgspec.json.decode(body, type=WordedBody).error
    except msgspec.DecodeError:
        return None
    return Status(message=f"{worded.message} ({worded.code})")


def _without_body(http_status: int, body: bytes) -> ApiError:
    status = BY_HTTP_STATUS.get(http_status)
    message = f"The Gemini API answered with status {http_status} and no reason."
    if http_status == 413:
        return TooLarge("The Gemini API refuses the request as too large; send media through the Files API, or less of it.")
    if status is None or (body.lstrip()[:1] == b"<" and http_status < 500):
        return UpstreamFailed(message, status=502)
    meaning = STATUS[status]
    return meaning.error(message, status=meaning.status, type=meaning.type, code=meaning.code)


def _meaning(status: str, code: int, message: str, details: list[dict[str, Any]]) -> Meaning:
    for detail in details:
        meaning = REASON.get(str(detail.get("reason", "")))
        if meaning is not None:
            return meaning
    if status in _READ_MESSAGES_OF:
        text = message + "".join(str(detail.get("detail", "")) for detail in details)
        for pattern, meaning in _PATTERNS:
            if pattern.search(text):
                return meaning
    return STATUS.get(status) or STATUS[BY_HTTP_STATUS.get(code, "UNKNOWN")]


def _quota(code: int, details: list[dict[str, Any]]) -> dict[str, Any]:
    """Say how long a quota error lasts: RetryInfo's delay; a daily quota or an empty account is not worth a retry."""
    fields: dict[str, Any] = {}
    if code == 402:
        return {"type": "insufficient_quota", "code": "insufficient_quota", "should_retry": False}
    for detail in details:
        delay = re.fullmatch(r"(\d{1,9}(?:\.\d+)?)s", str(detail.get("retryDelay", "")))
        if delay:
            fields["retry_after_seconds"] = float(delay[1])
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else []:
            quota = str(violation.get("quotaId", "")) if isinstance(violation, dict) else ""
            if "PerDay" in quota:
                fields["should_retry"] = False
            if "Token" in quota:
                fields["type"] = "tokens"
    return fields
