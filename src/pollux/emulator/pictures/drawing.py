"""Drawing a picture that shows its prompt: words over colours and shapes that follow from it, or over the pictures given.

Everything follows from the order alone, so the same order gives the same bytes.
"""

import colorsys
import hashlib
import io
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pollux.emulator.media.kinds import picture_format
from pollux.emulator.media.pictures_in import COLOURS, look
from pollux.emulator.pictures.lettering import fitted, write

if TYPE_CHECKING:
    from PIL.Image import Image

    Colour = tuple[int, int, int]

INPUTS_MAX = 14
"""Pictures that are drawn in. Source: gemini-native.md, section 16 (up to 14)."""

SHAPES = ("circle", "square", "triangle", "star", "ring", "diamond")

SHAPE_WORDS = {
    "circle": "circle", "round": "circle", "ball": "circle", "sun": "circle", "moon": "circle", "dot": "circle",
    "square": "square", "box": "square", "house": "square", "city": "square", "triangle": "triangle", "mountain": "triangle",
    "tree": "triangle", "star": "star", "night": "star", "sky": "star", "ring": "ring", "wheel": "ring", "diamond": "diamond",
    "kite": "diamond",
}  # fmt: skip

WORD = re.compile(r"[^\W\d_]+")

JPEG_QUALITY = 85

READABLE = ("PNG", "JPEG", "WEBP")
"""Inputs that are drawn; a HEIC, which no library here decodes, is drawn as a grey area of its size."""

ORIENTATION = 0x0112
"""The EXIF tag that tells how the camera was held; from 5 on it was turned."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be drawn."""

    prompt: str
    width: int
    height: int
    mime_type: str
    chance: bytes
    """What looks like chance: where the shapes are."""
    inputs: tuple[bytes, ...] = ()
    """Pictures to draw in: then it is an edit."""
    signed: str = ""
    """Small print at the foot."""
    sketch: bool = False
    """Without the prompt's words: a thought on the way."""


