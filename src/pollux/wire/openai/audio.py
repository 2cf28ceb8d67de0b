"""Shapes of audio: speech, transcriptions, translations.

Source: OpenAI API, Create speech, Create transcription, Create translation.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType


class SpeechRequest(Struct, gc=False):
    """The body of POST /audio/speech. OpenAI requires `voice`; here Gemini's own `speech_config` may stand for it."""

    model: str
    input: str
    voice: Any = None
    instructions: str | None = None
    response_format: str | None = None
    speed: float | None = None
    stream_format: str | None = None
    extra_body: Any = None
    google: Any = None


class SpeechUsage(Struct, gc=False):
    """Tokens of a speech."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class SpeechDelta(Struct, gc=False, tag_field="type", tag="speech.audio.delta"):
    """A piece of the sound, in base64."""

    audio: str


class SpeechDone(Struct, gc=False, tag_field="type", tag="speech.audio.done"):
    """The end of a speech."""

    usage: SpeechUsage
    extra_content: dict[str, Any] | UnsetType = UNSET
