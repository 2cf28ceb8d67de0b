"""The parser's leniency, and that nothing breaks it."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.emulator import Emulator
from pollux.emulator.errors import NativeError
from pollux.emulator.shapes import canonical, shapes
from tests.emulator.in_process import PATH, call

REQUEST = "GenerateContentRequest"

CANONICAL: list[tuple[Any, Any]] = [
    (
        {"generation_config": {"max_output_tokens": 5, "thinkingConfig": {"thinking_level": "low"}}},
        {"generationConfig": {"maxOutputTokens": 5, "thinkingConfig": {"thinkingLevel": "LOW"}}},
    ),
    ({"contents": {"parts": {"text": "a"}}}, {"contents": [{"parts": [{"text": "a"}]}]}),
    ({"contents": [{"parts": [{"text": "a", "thought": None}], "role": None}]}, {"contents": [{"parts": [{"text": "a"}]}]}),
    ({"tools": {"googleSearch": {}}, "contents": None}, {"tools": [{"googleSearch": {}}]}),
    ({"tool_config": {"function_calling_config": {"mode": "any"}}}, {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}),
    ({"generationConfig": {"responseModalities": ["text"]}}, {"generationConfig": {"responseModalities": ["TEXT"]}}),
    (
        {"generationConfig": {"responseSchema": {"type": "object", "properties": {"a": {"type": "string"}}}}},
        {"generationConfig": {"responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}}},
    ),
    ({"serviceTier": "FLEX"}, {"serviceTier": "flex"}),
    ({"generationConfig": {"seed": "5", "topK": 40.0}}, {"generationConfig": {"seed": 5, "topK": 40}}),
    ({"generationConfig": {"temperature": "0.5"}, "store": "true"}, {"generationConfig": {"temperature": 0.5}, "store": True}),
    ({"generationConfig": {"stopSequences": "end"}}, {"generationConfig": {"stopSequences": ["end"]}}),
    ({"generationConfig": {"mediaResolution": 1}}, {"generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"}}),
    ({"continuationToken": "-_8"}, {"continuationToken": "-_8"}),
    (
        {"generationConfig": {"responseJsonSchema": {"any_key": None, "$ref": "#"}}},
        {"generationConfig": {"responseJsonSchema": {"any_key": None, "$ref": "#"}}},
    ),
    (
        {"contents": [{"parts": [{"function_response": {"name": "f", "response": {"snake_case": {"kept": 1}}}}]}]},
        {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": {"snake_case": {"kept": 1}}}}]}]},
    ),
]


@pytest.mark.parametrize(("given_body", "meant"), CANONICAL, ids=lambda value: str(value)[:60])
def test_lenient_forms_mean_the_canonical_one(given_body: Any, meant: Any) -> None:
    """Recorded with status 200: ground-truth.md, section 1.1. Free values are left alone."""
    assert canonical(given_body, REQUEST) == meant


@pytest.mark.parametrize(("given_body", "meant"), CANONICAL, ids=lambda value: str(value)[:60])
def test_reading_twice_is_reading_once(given_body: Any, meant: Any) -> None:
    """The canonical form is its own canonical form."""
    assert canonical(meant, REQUEST) == meant


def test_every_field_is_known_by_both_spellings() -> None:
    """camelCase and snake_case lead to the same field."""
    for message in shapes().messages.values():
        for spelling, field in message.items():
            assert spelling in (field.name, field.snake)
            assert message[field.snake] is message[field.name]


def test_every_kind_of_the_table_can_be_read() -> None:
    """No message, enumeration or scalar is missing: a dangling name would refuse what the service takes."""
    known = shapes()
    scalars = {"string", "bytes", "bool", "int32", "uint32", "int64", "uint64", "float", "double", "any", "struct", "timestamp",
               "duration"}  # fmt: skip
    for message in known.messages.values():
        for field in message.values():
            kind = re.sub(r"^(\[\]|\{\})+", "", field.kind)
            assert kind in scalars or kind in known.messages or kind.removeprefix("enum:") in known.enums, field


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)

FIELDS = sorted({name for message in shapes().messages.values() for name in message})

KNOWN_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["user", "model", "a", "LOW", "text/plain", "AA=="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=20,
)


@given(ANY_JSON | KNOWN_JSON)
@settings(max_examples=300, deadline=None)
def test_any_json_is_read_or_refused(value: Any) -> None:
    """Never another exception; what is read is stable."""
    read, refusal = None, None
    try:
        read = canonical(value, REQUEST)
    except NativeError as error:
        refusal = error

    assert refusal is None or (refusal.code == 400 and refusal.message)
    assert refusal is not None or canonical(read, REQUEST) == read


@given(ANY_JSON | st.dictionaries(st.sampled_from(["contents", "generationConfig", "systemInstruction"]), KNOWN_JSON))
@settings(max_examples=150, deadline=None)
async def test_any_body_gets_a_google_answer(value: Any) -> None:
    """200, or an error object with its own status: never a crash."""
    reply = await call(Emulator(), PATH, value)

    assert reply.finished
    assert reply.status in (200, 400, 501)
    assert "candidates" in reply.json or reply.json["error"]["code"] == reply.status
