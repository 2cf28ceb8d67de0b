"""Which media types the service takes, and what bytes really are.

Source of the types: gemini-native.md, section 5 (accepted media) and section 18 (formats of transcription).
"""

import re
from typing import Literal

Kind = Literal["image", "audio", "video", "document", "text"]

IMAGES = ("png", "jpeg", "jpg", "webp", "heic", "heif")

SOUNDS = (
    "wav", "x-wav", "wave", "vnd.wave", "mp3", "mpeg", "mpga", "mpeg3", "aiff", "x-aiff", "aac", "x-aac", "ogg", "flac",
    "x-flac", "m4a", "x-m4a", "mp4", "opus", "webm", "l16", "pcm", "basic", "alaw", "mulaw", "pcma", "pcmu",
)  # fmt: skip

VIDEOS = (
    "mp4", "mpeg", "mov", "quicktime", "avi", "x-msvideo", "x-flv", "flv", "mpg", "mpegps", "webm", "wmv", "x-ms-wmv",
    "3gpp", "mp2t",
)  # fmt: skip

TEXT_TYPES = ("application/json", "application/xml", "application/javascript", "application/x-javascript",
              "application/x-python-code", "application/rtf", "application/yaml")  # fmt: skip

RAW_SOUNDS = {
    "l16": "s16le",
    "pcm": "s16le",
    "alaw": "alaw",
    "pcma": "alaw",
    "mulaw": "mulaw",
    "pcmu": "mulaw",
    "basic": "mulaw",
}
"""Sounds without magic bytes: what the label says is all there is. Source: gemini-native.md, section 18 (L16 little-endian)."""

RATE = re.compile(r"rate=(\d{3,6})")

HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def kind_of(mime_type: str) -> Kind | None:
    """Say as what the service reads a type; None: no model reads it."""
    plain = mime_type.partition(";")[0].strip().lower()
    family, _, name = plain.partition("/")
    if family == "text" or plain in TEXT_TYPES:
        return "text"
    if plain == "application/pdf":
        return "document"
    listed: dict[str, tuple[tuple[str, ...], Kind]] = {
        "image": (IMAGES, "image"),
        "audio": (SOUNDS, "audio"),
        "video": (VIDEOS, "video"),
    }
    names, kind = listed.get(family, ((), "text"))
    return kind if name in names else None


def picture_format(data: bytes) -> str:
    """Tell a picture's format from its first bytes; empty: none that the service takes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and data[8:12] in HEIC_BRANDS:
        return "HEIC"
    return ""


def container(data: bytes, mime_type: str) -> tuple[str, str, int]:
    """Tell a sound's or a film's container: its name for people, the reader's name of it, and the rate of a raw sound.

    Only these readers are ever opened, so no playlist and no address inside a file is followed.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "WAV", "wav", 0
    if data[:4] == b"RIFF" and data[8:12] == b"AVI ":
        return "AVI", "avi", 0
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return "AIFF", "aiff", 0
    for magic, name, reader in MAGIC:
        if data.startswith(magic):
            return name, reader, 0
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "MP4", "mov", 0
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:
        return ("MP3", "mp3", 0) if data[1] & 0x06 else ("AAC", "aac", 0)
    name = mime_type.partition(";")[0].strip().lower().removeprefix("audio/")
    if mime_type.startswith("audio/") and name in RAW_SOUNDS:
        rate = RATE.search(mime_type)
        return name.upper(), RAW_SOUNDS[name], int(rate[1]) if rate else 8000 if name not in ("l16", "pcm") else 24_000
    return "", "", 0


MAGIC = (
    (b"ID3", "MP3", "mp3"),
    (b"OggS", "Ogg", "ogg"),
    (b"fLaC", "FLAC", "flac"),
    (b"\x1a\x45\xdf\xa3", "WebM", "matroska"),
    (b"FLV\x01", "FLV", "flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMV", "asf"),
    (b"\x00\x00\x01\xba", "MPEG", "mpeg"),
    (b"\x00\x00\x01\xb3", "MPEG", "mpegvideo"),
    (b"\x47\x40", "MPEG-TS", "mpegts"),
)
"""First bytes, the name for people, the reader."""
