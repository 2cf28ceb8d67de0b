"""Answers of the emulator, whole and streamed, as each family gives them."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.emulator import Emulator
from pollux.emulator.models import MODELS
from tests.emulator.in_process import PATH, STREAM, call, config, say

ANSWERING = [model.name for model in MODELS if model.family_name != "media" and not model.draws]

BETA = "/v1beta/models/"


def text_of(replies: list[Any]) -> str:
    parts = [part for reply in replies for part in reply["candidates"][0]["content"].get("parts", [])]
    return "".join(part["text"] for part in parts if not part.get("thought"))


async def test_an_answer_says_where_it_comes_from_and_what_arrived() -> None:
    """Whoever reads it knows that no model was asked, and sees what the request had."""
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "Yes?"}]},
            {"role": "user", "parts": [{"text": "What is new?"}]},
        ],
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {"temperature": 0.5, "thinkingConfig": {"thinkingLevel": "LOW"}},
    }
    text = text_of([(await call(Emulator(), PATH, body)).json])

    assert text == (
        "This is the Pollux emulator of gemini-3-flash-preview; no model was asked. It received 3 messages, 2 from the user "
        "and 1 from the model. The system instruction is “Be brief.”. The last user text is “What is new?”. "
        "Settings: temperature 0.5; thinkingLevel LOW."
    )


@pytest.mark.parametrize("model", ANSWERING)
async def test_the_events_of_a_stream_add_up_to_the_whole_answer(model: str) -> None:
    """Text, usage, id and ending are the same both ways, for every model that answers."""
    body = say("Please write 90 words.", generationConfig={"thinkingConfig": {"includeThoughts": True}})
    whole = (await call(Emulator(), f"{BETA}{model}:generateContent", body)).json
    events = (await call(Emulator(), f"{BETA}{model}:streamGenerateContent?alt=sse", body)).events

    assert text_of(events) == text_of([whole])
    assert len(text_of([whole]).split()) == 90
    assert events[-1]["usageMetadata"] == whole["usageMetadata"]
    assert {event["responseId"] for event in events} == {whole["responseId"]}
    assert [event["candidates"][0].get("finishReason") for event in events] == [None] * (len(events) - 1) + ["STOP"]
    thoughts = [p["text"] for e in events for p in e["candidates"][0]["content"].get("parts", []) if p.get("thought")]
    assert "".join(thoughts) == "".join(p["text"] for p in whole["candidates"][0]["content"]["parts"] if p.get("thought"))


async def test_gemini_3_ends_with_an_empty_signed_text() -> None:
    """Recorded in 34 of 37 streams; a whole answer signs its text part instead."""
    events = (await call(Emulator(), STREAM, say())).events
    last = events[-1]["candidates"][0]
    whole = (await call(Emulator(), PATH, say())).json

    assert last["content"]["parts"][0]["text"] == ""
    assert last["content"]["parts"][0]["thoughtSignature"] == whole["candidates"][0]["content"]["parts"][0]["thoughtSignature"]
    assert "thoughtSignature" not in msgspec.json.encode(events[:-1]).decode()


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite"])
async def test_gemini_2_5_ends_with_its_last_text_or_without_parts(model: str) -> None:
    """Recorded: mostly the first; it signs no text."""
    endings = []
    for number in range(60):
        body = say(f"write 100 words about {number}")
        events = (await call(Emulator(), f"{BETA}{model}:streamGenerateContent?alt=sse", body)).events
        endings.append("parts" in events[-1]["candidates"][0]["content"])
        assert "thoughtSignature" not in msgspec.json.encode(events).decode()

    assert 45 < endings.count(True) < 60


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3.6-flash"])
async def test_usage_is_cumulative_and_adds_up_in_every_event(model: str) -> None:
    """candidatesTokenCount is missing before the first visible text; thoughts are counted early by 2.5 alone."""
    body = say("write 120 words", generationConfig={"thinkingConfig": {"includeThoughts": True}})
    events = (await call(Emulator(), f"{BETA}{model}:streamGenerateContent?alt=sse", body)).events
    usages = [event["usageMetadata"] for event in events]

    for usage in usages:
        parts = usage["promptTokenCount"] + usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
        assert usage["totalTokenCount"] == parts
        assert usage["serviceTier"] == "standard"
    assert "candidatesTokenCount" not in usages[0]
    assert ("thoughtsTokenCount" in usages[0]) is (model == "gemini-2.5-flash")
    totals = [usage["totalTokenCount"] for usage in usages]
    assert totals == sorted(totals)


async def test_the_same_request_brings_the_same_bytes() -> None:
    """Ids and signatures derive from content and seed; another seed, in the request or of the emulator, changes them."""
    first = (await call(Emulator(), STREAM, config(seed=1))).body
    other_seed = (await call(Emulator(), STREAM, config(seed=2))).events
    other_emulator = (await call(Emulator(seed=1), STREAM, config(seed=1))).body

    assert first == (await call(Emulator(), STREAM, config(seed=1))).body
    assert other_seed[0]["responseId"].encode() not in first
    assert first != other_emulator


async def test_response_ids_look_like_the_real_ones() -> None:
    """22 or 23 url-safe characters."""
    replies = [(await call(Emulator(), PATH, say(f"number {number}"))).json for number in range(20)]
    lengths = {len(reply["responseId"]) for reply in replies}

    assert lengths == {22, 23}
    assert all(set(reply["responseId"]).isdisjoint("+/=") for reply in replies)


async def test_without_alt_sse_a_stream_is_one_json_array() -> None:
    """The same events, pretty-printed, one by one."""
    reply = await call(Emulator(), STREAM.removesuffix("?alt=sse"), say("write 80 words"))

    assert reply.headers["content-type"] == "application/json; charset=UTF-8"
    assert reply.json == (await call(Emulator(), STREAM, say("write 80 words"))).events
    assert len(reply.chunks) == len(reply.json) + 1


async def test_bytes_and_headers_are_framed_as_recorded() -> None:
    """CRLF CRLF after events, ': ' after keys, attachment, server-timing, tier; whole answers with two spaces."""
    stream = await call(Emulator(), STREAM, say(serviceTier="FLEX"))
    whole = await call(Emulator(), PATH, say())

    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["content-disposition"] == "attachment"
    assert stream.headers["server-timing"].startswith("gfet4t7; dur=")
    assert stream.headers["x-gemini-service-tier"] == "flex"
    assert stream.chunks[0].startswith(b'data: {"candidates": [{"content": {"parts": [{"text": "')
    assert stream.chunks[0].endswith(b"\r\n\r\n")
    assert b"[DONE]" not in stream.body
    assert whole.body.startswith(b'{\n  "candidates": [\n    {\n      "content": {')
    assert whole.headers["content-type"] == "application/json; charset=UTF-8"


async def test_an_alias_answers_with_its_target_as_model_version() -> None:
    """Recorded: gemini-flash-latest told the model behind it."""
    reply = await call(Emulator(), f"{BETA}gemini-flash-latest:generateContent", say())

    assert reply.json["modelVersion"] == "gemini-3.8-flash"


async def test_models_on_the_way_out_tell_their_status() -> None:
    """Only they do."""
    old = (await call(Emulator(), f"{BETA}gemini-2.5-flash:generateContent", say())).json
    new = (await call(Emulator(), PATH, say())).json

    assert old["modelStatus"] == {"modelStage": "LEGACY", "retirementTime": "2026-10-16T00:00:00Z"}
    assert "modelStatus" not in new


async def test_several_candidates_where_the_family_has_them() -> None:
    """2.5 answers with as many as asked; usage counts all, and streams tell their index."""
    body = config(candidateCount=3)
    whole = (await call(Emulator(), f"{BETA}gemini-2.5-flash:generateContent", body)).json
    events = (await call(Emulator(), f"{BETA}gemini-2.5-flash:streamGenerateContent?alt=sse", body)).events

    assert [candidate["index"] for candidate in whole["candidates"]] == [0, 1, 2]
    assert [e["candidates"][0]["index"] for e in events if "finishReason" in e["candidates"][0]] == [0, 1, 2]
    assert events[-1]["usageMetadata"] == whole["usageMetadata"]


async def test_a_long_prompt_brings_several_events() -> None:
    """The answer quotes enough of it."""
    events = (await call(Emulator(), STREAM, say("The quick brown fox jumps over the lazy dog. " * 60))).events

    assert len(events) >= 5


async def test_count_tokens_equals_the_prompt_token_count() -> None:
    """In both forms of the body."""
    body = {
        **say("How many tokens are these, in German: Straßenbahn? 東京"),
        "systemInstruction": {"parts": [{"text": "Count."}]},
    }
    counted = await call(
        Emulator(), PATH.replace("generateContent", "countTokens"), {"generateContentRequest": {"model": "models/x", **body}}
    )
    plain = await call(Emulator(), PATH.replace("generateContent", "countTokens"), say("Hi there"))

    assert counted.json["totalTokens"] == (await call(Emulator(), PATH, body)).json["usageMetadata"]["promptTokenCount"]
    assert plain.json == {"totalTokens": 3, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 3}]}


@given(st.text(max_size=300), st.integers(1, 60), st.sampled_from(ANSWERING))
@settings(max_examples=60, deadline=None)
async def test_any_text_is_answered_within_its_limits(text: str, tokens_max: int, model: str) -> None:
    """Whatever the text, usage adds up, the limit holds, and the stream folds to the whole answer."""
    body = say(text, generationConfig={"maxOutputTokens": tokens_max})
    whole = (await call(Emulator(), f"{BETA}{model}:generateContent", body)).json
    events = (await call(Emulator(), f"{BETA}{model}:streamGenerateContent?alt=sse", body)).events
    usage = whole["usageMetadata"]

    assert usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0) <= tokens_max
    assert events[-1]["usageMetadata"] == usage
    assert text_of(events) == text_of([whole])
    assert events[-1]["candidates"][0]["finishReason"] == whole["candidates"][0]["finishReason"]
