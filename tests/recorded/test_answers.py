"""Every recorded native answer, played as the upstream through the real server, is read without loss."""

from typing import Any

import msgspec
import pytest

from pollux.wire.gemini.generate import decode_reply, second_look
from tests.judges import folding, openai_document, playing, shared
from tests.recorded import plain_reading

shared.needed()

RECORDED = {
    entry["file"]: entry["kind"] == "streamGenerateContent"
    for entry in shared.index("gemini-native")
    if entry["status"] == 200 and entry["kind"] in ("generateContent", "streamGenerateContent")
}
"""The recorded answers, and whether they were streamed."""

TOTALS_OF_THEIR_OWN = {
    "lingua--transforms_responses_to_google_responsesInputFileUrlParam--0--b5d9ca.json": "it gives no total at all",
    "pydantic-ai--test_native_output_with_builtin_tools_stream--0--b9960d.json": (
        "a stream of several inner steps, whose last event leaves candidatesTokenCount out: the latest one seen counts"
    ),
}
"""Recordings whose native total is not the sum of its parts, and why."""


def replies_of(file: str) -> list[dict[str, Any]]:
    """Give the native messages of a recording."""
    response = shared.recording("gemini-native", file)["response"]
    return response if isinstance(response, list) else [response]


async def played(file: str) -> playing.Answer:
    """Ask the server for a chat completion, with the recording as the upstream's answer."""
    replies = replies_of(file)
    upstream = playing.as_stream(replies, file) if RECORDED[file] else playing.Played(msgspec.json.encode(replies[0]))
    http = playing.FakeHttp(lambda _request: upstream)
    spoken = b'"audio/L16' in msgspec.json.encode(replies)
    request: dict[str, Any] = {
        "model": "gemini-3.8-flash-tts" if spoken else "gemini-3.6-flash",
        "messages": [{"role": "user", "content": "Hello"}],
    }
    if RECORDED[file]:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    return await playing.ask(playing.server(http), "POST", "/v1beta/openai/chat/completions", request)


def told(file: str, answer: playing.Answer) -> dict[str, Any]:
    """Give the whole answer, chunks added up; every message of it has passed OpenAI's document and the rules for chunks."""
    assert answer.status == 200, answer.body
    if not RECORDED[file]:
        assert openai_document.validate("CreateChatCompletionResponse", answer.json) == []
        whole: dict[str, Any] = answer.json
        return whole
    *chunks, done = answer.messages
    assert done == "[DONE]", done
    assert [wrong for chunk in chunks for wrong in openai_document.validate("CreateChatCompletionStreamResponse", chunk)] == []
    assert folding.breaches(chunks) == []
    assert folding.usage_breaches(chunks, "last") == []
    return folding.fold(chunks)


@pytest.mark.parametrize("file", RECORDED, ids=str)
async def test_a_recorded_answer_is_read_without_loss(file: str) -> None:
    """Text, thoughts, calls, signatures, traces, citations, ending, tokens, native fields: as a plain reading finds them."""
    reading = plain_reading.read(replies_of(file))
    if reading.is_asked_for_twice:
        reading.usage = plain_reading.twice(reading.usage)
    answer = await played(file)

    if RECORDED[file] and not reading.has_end:
        *chunks, error = answer.messages
        assert error["error"]["code"] == "upstream_incomplete"
        said = [piece["delta"].get("content") or "" for chunk in chunks for piece in chunk["choices"]]
        assert "".join(said) == "".join(candidate.text for candidate in reading.candidates.values())
    else:
        assert plain_reading.losses(reading, told(file, answer)) == []


@pytest.mark.parametrize("file", RECORDED, ids=str)
def test_no_recorded_key_is_dropped_unseen(file: str) -> None:
    """The second look finds no key that a shape leaves out, but those on the list."""
    bodies = [msgspec.json.encode(reply) for reply in replies_of(file)]
    keys = {path for body in bodies for path in second_look(body, decode_reply(body))}

    assert keys == set()


def test_every_dropped_key_is_recorded() -> None:
    """No entry of the list of dropped keys is left over."""
    used = {key for file in RECORDED for key in plain_reading.read(replies_of(file)).left_out}

    assert plain_reading.dropped().keys() - used == set()


@pytest.mark.parametrize("file", RECORDED, ids=str)
def test_the_recorded_total_is_the_sum(file: str) -> None:
    """Our way of adding tokens up gives the total that the service gave."""
    native = plain_reading.read(replies_of(file)).usage
    total = plain_reading.expected_usage(native)["total_tokens"]

    if file in TOTALS_OF_THEIR_OWN:
        assert total != native.get("totalTokenCount", 0), "the recording needs no exception"
    else:
        assert total == native.get("totalTokenCount", 0)
