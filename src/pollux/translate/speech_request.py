"""POST /audio/speech: request → Gemini, and the events of the answer → sound and its end.

What is to be said goes as it is. Instructions stand before it under the headings of Google's prompting guide for speech, which
the models know not to read aloud.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from pollux.errors import ApiError, InvalidRequest, Unsupported, UpstreamFailed
from pollux.translate import extras, parameters, speech
from pollux.translate.chat import Plan
from pollux.translate.endings import FINISH_REASON, PROMPT_BLOCKED
from pollux.translate.events import Blocked, Event, Finish, Media, Usage
from pollux.translate.notes import Note
from pollux.translate.parameters import Row
from pollux.translate.profiles import Profile
from pollux.translate.safety import safety_settings
from pollux.translate.tools import NO_TOOLS
from pollux.wire.closed import joined
from pollux.wire.gemini.generate import Content, GenerateContentRequest, GenerationConfig, Part
from pollux.wire.openai.audio import SpeechRequest, SpeechUsage

INPUT_CHARACTERS_MAX = 4096
"""Longest text. Source: OpenAI API, Create speech. It sounds for some five minutes, which is half of what a model's answer
holds (16,384 tokens, 25 a second), so no speech is cut."""

SPEED_MIN, SPEED_MAX = 0.25, 4.0
"""Source: OpenAI API, Create speech, speed."""

FORMATS: Final[dict[str, speech.Format]] = {
    "mp3": "mp3",
    "opus": "opus",
    "aac": "aac",
    "flac": "flac",
    "wav": "wav",
    "pcm": "pcm16",
}
"""What `response_format` names. Source: OpenAI API, Create speech."""

CONTENT_TYPES: Final[dict[speech.Format, str]] = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm16": "audio/pcm",
}
"""The types that OpenAI's API gives; Opus comes in an Ogg container there too. Source: OpenAI API surface, section 15."""

STREAM_FORMATS: Final = ("audio", "sse")

PROMPT: Final = "### DIRECTOR'S NOTES\n{instructions}\n\n#### TRANSCRIPT\n{text}"
"""Source: Gemini API, Speech generation, prompting guide."""

SAMPLING: Final = ("temperature", "top_p", "top_k", "seed", "max_output_tokens")

SPEECH_ROWS: tuple[Row, ...] = (
    Row("model", "mapped", to="the path, models/{model}", why="A model that speaks."),
    Row("input", "mapped", to="contents", why=f"At most {INPUT_CHARACTERS_MAX} characters."),
    Row(
        "voice",
        "mapped",
        to="generationConfig.speechConfig.voiceConfig",
        why="OpenAI's names by the table of voices, any other name as it is; a custom voice (an object) is refused.",
    ),
    Row("instructions", "mapped", to="contents", why="Before the text, under the headings of Google's prompting guide."),
    Row("response_format", "mapped", to="the answer", why="mp3, opus, aac, flac, wav, pcm: made here."),
    Row("speed", "mapped", to="the answer", why="0.25 to 4: made here, in the same voice."),
    Row("stream_format", "mapped", to="the answer", why="audio or sse."),
    Row("extra_body", "mapped", to="the fields of extra_body.google, below", why="Unknown fields are ignored."),
    Row("google", "mapped", to="as extra_body.google", why="Where clients put it by mistake."),
)

SPEECH_GOOGLE_ROWS: tuple[Row, ...] = (
    Row("speech_config", "mapped", to="generationConfig.speechConfig", why="As it is: one voice, two speakers, a language."),
    Row(
        "multi_speaker_voice_config",
        "mapped",
        to="generationConfig.speechConfig.multiSpeakerVoiceConfig",
        why="Two speakers, by the names that stand in the text; `voice` is ignored then.",
    ),
    Row("language_code", "mapped", to="generationConfig.speechConfig.languageCode"),
    Row("generation_config", "mapped", to="generationConfig", why=f"{', '.join(SAMPLING)}, speech_config."),
    Row("safety_settings", "mapped", to="safetySettings"),
)


class SpeechPlan(Struct, frozen=True):
    """A speech on its way: what goes to Gemini, and in which form the sound is told."""

    plan: Plan
    format: speech.Format
    speed: float
    in_events: bool


def to_gemini(request: SpeechRequest, profile: Profile) -> SpeechPlan:
    """Give the native request and the form of the answer. Raises InvalidRequest or Unsupported, naming the parameter.

    Source: OpenAI API, Create speech; Gemini API, Speech generation.
    Loses: the sound of OpenAI's voices, for which others stand.
    """
    notes: list[Note] = []
    if profile.speaks == "no":
        raise Unsupported(
            f"model: {profile.family} models do not speak; ask {speech.SPEAKING}.", param="model", code="unsupported_value"
        )
    if not request.input.strip():
        raise InvalidRequest("input holds nothing to say.", param="input")
    if len(request.input) > INPUT_CHARACTERS_MAX:
        raise InvalidRequest(
            f"input has {len(request.input)} characters; at most {INPUT_CHARACTERS_MAX} are spoken at once.",
            param="input",
            code="string_above_max_length",
        )
    parameters.in_range("speed", request.speed, SPEED_MIN, SPEED_MAX)
    to = FORMATS.get(request.response_format or "mp3")
    if to is None:
        raise InvalidRequest(f"response_format must be one of {', '.join(FORMATS)}.", param="response_format")
    if request.stream_format not in (None, *STREAM_FORMATS):
        raise InvalidRequest(f"stream_format must be {' or '.join(STREAM_FORMATS)}.", param="stream_format")
    config = GenerationConfig(response_modalities=["AUDIO"])
    native = GenerateContentRequest(contents=[_content(request)], generation_config=config)
    given = _google(request, native, config, notes)
    config.speech_config = _speech_config(request.voice, given, notes)
    plan = Plan(native, notes, NO_TOOLS, None)
    return SpeechPlan(plan, to, 1.0 if request.speed is None else request.speed, request.stream_format == "sse")


