"""Listening to a sound and watching a film: duration, rates, size, loudness, and whether they can be read at all."""

import array
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING

from pollux.emulator.limits import HEARD_SECONDS_MAX, PACKETS_MAX, PICTURE_PIXELS_MAX
from pollux.emulator.media.facts import Broken, Facts
from pollux.emulator.media.kinds import Kind, container
from pollux.emulator.media.pictures_in import colour_of

if TYPE_CHECKING:
    from av.container import InputContainer

HEARD_RATE = 8000
"""Samples a second at which loudness is measured."""


def play(source: bytes | Path, kind: Kind, mime_type: str) -> Facts:
    """Read a sound or a film, or say that it is broken. A film's label on a mere sound is broken, too."""
    import av

    head = source[:64] if isinstance(source, bytes) else _head(source)
    name, reader, raw_rate = container(head, mime_type)
    if not reader:
        raise Broken
    options = {"sample_rate": str(raw_rate)} if raw_rate else {}
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else str(source)
        opened = av.open(file, mode="r", format=reader, options=options)
        with opened:
            facts = _watched(opened, name) if kind == "video" else _heard(opened, name)
    except (av.FFmpegError, OSError, ValueError, MemoryError, OverflowError) as error:
        raise Broken from error
    if not facts.seconds > 0:
        raise Broken
    return facts


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def _heard(opened: "InputContainer", name: str) -> Facts:
    if not opened.streams.audio:
        raise Broken
    import av

    stream = opened.streams.audio[0]
    resampler = av.AudioResampler(format="s16", layout="mono", rate=HEARD_RATE)
    squares, count, seconds, rate, channels = 0, 0, 0.0, 0, 0
    for number, packet in enumerate(opened.demux(stream)):
        if number >= PACKETS_MAX:
            seconds = max(seconds, float(opened.duration or 0) / av.time_base)
            break
        if packet.pts is not None and packet.time_base is not None:
            seconds = max(seconds, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        if seconds > HEARD_SECONDS_MAX and rate:
            continue
        for frame in packet.decode():
            rate, channels = frame.sample_rate, frame.layout.nb_channels
            for heard in resampler.resample(frame):
                samples = array.array("h", bytes(heard.planes[0])[: heard.samples * 2])
                squares += sum(sample * sample for sample in samples)
                count += len(samples)
    if not rate:
        raise Broken
    start = float(stream.start_time * stream.time_base) if stream.start_time and stream.time_base else 0.0
    level = math.sqrt(squares / count) / 32768 if count else 0
    loudness = 20 * math.log10(level) if level > 1e-5 else None
    return Facts("audio", name, seconds=seconds - start, rate=rate, channels=channels, loudness=loudness)


def _watched(opened: "InputContainer", name: str) -> Facts:
    """Read the head of a film and its first frame; the duration stands in the head, or else in the packets."""
    import av
    from PIL import Image

    if not opened.streams.video:
        raise Broken
    stream = opened.streams.video[0]
    width, height = stream.codec_context.width, stream.codec_context.height
    if not 0 < width * height <= PICTURE_PIXELS_MAX:
        raise Broken
    sound = opened.streams.audio[0] if opened.streams.audio else None
    seconds = float(opened.duration or 0) / av.time_base
    first = next(opened.decode(stream), None)
    if first is None:
        raise Broken
    small = first.reformat(width=24, height=24, format="rgb24").planes[0]
    colour = colour_of(Image.frombuffer("RGB", (24, 24), bytes(small), "raw", "RGB", small.line_size, 1))
    if not seconds:
        for number, packet in enumerate(opened.demux(stream)):
            if number >= PACKETS_MAX:
                break
            if packet.pts is not None and packet.time_base is not None:
                seconds = max(seconds, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return Facts(
        "video",
        name,
        width,
        height,
        colour,
        seconds,
        rate=sound.rate if sound else 0,
        channels=sound.channels if sound else 0,
        frames_a_second=float(stream.average_rate or stream.guessed_rate or 0),
        sound=sound is not None,
    )
