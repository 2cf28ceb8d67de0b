"""Edits and variations of pictures: the pictures of a request, and the native parts of them.

Gemini has no mask. It is told by a further picture, the first one with a hole; and the answer is put together here, so that
outside the mask the original's pixels stay. Source: OpenAI API, Create image edit; Gemini API, Image editing.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from pollux.errors import InvalidRequest
from pollux.translate.image_sizes import written
from pollux.translate.media import Found
from pollux.translate.notes import Note
from pollux.translate.profiles import Painter
from pollux.wire.gemini.generate import Base64, FileData, Part, inline_part
from pollux.wire.openai import images as wire

IMAGES_MAX = 16
"""Most pictures of an edit. Source: OpenAI API, Create image edit."""

VARIATION = "Draw a variation of this picture: the same subject in the same style, with other details."
"""What is asked for where OpenAI's API has no prompt."""

MASK = (
    "The last picture is the first one with a hole: its transparent part. Change only what was in this part, leave all the "
    "rest as it is, and give the whole picture in the same frame."
)
"""What is said of the picture with a hole."""

R = TypeVar("R", bound=wire.Asked)


def parts(prompt: str, found: Sequence[Found], hole: Base64 | None = None) -> list[Part]:
    """Say pictures and prompt: the pictures first, the one with a hole last among them."""
    pictures = [_part(each) for each in found]
    if hole is not None:
        pictures.append(inline_part("image/png", hole))
        prompt = f"{prompt}\n\n{MASK}"
    return [*pictures, Part(text=prompt)]


def check_count(count: int, field: str, painter: Painter) -> None:
    """Raise InvalidRequest when there are no pictures, or too many."""
    if not count:
        raise InvalidRequest(f"{field} is missing; send a picture.", param=field, code="missing_required_parameter")
    most = min(IMAGES_MAX, painter.pictures_max) if painter.known else IMAGES_MAX
    if count > most:
        raise InvalidRequest(f"{field} holds {count} pictures; the model takes at most {most}.", param=field)


def check_picture(found: Found) -> None:
    """Raise InvalidRequest when something is no picture."""
    if found.mime_type and not found.mime_type.startswith("image/"):
        path = found.source.path
        raise InvalidRequest(f"{path} is of type {found.mime_type}, not a picture.", param=path, code="invalid_media")


def in_the_frame(request: R, size: tuple[int, int] | None, notes: list[Note]) -> R:
    """Give the request of an edit with a mask: what comes has the size of the picture, `size`, whatever is asked for."""
    if request.size in (None, "auto") or (size is not None and request.size == written(size)):
        return msgspec.structs.replace(request, size=None)
    notes.append(Note("size", "approximated", "an edit with a mask has the size of its picture"))
    return msgspec.structs.replace(request, size=None)


def _part(found: Found) -> Part:
    if found.data is not None:
        return inline_part(found.mime_type, found.data)
    return Part(file_data=FileData(file_uri=found.uri, mime_type=found.mime_type or None))
