"""Pictures and sound out of chat, through the whole server: told, sent back, remembered, let go."""

import base64
import io
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import msgspec
import PIL.Image
import pytest

from pollux.media import audio
from pollux.media.audio import SoundFormat
from tests.judges import folding, openai_document, playing
from tests.media.studio import hertz_of, picture, tone

CHAT = "/v1/chat/completions"
DRAWING, SPEAKING = "gemini-nano-banana-2.1", "gemini-3.8-flash-tts"
PICTURE = base64.b64encode(picture()).decode()
OTHER_PICTURE = base64.b64encode(picture(colour=(1, 2, 3))).decode()
PCM = tone(1.2)
SIGNATURE = "c2ln" * 400_000
"""As large as those of pictures are: 1.6 MB."""

Json = dict[str, Any]


def drawn(data: str = PICTURE, signature: str = SIGNATURE) -> Json:
    """Give a picture's native part."""
    return {"inlineData": {"mimeType": "image/png", "data": data}, "thoughtSignature": signature}


def spoken(pcm: bytes) -> Json:
    """Give the native part of a piece of sound."""
    return {"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=24000", "data": base64.b64encode(pcm).decode()}}


def native(*parts: Json, finish: str | None = "STOP") -> Json:
    """Give a native message."""
    return {
        "candidates": [{"content": {"role": "model", "parts": list(parts)}, **({"finishReason": finish} if finish else {})}]
    }


def user(text: str) -> Json:
    """Give a message of the user."""
    return {"role": "user", "content": text}


class Upstream:
    """Answers with what stands in `replies`, whole or streamed, and keeps what it was sent."""

    def __init__(self, tmp_path: Path, *replies: Json) -> None:
        self.replies = list(replies)
        self.http = playing.FakeHttp(self._play)
        self.app = playing.server(self.http, data_dir=str(tmp_path))

    def _play(self, request: Any) -> playing.Played:
        if ":streamGenerateContent" in request.url:
            return playing.as_stream(self.replies, "media")
        return playing.Played(msgspec.json.encode(self.replies[0]))

    async def ask(self, model: str, *messages: Json, **parameters: Any) -> playing.Answer:
        """Ask for a chat completion."""
        body = {"model": model, "messages": list(messages)} | parameters
        return await playing.ask(self.app, "POST", CHAT, body)

    @property
    def sent(self) -> Json:
        """What the upstream was sent last."""
        body = self.http.sent[-1].body
        assert isinstance(body, bytes)
        found: Json = msgspec.json.decode(body)
        return found


def message(answer: playing.Answer) -> Json:
    """Give the message of a whole answer."""
    assert answer.status == 200, answer.body[:500]
    assert openai_document.validate("CreateChatCompletionResponse", answer.json) == []
    found: Json = answer.json["choices"][0]["message"]
    return found


def folded(answer: playing.Answer) -> Json:
    """Give the message that chunks add up to."""
    *chunks, done = answer.messages
    assert done == "[DONE]", done
    assert [wrong for chunk in chunks for wrong in openai_document.validate("CreateChatCompletionStreamResponse", chunk)] == []
    assert folding.breaches(chunks) == []
    found: Json = folding.fold(chunks)["choices"][0]["message"]
    return found


async def test_a_picture_can_be_opened(tmp_path: Path) -> None:
    """The data URL of the answer is the picture that the model drew; streamed it is the same message."""
    upstream = Upstream(tmp_path, native({"text": "Here:"}, drawn()))
    whole = message(await upstream.ask(DRAWING, user("Draw"), modalities=["text", "image"]))
    streamed = folded(await upstream.ask(DRAWING, user("Draw"), modalities=["text", "image"], stream=True))
    head, _, data = whole["images"][0]["image_url"]["url"].partition(",")

    assert upstream.sent["generationConfig"]["responseModalities"] == ["TEXT", "IMAGE"]
    assert head == "data:image/png;base64"
    assert PIL.Image.open(io.BytesIO(base64.b64decode(data))).size == (64, 48)
    assert streamed == whole


@pytest.mark.parametrize("stream", [False, True])
async def test_a_picture_comes_back_with_its_signature(tmp_path: Path, stream: bool) -> None:
    """A client that keeps pictures and drops what it does not know: the signature is remembered, the order too."""
    upstream = Upstream(tmp_path, native(drawn(), {"text": "Here:"}, drawn(OTHER_PICTURE, "c2Vjb25k")))
    answer = await upstream.ask(DRAWING, user("Draw"), stream=stream)
    told = folded(answer) if stream else message(answer)
    kept = {"role": "assistant", "content": "Here:", "images": [{"image_url": one["image_url"]} for one in told["images"]]}
    await upstream.ask(DRAWING, user("Draw"), kept, user("Bluer"))

    assert upstream.sent["contents"][1]["parts"] == [drawn(), {"text": "Here:"}, drawn(OTHER_PICTURE, "c2Vjb25k")]


async def test_of_two_pictures_for_one_prompt_each_keeps_its_own_signature(tmp_path: Path) -> None:
    """A picture is found by itself: answers without words look alike otherwise."""
    upstream = Upstream(tmp_path, native(drawn()))
    first = message(await upstream.ask(DRAWING, user("Draw")))
    upstream.replies = [native(drawn(OTHER_PICTURE, "c2Vjb25k"))]
    await upstream.ask(DRAWING, user("Draw"))
    kept = {"role": "assistant", "content": "", "images": [{"image_url": first["images"][0]["image_url"]}]}
    await upstream.ask(DRAWING, user("Draw"), kept, user("Bluer"))

    assert upstream.sent["contents"][1]["parts"] == [drawn()]


