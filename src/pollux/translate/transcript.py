"""The answer to a transcription: events → text, words, segments → OpenAI's forms.

A transcription model says the text, and beside it the words of each turn with their times. Segments are cut from these: at the
end of a sentence or a line, at a pause, where another speaks, and before one gets too long to read. Their texts are pieces of
the text itself, so joined they are the text. A model that was asked gives segments as JSON.

Times never run backwards, whatever the model says.
"""

import itertools
import math
import re
import string
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct

from pollux.errors import InvalidRequest, UpstreamFailed
from pollux.translate import languages, subtitles
from pollux.translate.endings import FINISH_REASON, PROMPT_BLOCKED
from pollux.translate.events import Blocked, Event, Extra, Finish, Text, Transcribed, Usage
from pollux.translate.notes import Note
from pollux.translate.transcription import TranscriptionRequest
from pollux.translate.usage import add
from pollux.wire.openai import audio as wire

AUDIO_TOKENS_PER_SECOND: Final = 32
"""Source: Gemini API, Audio understanding."""

PAUSE_SECONDS: Final = 1.0
SEGMENT_SECONDS_MAX: Final = 7.0
SEGMENT_CHARACTERS_MAX: Final = 84
"""Where a segment ends: at a pause, and before it is longer than two lines of subtitles, which are read in seven seconds."""

_SENTENCE_ENDS: Final = re.compile(r"[.!?\u2026\u3002\uff01\uff1f\u061f\u0964][\"'\u201d\u2019\u00bb)\]]*$")
_NO_SPACES: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uff00-\uff60]")
"""Scripts that are written without spaces between words."""

_CLOCK: Final = re.compile(r"\s*(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,6}(?:[.,]\d{1,9})?)\s*s?\s*")

CUT_CLOSINGS: Final = ("", "]}", "]}]}")
"""What may be missing at the end of JSON that was cut, behind its last whole object."""


class Word(Struct, frozen=True):
    """A word that was said, in seconds from the beginning."""

    text: str
    start: float
    end: float


class Segment(Struct, frozen=True):
    """Some words that belong together."""

    text: str
    start: float
    end: float
    speaker: str = ""


class Transcript(Struct, frozen=True):
    """All that was heard."""

    text: str
    segments: list[Segment]
    words: list[Word]
    language: str
    duration: float
    usage: Usage | None
    avg_logprob: float


class _SaidWord(Struct):
    word: str = ""
    start: Any = None
    end: Any = None


class _SaidSegment(Struct):
    text: str = ""
    start: Any = None
    end: Any = None
    speaker: str | None = None
    words: list[_SaidWord] | None = None


class _Said(Struct):
    segments: list[_SaidSegment] = []
    language: str | None = None


class Heard:
    """The answer as it comes. `feed` gives the text to be told at once, `transcript` what is known at the end."""

    __slots__ = ("_avg_logprob", "_feedback", "_in_json", "_pieces", "_reason", "_request", "_turns", "usage")

    def __init__(self, request: TranscriptionRequest, *, in_json: bool) -> None:
        self.usage: Usage | None = None
        self._request = request
        self._in_json = in_json
        self._pieces: list[str] = []
        self._turns: list[dict[str, Any]] = []
        self._reason = "none"
        self._feedback: dict[str, Any] | None = None
        self._avg_logprob = 0.0

    def feed(self, event: Event) -> str:
        """Take an event in; give the piece of text that it brings."""
        match event:
            case Text():
                self._pieces.append(event.text)
                return "" if self._in_json else event.text
            case Transcribed():
                self._turns.append(event.turn)
            case Finish():
                self._reason = event.reason
            case Blocked():
                self._reason, self._feedback = PROMPT_BLOCKED, event.feedback
            case Extra(name="avg_logprobs", value=float() as value) if math.isfinite(value):
                self._avg_logprob = value
            case Usage():
                self.usage = event if self.usage is None else add(self.usage, event)
        return ""

    def transcript(self, seconds: float, notes: list[Note]) -> Transcript:
        """Give all that was heard; `seconds` is how long the sound is, 0 where nobody knows.

        Raises InvalidRequest where a filter ended it before a word, UpstreamFailed where it cannot be read.
        """
        filtered = FINISH_REASON.get(self._reason) == "content_filter"
        if filtered and not self._pieces:
            native = {"finish_reason": self._reason} if self._feedback is None else {"prompt_feedback": self._feedback}
            raise InvalidRequest(
                f"Gemini does not write this down: a filter stopped it ({self._reason}).",
                param="file",
                code="content_policy_violation",
                native=native,
            )
        if filtered or self._reason == "MAX_TOKENS":
            why = f"a filter ended it ({self._reason})" if filtered else "the model's limit of tokens ended it"
            notes.append(Note("file", "mismatch", f"the transcript is not whole: {why}"))
        text = "".join(self._pieces)
        language = next(iter(self._request.languages), "")
        if self._in_json:
            said = _said(text, cut=self._reason != "STOP")
            segments, words = _of_json(said)
            text = joined(segment.text for segment in segments)
            language = language or said.language or ""
        else:
            text = text.strip()
            segments, words, text = _of_turns(self._turns, text)
        end = max((segment.end for segment in segments), default=0.0)
        duration = seconds or self._seconds_by_tokens() or end
        if text and not segments:
            segments = [Segment(text, 0.0, duration)]
        return Transcript(
            text,
            _with_letters(segments, self._request.speakers),
            words,
            "english" if self._request.task == "translate" else languages.name(language),
            round(duration, 3),
            self.usage,
            self._avg_logprob,
        )

    def _seconds_by_tokens(self) -> float:
        tokens = self.usage.prompt_by_modality.get("AUDIO", 0) if self.usage is not None else 0
        return tokens / AUDIO_TOKENS_PER_SECOND


