"""What a line of a batch may ask for: all that the live endpoint takes, told as the live endpoint tells it."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from pollux.emulator import Emulator, EmulatorServer
from tests.media import making
from tests.server.asking import Pollux, pollux
from tests.server.reaping import patient, waited_for
from tests.server.test_batches import EMBED, asked, created, lines_of

PNG = making.image("PNG")
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG).decode()}"}}
TOOL = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}},
}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": False}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}}


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    """The upstream, whose clock runs with each look."""
    with EmulatorServer(Emulator()) as running:
        yield running


@pytest.fixture(scope="module")
def server(emulator: EmulatorServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollux]:
    """The server."""
    data = tmp_path_factory.mktemp("data")
    with pollux(emulator.url, upstream="emulator", data_dir=str(data), batch_poll_seconds=0.2) as running:
        yield running


@pytest.fixture
def client(server: Pollux) -> Iterator[OpenAI]:
    """The official client."""
    with patient(server.url) as made:
        yield made


def answers(
    client: OpenAI, emulator: EmulatorServer, lines: list[Any], endpoint: Any = "/v1/chat/completions"
) -> dict[str, Any]:
    """Run a batch; give the bodies by custom_id. No line may fail."""
    batch = created(client, lines, endpoint)
    while client.batches.retrieve(batch.id).status == "validating":
        emulator.emulator.clock.advance(1)
    emulator.emulator.clock.advance(10)
    batch = waited_for(client, batch.id)
    assert batch.status == "completed", batch
    assert batch.error_file_id is None, lines_of(client, batch.error_file_id)
    return {line["custom_id"]: line["response"]["body"] for line in lines_of(client, batch.output_file_id)}


def content(*parts: Any) -> list[Any]:
    """Give a message of these parts."""
    return [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, *parts]}]


def test_lines_take_all_that_the_live_endpoint_takes(client: OpenAI, emulator: EmulatorServer) -> None:
    """Media, tools, structured output, several choices, thinking, and what is lost is said."""
    file = client.files.create(file=("a.png", PNG), purpose="vision")
    sound = base64.b64encode(making.sound("wav", "pcm_s16le")).decode()
    told = answers(
        client,
        emulator,
        [
            asked("picture", messages=content(PICTURE)),
            asked("file", messages=content({"type": "file", "file": {"file_id": file.id}})),
            asked("sound", messages=content({"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}})),
            asked("tool", "Look up the weather.", tools=[TOOL], tool_choice="required"),
            asked("format", "Give me a person.", response_format=FORMAT),
            asked("choices", n=2),
            asked("thoughts", reasoning_effort="high"),
            asked("losses", logit_bias={"1": 2}, no_such_field=1),
        ],
    )
    call = told["tool"]["choices"][0]
    lost = {loss["param"] for loss in told["losses"]["extra_content"]["pollux"]["losses"]}

    assert len(told) == 8
    assert all(body["object"] == "chat.completion" for body in told.values())
    assert call["finish_reason"] == "tool_calls"
    assert call["message"]["tool_calls"][0]["extra_content"]["google"]["thought_signature"]
    assert '"name"' in told["format"]["choices"][0]["message"]["content"]
    assert [choice["index"] for choice in told["choices"]["choices"]] == [0, 1]
    assert told["thoughts"]["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    assert lost == {"logit_bias", "no_such_field"}


def test_lines_of_embeddings_take_media_and_both_encodings(client: OpenAI, emulator: EmulatorServer) -> None:
    """As live; with the tokens of all inputs."""
    line: dict[str, Any] = {"url": EMBED, "model": "gemini-embedding-2", "dimensions": 4}
    told = answers(
        client,
        emulator,
        [
            asked("media", **line, input=[PICTURE, "text"]),
            asked("packed", **line, input="text", encoding_format="base64"),
            asked("plain", **line, input="text", user="me"),
        ],
        EMBED,
    )
    packed = told["packed"]["data"][0]["embedding"]

    assert [len(told[name]["data"]) for name in ("media", "packed", "plain")] == [2, 1, 1]
    assert told["media"]["data"][1]["embedding"] == told["plain"]["data"][0]["embedding"]
    assert told["plain"]["extra_content"]["pollux"]["losses"][0]["param"] == "user"
    assert len(base64.b64decode(packed)) == 16
    assert told["plain"]["usage"]["total_tokens"] > 0
