"""POST /audio/transcriptions and /audio/translations: form → Gemini. The way back is in `transcript`.

Two kinds of models write down what is said:

- a *transcription model* takes one sound and settings: languages, words, times, speakers;
- any other model that hears is *asked* in words: for the text, or for segments with times and speakers by a JSON schema.

The first kind cannot translate, the second kind does both.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct

from pollux.errors import InvalidRequest, Unsupported
from pollux.translate import languages, parameters
from pollux.translate.chat import Plan
from pollux.translate.formats import Form
from pollux.translate.media import Found
from pollux.translate.notes import Note
from pollux.translate.parameters import Row
from pollux.translate.profiles import Profile
from pollux.translate.tools import NO_TOOLS
from pollux.wire.gemini.generate import Content, FileData, GenerateContentRequest, GenerationConfig, Part, inline_part

Task = Literal["transcribe", "translate"]
Format = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]

FORMATS: Final[tuple[Format, ...]] = get_args(Format)
"""Source: OpenAI API, Create transcription, response_format; translations have all but the last."""

TIMED: Final = frozenset({"srt", "verbose_json", "vtt", "diarized_json"})
"""Formats that need to know when something was said."""

ASKED_MODEL: Final = "gemini-3.8-flash"
"""A model that is named to callers who ask another one for what it cannot do."""

SECONDS_MAX, SECONDS_TIMED_MAX = 3600, 1800
"""Longest sound of a transcription model: an hour; half of it with times or speakers. Source: Gemini API, Transcription."""

VOCABULARY_MAX: Final = 1000
"""Source: the same."""

VOCABULARY_WORDS_MAX: Final = 6
"""Longest entry of a prompt that is a list of names; a longer one is a sentence."""

TEXT_CHARACTERS_MAX: Final = 32_768
"""Longest prompt; OpenAI's models look at the last 224 tokens of one."""

SPEAKERS_MAX: Final = 4
"""Known speakers. Source: OpenAI API, Create transcription, known_speaker_names."""

TRANSCRIPTION_ROWS: Final[tuple[Row, ...]] = (
    Row("file", "mapped", to="contents", why="Known by its bytes; a large one through the Files API."),
    Row("model", "mapped", to="the path, models/{model}", why="A transcription model, or one that hears and is asked."),
    Row("language", "mapped", to="audioTranscriptionConfig.languageCodes, or the prompt"),
    Row("languages", "mapped", to="audioTranscriptionConfig.languageCodes, or the prompt"),
    Row("keywords", "mapped", to="audioTranscriptionConfig.customVocabulary, or the prompt"),
    Row(
        "prompt",
        "mapped",
        to="the prompt; of a list of names: audioTranscriptionConfig.customVocabulary",
        why="A transcription model takes words only; sentences are ignored there.",
    ),
    Row("response_format", "mapped", to="the answer", why="json, text, srt, verbose_json, vtt, diarized_json."),
    Row("temperature", "mapped", to="generationConfig.temperature", why="0 to 1; ignored where the model samples by itself."),
    Row("timestamp_granularities", "mapped", to="the answer", why="word, segment; in verbose_json only."),
    Row(
        "stream",
        "mapped",
        to="streamGenerateContent?alt=sse",
        why="In json, text and diarized_json; else ignored, as at OpenAI.",
    ),
    Row(
        "known_speaker_names",
        "mapped",
        to="contents",
        why="With their references, on models that are asked; a transcription model calls speakers A, B, C.",
    ),
    Row("known_speaker_references", "mapped", to="contents", why="As their names."),
    Row("include", "ignored", why="The models give no log probabilities."),
    Row("chunking_strategy", "ignored", why="The service cuts sound by itself."),
    Row("google", "mapped", to="audioTranscriptionConfig", why="Its fields mode and custom_vocabulary; also as google[mode]."),
    Row("extra_body", "mapped", to="as google"),
)

_IGNORED: Final = {row.name: row.why for row in TRANSCRIPTION_ROWS if row.fate == "ignored"}
_OF_TRANSLATIONS: Final = frozenset({"file", "model", "prompt", "response_format", "temperature", "google", "extra_body"})

SWITCHES: Final = {"1": "true", "0": "false"}

_BRACKETS: Final = re.compile(r"(?P<name>[a-z_]{1,40})(?P<inner>(?:\[[^\[\]]{0,64}\])*)")


