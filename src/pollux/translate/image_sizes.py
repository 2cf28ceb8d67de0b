"""The size of a picture: OpenAI's pixels → Gemini's aspect ratio and image size.

The rule: a size that the model makes itself is that one. Any other has the nearest aspect ratio (by the quotient), and the
image size by its longer side: up to 512 pixels 512, up to 1024 1K, up to 2048 2K, else 4K, or the nearest that the model has.
"""

import math
import re
from types import MappingProxyType
from typing import Final

from pollux.errors import InvalidRequest
from pollux.translate.notes import Note
from pollux.translate.profiles import Painter

PIXELS: Final = MappingProxyType(
    {
        "1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200), "4:3": (1200, 896),
        "4:5": (928, 1152), "5:4": (1152, 928), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672),
        "1:4": (512, 2048), "4:1": (2048, 512), "1:8": (384, 3072), "8:1": (3072, 384),
    }
)  # fmt: skip
"""Width and height at 1K, of the 3.x models. Source: Gemini API, Image generation."""

SCALE: Final = MappingProxyType({"512": 0.5, "1K": 1.0, "2K": 2.0, "4K": 4.0})
"""How much longer the sides of an image size are than at 1K."""

SIDES: Final = ((512, "512"), (1024, "1K"), (2048, "2K"))
"""The longest side of each image size; what is longer is 4K."""

SIDE_MAX: Final = 16_384
"""Longest side that may be asked for; the longest that a model makes is 12,288."""

RATIO: Final = re.compile(r"[1-9]\d?:[1-9]\d?")
_SIZE: Final = re.compile(r"(\d{1,5})x(\d{1,5})")


def sized(size: str, painter: Painter, notes: list[Note]) -> tuple[str, str | None]:
    """Give the aspect ratio and the image size of a `size` in pixels. Raises InvalidRequest.

    Loses: sizes that the model does not make; the nearest is noted.
    """
    width, height = _pixels(size)
    made = {pixels(ratio, name): (ratio, name) for ratio in painter.ratios for name in painter.sizes or ("1K",)}
    if (width, height) in made:
        ratio, name = made[width, height]
        return ratio, name if painter.sizes else None
    ratio = min(painter.ratios, key=lambda each: abs(math.log(width / height / quotient(each))))
    if not painter.sizes:
        notes.append(Note("size", "approximated", f"the model makes one size; the nearest aspect ratio is {ratio}"))
        return ratio, None
    wanted = next((name for side, name in SIDES if max(width, height) <= side), "4K")
    name = min(painter.sizes, key=lambda each: abs(math.log(SCALE[each] / SCALE[wanted])))
    notes.append(Note("size", "approximated", f"the nearest is {ratio} at {name}, {written(pixels(ratio, name))}"))
    return ratio, name


def pixels(ratio: str, name: str) -> tuple[int, int]:
    """Give width and height of an aspect ratio at an image size."""
    width, height = PIXELS[ratio]
    return round(width * SCALE[name]), round(height * SCALE[name])


def written(size: tuple[int, int]) -> str:
    """Write a size as OpenAI does."""
    return f"{size[0]}x{size[1]}"


def quotient(ratio: str) -> float:
    """Give width by height."""
    width, _, height = ratio.partition(":")
    return int(width) / int(height)


def _pixels(size: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(size)
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (1 <= width <= SIDE_MAX and 1 <= height <= SIDE_MAX):
        raise InvalidRequest(
            f"size must be auto, or width and height in pixels as in 1024x1024, each from 1 to {SIDE_MAX}; "
            f"it is {size[:40]!r}.",
            param="size",
        )
    return width, height
