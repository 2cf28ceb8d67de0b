"""One OpenAI content part ↔ one Gemini part."""

from pollux.errors import InvalidRequest, Unsupported
from pollux.translate.parameters import LATER
from pollux.wire.gemini.generate import Part
from pollux.wire.openai.chat import ContentPart

MEDIA = ("image_url", "input_audio", "file")


def parts(content: str | list[ContentPart] | None, path: str) -> list[Part]:
    """Say a message's content in native parts; `path` is the content's place in the caller's body.

    Source: OpenAI API, content parts; Gemini API, Part.
    """
    if content is None:
        return []
    if isinstance(content, str):
        return [Part(text=content)]
    return [_part(content_part, f"{path}[{i}]") for i, content_part in enumerate(content)]


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


def _required(text: str | None, path: str) -> str:
    if text is None:
        raise InvalidRequest(f"{path} is missing.", param=path, code="missing_required_parameter")
    return text
