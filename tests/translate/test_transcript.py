"""Laws of transcripts: subtitles that can be read back, times that never run backwards, segments that are the text."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.errors import InvalidRequest
from pollux.translate import languages, subtitles, transcript, transcription
from pollux.translate.events import Finish, Text, Transcribed
from pollux.translate.transcript import Heard, Segment
from pollux.translate.transcription import TranscriptionRequest

TIMES = st.floats(0, 400_000, allow_nan=False)
SEGMENTS = st.lists(st.builds(Segment, text=st.text(), start=TIMES, end=TIMES), max_size=5)
WORDS = st.lists(st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=12), min_size=1, max_size=20)
CLOCK = r"\d{2,}:[0-5]\d:[0-5]\d[.,]\d{3}"


@given(SEGMENTS)
def test_srt_can_be_read_back(segments: list[Segment]) -> None:
    """Blocks are numbered from one; each has its times and its text, without an empty line in it."""
    blocks = subtitles.srt(segments).split("\n\n")

    assert blocks.pop() == ""
    for number, block in enumerate(blocks, 1):
        first, times, *lines = block.split("\n")
        assert first == str(number)
        assert re.fullmatch(f"{CLOCK} --> {CLOCK}", times)
        assert "." not in times
        assert lines
        assert all(line.strip() and "-->" not in line for line in lines)


@given(SEGMENTS)
def test_vtt_can_be_read_back(segments: list[Segment]) -> None:
    """A head, then cues that end after they begin; nothing in a text is a mark."""
    head, *blocks = subtitles.vtt(segments).split("\n\n")

    assert head == "WEBVTT"
    assert blocks.pop() == ""
    for block in blocks:
        times, *lines = block.split("\n")
        begin, end = re.fullmatch(f"({CLOCK}) --> ({CLOCK})", times).groups()  # type: ignore[union-attr] # it matches
        assert (len(begin), begin) < (len(end), end)
        assert lines
        assert not any({"<", ">"} & set(line) or re.search("&(?!amp;|lt;|gt;)", line) for line in lines)


@given(TIMES)
def test_a_clock_is_read_as_it_was_written(seconds: float) -> None:
    """To the thousandth; hours as many as there are."""
    assert transcript.seconds_of(subtitles.clock(seconds)) == pytest.approx(seconds, abs=0.000_6)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1.250s", 1.25),
        ("7s", 7),
        (3, 3),
        (2.5, 2.5),
        ("01:02.345", 62.345),
        ("1:00:00,5", 3600.5),
        ("12.5", 12.5),
        (" 00:07 ", 7),
        ("", None),
        ("soon", None),
        (None, None),
        (True, None),
        (-1, None),
        (float("nan"), None),
    ],
)
def test_times_are_read_as_models_write_them(written: Any, seconds: float | None) -> None:
    """What is none is none, never an error."""
    assert transcript.seconds_of(written) == seconds


def heard(text: str, turns: list[dict[str, Any]], response_format: transcription.Format = "verbose_json") -> Any:
    """Hear a text and its turns."""
    listening = Heard(TranscriptionRequest(task="transcribe", model="m", response_format=response_format), in_json=False)
    for event in [Text(0, text), *(Transcribed(0, turn) for turn in turns), Finish(0, "STOP")]:
        listening.feed(event)
    return listening.transcript(0, [])


@given(WORDS, st.lists(st.tuples(TIMES, TIMES), min_size=20, max_size=20), st.sampled_from([" ", "\n", ". ", "  "]), st.data())
def test_segments_are_the_text_and_times_never_run_backwards(
    words: list[str], times: list[tuple[float, float]], between: str, data: st.DataObject
) -> None:
    """Whatever the times are, and however the words are parted into turns."""
    said = [
        {"word": word, "startOffset": f"{start}s", "endOffset": f"{end}s"}
        for word, (start, end) in zip(words, times, strict=False)
    ]
    cut = data.draw(st.integers(0, len(said)))
    turns = [{"speakerLabel": "spk_1", "words": said[:cut]}, {"speakerLabel": "spk_2", "words": said[cut:]}]
    text = between.join(words)
    found = heard(text, turns)
    starts = [word.start for word in found.words]

    assert "".join(segment.text for segment in found.segments) == text.strip()
    assert starts == sorted(starts)
    assert all(word.start <= word.end for word in found.words)
    assert [segment.start for segment in found.segments] == sorted(segment.start for segment in found.segments)
    assert {segment.speaker for segment in found.segments} <= {"A", "B"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["words", "word", "startOffset", "endOffset", "speakerLabel"]), inner)
        ),
        max_leaves=10,
    )
)
def test_turns_of_any_shape_are_no_crash(turn: Any) -> None:
    """The service may say anything."""
    found = heard("text", [turn] if isinstance(turn, dict) else [])

    assert found.segments


@given(st.lists(st.tuples(st.sampled_from([row.name for row in transcription.TRANSCRIPTION_ROWS]), st.text(max_size=8))))
def test_fields_of_any_content_are_read_or_refused_by_name(fields: list[tuple[str, str]]) -> None:
    """Never a crash; every refusal has a param."""
    params: list[str | None] = []
    for task in ("transcribe", "translate"):
        try:
            transcription.read(fields, task, [])
        except InvalidRequest as error:
            params.append(error.param)

    assert all(params)


def test_languages_are_codes_or_names() -> None:
    """In any case; a region stays."""
    assert [languages.code(given) for given in ("en", "Thai", "pt-BR", "", "a b c")] == ["en", "th", "pt-BR", None, None]
    assert [languages.name(given) for given in ("en", "he-IL", "xx", "")] == ["english", "hebrew", "xx", "unknown"]
