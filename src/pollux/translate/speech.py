"""What an answer may be besides text: `modalities` and `audio` → responseModalities and speechConfig.

Which models draw and which speak stands in their profiles. A model that only speaks takes one text and nothing else: no
instruction, no history, no pictures.
"""

from typing import Any, Literal, get_args

from msgspec import Struct

from pollux.errors import InvalidRequest, Unsupported
from pollux.translate.notes import Note
from pollux.translate.profiles import Profile
from pollux.wire.gemini.generate import Content, Part
from pollux.wire.openai.chat import ChatCompletionRequest

Format = Literal["wav", "pcm16", "mp3", "flac", "opus", "aac"]

FORMATS: tuple[Format, ...] = get_args(Format)
"""What OpenAI's clients may ask for. Source: OpenAI API, Create chat completion, audio.format."""

VOICES = {
    "alloy": "Kore",
    "ash": "Charon",
    "ballad": "Algieba",
    "cedar": "Iapetus",
    "coral": "Aoede",
    "echo": "Puck",
    "fable": "Sadaltager",
    "marin": "Sulafat",
    "nova": "Leda",
    "onyx": "Orus",
    "sage": "Vindemiatrix",
    "shimmer": "Zephyr",
    "verse": "Umbriel",
}
"""OpenAI's voices and those of Gemini that stand for them: a choice of ours, by who sounds alike; no two share one.

Source of the names: OpenAI API, Create speech, voice; Gemini API, Speech generation, voice options.
"""

VOICE_CHARACTERS_MAX = 64

DRAWING = "gemini-nano-banana-2.1"
SPEAKING = "gemini-3.8-flash-tts"
"""Models that are named to callers who ask another one for pictures or sound."""

_KNOWN = ("text", "image", "audio")


class Speech(Struct, frozen=True):
    """How sound was asked for: its format, and where the model says no text itself, the text that it speaks."""

    format: Format
    text: str = ""


class Output(Struct, frozen=True):
    """What the answer is to be: native fields, and how sound is told."""

    modalities: list[str] | None = None
    speech_config: dict[str, Any] | None = None
    sound_format: Format | None = None


_AS_EVER = Output()


def output(request: ChatCompletionRequest, profile: Profile, notes: list[Note]) -> Output:
    """Read what kinds of answer are asked for. Raises InvalidRequest or Unsupported, naming the parameter.

    Source: OpenAI API, modalities and audio; Gemini API, GenerationConfig.responseModalities, SpeechConfig.
    Loses: text beside sound: models that speak give sound alone, and its transcript is what they were given to speak.
    """
    if request.modalities is None and request.audio is None and profile.speaks != "only":
        return _AS_EVER
    wanted = _modalities(request.modalities)
    if profile.speaks == "only":
        if wanted == ["text"]:
            raise Unsupported(
                f"modalities: {profile.family} models give sound only.", param="modalities", code="unsupported_value"
            )
        audio = _audio(request.audio) if request.audio is not None else {}
        return Output(["AUDIO"], speech_config(audio.get("voice"), "audio.voice", notes), _format(audio))
    if "audio" in wanted:
        if profile.speaks == "no":
            raise Unsupported(
                f"modalities: {profile.family} models give no sound; ask {SPEAKING}.",
                param="modalities",
                code="unsupported_value",
            )
        if request.audio is None:
            raise InvalidRequest(
                "audio is missing: with modalities that hold audio, say audio.voice and audio.format.",
                param="audio",
                code="missing_required_parameter",
            )
        audio = _audio(request.audio)
        return Output(_native(wanted), speech_config(audio.get("voice"), "audio.voice", notes), _format(audio))
    if request.audio is not None:
        notes.append(Note("audio", "ignored", "modalities does not hold audio"))
    if "image" in wanted and not profile.draws:
        raise Unsupported(
            f"modalities: {profile.family} models give no pictures; ask {DRAWING}.",
            param="modalities",
            code="unsupported_value",
        )
    return Output(_native(wanted) if wanted != ["text"] or profile.draws else None)


def speech_config(voice: Any, path: str, notes: list[Note]) -> dict[str, Any] | None:
    """Give the native voice: one of Gemini's by its name, or the one that stands for OpenAI's.

    `voice` is a name, or an object with an `id`. Source: OpenAI API, audio.voice; Gemini API, SpeechConfig.
    """
    if isinstance(voice, dict):
        voice, path = voice.get("id"), f"{path}.id"
    if voice is None:
        return None
    if not isinstance(voice, str) or not 0 < len(voice) <= VOICE_CHARACTERS_MAX:
        raise InvalidRequest(f"{path} must be the name of a voice, such as alloy or Kore.", param=path)
    name = VOICES.get(voice.lower())
    if name is not None:
        notes.append(Note(path, "approximated", f"{voice} is a voice of OpenAI's; {name} speaks in its place"))
    return {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": name or voice}}}


def spoken_text(contents: list[Content], system: Content | None, notes: list[Note]) -> tuple[list[Content], str]:
    """Give what a model that only speaks is sent, and the text that it speaks: that of the last turn.

    Instructions of the system stand before it, as the documented prompts do ("Say cheerfully: …").
    Source: Gemini API, Speech generation: such models take neither a system instruction nor earlier turns.
    Loses: earlier turns; everything that is not text.
    """
    last = contents[-1]
    text = "\n".join([part.text for part in last.parts or () if part.text])
    if not text:
        raise InvalidRequest("The last message holds no text to speak.", param="messages")
    if len(contents) > 1:
        notes.append(Note("messages", "ignored", "earlier turns: the model speaks the last message only"))
    if any(part.text is None for part in last.parts or ()):
        notes.append(Note("messages", "ignored", "what is not text: the model only reads text aloud"))
    prompt = text
    if system is not None and system.parts:
        instruction = "\n".join([part.text or "" for part in system.parts])
        prompt = f"{instruction.rstrip().removesuffix(':')}:\n{text}"
        notes.append(Note("messages", "approximated", "the system message stands before the text to speak"))
    return [Content(role="user", parts=[Part(text=prompt)])], text


def _modalities(given: Any) -> list[str]:
    """Read `modalities`, without what is said twice. Absent and empty is nothing."""
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(one, str) and one.lower() in _KNOWN for one in given):
        raise InvalidRequest(f"modalities must be a list of {', '.join(_KNOWN)}.", param="modalities")
    return list(dict.fromkeys(one.lower() for one in given))


def _native(wanted: list[str]) -> list[str] | None:
    """Say modalities in the service's words, in its order; a model that speaks is asked for sound alone."""
    if "audio" in wanted:
        return ["AUDIO"]
    return [one.upper() for one in _KNOWN if one in wanted] or None


def _audio(audio: Any) -> dict[str, Any]:
    if not isinstance(audio, dict):
        raise InvalidRequest("audio must be an object with voice and format.", param="audio")
    return audio


def _format(audio: dict[str, Any]) -> Format:
    given = audio.get("format")
    found = FORMATS[0] if given is None else next((known for known in FORMATS if known == given), None)
    if found is None:
        raise InvalidRequest(f"audio.format must be one of {', '.join(FORMATS)}.", param="audio.format")
    return found
