"""Writing a prompt into a picture: in any script, shaped, from right to left where it runs so, broken into lines.

Fonts are those of the package pymupdf-fonts: FiraGO has Latin, Greek, Cyrillic, Thai, Hebrew, Arabic, Georgian and
Devanagari; Noto has symbols. A character that none of them has (Chinese, most emoji) is written as its name or number in a
small box: nothing of a prompt is left out.
"""

import io
import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from pollux.emulator.limits import LETTERING_CHARS_MAX

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

FONTS = ("figbo", "symbol2", "symbol1", "math")
"""In the order in which a character is looked for."""

BOX = len(FONTS)
"""The number of the font that no character has: the box."""

MEASURE = 100
"""Font size at which widths are measured; they grow with the size."""

LINE_HEIGHT = 1.3

JOINED = frozenset("\u200d\ufe0f\ufe0e")
"""What joins or varies emoji, and shows nothing."""

THAI_LEADING = frozenset("เแโใไ")
"""Vowels that are written before their consonant: no line ends after them."""


THAI_VOWEL = re.compile("[\u0e30-\u0e3a\u0e47-\u0e4b\u0e4d]|\u0e2d[\u0e01-\u0e2e](?![\u0e30-\u0e3a])")
"""What makes a syllable of the consonants before it: a vowel, a tone, or the letter O before a last consonant."""

THAI_PAIR = re.compile("[กขคตทปผพซสศ][รลว]|ห[งญนมยรลว]|อย")
"""Consonants that are spoken together."""

WORD_PIECE = 24
"""Letters after which a line may end inside a word."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a line is not broken in: a word, or a syllable of Thai, or one character of Chinese."""

    text: str
    width: float
    """At the size of MEASURE."""
    space: float
    """Of the white space before it."""


@dataclass(frozen=True, slots=True)
class Lettering:
    """Lines, and the font size at which they fit."""

    lines: tuple[str, ...]
    size: int


def fitted(text: str, width: int, height: int, *, size_max: int, size_min: int) -> Lettering:
    """Break a text into lines at the largest size at which it fits; what is too long even then ends with "…"."""
    text = text.strip()
    cut = len(text) > LETTERING_CHARS_MAX
    paragraphs = [_units(line) for line in text[:LETTERING_CHARS_MAX].splitlines()]
    low, high = size_min, max(size_min, size_max)
    while low < high:
        middle = (low + high + 1) // 2
        if _height(_lines(paragraphs, width, middle), middle) <= height and _widest(paragraphs) * middle / MEASURE <= width:
            low = middle
        else:
            high = middle - 1
    lines = _lines(paragraphs, width, low)
    room = max(1, int(height / (low * LINE_HEIGHT)))
    if len(lines) > room or cut:
        lines = [*lines[: room - 1], lines[min(room, len(lines)) - 1] + "…"] if lines else []
    return Lettering(tuple(lines), low)


def write(draw: "ImageDraw", lettering: Lettering, box: tuple[int, int, int, int], fill: tuple[int, int, int]) -> None:
    """Write the lines centred in a box."""
    left, top, right, bottom = box
    step = lettering.size * LINE_HEIGHT
    y = (top + bottom) / 2 - step * len(lettering.lines) / 2
    for line in lettering.lines:
        segments = _segments(line)
        rtl = is_right_to_left(line)
        widths = [_width(text, number) * lettering.size / MEASURE for text, number in segments]
        x = (left + right) / 2 - sum(widths) / 2
        for (text, number), wide in (
            reversed(list(zip(segments, widths, strict=True))) if rtl else zip(segments, widths, strict=True)
        ):
            if number == BOX:
                _write_boxes(draw, text, x, y, lettering.size, fill)
            else:
                direction = "rtl" if rtl else "ltr"
                draw.text((x, y + step / 2), text, fill, font(number, lettering.size), anchor="lm", direction=direction)
            x += wide
        y += step


def is_right_to_left(text: str) -> bool:
    """Tell by its first letter whether a line runs from right to left."""
    for sign in text:
        kind = unicodedata.bidirectional(sign)
        if kind in ("R", "AL"):
            return True
        if kind == "L":
            return False
    return False


@lru_cache(maxsize=64)
def font(number: int, size: int) -> "FreeTypeFont":
    """Load one of the fonts."""
    from PIL import ImageFont

    return ImageFont.truetype(io.BytesIO(_font_bytes(number)), size)


@cache
def _font_bytes(number: int) -> bytes:
    import pymupdf_fonts  # type: ignore[import-untyped]

    return bytes(pymupdf_fonts.fontbuffers[FONTS[number]]())


@lru_cache(maxsize=4096)
def _font_of(sign: str) -> int:
    """Find the first font that has a character."""
    return next((number for number in range(len(FONTS)) if _has(number, sign)), BOX)


