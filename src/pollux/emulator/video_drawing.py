"""The pictures of a film: the prompt on a plain ground or on a given picture, a ball that crosses it, and a clock."""

import hashlib
import io
import warnings
from typing import TYPE_CHECKING

from pollux.emulator.limits import PICTURE_PIXELS_MAX
from pollux.emulator.pictures.lettering import LINE_HEIGHT, fitted, font, write

if TYPE_CHECKING:
    from PIL import Image

Size = tuple[int, int]

FORMATS = ("PNG", "JPEG", "WEBP")

WHITE, INK, BALL = (255, 255, 255), (20, 22, 30), (250, 196, 40)

VEIL = 0.55
"""How much a picture is darkened where a text stands on it."""

FADE_IN = 0.15
"""Share of an extension in which it fades from the film before to its own scene."""


class BrokenPicture(ValueError):
    """A picture that cannot be read."""


class Painter:
    """Paints the frames of one film."""

    def __init__(self, size: Size, caption: str, seed: str, first: "Image.Image | None", last: "Image.Image | None") -> None:
        """Prepare what stays: the ground and the caption."""
        from PIL import Image

        self.size, self.first, self.last = size, first, last
        self.has_references = False
        """Whether the ground shows reference images, above which the caption stays."""
        self.before: Image.Image | None = None
        """What the film before ended with: it fades into this one."""
        self.ground = Image.new("RGB", size, _tint(seed))
        self.caption = caption
        self.fixed: Image.Image | None = None
        """The frame without what moves, where it is always the same."""

    def frame(self, share: float, seconds: float) -> "Image.Image":
        """Paint the frame at this share of the film. The given pictures stand alone at its beginning and its end."""
        from PIL import Image

        alone = (share == 0 and self.first) or (share == 1 and self.last)
        if alone:
            return alone
        if self.first is not None and self.last is not None:
            ground = self._captioned(Image.blend(self.first, self.last, share))
        else:
            self.fixed = self.fixed or self._captioned((self.first or self.ground).copy())
            ground = self.fixed.copy()
            if self.before is not None and share < FADE_IN:
                return Image.blend(self.before, ground, share / FADE_IN)
        return self._moving(ground, share, seconds)

    def _captioned(self, ground: "Image.Image") -> "Image.Image":
        width, height = self.size
        bottom = height // 2 if self.has_references else height - height // 4
        box = (width // 16, height // 12, width - width // 16, bottom)
        _write(ground, self.caption, box, on_picture=self.first is not None)
        return ground

    def _moving(self, ground: "Image.Image", share: float, seconds: float) -> "Image.Image":
        from PIL import ImageDraw

        width, height = self.size
        unit = min(self.size)
        radius, middle = unit // 16, height - unit // 7
        draw = ImageDraw.Draw(ground)
        left = round(radius + share * (width - 2 * radius))
        draw.ellipse(
            (left - radius, middle - radius, left + radius, middle + radius), fill=BALL, outline=INK, width=unit // 180
        )
        told = f"{int(seconds // 60)}:{seconds % 60:04.1f}"
        clock_font = font(0, unit // 18)
        place = (width - unit // 24, height - unit // 40)
        draw.text(place, told, font=clock_font, fill=WHITE, anchor="rb", stroke_width=max(unit // 240, 2), stroke_fill=INK)
        return ground


def opened(data: bytes, size: Size) -> "Image.Image":
    """Read a picture and fit it into a frame, cutting what does not fit."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            if picture.width * picture.height > PICTURE_PIXELS_MAX:
                raise BrokenPicture
            picture.draft("RGB", size)
            return ImageOps.fit(picture.convert("RGB"), size, Image.Resampling.BILINEAR)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError, MemoryError) as error:
        raise BrokenPicture from error


def with_references(ground: "Image.Image", references: list["Image.Image"]) -> None:
    """Show the reference images in a row at the bottom."""
    width, height = ground.size
    for number, picture in enumerate(references):
        ground.paste(picture, (width // 16 + number * (picture.width + width // 64), height - height // 4 - picture.height))


def _tint(seed: str) -> tuple[int, int, int]:
    """Choose a dark ground for a film."""
    red, green, blue = hashlib.sha256(seed.encode()).digest()[:3]
    return 30 + red // 3, 30 + green // 3, 40 + blue // 3


def _write(ground: "Image.Image", text: str, box: tuple[int, int, int, int], *, on_picture: bool) -> None:
    """Write a text into a box, as large as it fits; on a picture behind a veil, so that it can be read."""
    from PIL import Image, ImageDraw

    left, top, right, bottom = box
    unit = min(ground.size)
    lettering = fitted(text, right - left, bottom - top, size_max=unit // 9, size_min=unit // 40)
    if not lettering.lines:
        return
    if on_picture:
        half = round(len(lettering.lines) * lettering.size * LINE_HEIGHT / 2) + unit // 40
        middle = (top + bottom) // 2
        veiled = (left, max(middle - half, 0), right, min(middle + half, ground.height))
        part = ground.crop(veiled)
        ground.paste(Image.blend(part, Image.new("RGB", part.size, INK), VEIL), veiled)
    write(ImageDraw.Draw(ground), lettering, box, WHITE)
