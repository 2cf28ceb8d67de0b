"""Speech: what a TTS model takes, what of the prompt it says and in which voice, and how the sound comes back.

Sources of the words of refusals are as in `refusals`. Recorded of whole answers and of 2.5's streams: one part, its exact MIME
type, 25 tokens for a second of sound, no `thoughts`. That later models stream many slices: gemini-native.md, section 6.
"""

import base64
import re
from dataclasses import dataclass
from typing import Any

from pollux.emulator.answers import last_user_text
from pollux.emulator.errors import invalid
from pollux.emulator.faults import Fault
from pollux.emulator.models import Model
from pollux.emulator.replies import Stamp
from pollux.emulator.response_rules import wrong_modalities
from pollux.emulator.shapes import PART_DATA
from pollux.emulator.sound import RATE, VOICES, Utterance, spoken
from pollux.emulator.tokens import details

MIME_TYPE = "audio/L16;codec=pcm;rate=24000"
"""Recorded."""

TOKENS_PER_SECOND = 25
"""Of sound in an answer. Recorded: 111, 106, 23 and 20 tokens for 4.45, 4.25, 0.93 and 0.81 seconds."""

SLICE_BYTES = 24_000
"""Of a stream: half a second in each event (the emulator's own)."""

SPEAKERS = 2
"""Of a conversation: exactly so many."""

