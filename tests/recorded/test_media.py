"""Every recorded request with media, said in OpenAI's form, becomes the parts that were recorded.

What the answers to them say is read in `test_answers`, like every other recorded answer.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from pollux.translate import chat
from pollux.translate.extras import camel_keys
from pollux.translate.files import SPELLINGS
from pollux.translate.profiles import profile
from pollux.wire.gemini.generate import encode_request
from pollux.wire.openai.chat import ChatCompletionRequest
from tests.judges import finding, shared

shared.needed()

Json = dict[str, Any]

MEDIA = ("inlineData", "fileData")
CUT = "__BINARY_TRUNCATED__"
"""Where the recordings' collector cut what was long."""

BEGINNINGS = {
    "application/pdf": "JVBERi0xLjQKJcOkw7zDtsOfCg==",
    "audio/mp3": "SUQzBAAAAAAAAA==",
    "audio/wav": "UklGRigAAABXQVZFZm10IBAAAAABAAEA",
    "image/jpeg": "/9j/4AAQSkZJRgABAQAAAQABAAA=",
    "image/png": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNoaGgAAAMEAYFL09IQAAAAAElFTkSuQmCC",
    "video/mp4": "AAAAIGZ0eXBpc29tAAACAGlzb21pc28yYXZjMW1wNDE=",
}
"""How such media begin, for those that were cut."""


def contents_of(file: str) -> list[Json]:
    """Give the contents of a recorded request, in camel case."""
    asked = shared.recording("gemini-native", file).get("request") or {}
    contents = camel_keys(asked.get("contents") or []) if isinstance(asked, dict) else []
    contents = contents if isinstance(contents, list) else [contents]
    for content in contents:
        parts = content.get("parts") or []
        content["parts"] = parts if isinstance(parts, list) else [parts]
    return contents


def with_media(file: str) -> Iterator[list[Json]]:
    """Give the parts of those turns of the user that hold media, whole as they would have been."""
    for content in contents_of(file):
        parts = [part for part in content["parts"] if "text" in part or any(kind in part for kind in MEDIA)]
        if content.get("role") != "model" and any(kind in part for part in parts for kind in MEDIA):
            yield [whole(part) for part in parts]


def whole(part: Json) -> Json:
    """Spell a media type in one way, and give what was cut a beginning of its type."""
    for kind in MEDIA:
        if kind in part:
            mime_type = SPELLINGS.get(part[kind]["mimeType"], part[kind]["mimeType"])
            part = part | {kind: part[kind] | {"mimeType": mime_type}}
            if CUT in part[kind].get("data", ""):
                part[kind]["data"] = BEGINNINGS[mime_type]
    return part


def as_content(part: Json) -> Json:
    """Say a native part in OpenAI's form."""
    if "text" in part:
        return {"type": "text", "text": part["text"]}
    if "fileData" in part:
        return {
            "type": "video_url",
            "video_url": {"url": part["fileData"]["fileUri"], "video_metadata": part.get("videoMetadata")},
        }
    mime_type, data = part["inlineData"]["mimeType"], part["inlineData"]["data"]
    match mime_type.partition("/")[0]:
        case "image":
            return {"type": "image_url", "image_url": {"url": f"data:{mime_type};base64,{data}"}}
        case "audio":
            return {"type": "input_audio", "input_audio": {"data": data, "format": mime_type.partition("/")[2]}}
    return {"type": "file", "file": {"file_data": f"data:{mime_type};base64,{data}"}}


def meant(part: Json) -> Json:
    """Spell a part by its meaning: base64 in the common alphabet, without what a detail says."""
    if "inlineData" in part:
        data = part["inlineData"]["data"].replace("-", "+").replace("_", "/")
        part = part | {"inlineData": part["inlineData"] | {"data": data}}
    return {key: value for key, value in part.items() if key != "mediaResolution"}


RECORDED = [
    entry["file"]
    for entry in shared.index("gemini-native")
    if "enerateContent" in entry["kind"] and next(with_media(entry["file"]), None) is not None
]


def test_there_are_recordings_of_every_sort() -> None:
    """Images, sound, video, PDF and text; in the request and by reference."""
    sorts = {
        (kind, part[kind]["mimeType"].partition("/")[0])
        for file in RECORDED
        for parts in with_media(file)
        for part in parts
        for kind in MEDIA
        if kind in part
    }

    assert len(RECORDED) > 60
    assert sorts >= {("inlineData", sort) for sort in ("image", "audio", "video", "application", "text")}
    assert sorts >= {("fileData", sort) for sort in ("image", "audio", "video", "application")}


@pytest.mark.parametrize("file", RECORDED, ids=str)
def test_a_recorded_request_with_media_is_built_as_it_was_recorded(file: str) -> None:
    """The same texts, the same bytes under the same types, the same addresses, in the same order."""
    for parts in with_media(file):
        asked = {
            "model": "gemini-2.5-flash",
            "messages": [{"role": "user", "content": [as_content(part) for part in parts]}],
        }
        request = msgspec.json.decode(msgspec.json.encode(asked), type=ChatCompletionRequest)
        elsewhere = {
            f"messages[0].content[{i}].video_url": {
                "mime_type": part["fileData"]["mimeType"],
                "uri": part["fileData"]["fileUri"],
            }
            for i, part in enumerate(parts)
            if "fileData" in part
        }
        native = chat.to_gemini(request, profile("gemini-2.5-flash"), found=finding.media(request, elsewhere)).native
        (built,) = msgspec.json.decode(encode_request(native).body)["contents"]

        assert [meant(part) for part in built["parts"]] == [meant(part) for part in parts]
