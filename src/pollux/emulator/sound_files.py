"""Sounds that callers send, decoded and listened to: the emulator's own speech is heard in them, nothing else.

Decoding ends after a minute in which nothing was heard, and after twenty in any case, whatever a file claims.
"""

import io
from array import array
from pathlib import Path
from typing import Any

from pollux.emulator import sound_hearing
from pollux.emulator.limits import LISTEN_SECONDS_MAX
from pollux.emulator.media.kinds import container
from pollux.emulator.sound_hearing import EAR_RATE, SECONDS_WITHOUT_TEXT_MAX, Hearing


class Unreadable(ValueError):
    """Bytes that are no sound."""


def heard(data: bytes, mime_type: str) -> str | None:
    """Hear the text in the bytes of a sound or a film; None where there is none, or where it is no sound."""
    try:
        hearing = listen(data, mime_type)
    except Unreadable:
        return None
    return hearing.text if hearing.sentences else None


def listen(source: bytes | Path, mime_type: str) -> Hearing:
    """Decode a sound and hear what is said in it. It takes a while: call it in a thread."""
    import av

    _, reader, raw_rate = container(_head(source), mime_type)
    if not reader:
        raise Unreadable
    options = {"sample_rate": str(raw_rate)} if raw_rate else {}
    file = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    try:
        with av.open(file, "r", format=reader, options=options) as opened:
            return sound_hearing.hear(_decoded(opened))
    except (av.FFmpegError, OSError, ValueError, IndexError, MemoryError, OverflowError):
        raise Unreadable from None


def _head(source: bytes | Path) -> bytes:
    if isinstance(source, bytes):
        return source[:64]
    with source.open("rb") as file:
        return file.read(64)


def _decoded(opened: Any) -> "array[int]":
    """Decode to one channel at EAR_RATE; what follows a damaged place is left out."""
    import av

    decoded = array("h")
    if not opened.streams.audio:
        return decoded
    resampler = av.AudioResampler("s16", "mono", EAR_RATE)
    asked = False
    for frame in opened.decode(opened.streams.audio[0]):
        _take(decoded, resampler.resample(frame))
        if len(decoded) >= LISTEN_SECONDS_MAX * EAR_RATE:
            return decoded
        if not asked and len(decoded) > SECONDS_WITHOUT_TEXT_MAX * EAR_RATE:
            asked = True
            if not sound_hearing.hear(decoded).sentences:
                return decoded[:0]
    _take(decoded, resampler.resample(None))
    return decoded


def _take(decoded: "array[int]", frames: list[Any]) -> None:
    for frame in frames:
        decoded.frombytes(bytes(frame.planes[0])[: frame.samples * 2])
