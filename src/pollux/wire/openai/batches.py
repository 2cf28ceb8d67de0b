"""Shapes of batches: the requests, the Batch object, and the lines of input and output files.

Source: OpenAI API, Batch.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

Status = Literal["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]


class OutputExpiresAfter(Struct):
    """When the files of results go: so many seconds after they were made."""

    anchor: Literal["created_at"]
    seconds: int


class CreateBatchRequest(Struct):
    """The body of POST /batches."""

    input_file_id: str
    endpoint: str
    completion_window: str = "24h"
    metadata: dict[str, str] | None = None
    output_expires_after: OutputExpiresAfter | None = None


class BatchError(Struct):
    """What is wrong with the input: in which line (from 1), of which parameter."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


class BatchErrors(Struct):
    """The list of errors."""

    data: list[BatchError]
    object: str = "list"


class RequestCounts(Struct):
    """How many lines there are, and how many of them have ended, well or with an error."""

    total: int = 0
    completed: int = 0
    failed: int = 0


class CachedDetails(Struct):
    """Of the input tokens."""

    cached_tokens: int = 0


class ReasoningDetails(Struct):
    """Of the output tokens."""

    reasoning_tokens: int = 0


class BatchUsage(Struct):
    """Tokens of all lines."""

    input_tokens: int = 0
    input_tokens_details: CachedDetails = msgspec.field(default_factory=CachedDetails)
    output_tokens: int = 0
    output_tokens_details: ReasoningDetails = msgspec.field(default_factory=ReasoningDetails)
    total_tokens: int = 0


class Batch(Struct, kw_only=True):
    """A batch. Times are Unix seconds."""

    id: str
    object: str = "batch"
    endpoint: str
    model: str | None = None
    errors: BatchErrors | None = None
    input_file_id: str
    completion_window: str
    status: Status
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: int
    in_progress_at: int | None = None
    expires_at: int | None = None
    finalizing_at: int | None = None
    completed_at: int | None = None
    failed_at: int | None = None
    expired_at: int | None = None
    cancelling_at: int | None = None
    cancelled_at: int | None = None
    request_counts: RequestCounts
    metadata: dict[str, str] | None = None
    usage: BatchUsage | UnsetType = UNSET


class BatchList(Struct, kw_only=True):
    """One page of the batches."""

    object: str = "list"
    data: list[Batch]
    first_id: str | None
    last_id: str | None
    has_more: bool


class InputLine(Struct):
    """A line of the input file. What is missing is told by name, so nothing is required here."""

    custom_id: Any = None
    method: Any = None
    url: Any = None
    body: msgspec.Raw = msgspec.Raw(b"null")


class LineResponse(Struct):
    """The answer to a line: a status, and the body that the endpoint would have answered with."""

    status_code: int
    request_id: str
    body: msgspec.Raw


class LineError(Struct):
    """Why a line has no answer."""

    code: str
    message: str


class OutputLine(Struct):
    """A line of the output file or of the error file."""

    id: str
    custom_id: str
    response: LineResponse | None
    error: LineError | None
