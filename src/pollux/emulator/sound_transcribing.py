"""Transcription: the transcription model, and text models that are asked what is said in a sound.

The text is what was heard (see `sound_hearing`); of other sounds the emulator says what they are, in brackets, and of silence
nothing. Form of the answer with words and speakers: gemini-native.md, section 18 (documentation of 28 August 2026).
"""

import re
from typing import Any

import msgspec

from pollux.emulator import response_rules
from pollux.emulator.answers import last_user_text
from pollux.emulator.errors import invalid
from pollux.emulator.models import Model
from pollux.emulator.schemas import Schema
from pollux.emulator.settle import Draft
from pollux.emulator.sound_hearing import Hearing, Sentence, Word
from pollux.emulator.tokens import files_of

ASKED = re.compile(
    r"transcri|\b(?:is|was|being) said\b|\bsay(?:s|ing)?\b.*\b(?:audio|recording|sound|clip)\b|speech[ -]to[ -]text|verbatim|"
    r"\bwrite down\b|\btranslat(?:e|ion)\b.*\b(?:audio|recording|speech)\b",
    re.IGNORECASE | re.DOTALL,
)
"""A prompt that wants the words of a sound, and nothing else."""

VOCABULARY_MAX = 1_000

SECONDS_MAX, SECONDS_TIMED_MAX = 3_600, 1_800
"""Of a sound: an hour; half of it with times of words or with speakers."""

SPEAKERS_MAX = 8

SEGMENTS = "segments"
"""The field by which a text model knows the schema of a transcript with times (the emulator's own)."""

FILLER = re.compile(r"\b(?:um+|uh+|er+|hm+)\b[,.…]?\s*", re.IGNORECASE)
"""What the mode SMART leaves out."""


def check(request: dict[str, Any], model: Model) -> None:
    """Refuse wrong settings, and sounds that are too long. AFTER: no wording of any is known."""
    given = request.get("generationConfig", {}).get("audioTranscriptionConfig")
    if not model.transcribes:
        if given is not None:
            raise invalid(f"Audio transcription is not enabled for models/{model.name}")
        return
    sounds = _sounds(request)
    if len(sounds) != 1:
        raise invalid(f"Exactly one audio part is required for models/{model.name}")
    config = given or {}
    timed = bool(config.get("wordTimestamp") or config.get("diarization"))
    if timed and config.get("mode") == "SMART":
        raise invalid("Transcription mode SMART cannot be combined with word_timestamp or diarization.")
    if len(config.get("customVocabulary", [])) > VOCABULARY_MAX:
        raise invalid(f"custom_vocabulary must not have more than {VOCABULARY_MAX} entries.")
    longest = SECONDS_TIMED_MAX if timed else SECONDS_MAX
    if sounds[0].get("seconds", 0) > longest:
        raise invalid(f"The audio is longer than the maximum of {longest} seconds.")


def draft(request: dict[str, Any], model: Model) -> Draft | None:
    """Write down what was heard, where that is asked for; else None."""
    sounds = _sounds(request)
    hearings = [sound["hearing"] for sound in sounds if sound["hearing"].sentences]
    if model.transcribes:
        config = request.get("generationConfig", {}).get("audioTranscriptionConfig", {})
        return _transcript(hearings[0], config) if hearings else _wordless(sounds[0])
    if not hearings or not ASKED.search(last_user_text(request)):
        return None
    config = request.get("generationConfig", {})
    if response_rules.mime_type(config) == response_rules.TEXT:
        return Draft("\n".join(hearing.text.strip() for hearing in hearings))
    schema = response_rules.wanted_schema(config)
    if schema is None or SEGMENTS not in schema.get("properties", {}):
        return None
    return Draft(msgspec.json.encode(_in_segments(hearings[-1], schema)).decode())


def _in_segments(hearing: Hearing, schema: Schema) -> dict[str, Any]:
    """Fill the schema of a transcript: a list of segments, each with what it wants of text, times, speaker and words."""
    wanted = schema["properties"][SEGMENTS].get("items", {}).get("properties", {})
    speakers: dict[str, str] = {}
    segments: list[dict[str, Any]] = []
    for sentence in hearing.sentences:
        speaker = speakers.setdefault(sentence.voice, f"Speaker {len(speakers) + 1}")
        said = {"text": sentence.text.strip(), "speaker": speaker} | _times(sentence, wanted)
        if "words" in wanted:
            of_words = wanted["words"].get("items", {}).get("properties", {})
            said["words"] = [{"word": word.text} | _times(word, of_words) for word in sentence.words]
        segments.append({name: said[name] for name in wanted if name in said})
    return {name: segments if name == SEGMENTS else "und" for name in schema["properties"]}


def _times(said: Sentence | Word, wanted: Schema) -> dict[str, Any]:
    """Say when something was said: in seconds, or by a clock where a text is wanted."""
    times = {"start": said.start, "end": said.end}
    return {
        name: round(time, 3) if wanted.get(name, {}).get("type") != "string" else f"{int(time) // 60:02}:{time % 60:06.3f}"
        for name, time in times.items()
        if name in wanted
    }


def _sounds(request: dict[str, Any]) -> list[dict[str, Any]]:
    """List the sounds and films of a request that were listened to."""
    parts = [part for content in request.get("contents", []) for part in content.get("parts", [])]
    return [medium for part in parts for medium in files_of(part) if "hearing" in medium]


def _transcript(hearing: Hearing, config: dict[str, Any]) -> Draft:
    text = hearing.text.strip()
    if config.get("mode") == "SMART":
        text = FILLER.sub("", text)
    timed, told_apart = bool(config.get("wordTimestamp")), bool(config.get("diarization"))
    if not timed and not told_apart:
        return Draft(text)
    labels: dict[str, str] = {}
    turns: list[tuple[str, list[Sentence]]] = []
    for sentence in hearing.sentences:
        label = labels.setdefault(sentence.voice, f"spk_{min(len(labels) + 1, SPEAKERS_MAX)}") if told_apart else ""
        if not turns or turns[-1][0] != label:
            turns.append((label, []))
        turns[-1][1].append(sentence)
    return Draft(text, calls=tuple({"audioTranscription": _turn(label, said, timed=timed)} for label, said in turns))


def _turn(label: str, said: list[Sentence], *, timed: bool) -> dict[str, Any]:
    words: list[dict[str, str]] = []
    for word in (word for sentence in said for word in sentence.words):
        words.append({"word": word.text})
        if timed:
            words[-1] |= {"startOffset": f"{word.start:.3f}s", "endOffset": f"{word.end:.3f}s"}
    return ({"speakerLabel": label} if label else {}) | {"words": words}


def _wordless(sound: dict[str, Any]) -> Draft:
    """Say what a sound is in which no words were heard; of silence there is nothing to write down."""
    silent = "silent" in sound["is"]
    return Draft("" if silent else f"[{sound['is']}, no known words]", empty=silent)
