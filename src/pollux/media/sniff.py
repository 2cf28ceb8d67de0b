"""What media are, from their first bytes.

The bytes decide: a label is a caller's guess and often wrong, so it is asked only where the bytes cannot say: which kind of
text this is, whether an MP4 has pictures, at which rate raw PCM runs. What begins like one format is that format, whatever
follows it: a second format hidden behind the first is never looked for, and what we name is what we looked at.

SVG is text. It is not an image that the service takes, so it is never taken for one, and nothing here or behind it runs its
scripts.

Pure: no I/O. Types are spelled as the Gemini API spells them. Source: Gemini API, image, audio, video and document
understanding; the formats' own documents for their magic numbers.
"""

import re
from typing import Final, Literal

from pollux.translate.files import SPELLINGS

Kind = Literal["image", "audio", "video", "document", "text"]

HEAD_BYTES: Final = 4096
"""How many first bytes are enough; more are not looked at."""

TAKEN: Final = frozenset(
    {
        "image/png", "image/jpeg", "image/webp", "image/heic", "image/heif",
        "audio/wav", "audio/mp3", "audio/aiff", "audio/aac", "audio/ogg", "audio/flac", "audio/m4a", "audio/webm", "audio/l16",
        "video/mp4", "video/mpeg", "video/mov", "video/avi", "video/x-flv", "video/webm", "video/wmv", "video/3gpp",
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.presentation",
        "text/plain", "text/html", "text/css", "text/csv", "text/markdown", "text/xml", "text/rtf", "text/javascript",
        "text/x-typescript", "text/x-python", "application/json",
    }
)  # fmt: skip
"""The types that generateContent takes, without their parameters. Source: gemini-native, section 5, accepted media."""

REDRAWN: Final = frozenset({"image/gif", "image/bmp", "image/avif", "image/tiff"})
"""Pictures that generateContent does not take, and that can be made into one that it takes."""

_IMAGE_BRANDS: Final = {
    b"heic": "image/heic", b"heix": "image/heic", b"hevc": "image/heic", b"hevx": "image/heic", b"heim": "image/heic",
    b"heis": "image/heic", b"hevm": "image/heic", b"hevs": "image/heic", b"avif": "image/avif", b"avis": "image/avif",
    b"mif1": "image/heif", b"msf1": "image/heif",
}  # fmt: skip
_SOUND_BRANDS: Final = (b"M4A ", b"M4B ", b"M4P ", b"F4A ")
_OLD_MOV_ATOMS: Final = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")

_ZIPPED: Final = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
)
_OPEN_DOCUMENT: Final = re.compile(rb"mimetype(application/vnd\.oasis\.opendocument\.[a-z-]{1,40})")

