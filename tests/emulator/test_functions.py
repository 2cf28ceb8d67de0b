"""When functions are called, which, how often, and how answers with calls look in each family."""

import re
from typing import Any

import pytest

from tests.emulator.functions import GEMINI_2, GEMINI_3, answered, ask, asking, calls_of, parts_of, user


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("What's the weather like in Chicago today?", [("get_weather", {"location": "Chicago"})]),
        ("weather in paris?", [("get_weather", {"location": "paris"})]),
        ("Weather in San Francisco, CA please, in fahrenheit", [
            ("get_weather", {"location": "San Francisco, CA", "unit": "fahrenheit"})]),
        ("What's the weather in Florence, Italy?", [("get_weather", {"location": "Florence, Italy"})]),
        ("Weather in Paris and in Rome", [("get_weather", {"location": "Paris"}), ("get_weather", {"location": "Rome"})]),
        ("weather and time in Tokyo", [("get_weather", {"location": "Tokyo"}), ("get_time", {"timezone": "Tokyo"})]),
        ("Call get_time for 'Asia/Tokyo'", [("get_time", {"timezone": "Asia/Tokyo"})]),
        ("weather in กรุงเทพ", [("get_weather", {"location": "กรุงเทพ"})]),
        ("Say hello in one word", []),
        ("What is 2+2?", []),
        ("Tell me about the weather tool without calling it", []),
    ],
)  # fmt: skip
async def test_in_auto_the_prompt_decides(text: str, calls: Any) -> None:
    """It names a function, or shares telling words with one; the arguments are drawn from it."""
    assert await calls_of(asking(text)) == calls
    assert await calls_of(asking(text, mode="VALIDATED")) == calls


async def test_any_always_calls_and_none_never() -> None:
    """ANY calls without a reason too, and again after results, then another function if there is one."""
    body = asking("Hello", mode="ANY")
    parts = await parts_of(body)
    second = await calls_of(answered(body, parts))

    assert [part["functionCall"]["name"] for part in parts] == ["get_weather"]
    assert [name for name, _ in second] == ["get_time"]
    assert await calls_of(asking("What's the weather in Rome?", mode="none")) == []


async def test_only_allowed_functions_are_called() -> None:
    """Even if the prompt asks for another."""
    body = asking("What's the weather in Rome?", mode="ANY", allowed=["get_time"])

    assert [name for name, _ in await calls_of(body)] == ["get_time"]


async def test_a_loop_ends_with_a_text_that_tells_the_results() -> None:
    """It says that it is the emulator, and quotes names and results."""
    body = asking("Weather in Paris and in Rome")
    text = (await parts_of(answered(body, await parts_of(body), {"temperature": 21})))[0]["text"]

    assert text.startswith("This is the Pollux emulator of gemini-3-flash-preview; no model was asked.")
    assert '2 results arrived: get_weather gave {"temperature":21}; get_weather gave {"temperature":21}.' in text


@pytest.mark.parametrize(
    ("text", "rounds"),
    [
        ("Call get_weather 3 times, one after another, for Paris", [1, 1, 1, 0]),
        ("Call get_weather in 10 rounds, each with 3 parallel calls", [3] * 10 + [0]),
        ("Call get_weather for Paris, Rome and Oslo one after another", [1, 1, 1, 0]),
        ("Call get_weather for Paris, Rome and Oslo in parallel", [3, 0]),
        ("Call get_weather two times in parallel", [2, 0]),
        ("Call get_weather and get_time in parallel, in two rounds", [2, 2, 0]),
        ("Call get_weather in parallel", [2, 0]),
    ],
)
@pytest.mark.parametrize("model", [GEMINI_3, GEMINI_2])
async def test_rounds_and_parallel_calls_on_request(text: str, rounds: list[int], model: str) -> None:
    """Each round calls again until so many rounds of results are there."""
    body, seen = asking(text), []
    for _ in rounds:
        parts = await parts_of(body, model)
        seen.append(sum("functionCall" in part for part in parts))
        body = answered(body, parts)

    assert seen == rounds


async def test_a_new_user_text_begins_a_new_turn() -> None:
    """The next question is answered for itself."""
    body = asking("What's the weather in Paris?")
    body = answered(body, await parts_of(body))
    body["contents"] += [{"role": "model", "parts": [{"text": "Sunny."}]}, user("And the weather in Oslo?")]

    assert await calls_of(body) == [("get_weather", {"location": "Oslo"})]


