"""Media that lie in the request itself: base64 that is checked, looked at, and passed on as it came.

The base64 of a large image is not decoded: a table says for every character whether it belongs there, which costs less than a
nanosecond each, and the first bytes are enough to know what it is. What is written otherwise (wrapped lines, the alphabet of
URLs, no padding, escaped slashes) is written anew, as the service wants it.

Source: RFC 4648; RFC 2397; the forms in which common clients send them.
"""

from base64 import b64encode
from binascii import Error, a2b_base64
from typing import Final, NoReturn
from urllib.parse import unquote_to_bytes

import msgspec

from pollux.errors import InvalidRequest
from pollux.media import sniff
from pollux.translate.media import Found, Source
from pollux.wire.gemini.generate import Base64

CHUNK_BYTES: Final = 65_536
"""Characters that are looked at together; they fit a processor's near memory."""

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_FROM_URL_ALPHABET: Final = bytes.maketrans(b"-_", b"+/")
_SPACE: Final = b" \t\r\n"
_HEAD_CHARACTERS: Final = sniff.HEAD_BYTES // 3 * 4 + 4

IMAGES: Final = "PNG, JPEG, WebP, HEIC or HEIF"


def found(source: Source) -> Found:
    """Say what the content of a source is. Raises InvalidRequest, naming the part."""
    assert source.data is not None
    if source.is_percent:
        data = Base64(b64encode(unquote_to_bytes(_text(source.data, source.path))))
    else:
        data = _base64(source.data, source.path)
    if not data.size:
        raise InvalidRequest(f"{source.path} holds no data.", param=source.path, code="invalid_media")
    return of_type(source, head_of(data), data)


def head_of(data: Base64) -> bytes:
    """Give the first bytes of checked base64."""
    return a2b_base64(bytes(data.pieces[0][:_HEAD_CHARACTERS]))[: sniff.HEAD_BYTES]


def of_type(source: Source, head: bytes, data: Base64 | None = None, uri: str = "", *, label: str = "") -> Found:
    """Say what media are that begin so. Raises InvalidRequest for what the service does not take, and nobody redraws."""
    label = label or source.label
    mime_type = sniff.media_type(head, label)
    kind = source.path.rpartition(".")[2]
    note = ""
    if mime_type == "image/svg+xml" and kind == "file":
        mime_type, note = "text/xml", "SVG is sent as its text; it is not drawn"
    if mime_type is None or not (sniff.is_taken(mime_type) or mime_type in sniff.REDRAWN):
        _refuse(source.path, mime_type)
    if kind != "file" and sniff.kind(mime_type) == "text" and sniff.kind(label or "image/png") != "text":
        raise InvalidRequest(
            f"{source.path} is text, not {_WANTED.get(kind, 'an image or a video')}. "
            "Send text as a content part of type text or file.",
            param=source.path,
            code="invalid_media",
        )
    return Found(source, mime_type, data, uri, note)


_WANTED: Final = {
    "image_url": f"an image ({IMAGES})",
    "input_audio": "sound",
    "video_url": "a video",
    "audio_url": "sound",
}


def _refuse(path: str, mime_type: str | None) -> NoReturn:
    kind = path.rpartition(".")[2]
    if mime_type is None:
        message = f"{path} cannot be read: its bytes are not {_WANTED.get(kind, 'a document, an image, sound or a video')}."
    elif mime_type == "image/svg+xml":
        message = f"{path} is an SVG drawing, which Gemini does not take. Send it as {IMAGES}."
    elif mime_type.startswith("image/"):
        message = f"{path} is of type {mime_type}, which Gemini does not take. Send it as {IMAGES}."
    else:
        message = f"{path} is of type {mime_type}, which Gemini does not take."
    raise InvalidRequest(message, param=path, code="invalid_media" if mime_type is None else "unsupported_media_type")


def _base64(data: memoryview, path: str) -> Base64:
    """Check base64, which stays where it is; mended only where it is not written as the service wants it."""
    size = len(data)
    padding = bytes(data[-2:]).count(b"=")
    checked = data[: size - padding]
    if size % 4 == 0 and _is_plain(checked):
        return Base64(data)
    return _mended(data, path)


def _is_plain(data: memoryview) -> bool:
    return not any(bytes(data[at : at + CHUNK_BYTES]).translate(None, _ALPHABET) for at in range(0, len(data), CHUNK_BYTES))


def _mended(data: memoryview, path: str) -> Base64:
    """Write base64 anew: without white space and percent signs, in the common alphabet, padded.

    Raises InvalidRequest for what is none.
    """
    text = _text(data, path)
    if not text.isascii():
        _not_base64(path)
    plain = unquote_to_bytes(text).translate(_FROM_URL_ALPHABET, _SPACE).rstrip(b"=")
    if len(plain) % 4 == 1 or not _is_plain(memoryview(plain)):
        _not_base64(path)
    padded = plain + b"=" * (-len(plain) % 4)
    try:
        a2b_base64(padded[-4:])
    except Error:
        _not_base64(path)
    return Base64(padded)


def _text(data: memoryview, path: str) -> str:
    """Read a JSON text without its quotes."""
    try:
        return msgspec.json.decode(b"".join((b'"', data, b'"')), type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidRequest(f"{path} is not valid text.", param=path, code="invalid_json") from None


def _not_base64(path: str) -> NoReturn:
    raise InvalidRequest(
        f"{path} is not valid base64. Encode the bytes of the file, as in base64.b64encode(data).",
        param=path,
        code="invalid_base64",
    )
