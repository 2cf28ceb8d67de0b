"""The official `openai` packages for Python and JavaScript speak and listen."""

import base64
from pathlib import Path

import openai
import pytest
from openai.types.audio import TranscriptionDiarized, TranscriptionVerbose

from pollux.emulator.sound_hearing import hear
from tests.clients.conftest import Service
from tests.clients.test_openai_javascript import run
from tests.server.test_speech import samples
from tests.server.test_transcriptions import wav

SPEAKING = "gemini-3.8-flash-tts"
TEXT = "Hello there. สวัสดีครับ. שלום!"


def client_of(service: Service) -> openai.OpenAI:
    """Make a client."""
    return openai.OpenAI(base_url=f"{service.url}/v1", api_key="any-key-of-a-user", max_retries=0)


def heard(sound: bytes, name: str) -> str:
    """Hear what a sound says."""
    return hear(samples(sound, name)[0]).text


def test_speech_in_python(service: Service, tmp_path: Path) -> None:
    """Whole, streamed into a file, piece by piece, and as events."""
    speech = client_of(service).audio.speech
    whole = speech.create(model=SPEAKING, voice="alloy", input=TEXT, response_format="wav")
    with speech.with_streaming_response.create(model=SPEAKING, voice="Kore", input=TEXT, response_format="flac") as streamed:
        streamed.stream_to_file(tmp_path / "speech.flac")
    with speech.with_streaming_response.create(model=SPEAKING, voice="Kore", input=TEXT, response_format="pcm") as streamed:
        pieces = b"".join(streamed.iter_bytes(4096))
    spoken = speech.create(model=SPEAKING, voice="nova", input=TEXT, instructions="Whisper.", speed=1.25)

    assert heard(whole.content, "wav") == TEXT
    assert heard((tmp_path / "speech.flac").read_bytes(), "flac") == TEXT
    assert heard(pieces, "pcm") == TEXT
    assert samples(spoken.content, "mp3")[1] > 1


@pytest.mark.parametrize("model", ["gemini-3.5-transcribe", "gemini-3.6-flash"])
def test_transcriptions_in_python(service: Service, model: str) -> None:
    """Every form, as the client's own types."""
    transcriptions = client_of(service).audio.transcriptions
    file = ("speech.wav", wav(TEXT, "And you?", voices=(3, 1)))
    whole = f"{TEXT}\nAnd you?"
    plain = transcriptions.create(model=model, file=file, language="en", prompt="Pollux", temperature=0)
    verbose = transcriptions.create(
        model=model, file=file, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    diarized = transcriptions.create(model=model, file=file, response_format="diarized_json", chunking_strategy="auto")
    texts = {name: transcriptions.create(model=model, file=file, response_format=name) for name in ("text", "srt", "vtt")}

    assert plain.text == whole
    assert plain.usage is not None
    assert plain.usage.type == "tokens"
    assert isinstance(verbose, TranscriptionVerbose)
    assert [word.word for word in verbose.words or ()] == whole.split()
    assert verbose.usage is not None
    assert verbose.segments
    assert isinstance(diarized, TranscriptionDiarized)
    assert [segment.speaker for segment in diarized.segments][-1] == "B"
    assert texts["text"] == f"{whole}\n"
    assert texts["srt"].startswith("1\n00:00:00,")
    assert texts["vtt"].startswith("WEBVTT\n\n00:00:00.")


def test_a_streamed_transcription_in_python(service: Service) -> None:
    """Typed events; speakers in events of their own."""
    stream = client_of(service).audio.transcriptions.create(
        model="gemini-3.5-transcribe", file=("speech.wav", wav(TEXT)), response_format="diarized_json", stream=True
    )
    events = list(stream)
    last = events[-1]

    assert {event.type for event in events} == {
        "transcript.text.delta",
        "transcript.text.segment",
        "transcript.text.done",
    }
    assert last.type == "transcript.text.done"
    assert last.text == TEXT


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # OpenAI's translations are; ours are not
def test_translations_in_python(service: Service) -> None:
    """As JSON and as subtitles."""
    translations = client_of(service).audio.translations
    file = ("speech.wav", wav(TEXT))
    plain = translations.create(model="gemini-3.6-flash", file=file)
    subtitles = translations.create(model="gemini-3.6-flash", file=file, response_format="srt")

    assert plain.text == TEXT
    assert str(subtitles).startswith("1\n")


def test_transcriptions_in_javascript(service: Service) -> None:
    """Whole, with words, as subtitles, streamed; translated."""
    out = run(
        service,
        f"""
        const {{ toFile }} = await import("openai");
        const file = () => toFile(Buffer.from("{base64.b64encode(wav(TEXT)).decode()}", "base64"), "speech.wav");
        const transcribing = "gemini-3.5-transcribe";
        const create = async (more) =>
          client.audio.transcriptions.create({{ model: transcribing, file: await file(), ...more }});
        out.plain = await create({{ language: "en" }});
        out.verbose = await create({{ response_format: "verbose_json", timestamp_granularities: ["word"] }});
        out.vtt = await create({{ response_format: "vtt" }});
        out.streamed = [];
        for await (const event of await create({{ stream: true }})) out.streamed.push(event);
        out.translated = await client.audio.translations.create({{ model: "gemini-3.6-flash", file: await file() }});
        """,
    )

    assert out["plain"]["text"] == out["translated"]["text"] == TEXT
    assert [word["word"] for word in out["verbose"]["words"]] == TEXT.split()
    assert out["vtt"].startswith("WEBVTT")
    assert "".join(event.get("delta", "") for event in out["streamed"]) == out["streamed"][-1]["text"] == TEXT


def test_speech_in_javascript(service: Service) -> None:
    """The answer is a response of fetch: its buffer and its stream."""
    out = run(
        service,
        f"""
        const asked = {{ model: "{SPEAKING}", voice: "shimmer", input: {TEXT!r}, response_format: "flac" }};
        const whole = await client.audio.speech.create(asked);
        out.type = whole.headers.get("content-type");
        out.whole = Buffer.from(await whole.arrayBuffer()).toString("base64");
        const pieces = [];
        for await (const piece of (await client.audio.speech.create(asked)).body) pieces.push(piece);
        out.streamed = Buffer.concat(pieces).toString("base64");
        """,
    )

    assert out["type"] == "audio/flac"
    assert heard(base64.b64decode(out["whole"]), "flac") == TEXT
    assert heard(base64.b64decode(out["streamed"]), "flac") == TEXT
