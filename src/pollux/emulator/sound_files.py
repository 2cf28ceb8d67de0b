"""Sounds that callers send: decoded by their own bytes, and made ready to be heard.

The bytes decide what a sound is; the declared type only says how bare samples are to be read. Decoding happens in memory, by
one named format, so that no file can name another one; and it ends after twenty minutes, whatever a file claims.
"""

import io
import re
from array import array
from typing import Any

from pollux.emulator import sound_hearing
from pollux.emulator.limits import LISTEN_SECONDS_MAX
from pollux.emulator.sound_hearing import EAR_RATE, Hearing

MAGIC = (
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"ID3", "mp3"),
    (0, b"\xff\xf1", "aac"),
    (0, b"\xff\xf9", "aac"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"\xff\xf3", "mp3"),
    (0, b"\xff\xf2", "mp3"),
    (0, b"\xff\xfa", "mp3"),
    (8, b"WAVE", "wav"),
    (8, b"AIFF", "aiff"),
    (8, b"AIFC", "aiff"),
    (4, b"ftyp", "mp4"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
)
"""Where a format has which bytes."""

BARE = {"audio/l16": "s16le", "audio/pcm": "s16le", "audio/x-pcm": "s16le", "audio/alaw": "alaw", "audio/mulaw": "mulaw"}
"""Types without a header: the declared type is all there is."""

RATE = re.compile(r"rate=(\d{4,6})")


class Unreadable(ValueError):
    """Bytes that are no sound."""


def heard(data: bytes, mime_type: str) -> str | None:
    """Hear the text in the bytes of a sound; None where there is none, or where it is no sound."""
    try:
        hearing = listen(data, mime_type)
    except Unreadable:
        return None
    return hearing.text if hearing.sentences else None


def listen(data: bytes, mime_type: str) -> Hearing:
    """Decode a sound and hear what is said in it. It takes a while: call it in a thread."""
    return sound_hearing.hear(samples(data, mime_type))


def samples(data: bytes, mime_type: str) -> "array[int]":
    """Decode a sound to one channel at EAR_RATE."""
    import av

    kind = _format(data, mime_type)
    options: dict[str, str] = {}
    if kind in BARE.values():
        rate = RATE.search(mime_type)
        options = {"sample_rate": rate[1] if rate else "24000" if kind == "s16le" else "8000"}
    try:
        with av.open(io.BytesIO(data), format=kind, options=options) as container:
            return _decoded(container)
    except (av.FFmpegError, ValueError, IndexError, MemoryError):
        raise Unreadable from None


def _format(data: bytes, mime_type: str) -> str:
    for at, magic, name in MAGIC:
        if data[at : at + len(magic)] == magic:
            return name
    bare = BARE.get(mime_type.partition(";")[0].strip().lower())
    if bare is None or len(data) < 2:
        raise Unreadable
    return bare


def _decoded(container: Any) -> "array[int]":
    import av

    if not container.streams.audio:
        raise Unreadable
    resampler = av.AudioResampler("s16", "mono", EAR_RATE)
    decoded = array("h")
    for frame in container.decode(container.streams.audio[0]):
        _take(decoded, resampler.resample(frame))
        if len(decoded) >= LISTEN_SECONDS_MAX * EAR_RATE:
            return decoded
    _take(decoded, resampler.resample(None))
    return decoded


def _take(decoded: "array[int]", frames: list[Any]) -> None:
    for frame in frames:
        decoded.frombytes(bytes(frame.planes[0])[: frame.samples * 2])
