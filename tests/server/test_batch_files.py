"""Inputs of batches that a client of Gemini's uploads, and their outputs, which both clients read."""

import http.client
import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest
from google import genai
from google.genai import errors, types
from openai import OpenAI

from pollux.emulator import Emulator, EmulatorServer
from tests.server.asking import Answer, Pollux, ask
from tests.server.sharing import ALICE, BOB, EMULATED, MODES, client, mode
from tests.server.test_batches import asked, ended, lines_of

LINES = b"\n".join(msgspec.json.encode(asked(custom_id)) for custom_id in ("a", "b"))
CHUNK = 8 * 1024 * 1024


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    """Run an emulator."""
    with EmulatorServer(Emulator()) as emulator:
        yield emulator


@pytest.fixture(scope="module", params=[*MODES, EMULATED])
def server(
    emulator: EmulatorServer, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pollux]:
    """Run the server in one key mode."""
    with mode(request.param, emulator.url, tmp_path_factory.mktemp("data"), batch_poll_seconds=0.1) as server:
        yield server


@pytest.fixture
def gemini(server: Pollux) -> Iterator[genai.Client]:
    """Google's client, as Alice."""
    with client(server, ALICE) as gemini:
        yield gemini


@pytest.fixture
def alice(server: Pollux) -> Iterator[OpenAI]:
    """OpenAI's client, as Alice."""
    with OpenAI(api_key=ALICE, base_url=server.url + "/v1", max_retries=0) as made:
        yield made


def uploaded(gemini: genai.Client, data: bytes = LINES, kind: str = "jsonl") -> str:
    """Upload by Google's client; give the native name."""
    config = types.UploadFileConfig(display_name="questions.jsonl", mime_type=kind)
    file = gemini.files.upload(file=io.BytesIO(data), config=config)
    assert file.name
    return file.name


def content(openai_client: OpenAI, name: str) -> bytes:
    """Read a file by OpenAI's client."""
    return openai_client.files.content(name).read()


def test_one_client_uploads_and_downloads_and_the_other_runs_the_batch(
    gemini: genai.Client, alice: OpenAI, emulator: EmulatorServer
) -> None:
    """As in the guide's sample 13."""
    name = uploaded(gemini)
    batch = alice.batches.create(input_file_id=name, endpoint="/v1/chat/completions", completion_window="24h")
    batch = ended(alice, batch, emulator)
    assert batch.output_file_id
    downloaded = gemini.files.download(file=batch.output_file_id)
    got = gemini.files.get(name=batch.output_file_id)
    again = gemini.files.download(file=got)

    assert batch.status == "completed"
    assert batch.input_file_id == name
    assert downloaded == content(alice, batch.output_file_id) == again
    assert [line["custom_id"] for line in lines_of(alice, batch.output_file_id)] == ["a", "b"]
    assert got.size_bytes == len(downloaded)
    assert got.source == types.FileSource.GENERATED


@pytest.mark.parametrize("kind", ["jsonl", "application/jsonl", "text/plain", "application/x-ndjson", "application/json"])
def test_types_under_which_jsonl_is_uploaded(gemini: genai.Client, alice: OpenAI, kind: str) -> None:
    """All of them can be inputs."""
    name = uploaded(gemini, kind=kind)

    assert content(alice, name) == LINES


@pytest.mark.parametrize(
    ("data", "kind"), [(b"Dear diary", "text/plain"), (b'{"a":1}', "video/mp4"), (b"\x89PNG", "image/png")]
)
def test_what_cannot_be_an_input_is_not_kept(gemini: genai.Client, alice: OpenAI, data: bytes, kind: str) -> None:
    """It is told of, by OpenAI's client too, and its bytes are where they were sent."""
    name = uploaded(gemini, data, kind)
    told = alice.files.retrieve(name)
    with pytest.raises(openai.NotFoundError, match="does not give uploaded files out"):
        alice.batches.create(input_file_id=name, endpoint="/v1/chat/completions", completion_window="24h")

    assert (told.id, told.bytes, told.filename) == (name, len(data), "questions.jsonl")