_BEGINNINGS: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a", "image/jxl"),
    (b"\x00\x00\x00\x0cjP  \x0d\x0a\x87\x0a", "image/jp2"),
    (b"fLaC", "audio/flac"),
    (b"ADIF", "audio/aac"),
    (b"#!AMR", "audio/amr"),
    (b"MThd", "audio/midi"),
    (b"FLV\x01", "video/x-flv"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
    (b"\x00\x00\x01\xb3", "video/mpeg"),
    (b"%PDF-", "application/pdf"),
    (b"{\\rtf", "text/rtf"),
    (b"\x1f\x8b", "application/gzip"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/x-executable"),
)
_ASF: Final = b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"
_SIZED: Final = {
    b"WAVE": "audio/wav",
    b"AVI ": "video/avi",
    b"AIFF": "audio/aiff",
    b"AIFC": "audio/aiff",
    b"WEBP": "image/webp",
}
"""What stands in a RIFF or FORM file behind its size."""

_TEXT_LABELS: Final = {
    "text/plain", "text/html", "text/css", "text/csv", "text/markdown", "text/xml", "text/javascript", "text/x-typescript",
    "text/x-python", "application/json",
}  # fmt: skip
"""Kinds of text that a label may name; bytes do not tell CSV from Markdown."""
_TEXT_SPELLINGS: Final = {
    "application/xml": "text/xml",
    "application/xhtml+xml": "text/html",
    "application/javascript": "text/javascript",
    "application/x-javascript": "text/javascript",
    "application/x-typescript": "text/x-typescript",
    "text/md": "text/markdown",
    "text/x-markdown": "text/markdown",
    "text/json": "application/json",
}
_MARKUP: Final = re.compile(
    rb"\s*+(?:<\?xml[^>]*+>)?+(?:\s++|<!--.*?-->|<!doctype\s+svg[^>]*+>)*+<(?P<name>!doctype\s+html|html|svg)\b",
    re.IGNORECASE | re.DOTALL,
)
_NOT_TEXT: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_BOM: Final = b"\xef\xbb\xbf"
_RATE: Final = re.compile(r"rate=(\d{4,6})\b")


def media_type(head: bytes, label: str = "") -> str | None:
    """Give the media type of what begins with `head`, as Gemini spells it; None for what is of no known format.

    `head` is the first HEAD_BYTES, or all of it. `label` is what the caller calls it: a media type, perhaps with parameters.
    """
    head = head[:HEAD_BYTES]
    label = label.strip().lower()
    named = SPELLINGS.get(plain(label), plain(label))
    told = _binary(head)
    if told is not None:
        return _SOUND_ALONE.get(told, told) if named.startswith("audio/") and not _shows_pictures(head) else told
    if is_pcm(named):
        rate = _RATE.search(label)
        return f"audio/l16;rate={rate[1]}" if rate else "audio/l16;rate=24000"
    return _text(head, named) if is_text(head) else None


def plain(media_type: str) -> str:
    """Give a media type without its parameters."""
    return media_type.partition(";")[0].strip().lower()


def kind(media_type: str) -> Kind:
    """Say what sort of media a type is."""
    name = plain(media_type)
    for sort in _SORTS:
        if name.startswith(f"{sort}/"):
            return sort
    return "text" if name == "application/json" else "document"


def is_taken(media_type: str) -> bool:
    """Say whether generateContent takes media of a type."""
    return plain(media_type) in TAKEN


def is_pcm(label: str) -> bool:
    """Say whether a label names raw PCM, which has no beginning to know it by."""
    return plain(label) in {"audio/l16", "audio/pcm", "audio/x-pcm", "audio/raw"}


def is_text(head: bytes) -> bool:
    """Say whether bytes are UTF-8 text; the last character may be cut."""
    if not head or _NOT_TEXT.search(head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.end == len(head) and error.start >= len(head) - 3 and len(head) == HEAD_BYTES
    return True


_SORTS: Final[tuple[Kind, ...]] = ("image", "audio", "video", "text")
_SOUND_ALONE: Final = {
    "video/mp4": "audio/m4a",
    "video/mov": "audio/m4a",
    "video/3gpp": "audio/m4a",
    "video/webm": "audio/webm",
}
"""What containers of pictures are called when there is only sound in them."""


def _shows_pictures(head: bytes) -> bool:
    """Say whether a container's beginning names a track of pictures; often the tracks stand further back."""
    return b"vide" in head or b"V_VP" in head or b"V_AV1" in head or b"V_MPEG" in head


def _binary(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png" if head[8:16] == b"\x00\x00\x00\rIHDR" else None
    if head[:4] in {b"RIFF", b"RF64", b"FORM"}:
        return _SIZED.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _of_brand(head)
    if head[4:8] in _OLD_MOV_ATOMS and len(head) >= 16 and head[:2] == b"\x00\x00":
        return "video/mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        if b"webm" not in head[:64]:
            return "video/x-matroska"
        return "audio/webm" if (b"A_OPUS" in head or b"A_VORBIS" in head) and not _shows_pictures(head) else "video/webm"
    if head.startswith(b"OggS"):
        return "video/ogg" if b"\x80theora" in head[:512] else "audio/ogg"
    if head.startswith(_ASF):
        return "video/wmv"
    if head.startswith(b"PK\x03\x04"):
        return _zipped(head)
    if head.startswith(b"BM") and len(head) >= 26 and head[6:10] == bytes(4) and head[14:18] in _BMP_HEADERS:
        return "image/bmp"
    if head.startswith(b"ID3") and len(head) >= 10 and head[3] < 0xFF and max(head[6:10]) < 0x80:
        return _after_id3(head)
    if head[:1] == b"G" and head[188:189] == b"G" and head[376:377] == b"G":
        return "video/mp2t"
    return next((name for beginning, name in _BEGINNINGS if head.startswith(beginning)), None) or _frame(head)


_BMP_HEADERS: Final = tuple(size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124))


def _of_brand(head: bytes) -> str:
    """Read a file of the ISO family: HEIF, MP4, QuickTime, 3GPP. Its first box names its brands.

    Source: ISO/IEC 14496-12, File Type Box.
    """
    major = head[8:12]
    size = int.from_bytes(head[:4], "big")
    brands = [head[i : i + 4] for i in range(16, min(size, len(head), 256), 4)]
    if major in _IMAGE_BRANDS:
        named = _IMAGE_BRANDS[major]
        if named == "image/heif":
            named = next((_IMAGE_BRANDS[brand] for brand in brands if _IMAGE_BRANDS.get(brand, named) != named), named)
        return named
    if major in _SOUND_BRANDS:
        return "audio/m4a"
    if major == b"qt  ":
        return "video/mov"
    return "video/3gpp" if major[:3] in {b"3gp", b"3g2"} else "video/mp4"


def _zipped(head: bytes) -> str:
    found = _OPEN_DOCUMENT.search(head, 30, 128)
    if found:
        return found[1].decode()
    names = re.findall(rb"PK\x03\x04(?=.{26}([ -~]{1,64}))", head, re.DOTALL)
    for folder, named in _ZIPPED:
        if any(name.startswith(folder) for name in names):
            return named
    return "application/zip"


def _after_id3(head: bytes) -> str:
    """Look behind an ID3 tag, if its end is in reach: nearly always MP3 follows."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte
    follows = head[10 + size :]
    if follows.startswith(b"fLaC"):
        return "audio/flac"
    return _frame(follows) or "audio/mp3"


def _frame(head: bytes) -> str | None:
    """Know MP3 and AAC by the header of their first frame. Source: ISO/IEC 11172-3; 13818-7, ADTS."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    if head[1] & 0xF6 == 0xF0:  # layer 0: ADTS
        return "audio/aac" if (head[2] >> 2) & 0xF < 13 else None
    known = (head[1] >> 3) & 3 != 1 and (head[1] >> 1) & 3 != 0 and head[2] >> 4 not in {0, 15} and (head[2] >> 2) & 3 != 3
    return "audio/mp3" if known else None


def _text(head: bytes, named: str) -> str:
    """Say which kind of text this is: markup says it, else the label, if it names a kind that the service knows."""
    markup = _MARKUP.match(head.removeprefix(_BOM)[:1024])
    if markup:
        return "image/svg+xml" if markup["name"].lower() == b"svg" else "text/html"
    if head.removeprefix(_BOM).startswith(b"<?xml"):
        return "text/xml"
    named = _TEXT_SPELLINGS.get(named, named)
    return named if named in _TEXT_LABELS else "text/plain"
