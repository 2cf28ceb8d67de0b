"""Tiny media made on the fly for the guide's file paths. Checks look for their sizes and lengths in the answers."""

import io
import math
import struct
import wave
from pathlib import Path

import msgspec

IMAGE_WIDTH, IMAGE_HEIGHT = 48, 32
AUDIO_SECONDS = 0.5
BATCH_QUESTIONS = {"request-1": "Tell me a one-sentence joke.", "request-2": "Why is the sky blue?"}
"""The questions of the page's own two lines, by custom_id."""


def write_files(folder: Path) -> dict[str, Path]:
    """Write one file for every path that the samples print; returns the real paths by the printed ones."""
    contents = {
        "Path/to/agi/image.jpeg": jpeg(IMAGE_WIDTH, IMAGE_HEIGHT),
        "/path/to/your/audio/file.wav": wav(AUDIO_SECONDS),
        "my-batch-requests.jsonl": batch_lines(),
    }
    written = {printed: folder / Path(printed).name for printed in contents}
    for printed, content in contents.items():
        written[printed].write_bytes(content)
    return written


def jpeg(width: int, height: int) -> bytes:
    """Return a grey baseline JPEG; width and height in pixels, multiples of 8.

    Both Huffman tables hold one code, the single bit 0: "no difference" for the DC value and "end of block" for the AC ones.
    So every block of 8 x 8 is two zero bits.
    """
    bits = "00" * (width // 8 * height // 8)
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    one_code = bytes([1] + [0] * 15) + b"\x00"
    return b"".join(
        (
            b"\xff\xd8",
            _segment(0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"),
            _segment(0xDB, b"\x00" + bytes([16] * 64)),
            _segment(0xC0, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"),
            _segment(0xC4, b"\x00" + one_code + b"\x10" + one_code),
            _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
            scan,
            b"\xff\xd9",
        )
    )


def wav(seconds: float) -> bytes:
    """Return a 440 Hz tone as WAV: mono, 16 bits, 8 kHz."""
    rate = 8000
    samples = (int(12000 * math.sin(2 * math.pi * 440 * i / rate)) for i in range(int(seconds * rate)))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return buffer.getvalue()


def batch_lines() -> bytes:
    """Return a batch input in OpenAI's format: one chat request a line, as the page prints them."""
    encoder = msgspec.json.Encoder()
    return encoder.encode_lines(
        {
            "custom_id": custom_id,
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "gemini-3-flash-preview", "messages": [{"role": "user", "content": question}]},
        }
        for custom_id, question in BATCH_QUESTIONS.items()
    )


def picture_size(content: bytes) -> tuple[str, int, int]:
    """Return kind, width and height in pixels from the head of a PNG, JPEG or WebP file; raises ValueError."""
    if content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR":
        return "png", *struct.unpack(">II", content[16:24])
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg", *_jpeg_size(content)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp", *_webp_size(content)
    raise ValueError("neither PNG nor JPEG nor WebP")


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def _jpeg_size(content: bytes) -> tuple[int, int]:
    position = 2
    while position + 9 <= len(content) and content[position] == 0xFF:
        marker, length = content[position + 1], int.from_bytes(content[position + 2 : position + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:  # a frame header, not a table
            height, width = struct.unpack(">HH", content[position + 5 : position + 9])
            return width, height
        position += 2 + length
    raise ValueError("a JPEG without a frame header")


def _webp_size(content: bytes) -> tuple[int, int]:
    match content[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
        case b"VP8L":
            packed = int.from_bytes(content[21:25], "little")
            return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = struct.unpack("<HH", content[26:30])
            return width & 0x3FFF, height & 0x3FFF
        case _:
            raise ValueError("a WebP without a picture")