def test_a_file_that_was_uploaded_elsewhere_cannot_be_read(server: Pollux, alice: OpenAI) -> None:
    """The error says what to do."""
    with pytest.raises(openai.NotFoundError, match="Upload the file here") as refused:
        alice.batches.create(input_file_id="files/abc", endpoint="/v1/chat/completions", completion_window="24h")

    assert isinstance(refused.value.body, dict)
    assert refused.value.body["param"] == "input_file_id"


def test_a_file_is_deleted_either_way(gemini: genai.Client, alice: OpenAI) -> None:
    """On both sides."""
    names = [uploaded(gemini), uploaded(gemini)]
    gemini.files.delete(name=names[0])
    deleted = alice.files.delete(names[1])

    assert deleted.deleted
    for name in names:
        with pytest.raises(openai.NotFoundError):
            content(alice, name)
        with pytest.raises(errors.ClientError):
            gemini.files.get(name=name)
    with pytest.raises(openai.NotFoundError):
        alice.files.delete(names[1])


def test_native_names_are_listed_with_the_others(gemini: genai.Client, alice: OpenAI) -> None:
    """With their end, 48 hours later."""
    name = uploaded(gemini)
    told = next(iter(alice.files.list(limit=1)))

    assert (told.id, told.purpose, told.bytes) == (name, "batch", len(LINES))
    assert told.expires_at is not None
    assert 47 * 3600 < told.expires_at - told.created_at <= 49 * 3600


def test_files_are_their_owners_only(server: Pollux, gemini: genai.Client, alice: OpenAI) -> None:
    """On every way."""
    native = uploaded(gemini)
    own = alice.files.create(file=("a.jsonl", LINES), purpose="batch").id
    with OpenAI(api_key=BOB, base_url=server.url + "/v1", max_retries=0) as bob, client(server, BOB) as bobs:
        for name in (native, own):
            with pytest.raises(openai.NotFoundError):
                bob.files.retrieve(name)
            with pytest.raises(openai.NotFoundError):
                content(bob, name)
            with pytest.raises(openai.NotFoundError):
                bob.files.delete(name)
            with pytest.raises(openai.NotFoundError):
                bob.batches.create(input_file_id=name, endpoint="/v1/chat/completions", completion_window="24h")
            for asks in (bobs.files.get, bobs.files.delete):
                with pytest.raises(errors.ClientError) as refused:
                    asks(name=name)
                assert refused.value.code in (403, 404)
            with pytest.raises(errors.ClientError):
                bobs.files.download(file=name)

    assert content(alice, native) == content(alice, own) == LINES


def test_a_file_of_ours_is_read_and_deleted_natively(gemini: genai.Client, alice: OpenAI) -> None:
    """By its id, as if it were a native name."""
    own = alice.files.create(file=("a.jsonl", LINES), purpose="batch").id
    got = gemini.files.get(name=own)
    downloaded = gemini.files.download(file=own)
    gemini.files.delete(name=own)

    assert (got.name, got.display_name, got.size_bytes) == (f"files/{own}", "a.jsonl", len(LINES))
    assert downloaded == LINES
    with pytest.raises(openai.NotFoundError):
        alice.files.retrieve(own)


def session(server: Pollux, size: int) -> str:
    """Begin a resumable upload by hand; give the session's path."""
    begun = ask(
        server.url,
        "/upload/v1beta/files",
        json={"file": {"displayName": "big.jsonl"}},
        key=ALICE,
        headers={
            "x-goog-api-key": ALICE,
            "x-goog-upload-protocol": "resumable",
            "x-goog-upload-command": "start",
            "x-goog-upload-header-content-length": str(size),
            "x-goog-upload-header-content-type": "jsonl",
        },
    )
    assert begun.status == 200
    return begun.headers["x-goog-upload-url"].removeprefix(server.url)