async def test_a_picture_that_the_client_changed_gets_no_foreign_signature(tmp_path: Path) -> None:
    """Another picture in its place goes as it is."""
    upstream = Upstream(tmp_path, native(drawn()))
    await upstream.ask(DRAWING, user("Draw"))
    changed = {"role": "assistant", "content": "", "images": [{"image_url": {"url": f"data:image/png;base64,{OTHER_PICTURE}"}}]}
    await upstream.ask(DRAWING, user("Draw"), changed, user("Bluer"))

    assert upstream.sent["contents"][1]["parts"] == [{"inlineData": {"mimeType": "image/png", "data": OTHER_PICTURE}}]


async def test_a_client_that_drops_pictures_is_told(tmp_path: Path) -> None:
    """The bytes of a picture are not remembered; the loss is reported."""
    upstream = Upstream(tmp_path, native({"text": "Here:"}, drawn()))
    await upstream.ask(DRAWING, user("Draw"))
    answer = await upstream.ask(DRAWING, user("Draw"), {"role": "assistant", "content": "Here:"}, user("Bluer"))

    assert upstream.sent["contents"][1]["parts"] == [{"text": "Here:"}]
    assert answer.headers["x-pollux-losses"] == "messages=approximated"


@pytest.mark.parametrize("to", get_args(SoundFormat))
@pytest.mark.parametrize("stream", [False, True])
async def test_sound_comes_in_every_format(tmp_path: Path, to: SoundFormat, stream: bool) -> None:
    """Decoded, it is the model's tone, as long as it was; streamed pieces may be decoded one by one or joined first."""
    cuts = [0, 1, 4_801, 4_802, 30_000, len(PCM)] if stream else [0, len(PCM)]
    replies = [native(spoken(PCM[a:b]), finish="STOP" if b == len(PCM) else None) for a, b in pairwise(cuts)]
    upstream = Upstream(tmp_path, *replies)
    answer = await upstream.ask(
        SPEAKING, user("Say A"), modalities=["text", "audio"], audio={"voice": "Kore", "format": to}, stream=stream
    )
    await upstream.app.close()
    told = folded(answer) if stream else message(answer)
    data = base64.b64decode(told["audio"]["data"], validate=True)
    pcm = data if to == "pcm16" else audio.decode(data)
    if stream:
        deltas = [choice["delta"].get("audio", {}) for one in answer.messages[:-1] for choice in one["choices"]]
        assert b"".join(base64.b64decode(delta["data"], validate=True) for delta in deltas if "data" in delta) == data

    assert len(pcm) / 48_000 == pytest.approx(1.2, abs=0.09)
    assert hertz_of(pcm) == pytest.approx(440, rel=0.02)
    assert told["audio"]["transcript"] == "Say A"
    assert told["content"] is None
    if to in {"wav", "pcm16", "flac"}:
        assert pcm == PCM


async def test_a_sound_may_be_named_by_its_id(tmp_path: Path) -> None:
    """What it said is remembered for its owner; an unknown id is an error that says what to do."""
    upstream = Upstream(tmp_path, native(spoken(PCM)))
    asked = user("Good morning")
    told = message(await upstream.ask(SPEAKING, asked, modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"}))
    upstream.replies = [native({"text": "Bonjour"})]
    named = {"role": "assistant", "audio": {"id": told["audio"]["id"]}}
    await upstream.ask("gemini-3.6-flash", asked, named, user("In French?"))
    sent = upstream.sent
    unknown = {"role": "assistant", "audio": {"id": "audio_ffffffffffffffffffffffff0"}}
    refused = await upstream.ask("gemini-3.6-flash", asked, unknown, user("In French?"))
    foreign = await playing.ask(
        upstream.app,
        "POST",
        CHAT,
        {"model": "gemini-3.6-flash", "messages": [asked, named, user("In French?")]},
        {"authorization": "Bearer another-callers-key"},
    )

    assert sent["contents"][1] == {"role": "model", "parts": [{"text": "Good morning"}]}
    for answer in (refused, foreign):
        assert answer.status == 400
        assert answer.json["error"]["code"] == "audio_not_found"
        assert answer.json["error"]["param"] == "messages[1].audio.id"


@pytest.mark.parametrize(
    "bad", [{"mimeType": "audio/L16;rate=1", "data": "AAAA"}, {"mimeType": "audio/wav", "data": "AAAA"}], ids=["rate", "file"]
)
async def test_sound_of_the_upstream_that_cannot_be_read_is_its_failure(tmp_path: Path, bad: Json) -> None:
    """Not the caller's: a 502."""
    upstream = Upstream(tmp_path, native({"inlineData": bad}))
    answer = await upstream.ask(SPEAKING, user("Say A"))
    await upstream.app.close()

    assert answer.status == 502
    assert answer.json["error"]["code"] == "upstream_malformed"


async def test_sound_that_is_a_file_already_is_brought_into_the_format_too(tmp_path: Path) -> None:
    """A model that gives MP3."""
    data = base64.b64encode(audio.encode(PCM, audio.PcmForm(), "mp3")).decode()
    upstream = Upstream(tmp_path, native({"inlineData": {"mimeType": "audio/mp3", "data": data}}))
    told = message(await upstream.ask(SPEAKING, user("Say A"), audio={"voice": "Kore", "format": "pcm16"}))
    await upstream.app.close()

    assert hertz_of(base64.b64decode(told["audio"]["data"])) == pytest.approx(440, rel=0.02)
