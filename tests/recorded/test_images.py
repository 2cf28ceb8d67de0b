"""The recorded answers of image models, played through POST /images/generations: every picture is told, as it came."""

import base64
import binascii
import io
from typing import Any

import msgspec
import PIL.Image
import pytest

from tests.judges import openai_document, playing, shared

shared.needed()

Json = dict[str, Any]

RECORDED = [
    entry["file"]
    for entry in shared.index("gemini-native")
    if entry["status"] == 200
    and entry["kind"] == "generateContent"
    and {"output-image", "finish-no_image"} & set(entry["tags"])
]


def response(file: str) -> Json:
    """Give the recorded reply."""
    found: Json = shared.recording("gemini-native", file)["response"]
    return found


def pictures(reply: Json) -> list[str]:
    """Read the pictures of a reply, those of the thinking left out: plainly, from its JSON."""
    return [
        part["inlineData"]["data"]
        for candidate in reply.get("candidates", [])
        for part in candidate.get("content", {}).get("parts", [])
        if part.get("inlineData", {}).get("mimeType", "").startswith("image/") and not part.get("thought")
    ]


def size_of(picture: str) -> str | None:
    """Read the size with a library; nothing of a picture that was shortened when it was recorded."""
    try:
        found = PIL.Image.open(io.BytesIO(base64.b64decode(picture)))
    except (OSError, binascii.Error):  # an UnidentifiedImageError is an OSError
        return None
    return f"{found.width}x{found.height}"


async def played(file: str) -> playing.Answer:
    """Ask for a picture, with the recording as the upstream's answer."""
    http = playing.FakeHttp(lambda _: playing.Played(msgspec.json.encode(response(file))))
    asked = {"model": "gemini-nano-banana-2.1", "prompt": "Draw"}
    return await playing.ask(playing.server(http), "POST", "/v1beta/openai/images/generations", asked)


def test_there_are_recordings() -> None:
    """Of pictures, and of their absence."""
    assert len(RECORDED) >= 15
    assert any(not pictures(response(file)) for file in RECORDED)


@pytest.mark.parametrize("file", RECORDED, ids=str)
async def test_a_recorded_picture_is_told_as_it_came(file: str) -> None:
    """Byte for byte; its type and size are the picture's own, its tokens the native ones; without one it is an error."""
    reply = response(file)
    answer = await played(file)
    if not pictures(reply):
        assert answer.status == 400
        assert answer.json["error"]["code"] == "no_image"
        return
    usage = reply["usageMetadata"]

    assert answer.status == 200
    assert openai_document.validate("ImagesResponse", answer.json) == []
    assert [image["b64_json"] for image in answer.json["data"]] == pictures(reply)
    assert answer.json["usage"]["total_tokens"] == usage.get("totalTokenCount", answer.json["usage"]["total_tokens"])
    assert answer.json.get("size") == size_of(pictures(reply)[0])
