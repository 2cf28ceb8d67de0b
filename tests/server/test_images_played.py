"""Pictures of an upstream that plays what it is given: endings that the emulator has not, order, memory of a large one."""

import asyncio
import base64
from typing import Any

import msgspec
import pytest

from pollux.server.streaming import KEEP_ALIVE, Commitment
from pollux.settings import RETIRED_MODELS
from pollux.upstream.http import HttpReply, HttpRequest
from tests.judges import openai_document, playing
from tests.media.studio import picture
from tests.server.picturing import events

PATH = "/v1/images/generations"
PICTURE = base64.b64encode(picture()).decode()

Json = dict[str, Any]


def drawn(*parts: Json, finish: str = "STOP") -> bytes:
    """Write a native reply."""
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish}
    return msgspec.json.encode({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 5}})


def part(data: str = PICTURE, mime_type: str = "image/png", **more: Any) -> Json:
    """Give the native part of a picture."""
    return {"inlineData": {"mimeType": mime_type, "data": data}} | more


async def ask(tmp_path: Any, reply: bytes, **parameters: Any) -> playing.Answer:
    """Ask for pictures of this reply."""
    app = playing.server(playing.FakeHttp(lambda _: playing.Played(reply)), data_dir=str(tmp_path))
    return await playing.ask(app, "POST", PATH, {"model": "gemini-3-pro-image", "prompt": "Draw"} | parameters)


async def test_pictures_of_the_thinking_are_no_answer(tmp_path: Any) -> None:
    """An interim picture is not told; one that nothing follows is no picture."""
    answer = await ask(tmp_path, drawn(part(thought=True), part()))
    alone = await ask(tmp_path, drawn(part(thought=True)))

    assert [image["b64_json"] for image in answer.json["data"]] == [PICTURE]
    assert alone.json["error"]["code"] == "no_image"


async def test_more_pictures_than_were_asked_for_are_all_told(tmp_path: Any) -> None:
    """They were paid for; the report says so."""
    answer = await ask(tmp_path, drawn({"text": "One,"}, part(), {"text": " two."}, part()))

    assert len(answer.json["data"]) == 2
    assert answer.headers["x-pollux-losses"] == "n=added"
    assert answer.json["data"][0]["extra_content"] == {"google": {"text": "One, two."}}
    assert openai_document.validate("ImagesResponse", answer.json) == []


async def test_the_type_is_what_the_bytes_are(tmp_path: Any) -> None:
    """A label may be wrong."""
    answer = await ask(tmp_path, drawn(part(mime_type="image/jpeg")))

    assert (answer.json["output_format"], answer.json["size"]) == ("png", "64x48")


async def test_a_damaged_picture_is_told_as_it_came_and_never_converted(tmp_path: Any) -> None:
    """What cannot be read has no size; what is to be another format is an error."""
    damaged = base64.b64encode(picture()[:30]).decode()
    as_it_came = await ask(tmp_path, drawn(part(damaged)))
    converted = await ask(tmp_path, drawn(part(damaged)), output_format="webp")

    assert as_it_came.json["data"][0]["b64_json"] == damaged
    assert converted.json["error"]["code"] == "invalid_media"


@pytest.mark.parametrize("reply", [{}, {"candidates": []}, {"candidates": [{"finishReason": "STOP"}]}], ids=str)
async def test_an_empty_answer_is_an_error(tmp_path: Any, reply: Json) -> None:
    """And not an empty list."""
    answer = await ask(tmp_path, msgspec.json.encode(reply))

    assert answer.status == 400
    assert answer.json["error"]["code"] == "no_image"


@pytest.mark.parametrize(
    ("asked", "called"),
    [("gemini-2.5-flash-image", "gemini-nano-banana-2.1"), ("models/gemini-3-pro-image-preview", "gemini-3-pro-image")],
)
async def test_a_retired_name_is_answered_by_todays_model(tmp_path: Any, asked: str, called: str) -> None:
    """Where the upstream does not list it; what is sent is what today's model takes."""

    def play(request: HttpRequest) -> playing.Played:
        return playing.Played(b'{"models": []}' if request.method == "GET" else drawn(part()))

    http = playing.FakeHttp(play)
    app = playing.server(http, data_dir=str(tmp_path), aliases=RETIRED_MODELS)
    answer = await playing.ask(app, "POST", PATH, {"model": asked, "prompt": "Draw", "size": "1376x768"})

    assert answer.headers["x-pollux-losses"] == "model=approximated"
    assert http.sent[-1].url.endswith(f"/models/{called}:generateContent")
    assert b'"imageConfig":{"aspectRatio":"16:9","imageSize":"1K"}' in http.sent[-1].body  # type: ignore[operator] # joined


class SlowCaller:
    """An exchange whose caller takes each piece after a while."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    async def start(self, _status: int, _headers: object) -> None:
        """Send the status."""

    async def send(self, data: bytes) -> None:
        """Send a piece, in two halves."""
        for half in (data[: len(data) // 2], data[len(data) // 2 :]):
            await asyncio.sleep(0.03)
            self.sent.append(half)


async def test_no_comment_comes_into_the_middle_of_an_event() -> None:
    """However slowly the caller takes a large one; into the silence after it comes one."""
    caller: Any = SlowCaller()
    async with Commitment(caller, commit_seconds=0.01, keep_alive_seconds=0.01) as commitment:
        await commitment.commit()
        await commitment.send(b"data: ", b"x" * 100, b"\n\n")
        event, before = b"data: " + b"x" * 100 + b"\n\n", b"".join(caller.sent)
        await asyncio.sleep(0.2)

    assert event in before
    assert KEEP_ALIVE in b"".join(caller.sent).replace(event, b"")


class InTurn(playing.FakeHttp):
    """Answers each call when the one before it was answered."""

    def __init__(self, *replies: HttpReply) -> None:
        super().__init__(lambda _: playing.Played(b""))
        self._replies = list(replies)
        self._seconds = 0.0

    async def call(self, request: HttpRequest) -> HttpReply:
        """Answer whole, later than before."""
        self.sent.append(request)
        reply = self._replies.pop(0)
        self._seconds += 0.05
        await asyncio.sleep(self._seconds)
        return reply


async def test_a_late_failure_of_a_stream_is_its_last_message(tmp_path: Any) -> None:
    """The first picture was sent; then the second call fails, and the third is let go."""
    error = msgspec.json.encode({"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}})
    http = InTurn(HttpReply(200, {}, drawn(part())), HttpReply(429, {}, error), HttpReply(200, {}, drawn(part())))
    app = playing.server(http, data_dir=str(tmp_path))
    asked = {"model": "gemini-3-pro-image", "prompt": "Draw", "n": 3, "stream": True}
    answer = await playing.ask(app, "POST", PATH, asked)
    told = events(answer.body)

    assert answer.status == 200
    assert [name for name, _ in told] == ["image_generation.completed", ""]
    assert told[1][1]["error"]["code"] == "rate_limit_exceeded"
