"""Pictures, sounds and videos for the tests, made here."""

import io
import itertools
import math
import struct
import zlib
from typing import Any

import av
import PIL.Image

from pollux.media.audio import PcmForm

MONO = PcmForm()


def tone(seconds: float, form: PcmForm = MONO, hertz: float = 440.0) -> bytes:
    """Give a tone as raw samples."""
    samples = [int(8000 * math.sin(2 * math.pi * hertz * i / form.rate)) for i in range(round(seconds * form.rate))]
    return b"".join([struct.pack("<h", sample) * form.channels for sample in samples])


def hertz_of(pcm: bytes, rate: int = 24_000) -> float:
    """Give the pitch of a tone: it crosses zero twice in each period."""
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    crossings = sum(1 for one, other in itertools.pairwise(middle) if (one < 0) != (other < 0))
    return crossings / 2 / (len(middle) / rate)


def picture(
    plugin: str = "PNG", size: tuple[int, int] = (64, 48), colour: tuple[int, ...] = (200, 30, 30), **options: Any
) -> bytes:
    """Give a picture of one colour."""
    encoded = io.BytesIO()
    PIL.Image.new("RGB" if len(colour) == 3 else "RGBA", size, colour).save(encoded, plugin, **options)
    return encoded.getvalue()


def pixel(data: bytes, place: tuple[int, int] = (0, 0)) -> tuple[int, ...]:
    """Give a picture's colour at a place."""
    with PIL.Image.open(io.BytesIO(data)) as image:
        found = image.convert("RGBA" if image.has_transparency_data else "RGB").getpixel(place)
    assert isinstance(found, tuple)
    return found


def png_header(width: int, height: int) -> bytes:
    """Give a PNG of which only the header is there, and a little data."""
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(bytes(1000))) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def video(
    seconds: float = 2.0,
    *,
    container: str = "mp4",
    codec: str = "libx264",
    size: tuple[int, int] = (128, 72),
    rate: int = 12,
    sound: bool = True,
) -> bytes:
    """Give a video that turns from red to blue, with a tone."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as made:
        pictures: Any = made.add_stream(codec, rate=rate)
        pictures.width, pictures.height = size
        pictures.pix_fmt = "yuv420p"
        tones: Any = made.add_stream("aac" if container == "mp4" else "libopus", rate=24_000) if sound else None
        if tones is not None:
            tones.layout = "mono"
        total = round(seconds * rate)
        for i in range(total):
            image = PIL.Image.new("RGB", size, (255 - 255 * i // total, 0, 255 * i // total))
            video_frame: Any = av.VideoFrame
            made.mux(pictures.encode(video_frame.from_image(image)))
        made.mux(pictures.encode(None))
        if tones is not None:
            frame = av.AudioFrame(format="s16", layout="mono", samples=round(seconds * 24_000))
            frame.sample_rate = 24_000
            pcm = tone(seconds)
            frame.planes[0].update(pcm + bytes(frame.planes[0].buffer_size - len(pcm)))
            resampler = av.AudioResampler(
                format="fltp" if container == "mp4" else "s16", layout="mono", rate=24_000 if container == "mp4" else 48_000
            )
            for one in [*resampler.resample(frame), *resampler.resample(None)]:
                made.mux(tones.encode(one))
            made.mux(tones.encode(None))
    return file.getvalue()