Answer = wire.Transcription | wire.VerboseTranscription | wire.DiarizedTranscription | str


def answer(heard: Transcript, request: TranscriptionRequest) -> Answer:
    """Give the whole answer: an object, or a text."""
    match request.response_format:
        case "json":
            return wire.Transcription(heard.text, tokens(heard.usage))
        case "text":
            return heard.text + "\n"
        case "srt":
            return subtitles.srt(heard.segments)
        case "vtt":
            return subtitles.vtt(heard.segments)
        case "diarized_json":
            segments = list(diarized(heard))
            return wire.DiarizedTranscription("transcribe", heard.duration, heard.text, segments, tokens(heard.usage))
        case "verbose_json":
            wanted = request.granularities or ["segment"]
            return wire.VerboseTranscription(
                task=request.task,
                language=heard.language,
                duration=heard.duration,
                text=heard.text,
                segments=list(_verbose(heard, request.temperature or 0.0)) if "segment" in wanted else UNSET,
                words=[wire.Word(word.text, word.start, word.end) for word in heard.words] if "word" in wanted else UNSET,
                usage=wire.DurationUsage(math.ceil(heard.duration)),
            )


def tokens(usage: Usage | None) -> wire.TokensUsage:
    """Say the tokens in OpenAI's form: those of the sound, and those of texts."""
    if usage is None:
        return wire.TokensUsage(0, 0, 0, wire.InputTokenDetails(0, 0))
    sound = min(usage.prompt, usage.prompt_by_modality.get("AUDIO", 0))
    details = wire.InputTokenDetails(audio_tokens=sound, text_tokens=usage.prompt - sound)
    return wire.TokensUsage(usage.prompt, usage.completion, usage.prompt + usage.completion, details)


def diarized(heard: Transcript) -> Iterator[wire.DiarizedSegment]:
    """Give the segments with their speakers, under ids in their order."""
    for number, one in enumerate(heard.segments):
        yield wire.DiarizedSegment(f"seg_{number:03}", one.start, one.end, one.text.strip(), one.speaker or "A")


def _verbose(heard: Transcript, temperature: float) -> Iterator[wire.Segment]:
    """Give the segments of `verbose_json`. Loses: nothing that Gemini says; token ids and probabilities are Whisper's own."""
    for number, one in enumerate(heard.segments):
        data = one.text.encode()
        yield wire.Segment(
            id=number,
            seek=round(one.start * 100),
            start=one.start,
            end=one.end,
            text=one.text,
            tokens=[],
            temperature=temperature,
            avg_logprob=heard.avg_logprob,
            compression_ratio=round(len(data) / len(zlib.compress(data)), 4),
            no_speech_prob=0.0,
        )


def joined(texts: Iterable[str]) -> str:
    """Join texts with spaces, where their script has them."""
    pieces: list[str] = []
    for text in filter(None, texts):
        if pieces and not (_NO_SPACES.match(pieces[-1][-1]) and _NO_SPACES.match(text)):
            pieces.append(" ")
        pieces.append(text)
    return "".join(pieces)


