"""Media of a request: where they stand, what they are called, and the native part that each becomes.

    sources     all media of a request: base64 as it lies in the body, addresses, ids; nothing is decoded, nothing fetched
    (server)    reads, fetches or uploads them, and says what each is: `Found`
    part        a found one → a native part, as the model's family takes it

Source: OpenAI API, content parts; Gemini API, Part, Blob, FileData, MediaResolution, VideoMetadata.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import msgspec

from pollux.errors import InvalidRequest
from pollux.translate.notes import Note
from pollux.translate.profiles import Profile
from pollux.translate.raw import decoded
from pollux.wire.gemini.generate import Base64, FileData, MediaResolution, Part, inline_part
from pollux.wire.openai.chat import NULL, ContentPart, InputAudio, InputFile, MediaUrl, Message

KINDS: Final = ("image_url", "input_audio", "file", "video_url", "audio_url")
"""Types of content parts that hold media."""

ADDRESS_CHARACTERS_MAX: Final = 16_384
"""Longest address or id; signed addresses have some thousand characters."""

LEVELS: Final = MappingProxyType({"low": 1, "medium": 2, "high": 3, "ultra_high": 4, "original": 4})
"""How fine a `detail` is. OpenAI has low, high, original and auto; the others are Gemini's own."""

_LEVEL_NAMES: Final = (
    "",
    "MEDIA_RESOLUTION_LOW",
    "MEDIA_RESOLUTION_MEDIUM",
    "MEDIA_RESOLUTION_HIGH",
    "MEDIA_RESOLUTION_ULTRA_HIGH",
)
_HIGH: Final = 3

RESULT_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"})
"""What may stand inside a tool's result, where the family takes media there; other media follow it.

Source: Gemini API, FunctionResponseBlob; recorded traffic.
"""

_DATA_URL: Final = re.compile(
    rb'data:(?P<label>[^,;"\\]{0,200}(?:\\/[^,;"\\]{0,200})?)(?P<parameters>(?:;[^,;"]{0,200}){0,8}),', re.IGNORECASE
)
_DATA_URL_HEAD_BYTES: Final = 2200
_BASE64: Final = re.compile(r"(?:^|;) *base64 *$", re.IGNORECASE)
_OFFSET: Final = re.compile(r"\d{1,6}(?:\.\d{1,9})?s")


@dataclass(frozen=True, slots=True)
class Source:
    """One piece of media as a request names it: its content (`data`, JSON text without its quotes) or an `address`.

    `label` is the media type that the caller gives it, or that a format means; it may be wrong. `is_percent`: the content is
    percent-encoded text, not base64.
    """

    path: str
    label: str = ""
    data: memoryview | None = None
    is_percent: bool = False
    address: str = ""
    filename: str = ""
    detail: str = ""
    video_metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a source is: its media type, and either its content or the URI by which Gemini reads it."""

    source: Source
    mime_type: str
    data: Base64 | None = None
    uri: str = ""
    note: str = ""
    """What was approximated on the way here."""


def sources(messages: Iterable[Message]) -> list[Source]:
    """Gather the media of a conversation, in order. Raises InvalidRequest, naming the part."""
    return [
        each
        for i, message in enumerate(messages)
        if isinstance(message.content, list)
        for each in sources_in(message.content, f"messages[{i}].content")
    ]


def sources_in(content: list[ContentPart], path: str) -> list[Source]:
    """Gather the media of one content; `path` is its place in the caller's body. Raises InvalidRequest, naming the part."""
    return [source(content_part, f"{path}[{i}]") for i, content_part in enumerate(content) if content_part.type in KINDS]


