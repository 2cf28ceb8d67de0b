"""Reading and writing server-sent events, against a slow plain reading of the same rules."""

import contextlib
import itertools
import time
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pollux.wire.sse import DONE, EventTooLarge, SseDecoder, comment, encode


def read(pieces: Iterable[bytes], limit: int = 1000) -> tuple[list[bytes], bool]:
    """Read a body that comes in pieces: its events, and whether one was too large."""
    decoder = SseDecoder(limit)
    events: list[bytes] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.finish()
    except EventTooLarge:
        return events, True
    return events, False


def plain_reading(body: bytes) -> list[bytes]:
    """The rules, spelled out over a body that is there as a whole, one character at a time."""
    text = body.decode("latin-1").removeprefix("ï»¿")
    lines, line, at = [], "", 0
    while at < len(text):
        if text[at] in "\r\n":
            at += 2 if text[at : at + 2] == "\r\n" else 1
            lines.append(line)
            line = ""
        else:
            line += text[at]
            at += 1
    lines.append(line)
    events: list[str] = []
    data: list[str] = []
    raw: list[str] = []
    for line in [*lines, ""]:
        if raw and not line.startswith("data:"):
            raw.append(line)
            continue
        if raw:
            events.append("\n".join(raw).rstrip("\n"))
            raw = []
        if line == "" or line[0] in "{[":
            events.append("\n".join(data))
            data = []
        if line.startswith(("{", "[")):
            raw = [line]
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
    events.append("\n".join(raw).rstrip("\n"))
    events.append("\n".join(data))
    return [event.encode("latin-1") for event in events if event]


ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
WORDS = [
    *(
        b"data: x",
        b"data: y y",
        b"data:z",
        b"data",
        b"data:",
        b"data: ",
        b"data:  two",
        b"datax: no",
        b" data: no",
        b"Data: no",
    ),
    *(
        b"",
        b"",
        b"",
        b": comment",
        b":",
        b"event: e",
        b"id: 7",
        b"retry: 3",
        b"junk",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbfdata: bom",
    ),
    *(
        b'{"error": {',
        b'  "code": 503',
        b"}",
        b"[1,",
        b"]",
        b"data: {}",
        b"data: [DONE]",
        "data: é\u2028\x0b\x0c\x1c\x85".encode(),
    ),
]
LINES = st.builds(bytes.__add__, st.one_of(st.sampled_from(WORDS), st.binary(max_size=6)), ENDS)
BODIES = st.builds(
    lambda head, lines, last: head + b"".join(lines) + last,
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(LINES, max_size=12),
    st.sampled_from([*WORDS, b"\r", b"\n"]),
)


@st.composite
def splits(draw: st.DrawFn, bodies: st.SearchStrategy[bytes] = BODIES) -> tuple[bytes, list[bytes]]:
    """Draw a body and a way to cut it into pieces, some of them empty."""
    body = draw(bodies)
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=8)))
    places = [0, *cuts, len(body)]
    return body, [body[start:end] for start, end in itertools.pairwise(places)]


WHOLE_EVENTS = st.builds(
    lambda payloads, end: b"".join(b"data: " + payload + end + end for payload in payloads),
    st.lists(st.sampled_from([b"one", b"", b" ", b"{}", b"\x0b", b"data: ", b"a\rb", b"a\nb", b"a\r\nb"]), max_size=5),
    ENDS,
)
READS = st.lists(st.one_of(WHOLE_EVENTS, LINES, st.sampled_from(WORDS)), max_size=6).map(lambda reads: (b"".join(reads), reads))
SPLITS = st.one_of(splits(), splits(WHOLE_EVENTS), READS)
"""Bodies with cuts anywhere, and bodies whose cuts fall where reads and lines usually do."""


NARROW = [
    [b"data: a\r\n\r\ndata: b\n\n"],
    [b"data: a\r\n\r\ndata: \r\n\r\n"],
    [b"data: \r\n\r\n"],
    [b"data: a\n\ndata: \n\ndata: c\n\n"],
    [b"data: a\rb\n\n"],
    [b"data: a\r", b"\r", b"\ndata: b"],
    [b"data: a\ndata\n\n"],
    [b"data: a\n", b"data: b\n\n"],
    [b"event: ", b"data: b\n\n"],
    [b"{\n", b"data: a", b"\n\n"],
    [b"data: ", b"a\n", b"\xef\xbb\xbfdata: b\n\n"],
]
"""Reads that come close to a short cut without being one."""


@given(SPLITS)
@settings(max_examples=200)
def test_any_split_of_any_body_gives_the_same_events(split: tuple[bytes, list[bytes]]) -> None:
    """Whole, in pieces and byte by byte, the events are those of the plain reading."""
    body, pieces = split
    events = plain_reading(body)

    assert read([body]) == (events, False)
    assert read(pieces) == (events, False)
    assert read(body[at : at + 1] for at in range(len(body))) == (events, False)


@pytest.mark.parametrize("reads", NARROW)
def test_near_the_short_cuts_the_events_are_the_same(reads: list[bytes]) -> None:
    """Line ends that differ, empty payloads, fields that continue an open event, a mark that is not at the head."""
    assert read(reads) == (plain_reading(b"".join(reads)), False)