def seconds_of(value: Any) -> float | None:
    """Read a time: seconds, as in 1.25 or "1.250s", or a clock's, as in "01:02.345"."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if 0 <= value < 1e6 else None
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds.replace(",", "."))


def _said(text: str, *, cut: bool) -> _Said:
    """Read the JSON that was asked for; of what was cut, as much as is whole."""
    ends = CUT_CLOSINGS if cut else CUT_CLOSINGS[:1]
    whole = text[: text.rfind("}") + 1] if cut else text
    for closing in ends:
        try:
            return msgspec.json.decode(whole + closing, type=_Said)
        except msgspec.DecodeError:
            continue
    if not text.strip():
        return _Said()
    raise UpstreamFailed("The model did not give its transcript in the form it was asked for.", code="upstream_malformed")


def _of_json(said: _Said) -> tuple[list[Segment], list[Word]]:
    segments: list[Segment] = []
    words: list[Word] = []
    clock = _Clock()
    word_clock = _Clock()
    for one in said.segments:
        if one.text.strip():
            start, end = clock.next(seconds_of(one.start), seconds_of(one.end))
            segments.append(Segment(one.text.strip(), start, end, one.speaker or ""))
        words += [
            Word(word.word.strip(), *word_clock.next(seconds_of(word.start), seconds_of(word.end))) for word in one.words or ()
        ]
    return segments, words


def _of_turns(turns: list[dict[str, Any]], text: str) -> tuple[list[Segment], list[Word], str]:
    """Cut turns into segments, whose texts are pieces of the text; without a text, the words make one."""
    clock = _Clock()
    spoken: list[tuple[str, Word]] = []
    for turn in turns:
        words_of_turn = turn.get("words")
        for word in words_of_turn if isinstance(words_of_turn, list) else ():
            said = word.get("word") if isinstance(word, dict) else None
            if isinstance(said, str) and said.strip():
                times = clock.next(seconds_of(word.get("startOffset", "0s")), seconds_of(word.get("endOffset")))
                spoken.append((str(turn.get("speakerLabel") or ""), Word(said.strip(), *times)))
    words = [word for _, word in spoken]
    begins = _places(text, words)
    if begins is None:
        text = joined(word.text for word in words)
        begins = _places(text, words) or []
    ends = [begin + len(word.text) for begin, word in zip(begins, words, strict=True)]
    lines = {i for i in range(1, len(words)) if "\n" in text[ends[i - 1] : begins[i]]}
    groups = list(_groups(spoken, lines))
    segments: list[Segment] = []
    at = place = 0
    for number, (speaker, group) in enumerate(groups):
        at += len(group)
        last = number + 1 == len(groups)
        until = len(text) if last else ends[at - 1]
        segments.append(Segment(text[place:until], group[0].start, group[-1].end, speaker))
        place = until
    return segments, words, text


def _places(text: str, words: list[Word]) -> list[int] | None:
    """Find the words in the text, one after the other; None where one is not there."""
    places: list[int] = []
    at = 0
    for word in words:
        at = text.find(word.text, at)
        if at < 0:
            return None
        places.append(at)
        at += len(word.text)
    return places


def _groups(spoken: list[tuple[str, Word]], lines: set[int]) -> Iterator[tuple[str, list[Word]]]:
    """Part the words into segments; `lines` are the places of words that begin a line of the text."""
    speaker, group = "", list[Word]()
    for place, (label, word) in enumerate(spoken):
        if group and (label != speaker or place in lines or _ends_before(group, word)):
            yield speaker, group
            group = []
        speaker = label
        group.append(word)
    if group:
        yield speaker, group


def _ends_before(group: Sequence[Word], word: Word) -> bool:
    characters = sum(len(one.text) + 1 for one in group) + len(word.text)
    return (
        _SENTENCE_ENDS.search(group[-1].text) is not None
        or word.start - group[-1].end >= PAUSE_SECONDS
        or word.end - group[0].start > SEGMENT_SECONDS_MAX
        or characters > SEGMENT_CHARACTERS_MAX
    )


class _Clock:
    """Times that do not run backwards."""

    def __init__(self) -> None:
        self._start = self._end = 0.0

    def next(self, start: float | None, end: float | None) -> tuple[float, float]:
        """Give the next times: none begins before the one before it; a missing one is where that ended."""
        self._start = max(self._start, self._end if start is None else start)
        self._end = max(self._start, self._start if end is None else end)
        return round(self._start, 3), round(self._end, 3)


def _with_letters(segments: list[Segment], known: list[str]) -> list[Segment]:
    """Name the speakers A, B, C in the order in which they speak; known ones by their names."""
    letters = _letters()
    names = {name: name for name in known}
    for segment in segments:
        if segment.speaker and segment.speaker not in names:
            names[segment.speaker] = next(letters)
    return [msgspec.structs.replace(one, speaker=names.get(one.speaker, "")) for one in segments]


def _letters() -> Iterator[str]:
    """Give A to Z, AA, AB and so on."""
    for length in itertools.count(1):
        yield from ("".join(letters) for letters in itertools.product(string.ascii_uppercase, repeat=length))
