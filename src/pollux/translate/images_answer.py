"""Images: native replies → pictures → the answer, or the error that says why there is none.

Pictures of the thinking are no answer. Words beside a picture stand in its `extra_content.google.text`.
Source: Gemini API, Image generation, FinishReason; OpenAI API, the image object, errors.
Loses: thought signatures, which nobody can send back to these endpoints.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from pollux.errors import ApiError, InvalidRequest
from pollux.translate.endings import FINISH_REASON
from pollux.translate.events import Blocked, Extra, Finish, Media, Text, Usage
from pollux.translate.image_sizes import written
from pollux.translate.reader import ReplyReader
from pollux.translate.usage import add
from pollux.wire.gemini.generate import GenerateContentResponse
from pollux.wire.openai import images as wire

WORDS_MAX = 500
"""Most characters of the model's words that an error quotes."""

NO_IMAGE = "no_image"
"""Code of the error when the model drew nothing, and no filter stopped it."""

FILTERED = "content_policy_violation"
"""Code of the error when a filter stopped the prompt or the picture. Source: OpenAI API, image errors."""

UNKNOWN = "auto"
"""The size of a picture whose header cannot be read; events must have one."""

TOLD = ("grounding_metadata", "citation_metadata", "safety_ratings", "url_context_metadata")
"""Native fields of a candidate that are told beside its pictures."""


class Drawn(Struct):
    """What one native call gave: pictures in base64, each with its type, and what stood beside them."""

    pictures: list[tuple[str, str]]
    words: str
    google: dict[str, Any]
    usage: Usage


def drawn(replies: Iterable[GenerateContentResponse]) -> Drawn:
    """Read the replies to one call. Raises InvalidRequest when there is no picture in them, with the native reason."""
    reader = ReplyReader()
    pictures: list[tuple[str, str]] = []
    words: list[str] = []
    google: dict[str, Any] = {}
    reason, message = "", ""
    for reply in replies:
        for event in reader.feed(reply):
            match event:
                case Media() if event.mime_type.startswith("image/"):
                    pictures.append((event.mime_type, event.data))
                case Text():
                    words.append(event.text)
                case Extra(name="finish_message"):
                    message = event.value
                case Extra(name=name) if name in TOLD:
                    google[name] = event.value
                case Finish():
                    reason = event.reason
                case Blocked() if not pictures:
                    raise _blocked(event)
    if not pictures:
        raise _without_picture(reason, message, "".join(words))
    return Drawn(pictures, "".join(words), google, reader.usage)


def image_content(drawn: Drawn) -> dict[str, Any]:
    """Give what a picture's `extra_content` holds."""
    google = ({"text": drawn.words} if drawn.words else {}) | drawn.google
    return {"google": google} if google else {}


def usage(counted: Iterable[Usage]) -> wire.ImagesUsage:
    """Say the tokens of calls that answer together; the parts make the totals."""
    first, *rest = counted
    total = first
    for each in rest:
        total = add(total, each)
    seen = min(total.prompt_by_modality.get("IMAGE", 0), total.prompt)
    made = min(total.completion_by_modality.get("IMAGE", 0), total.completion)
    return wire.ImagesUsage(
        input_tokens=total.prompt,
        output_tokens=total.completion,
        total_tokens=total.prompt + total.completion,
        input_tokens_details=wire.InputTokensDetails(total.prompt - seen, seen),
        output_tokens_details=wire.OutputTokensDetails(total.completion - made, made),
    )


def pixels(size: tuple[int, int] | None) -> str:
    """Write a picture's size."""
    return written(size) if size else UNKNOWN


def common(values: Iterable[str]) -> str | UnsetType:
    """Give what is known and the same of all pictures, or nothing."""
    found = set(values)
    return UNSET if len(found) != 1 or UNKNOWN in found else found.pop()


def _blocked(event: Blocked) -> ApiError:
    message = event.feedback.get("blockReasonMessage")
    said = f": {message}" if message else ""
    return InvalidRequest(
        f"The prompt was blocked ({event.reason}){said}.".replace("..", "."),
        param="prompt",
        code=FILTERED,
        native={"prompt_feedback": event.feedback},
    )


def _without_picture(reason: str, message: str, words: str) -> ApiError:
    """Say why there is no picture: with a 400, which no client repeats by itself, since asking again costs again."""
    filtered = FINISH_REASON.get(reason) == "content_filter"
    native: dict[str, Any] = {"finish_reason": reason or "no candidate"}
    if message:
        native["finish_message"] = message
    what = "The picture was filtered out" if filtered else "The model drew no picture"
    said = f" {message}" if message else ""
    if words:
        said += f" It answered in words: {msgspec.json.encode(words[:WORDS_MAX]).decode()}"
    return InvalidRequest(
        f"{what} ({native['finish_reason']}).{said}",
        param="prompt",
        code=FILTERED if filtered else NO_IMAGE,
        native=native,
    )
