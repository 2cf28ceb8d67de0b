"""Subtitles: SRT and WebVTT out of segments.

Source: W3C, WebVTT; SubRip's format as players read it. A cue's text holds no empty line, which would end it, and no arrow,
which would begin another; a cue ends after it begins.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Protocol

CUE_SECONDS_MIN = 0.001
"""Shortest cue: WebVTT wants the end behind the beginning."""

_LINES = re.compile(r"\s*[\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029]\s*")


class Said(Protocol):
    """Something that was said, in seconds from the beginning."""

    @property
    def text(self) -> str:
        """The words."""

    @property
    def start(self) -> float:
        """When it begins."""

    @property
    def end(self) -> float:
        """When it ends."""


def srt(segments: Iterable[Said]) -> str:
    """Write SubRip subtitles."""
    return "".join(
        f"{number}\n{begin.replace('.', ',')} --> {end.replace('.', ',')}\n{text.replace('-->', '->')}\n\n"
        for number, (begin, end, text) in enumerate(_cues(segments), 1)
    )


def vtt(segments: Iterable[Said]) -> str:
    """Write WebVTT."""
    cues = [f"{begin} --> {end}\n{_escaped(text)}\n\n" for begin, end, text in _cues(segments)]
    return "WEBVTT\n\n" + "".join(cues)


def clock(seconds: float) -> str:
    """Write a time as in 00:01:02.345; hours may have more digits."""
    thousandths = round(seconds * 1000)
    minutes, thousandths = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{thousandths // 1000:02}.{thousandths % 1000:03}"


def _cues(segments: Iterable[Said]) -> Iterator[tuple[str, str, str]]:
    for segment in segments:
        text = _LINES.sub("\n", segment.text.strip()).replace("\x00", "")
        if text:
            yield clock(segment.start), clock(max(segment.end, segment.start + CUE_SECONDS_MIN)), text


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
