"""Pictures: what one is, and one form of it into another.

A picture's size comes from its header, before a pixel is decoded. Only the plugin that belongs to the magic bytes is tried.
Turned pictures are set upright, and everything that is not pixels (places, cameras, comments) is left behind.
"""

import io
import struct
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from pollux.errors import UnusableMedia
from pollux.media.limits import PIXELS_MAX, SIDE_MAX, too_large
from pollux.media.sniff import HEAD_BYTES, media_type

if TYPE_CHECKING:
    import PIL.Image

ImageFormat = Literal["png", "jpeg", "webp"]

Fit = Literal["inside", "cover", "contain", "stretch"]
"""How a picture gets a size: scaled down to fit into it; scaled and cut to fill it; scaled, with margins; pulled."""

WHITE = (255, 255, 255)

QUALITY = 90
"""Of JPEG and WebP where none is asked for."""

PLUGINS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
}
"""Pillow's plugin for each type. HEIC and HEIF have none; the models read them themselves."""


class ImageHeader(Struct, frozen=True):
    """What a picture says of itself; `width` and `height` as it is shown, set upright."""

    mime_type: str
    width: int
    height: int
    animated: bool


def header(data: bytes) -> ImageHeader:
    """Read a picture's header; no pixel is decoded.

    Raises UnusableMedia when it is no picture, or has more pixels than are ever decoded.
    """
    with _opened(data) as (image, mime_type):
        width, height = image.size
        if _is_turned(image):
            width, height = height, width
        return ImageHeader(mime_type, width, height, bool(getattr(image, "is_animated", False)))


def convert(
    data: bytes,
    to: ImageFormat,
    *,
    quality: int | None = None,
    background: tuple[int, int, int] = WHITE,
    size: tuple[int, int] | None = None,
    fit: Fit = "inside",
) -> bytes:
    """Give a picture in another format or size: upright, without metadata, of an animated one the first frame.

    `quality` is 0 to 100: of JPEG and WebP the quality of the picture; of PNG, which loses nothing, it is of no account.
    `background` is what shows through transparent places where the format has no transparency (JPEG), and the margins of
    `contain`. `size` and `fit` as `Fit` says; "inside" never enlarges.
    """
    with _opened(data) as (image, _):
        if size is not None:
            _check_size(*size)
            image.draft("RGB", size)  # a JPEG is decoded no larger than needed
        return _encoded(_sized(_upright(image), size, fit, background), to, quality, background)


class Still(Struct, frozen=True):
    """A picture as PNG in base64; `more` says whether there were others behind it: frames, pages."""

    data: bytes
    more: bool


def still(data: bytes) -> Still:
    """Give the first picture of what is in base64, for models that do not take its format."""
    with _opened(a2b_base64(data)) as (image, _):
        more = bool(getattr(image, "is_animated", False))
        return Still(b64encode(_encoded(_upright(image), "png", None, WHITE)), more)


def redrawn(data: str, to: ImageFormat, *, quality: int | None = None) -> str:
    """Convert a picture in base64 into base64: a large one is neither decoded nor encoded beside the event loop."""
    return b64encode(convert(a2b_base64(data), to, quality=quality)).decode("ascii")


def masked(picture: bytes, mask: bytes) -> bytes:
    """Do `with_mask` for base64, and give base64."""
    return b64encode(with_mask(a2b_base64(picture), a2b_base64(mask)))


def recomposed(original: bytes, edited: str, mask: bytes, to: ImageFormat = "png", *, quality: int | None = None) -> str:
    """Do `compose` for base64, and give base64."""
    return b64encode(compose(a2b_base64(original), a2b_base64(edited), a2b_base64(mask), to, quality=quality)).decode("ascii")


def thumbnail(data: bytes, side_max: int = 512, to: ImageFormat = "webp") -> bytes:
    """Give a small form of a picture, neither side longer than `side_max`."""
    return convert(data, to, size=(side_max, side_max), quality=80)


def with_mask(data: bytes, mask: bytes) -> bytes:
    """Give the picture as PNG with the mask's transparent places transparent: those are to be edited.

    A mask of another size is refused, as OpenAI does. A mask without transparency means its black places.
    Source: OpenAI API, Create image edit, mask.
    """
    with _opened(data) as (image, _), _opened(mask) as (masking, _):
        picture = _upright(image).convert("RGBA")
        picture.putalpha(_kept(masking, picture.size))
        return _encoded(picture, "png", None, WHITE)


