"""Pictures and films of a request for a video: texts, objects and files of a form → sources.

A text is base64, a data URL, an address or an id of a file. An object holds one of them, as OpenAI's image_url and file_id, or
as the native API spells its bytes.
"""

import re
from base64 import b64encode
from typing import Any, Final, NoReturn

import msgspec

from pollux.errors import InvalidRequest
from pollux.translate.extras import snake
from pollux.translate.media import ADDRESS_CHARACTERS_MAX, Source
from pollux.wire.forms import Attached

REFERENCES_MAX: Final = 3
"""Source: the guide, extra_body, reference_images."""

REFERENCE_TYPES: Final = {"asset": "asset", "character": "asset", "style": "style"}
"""The guide's words and the native ones; a character is an asset."""

_CONTENT_KEYS: Final = ("bytes_base64_encoded", "image_bytes", "b64_json", "data")
_ADDRESS_KEYS: Final = ("image_url", "video_url", "url", "uri", "file_uri", "file_id")
_ADDRESS: Final = re.compile(r"(?:https?|gs)://.*|file-[A-Za-z0-9]{24}|files/[A-Za-z0-9_-]{1,64}", re.IGNORECASE | re.DOTALL)
_DATA_URL: Final = re.compile(r"data:([^,;]{0,200})((?:;[^,;]{0,200}){0,8}),", re.IGNORECASE)


def source(value: Any, path: str) -> Source:
    """Read one picture or film. Raises InvalidRequest, naming the field."""
    value = structured(value)
    if isinstance(value, Attached):
        if not value.data:
            _refuse(path, f"{path} is an empty file.", "invalid_media")
        return Source(path, value.label, memoryview(b64encode(value.data)), filename=value.filename)
    if isinstance(value, str):
        return _of_text(value, path, "")
    if isinstance(value, dict):
        return _of_object(value, path)
    return _refuse(path, f"{path} must be base64, a data URL, an address, the id of a file, or an object with one of them.")


def image_sources(value: Any, path: str) -> tuple[tuple[Source, str], ...]:
    """Read the reference images: each with what it is to Veo. Raises InvalidRequest, naming the place."""
    value = structured(value)
    listed = value if isinstance(value, list) else [value]
    if len(listed) > REFERENCES_MAX:
        _refuse(path, f"{path} has {len(listed)} images; at most {REFERENCES_MAX} are taken.")
    return tuple(_reference(structured(each), f"{path}[{i}]") for i, each in enumerate(listed))


def structured(value: Any) -> Any:
    """Read an object or a list that a form's field holds as JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return value
    return value


def _reference(value: Any, path: str) -> tuple[Source, str]:
    if not isinstance(value, dict):
        return source(value, path), "asset"
    given = {snake(key): inner for key, inner in value.items() if inner is not None}
    kind = given.pop("reference_type", given.pop("type", "asset"))
    native = REFERENCE_TYPES.get(kind.lower().removeprefix("reference_type_")) if isinstance(kind, str) else None
    if native is None:
        _refuse(f"{path}.reference_type", f"{path}.reference_type must be one of {', '.join(REFERENCE_TYPES)}.")
    return source(given.get("image", given), path), native


def _of_object(value: dict[str, Any], path: str) -> Source:
    given = {snake(key): inner for key, inner in value.items() if inner is not None}
    label = given.get("mime_type", "")
    named = [name for name in (*_CONTENT_KEYS, *_ADDRESS_KEYS) if name in given]
    if len(named) != 1 or not isinstance(label, str):
        _refuse(path, f"{path} must hold one of image_url, file_id, bytesBase64Encoded and mimeType.")
    inner = given[named[0]]
    if isinstance(inner, dict):
        inner = inner.get("url")
    if not isinstance(inner, str):
        _refuse(path, f"{path}.{named[0]} must be a text.", "invalid_type")
    return _of_text(inner, path, label)


def _of_text(text: str, path: str, label: str) -> Source:
    text = text.strip()
    if not text:
        _refuse(path, f"{path} is empty.", "invalid_media")
    found = _DATA_URL.match(text)
    if found:
        is_percent = not found[2].lower().endswith(";base64")
        return Source(path, label or found[1], _json_text(text[found.end() :]), is_percent=is_percent)
    if _ADDRESS.fullmatch(text):
        if len(text) > ADDRESS_CHARACTERS_MAX:
            _refuse(path, f"{path} is too long for an address or an id.")
        return Source(path, label, address=text)
    return Source(path, label, _json_text(text))


def _json_text(text: str) -> memoryview:
    return memoryview(msgspec.json.encode(text))[1:-1]


def _refuse(path: str, message: str, code: str | None = None) -> NoReturn:
    raise InvalidRequest(message, param=path, code=code)