async def test_calls_of_gemini_3_as_recorded() -> None:
    """Ids, the first call signed, a message with the end of a whole answer; a stream ends with an empty text."""
    body = asking("Weather in Paris and in Rome")
    whole = (await ask(body)).json["candidates"][0]
    events = [event["candidates"][0] for event in (await ask(body, streamed=True)).events]
    streamed = [part for event in events for part in event["content"]["parts"]]

    assert [("thoughtSignature" in part) for part in whole["content"]["parts"]] == [True, False]
    assert all(re.fullmatch(r"[a-z0-9]{8}|call_\d{6}", part["functionCall"]["id"]) for part in whole["content"]["parts"])
    assert (whole["finishReason"], whole["finishMessage"]) == ("STOP", "Model generated function call(s).")
    assert streamed == [*whole["content"]["parts"], {"text": ""}]
    assert [event.get("finishReason") for event in events] == [None, None, "STOP"]
    assert "finishMessage" not in events[-1]


async def test_calls_of_gemini_2_5_as_recorded() -> None:
    """No ids, the first call signed while it thinks, and the calls stand in the event that ends."""
    body = asking("Weather in Paris and in Rome")
    events = [event["candidates"][0] for event in (await ask(body, GEMINI_2, streamed=True)).events]
    idle = await parts_of({**body, "generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, GEMINI_2)

    assert len(events) == 1
    assert (events[0]["finishReason"], events[0]["finishMessage"]) == ("STOP", "Model generated function call(s).")
    assert [sorted(part) for part in events[0]["content"]["parts"]] == [["functionCall", "thoughtSignature"], ["functionCall"]]
    assert all("id" not in part["functionCall"] for part in events[0]["content"]["parts"])
    assert all("thoughtSignature" not in part for part in idle)


async def test_both_forms_of_ids_come() -> None:
    """Eight letters and digits, and since August 2026 `call_` with six digits."""
    ids = [(await parts_of(asking(f"weather in Paris {n}")))[0]["functionCall"]["id"] for n in range(30)]

    assert any(one.startswith("call_") for one in ids)
    assert any(not one.startswith("call_") for one in ids)
    assert len(set(ids)) == 30


@pytest.mark.parametrize("model", [GEMINI_3, GEMINI_2])
async def test_summaries_come_before_calls(model: str) -> None:
    """First in a whole answer, first in a stream."""
    body = asking("weather in Oslo?", generationConfig={"thinkingConfig": {"includeThoughts": True}})
    parts = await parts_of(body, model)
    events = (await ask(body, model, streamed=True)).events
    streamed = [part for event in events for part in event["candidates"][0]["content"]["parts"]]

    assert [sorted(part) for part in parts] == [["text", "thought"], ["functionCall", "thoughtSignature"]]
    assert streamed[0]["thought"] is True
    assert [part for part in streamed if "functionCall" in part] == parts[1:]


@pytest.mark.parametrize("model", [GEMINI_3, GEMINI_2])
async def test_calls_are_counted(model: str) -> None:
    """In the answer, in the next prompt, and by countTokens; declared functions too."""
    body = asking("weather in Oslo?")
    reply = (await ask(body, model)).json
    usage = reply["usageMetadata"]
    second = (await ask(answered(body, reply["candidates"][0]["content"]["parts"]), model)).json["usageMetadata"]
    plain = (await ask({"contents": body["contents"]}, model)).json["usageMetadata"]

    assert usage["candidatesTokenCount"] > 0
    assert usage["totalTokenCount"] == sum(usage[f"{kind}TokenCount"] for kind in ("prompt", "candidates", "thoughts"))
    assert second["promptTokenCount"] > usage["promptTokenCount"] > plain["promptTokenCount"]


async def test_a_call_that_does_not_fit_is_not_said() -> None:
    """MAX_TOKENS without the call; a cut call is not a call."""
    body = asking("weather in Oslo?", generationConfig={"maxOutputTokens": 40, "thinkingConfig": {"thinkingBudget": 36}})
    whole = (await ask(body, GEMINI_2)).json["candidates"][0]
    events = (await ask(body, GEMINI_2, streamed=True)).events

    assert whole == {"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}
    assert events[-1]["candidates"][0] == whole


async def test_functions_of_both_spellings_and_without_parameters() -> None:
    """snake_case as the clients' REST users write it, and a function that takes nothing."""
    body = {
        "contents": [user("Use the get_answer tool")],
        "tools": [{"function_declarations": [{"name": "get_answer", "parameters_json_schema": {"type": "object"}}]}],
        "tool_config": {"function_calling_config": {"mode": "auto"}},
    }

    assert await calls_of(body) == [("get_answer", {})]
