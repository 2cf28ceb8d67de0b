"""The official `openai` packages for Python and JavaScript speak and listen."""

import base64
from pathlib import Path

import openai

from pollux.emulator.sound_hearing import hear
from tests.clients.conftest import Service
from tests.clients.test_openai_javascript import run
from tests.server.test_speech import samples

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
