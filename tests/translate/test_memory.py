"""Remembered turns: under which keys they are found, and when they are used."""

from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pollux.translate import chat
from pollux.translate.memory import CALL_ID, Trail, Turn, call_id, call_key
from pollux.translate.profiles import profile
from pollux.wire.gemini.generate import Part
from pollux.wire.openai.chat import ChatCompletionRequest, Message
from tests.judges import generating

laws = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

TOKEN = "0123456789abcdef01234567"
MODEL = "gemini-3.6-flash"


def trail_keys(messages: list[generating.Json]) -> list[str]:
    """Give the trail key of every assistant message."""
    return [keys[-1] for keys in Trail(msgspec.convert(messages, list[Message])).keys.values()]


def rewritten(messages: list[generating.Json]) -> list[generating.Json]:
    """Write a conversation as a framework would that keeps its meaning alone: other ids, contents in parts, JSON anew."""
    written = deepcopy(messages)
    for message in written:
        message.pop("tool_call_id", None)
        message.pop("extra_content", None)
        message["role"] = {"developer": "system", "model": "assistant"}.get(message["role"], message["role"])
        if isinstance(message.get("content"), str):
            message["content"] = [{"type": "text", "text": message["content"]}]
        for i, call in enumerate(message.get("tool_calls", [])):
            call.pop("extra_content", None)
            call["id"] = f"toolu_{i}"
            call["function"]["arguments"] = spaced(call["function"]["arguments"])
    return written


def spaced(arguments: str) -> str:
    """Write JSON anew, as other languages do: with spaces, and whole numbers without a point."""
    try:
        value = msgspec.json.decode(arguments.replace("1.0", "1"))
    except msgspec.DecodeError:
        return arguments
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode()


@laws
@given(generating.agent_requests())
def test_the_trail_depends_on_what_was_said_alone(request: generating.Json) -> None:
    """Ids, content in parts, spaces in JSON and the spelling of roles change no trail key."""
    assert trail_keys(rewritten(request["messages"])) == trail_keys(request["messages"])


@laws
@given(generating.agent_requests(), st.data())
def test_the_trail_depends_on_everything_that_was_said(request: generating.Json, data: st.DataObject) -> None:
    """Where a text or a call differs, the keys from there on differ, and those before do not."""
    messages = request["messages"]
    changed = data.draw(st.integers(0, len(messages) - 1))
    other = deepcopy(messages)
    other[changed]["content"] = "Something else that nobody said."
    speakers = [i for i, message in enumerate(messages) if message["role"] in ("assistant", "model")]
    same = [one == two for one, two in zip(trail_keys(messages), trail_keys(other), strict=True)]

    assert same == [i < changed for i in speakers]


@laws
@given(generating.agent_requests())
def test_the_key_of_an_answer_is_the_key_that_the_next_request_asks_for(request: generating.Json) -> None:
    """What is kept under the answer's key is found when the client sends the answer back."""
    messages = [*request["messages"], {"role": "assistant", "content": "3 degrees."}]
    earlier = Trail(msgspec.convert(request["messages"], list[Message]))
    called = {"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "now", "arguments": '{"a": 1}'}}]}

    assert earlier.answer_key("3 degrees.", []) == trail_keys(messages)[-1]
    assert earlier.answer_key("", [("now", '{"a":1}')]) == trail_keys([*request["messages"], called])[-1]


@given(st.integers(0, 35), st.integers(0, 1295))
def test_a_call_id_leads_to_its_turn(candidate: int, index: int) -> None:
    """Our ids are 32 characters or fewer, distinct, and hold the call key."""
    made = call_id(TOKEN, candidate, index)
    found = CALL_ID.fullmatch(made)

    assert found is not None
    assert found[1] == call_key(TOKEN, candidate)
    assert len(made) <= 32
    assert made != call_id(TOKEN, candidate, index + 1)


remembered_calls = st.lists(st.tuples(st.sampled_from(["now", "get_weather"]), generating.arguments), max_size=2)
texts = st.sampled_from(["", "Let me look.", "Let me see."])


@laws
@given(texts, remembered_calls, texts, remembered_calls, st.sampled_from(["gemini-3.6-flash", "gemini-2.5-flash"]))
def test_a_turn_is_used_if_and_only_if_it_says_what_the_message_says(
    text: str, calls: Any, said: str, said_calls: Any, family: str
) -> None:
    """The same text and the same calls, or nothing of it; and the signatures of no other family."""
    assume(said or said_calls)
    parts = [Part(text=text)] if text else []
    native = [{"functionCall": {"name": name, "args": args}, "thoughtSignature": "c2ln"} for name, args in calls]
    turn = Turn(family, [*parts, *msgspec.convert(native, list[Part])])
    message = {
        "role": "assistant",
        "content": said,
        "tool_calls": [
            {"id": call_id(TOKEN, 0, i), "function": {"name": name, "arguments": msgspec.json.encode(args).decode()}}
            for i, (name, args) in enumerate(said_calls)
        ],
    }
    asked = msgspec.convert({"model": MODEL, "messages": [{"role": "user", "content": "Hi"}, message]}, ChatCompletionRequest)
    trail = chat.trail(asked, profile(MODEL))
    assert trail is not None
    kept = dict.fromkeys(trail.wanted(), turn)
    built = chat.to_gemini(asked, profile(MODEL), trail, kept).native.contents[1].parts or []
    signatures = [part.thought_signature for part in built if part.function_call is not None]
    is_same = (said, [(name, args) for name, args in said_calls]) == (text, [(name, args) for name, args in calls])

    if is_same and family == profile(MODEL).family:
        assert signatures == ["c2ln"] * len(calls)
    else:
        assert "c2ln" not in signatures


@pytest.mark.parametrize(
    "arguments",
    ["[" * 50_000, "{" * 50_000, '{"a":' * 5000 + "1" + "}" * 5000, '{"n":1e999}', '{"n":' + "9" * 400 + "}", '"\\ud800"'],
)
def test_odd_arguments_do_no_harm(arguments: str) -> None:
    """Arguments that are nested too deeply or hold odd numbers are no error, neither for the trail nor for the request."""
    call = {"id": "c1", "function": {"name": "now", "arguments": arguments}}
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [call]}]
    asked = msgspec.convert({"model": MODEL, "messages": messages}, ChatCompletionRequest)
    built = chat.to_gemini(asked, profile(MODEL), chat.trail(asked, profile(MODEL)))

    assert msgspec.json.encode(built.native)
