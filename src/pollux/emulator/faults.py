"""Errors, delays and broken streams on request: one small language for headers, rules and scripts.

    x-emulator-fault: status=429; retry-after=48; quota=per-day
    x-emulator-fault: first-token-delay=5; cut-after=3

Directives stand between semicolons. What is not understood is an error, never ignored: a test with a misspelt fault must
not pass because nothing happened.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from pollux.emulator import errors, quotas, turns
from pollux.emulator.errors import STATUS_WORDS, NativeError, invalid
from pollux.emulator.limits import DELAY_SECONDS_MAX, FAULT_HEADER_CHARS_MAX
from pollux.emulator.models import RETIRED

HEADER = "x-emulator-fault"

OPERATION_ENDINGS = ("", "filtered", "filtered-audio", "failed")


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What goes wrong. Directives are the field names with hyphens; without a value means true."""

    status: int | None = None
    """An error with this HTTP status, 400 to 599."""
    reason: str = ""
    """Which of the errors with this status (see REASONS)."""
    message: str = ""
    """Other words than the recorded ones."""
    quota: str = "per-minute"
    """For 429: the limit that is exceeded (see `quotas.QUOTAS`)."""
    retry_after: float = 48
    """For 429: RetryInfo's delay in seconds. There is no Retry-After header, as in the real service."""
    html: bool = False
    """The error as a front end's HTML page instead of JSON."""
    headers_delay: float = 0
    """Seconds before status and headers."""
    first_token_delay: float = 0
    """Seconds between headers and first event (a whole answer: before its headers)."""
    event_delay: float = 0
    """Seconds between events."""
    stall_after: int | None = None
    """After so many events nothing more comes, until the client leaves or `stall_for` is over."""
    stall_for: float = DELAY_SECONDS_MAX
    cut_after: int | None = None
    """The connection is cut after so many events."""
    error_after: int | None = None
    """An error inside the stream after so many events; `status` and `reason` say which, else 500."""
    raw: bool = False
    """That error as bare JSON over several lines instead of a `data:` event."""
    malformed_after: int | None = None
    """After so many events comes one of broken JSON, then the end."""
    blocked: str = ""
    """The prompt is blocked for this reason."""
    finish: str = ""
    """Another finish reason."""
    empty: bool = False
    """An answer without parts."""
    partial: bool = False
    """With another finish reason, the text so far is kept, in a whole answer too."""
    no_candidates: bool = False
    """Neither candidates nor a reason for it."""
    harmful_prompt: str = ""
    """The prompt is harmful, `HATE_SPEECH:HIGH`: blocked if the safety settings say so."""
    harmful_answer: str = ""
    """The answer turns harmful in its middle."""
    thinking: int | None = None
    """How many tokens it thinks, if the model thinks."""
    continue_after: int | None = None
    """Gemini 4 stops with CONTINUATION after so many tokens, instead of its own limit."""
    enable: str = ""
    """What the family refuses and shall take this time (see ENABLED), with commas between."""
    file_state: str = ""
    """An uploaded file becomes this: FAILED, stays PROCESSING, or is ACTIVE at once."""
    processing: float | None = None
    """Seconds for which an uploaded file is PROCESSING."""
    operation: str = ""
    """How the film of a request ends: filtered, filtered-audio, failed."""
    cut_upload_after: int | None = None
    """Of an upload's body only so many bytes are kept, then the connection is cut; the upload can be continued."""
    batch_state: str = ""
    """A batch that is created with it becomes this: FAILED, EXPIRED, or stays RUNNING until its 48 hours are over."""
    batch_fail_every: int = 0
    """Every so many lines of a batch one fails."""
    partial_args: bool = False
    """A stream gives the arguments of calls in pieces (`partialArgs`), as Vertex does."""
    probability: float = 1
    """How often; decided by the emulator's seed and the count of requests, so that a run can be repeated."""
    times: int | None = None
    """How many times at most; then all is well."""
    id: str = ""
    """Tells counts of equal faults apart."""


FLOATS = ("processing", "retry-after", "headers-delay", "first-token-delay", "event-delay", "stall-for", "probability")
TEXTS = ("file-state", "batch-state", "operation", "reason", "message", "quota", "blocked", "finish", "id", "harmful-prompt",
         "harmful-answer", "enable")  # fmt: skip
SWITCHES = ("html", "raw", "empty", "partial-args", "partial", "no-candidates")

OF_THE_ANSWER = frozenset(
    {"blocked", "finish", "empty", "partial", "no-candidates", "harmful-prompt", "harmful-answer", "thinking", "continue-after",
     "partial-args"}
)  # fmt: skip
"""Directives that a prompt may give (see `endings`)."""

ENABLED = ("logprobs", "penalties", "candidates")

HARM = re.compile(
    r"(HATE_SPEECH|DANGEROUS_CONTENT|HARASSMENT|SEXUALLY_EXPLICIT|CIVIC_INTEGRITY|JAILBREAK):(NEGLIGIBLE|LOW|MEDIUM|HIGH)"
)


def parse(text: str, only: frozenset[str] = frozenset()) -> Fault:
    """Read a fault, or raise ValueError with what is wrong."""
    if len(text) > FAULT_HEADER_CHARS_MAX:
        raise ValueError(f"a fault is at most {FAULT_HEADER_CHARS_MAX} characters long")
    given: dict[str, Any] = {}
    for directive in filter(None, (piece.strip() for piece in text.split(";"))):
        name, has_value, value = (piece.strip() for piece in directive.partition("="))
        if name in given:
            raise ValueError(f"{name!r} is given twice")
        if only and name not in only:
            raise ValueError(f"{name!r} is none of {', '.join(sorted(only))}")
        if name in SWITCHES:
            if has_value and value not in ("true", "1"):
                raise ValueError(f"{name!r} takes no value")
            given[name] = True
        elif not has_value:
            raise ValueError(f"{name!r} needs a value, or is not known")
        elif name in TEXTS:
            given[name] = value
        else:
            try:
                given[name] = float(value) if name in FLOATS else int(value)
            except ValueError:
                raise ValueError(f"{name!r} needs a number, or is not known") from None
    try:
        return checked(msgspec.convert(given, Fault))
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None


