"""Video: what is said of one, and pictures of it."""

import pytest

from pollux.errors import UnusableMedia
from pollux.media import images, video
from pollux.media.audio import PcmForm, encode
from tests.media.studio import pixel, tone
from tests.media.studio import video as made


@pytest.mark.parametrize(("container", "codec"), [("mp4", "libx264"), ("webm", "libvpx-vp9"), ("mp4", "libsvtav1")])
def test_a_video_says_what_it_is(container: str, codec: str) -> None:
    """Size, rate, length and sound, of the codecs that are sent and made."""
    found = video.header(made(2.0, container=container, codec=codec))

    assert (found.width, found.height, found.has_sound) == (128, 72, True)
    assert found.seconds == pytest.approx(2.0, abs=0.1)
    assert found.frame_rate == pytest.approx(12, abs=0.6)


def test_the_thumbnail_is_the_first_picture() -> None:
    """Red, in the video's proportions."""
    found = video.thumbnail(made(), 64, "png")

    assert (images.header(found).width, images.header(found).height) == (64, 36)
    assert pixel(found, (30, 20))[0] > 200


def test_a_spritesheet_shows_the_whole_length() -> None:
    """From red in the first place to blue in the last."""
    found = video.spritesheet(made(), columns=3, rows=2, width=32, to="png")

    assert (images.header(found).width, images.header(found).height) == (96, 36)
    assert pixel(found, (10, 10))[0] > 200
    assert pixel(found, (90, 30))[2] > 150


def test_a_sound_is_no_video() -> None:
    """And says so."""
    with pytest.raises(UnusableMedia, match="no video"):
        video.header(encode(tone(0.2), PcmForm(), "mp3"))
