"""Files: purposes, names, media types, ends. Source: OpenAI API, Files; Gemini API, Files."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from pollux.errors import InvalidRequest

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
"""What a caller may upload a file for. Source: OpenAI API, Upload file.

For uploads in parts the document names four of them; its own client types the others too, so all are taken there as well.
"""

EXPIRES_SECONDS_MIN, EXPIRES_SECONDS_MAX = 3600, 2_592_000
"""An hour to thirty days. Source: OpenAI API, file expiration policy."""

BATCH_SECONDS = 2_592_000
"""Files for batches go after thirty days unless told otherwise. Source: the same."""

NAME_CHARACTERS_MAX = 255
"""Longest file name; what file systems take, should somebody save it."""

DEFAULT_TYPE = "application/octet-stream"

TYPES: Mapping[str, str] = MappingProxyType(
    {
        "aac": "audio/aac", "aif": "audio/aiff", "aiff": "audio/aiff", "avi": "video/avi", "avif": "image/avif",
        "bmp": "image/bmp", "c": "text/x-c", "cpp": "text/x-c++", "css": "text/css", "csv": "text/csv",
        "doc": "application/msword", "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "flac": "audio/flac", "flv": "video/x-flv", "gif": "image/gif", "go": "text/x-go", "heic": "image/heic",
        "heif": "image/heif", "htm": "text/html", "html": "text/html", "java": "text/x-java", "jpeg": "image/jpeg",
        "jpg": "image/jpeg", "js": "text/javascript", "json": "application/json", "jsonl": "application/jsonl",
        "m4a": "audio/m4a", "md": "text/markdown", "mov": "video/mov", "mp3": "audio/mp3", "mp4": "video/mp4",
        "mpeg": "video/mpeg", "mpg": "video/mpg", "oga": "audio/ogg", "ogg": "audio/ogg", "opus": "audio/opus",
        "pdf": "application/pdf", "php": "text/x-php", "png": "image/png", "py": "text/x-python", "rb": "text/x-ruby",
        "rtf": "text/rtf", "sh": "text/x-sh", "svg": "image/svg+xml", "tex": "text/x-tex", "ts": "text/x-typescript",
        "tsv": "text/tab-separated-values", "txt": "text/plain", "wav": "audio/wav", "webm": "video/webm",
        "webp": "image/webp", "wmv": "video/wmv", "xml": "text/xml", "yaml": "text/yaml", "yml": "text/yaml",
        "3gp": "video/3gpp",
    }
)  # fmt: skip
"""Media types by the end of a name, in the spelling of the Gemini API (audio/wav, not audio/x-wav)."""

SPELLINGS: Mapping[str, str] = MappingProxyType(
    {
        "audio/x-wav": "audio/wav", "audio/wave": "audio/wav", "audio/vnd.wave": "audio/wav", "audio/mpeg": "audio/mp3",
        "audio/x-aiff": "audio/aiff", "audio/x-flac": "audio/flac", "audio/x-m4a": "audio/m4a", "image/jpg": "image/jpeg",
        "video/quicktime": "video/mov", "video/x-msvideo": "video/avi", "video/x-ms-wmv": "video/wmv",
    }
)  # fmt: skip
"""Other spellings of the same types, as clients guess them."""

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]")
"""Controls, marks that turn the direction of writing, and what cannot be seen."""


def check_purpose(purpose: str | None) -> str:
    """Give the purpose. Raises InvalidRequest."""
    if not purpose:
        raise InvalidRequest(
            f"purpose is missing; it is one of {', '.join(PURPOSES)}.", param="purpose", code="missing_required_parameter"
        )
    if purpose not in PURPOSES:
        raise InvalidRequest(f"purpose must be one of {', '.join(PURPOSES)}, not {purpose[:100]!r}.", param="purpose")
    return purpose


def lasting_seconds(purpose: str, expires_after: int | None) -> int | None:
    """Give how long a file lasts, or None for without end; `expires_after` in seconds as asked. Raises InvalidRequest."""
    if expires_after is None:
        return BATCH_SECONDS if purpose == "batch" else None
    if not EXPIRES_SECONDS_MIN <= expires_after <= EXPIRES_SECONDS_MAX:
        raise InvalidRequest(
            f"expires_after.seconds must be between {EXPIRES_SECONDS_MIN} (an hour) and {EXPIRES_SECONDS_MAX} (30 days).",
            param="expires_after.seconds",
        )
    return expires_after


def plain_name(name: str) -> str:
    """Make a file name that leads nowhere and shows what it is: the last piece of a path, without what cannot be seen."""
    last = re.split(r"[/\\]", _UNFIT.sub("", name))[-1].strip()
    if last in {"", ".", ".."}:
        return "file"
    if len(last) <= NAME_CHARACTERS_MAX:
        return last
    stem, dot, end = last.rpartition(".")
    if not dot or len(end) > 20:
        return last[:NAME_CHARACTERS_MAX]
    return f"{stem[: NAME_CHARACTERS_MAX - len(end) - 1]}.{end}"


def media_type(filename: str, declared: str) -> str:
    """Give the media type of a file: as declared, or by its name where that says nothing, as the Gemini API spells it."""
    kind = declared.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind) or kind == DEFAULT_TYPE:
        kind = TYPES.get(filename.rpartition(".")[2].lower(), DEFAULT_TYPE)
    return SPELLINGS.get(kind, kind)
