"""What is kept of a batch between steps, and how it is told."""

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from pollux.translate.notes import Note
from pollux.wire.openai import batches as wire

if TYPE_CHECKING:
    from pollux.store.batches import BatchRow

OVER = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")
"""States in which a native job has ended. Source: Gemini API, Batch API."""


class Job(Struct):
    """One native job of a batch: the lines of one model.

    `attempted_us` is when its create was begun, 0 before; from then on a job without a `name` may exist, and is looked for by
    its display name. `first_line` is where its model is first asked for.
    """

    model: str
    method: str
    display_name: str
    first_line: int
    requests: int
    input_file: str
    attempted_us: int = 0
    name: str = ""
    state: str = ""
    responses_file: str = ""
    error: wire.BatchError | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in OVER


class State(Struct, kw_only=True):
    """A batch. `times` are Unix seconds by the name of OpenAI's field; `failures` counts tries in a row that failed."""

    status: wire.Status = "validating"
    endpoint: str
    input_file_id: str
    completion_window: str
    metadata: dict[str, str] | None = None
    output_seconds: int | None = None
    model: str | None = None
    errors: list[wire.BatchError] = msgspec.field(default_factory=list)
    jobs: list[Job] = msgspec.field(default_factory=list)
    counts: wire.RequestCounts = msgspec.field(default_factory=wire.RequestCounts)
    usage: wire.BatchUsage | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    times: dict[str, int] = msgspec.field(default_factory=dict)
    failures: int = 0
    notes: list[Note] = msgspec.field(default_factory=list)


WINDOW_SECONDS = 86_400
"""The completion window; what is not done then is cancelled, and the batch expires. Source: OpenAI API, Batch."""

FORSAKEN_SECONDS = 3 * 86_400
"""Age at which a batch that cannot be brought to its end is given up: Gemini keeps its files for two days."""

_decode = msgspec.json.Decoder(State).decode
_encode = msgspec.json.Encoder().encode


def read(row: "BatchRow") -> State:
    """Read what is kept."""
    return _decode(row.state)


def write(state: State) -> bytes:
    """Write what is kept."""
    return _encode(state)


def expired(row: "BatchRow", now_us: int) -> bool:
    """Say whether the completion window is over."""
    return now_us > row.created_us + WINDOW_SECONDS * 1_000_000


def forsaken(row: "BatchRow", now_us: int) -> bool:
    """Say whether nothing can come of a batch any more."""
    return now_us > row.created_us + FORSAKEN_SECONDS * 1_000_000


def told(row: "BatchRow") -> wire.Batch:
    """Say a batch in OpenAI's form. One that was cancelled and is not over is `cancelling`."""
    state = read(row)
    created = row.created_us // 1_000_000
    cancelling = row.cancel_us is not None and row.due_us is not None
    times: dict[str, Any] = dict(state.times)
    if row.cancel_us is not None:
        times.setdefault("cancelling_at", row.cancel_us // 1_000_000)
    return wire.Batch(
        id=row.id,
        endpoint=state.endpoint,
        model=state.model,
        errors=wire.BatchErrors(state.errors) if state.errors else None,
        input_file_id=state.input_file_id,
        completion_window=state.completion_window,
        status="cancelling" if cancelling else state.status,
        output_file_id=state.output_file_id,
        error_file_id=state.error_file_id,
        created_at=created,
        expires_at=created + WINDOW_SECONDS,
        request_counts=state.counts,
        metadata=state.metadata,
        usage=msgspec.UNSET if state.usage is None else state.usage,
        **times,
    )