def _content(request: SpeechRequest) -> Content:
    text = request.input
    instructions = (request.instructions or "").strip()
    if len(instructions) > INPUT_CHARACTERS_MAX:
        raise InvalidRequest(f"instructions must have at most {INPUT_CHARACTERS_MAX} characters.", param="instructions")
    if instructions:
        text = PROMPT.format(instructions=instructions, text=text)
    return Content(role="user", parts=[Part(text=text)])


def _google(
    request: SpeechRequest, native: GenerateContentRequest, config: GenerationConfig, notes: list[Note]
) -> dict[str, Any]:
    """Put Gemini's own fields in their places; give the speech config that they make."""
    found = extras.fields(request.extra_body, request.google)
    if "generation_config" in found:
        value, path = found.pop("generation_config")
        if not isinstance(value, dict):
            raise InvalidRequest(f"{path} must be an object.", param=path, code="invalid_type")
        found = {extras.snake(key): (inner, joined(path, key)) for key, inner in value.items() if inner is not None} | found
    speech_config: dict[str, Any] = {}
    for name, (value, path) in found.items():
        match name:
            case "speech_config":
                speech_config = _object(value, path) | speech_config
            case "multi_speaker_voice_config":
                speech_config["multiSpeakerVoiceConfig"] = _object(value, path)
            case "language_code":
                speech_config["languageCode"] = value
            case "safety_settings":
                native.safety_settings = safety_settings(value, path, notes)
            case "temperature" | "top_p" | "top_k" | "seed" | "max_output_tokens":
                _set(config, name, value, path)
            case _:
                notes.append(Note(path, "ignored", "there is no such field for speech"))
    return speech_config


def _speech_config(voice: Any, given: dict[str, Any], notes: list[Note]) -> dict[str, Any]:
    """Join the voice with what Gemini's own fields say of speech."""
    if isinstance(voice, dict):
        raise Unsupported(
            "voice: custom voices of OpenAI cannot be used here. Give the name of one of its voices, as in alloy, or of "
            "Gemini's, as in Kore.",
            param="voice",
            code="unsupported_value",
        )
    if given.keys() & {"voiceConfig", "multiSpeakerVoiceConfig"}:
        if voice is not None:
            notes.append(Note("voice", "ignored", "extra_body.google says who speaks"))
        return given
    said = speech.speech_config(voice, "voice", notes)
    if said is None:
        raise InvalidRequest(
            "voice is missing; give a name, as in alloy or Kore.", param="voice", code="missing_required_parameter"
        )
    return said | given


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(f"{path} must be an object.", param=path, code="invalid_type")
    spelled: dict[str, Any] = extras.camel_keys(value)
    return spelled


def _set(config: GenerationConfig, name: str, value: Any, path: str) -> None:
    kind = int if name in {"top_k", "seed", "max_output_tokens"} else float
    try:
        setattr(config, name, msgspec.convert(value, kind))
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{path}: {error}.", param=path, code="invalid_type") from None


class Spoken:
    """The answer as it comes: each event gives its piece of sound, and at the end it says whether that was all."""

    __slots__ = ("_feedback", "_reason", "_sounded", "usage")

    def __init__(self) -> None:
        self.usage = SpeechUsage(0, 0, 0)  # of a second try too
        self._sounded = False
        self._reason = "none"
        self._feedback: dict[str, Any] | None = None

    def feed(self, event: Event) -> str:
        """Give the base64 of the sound that an event brings; the pieces joined are base64 again."""
        match event:
            case Media() if event.mime_type.startswith("audio/"):
                self._sounded = True
                return event.data
            case Finish():
                self._reason = event.reason
            case Blocked():
                self._reason, self._feedback = PROMPT_BLOCKED, event.feedback
            case Usage():
                prompt, completion = self.usage.input_tokens + event.prompt, self.usage.output_tokens + event.completion
                self.usage = SpeechUsage(prompt, completion, prompt + completion)
        return ""

    def check(self) -> None:
        """Raise InvalidRequest where a filter ended the speech, UpstreamFailed where none came."""
        error = self._failure()
        if error is not None:
            raise error

    def _failure(self) -> ApiError | None:
        native: dict[str, Any] = {"finish_reason": self._reason}
        if self._feedback is not None:
            native = {"prompt_feedback": self._feedback}
        if FINISH_REASON.get(self._reason) == "content_filter":
            return InvalidRequest(
                f"Gemini does not say this: a filter stopped it ({self._reason}).",
                param="input",
                code="content_policy_violation",
                native=native,
            )
        if not self._sounded:
            return UpstreamFailed(
                f"The model gave no sound (finish reason {self._reason}). Say it in other words, or ask again.",
                code="upstream_no_sound",
                native=native,
            )
        return None
