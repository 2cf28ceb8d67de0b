"""Small real media, made on the fly: pictures, sounds, films, documents."""

import array
import base64
import io
import math
from typing import Any

import av
from PIL import Image


def picture(width: int = 48, height: int = 32, colour: str = "red", format: str = "PNG") -> bytes:  # noqa: A002
    """Make a picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, format)
    return buffer.getvalue()


def sound(seconds: float = 0.5, format: str = "wav", codec: str = "pcm_s16le", rate: int = 24_000) -> bytes:  # noqa: A002
    """Make a tone of 440 Hz, a quarter as loud as can be."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format) as output:
        stream = output.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(stream, av.AudioStream)
        _tone(output, stream, seconds, rate)
    return buffer.getvalue()


def film(
    seconds: float = 2,
    size: tuple[int, int] = (320, 240),
    rate: int = 24,
    *,
    with_sound: bool = True,
    format: str = "mp4",  # noqa: A002
    codec: str = "libx264",
) -> bytes:
    """Make a blue film, with a tone or silent."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format) as output:
        stream = output.add_stream(codec, rate=rate)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        tone = output.add_stream("aac" if format == "mp4" else "libopus", rate=48_000) if with_sound else None
        for i in range(round(seconds * rate)):
            frame = av.VideoFrame(*size, "rgb24")
            frame.planes[0].update(bytes((30, 70, 220)) * (frame.planes[0].buffer_size // 3))
            frame.pts = i
            output.mux(stream.encode(frame))
        if tone is not None:
            assert isinstance(tone, av.AudioStream)
            _tone(output, tone, seconds, 48_000)
        output.mux(stream.encode(None))
    return buffer.getvalue()


def _tone(output: av.container.OutputContainer, stream: av.AudioStream, seconds: float, rate: int) -> None:
    done, total = 0, round(seconds * rate)
    while done < total:
        count = min(960, total - done)
        wave = array.array("h", (round(8192 * math.sin(2 * math.pi * 440 * (done + i) / rate)) for i in range(count)))
        frame = av.AudioFrame(format="s16", layout="mono", samples=count)
        frame.sample_rate, frame.pts = rate, done
        frame.planes[0].update(wave.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
        output.mux(stream.encode(frame))
        done += count
    output.mux(stream.encode(None))


def pdf(pages: int = 3, width: int = 595, height: int = 842) -> bytes:
    """Make a PDF of empty pages; A4 by default."""
    buffer = io.BytesIO()
    first, *others = [Image.new("RGB", (width, height), "white") for _ in range(pages)]
    first.save(buffer, "PDF", save_all=True, append_images=others)
    return buffer.getvalue()


def inline(data: bytes, mime_type: str, **more: Any) -> dict[str, Any]:
    """Make a part of bytes."""
    return {"inlineData": {"mimeType": mime_type, "data": base64.b64encode(data).decode()}, **more}


def of_type(mime_type: str) -> bytes:
    """Make some media of this type."""
    if mime_type == "application/pdf":
        return pdf()
    match mime_type.partition("/")[0]:
        case "image":
            return picture()
        case "audio":
            return sound()
        case "video":
            return film()
        case _:
            return b"Some words."
