"""The size of a picture from the beginning of its base64."""

import base64
import io

import PIL.Image
import pytest

from pollux.media.dimensions import dimensions
from tests.media.studio import picture


def encoded(data: bytes) -> str:
    """Give base64."""
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True, "exif": b"Exif\0\0" + bytes(60_000)}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0" + bytes(100)}),
    ],
)
@pytest.mark.parametrize("size", [(1, 1), (64, 48), (3000, 7)])
def test_width_and_height_are_read_from_the_head(kind: str, options: dict[str, object], size: tuple[int, int]) -> None:
    """Of every kind that is told, metadata before it or not."""
    made = io.BytesIO()
    PIL.Image.new("RGB", size, (200, 30, 30)).save(made, kind, **options)

    assert dimensions(encoded(made.getvalue())) == (f"image/{kind.lower()}", size)


@pytest.mark.parametrize("length", [0, 1, 8, 20, 23])
def test_what_is_cut_has_no_size(length: int) -> None:
    """Nor does it raise."""
    assert dimensions(encoded(picture()[:length]))[1] is None


@pytest.mark.parametrize("data", ["", "!!", "AAAA", "/9j/4AAQ", "a"])
def test_what_is_no_picture_has_no_size(data: str) -> None:
    """Whatever it is."""
    assert dimensions(data)[1] is None
