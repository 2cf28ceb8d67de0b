"""Sound: every format there and back, whole and as it grows."""

import itertools
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.errors import UnusableMedia
from pollux.media import audio
from pollux.media.audio import PcmForm, SoundEncoder, SoundFormat
from pollux.media.sniff import media_type
from tests.media.studio import hertz_of, tone, video

FRAME_SECONDS = 0.09
"""Two of the longest frames, AAC's of 1024 samples at 24 kHz: an encoder adds one before the first, and fills the last."""


def _samples(data: bytes, to: SoundFormat) -> bytes:
    return data if to == "pcm16" else audio.decode(data)


@pytest.mark.parametrize("to", get_args(SoundFormat))
def test_a_sound_comes_back_as_it_was(to: SoundFormat) -> None:
    """Encoded and decoded, it is as long as before, within a frame, and has its pitch."""
    pcm = tone(1.5)
    back = _samples(audio.encode(pcm, PcmForm(), to), to)

    assert len(back) / 48_000 == pytest.approx(1.5, abs=FRAME_SECONDS)
    assert hertz_of(back) == pytest.approx(440, rel=0.02)


@pytest.mark.parametrize("to", ["wav", "flac", "pcm16"])
def test_a_lossless_format_loses_nothing(to: SoundFormat) -> None:
    """The samples are the same."""
    pcm = tone(0.5)

    assert _samples(audio.encode(pcm, PcmForm(), to), to) == pcm


@pytest.mark.parametrize(
    ("to", "sniffed"),
    [("wav", "audio/wav"), ("mp3", "audio/mp3"), ("flac", "audio/flac"), ("opus", "audio/ogg"), ("aac", "audio/aac")],
)
def test_a_format_is_what_it_says(to: SoundFormat, sniffed: str) -> None:
    """The bytes are of the format that was asked for."""
    assert media_type(audio.encode(tone(0.3), PcmForm(), to)) == sniffed


@pytest.mark.parametrize("to", get_args(SoundFormat))
def test_a_growing_sound_says_the_same_as_a_whole_one(to: SoundFormat) -> None:
    """Pieces of an odd size, even of half samples: joined they sound as the whole; its first bytes come early."""
    pcm = tone(2.0)
    encoder = SoundEncoder(PcmForm(), to)
    pieces = [encoder.feed(pcm[i : i + 4801]) for i in range(0, len(pcm), 4801)]
    joined = b"".join([*pieces, encoder.close()])
    whole, grown = _samples(audio.encode(pcm, PcmForm(), to), to), _samples(joined, to)

    assert len(grown) == pytest.approx(len(whole), abs=FRAME_SECONDS * 48_000)
    assert hertz_of(grown) == pytest.approx(440, rel=0.02)
    assert pieces[0] or pieces[1] or pieces[2]


@given(st.lists(st.integers(0, 3000), max_size=20), st.sampled_from(["pcm16", "wav", "flac"]))
@settings(max_examples=40, deadline=None)
def test_how_the_samples_are_cut_is_of_no_account(cuts: list[int], to: SoundFormat) -> None:
    """A law of the growing sound."""
    pcm = tone(0.1)
    encoder = SoundEncoder(PcmForm(), to)
    bounds = [0, *sorted(cuts), len(pcm)]
    joined = b"".join([*(encoder.feed(pcm[a:b]) for a, b in itertools.pairwise(bounds)), encoder.close()])

    assert _samples(joined, to) == pcm


@pytest.mark.parametrize(
    ("mime_type", "form"),
    [
        ("audio/L16;codec=pcm;rate=24000", PcmForm(24_000, 1)),
        ("audio/l16; rate=16000; channels=2", PcmForm(16_000, 2)),
        ("audio/pcm", PcmForm(24_000, 1)),
        ("audio/wav", None),
        ("audio/l16x", None),
    ],
)
def test_the_form_of_samples_is_in_their_type(mime_type: str, form: PcmForm | None) -> None:
    """As recorded answers say it."""
    assert audio.pcm_form(mime_type) == form


def test_samples_of_an_absurd_rate_are_refused() -> None:
    """A rate of one would make a day of a second."""
    with pytest.raises(UnusableMedia, match="rate=1"):
        audio.pcm_form("audio/L16;rate=1")


@pytest.mark.parametrize("to", ["pcm16", "mp3", "opus", "aac", "flac"])
def test_other_rates_and_channels_are_taken_too(to: SoundFormat) -> None:
    """44.1 kHz in stereo; OpenAI's pcm16 is always 24 kHz and one channel."""
    form = PcmForm(44_100, 2)
    pcm = tone(1.0, form)
    encoder = SoundEncoder(form, to)
    back = _samples(encoder.feed(pcm) + encoder.close(), to)

    assert len(back) / 48_000 == pytest.approx(1.0, abs=FRAME_SECONDS)
    assert hertz_of(back) == pytest.approx(440, rel=0.02)
    assert len(_samples(audio.encode(pcm, form, to), to)) / 48_000 == pytest.approx(1.0, abs=FRAME_SECONDS)


@pytest.mark.parametrize("speed", [0.25, 0.4, 0.5, 1, 1.5, 4])
def test_speed_changes_the_length_and_not_the_pitch(speed: float) -> None:
    """OpenAI's bounds."""
    made = audio.at_speed(tone(2.0), PcmForm(), speed)

    assert len(made) / 48_000 == pytest.approx(2.0 / speed, rel=0.06)
    assert hertz_of(made) == pytest.approx(440, rel=0.03)


@pytest.mark.parametrize("to", ["wav", "mp3", "flac", "opus", "aac"])
def test_a_duration_is_read_without_decoding(to: SoundFormat) -> None:
    """It is that of the samples, within a frame; of a growing file too, whose header does not know it."""
    pcm = tone(1.25)
    encoder = SoundEncoder(PcmForm(), to)
    grown = encoder.feed(pcm) + encoder.close()

    assert audio.duration(audio.encode(pcm, PcmForm(), to)) == pytest.approx(1.25, abs=FRAME_SECONDS)
    assert audio.duration(grown) == pytest.approx(1.25, abs=FRAME_SECONDS)


def test_the_sound_of_a_video_is_heard() -> None:
    """Of MP4 and WebM."""
    assert hertz_of(audio.decode(video(), 16_000), 16_000) == pytest.approx(440, rel=0.02)
    assert hertz_of(audio.decode(video(container="webm", codec="libvpx-vp9"))) == pytest.approx(440, rel=0.02)


def test_no_sound_is_said_so() -> None:
    """A silent video, and a sound without samples."""
    with pytest.raises(UnusableMedia, match="no sound"):
        audio.decode(video(sound=False))
    with pytest.raises(UnusableMedia, match="no sound"):
        audio.decode(audio.wav(b"", PcmForm()))


def test_a_longer_sound_than_allowed_is_refused() -> None:
    """It is counted while decoding: headers lie."""
    with pytest.raises(UnusableMedia, match="longer than 1 seconds"):
        audio.decode(audio.encode(tone(2), PcmForm(), "mp3"), seconds_max=1.0)
