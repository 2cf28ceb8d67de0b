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


class InputTokenDetails(Struct, gc=False):
    """What the tokens of a request are."""

    audio_tokens: int
    text_tokens: int


class TokensUsage(Struct, gc=False, tag_field="type", tag="tokens"):
    """Tokens of a transcription."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_token_details: InputTokenDetails


class DurationUsage(Struct, gc=False, tag_field="type", tag="duration"):
    """Seconds of a transcription, begun ones counted as whole."""

    seconds: float


class Transcription(Struct, gc=False):
    """The answer in `json`, of transcriptions and translations."""

    text: str
    usage: TokensUsage
    extra_content: dict[str, Any] | UnsetType = UNSET


class Word(Struct, gc=False):
    """A word and when it was said, in seconds."""

    word: str
    start: float
    end: float


class Segment(Struct, gc=False):
    """A piece of `verbose_json`. What only Whisper knows of it is empty or zero."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class VerboseTranscription(Struct, gc=False):
    """The answer in `verbose_json`."""

    task: str
    language: str
    duration: float
    text: str
    segments: list[Segment] | UnsetType
    words: list[Word] | UnsetType
    usage: DurationUsage
    extra_content: dict[str, Any] | UnsetType = UNSET


class DiarizedSegment(Struct, gc=False, tag_field="type", tag="transcript.text.segment"):
    """What one speaker said; an element of `diarized_json`, and an event of its stream."""

    id: str
    start: float
    end: float
    text: str
    speaker: str


class DiarizedTranscription(Struct, gc=False):
    """The answer in `diarized_json`."""

    task: str
    duration: float
    text: str
    segments: list[DiarizedSegment]
    usage: TokensUsage
    extra_content: dict[str, Any] | UnsetType = UNSET


class TranscriptDelta(Struct, gc=False, tag_field="type", tag="transcript.text.delta"):
    """A piece of the text, as it comes."""

    delta: str


class TranscriptDone(Struct, gc=False, tag_field="type", tag="transcript.text.done"):
    """The end of a stream: the whole text."""

    text: str
    usage: TokensUsage
    extra_content: dict[str, Any] | UnsetType = UNSET
