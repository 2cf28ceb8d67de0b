"""The type, width and height of a picture, from its first bytes as base64: nothing is decoded but a header.

For pictures that Gemini made, which are told as they came. Source: PNG, IHDR; JPEG, SOF; WebP, container.
"""

from binascii import Error, a2b_base64

from pollux.media.sniff import HEAD_BYTES, media_type

HEADS = (4_096, 262_144, 4_194_304)
"""Characters of base64 that are looked at, more and more of them: metadata may stand before a JPEG's size."""

_SIZES_OF_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def dimensions(data: str) -> tuple[str, tuple[int, int] | None]:
    """Give the media type, or nothing, and width and height, or None where they cannot be read."""
    kind = ""
    for characters in HEADS:
        try:
            head = a2b_base64(data[:characters])
        except Error:
            return kind, None
        kind = media_type(head[:HEAD_BYTES]) or ""
        size = _size(kind, head)
        if size is not None or len(data) <= characters:
            return kind, size
    return kind, None


def _size(kind: str, head: bytes) -> tuple[int, int] | None:
    match kind:
        case "image/png" if len(head) >= 24:
            return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
        case "image/jpeg":
            return _of_jpeg(head)
        case "image/webp":
            return _of_webp(head)
    return None


def _of_jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker == 0xFF:  # a filling byte
            at += 1
        elif marker in _SIZES_OF_FRAMES:
            return int.from_bytes(head[at + 7 : at + 9], "big"), int.from_bytes(head[at + 5 : at + 7], "big")
        else:
            at += 2 if marker in _WITHOUT_LENGTH else 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


def _of_webp(head: bytes) -> tuple[int, int] | None:
    if len(head) < 30:
        return None
    match head[12:16]:
        case b"VP8 ":
            return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    return None