def checked(fault: Fault) -> Fault:
    """Refuse values without meaning, and delays beyond the limit."""
    if fault.status is not None and not 400 <= fault.status <= 599:
        raise ValueError("status is between 400 and 599")
    if fault.quota not in quotas.QUOTAS:
        raise ValueError(f"quota is one of {', '.join(quotas.QUOTAS)}")
    if fault.reason and fault.reason not in REASONS.get(fault.status or 0, {}):
        raise ValueError(
            f"reason with status {fault.status} is one of {', '.join(REASONS.get(fault.status or 0, {})) or '(none)'}"
        )
    if fault.file_state not in ("", "ACTIVE", "FAILED", "PROCESSING"):
        raise ValueError("file-state is one of ACTIVE, FAILED, PROCESSING")
    if fault.batch_state not in ("", "FAILED", "EXPIRED", "RUNNING"):
        raise ValueError("batch-state is one of FAILED, EXPIRED, RUNNING")
    if fault.operation not in OPERATION_ENDINGS:
        raise ValueError(f"operation is one of {', '.join(OPERATION_ENDINGS[1:])}")
    for seconds in (fault.processing or 0, fault.headers_delay, fault.first_token_delay, fault.event_delay, fault.stall_for):
        if not 0 <= seconds <= DELAY_SECONDS_MAX:
            raise ValueError(f"a delay is between 0 and {DELAY_SECONDS_MAX:g} seconds")
    if any(harm and not HARM.fullmatch(harm) for harm in (fault.harmful_prompt, fault.harmful_answer)):
        raise ValueError("a harm is a category and a probability, as in HATE_SPEECH:HIGH")
    if not enabled(fault) <= set(ENABLED):
        raise ValueError(f"enable takes {', '.join(ENABLED)}, with commas between")
    if fault.continue_after is not None and fault.continue_after < 1:
        raise ValueError("continue-after is 1 or more")
    if not 0 <= fault.probability <= 1 or not 0 <= fault.retry_after < float("inf"):
        raise ValueError("probability is between 0 and 1, and retry-after a number of seconds")
    counts = (fault.stall_after, fault.cut_after, fault.error_after, fault.malformed_after, fault.times, fault.cut_upload_after,
              fault.batch_fail_every, fault.thinking)  # fmt: skip
    if any(count is not None and count < 0 for count in counts):
        raise ValueError("counts are not negative")
    return fault


def enabled(fault: Fault) -> frozenset[str]:
    """List what the family shall take this time."""
    return frozenset(filter(None, fault.enable.replace(" ", "").split(",")))


def is_refusal(fault: Fault) -> bool:
    """Tell whether it stands in place of an answer; else it happens inside one, or beside it."""
    return fault.status is not None and fault.error_after is None


def error_of(fault: Fault, model: str, version: str, method: str) -> NativeError:
    """Make the error of a fault, in its recorded words."""
    status = fault.status or 500
    if status == 429:
        error = quotas.exceeded(model, fault.quota, fault.retry_after)
    elif status == 404:
        retired = fault.reason == "retired"
        error = errors.retired_model(model, RETIRED.get(model, "")) if retired else errors.unknown_model(model, version, method)
    else:
        by_reason = REASONS.get(status, {})
        make = by_reason.get(fault.reason) or next(iter(by_reason.values()), lambda: _plain(status))
        error = make()
    return NativeError(status, fault.message, error.status, error.details) if fault.message else error


def _plain(status: int) -> NativeError:
    word = STATUS_WORDS.get(status, "UNKNOWN")
    return NativeError(status, f"The emulator was asked for an error with status {status} ({word}).", word)


def _nothing() -> NativeError:
    return _plain(500)


REASONS: dict[int, dict[str, Callable[[], NativeError]]] = {
    400: {
        "invalid-argument": lambda: invalid("Request contains an invalid argument."),
        "invalid-key": errors.invalid_key,
        "expired-key": errors.expired_key,
        "context": lambda: errors.context_overflow(1_048_576),
        "location": errors.unsupported_location,
        "function-parts": lambda: invalid(turns.RESPONSE_COUNT),
        "missing-signature": lambda: turns.missing_signature("get_weather", 2),
        "corrupted-signature": turns.corrupted_signature,
        "speech": errors.not_only_speech,
    },
    401: {
        "token": lambda: errors.bad_token("ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        "overloaded-credentials": lambda: errors.bad_token("OVERLOADED_CREDENTIALS"),
    },
    402: {"prepaid": lambda: NativeError(402, "Your prepayment credits are depleted.", "RESOURCE_EXHAUSTED")},
    403: {
        "denied": errors.denied_project,
        "missing-key": errors.missing_key,
        "leaked-key": errors.leaked_key,
        "disabled": errors.disabled_service,
        "permission": lambda: NativeError(403, "The caller does not have permission"),
    },
    404: {"unknown-model": _nothing, "retired": _nothing},
    500: {"internal": errors.internal},
    503: {"high-demand": errors.high_demand, "overloaded": errors.overloaded},
    504: {"deadline": errors.deadline},
}
"""Errors by status and name; the first of a status is the one meant when no reason is given."""