def _has(number: int, sign: str) -> bool:
    from PIL import ImageFont

    plain = ImageFont.truetype(io.BytesIO(_font_bytes(number)), 20, layout_engine=ImageFont.Layout.BASIC)
    return bytes(plain.getmask(sign)) != bytes(plain.getmask("\U0010fffe"))


def _segments(line: str) -> list[tuple[str, int]]:
    """Part a line into stretches of one font each; marks and spaces go with what is before them."""
    found: list[tuple[str, int]] = []
    for sign in line:
        if sign in JOINED or unicodedata.category(sign) in ("Cc", "Cf", "Cs"):
            continue
        joins = unicodedata.combining(sign) or unicodedata.category(sign) == "Mn" or sign == " "
        number = found[-1][1] if found and joins and found[-1][1] != BOX else 0 if sign == " " else _font_of(sign)
        if found and found[-1][1] == number:
            found[-1] = (found[-1][0] + sign, number)
        else:
            found.append((sign, number))
    return found


def _units(line: str) -> list[Unit]:
    units: list[Unit] = []
    for word in line.split():
        for i, piece in enumerate(_pieces(word)):
            width = sum(_width(text, number) for text, number in _segments(piece))
            units.append(Unit(piece, width, _space() if units and i == 0 else 0))
    return units


def _pieces(word: str) -> list[str]:
    """Part a word where a line may be broken: Chinese and emoji anywhere, Thai where a syllable surely begins.

    Thai has no spaces, and its words are known by a dictionary alone.
    """
    pieces: list[str] = []
    for i, sign in enumerate(word):
        begins = not unicodedata.combining(sign) and sign not in JOINED and i > 0 and word[i - 1] not in THAI_LEADING
        if _is_thai(sign):
            breaks = begins and (_begins_syllable(word, i) or len(pieces[-1]) >= WORD_PIECE)
        else:
            breaks = begins and (_font_of(sign) == BOX or len(pieces[-1]) >= WORD_PIECE)
        if not pieces or breaks:
            pieces.append(sign)
        else:
            pieces[-1] += sign
    return pieces


def _is_thai(sign: str) -> bool:
    return "\u0e00" <= sign <= "\u0e7f"


def _begins_syllable(word: str, i: int) -> bool:
    """Tell whether a syllable of Thai surely begins here: a leading vowel, or a consonant or two with a vowel or tone after."""
    sign, before = word[i], word[i - 1 : i + 1]
    if sign in THAI_LEADING:
        return True
    if not "\u0e01" <= sign <= "\u0e2e" or THAI_PAIR.fullmatch(before):
        return False
    if THAI_VOWEL.match(word, i + 1):
        return True
    return THAI_PAIR.fullmatch(sign + word[i + 1 : i + 2]) is not None and THAI_VOWEL.match(word, i + 2) is not None


def _lines(paragraphs: list[list[Unit]], width: int, size: int) -> list[str]:
    lines: list[str] = []
    for units in paragraphs:
        line, used = "", 0.0
        for unit in units:
            wide = unit.width * size / MEASURE
            space = unit.space * size / MEASURE
            if line and used + space + wide > width:
                lines.append(line)
                line, used, space = "", 0.0, 0.0
            line += (" " if unit.space and line else "") + unit.text
            used += space + wide
        lines.append(line)
    return lines


def _height(lines: list[str], size: int) -> float:
    return len(lines) * size * LINE_HEIGHT


def _widest(paragraphs: list[list[Unit]]) -> float:
    return max((unit.width for units in paragraphs for unit in units), default=0)


@lru_cache(maxsize=4096)
def _width(text: str, number: int) -> float:
    """Measure a stretch of one font."""
    if number == BOX:
        return sum(_box_width(sign) for sign in text)
    return float(font(number, MEASURE).getlength(text))


def _space() -> float:
    return _width(" ", 0)


@lru_cache(maxsize=4096)
def _label(sign: str) -> str:
    """Name a character that no font has: an emoji by its name, a Hangul syllable by its sound, a Chinese one by its number."""
    name = unicodedata.name(sign, "").lower()
    if name.startswith("hangul syllable "):
        return name.removeprefix("hangul syllable ")
    if not name or "ideograph" in name:
        return f"{ord(sign):04X}"
    return name[:24]


def _box_width(sign: str) -> float:
    return _width(_label(sign), 0) * 0.4 + MEASURE * 0.3


def _write_boxes(draw: "ImageDraw", text: str, x: float, y: float, size: int, fill: tuple[int, int, int]) -> None:
    for sign in text:
        wide = _box_width(sign) * size / MEASURE
        middle = y + size * LINE_HEIGHT / 2
        edge = (x + size * 0.05, middle - size * 0.4, x + wide - size * 0.05, middle + size * 0.4)
        draw.rounded_rectangle(edge, size * 0.15, outline=fill, width=max(1, size // 24))
        draw.text((x + wide / 2, middle), _label(sign), fill, font(0, max(4, round(size * 0.4))), anchor="mm")
        x += wide
