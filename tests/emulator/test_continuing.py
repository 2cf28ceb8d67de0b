"""CONTINUATION of Gemini 4: the same request with the token goes on where the answer stopped."""

from datetime import timedelta
from typing import Any

import pytest
from google import genai

from pollux.emulator import Emulator, EmulatorServer, ManualClock
from tests.emulator.in_process import Reply, call, say

ARGON = "/v1beta/models/gemini-4-argon:generateContent"

STREAM = "/v1beta/models/gemini-4-argon:streamGenerateContent?alt=sse"

STORY = say("Please write 900 words. [emulator: continue-after=500]")


async def hops(body: dict[str, Any], path: str = ARGON, emulator: Emulator | None = None) -> list[Reply]:
    """Ask until the answer is over."""
    emulator = emulator or Emulator()
    replies = [await call(emulator, path, body)]
    while token := last_of(replies[-1]).get("continuationToken"):
        assert len(replies) < 20
        replies.append(await call(emulator, path, {**body, "continuationToken": token}))
    return replies


def last_of(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200, reply.body
    last = reply.events[-1] if reply.body.startswith(b"data:") else reply.json
    return dict(last["candidates"][0])


def text_of(reply: Reply) -> str:
    events = reply.events if reply.body.startswith(b"data:") else [reply.json]
    parts = [part for event in events for part in event["candidates"][0].get("content", {}).get("parts", [])]
    return "".join(part["text"] for part in parts)


@pytest.mark.parametrize("path", [ARGON, STREAM])
async def test_the_hops_join_to_the_whole_answer(path: str) -> None:
    """CONTINUATION on all but the last; the thinking is in the first alone, the prompt counts in each."""
    replies = await hops(STORY, path)
    whole = await call(Emulator(), ARGON, STORY, headers={"x-emulator-fault": "continue-after=60000"})
    usages = [(reply.events[-1] if path == STREAM else reply.json)["usageMetadata"] for reply in replies]

    assert [last_of(reply)["finishReason"] for reply in replies] == ["CONTINUATION"] * (len(replies) - 1) + ["STOP"]
    assert len(replies) >= 3
    assert len("".join(map(text_of, replies)).split()) == 900
    assert len({usage["promptTokenCount"] for usage in usages}) == 1
    assert "thoughtsTokenCount" in usages[0]
    assert all("thoughtsTokenCount" not in usage for usage in usages[1:])
    assert len({(reply.events[-1] if path == STREAM else reply.json)["responseId"] for reply in replies}) == len(replies)
    assert whole.status == 200


async def test_max_output_tokens_is_the_budget_of_all_hops() -> None:
    """The last hop ends with MAX_TOKENS."""
    limited = {**STORY, "generationConfig": {"maxOutputTokens": 1_000, "thinkingConfig": {"thinkingLevel": "LOW"}}}
    replies = await hops(limited)
    usages = [reply.json["usageMetadata"] for reply in replies]

    assert last_of(replies[-1])["finishReason"] == "MAX_TOKENS"
    assert sum(usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0) for usage in usages) == 1_000


async def test_without_being_asked_an_answer_stops_at_the_models_own_limit() -> None:
    """32,768 tokens for a whole answer of Argon, 65,536 for Hydrogen and for streams."""
    body = say("Please write 60000 words.")
    argon = await call(Emulator(), ARGON, body)
    hydrogen = await call(Emulator(), ARGON.replace("argon", "hydrogen"), body)

    for reply, most in ((argon, 32_768), (hydrogen, 65_536)):
        usage = reply.json["usageMetadata"]
        assert last_of(reply)["finishReason"] == "CONTINUATION"
        assert usage["candidatesTokenCount"] + usage["thoughtsTokenCount"] == most


async def test_a_dropped_stream_is_resumed_from_its_last_checkpoint() -> None:
    """Long streams give a token now and then before their end."""
    whole = await call(Emulator(), STREAM, say("Please write 1500 words."))
    tokens = [
        (number, event["candidates"][0]["continuationToken"])
        for number, event in enumerate(whole.events)
        if "continuationToken" in event["candidates"][0]
    ]
    number, token = tokens[-1]
    said = "".join(part["text"] for event in whole.events[: number + 1] for part in event["candidates"][0]["content"]["parts"])
    rest = await call(Emulator(), STREAM, {**say("Please write 1500 words."), "continuationToken": token})

    assert len(tokens) >= 3
    assert said + text_of(rest) == text_of(whole)


async def test_a_token_holds_for_its_request_its_time_and_its_family() -> None:
    """Another request, a cut token, another model and another day are refused."""
    clock = ManualClock()
    emulator = Emulator(clock=clock)
    token = last_of(await call(emulator, ARGON, STORY))["continuationToken"]
    other = await call(emulator, ARGON, {**say("Another story"), "continuationToken": token})
    cut = await call(emulator, ARGON, {**STORY, "continuationToken": token[:40]})
    model = await call(emulator, ARGON.replace("4-argon", "3.6-flash"), {**STORY, "continuationToken": token})
    clock.advance(timedelta(hours=25).total_seconds())
    late = await call(emulator, ARGON, {**STORY, "continuationToken": token})

    assert [reply.status for reply in (other, cut, model, late)] == [400] * 4
    assert other.message == cut.message == "Corrupted continuation token."
    assert model.message == "Continuation token is not supported for this model."
    assert late.message == "The continuation token has expired."


def test_googles_client_joins_the_hops_itself() -> None:
    """Whole and streamed, without being told."""
    prompt = "Please write 900 words. [emulator: continue-after=500]"
    with EmulatorServer() as server:
        client = genai.Client(api_key="any", http_options={"base_url": server.url})
        whole = client.models.generate_content(model="gemini-4-hydrogen", contents=prompt)
        streamed = "".join(
            chunk.text or "" for chunk in client.models.generate_content_stream(model="gemini-4-hydrogen", contents=prompt)
        )
        requests = len(server.emulator.journal.entries())
        client.close()

    assert len((whole.text or "").split()) == 900
    assert len(streamed.split()) == 900
    assert requests >= 6
