"""Recorded embeddings: what was sent is what we build, and what came is told whole."""

import base64
import math
from array import array
from typing import Any

import msgspec
import pytest

from pollux.emulator import Emulator, EmulatorServer
from pollux.translate import embeddings
from pollux.translate.media import Found
from pollux.translate.profiles import embedder
from pollux.wire.gemini.embeddings import BatchEmbedContentsRequest, decode_embeddings, decode_read_embeddings
from pollux.wire.gemini.generate import Base64, encode_request
from pollux.wire.openai.embeddings import EmbeddingsRequest
from tests.judges import openai_document, shared
from tests.server.asking import ask, pollux
from tests.server.fake import FakeUpstream, answering

shared.needed()

RECORDED = {
    entry["file"]: shared.recording("gemini-native", entry["file"])
    for entry in shared.index("gemini-native")
    if entry["kind"] == "batchEmbedContents"
}
TASKS = {prefix.partition(" | ")[0]: task for task, prefix in embeddings.TASK_PREFIX.items()}


def texts_only(recorded: Any) -> bool:
    """Say whether every input is one text."""
    return all(list(part) == ["text"] for one in recorded["request"]["requests"] for part in one["content"]["parts"])


KEYED = {"x-goog-api-key": "a-key"}
TEXTS = [name for name, recorded in RECORDED.items() if texts_only(recorded) and recorded["status"] == 200]


def openai_request(recorded: Any) -> dict[str, Any]:
    """Say a recorded request as a caller of ours would."""
    inputs = recorded["request"]["requests"]
    google: dict[str, Any] = {}
    texts = []
    for one in inputs:
        text = one["content"]["parts"][0]["text"]
        prefix = text.partition(" | ")[0]
        if prefix in TASKS:
            google["task_type"], text = TASKS[prefix], text.partition(": ")[2].partition(": ")[2]
        if "taskType" in one:
            google["task_type"] = one["taskType"]
        texts.append(text)
    asked = {"model": recorded["model"], "input": texts, "dimensions": inputs[0].get("outputDimensionality")}
    return asked | ({"google": google} if google else {})


@pytest.mark.parametrize("name", TEXTS)
def test_what_was_sent_is_what_we_build(name: str) -> None:
    """Field by field. The preview took a task as a field in silence; it gets the prefix that is documented for it."""
    recorded = RECORDED[name]
    request = msgspec.convert(openai_request(recorded), EmbeddingsRequest)
    plan = embeddings.to_gemini(request, recorded["model"], embedder(recorded["model"]))
    built = msgspec.to_builtins(BatchEmbedContentsRequest(plan.inputs))
    sent = recorded["request"]
    for one in sent["requests"]:
        one["content"].pop("role", None)
        if recorded["model"] == "gemini-embedding-2-preview" and "taskType" in one:
            text = one["content"]["parts"][0]["text"]
            one["content"]["parts"][0]["text"] = (
                embeddings.TASK_PREFIX[one.pop("taskType")].replace("{}", text).replace("{title}", "none")
            )

    assert built == sent


@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize("name", TEXTS)
def test_what_came_is_told_whole(name: str, encoding: str, tmp_path: Any) -> None:
    """Through the real app: each number, the tokens, and OpenAI's form. What the service left shorter than 1 has length 1."""
    recorded = RECORDED[name]
    asked = openai_request(recorded) | {"encoding_format": encoding}
    with FakeUpstream() as fake, pollux(fake, data_dir=str(tmp_path), embedding_usage="estimate") as server:
        fake.then(answering(200, recorded["response"]))
        answer = ask(server.url, "/v1/embeddings", json=asked)
    body = answer.json
    native = [one["values"] for one in recorded["response"]["embeddings"]]
    told = [one["embedding"] for one in body["data"]]
    if encoding == "base64":
        told = [list(array("f", base64.b64decode(vector))) for vector in told]
    said = recorded["response"].get("usageMetadata", {}).get("promptTokenCount")

    assert answer.status == 200
    assert encoding == "base64" or openai_document.validate("CreateEmbeddingResponse", body) == []
    assert body["extra_content"]["pollux"]["usage"] == ("estimated" if said is None else "native")
    assert said is None or body["usage"]["prompt_tokens"] == said
    for vector, came in zip(told, native, strict=True):
        length = math.hypot(*came) if needs_scaling(recorded) else 1.0
        assert vector == pytest.approx([value / length for value in came], abs=1e-6)