def compose(original: bytes, edited: bytes, mask: bytes, to: ImageFormat = "png", *, quality: int | None = None) -> bytes:
    """Give the edited picture where the mask is transparent, and the original everywhere else.

    The edited picture is first given the original's size, since models answer in sizes of their own.
    """
    import PIL.Image

    with _opened(original) as (first, _), _opened(edited) as (second, _), _opened(mask) as (masking, _):
        before = _upright(first).convert("RGBA")
        after = _sized(_upright(second), before.size, "cover", WHITE).convert("RGBA")
        return _encoded(PIL.Image.composite(before, after, _kept(masking, before.size)), to, quality, WHITE)


def _kept(mask: "PIL.Image.Image", size: tuple[int, int]) -> "PIL.Image.Image":
    """Give the places that a mask keeps."""
    upright = _upright(mask)
    if upright.size != size:
        raise UnusableMedia(
            f"The mask has {upright.width}x{upright.height} pixels; it must have those of the picture, {size[0]}x{size[1]}."
        )
    return upright.convert("RGBA").getchannel("A") if _is_transparent(upright) else upright.convert("L")


@contextmanager
def _opened(data: bytes) -> "Iterator[tuple[PIL.Image.Image, str]]":
    """Open a picture, its pixels not decoded yet; gives it with its MIME type.

    Raises UnusableMedia, also from within the block, for whatever the library says of the bytes.
    """
    import PIL.Image  # large: loaded with the first picture

    mime_type = media_type(data[:HEAD_BYTES]) or ""
    plugin = PLUGINS.get(mime_type)
    if plugin is None:
        raise UnusableMedia(
            f"Pictures can be worked on as {', '.join(PLUGINS.values())}; this is {mime_type or 'none of them'}."
        )
    try:
        with PIL.Image.open(io.BytesIO(data), formats=(plugin,)) as image:
            _check_size(*image.size)
            yield image, mime_type
    except PIL.Image.DecompressionBombError:
        raise too_large(f"The picture has more than {PIXELS_MAX:,} pixels.") from None
    except UnusableMedia:
        raise
    except _FAULTS:
        raise UnusableMedia("The picture is damaged.") from None


_FAULTS = (
    OSError,
    ValueError,
    SyntaxError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    struct.error,
)
"""What the library raises for damaged pictures: its plugins read headers without much care."""


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise UnusableMedia("The picture has no pixels.")
    if width * height > PIXELS_MAX or max(width, height) > SIDE_MAX:
        raise too_large(f"The picture has {width}x{height} pixels; {PIXELS_MAX:,} and sides of {SIDE_MAX:,} are the limit.")


_ORIENTATION = 0x0112
_TURNED = {5, 6, 7, 8}


def _is_turned(image: "PIL.Image.Image") -> bool:
    return image.getexif().get(_ORIENTATION) in _TURNED


def _upright(image: "PIL.Image.Image") -> "PIL.Image.Image":
    """Decode a picture, turned as its EXIF says, in a plain colour model, without metadata."""
    from PIL import ImageOps

    image.load()
    upright = ImageOps.exif_transpose(image)
    plain = upright.convert("RGBA" if _is_transparent(upright) else "RGB")
    plain.info = {}
    return plain


def _is_transparent(image: "PIL.Image.Image") -> bool:
    return image.has_transparency_data


def _sized(
    image: "PIL.Image.Image", size: tuple[int, int] | None, fit: Fit, background: tuple[int, int, int]
) -> "PIL.Image.Image":
    from PIL import Image, ImageOps

    if size is None or image.size == size:
        return image
    match fit:
        case "inside":
            smaller = image.copy()
            smaller.thumbnail(size, Image.Resampling.LANCZOS)
            return smaller
        case "cover":
            return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
        case "contain":
            return ImageOps.pad(image, size, Image.Resampling.LANCZOS, color=(*background, 255)[: len(image.getbands())])
        case "stretch":
            return image.resize(size, Image.Resampling.LANCZOS)


def _encoded(image: "PIL.Image.Image", to: ImageFormat, quality: int | None, background: tuple[int, int, int]) -> bytes:
    import PIL.Image

    if to == "jpeg" and image.mode == "RGBA":
        flat = PIL.Image.new("RGB", image.size, background)
        flat.paste(image, mask=image.getchannel("A"))
        image = flat
    encoded = io.BytesIO()
    match to:
        case "png":
            image.save(encoded, "PNG")
        case "jpeg":
            image.save(encoded, "JPEG", quality=min(QUALITY if quality is None else quality, 95), progressive=False)
        case "webp":
            image.save(encoded, "WEBP", quality=QUALITY if quality is None else quality)
    return encoded.getvalue()