def chunk(server: Pollux, path: str, data: bytes, at: int, command: str = "upload", fault: str = "") -> Answer:
    """Send a chunk."""
    headers = {"x-goog-upload-command": command, "x-goog-upload-offset": str(at), "content-type": "application/octet-stream"}
    if fault:
        headers["x-emulator-fault"] = fault
    return ask(server.url, path, body=data, headers=headers, key="")


def test_chunks_are_put_together(server: Pollux, alice: OpenAI) -> None:
    """Sent twice, refused at a wrong place, or whole: what the service has is what is kept."""
    data = LINES + b"\n" + b" " * (2 * CHUNK) + b"\n"
    path = session(server, len(data))
    first = chunk(server, path, data[:CHUNK], 0)
    wrong = chunk(server, path, b"{}" * 4096, 5 * CHUNK)
    path_again = session(server, 7)
    second = chunk(server, path, data[CHUNK : 2 * CHUNK], CHUNK)
    last = chunk(server, path, data[2 * CHUNK :], 2 * CHUNK, "upload, finalize")
    name = last.json["file"]["name"]

    assert (first.status, second.status, last.status) == (200, 200, 200)
    assert wrong.status >= 400
    assert path_again != path
    assert content(alice, name) == data


def test_an_upload_that_broke_off_goes_on(emulator: EmulatorServer, tmp_path: Path) -> None:
    """Where the service says that it stands, in the middle of what was sent."""
    data = LINES + b"\n" + bytes(range(32, 127)) * 100_000
    with mode(EMULATED, emulator.url, tmp_path) as server, OpenAI(api_key=ALICE, base_url=server.url + "/v1") as alice:
        path = session(server, len(data))
        with suppress(OSError, http.client.HTTPException):
            chunk(server, path, data, 0, "upload, finalize", fault="cut-upload-after=1000000")
        asks = {"x-goog-upload-command": "query"}
        received = int(ask(server.url, path, body=b"", headers=asks, key="").headers["x-goog-upload-size-received"])
        last = chunk(server, path, data[received:], received, "upload, finalize")
        kept = content(alice, last.json["file"]["name"])
        space = alice.files.retrieve(last.json["file"]["name"]).bytes

    assert 0 < received < len(data)
    assert kept == data
    assert space == len(data)


@pytest.mark.parametrize("protocol", ["multipart", "raw"])
def test_uploads_of_one_request_are_kept_too(server: Pollux, alice: OpenAI, protocol: str) -> None:
    """The metadata and the bytes, or the bytes alone."""
    headers = {"x-goog-api-key": ALICE, "x-goog-upload-protocol": protocol, "content-type": "application/jsonl"}
    body = LINES
    if protocol == "multipart":
        headers["content-type"] = "multipart/related; boundary=b"
        meta = msgspec.json.encode({"file": {"displayName": "q.jsonl", "mimeType": "application/jsonl"}})
        body = (
            b"--b\r\ncontent-type: application/json\r\n\r\n%b\r\n--b\r\ncontent-type: application/jsonl\r\n\r\n%b\r\n--b--\r\n"
        )
        body = body % (meta, LINES)
    answer = ask(server.url, "/upload/v1beta/files", body=body, headers=headers, key=ALICE)
    name: Any = answer.json["file"]["name"]

    assert content(alice, name) == LINES


def test_a_full_owner_still_uploads(emulator: EmulatorServer, tmp_path: Path) -> None:
    """The upload is the service's; only the batch cannot be made, and the log says why."""
    with (
        mode(EMULATED, emulator.url, tmp_path, owner_bytes_max=50) as server,
        client(server, ALICE) as gemini,
        OpenAI(api_key=ALICE, base_url=server.url + "/v1") as alice,
    ):
        name = uploaded(gemini)
        with pytest.raises(openai.NotFoundError):
            content(alice, name)
        logged = "\n".join(server.logged)

    assert "There is no room" in logged
