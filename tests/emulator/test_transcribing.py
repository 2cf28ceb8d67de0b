"""Transcription: by the transcription model, and by text models that are asked what is said."""

import base64
import io
from typing import Any

import msgspec
import pytest
from google import genai
from google.genai import types

from pollux.emulator import Emulator, EmulatorServer
from pollux.emulator.sound import Utterance, spoken
from tests.emulator.in_process import KEY, Reply, call
from tests.emulator.sounding import EN, HEBREW, THAI, encoded

MODEL = "gemini-3.5-transcribe"

CHAT = "gemini-2.5-flash"

ASKING = "Transcribe the provided audio and respond with only the transcript text."


def said(*texts: str, voices: tuple[int, ...] = (3,)) -> bytes:
    return b"".join(spoken([Utterance(text, voices[i % len(voices)]) for i, text in enumerate(texts)]))


def wav(*texts: str, voices: tuple[int, ...] = (3,)) -> bytes:
    return encoded(said(*texts, voices=voices), "pcm_s16le", "wav")


def inline(data: bytes, mime_type: str = "audio/wav") -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime_type, "data": base64.b64encode(data).decode()}}


async def ask(parts: list[dict[str, Any]], model: str = MODEL, method: str = "generateContent", **config: Any) -> Reply:
    body = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
    return await call(Emulator(), f"/v1beta/models/{model}:{method}", body)


def text(reply: Reply) -> str:
    return "".join(part.get("text", "") for part in reply.json["candidates"][0]["content"]["parts"])


@pytest.mark.parametrize("words", [EN, THAI, HEBREW, "One. Two! Three?\nA new line."])
async def test_the_transcription_model_writes_down_what_is_said(words: str) -> None:
    """Without a prompt; whole and streamed; the usage counts the sound by its seconds."""
    whole = await ask([inline(wav(words))])
    streamed = await ask([inline(wav(words))], method="streamGenerateContent?alt=sse")

    assert text(whole) == words
    told = [part.get("text", "") for event in streamed.events for part in event["candidates"][0]["content"].get("parts", [])]
    assert "".join(told) == words
    details = {one["modality"]: one["tokenCount"] for one in whole.json["usageMetadata"]["promptTokensDetails"]}
    assert details["AUDIO"] == pytest.approx(32 * len(said(words)) / 48_000, abs=8 * len(said(words)) / 48_000)


@pytest.mark.parametrize("prompt", [ASKING, "What is being said?", "Translate the audio into English."])
async def test_a_text_model_writes_it_down_when_asked(prompt: str) -> None:
    """In the words of the recordings, with thoughts as the family has them."""
    reply = await ask([{"text": prompt}, inline(encoded(said(EN), "libmp3lame", "mp3", bit_rate=64_000), "audio/mpeg")], CHAT)

    assert text(reply) == EN
    assert reply.json["usageMetadata"]["thoughtsTokenCount"] > 0


async def test_a_text_model_that_is_not_asked_for_the_words_tells_of_the_sound() -> None:
    """Its format, its length, its loudness, and who says what."""
    told = text(await ask([{"text": "Is this a song?"}, inline(wav(EN))], CHAT))

    assert "a WAV sound of" in told
    assert f"in which Kore says “{EN}”" in told


async def test_words_have_times_and_speakers() -> None:
    """One part for each turn of a speaker, beside the text."""
    data = wav("How are you?", "Fine, thanks. And you?", "Good!", voices=(3, 1))
    reply = await ask([inline(data)], audioTranscriptionConfig={"wordTimestamp": True, "diarization": True})
    parts = reply.json["candidates"][0]["content"]["parts"]
    turns = [part["audioTranscription"] for part in parts[1:]]

    assert parts[0] == {"text": "How are you?\nFine, thanks. And you?\nGood!"}
    assert [turn["speakerLabel"] for turn in turns] == ["spk_1", "spk_2", "spk_1"]
    assert [" ".join(word["word"] for word in turn["words"]) for turn in turns] == [
        "How are you?", "Fine, thanks. And you?", "Good!",
    ]  # fmt: skip
    words = [word for turn in turns for word in turn["words"]]
    times = [float(word[end].removesuffix("s")) for word in words for end in ("startOffset", "endOffset")]
    assert times == sorted(times)