def source(content_part: ContentPart, path: str) -> Source:
    """Read one content part that holds media; `path` is its place in the caller's body. Raises InvalidRequest."""
    path = f"{path}.{content_part.type}"
    match getattr(content_part, content_part.type):
        case str(url):
            return _at(msgspec.Raw(msgspec.json.encode(url)), path, {})
        case MediaUrl() as media:
            given = _given(media.detail, media.video_metadata, path)
            return _at(media.url, f"{path}.url", given | {"label": media.format or ""}, path)
        case InputAudio() as sound:
            label = FORMATS.get((sound.format or "").lower(), sound.format or "")
            return _at(sound.data, f"{path}.data", {"label": label}, path, is_base64=True)
        case InputFile() as file:
            given = _given(file.detail, file.video_metadata, path)
            given |= {"filename": (file.filename or "")[:255], "label": file.format or ""}
            address = file.file_id or file.file_url
            if _is_given(file.file_data) and address:
                raise InvalidRequest(f"{path} has file_data and an address; give one of them.", param=path)
            if address:
                return Source(path, address=_address(address, path), **given)
            return _at(file.file_data, f"{path}.file_data", given, path, is_base64=True)
    raise InvalidRequest(f"{path} is missing.", param=path, code="missing_required_parameter")


FORMATS: Final = {
    "wav": "audio/wav", "mp3": "audio/mp3", "aiff": "audio/aiff", "aif": "audio/aiff", "aac": "audio/aac", "adts": "audio/aac",
    "ogg": "audio/ogg", "opus": "audio/ogg", "flac": "audio/flac", "m4a": "audio/m4a", "mp4": "audio/m4a", "webm": "audio/webm",
    "pcm": "audio/l16;rate=24000", "pcm16": "audio/l16;rate=24000", "l16": "audio/l16;rate=24000",
}  # fmt: skip
"""Media types for the formats that `input_audio` names. OpenAI's PCM is 16 bits at 24 kHz."""


def _given(detail: str | None, video_metadata: dict[str, Any] | None, path: str) -> dict[str, Any]:
    if detail and detail not in LEVELS and detail != "auto":
        raise InvalidRequest(
            f"{path}.detail must be one of auto, {', '.join(LEVELS)}, not {detail[:40]!r}.", param=f"{path}.detail"
        )
    return {"detail": detail if detail in LEVELS else "", "video_metadata": video_metadata}


def _is_given(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:5]) != b"null"


def _at(raw: msgspec.Raw, place: str, given: dict[str, Any], path: str = "", *, is_base64: bool = False) -> Source:
    """Read a data URL, bare base64 (`is_base64`), or an address. The content stays where it is."""
    path = path or place
    if not _is_given(raw) or raw is NULL:
        raise InvalidRequest(f"{place} is missing.", param=path, code="missing_required_parameter")
    view = memoryview(raw)
    if view[0] != _QUOTE:
        raise InvalidRequest(f"{place} must be a text.", param=path, code="invalid_type")
    view = view[1:-1]
    head = bytes(view[:_DATA_URL_HEAD_BYTES])
    blank = len(head) - len(head.lstrip())
    view, head = view[blank:], head[blank:]
    if head[:5].lower() == b"data:":
        found = _DATA_URL.match(head)
        if found is None:
            raise InvalidRequest(f"{place} is not a data URL: it must begin as in data:image/png;base64,", param=path)
        parameters = found["parameters"].decode("latin-1").replace("\\/", "/")
        label, marks = _BASE64.subn("", found["label"].decode("latin-1").replace("\\/", "/") + parameters)
        return Source(path, **(given | {"label": label}), data=view[found.end() :], is_percent=not marks)
    if is_base64:
        return Source(path, **given, data=view)
    if len(view) > ADDRESS_CHARACTERS_MAX:
        raise InvalidRequest(f"{place} is neither a data URL nor an address: it is too long for one.", param=path)
    return Source(path, **given, address=_address(decoded(raw, path, _texts), path))


def _address(text: str, path: str) -> str:
    if len(text) > ADDRESS_CHARACTERS_MAX:
        raise InvalidRequest(f"{path} is too long for an address or an id.", param=path)
    return text.strip()


_QUOTE: Final = ord('"')
_texts = msgspec.json.Decoder(str).decode


