"""One OpenAI content part ↔ one Gemini part."""

import re

from pollux.errors import InvalidRequest, Unsupported
from pollux.translate.parameters import LATER
from pollux.wire.gemini.generate import Blob, Part
from pollux.wire.openai.chat import ContentPart

MEDIA = ("image_url", "input_audio", "file")

_DATA_URL = re.compile(r"data:([a-z]+/[a-z0-9.+-]+);base64,", re.IGNORECASE)


def parts(content: str | list[ContentPart] | None, path: str) -> list[Part]:
    """Say a message's content in native parts; `path` is the content's place in the caller's body.

    Source: OpenAI API, content parts; Gemini API, Part.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [Part(text=content)]
    return [_part(content_part, f"{path}[{i}]") for i, content_part in enumerate(content)]


def text_of(content: list[ContentPart], path: str) -> str:
    """Give the text of a tool's result, its media left out."""
    return "".join([_part(part, f"{path}[{i}]").text or "" for i, part in enumerate(content) if part.type not in MEDIA])


def media_of(content: list[ContentPart], path: str) -> list[Part]:
    """Give the media of a tool's result: images as data URLs."""
    return [_inline_image(part, f"{path}[{i}]") for i, part in enumerate(content) if part.type in MEDIA]


def _part(content_part: ContentPart, path: str) -> Part:
    match content_part.type:
        case "text":
            return Part(text=_required(content_part.text, f"{path}.text"))
        case "refusal":
            return Part(text=_required(content_part.refusal, f"{path}.refusal"))
        case kind if kind in MEDIA:
            raise Unsupported(f"Content of type {kind} is not supported. {LATER}", param=path, code="unsupported_value")
        case kind:
            raise InvalidRequest(
                f"There is no content type {kind[:40]!r}; use text" + "".join(f", {name}" for name in MEDIA) + ".",
                param=f"{path}.type",
            )


def _inline_image(content_part: ContentPart, path: str) -> Part:
    image = content_part.image_url
    url = image.get("url") if isinstance(image, dict) else image
    found = _DATA_URL.match(url) if isinstance(url, str) else None
    if content_part.type != "image_url" or found is None or not isinstance(url, str):
        raise Unsupported(
            f"{path}: of media, a tool's result may hold images as data URLs only. {LATER}",
            param=path,
            code="unsupported_value",
        )
    return Part(inline_data=Blob(mime_type=found[1].lower(), data=url[found.end() :]))


def _required(text: str | None, path: str) -> str:
    if text is None:
        raise InvalidRequest(f"{path} is missing.", param=path, code="missing_required_parameter")
    return text
