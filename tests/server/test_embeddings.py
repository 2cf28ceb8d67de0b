"""POST /embeddings: order, encodings, lengths, tokens and failures, against the emulator and a scripted upstream."""

import base64
import math
from array import array
from collections.abc import Iterator
from typing import Any

import pytest

from pollux.emulator import Emulator, EmulatorServer
from tests.media import making
from tests.server.asking import Pollux, ask, pollux
from tests.server.fake import FakeUpstream, answering

PATH = "/v1/embeddings"
FIRST, SECOND = "gemini-embedding-001", "gemini-embedding-2"


@pytest.fixture(scope="module")
def upstream() -> Iterator[EmulatorServer]:
    """The emulator, whose journal says what was sent."""
    with EmulatorServer(Emulator()) as running:
        yield running


@pytest.fixture
def emulator(upstream: EmulatorServer) -> Emulator:
    """The emulator with an empty journal."""
    upstream.emulator.journal.clear()
    return upstream.emulator


@pytest.fixture(scope="module")
def server(upstream: EmulatorServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollux]:
    """A server before the emulator."""
    with pollux(upstream.url, upstream="emulator", data_dir=str(tmp_path_factory.mktemp("data"))) as running:
        yield running


def methods(emulator: Emulator) -> list[str]:
    """Give the native methods that were called."""
    return sorted(entry["native_method"] for entry in emulator.journal.entries())


def embed(server: Pollux, given: Any, model: str = SECOND, **more: Any) -> Any:
    """Ask for vectors, and give the answer's body."""
    answer = ask(server.url, PATH, json={"model": model, "input": given, **more})
    assert answer.status == 200, answer.body
    return answer.json


def test_vectors_come_in_the_order_of_the_inputs_however_many_calls_it_takes(server: Pollux, emulator: Emulator) -> None:
    """250 inputs are three native calls; each vector is the one that its input has alone."""
    texts = [f"text number {i}" for i in range(250)]
    body = embed(server, texts, dimensions=8)
    sizes = sorted(len(entry["body"]["requests"]) for entry in emulator.journal.entries())
    alone = {i: embed(server, texts[i], dimensions=8)["data"][0]["embedding"] for i in (0, 99, 100, 249)}

    assert sizes == [50, 100, 100]
    assert [one["index"] for one in body["data"]] == list(range(250))
    assert all(body["data"][i]["embedding"] == vector for i, vector in alone.items())


def test_base64_holds_the_same_numbers_as_floats(server: Pollux) -> None:
    """Little-endian floats of 32 bits, as OpenAI's clients read them."""
    floats = embed(server, "Hello")["data"][0]["embedding"]
    packed = embed(server, "Hello", encoding_format="base64")["data"][0]["embedding"]
    numbers = array("f", base64.b64decode(packed))

    assert len(numbers) == 3072
    assert list(numbers) == list(array("f", floats))


@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize("dimensions", [None, 768, 3072])
@pytest.mark.parametrize("model", [FIRST, SECOND])
def test_every_vector_has_length_one(server: Pollux, model: str, dimensions: int | None, encoding: str) -> None:
    """The first model's short vectors come shorter than 1 (recorded) and are scaled."""
    found = embed(server, "Hello", model, dimensions=dimensions, encoding_format=encoding)["data"][0]["embedding"]
    vector = list(array("f", base64.b64decode(found))) if encoding == "base64" else found

    assert len(vector) == dimensions or (dimensions is None and len(vector) == 3072)
    assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)


def test_tokens_are_the_models_own_where_it_says_them(server: Pollux) -> None:
    """And the answer says whose they are."""
    body = embed(server, ["Hello there", "Hi"])

    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > 0
    assert body["extra_content"] == {"pollux": {"usage": "native"}}


def test_tokens_are_counted_where_the_model_says_none(server: Pollux, emulator: Emulator) -> None:
    """By countTokens, beside the call."""
    body = embed(server, ["Hello there", "Hi"], FIRST)

    assert body["usage"]["prompt_tokens"] > 0
    assert body["extra_content"] == {"pollux": {"usage": "counted"}}
    assert methods(emulator) == ["batchEmbedContents", "countTokens"]


