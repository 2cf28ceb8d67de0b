"""What is kept of a video, and how it is told."""

import math
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import UNSET, Struct

from pollux.translate.profiles import Resolution
from pollux.translate.video_outcome import Outcome
from pollux.translate.videos import AspectRatio, Before
from pollux.wire.openai import videos as wire

if TYPE_CHECKING:
    from pollux.store.videos import VideoRow

KEPT_SECONDS = 48 * 3600
"""How long the Gemini API keeps a film. Source: Gemini API, Veo, Files."""

USUAL_SECONDS = 60.0
"""How long a film takes, for a progress that the service does not tell: recorded, 27 s for a small one."""

PROGRESS_MAX = 99


class State(Struct, kw_only=True):
    """A video. `native` is the operation's name or the interaction's id, empty until the service has told it.

    Times are microseconds since 1970 by the database's clock.
    """

    model: str
    native_model: str
    engine: Literal["veo", "omni"]
    prompt: str
    aspect_ratio: AspectRatio
    resolution: Resolution
    size: str
    seconds: int
    status: wire.Status = "queued"
    native: str = ""
    uri: str = ""
    error: wire.VideoError | None = None
    asked_us: int = 0
    """When the service was last asked how it is."""
    ended_us: int = 0
    remixed_from: str | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status in ("completed", "failed")

    @property
    def expires_us(self) -> int:
        """When the film is gone."""
        return self.ended_us + KEPT_SECONDS * 1_000_000


_decode = msgspec.json.Decoder(State).decode
_encode = msgspec.json.Encoder().encode


def read(row: "VideoRow") -> State:
    """Read what is kept."""
    return _decode(row.state)


def write(state: State) -> bytes:
    """Write what is kept."""
    return _encode(state)


def enter(state: State, outcome: Outcome, now_us: int) -> None:
    """Note what the service says of a film; what has ended stays as it is."""
    if state.over:
        return
    state.status, state.uri, state.error, state.asked_us = outcome.status, outcome.uri, outcome.error, now_us
    if outcome.status in ("completed", "failed"):
        state.ended_us = now_us


def before(state: State) -> Before:
    """Give a completed video as one that another goes on from."""
    return Before(
        uri=state.uri,
        interaction=state.native if state.engine == "omni" else "",
        engine=state.engine,
        aspect_ratio=state.aspect_ratio,
        resolution=state.resolution,
        seconds=state.seconds,
    )


def told(row: "VideoRow", now_us: int, url: str) -> wire.Video:
    """Say a video in OpenAI's form; `url` is where its content is, when it has some."""
    state = read(row)
    is_done = state.status == "completed"
    return wire.Video(
        id=row.id,
        created_at=row.created_us // 1_000_000,
        model=state.model,
        status=state.status,
        progress=_progress(state, (now_us - row.created_us) / 1e6),
        seconds=str(state.seconds),
        size=state.size,
        prompt=state.prompt,
        completed_at=state.ended_us // 1_000_000 if is_done else None,
        expires_at=state.expires_us // 1_000_000 if is_done else None,
        error=state.error,
        remixed_from_video_id=state.remixed_from,
        url=url if is_done else UNSET,
    )


def _progress(state: State, seconds: float) -> int:
    """Guess how far a film is: it only grows, and 100 is for what is done."""
    match state.status:
        case "completed":
            return 100
        case "queued" | "failed":
            return 0
    return min(PROGRESS_MAX, int(100 * (1 - math.exp(-max(seconds, 0.0) / USUAL_SECONDS))))
