"""The recorded requests in OpenAI's form that public projects sent to chat completions, and Gemini's recorded answers to them.

Each has a golden pair, written by hand, that names it; and each goes through the real server: what is sent is valid, and the
answer that was recorded is told without loss.
"""

from typing import Any

import msgspec
import pytest

from pollux.upstream.http import HttpRequest
from tests.judges import folding, google_document, openai_document, pairs, playing, shared
from tests.recorded import plain_reading

shared.needed()

Json = dict[str, Any]

RECORDED = {
    entry["file"]: recording
    for entry in shared.index("gemini-native")
    if "openai-request-known" in entry["tags"]
    and (recording := shared.recording("gemini-native", entry["file"]))["openai_surface"].startswith("chat")
}
FOLLOWS = "written by hand after the recording "
PAIRS = {
    case.about("Origin").removeprefix(FOLLOWS).removesuffix("."): case
    for case in pairs.cases("chat/requests")
    if case.about("Origin").startswith(FOLLOWS)
}
"""Each pair that follows a recording, by the recording's name."""

PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""Stands for the picture behind an address, which is not recorded, and which no test fetches."""


def shape(request: Json) -> list[Any]:
    """Give what a request asks for, without its words: the parameters, who speaks, and in which kinds of parts."""
    speaking = [
        (message["role"], [part["type"] for part in content] if isinstance(content := message["content"], list) else None)
        for message in request["messages"]
    ]
    return [sorted(request.keys() - {"stream"}), speaking]


def test_every_recorded_request_has_its_pair() -> None:
    """Thirty-one, each by name."""
    assert len(RECORDED) == 31
    assert PAIRS.keys() == RECORDED.keys()


@pytest.mark.parametrize("file", RECORDED, ids=str)
def test_a_pair_asks_for_what_was_recorded(file: str) -> None:
    """The same parameters, speakers and parts, of the model that answered."""
    given = msgspec.json.decode(PAIRS[file].given("openai.json"))

    assert shape(given) == shape(RECORDED[file]["openai_request"])
    assert given["model"] == RECORDED[file]["model"]
    assert given.get("stream", False) == (RECORDED[file]["kind"] == "streamGenerateContent")


def asked(file: str) -> Json:
    """Give a recorded request as it is sent here: streamed as it was, the picture at hand."""
    request: Json = msgspec.json.decode(msgspec.json.encode(RECORDED[file]["openai_request"]))
    for message in request["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else []:
            if "image_url" in part:
                part["image_url"]["url"] = PICTURE
    if RECORDED[file]["kind"] == "streamGenerateContent":
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    return request


@pytest.mark.parametrize("file", RECORDED, ids=str)
async def test_a_recorded_request_gets_its_recorded_answer_without_loss(file: str) -> None:
    """Google's document accepts what is sent, OpenAI's what is answered, and a plain reading of the recording finds it all."""
    recording = RECORDED[file]
    replies = recording["response"] if isinstance(recording["response"], list) else [recording["response"]]
    streamed = recording["kind"] == "streamGenerateContent"
    request = asked(file)

    def play(native: HttpRequest) -> playing.Played:
        if native.method == "GET":
            return playing.Played(b'{"models":[]}')
        return playing.as_stream(replies, file) if streamed else playing.Played(msgspec.json.encode(replies[0]))

    http = playing.FakeHttp(play)
    app = playing.server(http, aliases={request["model"]: recording["model"]})
    answer = await playing.ask(app, "POST", "/v1/chat/completions", request)

    assert answer.status == 200, answer.body
    (sent,) = [native for native in http.sent if native.method == "POST"]
    assert isinstance(sent.body, bytes)
    assert f"models/{recording['model']}:" in sent.url
    assert google_document.document().validate("GenerateContentRequest", msgspec.json.decode(sent.body)) == []
    if streamed:
        chunks = answer.messages[:-1]
        assert [wrong for one in chunks for wrong in openai_document.validate("CreateChatCompletionStreamResponse", one)] == []
        assert folding.breaches(chunks) == []
        told = folding.fold(chunks)
    else:
        told = answer.json
        assert openai_document.validate("CreateChatCompletionResponse", told) == []
    assert plain_reading.losses(plain_reading.read(replies), told) == []
