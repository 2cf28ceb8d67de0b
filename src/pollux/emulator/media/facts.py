"""What is known of one medium, and the sentence that tells it."""

from dataclasses import dataclass

from pollux.emulator.media.kinds import Kind
from pollux.emulator.sound_hearing import NOTHING_HEARD, Hearing

SAID_CHARS_MAX = 300
"""Of the words of a sound, as told."""


class Broken(ValueError):
    """Bytes that are not what their label says, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the bytes themselves say. Zero and empty: there is no such thing in them."""

    kind: Kind
    format: str = ""
    """The format as people call it: PNG, WAV, MP4."""
    width: int = 0
    height: int = 0
    colour: str = ""
    """The dominant colour of a picture, or of a film's first frame."""
    seconds: float = 0
    rate: int = 0
    """Samples a second of a sound."""
    channels: int = 0
    loudness: float | None = None
    """In dBFS, root mean square over the part that was heard; None: silence."""
    frames_a_second: float = 0
    sound: bool = False
    """Whether a film has a sound track."""
    hearing: Hearing = NOTHING_HEARD
    """What the emulator understood of a sound: its own speech."""
    pages: int = 0
    page_ratio: float = 0
    """Height by width of a document's first page."""
    words: int = 0
    begins: str = ""
    tokens: int = 0
    """Of a text, counted."""
    fetched: bool = True
    """False: a file behind a foreign URL, of which only the label is known."""


def sentence(facts: Facts) -> str:
    """Tell the facts: "a JPEG image of 48 by 32 pixels, mostly grey"."""
    match facts.kind:
        case "image":
            return f"{_article(facts.format)} {facts.format} image of {facts.width} by {facts.height} pixels{_colour(facts)}"
        case "audio":
            channels = {1: "mono", 2: "stereo"}.get(facts.channels, f"{facts.channels} channels")
            return (
                f"{_article(facts.format)} {facts.format} sound of {_seconds(facts.seconds)}, "
                f"{facts.rate} Hz, {channels}, {_loudness(facts)}{_said(facts.hearing)}"
            )
        case "video":
            sound = f"with sound ({facts.rate} Hz)" if facts.sound else "without sound"
            return (
                f"{_article(facts.format)} {facts.format} video of {_seconds(facts.seconds)}, "
                f"{facts.width} by {facts.height} pixels{_colour(facts)}, "
                f"{plain(facts.frames_a_second)} frames per second, {sound}{_said(facts.hearing)}"
            )
        case "document":
            return f"a PDF of {facts.pages} page{'' if facts.pages == 1 else 's'}"
        case "text":
            return f"a text of {facts.words} word{'' if facts.words == 1 else 's'}"


def plain(number: float) -> str:
    """Write a number with at most two decimals, and none that say nothing."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _seconds(seconds: float) -> str:
    return f"{plain(seconds)} second{'' if plain(seconds) == '1' else 's'}"


def _article(word: str) -> str:
    """Say "an" where the word is spoken with a vowel: an MP4, an AIFF, an Ogg."""
    return "an" if word[:1] in "AEIO" or word.startswith(("MP", "L16", "HEIC", "FLV")) else "a"


def _colour(facts: Facts) -> str:
    return f", mostly {facts.colour}" if facts.colour else ""


def _loudness(facts: Facts) -> str:
    return "silent" if facts.loudness is None else f"loudness {facts.loudness:.1f} dBFS"


def _said(hearing: Hearing) -> str:
    if not hearing.sentences:
        return ""
    text = " ".join(hearing.text.split())
    shown = text if len(text) <= SAID_CHARS_MAX else f"{text[:SAID_CHARS_MAX]}…"
    lost = f", {hearing.unclear} sentences not understood" if hearing.unclear else ""
    return f", in which {hearing.sentences[0].voice} says “{shown}”{lost}"
