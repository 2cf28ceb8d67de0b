"""Hear the text in a sound that the emulator has spoken (see `sound`), whatever lossless way it took; most often after mp3.

    samples at 8 kHz → frames of 6 ms, each with its strongest tone or none → runs of one tone → blocks → text

A frame is compared with the tone before it first: most frames go on with it, which makes hearing cheap. A run needs two
frames, so that the border between two tones is not taken for a third. A block whose checksum is wrong is left out and counted.
"""

import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import add, mul, sub

from pollux.emulator.sound import CONTINUES, GUARD, LOWEST_HZ, STEP_HZ, STEPS, VOICES, checksum

EAR_RATE = 8_000
"""Samples a second while hearing: all tones lie below 4 kHz."""

FRAME = EAR_RATE // STEP_HZ
"""Samples of a frame, 50: each tone swings a whole number of times in it, so that no other tone disturbs it."""

HOP = 32
"""Samples from one frame to the next: four milliseconds, a quarter of the shortest tone."""

SHARE = 0.55
"""Of a frame's energy that one tone must have to be heard as a tone."""

QUIET = 30.0
"""Amplitude below which a frame is silence, of 32,767."""

SECONDS_WITHOUT_TEXT_MAX = 60.0
"""When so much was looked at and nothing heard, there is no text, and the rest is not looked at."""

HALF = FRAME // 2

COSINES, SINES = (
    [[turn(2 * math.pi * (LOWEST_HZ // STEP_HZ + tone) * i / FRAME) for i in range(1, HALF)] for tone in range(STEPS + 1)]
    for turn in (math.cos, math.sin)
)
"""One half of each tone; the other half is its mirror image, so a frame is folded in the middle."""

SILENT = -1


@dataclass(frozen=True, slots=True)
class Word:
    """A word and when it was said, in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Sentence:
    """One block that was heard."""

    text: str
    voice: str
    goes_on: bool
    """Whether it continues what the one before said, in the same turn."""
    start: float
    end: float
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Hearing:
    """What was heard."""

    sentences: list[Sentence] = field(default_factory=list)
    unclear: int = 0
    """Blocks that could not be understood."""

    @property
    def text(self) -> str:
        """Join what was said; a new turn begins a new line."""
        joined = ""
        for sentence in self.sentences:
            joined += ("\n" if joined and not joined.endswith("\n") and not sentence.goes_on else "") + sentence.text
        return joined


NOTHING_HEARD = Hearing()


@dataclass(slots=True)
class _Block:
    """A block that is being heard."""

    begin: float
    nibbles: list[int] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    last: int = 0

    def add(self, tone: int, end: float) -> None:
        self.nibbles.append((tone - self.last - 1) % STEPS)
        self.ends.append(end)
        self.last = tone

    @property
    def complete(self) -> bool:
        return len(self.nibbles) >= 2 and len(self.nibbles) >= 2 * (self.byte(0) + 4)

    def byte(self, number: int) -> int:
        return self.nibbles[2 * number] << 4 | self.nibbles[2 * number + 1]


def hear(samples: "array[int]") -> Hearing:
    """Hear the text in samples at EAR_RATE; a sound without any gives an empty hearing."""
    sentences: list[Sentence] = []
    unclear = 0
    block: _Block | None = None
    for tone, start, end in _runs(samples):
        if not sentences and start > SECONDS_WITHOUT_TEXT_MAX:
            break
        if tone == GUARD:
            unclear += block is not None
            block = _Block(start)
        elif block is not None:
            block.add(tone, end)
            if block.complete:
                sentence = _sentence(block)
                unclear += sentence is None
                sentences += [sentence] if sentence else []
                block = None
    unclear += block is not None
    return Hearing(sentences, unclear if sentences else 0)


def _runs(samples: "array[int]") -> Iterator[tuple[int, float, float]]:
    """Find the tones one after the other, with their times in seconds."""
    run: list[int] = []  # tone, first frame, last frame
    candidate, since = SILENT, 0
    for start in range(0, len(samples) - FRAME + 1, HOP):
        tone = _tone(samples[start : start + FRAME], run[0] if run else SILENT)
        if run and tone == run[0]:
            run[2] = start
            candidate = SILENT
        elif tone != SILENT and tone == candidate:
            if run:
                yield run[0], run[1] / EAR_RATE, (run[2] + FRAME) / EAR_RATE
            run, candidate = [tone, since, start], SILENT
        else:
            candidate, since = tone, start
    if run:
        yield run[0], run[1] / EAR_RATE, (run[2] + FRAME) / EAR_RATE


def _tone(frame: "array[int]", before: int) -> int:
    """Find the one tone that a frame has, or SILENT: it is quiet, noise, or several tones."""
    energy = sum(map(mul, frame, frame))
    if energy < QUIET * QUIET * HALF:
        return SILENT
    needed = SHARE * energy * HALF
    mirrored = frame[:HALF:-1]
    even, odd = list(map(add, frame[1:HALF], mirrored)), list(map(sub, frame[1:HALF], mirrored))
    ends = frame[0], frame[HALF]

    def strength(tone: int) -> float:
        middle = -ends[1] if (LOWEST_HZ // STEP_HZ + tone) % 2 else ends[1]
        return float((sum(map(mul, COSINES[tone], even)) + ends[0] + middle) ** 2 + sum(map(mul, SINES[tone], odd)) ** 2)

    if before != SILENT and strength(before) >= needed:
        return before
    strengths = [strength(tone) for tone in range(STEPS + 1)]
    strongest = max(strengths)
    return strengths.index(strongest) if strongest >= needed else SILENT


def _sentence(block: _Block) -> Sentence | None:
    """Read a whole block, if its checksum is right."""
    if max(block.nibbles) > 15:
        return None
    whole = bytes(block.byte(number) for number in range(len(block.nibbles) // 2))
    head, data, check = whole[:2], whole[2:-2], whole[-2:]
    voice = head[1] & ~CONTINUES
    if check != checksum(head + data) or voice >= len(VOICES):
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    ends = [block.ends[2 * number + 1] for number in range(len(whole))]
    return Sentence(text, VOICES[voice], bool(head[1] & CONTINUES), block.begin, ends[-1], tuple(_words(text, ends[1:])))


def _words(text: str, ends: list[float]) -> Iterator[Word]:
    """Say when each word was said; `ends[n]` is when the byte before number n ended."""
    position = 0
    for piece in re.findall(r"\s+|\S+", text):
        length = len(piece.encode())
        if not piece.isspace():
            yield Word(piece, ends[position], ends[position + length])
        position += length