class TranscriptionRequest(Struct, kw_only=True):
    """A form, read."""

    task: Task
    model: str = ""
    response_format: Format = "json"
    languages: list[str] = []
    keywords: list[str] = []
    prompt: str = ""
    temperature: float | None = None
    granularities: list[str] = []
    stream: bool = False
    speakers: list[str] = []
    references: list[str] = []
    mode: str | None = None

    @property
    def timed(self) -> bool:
        """Whether the answer says when something was said."""
        return self.response_format in TIMED

    @property
    def streams(self) -> bool:
        """Whether the answer is told in events."""
        return self.stream and self.response_format in {"json", "text", "diarized_json"}


def read(listed: Iterable[tuple[str, str]], task: Task, notes: list[Note]) -> TranscriptionRequest:
    """Read the fields of a form, without the file. Raises InvalidRequest, naming the field."""
    request = TranscriptionRequest(task=task)
    strategy_noted = False
    for given, value in listed:
        found = _BRACKETS.fullmatch(given)
        name, inner = (found["name"], found["inner"]) if found else (given, "")
        if task == "translate" and name not in _OF_TRANSLATIONS:
            notes.append(Note(_told(given), "ignored", "there is no such field for translations"))
            continue
        match name:
            case "model":
                request.model = value
            case "language" | "languages":
                request.languages.append(_language(value, name))
            case "keywords":
                request.keywords.append(_text(value, name))
            case "prompt":
                request.prompt = _text(value, name)
            case "response_format":
                request.response_format = _format(value, task)
            case "temperature":
                request.temperature = _temperature(value)
            case "timestamp_granularities":
                request.granularities.append(_one_of(value, name, ("word", "segment")))
            case "stream":
                request.stream = _one_of(SWITCHES.get(value, value.lower()), name, ("true", "false")) == "true"
            case "known_speaker_names":
                request.speakers.append(_text(value, name))
            case "known_speaker_references":
                request.references.append(value)
            case "include":
                _one_of(value, name, ("logprobs",))
                notes.append(Note(name, "ignored", _IGNORED[name]))
            case "chunking_strategy":
                if not strategy_noted:
                    notes.append(Note(name, "ignored", _IGNORED[name]))
                strategy_noted = True
            case "google" | "extra_body":
                _google(request, given, inner, value, notes)
            case _:
                notes.append(Note(_told(given), "ignored", "there is no such field"))
    return _checked(request, notes)


def to_gemini(request: TranscriptionRequest, profile: Profile, sound: Found, seconds: float, references: list[Found]) -> Plan:
    """Give the native request. `seconds` is how long the sound is, 0 where nobody knows. Raises ApiError, naming the field.

    Source: OpenAI API, Create transcription, Create translation; Gemini API, Audio transcription, Audio understanding.
    Loses: `include`, `chunking_strategy`; on transcription models a prompt of sentences and known speakers.
    """
    notes: list[Note] = []
    if profile.speaks == "only" or profile.family == "not-chat":
        raise Unsupported(
            f"model: {profile.family} models do not hear; ask {ASKED_MODEL}.", param="model", code="unsupported_value"
        )
    config = GenerationConfig()
    if request.temperature is not None:
        if profile.samples:
            config.temperature = request.temperature
        else:
            notes.append(Note("temperature", "ignored", parameters.NO_SAMPLING))
    form = Form()
    if profile.transcribes:
        config.audio_transcription_config = _settings(request, profile, seconds, notes) or None
        parts = [_part(sound)]
    else:
        parts = _asked(request, sound, references)
        if request.mode is not None:
            notes.append(Note("google", "ignored", "only transcription models have modes"))
        if request.timed:
            config.response_mime_type = "application/json"
            config.response_json_schema = schema(request)
    native = GenerateContentRequest(
        contents=[Content(role="user", parts=parts)], generation_config=None if config == GenerationConfig() else config
    )
    return Plan(native, notes, NO_TOOLS, None, form, may_be_empty=True)


