"""One OpenAI content part ↔ one Gemini part."""

from pollux.errors import InvalidRequest
from pollux.translate.media import KINDS, Media
from pollux.translate.profiles import NEWEST
from pollux.wire.gemini.generate import Part
from pollux.wire.openai.chat import ContentPart

NO_MEDIA = Media((), NEWEST, [])
"""Where no media were looked for, content that holds some is refused."""


def parts(content: str | list[ContentPart] | None, path: str, media: Media = NO_MEDIA) -> list[Part]:
    """Say a message's content in native parts; `path` is the content's place in the caller's body.

    Source: OpenAI API, content parts; Gemini API, Part.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [Part(text=content)]
    return [part(content_part, f"{path}[{i}]", media) for i, content_part in enumerate(content)]


def text_parts(content: str | list[ContentPart] | None, path: str) -> list[Part]:
    """Say the content of a system message, which is text alone. Raises InvalidRequest for media."""
    for i, content_part in enumerate(content if isinstance(content, list) else ()):
        if content_part.type in KINDS:
            place = f"{path}[{i}]"
            raise InvalidRequest(f"{place}: a system message holds text; send media in a user message.", param=place)
    return parts(content, path)


def text_of(content: list[ContentPart], path: str) -> str:
    """Give the text of a tool's result, its media left out."""
    return "".join([_text(each, f"{path}[{i}]").text or "" for i, each in enumerate(content) if each.type not in KINDS])


def media_of(content: list[ContentPart], path: str, media: Media) -> list[Part]:
    """Give the media of a tool's result."""
    return [media.part(each, f"{path}[{i}]") for i, each in enumerate(content) if each.type in KINDS]


def part(content_part: ContentPart, path: str, media: Media) -> Part:
    """Say one content part natively; `path` is its place in the caller's body."""
    return media.part(content_part, path) if content_part.type in KINDS else _text(content_part, path)


def _text(content_part: ContentPart, path: str) -> Part:
    match content_part.type:
        case "text":
            return Part(text=_required(content_part.text, f"{path}.text"))
        case "refusal":
            return Part(text=_required(content_part.refusal, f"{path}.refusal"))
        case kind:
            raise InvalidRequest(
                f"There is no content type {kind[:40]!r}; use text" + "".join(f", {name}" for name in KINDS) + ".",
                param=f"{path}.type",
            )


def _required(text: str | None, path: str) -> str:
    if text is None:
        raise InvalidRequest(f"{path} is missing.", param=path, code="missing_required_parameter")
    return text
