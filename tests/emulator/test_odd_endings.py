"""Endings that a client must survive: malformed and unexpected calls, missing signatures, nothing at all; calls in pieces."""

from typing import Any

import pytest

from pollux.emulator import Emulator
from tests.emulator.functions import GEMINI_2, GEMINI_3, answered, ask, asking, parts_of


@pytest.mark.parametrize("model", [GEMINI_3, GEMINI_2])
@pytest.mark.parametrize("streamed", [True, False])
async def test_a_malformed_call_has_empty_content_and_a_message(model: str, streamed: bool) -> None:
    """And the second try succeeds."""
    emulator, body = Emulator(), asking("weather in Oslo?")
    how: dict[str, Any] = {"fault": "finish=MALFORMED_FUNCTION_CALL; times=1", "emulator": emulator, "streamed": streamed}
    reply = await ask(body, model, **how)
    candidate = (reply.events[-1] if streamed else reply.json)["candidates"][0]
    second = await ask(body, model, **how)

    assert candidate == {
        "content": {},
        "finishReason": "MALFORMED_FUNCTION_CALL",
        "index": 0,
        "finishMessage": "Malformed function call: print(default_api.get_weather(location='Oslo'))",
    }
    assert b"functionCall" not in reply.body
    assert b'"functionCall"' in second.body


@pytest.mark.parametrize(
    ("finish", "message"),
    [
        ("UNEXPECTED_TOOL_CALL", "Unexpected tool call: Model tried to call an undeclared function: get_weather"),
        ("MISSING_THOUGHT_SIGNATURE", "Function call `default_api:get_weather` is missing a thought_signature."),
    ],
)
async def test_other_endings_come_without_content(finish: str, message: str) -> None:
    """With a message that names the call."""
    candidate = (await ask(asking("weather in Oslo?"), fault=f"finish={finish}")).json["candidates"][0]

    assert candidate == {"finishReason": finish, "index": 0, "finishMessage": message}


async def test_an_empty_answer_where_a_call_was_meant() -> None:
    """STOP without parts, once."""
    emulator, body = Emulator(), asking("weather in Oslo?")
    first = (await ask(body, fault="empty; times=1", emulator=emulator)).json["candidates"][0]
    second = (await ask(body, fault="empty; times=1", emulator=emulator)).json["candidates"][0]

    assert first == {"content": {"role": "model"}, "finishReason": "STOP", "index": 0}
    assert "functionCall" in second["content"]["parts"][0]


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("missing-signature", "Function call is missing a thought_signature in functionCall parts."),
        ("corrupted-signature", "Corrupted thought signature."),
        ("function-parts", "Please ensure that the number of function response parts"),
    ],
)
async def test_refusals_of_turns_come_on_request(reason: str, text: str) -> None:
    """Once, so that a repair can be tested with a request that is right."""
    emulator, body = Emulator(), asking("weather in Oslo?")
    body = answered(body, await parts_of(body))
    fault = f"status=400; reason={reason}; times=1"
    first, second = [await ask(body, fault=fault, emulator=emulator) for _ in range(2)]

    assert first.message.startswith(text)
    assert second.status == 200


def told(pieces: list[dict[str, Any]]) -> dict[str, str]:
    """Put the texts of pieces together, by path."""
    texts: dict[str, str] = {}
    for piece in pieces:
        if "stringValue" in piece:
            texts[piece["jsonPath"]] = texts.get(piece["jsonPath"], "") + piece["stringValue"]
    return texts


async def test_arguments_come_in_pieces_on_request() -> None:
    """As Vertex streams them: name first, values with their paths, an empty call at the end; a whole answer is whole."""
    step = {"type": "object", "properties": {"minutes": {"type": "integer"}}, "required": ["minutes"]}
    properties = {
        "dish": {"type": "string"},
        "steps": {"type": "array", "minItems": 2, "items": step},
        "fast": {"type": "boolean"},
        "note": {"type": "null"},
    }
    deep = {
        "name": "cook",
        "parametersJsonSchema": {"type": "object", "properties": properties, "required": list(properties)},
    }
    body = asking('cook a dish "A very long name of a dish from Rome", 10 and 20 minutes', deep)
    events = (await ask(body, streamed=True, fault="partial-args")).events
    parts = [part for event in events for part in event["candidates"][0]["content"]["parts"]]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    pieces = [piece for one in calls for piece in one.get("partialArgs", [])]
    whole = (await parts_of(body, fault="partial-args"))[0]

    assert calls[0] == {"name": "cook", "id": whole["functionCall"]["id"], "willContinue": True}
    assert calls[-1] == {}
    assert all(one.get("willContinue") for one in calls[:-1])
    assert parts[0]["thoughtSignature"] == whole["thoughtSignature"]
    assert parts[-1] == {"text": ""}
    assert told(pieces) == {"$.dish": whole["functionCall"]["args"]["dish"]}
    assert [piece for piece in pieces if "stringValue" not in piece] == [
        {"jsonPath": "$.steps[0].minutes", "numberValue": 10},
        {"jsonPath": "$.steps[1].minutes", "numberValue": 20},
        {"jsonPath": "$.fast", "boolValue": True},
        {"jsonPath": "$.note", "nullValue": "NULL_VALUE"},
    ]
    assert [piece.get("willContinue") for piece in pieces if "stringValue" in piece][-1] is None


async def test_a_call_without_arguments_has_no_pieces() -> None:
    """It comes as it is."""
    body = asking("Use get_answer", {"name": "get_answer"})
    events = (await ask(body, streamed=True, fault="partial-args")).events

    assert events[0]["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {}


async def test_scripted_calls_are_signed_like_the_emulators_own() -> None:
    """A script for the call, another for the result; the loop goes through, whole and streamed, on both families."""
    script: list[dict[str, Any]] = [
        {"match": {"result": "get_*"}, "say": {"text": "All done."}},
        {"match": {"text": "go"}, "say": {"text": "I look.", "calls": [
            {"name": "get_weather", "args": {"location": "Bern"}}, {"name": "get_time"}]}},
    ]  # fmt: skip
    for model in (GEMINI_3, GEMINI_2):
        emulator, body = Emulator(script=script), asking("go")
        parts = await parts_of(body, model, emulator=emulator)
        events = (await ask(body, model, emulator=emulator, streamed=True)).events
        streamed = [part for event in events for part in event["candidates"][0]["content"]["parts"] if part != {"text": ""}]
        last = await parts_of(answered(body, streamed), model, emulator=emulator)

        assert [part.get("text") or part["functionCall"]["args"] for part in parts] == ["I look.", {"location": "Bern"}, {}]
        assert parts == streamed
        assert "thoughtSignature" in parts[1]
        assert "thoughtSignature" not in parts[2]
        assert last[0]["text"] == "All done."


@pytest.mark.parametrize(
    "say",
    [{"calls": [{"args": {}}]}, {"calls": [{"name": "f", "args": []}]}, {"calls": [{"name": "f"}], "blocked": "SAFETY"}],
)
def test_wrong_scripted_calls_are_refused(say: Any) -> None:
    """When the script is read, not when it is needed."""
    with pytest.raises(ValueError, match="call"):
        Emulator(script=[{"say": say}])