def _settings(request: TranscriptionRequest, profile: Profile, seconds: float, notes: list[Note]) -> dict[str, Any]:
    """Say to a transcription model what is wanted."""
    if request.task == "translate":
        raise Unsupported(
            f"model: {profile.family} writes down what is said, in its own language. Ask {ASKED_MODEL} to translate.",
            param="model",
            code="unsupported_value",
        )
    longest = SECONDS_TIMED_MAX if request.timed else SECONDS_MAX
    if seconds > longest:
        raise InvalidRequest(
            f"file is {seconds / 60:.0f} minutes long; {profile.family} takes {longest // 60} for {request.response_format}. "
            f"Cut it, or ask {ASKED_MODEL}.",
            param="file",
            code="media_too_large",
        )
    words = [*request.keywords]
    if request.prompt:
        entries = [entry.strip() for entry in re.split(r"[,;\n]", request.prompt) if entry.strip()]
        if all(len(entry.split()) <= VOCABULARY_WORDS_MAX for entry in entries):
            words += entries
            notes.append(Note("prompt", "approximated", "its words become the model's vocabulary"))
        else:
            notes.append(Note("prompt", "ignored", "a transcription model takes a list of words, not sentences"))
    if len(words) > VOCABULARY_MAX:
        raise InvalidRequest(f"keywords and prompt hold more than {VOCABULARY_MAX} entries.", param="keywords")
    if request.speakers:
        notes.append(Note("known_speaker_names", "ignored", "a transcription model names no speakers; they are A, B, C"))
    settings: dict[str, Any] = {}
    if request.languages:
        settings["languageCodes"] = request.languages
    if words:
        settings["customVocabulary"] = words
    if request.timed:
        settings["wordTimestamp"] = True
        if request.response_format == "diarized_json":
            settings["diarization"] = True
        if request.mode == "SMART":
            notes.append(Note("google", "ignored", "SMART transcripts have no times"))
    elif request.mode is not None:
        settings["mode"] = request.mode
    return settings


TRANSCRIBE: Final = "Transcribe the provided audio and respond with only the transcript text."
"""Source: recorded requests of public projects."""

TRANSLATE: Final = "Translate the speech in the provided audio into English and respond with only the translation."

IN_SEGMENTS: Final = (
    "Transcribe the provided audio in segments of one sentence or less, in their order, as JSON. Times are counted from the "
    "beginning of the audio, as in 01:02.345 (minutes, seconds, thousandths)."
)
TRANSLATE_IN_SEGMENTS: Final = IN_SEGMENTS.replace("Transcribe", "Translate the speech in").replace(
    " audio in segments", " audio into English, in segments"
)


def _asked(request: TranscriptionRequest, sound: Found, references: list[Found]) -> list[Part]:
    """Ask a model in words; the sound comes last, behind samples of voices that are known."""
    translates = request.task == "translate"
    if request.timed:
        lines = [TRANSLATE_IN_SEGMENTS if translates else IN_SEGMENTS]
    else:
        lines = [TRANSLATE if translates else TRANSCRIBE]
    if request.response_format == "diarized_json":
        lines.append("Tell the speakers apart: one speaker in a segment, always under the same label.")
    if request.languages:
        names = " or ".join(languages.name(language) for language in request.languages)
        lines.append(f"The language of the audio is {names}.")
    if request.keywords:
        lines.append(f"These words may occur: {', '.join(request.keywords)}.")
    if request.prompt:
        lines.append(f"Follow this text in spelling and style; it is not a part of the audio:\n{request.prompt}")
    parts = [Part(text="\n".join(lines))]
    for name, reference in zip(request.speakers, references, strict=True):
        parts += [Part(text=f"This is the voice of the speaker {name}:"), _part(reference)]
    if references:
        parts.append(Part(text="This is the audio:"))
    return [*parts, _part(sound)]


def schema(request: TranscriptionRequest) -> dict[str, Any]:
    """Give the schema of segments that a model is asked for; only what the format tells."""
    time = {"type": "string", "description": "as in 01:02.345"}
    segment: dict[str, Any] = {"start": time, "end": time, "text": {"type": "string"}}
    if request.response_format == "diarized_json":
        segment["speaker"] = {"type": "string", "description": "A, B, C, or the name of a known voice"}
    if "word" in request.granularities:
        word = {"word": {"type": "string"}, "start": time, "end": time}
        segment["words"] = {"type": "array", "items": _object(word)}
    top: dict[str, Any] = {"segments": {"type": "array", "items": _object(segment)}}
    if request.response_format == "verbose_json":
        top = {"language": {"type": "string", "description": "ISO 639-1 code of the language that is spoken"}} | top
    return _object(top)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _part(found: Found) -> Part:
    if found.data is not None:
        return inline_part(found.mime_type, found.data)
    return Part(file_data=FileData(file_uri=found.uri, mime_type=found.mime_type))