def test_tokens_are_estimated_by_a_setting(upstream: EmulatorServer, emulator: Emulator, tmp_path: Any) -> None:
    """One native call less for each hundred inputs."""
    with pollux(upstream.url, upstream="emulator", data_dir=str(tmp_path), embedding_usage="estimate") as server:
        body = embed(server, ["Hello there", "Hi"], FIRST)

    assert body["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert body["extra_content"] == {"pollux": {"usage": "estimated"}}
    assert methods(emulator) == ["batchEmbedContents"]


def test_a_failure_of_one_call_is_the_answer(server: Pollux) -> None:
    """With the service's own words; nothing is half answered."""
    answer = ask(server.url, PATH, json={"model": "gemini-embedding-9", "input": ["x"] * 150})

    assert answer.status == 404
    assert "gemini-embedding-9" in answer.error["message"]


@pytest.mark.parametrize(
    "body",
    [{"embeddings": [{"values": [1.0]}]}, {}, {"embeddings": [{"values": ["x"]}, {"values": [1.0]}]}, {"embeddings": 3}],
    ids=["too few", "none", "a text for a number", "no list"],
)
def test_what_is_no_vector_is_never_told_as_one(tmp_path: Any, body: Any) -> None:
    """Fewer vectors than inputs, or something else, is the upstream's failure."""
    with FakeUpstream() as fake, pollux(fake, data_dir=str(tmp_path)) as server:
        fake.then(answering(200, body))
        answer = ask(server.url, PATH, json={"model": SECOND, "input": ["a", "b"], "encoding_format": "base64"})

    assert answer.status == 502
    assert answer.error["code"] == "upstream_malformed"


def test_near_texts_have_near_vectors(server: Pollux) -> None:
    """So that a program's search finds what it should, without a key."""
    query, near, far = (
        one["embedding"]
        for one in embed(server, ["a cat sat on the mat", "the cat sat on a mat", "quarterly revenue fell"])["data"]
    )

    def likeness(one: list[float], other: list[float]) -> float:
        return sum(x * y for x, y in zip(one, other, strict=True))

    assert likeness(query, near) > 0.7 > 0.3 > likeness(query, far)


PNG = making.image("PNG")
PICTURE = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def test_media_have_vectors_too(server: Pollux, emulator: Emulator) -> None:
    """A picture, and a text with a picture; each input one vector, with the media as they came."""
    picture = {"type": "image_url", "image_url": {"url": PICTURE, "detail": "high"}}
    answer = embed(server, [picture, [{"type": "text", "text": "a dot"}, picture], "a dot"], dimensions=8)
    [sent] = [entry for entry in emulator.journal.entries() if entry["native_method"] == "batchEmbedContents"]
    parts = [one["content"]["parts"] for one in sent["body"]["requests"]]

    assert [list(part) for one in parts for part in one] == [["inlineData"], ["text"], ["inlineData"], ["text"]]
    assert len({tuple(one["embedding"]) for one in answer["data"]}) == 3


def test_a_file_of_the_callers_has_a_vector(server: Pollux) -> None:
    """Its copy at the Files API is what is sent."""
    body = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nvision\r\n'
    body += b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n%b\r\n--b--\r\n' % PNG
    file = ask(server.url, "/v1/files", body=body, headers={"content-type": "multipart/form-data; boundary=b"}).json
    answer = embed(server, {"type": "file", "file": {"file_id": file["id"]}}, dimensions=8)

    assert len(answer["data"][0]["embedding"]) == 8


@pytest.mark.parametrize(
    ("given", "model", "param"),
    [
        ([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}], SECOND, "input[0].image_url"),
        ([[{"type": "text", "text": "a"}, {"type": "file", "file": {"file_id": "file-none"}}]], SECOND, "input[0][1].file"),
        ([{"type": "image_url", "image_url": {"url": PICTURE}}], FIRST, "input[0]"),
    ],
)
def test_media_that_cannot_be_read_are_named(server: Pollux, given: Any, model: str, param: str) -> None:
    """By their place; a model that takes texts only says so."""
    answer = ask(server.url, PATH, json={"model": model, "input": given})

    assert answer.status in (400, 404), answer.body
    assert answer.error["param"].startswith(param)