@given(SPLITS, st.integers(0, 12))
@example((b": a longer comment\n", [b": a longer comment\n"]), 8)
def test_the_limit_is_the_same_for_any_split(split: tuple[bytes, list[bytes]], limit: int) -> None:
    """The events before one that is too large are given, then comes the error, however the bytes came."""
    body, pieces = split
    whole = read([body], limit)

    assert read(pieces, limit) == whole
    assert read((body[at : at + 1] for at in range(len(body))), limit) == whole
    assert all(len(event) <= limit for event in whole[0])


@given(st.lists(st.binary(min_size=1).filter(lambda payload: not set(payload) & set(b"\r\n")), max_size=5), st.integers(1, 50))
def test_what_is_encoded_is_read_back(payloads: list[bytes], size: int) -> None:
    """Comments in between change nothing."""
    body = b"".join(encode(payload) + comment(b"ping") for payload in payloads) + DONE

    assert read((body[at : at + size] for at in range(0, len(body), size)), 10_000) == ([*payloads, b"[DONE]"], False)


def test_the_bytes_that_are_written() -> None:
    """They are what OpenAI's clients read."""
    assert encode(b'{"a":1}') == b'data: {"a":1}\n\n'
    assert comment(b"waiting") == b": waiting\n\n"
    assert DONE == b"data: [DONE]\n\n"


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_events_are_given_as_soon_as_they_end(end: bytes) -> None:
    """Not one byte later: what a read completes, its feed returns."""
    decoder = SseDecoder()

    assert decoder.feed(b"data: one" + end) == []
    assert decoder.feed(end) == [b"one"]
    assert decoder.feed(b"data: two" + end + end + b"data: three" + end + end) == [b"two", b"three"]
    assert decoder.finish() == []


def test_a_raw_error_within_a_stream_is_an_event() -> None:
    """As Gemini sends it when it breaks off: JSON over several lines, without a prefix, with or without more after it."""
    error = b'{\n  "error": {\n    "code": 503,\n\n    "status": "UNAVAILABLE"\n  }\n}'
    body = b"data: one\r\n\r\n" + error.replace(b"\n", b"\r\n") + b"\r\n\r\n"

    assert read([body]) == ([b"one", error], False)
    assert read([body + b"data: two\r\n\r\n"]) == ([b"one", error, b"two"], False)
    assert read([b"data: one\r\n" + error]) == ([b"one", error], False)


def test_a_body_that_is_no_event_stream_is_one_raw_payload() -> None:
    """The JSON of an answer without `alt=sse` is not lost."""
    body = b'[{"candidates": []}\r\n,\r\n{"candidates": []}\r\n]\r\n'

    assert read([body]) == ([b'[{"candidates": []}\n,\n{"candidates": []}\n]'], False)


def test_the_last_event_needs_no_empty_line() -> None:
    """Gemini may leave it out; a line that is cut is given all the same, and its JSON tells."""
    assert read([b"data: one\n\ndata: two\n"]) == ([b"one", b"two"], False)
    assert read([b'data: {"text":"cu']) == ([b'{"text":"cu'], False)


def test_what_was_open_when_a_stream_broke_can_be_told() -> None:
    """`close` returns the unread rest and forgets it."""
    decoder = SseDecoder()
    events = decoder.feed(b"data: one\n\ndata: two\ndata: th")
    rest = decoder.close()

    assert (events, rest) == ([b"one"], b"two\ndata: th")
    assert (decoder.close(), decoder.finish()) == (b"", [])


def test_an_event_may_be_as_large_as_the_limit() -> None:
    """One byte more is an error, and stays one."""
    whole, _ = read([b"data: " + b"x" * 100 + b"\n\n"], 100)
    decoder = SseDecoder(100)
    with pytest.raises(EventTooLarge, match="larger than 100 bytes") as first:
        decoder.feed(b"data: " + b"x" * 101 + b"\n\n")
    with pytest.raises(EventTooLarge):
        decoder.feed(b"data: y\n\n")
    with pytest.raises(EventTooLarge):
        decoder.finish()

    assert whole == [b"x" * 100]
    assert first.value.limit == 100


@pytest.mark.parametrize("line", [b"data: " + b"x" * 1000, b": " + b"x" * 1000, b"x" * 1000, b"{" + b"x" * 1000])
def test_a_line_without_end_is_not_collected_for_ever(line: bytes) -> None:
    """Whatever it starts with: the error comes while the line is still open."""
    decoder = SseDecoder(100)
    read_bytes = 0
    with contextlib.suppress(EventTooLarge):
        for at in range(0, len(line), 10):
            decoder.feed(line[at : at + 10])
            read_bytes += 10

    assert read_bytes == 100


def test_many_small_lines_count_together() -> None:
    """An event, or a raw payload, of many lines is as large as all of them."""
    endless = [read(itertools.repeat(line, 200), 100) for line in (b"data: x\n", b"{\n")]

    assert endless == [([], True)] * 2


def test_a_large_event_in_many_reads_is_read_in_linear_time() -> None:
    """20 MB in reads of 4 KB are five thousand reads: joined once, and not at every read."""
    payload = b"x" * 20_000_000
    body = encode(payload)
    started = time.process_time()
    events, _ = read((body[at : at + 4096] for at in range(0, len(body), 4096)), len(payload))

    assert events == [payload]
    assert time.process_time() - started < 2
