"""Batches: a line of the input, judged; native states and errors of lines in OpenAI's terms."""

from typing import Any

import msgspec

from pollux.errors import ApiError, InvalidRequest
from pollux.translate import failures
from pollux.wire.gemini.errors import Status
from pollux.wire.openai import batches as wire
from pollux.wire.openai.images import ImagesUsage

ENDPOINTS = ("/v1/chat/completions", "/v1/embeddings", "/v1/images/generations")
"""Endpoints whose requests a batch may hold."""

WINDOW = "24h"
"""The only completion window. Source: OpenAI API, Create batch."""

METADATA_MAX = 16
METADATA_KEY_CHARS_MAX, METADATA_VALUE_CHARS_MAX = 64, 512
"""Bounds of metadata. Source: OpenAI API, Create batch."""

CUSTOM_ID_CHARS_MAX = 512

RPC_STATUS = {
    1: "CANCELLED",
    2: "UNKNOWN",
    3: "INVALID_ARGUMENT",
    4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND",
    6: "ALREADY_EXISTS",
    7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION",
    10: "ABORTED",
    11: "OUT_OF_RANGE",
    12: "UNIMPLEMENTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}
"""Names of google.rpc.Code: a line's error is a google.rpc.Status, whose code is no HTTP status. Source: google.rpc.Code."""

_line = msgspec.json.Decoder(wire.InputLine).decode


def read_line(text: bytes, endpoint: str) -> wire.InputLine:
    """Read a line of the input, and check all of it but its body. Raises InvalidRequest, naming the field."""
    try:
        line = _line(text)
    except msgspec.ValidationError:
        raise InvalidRequest("The line is not a JSON object.", code="invalid_json_line") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        raise InvalidRequest(f"The line is not valid JSON: {reason}.", code="invalid_json_line") from None
    custom_id = line.custom_id
    if not isinstance(custom_id, str) or not custom_id:
        raise InvalidRequest(
            "custom_id is missing; it must be a text that no other line has.",
            param="custom_id",
            code="missing_required_parameter",
        )
    if len(custom_id) > CUSTOM_ID_CHARS_MAX:
        raise InvalidRequest(f"custom_id is longer than {CUSTOM_ID_CHARS_MAX} characters.", param="custom_id")
    if line.method not in (None, "POST"):
        raise InvalidRequest("method must be POST.", param="method")
    if line.url is None:
        raise InvalidRequest(f"url is missing; it must be {endpoint}.", param="url", code="missing_required_parameter")
    if line.url != endpoint:
        raise InvalidRequest(f"url must be the batch's endpoint, {endpoint}.", param="url", code="mismatched_url")
    if bytes(memoryview(line.body)[:1]) != b"{":
        raise InvalidRequest("body is missing; it must be a request's JSON object.", param="body")
    return line


def check_request(request: wire.CreateBatchRequest) -> None:
    """Check what a batch is asked for. Raises InvalidRequest, naming the parameter."""
    if request.endpoint not in ENDPOINTS:
        raise InvalidRequest(f"endpoint must be one of {', '.join(ENDPOINTS)}.", param="endpoint")
    if request.completion_window != WINDOW:
        raise InvalidRequest(f"completion_window must be {WINDOW}.", param="completion_window")
    metadata = request.metadata or {}
    if len(metadata) > METADATA_MAX:
        raise InvalidRequest(f"metadata has {len(metadata)} entries; at most {METADATA_MAX} are taken.", param="metadata")
    for key, value in metadata.items():
        if len(key) > METADATA_KEY_CHARS_MAX or len(value) > METADATA_VALUE_CHARS_MAX:
            raise InvalidRequest(
                f"metadata takes keys of at most {METADATA_KEY_CHARS_MAX} and values of at most {METADATA_VALUE_CHARS_MAX} "
                "characters.",
                param="metadata",
            )


def line_failure(status: Status, model: str) -> ApiError:
    """Say the native error of one line as one of ours."""
    name = status.status or RPC_STATUS.get(status.code or 0)
    if name is None:
        return failures.from_status(status, model=model)
    return failures.from_status(Status(code=None, message=status.message, status=name, details=status.details), model=model)


def error_of(error: ApiError, line: int | None = None, prefix: str = "") -> wire.BatchError:
    """Say an error of the input as an entry of `errors.data`."""
    param = error.param
    if prefix and param:
        param = f"{prefix}.{param}"
    return wire.BatchError(code=error.code or "invalid_value", message=error.message, param=param, line=line)


def add_usage(total: wire.BatchUsage, body: Any) -> None:
    """Add the tokens of one answer: of a completion, of embeddings, or of pictures."""
    if isinstance(body, ImagesUsage):
        total.input_tokens += body.input_tokens
        total.output_tokens += body.output_tokens
        total.total_tokens += body.total_tokens
        return
    total.input_tokens += body.prompt_tokens
    total.total_tokens += body.total_tokens
    total.output_tokens += getattr(body, "completion_tokens", 0)
    prompt = getattr(body, "prompt_tokens_details", None)
    completion = getattr(body, "completion_tokens_details", None)
    total.input_tokens_details.cached_tokens += getattr(prompt, "cached_tokens", 0) or 0
    total.output_tokens_details.reasoning_tokens += getattr(completion, "reasoning_tokens", 0) or 0