DIRECTION = re.compile(
    r"(?P<direction>(?:please\s+)?"
    r"(?:say|read|speak|narrate|whisper|shout|tell|recite|pronounce|tts|generate|make|in an?|with an?)"
    r"\b[^:\n]{0,400}):\s*(?P<text>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
"""“Say cheerfully: Have a wonderful day!”: what stands before the colon is not said."""

TRANSCRIPT = re.compile(r"^\W*transcript\b[^\n]*\n", re.IGNORECASE | re.MULTILINE)
"""A heading of its own line, as in Google's prompting guide for speech; what stands before it is not said."""

PACE = re.compile(r"\b(\d+(?:\.\d+)?)\s*(?:x\b|times\b|\u00d7)", re.IGNORECASE)

PACES = ((re.compile(r"\b(?:slow|slowly|slower)\b", re.IGNORECASE), 0.75),
         (re.compile(r"\b(?:fast|faster|quick|quickly|rapidly)\b", re.IGNORECASE), 1.25))  # fmt: skip
"""How a direction changes the rate of speaking."""

VOICE_DEFAULT = "Puck"
"""The emulator's own: the service does not say which one it takes."""


@dataclass(frozen=True, slots=True)
class Speaking:
    """How an answer in sound ended."""

    pieces: list[bytes]
    finish: str

    @property
    def size(self) -> int:
        """Count the bytes."""
        return sum(map(len, self.pieces))


def check(request: dict[str, Any], model: Model) -> None:
    """Refuse what the service refuses of speech, for every model."""
    config = request.get("generationConfig", {})
    modalities = [name for name in config.get("responseModalities", []) if name != "MODALITY_UNSPECIFIED"]
    if not model.speaks:
        if "AUDIO" in modalities and model.family_name != "media":
            raise wrong_modalities(modalities, model, "TEXT")
        if "speechConfig" in config and model.family_name != "media":
            # https://github.com/livekit/livekit/issues/4103 (of the Live API).
            raise invalid("Cannot extract voices from a non-audio request.")
        return
    if request.get("systemInstruction", {}).get("parts"):
        # https://github.com/TheKentuckian/robot_comic/issues/122, of gemini-3.1-flash-tts-preview.
        raise invalid("Developer instruction is not enabled for this model")
    if modalities != ["AUDIO"]:
        raise wrong_modalities(modalities or ["TEXT"], model, "AUDIO")
    if any(tool for tool in request.get("tools", [])):
        # AFTER the same sentence about Gemma.
        raise invalid(f"Function calling is not enabled for models/{model.name}")
    _check_contents(request, model)
    _check_voices(config.get("speechConfig"), model)


def utterances(request: dict[str, Any]) -> list[Utterance]:
    """Find what is to be said, by whom, and how fast."""
    config = request.get("generationConfig", {}).get("speechConfig", {})
    cast = {one.get("speaker", ""): _voice(one.get("voiceConfig", {}))
            for one in config.get("multiSpeakerVoiceConfig", {}).get("speakerVoiceConfigs", [])}  # fmt: skip
    marked = [part for part in request["contents"][-1].get("parts", []) if part.get("speechMetadata", {}).get("speaker")]
    if cast and marked:
        return [Utterance(part["text"], cast.get(part["speechMetadata"]["speaker"], 0)) for part in marked if part.get("text")]
    direction, text = _parted(last_user_text(request), tuple(cast))
    rate = _rate(direction)
    if cast:
        return [Utterance(said, cast[name], rate) for name, said in _turns(text, tuple(cast))]
    return [Utterance(text, _voice(config.get("voiceConfig", {})), rate)] if text.strip() else []


def replies(
    request: dict[str, Any], stamp: Stamp, fault: Fault, text: str | None = None, *, streamed: bool
) -> list[dict[str, Any]]:
    """Answer in sound; `text` is what a script wants to be said instead."""
    if fault.blocked:
        return [{"promptFeedback": {"blockReason": fault.blocked}} | _ending(stamp, 0)]
    said = utterances(request)
    if text is not None:
        said = [Utterance(text, said[0].voice if said else VOICES.index(VOICE_DEFAULT))]
    speaking = _limited(list(spoken(said)), request, stamp.model, fault)
    if not speaking.pieces or speaking.finish not in ("STOP", "MAX_TOKENS"):
        # Recorded: finishReason OTHER without a content.
        return [{"candidates": [{"finishReason": speaking.finish, "index": 0}]} | _ending(stamp, 0)]
    data = b"".join(speaking.pieces)
    slices = [data[at : at + SLICE_BYTES] for at in range(0, len(data), SLICE_BYTES)] if streamed else [data]
    listed, sent = [], 0
    for piece in slices:
        sent += len(piece)
        part = {"inlineData": {"mimeType": MIME_TYPE, "data": base64.b64encode(piece).decode()}}
        candidate: dict[str, Any] = {"content": {"parts": [part], "role": "model"}}
        if sent == len(data):
            candidate["finishReason"] = speaking.finish
        candidate["index"] = 0
        listed.append({"candidates": [candidate]} | _ending(stamp, sent))
    return listed


def _check_contents(request: dict[str, Any], model: Model) -> None:
    contents = request["contents"]
    if len(contents) > 1:
        # AFTER the same sentence about gemini-pro-vision; that TTS models take no history: gemini-native.md, section 18.
        raise invalid(f"Multiturn chat is not enabled for models/{model.name}")
    for part in contents[0].get("parts", []):
        if kinds := PART_DATA.intersection(part) - {"text"}:
            told = part.get("inlineData", part.get("fileData", {})).get("mimeType", "").partition("/")[0] or min(kinds)
            # AFTER "Image input modality is not enabled for models/…", of text models.
            raise invalid(f"{told.capitalize()} input modality is not enabled for models/{model.name}")


def _check_voices(config: dict[str, Any] | None, model: Model) -> None:
    if config is None:
        if model.name == "gemini-3.1-flash-tts-preview":
            # https://github.com/genkit-ai/genkit/issues/5489: this one needs a voice; 2.5 took its own (recorded).
            raise invalid("Request contains an invalid argument.")
        return
    several = config.get("multiSpeakerVoiceConfig")
    if several is not None and "voiceConfig" in config:
        # AFTER the discovery document: "It is mutually exclusive with the voice_config field."
        raise invalid("Only one of voice_config and multi_speaker_voice_config can be set.")
    speakers = (several or {}).get("speakerVoiceConfigs", [])
    if several is not None and len(speakers) != SPEAKERS:
        # Quoted in several public programs.
        raise invalid(f"The number of enabled_voices must equal {SPEAKERS}")
    for voice in [config.get("voiceConfig", {}), *(speaker.get("voiceConfig", {}) for speaker in speakers)]:
        name = voice.get("prebuiltVoiceConfig", {}).get("voiceName", "")
        if name and name.lower() not in (one.lower() for one in VOICES):
            # Quoted word for word in public tests and programs of 2025 and 2026.
            allowed = ", ".join(sorted(one.lower() for one in VOICES))
            raise invalid(f"Voice name {name} is not supported. Allowed voice names are: {allowed}")


def _voice(config: dict[str, Any]) -> int:
    """Find a voice by its name; one's own voices get one of the prebuilt by chance of their names."""
    name = config.get("prebuiltVoiceConfig", {}).get("voiceName") or config.get("voice") or ""
    known = [number for number, voice in enumerate(VOICES) if voice.lower() == name.lower()]
    if known:
        return known[0]
    return sum(name.encode()) % len(VOICES) if name else VOICES.index(VOICE_DEFAULT)


def _parted(text: str, speakers: tuple[str, ...]) -> tuple[str, str]:
    """Part the direction from what is to be said."""
    if heading := TRANSCRIPT.search(text):
        return text[: heading.start()], text[heading.end() :].strip()
    if speakers and (first := _speaker_line(speakers).search(text)):
        return text[: first.start()], text[first.start() :]
    if speakers or not (found := DIRECTION.fullmatch(text.strip())):
        return "", text
    said = found["text"].strip()
    quoted = len(said) > 1 and said[0] + said[-1] in ('""', "“”", "''", "«»")
    return found["direction"], said[1:-1] if quoted and said[0] not in said[1:-1] else said


def _speaker_line(speakers: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(re.escape(name) for name in speakers if name)
    return re.compile(rf"^\s*(?P<name>{names or '(?!)'})\s*:[^\S\n]*", re.IGNORECASE | re.MULTILINE)


def _turns(text: str, speakers: tuple[str, ...]) -> list[tuple[str, str]]:
    """Part a conversation into turns; a text without names is the first speaker's."""
    starts = list(_speaker_line(speakers).finditer(text))
    if not starts:
        return [(speakers[0], text)] if text.strip() else []
    by_name = {name.lower(): name for name in speakers}
    ends = [*(found.start() for found in starts[1:]), len(text)]
    turns = [(by_name[found["name"].lower()], text[found.end() : end].strip()) for found, end in zip(starts, ends, strict=True)]
    return [turn for turn in turns if turn[1]]


def _rate(direction: str) -> float:
    """Read the rate of speaking in a direction: “at 1.5 times the normal speed”, “slowly”."""
    if found := PACE.search(direction):
        return float(found[1])
    return next((rate for pattern, rate in PACES if pattern.search(direction)), 1.0)


def _limited(pieces: list[bytes], request: dict[str, Any], model: Model, fault: Fault) -> Speaking:
    """Keep to the limit on output, and to the ending that a fault wants; nothing to say ends as OTHER (recorded)."""
    if fault.empty or not pieces:
        return Speaking([], fault.finish or ("STOP" if fault.empty else "OTHER"))
    given = request.get("generationConfig", {}).get("maxOutputTokens", model.output_token_limit)
    left = min(given, model.output_token_limit) * RATE * 2 // TOKENS_PER_SECOND
    if sum(map(len, pieces)) <= left:
        return Speaking(pieces, fault.finish or "STOP")
    kept = b"".join(pieces)[: left // 2 * 2]
    return Speaking([kept], fault.finish or "MAX_TOKENS")


def _ending(stamp: Stamp, size: int) -> dict[str, Any]:
    """Tell the usage so far and what all events share, keys in the recorded order."""
    tokens = size * TOKENS_PER_SECOND // (2 * RATE)
    usage: dict[str, Any] = {"promptTokenCount": stamp.prompt_tokens}
    if tokens:
        usage["candidatesTokenCount"] = tokens
    usage["totalTokenCount"] = stamp.prompt_tokens + tokens
    usage["promptTokensDetails"] = details(stamp.prompt_details or {"TEXT": stamp.prompt_tokens})
    if tokens:
        usage["candidatesTokensDetails"] = details({"AUDIO": tokens})
    usage["serviceTier"] = stamp.service_tier
    return {"usageMetadata": usage, "modelVersion": stamp.model.target or stamp.model.name, "responseId": stamp.response_id}
