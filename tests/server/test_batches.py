"""Batches from end to end: one OpenAI client does the whole job, against the emulator."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import msgspec
import openai
import pytest
from openai import OpenAI
from openai.types import Batch

from pollux.emulator import Emulator, EmulatorServer
from tests.server.asking import KEY, Pollux, pollux

MODEL = "gemini-3.6-flash"
CHAT: Final = "/v1/chat/completions"
EMBED: Final = "/v1/embeddings"
DRAW: Final = "/v1/images/generations"
OVER = ("completed", "failed", "expired", "cancelled")
PATIENCE_SECONDS = 30.0


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    """The upstream; one prompt fails in it."""
    script = [{"match": {"text": "fail me"}, "say": {"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}}]
    with EmulatorServer(Emulator(script=script)) as running:
        yield running


@pytest.fixture(scope="module")
def server(emulator: EmulatorServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollux]:
    """A server whose callers have keys of their own: batches move when their owner asks."""
    with pollux(emulator.url, data_dir=str(tmp_path_factory.mktemp("data"))) as running:
        yield running


@pytest.fixture
def client(server: Pollux) -> Iterator[OpenAI]:
    """The official client."""
    with OpenAI(api_key=KEY, base_url=server.url + "/v1") as made:
        yield made


def asked(custom_id: str, text: str = "Hello", url: str = CHAT, **body: Any) -> dict[str, Any]:
    """Give a line."""
    messages = [{"role": "user", "content": text}]
    return {
        "custom_id": custom_id,
        "method": "POST",
        "url": url,
        "body": {"model": MODEL, **({"messages": messages} if url == CHAT else {}), **body},
    }


def created(client: OpenAI, lines: list[Any], endpoint: Any = CHAT, **more: Any) -> Batch:
    """Upload the lines and create a batch of them."""
    data = b"\n".join(line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines)
    file = client.files.create(file=("lines.jsonl", data), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more)


def ended(client: OpenAI, batch: Batch, emulator: EmulatorServer) -> Batch:
    """Ask until it has ended; the emulator's clock runs faster."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while batch.status not in OVER:
        assert time.monotonic() < deadline, batch
        batch = client.batches.retrieve(batch.id)
        emulator.emulator.clock.advance(1)
        time.sleep(0.1)
    return batch


def lines_of(client: OpenAI, file_id: str | None) -> list[Any]:
    """Read a file of results."""
    assert file_id
    return [msgspec.json.decode(line) for line in client.files.content(file_id).text.splitlines()]


def test_one_client_does_the_whole_job(client: OpenAI, emulator: EmulatorServer) -> None:
    """Upload, create, poll, download: each line a true completion, in the input's order; a failed one in the error file."""
    jobs = emulator.emulator.resources.batches.created
    lines = [asked("a"), asked("b", "fail me"), asked("c", model="gemini-2.5-flash"), asked("d", n=2)]
    batch = ended(client, created(client, lines, metadata={"run": "7"}), emulator)
    output, errors = lines_of(client, batch.output_file_id), lines_of(client, batch.error_file_id)

    assert batch.status == "completed"
    assert batch.metadata == {"run": "7"}
    assert batch.request_counts is not None
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (4, 3, 1)
    assert [line["custom_id"] for line in output] == ["a", "c", "d"]
    assert [line["response"]["body"]["model"] for line in output] == [MODEL, "gemini-2.5-flash", MODEL]
    assert [len(line["response"]["body"]["choices"]) for line in output] == [1, 1, 2]
    assert errors[0]["custom_id"] == "b"
    assert errors[0]["response"]["status_code"] == 400
    assert errors[0]["response"]["body"]["error"]["message"] == "No."
    assert batch.usage is not None
    assert batch.usage.total_tokens == sum(line["response"]["body"]["usage"]["total_tokens"] for line in output)
    assert emulator.emulator.resources.batches.created - jobs == 2  # one for each model


def test_embeddings(client: OpenAI, emulator: EmulatorServer) -> None:
    """Several inputs in a line, the same vectors as live ones."""
    line = asked("a", url=EMBED, model="gemini-embedding-001", input=["one", "two"], dimensions=4)
    batch = ended(client, created(client, [line], EMBED), emulator)
    live = client.embeddings.create(model="gemini-embedding-001", input=["one", "two"], dimensions=4, encoding_format="float")
    [told] = lines_of(client, batch.output_file_id)

    assert batch.model == "gemini-embedding-001"
    assert [one["embedding"] for one in told["response"]["body"]["data"]] == [
        pytest.approx(one.embedding, abs=1e-6) for one in live.data
    ]