def needs_scaling(recorded: Any) -> bool:
    """Say whether these vectors came shorter than 1."""
    family = embedder(recorded["model"])
    size = recorded["request"]["requests"][0].get("outputDimensionality")
    return family.unit_size is not None and size not in (None, family.unit_size)


def test_the_emulator_answers_as_was_recorded() -> None:
    """Status, keys, sizes, and where vectors are shorter than 1, for every recorded request of a model that it has."""
    with EmulatorServer(Emulator()) as emulator:
        for name in TEXTS:
            recorded = RECORDED[name]
            answer = ask(
                emulator.url, f"/v1beta/models/{recorded['model']}:batchEmbedContents", json=recorded["request"], headers=KEYED
            )
            if recorded["model"] == "text-embedding-004":  # it was shut down in January 2026
                assert answer.status == 404
                continue
            native = recorded["response"]
            assert answer.status == 200, (name, answer.body)
            assert answer.json.keys() == native.keys() or recorded["model"] == "gemini-embedding-2-preview", name
            for ours, theirs in zip(answer.json["embeddings"], native["embeddings"], strict=True):
                shortened = "shortened" in recorded and len(ours["values"]) != len(theirs["values"])
                assert shortened or len(ours["values"]) == len(theirs["values"]), name
                assert shortened or math.hypot(*ours["values"]) == pytest.approx(math.hypot(*theirs["values"]), abs=0.03), name


def test_every_reply_decodes_in_both_ways() -> None:
    """As it came, and read."""
    for name, recorded in RECORDED.items():
        if recorded["status"] != 200:
            continue
        body = msgspec.json.encode(recorded["response"])
        came, read = decode_embeddings(body).embeddings or [], decode_read_embeddings(body).embeddings or []
        assert [msgspec.json.decode(one.values) for one in came] == [one.values for one in read], name


@pytest.mark.parametrize("name", [name for name, recorded in RECORDED.items() if not texts_only(recorded)])
def test_recorded_media_are_what_we_build(name: str) -> None:
    """One vector for each input, of its texts and media; data in the other alphabet, and field names in the other spelling."""
    recorded = RECORDED[name]
    inputs = [[_told(part) for part in one["content"]["parts"]] for one in recorded["request"]["requests"]]
    request = msgspec.json.decode(msgspec.json.encode({"model": recorded["model"], "input": inputs}), type=EmbeddingsRequest)
    found = [
        Found(source, source.label, Base64(source.data)) for source in embeddings.sources(request) if source.data is not None
    ]
    plan = embeddings.to_gemini(request, recorded["model"], embedder(recorded["model"]), found)
    built = msgspec.json.decode(encode_request(BatchEmbedContentsRequest(plan.inputs)).body)

    assert built == {
        "requests": [
            {"model": one["model"], "content": {"parts": [_spelled(part) for part in one["content"]["parts"]]}}
            for one in recorded["request"]["requests"]
        ]
    }
    assert plan.notes == []


def _told(part: Any) -> dict[str, Any]:
    """Say a recorded part as a caller of ours would."""
    if "text" in part:
        return {"type": "text", "text": part["text"]}
    data = _spelled(part)["inlineData"]
    if data["mimeType"].startswith("audio/"):
        return {"type": "input_audio", "input_audio": {"data": data["data"], "format": data["mimeType"]}}
    return {"type": "image_url", "image_url": {"url": f"data:{data['mimeType']};base64,{data['data']}"}}


def _spelled(part: Any) -> dict[str, Any]:
    if "inline_data" not in part:
        return dict(part)
    data = part["inline_data"]
    return {"inlineData": {"mimeType": data["mime_type"], "data": data["data"].replace("-", "+").replace("_", "/")}}
