"""Recorded speech and transcriptions: what was sent is what we build, and what came is told whole."""

import base64
from typing import Any

import msgspec
import pytest

from pollux.translate import speech_request
from pollux.translate.profiles import profile
from pollux.wire.gemini.generate import encode_request
from pollux.wire.openai.audio import SpeechRequest
from tests.judges import playing, shared

shared.needed()

SPEECHES = {
    entry["file"]: shared.recording("gemini-native", entry["file"])
    for entry in shared.index("gemini-native")
    if "-tts" in (entry["model"] or "") and entry["status"] == 200
}


def sound_of(recorded: Any) -> bytes:
    """Give the raw samples of a recording."""
    replies = recorded["response"] if isinstance(recorded["response"], list) else [recorded["response"]]
    parts = [part for reply in replies for part in reply["candidates"][0].get("content", {}).get("parts", [])]
    return b"".join(base64.b64decode(part["inlineData"]["data"]) for part in parts)


@pytest.mark.parametrize("name", [name for name in SPEECHES if "speechConfig" in SPEECHES[name]["request"]["generationConfig"]])
def test_what_was_sent_is_what_we_build(name: str) -> None:
    """Field by field; OpenAI's request always has a voice."""
    sent = SPEECHES[name]["request"]
    voice = sent["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"]
    request = SpeechRequest(SPEECHES[name]["model"], sent["contents"][0]["parts"][0]["text"], voice)
    native = speech_request.to_gemini(request, profile(request.model)).plan.native
    built = msgspec.json.decode(encode_request(native).body)

    assert built == {key: value for key, value in sent.items() if key != "model"}


@pytest.mark.parametrize("name", SPEECHES)
async def test_what_came_is_told_whole(name: str) -> None:
    """Every sample, whole recordings and streams; the one that ended with OTHER and nothing is an error."""
    recorded = SPEECHES[name]
    replies = recorded["response"] if isinstance(recorded["response"], list) else [recorded["response"]]
    http = playing.FakeHttp(lambda _request: playing.as_stream(replies, name))
    body = {"model": recorded["model"], "input": "Hello.", "voice": "Kore", "response_format": "pcm"}
    answer = await playing.ask(playing.server(http), "POST", "/v1/audio/speech", body)
    events = await playing.ask(playing.server(http), "POST", "/v1/audio/speech", body | {"stream_format": "sse"})
    sound = sound_of(recorded)

    assert answer.status == (200 if sound else 502)
    if sound:
        usage = replies[-1]["usageMetadata"]
        assert answer.body == sound
        assert events.messages[-1]["usage"] == {
            "input_tokens": usage["promptTokenCount"],
            "output_tokens": usage["candidatesTokenCount"],
            "total_tokens": usage["totalTokenCount"],
        }