@pytest.mark.parametrize(
    ("url", "more"),
    [(CHAT, {}), (EMBED, {"model": "gemini-embedding-001", "input": "one"})],
    ids=["chat", "embeddings"],
)
def test_a_line_tells_what_it_lost(client: OpenAI, emulator: EmulatorServer, url: Any, more: dict[str, Any]) -> None:
    """As live answers do in their body."""
    batch = ended(client, created(client, [asked("a", url=url, user="me", **more)], url), emulator)
    [told] = lines_of(client, batch.output_file_id)

    assert [loss["code"] for loss in told["response"]["body"]["extra_content"]["pollux"]["losses"]] == ["user=ignored"]


def test_images(client: OpenAI, emulator: EmulatorServer) -> None:
    """The same pictures as live ones, as the model made them; one without a picture in the error file."""
    drawing: Any = {"url": DRAW, "model": "gemini-nano-banana-2.1"}
    lines = [
        asked("a", prompt="A kite", n=2, size="1376x768", **drawing),
        asked("b", prompt="What is a mutex?", **drawing),
        asked("c", prompt="A kite", output_format="webp", style="vivid", **drawing),
    ]
    batch = ended(client, created(client, lines, DRAW), emulator)
    live = client.images.generate(model="gemini-nano-banana-2.1", prompt="A kite", size="1376x768")
    first, third = (line["response"]["body"] for line in lines_of(client, batch.output_file_id))
    [failed] = lines_of(client, batch.error_file_id)
    assert live.data is not None

    assert [image["b64_json"] for image in first["data"]] == [live.data[0].b64_json] * 2
    assert (first["size"], third["output_format"]) == ("1376x768", "jpeg")
    assert [loss["code"] for loss in third["extra_content"]["pollux"]["losses"]] == [
        "style=ignored",
        "output_format=approximated",
    ]
    assert failed["response"]["body"]["error"]["code"] == "no_image"
    assert batch.usage is not None
    assert batch.usage.total_tokens == first["usage"]["total_tokens"] + third["usage"]["total_tokens"]


@pytest.mark.parametrize(
    ("lines", "endpoint", "expected"),
    [
        ([b'{"custom_id":"a"', asked("b")], CHAT, [(1, "invalid_json_line", None)]),
        ([asked("a"), {**asked("b"), "custom_id": None}], CHAT, [(2, "missing_required_parameter", "custom_id")]),
        ([asked("a"), asked("b"), asked("a")], CHAT, [(3, "duplicate_custom_id", "custom_id")]),
        ([asked("a", url=EMBED, input="x")], CHAT, [(1, "mismatched_url", "url")]),
        ([asked("a", stream=True)], CHAT, [(1, "invalid_value", "body.stream")]),
        ([asked("a", temperature=9)], CHAT, [(1, "invalid_value", "body.temperature")]),
        ([asked("a", model="gemini-typo")], CHAT, [(1, "model_not_found", "body.model")]),
        ([asked("a", url=EMBED, messages=[])], EMBED, [(1, "missing_required_parameter", "body.input")]),
        ([asked("a", model="gemini-embedding-001")], CHAT, [(1, "invalid_value", "body.model")]),
        ([asked("a", url=DRAW, prompt="A", stream=True)], DRAW, [(1, "invalid_value", "body.stream")]),
        ([asked("a", url=DRAW, prompt="A", response_format="url")], DRAW, [(1, "invalid_value", "body.response_format")]),
        ([asked("a", url=DRAW, prompt="A")], DRAW, [(1, "unsupported_value", "body.model")]),
        ([b"\n \n"], CHAT, [(None, "empty_file", None)]),
        ([asked("a"), b"{", asked("b"), b"["], CHAT, [(2, "invalid_json_line", None), (4, "invalid_json_line", None)]),
    ],
    ids=[
        "JSON",
        "no id",
        "same id",
        "other url",
        "stream",
        "body",
        "model",
        "slip",
        "no chat",
        "events",
        "links",
        "n",
        "empty",
        "all are told",
    ],
)
def test_a_wrong_line_fails_the_batch_before_anything_is_paid_for(
    client: OpenAI, emulator: EmulatorServer, lines: list[Any], endpoint: str, expected: list[Any]
) -> None:
    """With its number, and the field."""
    jobs = emulator.emulator.resources.batches.created
    batch = ended(client, created(client, lines, endpoint), emulator)
    assert batch.errors is not None

    assert batch.status == "failed"
    assert [(error.line, error.code, error.param) for error in batch.errors.data or []] == expected
    assert emulator.emulator.resources.batches.created == jobs


