"""Sound that carries its text: what the emulator speaks, so that it can hear the words again.

A sound is a row of blocks, one for each sentence, and a block is a row of tones:

    guard tone · length · voice · UTF-8 text · CRC-16 · pause

Seventeen tones, 160 Hz apart, carry four bits each by the step from the tone before, so that two tones in a row are never
the same and the ear finds their borders without a clock: faster, slower or at another rate, the text stays. The
eighteenth tone is the guard. All lie between 640 and 3,360 Hz, which a telephone carries. Below them a soft hum gives each
voice its pitch. A tone is as long as speech needs for what it says: about fifteen characters a second, as recorded
(4.3 seconds for 64 characters).
"""

import binascii
import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

RATE = 24_000
"""Samples a second. Recorded: `audio/L16;codec=pcm;rate=24000`, one channel."""

LOWEST_HZ, STEP_HZ = 640, 160

STEPS = 17
"""Tones that carry data; one more than sixteen, so that the step is never zero."""

GUARD = STEPS
"""The tone that begins a block."""

CHARACTERS_PER_SECOND = 15

GUARD_SECONDS, FRAME_TONE_SECONDS, PAUSE_SECONDS = 0.04, 0.016, 0.22

TONE_SECONDS_MIN, TONE_SECONDS_MAX = 0.016, 0.040
"""Of an unhurried voice: scripts that need three bytes for a character are slower than they were in a mouth."""

SHORTEST_TONE_SECONDS = 0.013
"""At any rate of speaking: a shorter tone could not be told from its neighbours."""

FASTEST, SLOWEST = 4.0, 0.25
"""Rates of speaking."""

BLOCK_BYTES_MAX = 240

FADE_SECONDS = 0.004
"""Each tone begins and ends softly: no clicks."""

CONTINUES = 0x80
"""In the byte of the voice: this block goes on with what the one before said."""

VOICES = (
    "Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe", "Autonoe", "Enceladus", "Iapetus",
    "Umbriel", "Algieba", "Despina", "Erinome", "Algenib", "Rasalgethi", "Laomedeia", "Achernar", "Alnilam", "Schedar",
    "Gacrux", "Pulcherrima", "Achird", "Zubenelgenubi", "Vindemiatrix", "Sadachbia", "Sadaltager", "Sulafat",
)  # fmt: skip
"""The prebuilt voices. Source: gemini-native.md, section 18."""

SENTENCE = re.compile(r".*?(?:[.!?\u2026\u3002\uff01\uff1f\u061f]+[\"'\u201d\u2019\u00bb)\]]*\s+|\n\s*|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one voice says."""

    text: str
    voice: int = 3
    """Its place in VOICES."""
    rate: float = 1.0


def spoken(utterances: list[Utterance]) -> Iterator[bytes]:
    """Speak: 16-bit little-endian samples of one channel, in pieces of one sentence each."""
    for utterance in utterances:
        rate = min(max(utterance.rate, SLOWEST), FASTEST)
        for number, text in enumerate(blocks(utterance.text)):
            yield _block(text, utterance.voice | (CONTINUES if number else 0), rate)


def blocks(text: str) -> list[str]:
    """Cut a text into sentences, and long ones after a word; joined, they are the text."""
    listed: list[str] = []
    for sentence in SENTENCE.findall(text):
        rest = sentence
        while len(rest.encode()) > BLOCK_BYTES_MAX:
            fits = rest.encode()[:BLOCK_BYTES_MAX].decode(errors="ignore")
            cut = fits.rfind(" ") + 1 or len(fits)
            listed.append(rest[:cut])
            rest = rest[cut:]
        listed += [rest] if rest else []
    return listed


def checksum(data: bytes) -> bytes:
    """Make the two bytes that end a block."""
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(2, "big")


def pitch(voice: int) -> int:
    """Say how low a voice hums, in hertz: between 90 and 264, a different one for each."""
    return 90 + 6 * (voice * 7 % len(VOICES))


def _block(text: str, voice: int, rate: float) -> bytes:
    data = text.encode()
    seconds = len(text) / CHARACTERS_PER_SECOND / (2 * len(data))
    length = max(min(max(seconds, TONE_SECONDS_MIN), TONE_SECONDS_MAX) / rate, SHORTEST_TONE_SECONDS)
    hum = pitch(voice & ~CONTINUES)
    head = bytes((len(data), voice))
    pieces = [_tone(GUARD, hum, _samples(GUARD_SECONDS))]
    tone = 0
    for part, tone_seconds in ((head, FRAME_TONE_SECONDS), (data, length), (checksum(head + data), FRAME_TONE_SECONDS)):
        for byte in part:
            for nibble in (byte >> 4, byte & 15):
                tone = (tone + 1 + nibble) % STEPS
                pieces.append(_tone(tone, hum, _samples(tone_seconds)))
    pieces.append(bytes(2 * _samples(PAUSE_SECONDS / rate)))
    return b"".join(pieces)


def _samples(seconds: float) -> int:
    return round(seconds * 1000) * RATE // 1000


@lru_cache(maxsize=4096)
def _tone(tone: int, hum: int, samples: int) -> bytes:
    """Make one tone with the hum below it; the same ones come again and again."""
    high = 2 * math.pi * (LOWEST_HZ + STEP_HZ * tone) / RATE
    low = 2 * math.pi * hum / RATE
    fade = round(FADE_SECONDS * RATE)
    made = array("h", bytes(2 * samples))
    for i in range(samples):
        edge = min(i + 1, samples - i, fade) / fade
        softness = 0.5 - 0.5 * math.cos(math.pi * edge)
        made[i] = round(softness * (8_500 * math.sin(high * i) + 3_000 * math.sin(low * i)))
    return little_endian(made)


def little_endian(samples: "array[int]") -> bytes:
    """Write samples as the wire has them, whatever this machine's order is."""
    if array("H", b"\1\0")[0] != 1:
        samples = array("h", samples)
        samples.byteswap()
    return samples.tobytes()
