"""What the laws are tried on: requests as callers send them, and native replies cut into events at random."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

CHAT_MODELS = (
    "gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite", "gemini-3-flash-preview", "gemini-3.1-pro-preview",
    "gemini-3.1-flash-lite", "gemini-3.5-flash", "gemini-3.5-flash-lite", "gemini-3.6-flash", "gemini-3.8-flash",
    "gemini-4-argon", "gemini-4-hydrogen", "gemini-4-carbon", "gemini-flash-latest", "gemma-4-31b-it",
)  # fmt: skip
"""A model of every family that the service lists for chat."""

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Give a value, or null."""
    return st.none() | strategy


def _without_gaps(fields: Json) -> Json:
    """Leave out what is None, as most callers do."""
    return {key: value for key, value in fields.items() if value is not None}


content_parts = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": words}), min_size=1, max_size=3)
messages = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "developer", "user"]), "content": words | content_parts}),
    st.fixed_dictionaries(
        {"role": st.sampled_from(["assistant", "model"]), "content": maybe(words | st.just("") | content_parts)}
    ),
)

requests: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {"model": st.sampled_from(CHAT_MODELS), "messages": st.lists(messages, min_size=1, max_size=6)},
    optional={
        "temperature": maybe(st.floats(0, 2)),
        "top_p": maybe(st.floats(0, 1)),
        "max_tokens": maybe(st.integers(1, 2**31 - 1)),
        "max_completion_tokens": maybe(st.integers(1, 65_536)),
        "stop": maybe(words | st.lists(words, max_size=5)),
        "seed": maybe(st.integers(-(2**63), 2**63 - 1)),
        "reasoning_effort": maybe(st.sampled_from(EFFORTS)),
        "stream": maybe(st.booleans()),
        "n": st.just(1),
        "frequency_penalty": maybe(st.floats(-2, 2)),
        "user": maybe(words),
        "metadata": maybe(st.dictionaries(words, words, max_size=2)),
        "tools": st.just([]),
        "unheard_of": st.integers(),
    },
)
"""Requests for text that the server serves, some with what it ignores; an effort may be impossible for the model."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """One native answer, told twice: as one whole reply, and as events."""

    whole: Json
    events: list[Json]


text_parts = st.builds(
    lambda text, thought, signature: _without_gaps({"text": text, "thought": thought, "thoughtSignature": signature}),
    words | st.just(""),
    st.sampled_from([None, None, True]),
    st.sampled_from([None, None, None, "c2ln"]),
)
strange_parts = st.sampled_from([{"hologram": {"data": "aGk="}}, {"inlineData": {"mimeType": "image/png", "data": "iVBOR"}}])
counts = st.integers(0, 5000)
finish_reasons = st.sampled_from(["STOP", "STOP", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "UNHEARD_OF"])


@st.composite
def usages(draw: st.DrawFn) -> Json:
    """Draw usage that adds up, as the service's does; zero counts may be left out."""
    prompt, candidates, thoughts, tool_use = draw(counts), draw(counts), draw(counts), draw(st.just(0) | counts)
    given = {
        "promptTokenCount": prompt,
        "candidatesTokenCount": candidates,
        "thoughtsTokenCount": thoughts,
        "toolUsePromptTokenCount": tool_use,
        "cachedContentTokenCount": draw(st.just(0) | st.integers(0, prompt)),
        "totalTokenCount": prompt + candidates + thoughts + tool_use,
        "serviceTier": draw(st.sampled_from([None, "standard", "flex"])),
    }
    return {key: value for key, value in given.items() if value or (value == 0 and draw(st.booleans()))}


@st.composite
def answers(draw: st.DrawFn) -> Streamed:
    """Draw a native answer of one or two candidates, and cut it: texts anywhere, events anywhere between parts."""
    head = _without_gaps({"responseId": draw(st.none() | words), "modelVersion": draw(st.none() | words)})
    usage = draw(usages())
    whole: list[Json] = []
    moments: list[list[Json]] = []
    for index in range(draw(st.sampled_from([1, 1, 1, 2]))):
        parts = draw(st.lists(text_parts | strange_parts, max_size=4))
        end = _without_gaps(
            {
                "finishReason": draw(finish_reasons),
                "finishMessage": draw(st.none() | words),
                "avgLogprobs": draw(st.none() | st.floats(-5, -0.5)),
                "citationMetadata": draw(st.none() | st.just({"citationSources": [{"endIndex": 3, "uri": "https://a.test"}]})),
            }
        )
        whole.append({"content": {"role": "model", "parts": parts}, "index": index} | end)
        moments.append(_moments(draw, parts, index, end))
    events = _interleaved(draw, moments)
    for event in events[:-1]:
        if draw(st.booleans()):
            event["usageMetadata"] = {"promptTokenCount": draw(counts), "totalTokenCount": draw(counts)}
    # The last event says all counts, since a count that it leaves out would be the latest seen.
    full = {key: usage.get(key, 0) for key in ("promptTokenCount", "totalTokenCount")} | usage
    events[-1]["usageMetadata"] = full
    return Streamed(head | {"candidates": whole, "usageMetadata": full}, [head | event for event in events])


def _moments(draw: st.DrawFn, parts: list[Json], index: int, end: Json) -> list[Json]:
    """Cut a candidate: each moment is what one event says of it, the last one with its ending."""
    pieces: list[Json] = []
    for part in parts:
        if len(part.get("text", "")) > 1 and draw(st.booleans()):
            place = draw(st.integers(1, len(part["text"]) - 1))
            mark = {"thought": True} if part.get("thought") else {}
            pieces += [mark | {"text": part["text"][:place]}, part | {"text": part["text"][place:]}]
        else:
            pieces.append(part)
    groups: list[list[Json]] = [[]]
    for piece in pieces:
        if draw(st.booleans()):
            groups.append([])
        groups[-1].append(piece)
    if draw(st.booleans()):
        groups.append([])  # an ending without parts
    said: list[Json] = [{"content": {"role": "model", "parts": group}} if group else {} for group in groups]
    said[-1] |= end
    return [moment | ({"index": index} if index or draw(st.booleans()) else {}) for moment in said]


def _interleaved(draw: st.DrawFn, moments: list[list[Json]]) -> list[Json]:
    """Put the candidates' moments into events, each candidate in its order."""
    waiting = [list(one) for one in moments]
    events: list[Json] = []
    while any(waiting):
        speaking = [one for one in waiting if one]
        chosen = [one for one in speaking if draw(st.booleans())] or speaking[:1]
        events.append({"candidates": [one.pop(0) for one in chosen]})
    return events


@st.composite
def cuts(draw: st.DrawFn, body: bytes) -> tuple[bytes, ...]:
    """Cut bytes at any places."""
    places = sorted(draw(st.sets(st.integers(1, max(1, len(body) - 1)), max_size=12)))
    return tuple(piece for start, end in zip([0, *places], [*places, len(body)], strict=True) if (piece := body[start:end]))
