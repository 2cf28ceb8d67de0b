"""How a film stands, in OpenAI's words, whichever engine makes it."""

from dataclasses import dataclass

from pollux.wire.openai.videos import Status, VideoError

REASON_CHARACTERS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """A status; completed with the native address of the film, failed with the reason."""

    status: Status
    uri: str = ""
    error: VideoError | None = None


def failed(code: str, why: str) -> Outcome:
    """Say that there is no film."""
    return Outcome("failed", error=VideoError(code, why[:REASON_CHARACTERS_MAX]))


def filtered(reasons: str) -> Outcome:
    """Say that the film was filtered. The code is OpenAI's; the reasons are the service's."""
    why = reasons or "The Gemini API completed without a video: the prompt or the video was filtered."
    return failed("moderation_blocked", why)