class Media:
    """The media of a request, found; makes the parts."""

    __slots__ = ("_found", "_notes", "_profile")

    def __init__(self, found: Iterable[Found], profile: Profile, notes: list[Note]) -> None:
        self._found = {each.source.path: each for each in found}
        self._profile = profile
        self._notes = notes

    def part(self, content_part: ContentPart, path: str) -> Part:
        """Give the native part of one content part that holds media. Raises InvalidRequest.

        Loses: a file's name, which is not reported, since every file has one; a detail of "original" is the finest that the
        family has.
        """
        path = f"{path}.{content_part.type}"
        found = self._found.get(path)
        if found is None:
            raise InvalidRequest(f"{path}: media cannot be sent here.", param=path, code="unsupported_value")
        source = found.source
        if found.note:
            self._notes.append(Note(path, "approximated", found.note))
        if found.data is not None:
            part = inline_part(found.mime_type, found.data)
        else:
            part = Part(file_data=FileData(file_uri=found.uri, mime_type=found.mime_type or None))
        if source.detail and self._profile.resolution_by_part and found.mime_type.startswith(_SEEN):
            part.media_resolution = MediaResolution(level=_LEVEL_NAMES[LEVELS[source.detail]])
        if source.video_metadata:
            if found.mime_type.startswith("video/"):
                part.video_metadata = _video_metadata(source.video_metadata, path)
            else:
                self._notes.append(Note(f"{path}.video_metadata", "ignored", "it is not a video"))
        return part

    def resolution(self) -> str | None:
        """Give the resolution of the whole request, for families that take none by part: the finest that is asked for."""
        if not self._found or self._profile.resolution_by_part:
            return None
        details = {found.source.detail for found in self._found.values()}
        asked = {LEVELS[detail] for detail in details if detail}
        if not asked:
            return None
        finest = max(asked)
        if finest > _HIGH or len(details) > 1:
            path = next(found.source.path for found in self._found.values() if found.source.detail)
            self._notes.append(
                Note(f"{path}.detail", "approximated", "the model takes one resolution for all media, at most high")
            )
        return _LEVEL_NAMES[min(finest, _HIGH)]


_SEEN: Final = ("image/", "video/", "application/pdf")


def fits_in_a_result(part: Part) -> bool:
    """Say whether a part may stand inside a tool's result."""
    media = part.inline_data or part.file_data
    return media is not None and (media.mime_type or "") in RESULT_TYPES


def in_a_result(part: Part) -> Part:
    """Give a part as it stands inside a tool's result, without modifiers."""
    return Part(inline_data=part.inline_data, file_data=part.file_data)


_VIDEO_KEYS: Final = {"start_offset": "startOffset", "end_offset": "endOffset", "fps": "fps"}


def _video_metadata(given: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Spell what to see of a video as the native API does: offsets as in "12.5s", frames per second up to 24."""
    metadata = dict(_video_fields(given, f"{path}.video_metadata"))
    fps = metadata.get("fps", 1)
    if not isinstance(fps, (int, float)) or isinstance(fps, bool) or not 0 < fps <= 24:
        raise InvalidRequest(f"{path}.video_metadata.fps must be above 0 and at most 24.", param=f"{path}.video_metadata.fps")
    return metadata


def _video_fields(given: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    spelled = {**_VIDEO_KEYS, **{camel: camel for camel in _VIDEO_KEYS.values()}}
    for key, value in given.items():
        name = spelled.get(key)
        if name is None:
            raise InvalidRequest(f"{path} takes start_offset, end_offset and fps, not {key[:40]!r}.", param=path)
        yield name, value if name == "fps" else _offset(value, f"{path}.{key}")


def _offset(value: Any, path: str) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e6:
        return f"{value:g}s"
    if isinstance(value, str) and _OFFSET.fullmatch(value):
        return value
    raise InvalidRequest(f'{path} must be a time as in "12.5s".', param=path)
