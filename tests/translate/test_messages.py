"""Conversations of agents: calls, results and signatures, however messy they come."""

from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings

from pollux.translate import chat
from pollux.translate.profiles import profile
from pollux.wire.openai.chat import ChatCompletionRequest
from tests.judges import generating

laws = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])

KNOWN_SIGNATURES = {"c2ln", "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="}


def contents_of(request: generating.Json) -> list[Any]:
    """Give the native contents of a request, as plain JSON."""
    asked = msgspec.convert(request, ChatCompletionRequest)
    contents: list[Any] = msgspec.to_builtins(chat.to_gemini(asked, profile(asked.model)).native.contents)
    return contents


@laws
@given(generating.agent_requests())
def test_every_call_has_one_response_right_after_it(request: generating.Json) -> None:
    """After a content with calls comes one of the user that begins with their responses: as many, in order, same names, ids."""
    contents = contents_of(request)
    for content, after in pairwise([*contents, {"role": "end", "parts": []}]):
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        responses = [part.get("functionResponse", {}) for part in after["parts"][: len(calls)]]
        named = [(call["name"], call.get("id")) for call in calls]

        assert [(response.get("name"), response.get("id")) for response in responses] == named
        assert not any("functionResponse" in part for part in after["parts"][len(calls) :])
        assert content["role"] == "model" or not calls
    assert not any("functionResponse" in part for part in contents[0]["parts"])


@laws
@given(generating.agent_requests())
def test_every_call_and_every_result_of_the_caller_is_sent(request: generating.Json) -> None:
    """No call is lost or made up; a result is a response, or it is told as a text."""
    contents = contents_of(request)
    called = sum(len(one.get("tool_calls", [])) + ("function_call" in one) for one in request["messages"])
    given_results = sum(one["role"] in ("tool", "function") for one in request["messages"])
    parts = [part for content in contents for part in content["parts"]]
    responses = [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]
    answered = sum(response != {"error": "No result was given for this call."} for response in responses)
    told = sum(part.get("text", "").startswith("Result of ") for part in parts)

    assert sum("functionCall" in part for part in parts) == called
    assert answered + told == given_results


@laws
@given(generating.agent_requests())
def test_the_current_turn_never_goes_out_unsigned(request: generating.Json) -> None:
    """Where the family requires it, the first call of every step since the user last spoke is signed; no dummy elsewhere."""
    contents = contents_of(request)
    required = profile(request["model"]).signatures == "required"
    spoken = [
        i
        for i, content in enumerate(contents)
        if content["role"] == "user" and not any("functionResponse" in part for part in content["parts"])
    ]
    for i, content in enumerate(contents):
        calls = [part for part in content["parts"] if "functionCall" in part]
        signatures = [part.get("thoughtSignature") for part in calls]

        assert not (required and i > spoken[-1] and calls) or signatures[0] is not None
        assert {one for one in signatures if one} <= KNOWN_SIGNATURES
        assert "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=" not in (
            signatures if not required or i < spoken[-1] else signatures[1:]
        )
