"""Speech: what TTS models take and say, through Google's client and by hand."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import types

from pollux.emulator import Emulator, EmulatorServer
from pollux.emulator.sound_files import heard, listen
from tests.emulator.filming import picture
from tests.emulator.in_process import Reply, call, say
from tests.emulator.sounding import EN, TEXTS, encoded

MODEL = "gemini-3.8-flash-tts"

PNG = base64.b64encode(picture("red")).decode()

L16 = "audio/L16;codec=pcm;rate=24000"


@pytest.fixture
def client() -> Iterator[genai.Client]:
    with EmulatorServer() as server:
        client = genai.Client(api_key="any", http_options={"base_url": server.url})
        yield client
        client.close()


def speech(voice: str = "Kore", **more: Any) -> dict[str, Any]:
    config = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
    return {"generationConfig": {"responseModalities": ["AUDIO"], "speechConfig": config, **more}}


async def speak(text: str, emulator: Emulator | None = None, *, model: str = MODEL, **more: Any) -> Reply:
    return await call(emulator or Emulator(), f"/v1beta/models/{model}:generateContent", say(text, **{**speech(), **more}))


def pcm(reply: Reply) -> bytes:
    data = reply.json["candidates"][0]["content"]["parts"][0]["inlineData"]["data"]
    return base64.b64decode(data)


def seconds(reply: Reply) -> float:
    return len(pcm(reply)) / 48_000


def test_googles_client_gets_a_sound_that_says_the_text(client: genai.Client) -> None:
    """Whole, and streamed in slices that are joined."""
    voice = types.VoiceConfig(prebuilt_voice_config=types.PrebuiltVoiceConfig(voice_name="Kore"))
    config = types.GenerateContentConfig(response_modalities=["AUDIO"], speech_config=types.SpeechConfig(voice_config=voice))
    answer: Any = client.models.generate_content(model=MODEL, contents=EN, config=config)
    chunks: list[Any] = list(client.models.generate_content_stream(model=MODEL, contents=EN, config=config))
    slices = [part.inline_data.data for chunk in chunks for part in chunk.candidates[0].content.parts]

    assert answer.candidates[0].content.parts[0].inline_data.mime_type == L16
    sound = answer.candidates[0].content.parts[0].inline_data.data
    assert heard(sound, L16) == EN
    assert len(slices) > 5
    assert b"".join(slices) == sound
    assert chunks[-1].candidates[0].finish_reason == "STOP"
    assert chunks[0].candidates[0].finish_reason is None
    assert chunks[-1].usage_metadata.candidates_token_count == answer.usage_metadata.candidates_token_count


async def test_an_answer_has_the_recorded_keys_and_twenty_five_tokens_a_second() -> None:
    """Recorded for this very text: 4.25 and 4.45 seconds, 106 and 111 tokens."""
    reply = await speak(EN)
    usage = reply.json["usageMetadata"]

    assert list(reply.json) == ["candidates", "usageMetadata", "modelVersion", "responseId"]
    assert list(usage) == [
        "promptTokenCount", "candidatesTokenCount", "totalTokenCount", "promptTokensDetails", "candidatesTokensDetails",
        "serviceTier",
    ]  # fmt: skip
    assert usage["candidatesTokensDetails"] == [{"modality": "AUDIO", "tokenCount": int(25 * seconds(reply))}]
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"]
    assert 4 < seconds(reply) < 5


@pytest.mark.parametrize("text", TEXTS, ids=["english", "thai", "hebrew", "emoji", "two thousand characters"])
async def test_what_was_said_can_be_heard_again(text: str) -> None:
    """As bare samples, in WAV and FLAC, and at the rate that many programs record with."""
    sound = pcm(await speak(text))

    assert heard(sound, L16) == text
    assert heard(encoded(sound, "pcm_s16le", "wav"), "audio/wav") == text
    assert heard(encoded(sound, "flac", "flac", 16_000), "audio/flac") == text


@pytest.mark.parametrize(
    ("codec", "container", "bit_rate"),
    [("libmp3lame", "mp3", 64_000), ("aac", "adts", 64_000), ("libopus", "ogg", 64_000), ("libopus", "webm", 64_000)],
)
async def test_lossy_formats_of_a_usual_quality_keep_the_text(codec: str, container: str, bit_rate: int) -> None:
    """The tones are far apart and all below 4 kHz."""
    for text in TEXTS[:4]:
        assert heard(encoded(pcm(await speak(text)), codec, container, bit_rate=bit_rate), "") == text


async def test_a_voice_has_its_pitch() -> None:
    """Two voices say the same in as many samples, and do not sound the same."""
    kore, puck = await speak(EN), await speak(EN, **speech("puck"))

    assert len(pcm(kore)) == len(pcm(puck))
    assert pcm(kore) != pcm(puck)
    assert listen(pcm(kore), L16).sentences[0].voice == "Kore"
    assert listen(pcm(puck), L16).sentences[0].voice == "Puck"
    assert pcm(await speak(EN)) == pcm(kore)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("Say cheerfully: Have a wonderful day!", "Have a wonderful day!"),
        ('Generate audio speaking exactly this text: "Hello."', "Hello."),
        ("Read aloud in a warm tone:\n\nOnce upon a time: a tale.", "Once upon a time: a tale."),
        ("# AUDIO PROFILE\nA friendly host.\n\n#### TRANSCRIPT\nGood morning: all of you!", "Good morning: all of you!"),
        ("Note: bring milk.", "Note: bring milk."),
    ],
)
async def test_a_direction_is_followed_and_not_said(prompt: str, said: str) -> None:
    """What stands before the colon of a spoken verb, or before a heading TRANSCRIPT."""
    assert heard(pcm(await speak(prompt)), L16) == said


async def test_length_follows_the_text_and_the_rate_of_speaking() -> None:
    """About fifteen characters a second; the direction may change it, and the text can still be heard."""
    plain, long = await speak(EN), await speak(f"{EN} {EN}")
    fast = await speak(f"Say this at 2 times the normal speed: {EN}")
    slow = await speak(f"Say slowly: {EN}")

    assert seconds(long) == pytest.approx(2 * seconds(plain), rel=0.05)
    assert seconds(fast) == pytest.approx(seconds(plain) / 2, rel=0.15)
    assert seconds(slow) > 1.2 * seconds(plain)
    assert heard(pcm(fast), L16) == heard(pcm(slow), L16) == EN


async def test_two_speakers_take_turns() -> None:
    """Names are not said; each line has its speaker's voice."""
    cast = [
        {"speaker": name, "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}
        for name, voice in (("Joe", "Kore"), ("Jane", "Puck"))
    ]
    config = {"responseModalities": ["AUDIO"], "speechConfig": {"multiSpeakerVoiceConfig": {"speakerVoiceConfigs": cast}}}
    lines = "Joe: How's it going today Jane?\nJane: Not too bad, how about you?"
    reply = await speak(f"TTS the following conversation between Joe and Jane:\n{lines}", generationConfig=config)
    hearing = listen(pcm(reply), L16)

    assert [(one.voice, one.text) for one in hearing.sentences] == [
        ("Kore", "How's it going today Jane?"),
        ("Puck", "Not too bad, how about you?"),
    ]
    assert hearing.text == "How's it going today Jane?\nNot too bad, how about you?"


ALLOWED = (
    "achernar, achird, algenib, algieba, alnilam, aoede, autonoe, callirrhoe, charon, despina, enceladus, erinome, fenrir, "
    "gacrux, iapetus, kore, laomedeia, leda, orus, puck, pulcherrima, rasalgethi, sadachbia, sadaltager, schedar, sulafat, "
    "umbriel, vindemiatrix, zephyr, zubenelgenubi"
)


COMBINATION = (
    "The requested combination of response modalities ({}) is not supported by the model. "
    "models/{} accepts the following combination of response modalities:\n* {}\n"
)


@pytest.mark.parametrize(
    ("model", "more", "words"),
    [
        (MODEL, speech("alloy"), f"Voice name alloy is not supported. Allowed voice names are: {ALLOWED}"),
        (MODEL, {"systemInstruction": {"parts": [{"text": "Be kind."}]}},
         "Developer instruction is not enabled for this model"),
        (MODEL, {"generationConfig": {}}, COMBINATION.format("TEXT", MODEL, "AUDIO")),
        (MODEL, speech(responseModalities=["TEXT", "AUDIO"]), COMBINATION.format("TEXT, AUDIO", MODEL, "AUDIO")),
        ("gemini-3.6-flash", {"generationConfig": {"responseModalities": ["AUDIO"]}},
         COMBINATION.format("AUDIO", "gemini-3.6-flash", "TEXT")),
        ("gemini-3.6-flash", speech(responseModalities=["TEXT"]), "Cannot extract voices from a non-audio request."),
        ("gemini-3.1-flash-tts-preview", {"generationConfig": {"responseModalities": ["AUDIO"]}},
         "Request contains an invalid argument."),
        (MODEL, speech(speechConfig={"multiSpeakerVoiceConfig": {"speakerVoiceConfigs": [{"speaker": "Joe"}]}}),
         "The number of enabled_voices must equal 2"),
        (MODEL, {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Hi"}]},
                              {"role": "user", "parts": [{"text": "Hi"}]}]},
         f"Multiturn chat is not enabled for models/{MODEL}"),
        (MODEL, {"contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}]}]},
         f"Image input modality is not enabled for models/{MODEL}"),
    ],
)  # fmt: skip
async def test_refusals(model: str, more: dict[str, Any], words: str) -> None:
    """In the service's words, where they are known."""
    reply = await speak("Hello", model=model, **more)

    assert reply.status == 400
    assert reply.message == words
    assert reply.json["error"]["status"] == "INVALID_ARGUMENT"


async def test_scripts_and_faults_reach_speech() -> None:
    """A script's text is said; an ending without sound is the recorded one; a limit cuts the sound."""
    scripted = Emulator(script=[{"match": {"text": "weather"}, "say": {"text": "It is sunny."}}])
    other = await call(
        Emulator(), f"/v1beta/models/{MODEL}:generateContent", say(EN, **speech()), headers={"x-emulator-fault": "finish=OTHER"}
    )
    confused = await call(
        Emulator(),
        f"/v1beta/models/{MODEL}:generateContent",
        say(EN, **speech()),
        headers={"x-emulator-fault": "status=400; reason=speech"},
    )
    cut = await speak(EN, **speech(maxOutputTokens=50))

    assert heard(pcm(await speak("The weather", scripted)), L16) == "It is sunny."
    assert other.json["candidates"] == [{"finishReason": "OTHER", "index": 0}]
    assert "candidatesTokenCount" not in other.json["usageMetadata"]
    assert confused.message.startswith("Model tried to generate text, but it should only be used for TTS.")
    assert cut.json["candidates"][0]["finishReason"] == "MAX_TOKENS"
    assert seconds(cut) == pytest.approx(2.0)
