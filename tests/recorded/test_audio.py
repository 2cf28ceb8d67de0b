"""Recorded speech and transcriptions: what was sent is what we build, and what came is told whole."""

import base64
from typing import Any

import msgspec
import pytest

from pollux.translate import speech_request, transcription
from pollux.translate.media import Found, Source
from pollux.translate.profiles import profile
from pollux.wire.gemini.generate import Base64, encode_request
from pollux.wire.openai.audio import SpeechRequest
from tests.judges import openai_document, pairs, playing, shared
from tests.server.test_transcriptions import HEADERS, form, wav

shared.needed()

SCHEMAS = {
    "json": "CreateTranscriptionResponseJson",
    "verbose_json": "CreateTranscriptionResponseVerboseJson",
    "diarized_json": "CreateTranscriptionResponseDiarizedJson",
}
TRANSCRIPTIONS = {
    entry["file"]: shared.recording("gemini-native", entry["file"])
    for entry in shared.index("gemini-native")
    if "transcription_" in entry["file"] and entry["status"] == 200
}
TOLD = {case.name: case for case in pairs.cases("audio/transcripts") if "openai.json" in case.golden()}
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


@pytest.mark.parametrize("name", TRANSCRIPTIONS)
def test_a_model_is_asked_in_recorded_words(name: str) -> None:
    """The prompt, and the sound behind it; the recorded client says a language otherwise."""
    sent = TRANSCRIPTIONS[name]["request"]["contents"][0]["parts"]
    sound = Found(Source("file"), "audio/wav", Base64(sent[1]["inline_data"]["data"].encode()))
    request = transcription.read([("model", TRANSCRIPTIONS[name]["model"])], "transcribe", [])
    native = transcription.to_gemini(request, profile(request.model), sound, 3.7, []).native
    built = msgspec.json.decode(encode_request(native).body)["contents"][0]["parts"]

    assert sent[0]["text"].startswith(built[0]["text"])
    assert built[1]["inlineData"] == {"mimeType": sent[1]["inline_data"]["mime_type"], "data": sent[1]["inline_data"]["data"]}


@pytest.mark.parametrize("name", TRANSCRIPTIONS)
@pytest.mark.parametrize("stream", ["false", "true"])
async def test_what_was_written_down_is_told(name: str, stream: str) -> None:
    """The recorded text and tokens, whole and streamed."""
    native = TRANSCRIPTIONS[name]["response"]
    http = playing.FakeHttp(
        lambda request: (
            playing.as_stream([native], name) if ":stream" in request.url else playing.Played(msgspec.json.encode(native))
        )
    )
    body = form(wav("Hi."), [("model", TRANSCRIPTIONS[name]["model"]), ("stream", stream)])
    headers = HEADERS | {"authorization": "Bearer k"}
    answer = await playing.ask(playing.server(http), "POST", "/v1/audio/transcriptions", msgspec.Raw(body), headers)
    told = answer.messages[-1] if stream == "true" else answer.json
    usage = native["usageMetadata"]

    assert told["text"] == native["candidates"][0]["content"]["parts"][0]["text"]
    assert told["usage"]["input_token_details"] == {
        "audio_tokens": usage["promptTokensDetails"][1]["tokenCount"],
        "text_tokens": usage["promptTokensDetails"][0]["tokenCount"],
    }
    assert told["usage"]["total_tokens"] == usage["totalTokenCount"]


@pytest.mark.parametrize("name", TOLD)
def test_the_transcript_of_a_pair_is_openai_s(name: str) -> None:
    """OpenAI's document accepts every form."""
    case = TOLD[name]
    response_format = msgspec.json.decode(case.given("request.json")).get("response_format", "json")

    assert openai_document.validate(SCHEMAS[response_format], msgspec.json.decode(case.given("openai.json"))) == []