def _checked(request: TranscriptionRequest, notes: list[Note]) -> TranscriptionRequest:
    if not request.model:
        raise InvalidRequest("model is missing.", param="model", code="missing_required_parameter")
    if request.granularities and request.response_format != "verbose_json":
        notes.append(Note("timestamp_granularities", "ignored", "only verbose_json has them"))
        request.granularities = []
    if request.stream and not request.streams:
        notes.append(Note("stream", "ignored", f"{request.response_format} is told whole"))
    for name, given in (("known_speaker_names", request.speakers), ("known_speaker_references", request.references)):
        if len(given) > SPEAKERS_MAX:
            raise InvalidRequest(f"{name} has {len(given)} entries; at most {SPEAKERS_MAX} are taken.", param=name)
    if len(request.speakers) != len(request.references):
        raise InvalidRequest(
            f"known_speaker_names has {len(request.speakers)} entries and known_speaker_references "
            f"{len(request.references)}; each name needs its reference.",
            param="known_speaker_references",
        )
    if request.speakers and request.response_format != "diarized_json":
        notes.append(Note("known_speaker_names", "ignored", "only diarized_json names speakers"))
        request.speakers, request.references = [], []
    return request


def _google(request: TranscriptionRequest, given: str, inner: str, value: str, notes: list[Note]) -> None:
    """Read Gemini's own fields: JSON in one field, or one value in brackets, as in google[mode]."""
    path = [name for name in re.findall(r"\[([^\[\]]*)\]", inner) if name not in ("", "google", "audio_transcription_config")]
    if path:
        _own(request, path[0], value, given, notes)
        return
    try:
        found = msgspec.json.decode(value, type=dict[str, Any])
    except msgspec.DecodeError:
        raise InvalidRequest(f"{given} must hold a JSON object.", param=given, code="invalid_json") from None
    for outer in ("google", "audio_transcription_config", "audioTranscriptionConfig"):
        if isinstance(found.get(outer), dict):
            found = found[outer]
    for name, inner_value in found.items():
        for one in inner_value if isinstance(inner_value, list) else [inner_value]:
            _own(request, name, one, f"{given}.{name}", notes)


def _own(request: TranscriptionRequest, name: str, value: Any, path: str, notes: list[Note]) -> None:
    match name, value:
        case "mode", str():
            request.mode = _one_of(value.upper(), path, ("VERBATIM", "SMART"))
        case (("custom_vocabulary" | "customVocabulary"), str()):
            request.keywords.append(_text(value, path))
        case (("language_codes" | "languageCodes"), str()):
            request.languages.append(_language(value, path))
        case _:
            notes.append(Note(_told(path), "ignored", "there is no such field for transcriptions"))


def _told(name: str) -> str:
    return name if re.fullmatch(r"[\w.\[\]]{1,64}", name) else name[:20]


def _language(value: str, name: str) -> str:
    code = languages.code(value)
    if code is None:
        raise InvalidRequest(f"{name} must be a code as in en or th, not {value[:40]!r}.", param=name)
    return code


def _text(value: str, name: str) -> str:
    if len(value) > TEXT_CHARACTERS_MAX or "\x00" in value:
        raise InvalidRequest(f"{name} must be a text of at most {TEXT_CHARACTERS_MAX} characters.", param=name)
    return value.strip()


def _format(value: str, task: Task) -> Format:
    allowed = FORMATS if task == "transcribe" else tuple(name for name in FORMATS if name != "diarized_json")
    found = next((known for known in allowed if known == value), None)
    if found is None:
        raise InvalidRequest(f"response_format must be one of {', '.join(allowed)}.", param="response_format")
    return found


def _temperature(value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        raise InvalidRequest("temperature must be a number.", param="temperature", code="invalid_type") from None
    if not 0 <= number <= 1:
        raise InvalidRequest(f"temperature must be between 0 and 1; it is {value[:20]}.", param="temperature")
    return number


def _one_of(value: str, name: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InvalidRequest(f"{name} must be {' or '.join(allowed)}, not {value[:40]!r}.", param=name)
    return value
