"""Shapes of native batch jobs.

Source: Gemini API, Batch API; the discovery document; a live-captured note of 2026-09.
"""

import msgspec

from pollux.wire.gemini.errors import Status
from pollux.wire.gemini.generate import Shape


class InputConfig(Shape):
    """Where the requests are."""

    file_name: str | None = None


class NewBatch(Shape):
    """A job to be created."""

    display_name: str
    input_config: InputConfig


class CreateBatch(Shape):
    """The body of batchGenerateContent and asyncBatchEmbedContent."""

    batch: NewBatch


class Output(Shape):
    """Where the results are."""

    responses_file: str | None = None


class BatchStats(Shape):
    """Counts; 64-bit numbers are texts."""

    request_count: str | None = None
    successful_request_count: str | None = None
    failed_request_count: str | None = None


class BatchMetadata(Shape):
    """The job itself."""

    display_name: str = ""
    state: str = ""
    output: Output | None = None
    batch_stats: BatchStats | None = None


class Operation(Shape):
    """A job as the service tells of it; `done` is absent while it runs."""

    name: str = ""
    done: bool = False
    metadata: BatchMetadata | None = None
    response: Output | None = None
    error: Status | None = None

    @property
    def state(self) -> str:
        """The state without its prefix, as in SUCCEEDED."""
        return (self.metadata.state if self.metadata else "").rpartition("STATE_")[2]

    @property
    def responses_file(self) -> str | None:
        """The file of the results (`files/…`)."""
        told = (self.metadata and self.metadata.output) or self.response
        return told.responses_file if told else None


class Operations(Shape):
    """One page of the jobs."""

    operations: list[Operation] | None = None
    next_page_token: str | None = None


class RequestLine(Shape):
    """A line of a job's input; `request` is the native request as JSON."""

    key: str
    request: msgspec.Raw


class ResultLine(Shape):
    """A line of a job's results."""

    key: str = ""
    response: msgspec.Raw = msgspec.Raw(b"")
    error: Status | None = None


decode_operation = msgspec.json.Decoder(Operation).decode
decode_operations = msgspec.json.Decoder(Operations).decode
decode_result = msgspec.json.Decoder(ResultLine).decode
