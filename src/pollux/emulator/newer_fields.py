"""Request fields that are real and newer than the discovery document of revision 20260717.

An entry without a test that needs it fails (`tests/emulator/test_newer_fields.py`): each carries the smallest request
that uses it. Source pages are those of the shared reference.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NewerField:
    """One field, or one value of an enumeration (then `kind` is the value)."""

    owner: str
    """The message, or `enum:` and the enumeration."""
    name: str
    kind: str
    source: str
    example: dict[str, Any]


def _part(**fields: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [fields]}]}


def _config(**fields: Any) -> dict[str, Any]:
    return {"generationConfig": fields}


NATIVE = "gemini-native.md, section "

NEWER_FIELDS = (
    NewerField("GenerateContentRequest", "continuationToken", "bytes", NATIVE + "8", {"continuationToken": "AAEC"}),
    NewerField("GenerateContentRequest", "labels", "{}string", NATIVE + "4", {"labels": {"team": "a"}}),
    NewerField("enum:ThinkingConfig.ThinkingLevel", "XHIGH", "XHIGH", NATIVE + "9",
               _config(thinkingConfig={"thinkingLevel": "XHIGH"})),
    NewerField("enum:GenerationConfig.Modality", "VIDEO", "VIDEO", NATIVE + "4", _config(responseModalities=["VIDEO"])),
    NewerField("GenerationConfig", "audioTranscriptionConfig", "TranscriptionConfig", NATIVE + "18",
               _config(audioTranscriptionConfig={})),
    NewerField("TranscriptionConfig", "languageCodes", "[]string", NATIVE + "18",
               _config(audioTranscriptionConfig={"languageCodes": ["en-US"]})),
    NewerField("TranscriptionConfig", "customVocabulary", "[]string", NATIVE + "18",
               _config(audioTranscriptionConfig={"customVocabulary": ["Pollux"]})),
    NewerField("TranscriptionConfig", "wordTimestamp", "bool", NATIVE + "18",
               _config(audioTranscriptionConfig={"wordTimestamp": True})),
    NewerField("TranscriptionConfig", "diarization", "bool", NATIVE + "18",
               _config(audioTranscriptionConfig={"diarization": True})),
    NewerField("TranscriptionConfig", "mode", "enum:TranscriptionConfig.Mode", NATIVE + "18",
               _config(audioTranscriptionConfig={"mode": "SMART"})),
    NewerField("enum:TranscriptionConfig.Mode", "VERBATIM", "VERBATIM", NATIVE + "18",
               _config(audioTranscriptionConfig={"mode": "VERBATIM"})),
    NewerField("enum:TranscriptionConfig.Mode", "SMART", "SMART", NATIVE + "18",
               _config(audioTranscriptionConfig={"mode": "SMART"})),
    NewerField("FunctionResponsePart", "fileData", "FileData", "ground-truth.md, section 1.1 (recorded 8 times)",
               _part(functionResponse={"name": "f", "response": {}, "parts": [{"fileData": {"fileUri": "u"}}]})),
    NewerField("MediaResolution", "level", "enum:MediaResolution.Level", NATIVE + "5; the document refers to it and has it not",
               _part(text="a", mediaResolution={"level": "MEDIA_RESOLUTION_LOW"})),
    NewerField("MediaResolution", "numTokens", "int32", NATIVE + "5", _part(text="a", mediaResolution={"numTokens": 64})),
    *(
        NewerField("enum:MediaResolution.Level", level, level, NATIVE + "5", _part(text="a", mediaResolution={"level": level}))
        for level in ("MEDIA_RESOLUTION_UNSPECIFIED", "MEDIA_RESOLUTION_LOW", "MEDIA_RESOLUTION_MEDIUM",
                      "MEDIA_RESOLUTION_HIGH", "MEDIA_RESOLUTION_ULTRA_HIGH")
    ),
    NewerField("Part", "mediaProcessing", "string", NATIVE + "5", _part(text="a", mediaProcessing="STATIC")),
    NewerField("Part", "speechMetadata", "SpeechMetadata", NATIVE + "5", _part(text="a", speechMetadata={})),
    NewerField("SpeechMetadata", "speaker", "string", NATIVE + "5", _part(text="a", speechMetadata={"speaker": "Joe"})),
    NewerField("SpeechMetadata", "style", "string", NATIVE + "5", _part(text="a", speechMetadata={"style": "calm"})),
    NewerField("Part", "documentMetadata", "struct", NATIVE + "5", _part(text="a", documentMetadata={"startPage": 1})),
    NewerField("Part", "spreadsheetMetadata", "struct", NATIVE + "5", _part(text="a", spreadsheetMetadata={})),
    NewerField("Part", "audioMetadata", "struct", NATIVE + "5", _part(text="a", audioMetadata={"startOffset": "1s"})),
    NewerField("VideoMetadata", "contentLayers", "any", NATIVE + "5", _part(text="a", videoMetadata={"contentLayers": []})),
    NewerField("enum:ToolCall.ToolType", "MEDIA_PROCESSING", "MEDIA_PROCESSING", NATIVE + "5",
               _part(toolCall={"toolType": "MEDIA_PROCESSING"})),
    NewerField("VoiceConfig", "voice", "string", NATIVE + "18", _config(speechConfig={"voiceConfig": {"voice": "v"}})),
    NewerField("VoiceConfig", "replicatedVoiceConfig", "struct", NATIVE + "18",
               _config(speechConfig={"voiceConfig": {"replicatedVoiceConfig": {"mimeType": "audio/wav"}}})),
)  # fmt: skip
