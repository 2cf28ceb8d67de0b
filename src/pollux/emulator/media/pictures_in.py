"""Looking at a picture: its size, its dominant colour, and whether it can be read at all."""

import io
import warnings

from pollux.emulator.limits import PICTURE_PIXELS_MAX
from pollux.emulator.media.facts import Broken, Facts
from pollux.emulator.media.kinds import picture_format

COLOURS = {
    "black": (0, 0, 0), "white": (255, 255, 255), "grey": (128, 128, 128), "light grey": (200, 200, 200),
    "dark grey": (64, 64, 64), "red": (220, 20, 30), "dark red": (120, 0, 0), "orange": (255, 140, 0),
    "yellow": (250, 230, 30), "brown": (130, 80, 40), "beige": (225, 205, 170), "olive": (120, 120, 20),
    "green": (20, 160, 50), "light green": (140, 220, 130), "dark green": (0, 80, 20), "teal": (0, 130, 130),
    "cyan": (40, 220, 230), "light blue": (140, 190, 240), "blue": (30, 70, 220), "dark blue": (10, 20, 110),
    "purple": (120, 40, 160), "violet": (170, 110, 230), "magenta": (220, 30, 200), "pink": (250, 160, 190),
}  # fmt: skip
"""Names of colours, the emulator's own."""


def look(data: bytes) -> Facts:
    """Read a picture, or say that it is broken."""
    name = picture_format(data)
    if name == "HEIC":
        width, height = _heic_size(data)
        return Facts("image", name, width, height)
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=[name] if name else []) as picture:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            width, height = picture.size
            if width * height > PICTURE_PIXELS_MAX:
                raise Broken
            picture.draft("RGB", (64, 64))
            return Facts("image", name, width, height, colour_of(picture))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError, MemoryError) as error:
        raise Broken from error


def colour_of(picture: object) -> str:
    """Name the colour that most of a picture's pixels are nearest to; a transparent one is looked at over white."""
    from PIL import Image

    assert isinstance(picture, Image.Image)
    small = picture.resize((24, 24), Image.Resampling.BOX) if picture.mode != "P" else picture.convert("RGBA").resize((24, 24))
    small = small.convert("RGBA")
    over = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small).convert("RGB")
    counts: dict[str, int] = {}
    for count, pixel in over.getcolors(24 * 24) or []:
        name = _nearest(pixel)
        counts[name] = counts.get(name, 0) + count
    return max(sorted(counts), key=counts.__getitem__)


def _nearest(pixel: object) -> str:
    assert isinstance(pixel, tuple)
    return min(COLOURS, key=lambda name: sum((a - b) ** 2 for a, b in zip(COLOURS[name], pixel, strict=True)))


def _heic_size(data: bytes) -> tuple[int, int]:
    """Read the largest `ispe` box: no library here decodes HEIC, so its pixels are not looked at."""
    sizes: list[tuple[int, int]] = []
    at = data.find(b"ispe")
    while 0 <= at <= len(data) - 16 and len(sizes) < 1000:
        sizes.append((int.from_bytes(data[at + 8 : at + 12], "big"), int.from_bytes(data[at + 12 : at + 16], "big")))
        at = data.find(b"ispe", at + 4)
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    if not 0 < width * height <= PICTURE_PIXELS_MAX:
        raise Broken
    return width, height
