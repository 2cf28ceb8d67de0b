"""What the laws are tried on: requests as callers send them, and native replies cut into events at random.

Conversations of agents are drawn as messy as frameworks send them: ids missing, empty or used twice, results out of order,
missing or for calls that nobody made. Streamed arguments are written by a generator of places of its own.
"""

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


NAMES = ("now", "get_weather", "files/read", "files.read", "สภาพอากาศ", "3d_render", "a b", "x" * 200, "x" * 199 + "y")
"""Names of functions, some as Gemini takes them."""

keys = st.sampled_from(["city", "n", "a b", "it's", 'say "it"', "back\\slash", "a.b", "ключ", "0", "[0]"])
leaves = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e6, 1e6) | words | st.just("")
arguments: st.SearchStrategy[Json] = st.dictionaries(
    keys,
    st.recursive(
        leaves,
        lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(keys, inner, min_size=1, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
"""Arguments of a call. No object or list inside is empty, since streamed arguments cannot say such a one."""

FUNCTIONS = [{"type": "function", "function": {"name": name}} for name in NAMES]
tool_choices = st.sampled_from(
    [
        None, "auto", "none", "required", {"type": "function", "function": {"name": "3d_render"}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": FUNCTIONS[:2]}},
    ]
)  # fmt: skip
call_ids = st.sampled_from(["c1", "c2", "c3", "", None, "call_0123456789abcdef01234567000", "call_0123456789abcdef01234567001"])


@st.composite
def calling(draw: st.DrawFn) -> list[Json]:
    """Draw an assistant message with calls, and results as they may come after it."""
    calls: list[Json] = []
    for _ in range(draw(st.integers(1, 3))):
        text = draw(st.sampled_from(["", "{}", '{"city":"Oslo"}', '{ "city" : "Oslo" }', "[1]", "city=Oslo", '{"n":1.0}']))
        call = {"type": "function", "function": {"name": draw(st.sampled_from(NAMES)), "arguments": text}}
        signed = draw(st.sampled_from([None, None, "c2ln"]))
        calls.append(
            _without_gaps(
                {"id": draw(call_ids), "extra_content": {"google": {"thought_signature": signed}} if signed else None}
            )
            | call
        )
    results = [
        _without_gaps({"role": "tool", "tool_call_id": call.get("id"), "content": draw(st.sampled_from(RESULTS))})
        for call in calls
    ]
    if draw(st.booleans()):
        results = draw(st.permutations(results))[draw(st.integers(0, 1)) :]
    if draw(st.integers(0, 4)) == 0:
        results.append({"role": "tool", "tool_call_id": draw(st.sampled_from(["c1", "c9"])), "content": "?"})
    return [{"role": "assistant", "content": draw(maybe(words)), "tool_calls": calls}, *results]


RESULTS = ("", "3 degrees", '{"celsius":3}', "[3]", '{"$ref":"#/a"}', '{"broken"')

old_calls = st.builds(
    lambda name, content: [
        {"role": "assistant", "content": content, "function_call": {"name": name, "arguments": "{}"}},
        {"role": "function", "name": name, "content": "Noon"},
    ],
    st.sampled_from(NAMES),
    maybe(words),
)


@st.composite
def agent_requests(draw: st.DrawFn) -> Json:
    """Draw a request with functions and a conversation in which they were called."""
    said: list[Json] = [{"role": "user", "content": draw(words)}]
    for turn in draw(st.lists(calling() | old_calls | st.lists(messages, min_size=1, max_size=2), max_size=4)):
        said += turn
    return _without_gaps(
        {
            "model": draw(st.sampled_from(CHAT_MODELS)),
            "messages": said,
            "tools": FUNCTIONS,
            "tool_choice": draw(tool_choices),
            "parallel_tool_calls": draw(st.sampled_from([None, True, False])),
        }
    )


@dataclass(frozen=True, slots=True)
class Streamed:
    """One native answer, told twice: as one whole reply, and as events."""

    whole: Json
    events: list[Json]


text_parts: st.SearchStrategy[Json] = st.builds(
    lambda text, thought, signature: _without_gaps({"text": text, "thought": thought, "thoughtSignature": signature}),
    words | st.just(""),
    st.sampled_from([None, None, True]),
    st.sampled_from([None, None, None, "c2ln"]),
)
strange_parts: st.SearchStrategy[Json] = st.sampled_from(
    [
        {"hologram": {"data": "aGk="}},
        {"inlineData": {"mimeType": "image/png", "data": "iVBOR"}},
        {"inlineData": {"mimeType": "image/png", "data": "iVBOR"}, "thought": True},
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}, "thoughtSignature": "c2ln"},
    ]
)
call_parts: st.SearchStrategy[Json] = st.builds(
    lambda name, args, signature: _without_gaps({"functionCall": {"name": name, "args": args}, "thoughtSignature": signature}),
    st.sampled_from(["now", "get_weather"]),
    arguments,
    st.sampled_from([None, "c2ln"]),
)
counts = st.integers(0, 5000)
FINISH_REASONS = (
    "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
    "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "NO_IMAGE", "IMAGE_RECITATION",
    "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "ESCALATION",
    "PUP_LIMITED_DISABLED", "CONTINUATION", "FINISH_REASON_UNSPECIFIED", "MODEL_ARMOR",
)  # fmt: skip
"""Every finish reason of the native reference, section 6, written down anew."""

finish_reasons = st.sampled_from(["STOP"] * 8 + [*FINISH_REASONS, "UNHEARD_OF"])


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
        parts = draw(st.lists(text_parts | strange_parts | call_parts, max_size=4))
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
        if "functionCall" in part and draw(st.booleans()):
            pieces += draw(streamed_call(part))
        elif len(part.get("text", "")) > 1 and draw(st.booleans()):
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


@st.composite
def streamed_call(draw: st.DrawFn, part: Json) -> list[Json]:
    """Draw how a backend streams a call: its name, its arguments place by place, texts in pieces, and an end."""
    partials = [
        partial for key, value in part["functionCall"]["args"].items() for partial in _places(draw, "$" + _step(key), value)
    ]
    groups: list[list[Json]] = []
    for partial in partials:
        if not groups or draw(st.booleans()):
            groups.append([])
        groups[-1].append(partial)
    calls: list[Json] = [{"partialArgs": group, "willContinue": True} for group in groups]
    if draw(st.booleans()) and calls:
        del calls[-1]["willContinue"]
    else:
        calls.append({})
    if draw(st.booleans()):
        calls.insert(0, {"willContinue": True})
    begin = part | {"functionCall": {"name": part["functionCall"]["name"], "willContinue": True}}
    return [begin, *({"functionCall": call} for call in calls)]


def _places(draw: st.DrawFn, path: str, value: Any) -> list[Json]:
    """Write a value place by place, in the order of the document."""
    match value:
        case dict():
            return [one for key, inner in value.items() for one in _places(draw, path + _step(key), inner)]
        case list():
            return [one for i, inner in enumerate(value) for one in _places(draw, f"{path}[{i}]", inner)]
        case str():
            cut = draw(st.integers(0, len(value)))
            pieces = [value[:cut], value[cut:]] if draw(st.booleans()) else [value]
            said: list[Json] = [{"jsonPath": path, "stringValue": piece, "willContinue": True} for piece in pieces]
            if draw(st.booleans()):
                del said[-1]["willContinue"]
            else:
                said.append({"jsonPath": path, "stringValue": ""})
            return said
        case bool():
            return [{"jsonPath": path, "boolValue": value}]
        case None:
            return [{"jsonPath": path, "nullValue": "NULL_VALUE"}]
    return [{"jsonPath": path, "numberValue": value}]


def _step(key: str) -> str:
    """Write a key as a step of a place: a word after a dot, anything else in quotes."""
    if key.isidentifier():
        return f".{key}"
    escaped = key.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"


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