async def test_words_without_speakers_and_the_smart_mode() -> None:
    """Each setting alone: no label without diarization; SMART leaves fillers out."""
    timed = await ask([inline(wav("Um, hello there."))], audioTranscriptionConfig={"wordTimestamp": True})
    smart = await ask([inline(wav("Um, hello there."))], audioTranscriptionConfig={"mode": "SMART"})

    assert list(timed.json["candidates"][0]["content"]["parts"][1]["audioTranscription"]) == ["words"]
    assert text(smart) == "hello there."


async def test_other_sounds_are_described_and_silence_is_empty() -> None:
    """Nothing is made up."""
    tone = encoded(said("x")[: 2 * 960], "pcm_s16le", "wav")
    unknown = await ask([inline(tone)])
    silent = await ask([inline(bytes(48_000), "audio/L16;rate=24000")])

    assert text(unknown).startswith("[a WAV sound of 0.04 seconds, 24000 Hz, mono, loudness")
    assert "parts" not in silent.json["candidates"][0]["content"]


async def test_a_text_model_fills_the_schema_of_a_transcript() -> None:
    """A list of segments, with what each wants: clock times as texts, seconds as numbers, words, speakers."""
    time, second = {"type": "string"}, {"type": "number"}
    word: dict[str, Any] = {"type": "object", "properties": {"word": {"type": "string"}, "start": second, "end": second}}
    wanted: dict[str, Any] = {"text": {"type": "string"}, "start": time, "end": time, "speaker": {"type": "string"}}
    wanted["words"] = {"type": "array", "items": word}
    segments = {"type": "array", "items": {"type": "object", "properties": wanted}}
    schema = {"type": "object", "properties": {"language": {"type": "string"}, "segments": segments}}
    data = wav("How are you?", "Fine!", voices=(3, 1))
    reply = await ask([{"text": ASKING}, inline(data)], CHAT, responseMimeType="application/json", responseJsonSchema=schema)
    answer = msgspec.json.decode(text(reply))
    first, second_segment = answer["segments"]

    assert answer["language"] == "und"
    assert [first["text"], second_segment["text"]] == ["How are you?", "Fine!"]
    assert [first["speaker"], second_segment["speaker"]] == ["Speaker 1", "Speaker 2"]
    assert (first["start"], second_segment["end"]) == ("00:00.000", "00:01.678")
    assert [one["word"] for one in first["words"]] == ["How", "are", "you?"]
    assert first["words"][0]["start"] == 0.102


@pytest.mark.parametrize(
    ("parts", "model", "config", "words"),
    [
        ([{"text": "Hi"}], MODEL, {}, f"Exactly one audio part is required for models/{MODEL}"),
        ([inline(wav("a")), inline(wav("b"))], MODEL, {}, f"Exactly one audio part is required for models/{MODEL}"),
        ([{"text": "Hi"}], CHAT, {}, f"Audio transcription is not enabled for models/{CHAT}"),
        ([inline(wav("a"))], MODEL, {"mode": "SMART", "diarization": True},
         "Transcription mode SMART cannot be combined with word_timestamp or diarization."),
        ([inline(wav("a"))], MODEL, {"customVocabulary": ["a"] * 1001},
         "custom_vocabulary must not have more than 1000 entries."),
        ([inline(b"RIFF____WAVEbroken")], MODEL, {}, "Request contains an invalid argument."),
    ],
)  # fmt: skip
async def test_refusals(parts: list[dict[str, Any]], model: str, config: dict[str, Any], words: str) -> None:
    """What the documentation excludes, and what is no sound."""
    reply = await ask(parts, model, audioTranscriptionConfig=config)

    assert reply.status == 400
    assert reply.message == words


def test_a_file_that_was_uploaded_is_heard() -> None:
    """Through Google's client: upload, then ask."""
    with EmulatorServer(Emulator()) as server:
        client = genai.Client(api_key=KEY, http_options={"base_url": server.url})
        file = client.files.upload(file=io.BytesIO(wav(EN)), config=types.UploadFileConfig(mime_type="audio/wav"))
        answer = client.models.generate_content(model=MODEL, contents=file)
        client.close()

        assert answer.text == EN
