"""Hearing: what the emulator understands of sounds, and what it does not claim to."""

import random
from array import array
from itertools import pairwise

import pytest

from pollux.emulator.sound import RATE, Utterance, blocks, little_endian, spoken
from pollux.emulator.sound_files import heard, listen
from tests.emulator.sounding import EN, LONG, THAI, encoded, samples_of

L16 = "audio/L16;codec=pcm;rate=24000"


def said(text: str, rate: float = 1) -> bytes:
    return b"".join(spoken([Utterance(text, rate=rate)]))


def noise(amplitude: int, seconds: float = 2) -> bytes:
    draw = random.Random(7)
    return little_endian(array("h", (draw.randint(-amplitude, amplitude) for _ in range(int(seconds * RATE)))))


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (b"", "audio/wav"),
        (b"\0", L16),
        (b"no sound at all", "audio/wav"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
        (b"fLaC" + bytes(100), "audio/flac"),
        (b"ID3" + bytes(2000), "audio/mpeg"),
        (b"\0\0\0\x18ftypM4A " + bytes(200), "audio/mp4"),
        (b"#EXTM3U\nfile:///etc/hostname\n", "audio/mpegurl"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "audio/wav"),
        (bytes(48_000), L16),
        (noise(20_000), L16),
    ],
)
def test_what_says_nothing_is_not_understood(data: bytes, mime_type: str) -> None:
    """Broken files, playlists, silence and noise."""
    assert heard(data, mime_type) is None


def test_a_cut_sound_gives_its_whole_sentences() -> None:
    """And the file may be cut, too."""
    text = "The first sentence. The second one. The third one is cut."
    wav = encoded(said(text), "pcm_s16le", "wav")

    assert heard(wav[: len(wav) - 30_000], "audio/wav") == "The first sentence. The second one. "


def test_a_disturbed_sentence_is_left_out_and_counted() -> None:
    """Half a second of noise in the second of three sentences."""
    first, second, third = spoken([Utterance("One is here. Two is disturbed. Three is here.")])
    middle = len(second) // 4 * 2
    sound = first + second[:middle] + noise(20_000, 0.25) + second[middle + RATE // 2 :] + third
    hearing = listen(sound, L16)

    assert hearing.text == "One is here. Three is here."
    assert hearing.unclear == 1


def test_faint_noise_loudness_and_silence_around_do_not_disturb() -> None:
    """A quarter of the loudness, in noise at a twentieth of it."""
    faint = array(
        "h", (sample // 4 + extra for sample, extra in zip(samples_of(said(EN)), samples_of(noise(110, 9)), strict=False))
    )

    assert heard(bytes(RATE) + little_endian(faint) + bytes(RATE), L16) == EN


def test_another_speed_is_understood() -> None:
    """As a player's double speed without the change of pitch would give: tones are told by their steps, not by a clock."""
    assert heard(said(EN, rate=2), L16) == heard(said(EN, rate=0.5), L16) == EN


def test_words_have_their_times() -> None:
    """In order, within the sound, each as long as its letters."""
    words = [word for sentence in listen(said(EN), L16).sentences for word in sentence.words]

    assert " ".join(word.text for word in words) == EN
    assert all(before.end <= after.start for before, after in pairwise(words))
    assert words[-1].end < len(said(EN)) / 2 / RATE
    assert words[4].end - words[4].start > 2 * (words[1].end - words[1].start)


def test_blocks_are_the_text() -> None:
    """Sentences; a long one is cut after a word, never inside a character."""
    for text in (EN, LONG, THAI * 30, "a" * 1000, "", "\n\n", "No end", "One. Two! Three?\nFour…"):
        assert "".join(blocks(text)) == text
        assert all(0 < len(block.encode()) <= 240 for block in blocks(text))
    assert blocks("One. Two! Three?\nFour") == ["One. ", "Two! ", "Three?\n", "Four"]
