"""Films that play: H.264 and AAC in an MP4, drawn cheaply and the same for the same request.

The picture shows the prompt, a ball that crosses it and a clock; with a first and a last picture it fades from the one to the
other. A new drawing comes eight times a second and stands for three frames. The sound says the prompt, so that it can be heard
again, over a quiet melody.
"""

import hashlib
import io
import math
from array import array
from fractions import Fraction
from functools import lru_cache
from operator import add
from typing import TYPE_CHECKING, Any

from pollux.emulator import sound
from pollux.emulator.limits import PICTURE_PIXELS_MAX
from pollux.emulator.media.kinds import container as container_of
from pollux.emulator.video_drawing import BrokenPicture, Painter, opened, with_references
from pollux.emulator.video_requests import Wanted

if TYPE_CHECKING:
    from PIL import Image

RATE = 24
"""Frames a second. Source: gemini-native.md, section 17."""

REPEATS, REPEATS_4K = 3, 8
"""Frames that one drawing stands for: encoding what does not change costs little."""

SOUND_RATE = 48_000

NOTES = (196.0, 220.0, 261.6, 293.7, 329.6, 392.0)

NOTE_SECONDS = 0.5

NARRATOR = 3
"""The voice of the films: its place in `sound.VOICES`."""


@lru_cache(maxsize=8)
def film(wanted: Wanted) -> bytes:
    """Make a film. It takes about a second of one processor for eight seconds in 720p: call it in a thread."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        picture: Any = output.add_stream("libx264", rate=RATE)
        picture.width, picture.height, picture.pix_fmt = wanted.width, wanted.height, "yuv420p"
        picture.options = {"preset": "ultrafast", "crf": "30", "g": str(2 * RATE), "threads": "1"}
        voice: Any = output.add_stream("aac", rate=SOUND_RATE, layout="stereo")
        voice.bit_rate = 128_000
        heard, begin = b"", 0
        if wanted.before:
            begin = _copy_pictures(wanted.before, output, picture)
            heard = _sound_of(wanted.before, begin)
        _draw(wanted, output, picture, begin)
        _sing(heard + _sound(wanted), output, voice)
    return buffer.getvalue()


def check_pictures(wanted: Wanted) -> None:
    """Refuse pictures that cannot be read, before any work."""
    for data in (wanted.first, wanted.last, *wanted.references):
        if data:
            opened(data, (16, 16))


def first_frame(data: bytes) -> bytes:
    """Show what a film begins with, as a PNG."""
    import av

    name, reader, _ = container_of(data[:64], "video/mp4")
    try:
        with av.open(io.BytesIO(data), "r", format=reader) as container:
            first: Any = next(container.decode(container.streams.video[0]))
            if not name or first.width * first.height > PICTURE_PIXELS_MAX:
                raise BrokenPicture
            buffer = io.BytesIO()
            first.to_image().save(buffer, "PNG", compress_level=1)
            return buffer.getvalue()
    except (av.FFmpegError, ValueError, IndexError, StopIteration, MemoryError) as error:
        raise BrokenPicture from error


def last_frame(data: bytes) -> "Image.Image":
    """Show what a film ends with."""
    import av

    with av.open(io.BytesIO(data), "r", format="mp4") as container:
        stream = container.streams.video[0]
        container.seek(max((container.duration or 0) - 3 * av.time_base, 0))
        last: Any = None
        for frame in container.decode(stream):
            last = frame
        image: Image.Image = last.to_image()
        return image


def _copy_pictures(before: bytes, output: Any, stream: Any) -> int:
    """Write the film before without encoding it again, which the same encoder made; say how many frames it has."""
    import av
    from av.bitstream import BitStreamFilterContext

    count = 0
    with av.open(io.BytesIO(before), "r", format="mp4") as container:
        source = container.streams.video[0]
        plain = BitStreamFilterContext("h264_mp4toannexb", source)  # the muxer takes what an encoder gives
        for packet in container.demux(source):
            for ready in plain.filter(packet) if packet.dts is not None else ():
                ready.stream = stream
                output.mux(ready)
                count += 1
    return count


def _draw(wanted: Wanted, output: Any, stream: Any, begin: int) -> None:
    import av

    painter = _painter(wanted)
    frames = wanted.seconds * RATE
    from_image: Any = av.VideoFrame.from_image
    repeats = REPEATS_4K if min(wanted.width, wanted.height) > 1080 else REPEATS
    drawn: Any = None
    for number in range(frames):
        if number % repeats == 0 or number == frames - 1:
            image = painter.frame(number / (frames - 1), (begin + number) / RATE)
            drawn = from_image(image).reformat(format="yuv420p")
        drawn.pts, drawn.time_base = begin + number, Fraction(1, RATE)
        output.mux(stream.encode(drawn))
    output.mux(stream.encode(None))


def _painter(wanted: Wanted) -> Painter:
    size = wanted.width, wanted.height
    first = opened(wanted.first, size) if wanted.first else None
    last = opened(wanted.last, size) if wanted.last else None
    caption = f"{wanted.prompt}\n\nnot: {wanted.negative}" if wanted.negative else wanted.prompt
    painter = Painter(size, caption, f"{wanted.seed} {wanted.prompt}", first, last)
    painter.before = last_frame(wanted.before) if wanted.before else None
    if wanted.references:
        side = min(size) // 5
        painter.has_references = True
        with_references(painter.ground, [opened(data, (side, side)) for data in wanted.references])
    return painter


def _sound(wanted: Wanted) -> bytes:
    """Say the prompt, as many sentences of it as there is time for, over a melody: samples of one channel at `sound.RATE`."""
    size = 2 * sound.RATE * wanted.seconds
    said = b""
    for sentence in sound.spoken([sound.Utterance(wanted.prompt, NARRATOR)]):
        if len(said) + len(sentence) > size:
            break
        said += sentence
    voice = array("h", said.ljust(size, b"\0"))
    melody = array("h", _melody(f"{wanted.seed} {wanted.prompt}", wanted.seconds))
    return array("h", map(add, voice, melody)).tobytes()


def _melody(seed: str, seconds: int) -> bytes:
    """Play one soft note after the other, below the tones that carry text."""
    count = round(seconds / NOTE_SECONDS)
    drawn = hashlib.shake_256(seed.encode()).digest(count)
    return b"".join(_note(NOTES[byte % len(NOTES)]) for byte in drawn)


@lru_cache
def _note(pitch: float) -> bytes:
    samples = round(NOTE_SECONDS * sound.RATE)
    turn = 2 * math.pi * pitch / sound.RATE
    swell = math.pi / samples
    return array("h", (round(1800 * math.sin(swell * i) ** 2 * math.sin(turn * i)) for i in range(samples))).tobytes()


def _sound_of(film_before: bytes, frames: int) -> bytes:
    """Take the sound of the film before, as long as its pictures."""
    import av

    resampler = av.AudioResampler("s16", "mono", sound.RATE)
    pieces: list[bytes] = []
    with av.open(io.BytesIO(film_before), "r", format="mp4") as container:
        for frame in container.decode(container.streams.audio[0]):
            pieces += [bytes(piece.planes[0])[: 2 * piece.samples] for piece in resampler.resample(frame)]
    size = 2 * sound.RATE * frames // RATE
    return b"".join(pieces)[:size].ljust(size, b"\0")


def _sing(data: bytes, output: Any, stream: Any) -> None:
    """Write samples of one channel as the sound track."""
    import av

    resampler = av.AudioResampler("fltp", "stereo", SOUND_RATE, stream.codec_context.frame_size or 1024)
    step = 2 * sound.RATE
    for start in range(0, len(data), step):
        piece = data[start : start + step]
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(piece) // 2)
        frame.sample_rate, frame.pts, frame.time_base = sound.RATE, start // 2, Fraction(1, sound.RATE)
        frame.planes[0].update(piece)
        for resampled in resampler.resample(frame):
            output.mux(stream.encode(resampled))
    for resampled in resampler.resample(None):
        output.mux(stream.encode(resampled))
    output.mux(stream.encode(None))