def test_a_cancelled_batch_ends_cancelled(client: OpenAI, emulator: EmulatorServer) -> None:
    """Its lines stand in the error file, and say why. A second time changes nothing."""
    batch = created(client, [asked("a"), asked("b")])
    cancelling = client.batches.cancel(batch.id)
    batch = ended(client, cancelling, emulator)

    assert cancelling.status in ("cancelling", "cancelled")
    assert batch.status == "cancelled"
    assert client.batches.cancel(batch.id).status == "cancelled"


def test_what_has_ended_cannot_be_cancelled(client: OpenAI, emulator: EmulatorServer) -> None:
    """A conflict that says how it is."""
    batch = ended(client, created(client, [asked("a")]), emulator)
    with pytest.raises(openai.ConflictError, match="it is completed"):
        client.batches.cancel(batch.id)


def test_batches_are_listed_newest_first_and_to_their_owner_only(
    client: OpenAI, server: Pollux, emulator: EmulatorServer
) -> None:
    """In pages."""
    made = [created(client, [asked("a")]).id for _ in range(3)]
    listed = [batch.id for batch in client.batches.list(limit=2)]
    with OpenAI(api_key="AIza-the-key-of-another-caller-9876543210", base_url=server.url + "/v1") as other:
        with pytest.raises(openai.NotFoundError):
            other.batches.retrieve(made[0])
        with pytest.raises(openai.NotFoundError):
            other.batches.cancel(made[0])
        others = list(other.batches.list())

    assert listed[:3] == made[::-1]
    assert others == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"endpoint": "/v1/responses"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"input_file_id": "file-000000000000000000000000"}, "input_file_id"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, "output_expires_after.seconds"),
    ],
)
def test_a_wrong_request_names_its_parameter(client: OpenAI, body: dict[str, Any], param: str) -> None:
    """Before anything is kept."""
    file = client.files.create(file=("lines.jsonl", b"{}"), purpose="batch")
    given: dict[str, Any] = {"input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"}
    with pytest.raises(openai.APIStatusError) as refused:
        client.batches.create(**(given | body))

    assert refused.value.status_code in (400, 404)
    assert isinstance(refused.value.body, dict)
    assert refused.value.body["param"] == param


def test_a_deleted_input_is_out_of_sight_and_its_batch_goes_on(
    client: OpenAI, server: Pollux, emulator: EmulatorServer
) -> None:
    """Two batches read it; its bytes go when the second is over."""
    first = created(client, [asked("a")])
    second = client.batches.create(input_file_id=first.input_file_id, endpoint=CHAT, completion_window="24h")
    client.files.delete(first.input_file_id)
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(first.input_file_id)
    with pytest.raises(openai.NotFoundError):
        client.files.content("deleted " + first.input_file_id)
    listed = [file.id for file in client.files.list()]
    with pytest.raises(openai.NotFoundError):
        client.batches.create(input_file_id=first.input_file_id, endpoint=CHAT, completion_window="24h")
    statuses = [ended(client, batch, emulator).status for batch in (first, second)]
    kept = _rows(server, "SELECT id FROM file WHERE id LIKE '%' || $1", first.input_file_id)

    assert not [file_id for file_id in listed if first.input_file_id in file_id]
    assert statuses == ["completed", "completed"]
    assert kept == []


def _rows(server: Pollux, statement: str, *values: Any) -> list[Any]:
    """Ask the server's database, with a connection of one's own."""
    with closing(sqlite3.connect(f"{server.app.settings.data_dir}/store.sqlite3")) as database:
        return database.execute(statement.replace("$1", "?1"), values).fetchall()
