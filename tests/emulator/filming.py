"""Look at films and make pictures in tests."""

import io
from dataclasses import dataclass
from typing import Any

import av
from PIL import Image, ImageDraw


@dataclass(frozen=True)
class Seen:
    """A film, decoded."""

    frames: list[Any]
    seconds: float
    sound_seconds: float
    rate: float
    size: tuple[int, int]
    codecs: tuple[str, str]

    def luma(self, frame: int) -> bytes:
        """The brightness of a frame's pixels."""
        return bytes(self.frames[frame].planes[0])

    def colour(self, frame: int, at: tuple[float, float] = (0.98, 0.2)) -> tuple[int, ...]:
        """The colour of a frame at a place, as shares of width and height."""
        image = self.frames[frame].to_image()
        colour = image.getpixel((int(at[0] * image.width), int(at[1] * image.height)))
        assert isinstance(colour, tuple)
        return colour


def watch(data: bytes) -> Seen:
    """Decode all frames and measure both tracks."""
    with av.open(io.BytesIO(data), "r", format="mp4") as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        seconds, sound_seconds = (float((one.duration or 0) * (one.time_base or 0)) for one in (picture, sound))
        codecs = picture.codec_context.name, sound.codec_context.name
        rate, size = float(picture.average_rate or 0), (picture.width, picture.height)
        return Seen(list(container.decode(picture)), seconds, sound_seconds, rate, size, codecs)


def picture(colour: str, size: tuple[int, int] = (320, 180), format_name: str = "PNG") -> bytes:
    """Draw a plain picture with a dark square."""
    image = Image.new("RGB", size, colour)
    ImageDraw.Draw(image).rectangle((20, 20, 80, 80), fill="black")
    buffer = io.BytesIO()
    image.save(buffer, format_name)
    return buffer.getvalue()


def is_near(one: tuple[int, ...], other: tuple[int, ...], most: int = 40) -> bool:
    """Tell whether two colours look alike."""
    return all(abs(a - b) <= most for a, b in zip(one, other, strict=True))
