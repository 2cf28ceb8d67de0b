"""Closed shapes: the same values as the open ones, no unknown field unseen, and the search for their names."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.wire.closed import NAME_CHARACTERS_MAX, Decoders, unknown_fields
from pollux.wire.openai.chat import ChatCompletionRequest
from tests.judges import pairs

DECODERS = Decoders(ChatCompletionRequest)
HELLO: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
CASES = [case for case in pairs.cases("chat/requests") if (case.folder / "gemini.json").exists()]


def found(**more: Any) -> list[str]:
    """Search a small request, with these fields beside."""
    return [*unknown_fields(msgspec.json.encode(HELLO | more), ChatCompletionRequest)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_closed_shape_decodes_what_the_open_one_does(case: pairs.Case) -> None:
    """Whatever it does not refuse; it refuses exactly where the search finds something."""
    body = case.given("openai.json")
    opened = DECODERS.open.decode(body)
    unknown = [*unknown_fields(body, ChatCompletionRequest)]
    if unknown:
        with pytest.raises(msgspec.ValidationError, match="unknown field"):
            DECODERS.closed.decode(body)
        return
    closed = DECODERS.closed.decode(body)

    assert isinstance(closed, ChatCompletionRequest)
    assert msgspec.json.encode(closed) == msgspec.json.encode(opened)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"provider": {"order": ["a"]}}, "provider"),
        ({"stream_options": {"include_usage": True, "speed": 1}}, "stream_options.speed"),
        ({"messages": [HELLO["messages"][0], {"role": "user", "content": "a", "mood": "good"}]}, "messages[1].mood"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {}}]}]},
            "messages[0].content[0].cache_control",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "colour": 1}}]}]},
            "messages[0].tool_calls[0].function.colour",
        ),
        ({"seed.x": 1}, '["seed.x"]'),
        ({"a\nb": 1}, '["a\\nb"]'),
        ({"k" * 1000: 1}, f'["{"k" * NAME_CHARACTERS_MAX}"]'),
    ],
)
def test_an_unknown_field_is_found_by_its_path(more: dict[str, Any], path: str) -> None:
    """At the top, in messages, parts and calls; an odd name is quoted and cut."""
    assert found(**more) == [path]
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        DECODERS.closed.decode(msgspec.json.encode(HELLO | more))


def test_explicit_null_is_absence() -> None:
    """A field that no shape names and that holds null is no loss."""
    assert found(provider=None) == []


def test_an_answer_may_come_back_as_it_was() -> None:
    """What clients keep of an answer stands in the shape: no second look for a long history of them."""
    message = {
        "role": "assistant", "content": None, "refusal": None, "annotations": [], "parsed": None, "reasoning_content": "Hm.",
        "tool_calls": [
            {"id": "a", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}", "parsed_arguments": {}}}
        ],
    }  # fmt: skip

    assert DECODERS.closed.decode(msgspec.json.encode(HELLO | {"messages": [message]})).messages[0].role == "assistant"


KEYS = st.text(max_size=8).filter(lambda key: key not in ChatCompletionRequest.__struct_fields__)
JSON = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(st.dictionaries(KEYS, JSON, max_size=5))
def test_every_unknown_field_is_found_once(fields: dict[str, Any]) -> None:
    """As many paths as fields, whatever they are called and hold."""
    paths = found(**fields)

    assert len(paths) == len(set(paths)) == len(fields)
