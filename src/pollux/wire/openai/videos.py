"""Shapes of videos.

Source: OpenAI API, Videos; the guide's section 8 and its table of extra_body (Google's own fields, at any place).
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

Status = Literal["queued", "in_progress", "completed", "failed"]


class CreateVideoRequest(Struct, kw_only=True):
    """The body of POST /videos. Its rules are those of `translate.videos.ROWS`; media may be texts, objects or files."""

    prompt: Any = None
    model: Any = None
    seconds: Any = None
    size: Any = None
    input_reference: Any = None
    aspect_ratio: Any = None
    resolution: Any = None
    duration_seconds: Any = None
    frame_rate: Any = None
    extend_video_id: Any = None
    negative_prompt: Any = None
    seed: Any = None
    style: Any = None
    person_generation: Any = None
    reference_images: Any = None
    image: Any = None
    last_frame: Any = None
    video: Any = None
    user: Any = None


class VideoError(Struct):
    """Why there is no video."""

    code: str
    message: str


class Video(Struct, kw_only=True):
    """A video. Times are Unix seconds; `url` is the guide's."""

    id: str
    object: str = "video"
    created_at: int
    model: str
    status: Status
    progress: int
    seconds: str
    size: str
    prompt: str | None
    completed_at: int | None = None
    expires_at: int | None = None
    error: VideoError | None = None
    remixed_from_video_id: str | None = None
    url: str | UnsetType = UNSET
    extra_content: dict[str, Any] | UnsetType = UNSET


class VideoList(Struct, kw_only=True):
    """One page of the videos."""

    object: str = "list"
    data: list[Video]
    first_id: str | None
    last_id: str | None
    has_more: bool


class VideoDeleted(Struct, kw_only=True):
    """A video that is gone."""

    id: str
    object: str = "video.deleted"
    deleted: bool = True
