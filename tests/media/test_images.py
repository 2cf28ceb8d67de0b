"""Pictures: headers, conversions, sizes and masks, with real bytes."""

import io
from typing import get_args

import PIL.Image
import pytest

from pollux.errors import UnusableMedia
from pollux.media import images
from tests.media.studio import picture, pixel


@pytest.mark.parametrize(
    ("plugin", "mime_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("GIF", "image/gif"), ("AVIF", "image/avif")],
)
def test_a_header_says_type_and_size(plugin: str, mime_type: str) -> None:
    """Every format that the models give or callers send is known by its bytes."""
    found = images.header(picture(plugin, (64, 48)))

    assert found == images.ImageHeader(mime_type, 64, 48, animated=False)


@pytest.mark.parametrize("source", ["PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP"])
@pytest.mark.parametrize("to", get_args(images.ImageFormat))
def test_every_format_becomes_every_other(source: str, to: images.ImageFormat) -> None:
    """The size stays, and the colour but for what the formats lose."""
    made = images.convert(picture(source, (64, 48), (200, 30, 30)), to)

    assert images.header(made) == images.ImageHeader(f"image/{to}", 64, 48, animated=False)
    assert all(abs(one - other) < 12 for one, other in zip(pixel(made, (30, 20)), (200, 30, 30), strict=True))


def test_a_jpeg_shows_the_background_through_transparent_places() -> None:
    """JPEG has no transparency: white unless another colour is asked for. PNG keeps it."""
    glass = picture("PNG", colour=(255, 0, 0, 0))

    assert pixel(images.convert(glass, "jpeg")) == (255, 255, 255)
    assert pixel(images.convert(glass, "jpeg", background=(0, 0, 255)))[2] > 250
    assert pixel(images.convert(glass, "png"))[3] == 0


def test_less_quality_is_fewer_bytes() -> None:
    """`quality` reaches the encoder."""
    noise = PIL.Image.effect_noise((200, 200), 80)
    encoded = io.BytesIO()
    noise.save(encoded, "PNG")

    assert len(images.convert(encoded.getvalue(), "jpeg", quality=10)) < len(images.convert(encoded.getvalue(), "jpeg")) / 2
    assert len(images.convert(encoded.getvalue(), "webp", quality=10)) < len(images.convert(encoded.getvalue(), "webp")) / 2


@pytest.mark.parametrize(
    ("fit", "size"), [("inside", (40, 30)), ("cover", (40, 40)), ("contain", (40, 40)), ("stretch", (40, 40))]
)
def test_a_picture_gets_a_size_in_one_of_four_ways(fit: images.Fit, size: tuple[int, int]) -> None:
    """A picture of 64 to 48 into a square of 40."""
    made = images.header(images.convert(picture(size=(64, 48)), "png", size=(40, 40), fit=fit))

    assert (made.width, made.height) == size


def test_inside_never_enlarges() -> None:
    """A small picture stays as it is."""
    assert images.header(images.thumbnail(picture(size=(20, 10)), 512)).width == 20


def test_a_turned_picture_is_set_upright_and_its_metadata_are_left_behind() -> None:
    """A camera's JPEG says "turn me"; where it was taken is nobody's business."""
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a secret place"
    turned = picture("JPEG", (64, 48), exif=exif)
    made = images.convert(turned, "jpeg")

    assert (images.header(turned).width, images.header(turned).height) == (48, 64)
    assert (images.header(made).width, images.header(made).height) == (48, 64)
    assert b"secret" in turned
    assert b"secret" not in made


def test_of_an_animated_picture_the_first_frame_is_taken() -> None:
    """A GIF of two frames."""
    first, second = PIL.Image.new("RGB", (20, 20), (255, 0, 0)), PIL.Image.new("RGB", (20, 20), (0, 0, 255))
    encoded = io.BytesIO()
    first.save(encoded, "GIF", save_all=True, append_images=[second], duration=100)

    assert images.header(encoded.getvalue()).animated
    assert pixel(images.convert(encoded.getvalue(), "png")) == (255, 0, 0)


def _mask(size: tuple[int, int] = (40, 40)) -> bytes:
    """Keep the left half."""
    mask = PIL.Image.new("RGBA", size, (0, 0, 0, 0))
    mask.paste((0, 0, 0, 255), (0, 0, size[0] // 2, size[1]))
    encoded = io.BytesIO()
    mask.save(encoded, "PNG")
    return encoded.getvalue()


def test_a_mask_makes_transparent_what_is_to_be_edited() -> None:
    """OpenAI's form of an edit: the transparent places of the mask."""
    made = images.with_mask(picture(size=(40, 40)), _mask())

    assert pixel(made, (5, 20)) == (200, 30, 30, 255)
    assert pixel(made, (35, 20))[3] == 0


def test_an_edit_changes_only_what_the_mask_lets() -> None:
    """The model answers in a size of its own; outside the mask the original stays to the pixel."""
    made = images.compose(picture(size=(40, 40)), picture(size=(80, 80), colour=(0, 0, 255)), _mask())

    assert images.header(made).width == 40
    assert pixel(made, (5, 20))[:3] == (200, 30, 30)
    assert pixel(made, (35, 20))[:3] == (0, 0, 255)


def test_a_mask_of_another_size_is_refused() -> None:
    """As OpenAI does; the message says both sizes."""
    with pytest.raises(UnusableMedia, match="40x40 pixels; it must have those of the picture, 64x48"):
        images.with_mask(picture(size=(64, 48)), _mask())
