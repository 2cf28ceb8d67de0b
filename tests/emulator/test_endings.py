"""Sad endings on request, by header or in the prompt itself, and what the safety settings make of them."""

from typing import Any

import pytest

from pollux.emulator import Emulator
from tests.emulator.in_process import PATH, STREAM, Reply, call, say

HATE = "HARM_CATEGORY_HATE_SPEECH"


def set_to(threshold: str, category: str = HATE) -> dict[str, Any]:
    return {"safetySettings": [{"category": category, "threshold": threshold}]}


async def asked(text: str, path: str = PATH, **more: Any) -> Reply:
    reply = await call(Emulator(), path, say(text, **more))
    assert reply.status == 200, reply.body
    return reply


def texts(events: list[Any]) -> str:
    return "".join(
        part["text"] for event in events for one in event["candidates"] for part in one.get("content", {}).get("parts", [])
    )


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_prompt_is_blocked_from_its_threshold_on(streamed: bool) -> None:
    """No candidates, the reason and the ratings, usage of the prompt alone; below the threshold an answer."""
    text = "Hello [emulator: harmful-prompt=HATE_SPEECH:MEDIUM]"
    path = STREAM if streamed else PATH
    blocked = await asked(text, path, **set_to("BLOCK_MEDIUM_AND_ABOVE"))
    told = blocked.events[0] if streamed else blocked.json
    taken = await asked(text, path, **set_to("BLOCK_ONLY_HIGH"))
    other = await asked(text, path, **set_to("BLOCK_LOW_AND_ABOVE", "HARM_CATEGORY_HARASSMENT"))

    assert "candidates" not in told
    assert told["promptFeedback"]["blockReason"] == "SAFETY"
    assert told["promptFeedback"]["safetyRatings"][0] == {"category": HATE, "probability": "MEDIUM"}
    assert told["usageMetadata"]["totalTokenCount"] == told["usageMetadata"]["promptTokenCount"]
    for reply in (taken, other):
        assert b"promptFeedback" not in reply.body
        assert b"finishReason" in reply.body


@pytest.mark.parametrize("threshold", ["OFF", "BLOCK_NONE", "HARM_BLOCK_THRESHOLD_UNSPECIFIED"])
async def test_these_thresholds_never_block(threshold: str) -> None:
    """OFF does not even tell the ratings, and is the default since 2.5."""
    reply = await asked("Hello [emulator: harmful-answer=HATE_SPEECH:HIGH]", **set_to(threshold))

    assert reply.json["candidates"][0]["finishReason"] == "STOP"
    assert ("safetyRatings" in reply.json["candidates"][0]) == (threshold == "BLOCK_NONE")


async def test_an_answer_stops_in_its_middle_and_keeps_what_was_said() -> None:
    """Whole and streamed: SAFETY, the rating that blocked it, and the beginning of the text."""
    text = "Please write 300 words. [emulator: harmful-answer=HATE_SPEECH:LOW]"
    settings = set_to("BLOCK_LOW_AND_ABOVE")
    whole = (await asked(text, **settings)).json["candidates"][0]
    events = (await asked(text, STREAM, **settings)).events
    rating = {"category": HATE, "probability": "LOW", "blocked": True}

    assert whole["finishReason"] == "SAFETY"
    assert whole["safetyRatings"][0] == rating
    assert 50 < len(whole["content"]["parts"][0]["text"].split()) < 250
    assert events[-1]["candidates"][0] == {
        "content": {},
        "finishReason": "SAFETY",
        "index": 0,
        "safetyRatings": whole["safetyRatings"],
    }
    assert texts(events) == whole["content"]["parts"][0]["text"]


async def test_recitation_comes_with_or_without_what_was_said() -> None:
    """Without parts as in the recordings, or partly, with the source that was recited."""
    bare = (await asked("Hello [emulator: finish=RECITATION]")).json["candidates"][0]
    partly = (await asked("Please write 200 words. [emulator: finish=RECITATION; partial]")).json["candidates"][0]

    assert bare == {"finishReason": "RECITATION", "index": 0}
    assert partly["finishReason"] == "RECITATION"
    assert partly["citationMetadata"]["citationSources"][0]["uri"] == "https://example.com/recited"
    assert len(partly["content"]["parts"][0]["text"].split()) < 200


@pytest.mark.parametrize("path", [PATH, STREAM])
async def test_thinking_may_use_all_tokens(path: str) -> None:
    """MAX_TOKENS, no part, only thoughts in the usage."""
    reply = await asked("Hello [emulator: thinking=5000]", path, generationConfig={"maxOutputTokens": 1000})
    last = reply.events[-1] if path == STREAM else reply.json

    assert last["candidates"][0] == {"content": {"role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}
    assert "candidatesTokenCount" not in last["usageMetadata"]
    assert 990 < last["usageMetadata"]["thoughtsTokenCount"] <= 1000


@pytest.mark.parametrize("path", [PATH, STREAM])
async def test_an_answer_without_candidates_says_nothing_of_the_reason(path: str) -> None:
    """Neither candidates nor promptFeedback: it happens, and a client must survive it."""
    reply = await asked("Hello [emulator: no-candidates]", path)
    told = reply.events[0] if path == STREAM else reply.json

    assert "candidates" not in told
    assert "promptFeedback" not in told
    assert told["usageMetadata"]["promptTokenCount"] > 0


async def test_a_header_and_a_script_can_do_the_same() -> None:
    """One language, three places."""
    header = {"x-emulator-fault": "blocked=PROHIBITED_CONTENT"}
    first = await call(Emulator(), PATH, say(), headers=header)
    script = [{"match": {"text": "hello"}, "say": {"text": "One two three.", "fault": "finish=OTHER; partial"}}]
    second = await call(Emulator(script=script), PATH, say("hello"))

    assert first.json["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    assert second.json["candidates"][0]["finishReason"] == "OTHER"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[emulator: fnish=SAFETY]", "'fnish' is none of blocked, continue-after"),
        ("[emulator: status=500]", "'status' is none of"),
        ("[emulator: harmful-prompt=HATE:HIGH]", "a harm is a category and a probability, as in HATE_SPEECH:HIGH"),
    ],
)
async def test_a_misspelt_wish_is_told(text: str, why: str) -> None:
    """A test with a misspelt ending must not pass because nothing happened."""
    reply = await call(Emulator(), PATH, say(text))

    assert reply.status == 400
    assert why in reply.message