def drawn(order: Order) -> bytes:
    """Draw the picture and encode it."""
    from PIL import ImageDraw

    canvas = _with_inputs(order) if order.inputs else _background(order)
    draw = ImageDraw.Draw(canvas)
    if not order.sketch:
        margin = order.width // 20
        top = order.height * 2 // 3 if order.inputs else order.height // 8
        box = (margin, top, order.width - margin, order.height - order.height // (16 if order.inputs else 8))
        side = min(order.width, order.height)
        inner = (box[2] - box[0] - margin, box[3] - box[1] - margin // 2)
        lettering = fitted(order.prompt, *inner, size_max=max(12, side // 7), size_min=max(7, side // 64))
        used = len(lettering.lines) * lettering.size * 1.3 + margin
        middle = (box[1] + box[3]) / 2
        _darken(canvas, (box[0], int(max(middle - used / 2, box[1])), box[2], int(min(middle + used / 2, box[3]))))
        write(draw, lettering, box, (255, 255, 255))
    if order.signed:
        foot = fitted(order.signed, order.width, order.height // 20, size_max=max(8, order.height // 48), size_min=5)
        edge = (0, order.height - order.height // 20, order.width, order.height)
        _darken(canvas, edge, 0.85)
        write(draw, foot, edge, (230, 230, 230))
    buffer = io.BytesIO()
    if order.mime_type == "image/png":
        canvas.save(buffer, "PNG", compress_level=1)
    else:
        canvas.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def palette(prompt: str) -> "tuple[Colour, Colour, Colour]":
    """Choose three colours: those that the prompt names, else by its words."""
    words = [word.lower() for word in WORD.findall(prompt)]
    named = [COLOURS["grey" if word == "gray" else word] for word in words if word in COLOURS or word == "gray"]
    digest = hashlib.sha256(" ".join(words).encode()).digest()
    hue = digest[0] / 256
    free = [_of_hue(hue + shift, light) for shift, light in ((0, 0.45), (0.12 + digest[1] / 900, 0.6), (0.5, 0.7))]
    first, second, third = [*dict.fromkeys(named), *free][:3]
    return first, second, third


def _of_hue(hue: float, light: float) -> "Colour":
    red, green, blue = colorsys.hls_to_rgb(hue % 1, light, 0.65)
    return round(red * 255), round(green * 255), round(blue * 255)


def _background(order: Order) -> "Image":
    """Paint a slope from one colour to another, and shapes of the third; small first, then enlarged, which is quick."""
    from PIL import Image, ImageDraw

    first, second, third = palette(order.prompt)
    scale = max(1.0, max(order.width, order.height) / 1024)
    size = (max(1, round(order.width / scale)), max(1, round(order.height / scale)))
    slope = Image.new("RGB", (2, 2))
    slope.putdata([first, _mixed(first, second, 0.5), _mixed(first, second, 0.6), second])
    canvas = slope.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(canvas)
    words = [word.lower() for word in WORD.findall(order.prompt)]
    asked = [SHAPE_WORDS[key] for word in words for key in (word, word.removesuffix("s")) if key in SHAPE_WORDS]
    chance = order.chance + hashlib.sha256(order.chance).digest() * 2
    for i in range(6 + chance[0] % 6):
        at = chance[1 + i * 5 : 6 + i * 5]
        kind = asked[i % len(asked)] if asked else SHAPES[at[0] % len(SHAPES)]
        centre = (at[1] / 255 * size[0], at[2] / 255 * size[1])
        radius = (0.05 + at[3] / 255 * 0.17) * min(size)
        colour = _mixed(third, (first, second, (255, 255, 255))[at[4] % 3], at[4] / 255 * 0.6)
        _shape(draw, kind, centre, radius, colour)
    return (
        canvas if size == (order.width, order.height) else canvas.resize((order.width, order.height), Image.Resampling.BILINEAR)
    )


def _shape(draw: object, kind: str, centre: tuple[float, float], radius: float, colour: "Colour") -> None:
    from PIL import ImageDraw

    assert isinstance(draw, ImageDraw.ImageDraw)
    x, y = centre
    box = (x - radius, y - radius, x + radius, y + radius)
    match kind:
        case "circle":
            draw.ellipse(box, fill=colour)
        case "ring":
            draw.ellipse(box, outline=colour, width=max(2, round(radius / 4)))
        case "square":
            draw.rectangle(box, fill=colour)
        case _:
            corners = {"triangle": 3, "diamond": 4, "star": 10}[kind]
            reach = [radius * (0.45 if kind == "star" and i % 2 else 1) for i in range(corners)]
            turns = [2 * math.pi * i / corners - math.pi / 2 for i in range(corners)]
            points = [(x + r * math.cos(turn), y + r * math.sin(turn)) for r, turn in zip(reach, turns, strict=True)]
            draw.polygon(points, fill=colour)


def _with_inputs(order: Order) -> "Image":
    """Draw one picture over the whole, cut to the new ratio; several in tiles; a tint of the prompt's colour over them."""
    from PIL import Image, ImageOps

    size = (order.width, order.height)
    pictures = [_opened(data, size) for data in order.inputs[:INPUTS_MAX]]
    if len(pictures) == 1:
        canvas = ImageOps.fit(pictures[0], size, Image.Resampling.BILINEAR)
    else:
        canvas = _background(order)
        columns = math.ceil(math.sqrt(len(pictures) * order.width / order.height))
        rows = math.ceil(len(pictures) / columns)
        room = order.height * 2 // 3
        cell = (order.width // columns, room // rows)
        gap = max(2, min(cell) // 20)
        for i, picture in enumerate(pictures):
            small = ImageOps.contain(picture, (max(1, cell[0] - gap * 2), max(1, cell[1] - gap * 2)), Image.Resampling.BILINEAR)
            x = i % columns * cell[0] + (cell[0] - small.width) // 2
            y = i // columns * cell[1] + (cell[1] - small.height) // 2
            canvas.paste(small, (x, y))
    return Image.blend(canvas, Image.new("RGB", size, palette(order.prompt)[0]), 0.18)


def _opened(data: bytes, size: tuple[int, int]) -> "Image":
    """Open an input that has been looked at before: upright, over white where it is transparent, no larger than needed."""
    from PIL import Image, ImageOps

    if picture_format(data) not in READABLE:
        return Image.new("RGB", upright_size(data), "grey")
    with Image.open(io.BytesIO(data), formats=READABLE) as opened:
        opened.draft("RGB", size)
        picture = ImageOps.exif_transpose(opened)
        if picture.mode in ("RGBA", "LA", "P", "PA"):
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        return picture.convert("RGB")


def upright_size(data: bytes) -> tuple[int, int]:
    """Tell a picture's width and height as people see it: a camera may have been turned."""
    from PIL import Image

    if picture_format(data) not in READABLE:
        facts = look(data)
        return facts.width, facts.height
    with Image.open(io.BytesIO(data), formats=READABLE) as opened:
        width, height = opened.size
        return (height, width) if opened.getexif().get(ORIENTATION, 1) >= 5 else (width, height)


def _darken(canvas: "Image", box: tuple[int, int, int, int], veil: float = 0.62) -> None:
    """Lay a dark veil under words, so that they can be read on any colour."""
    from PIL import Image

    if box[2] <= box[0] or box[3] <= box[1]:
        return
    part = canvas.crop(box)
    canvas.paste(Image.blend(part, Image.new("RGB", part.size, (16, 16, 24)), veil), box)


def _mixed(first: "Colour", second: "Colour", share: float) -> "Colour":
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
