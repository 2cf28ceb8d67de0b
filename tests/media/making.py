"""Small real media, made by PyAV and Pillow."""

import functools
import io
import random

import av
from PIL import Image


@functools.cache
def image(form: str) -> bytes:
    """Make a picture of 48 by 32 pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (48, 32), (200, 30, 30)).save(buffer, form)
    return buffer.getvalue()


@functools.cache
def sound(container: str, codec: str) -> bytes:
    """Make half a second of a tone."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=48_000 if codec == "libopus" else 44_100)
        assert isinstance(stream, av.AudioStream)
        rate = stream.rate
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate, frame_size=stream.frame_size or 1024)
        frame = av.AudioFrame(format="s16", layout="mono", samples=rate // 2)
        frame.planes[0].update(b"".join((i % 100 * 100).to_bytes(2, "little") for i in range(frame.planes[0].buffer_size // 2)))
        frame.sample_rate = rate
        for resampled in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(resampled))
        output.mux(stream.encode(None))
    return buffer.getvalue()


@functools.cache
def video(container: str, codec: str) -> bytes:
    """Make five frames of 64 by 48 pixels."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(5):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([40 * i]) * plane.buffer_size)
            frame.pts = i
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>"
)
SVG = b'<?xml version="1.0"?>\n<!-- hello -->\n<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@functools.cache
def noise(width: int, height: int) -> bytes:
    """Make a PNG that does not get small."""
    buffer = io.BytesIO()
    Image.frombytes("RGB", (width, height), random.Random(7).randbytes(width * height * 3)).save(buffer, "PNG")
    return buffer.getvalue()


def written(form: str) -> io.BytesIO:
    """Give a picture as an open file."""
    return io.BytesIO(image(form))
