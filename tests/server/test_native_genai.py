"""Google's own client through the server, with its default version and with v1beta, in every key mode, against the emulator."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from google import genai
from google.genai import errors, types

from pollux.emulator import Emulator, EmulatorServer
from tests.server.asking import MODEL, Pollux
from tests.server.sharing import ALICE, BOB, EMULATED, MODES, client, mode

VERSIONS = [None, "v1beta"]


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
    with mode(request.param, emulator.url, tmp_path_factory.mktemp("data")) as server:
        yield server


@pytest.fixture(params=VERSIONS)
def gemini(server: Pollux, request: pytest.FixtureRequest) -> Iterator[genai.Client]:
    """Give Google's client, as Alice."""
    with client(server, ALICE, request.param) as gemini:
        yield gemini


def test_models_are_driven(gemini: genai.Client) -> None:
    """List, get, generate, stream, count."""
    names = [model.name for model in gemini.models.list()]
    got = gemini.models.get(model=MODEL)
    answer = gemini.models.generate_content(model=MODEL, contents="Say hello.")
    streamed = [reply.text or "" for reply in gemini.models.generate_content_stream(model=MODEL, contents="Write 50 words.")]
    counted = gemini.models.count_tokens(model=MODEL, contents="Say hello.")

    assert f"models/{MODEL}" in names
    assert got.name == f"models/{MODEL}"
    assert answer.text
    assert len(streamed) > 1
    assert (counted.total_tokens or 0) > 0


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")  # of google-genai
async def test_the_asynchronous_client_works(server: Pollux) -> None:
    """It uploads by another library."""
    with client(server, ALICE) as gemini:
        file = await gemini.aio.files.upload(file=io.BytesIO(b"abc"), config=types.UploadFileConfig(mime_type="text/plain"))
        answer = await gemini.aio.models.generate_content(model=MODEL, contents=cast("Any", [file, "What is this?"]))
        await gemini.aio.aclose()

    assert file.name
    assert answer.text


def test_files_are_driven(gemini: genai.Client) -> None:
    """Upload in steps, get, list, use, delete."""
    file = _uploaded(gemini)
    assert file.name is not None
    got = gemini.files.get(name=file.name)
    listed = [one.name for one in gemini.files.list()]
    answer = gemini.models.generate_content(model=MODEL, contents=cast("Any", [file, "What is this?"]))
    gemini.files.delete(name=file.name)
    with pytest.raises(errors.ClientError) as gone:
        gemini.files.get(name=file.name)

    assert got.size_bytes == file.size_bytes
    assert file.name in listed
    assert answer.text
    assert gone.value.code == 403


def test_an_upload_of_several_pieces_is_put_together(gemini: genai.Client) -> None:
    """The client sends eight mebibytes at a time."""
    file = gemini.files.upload(file=io.BytesIO(b"x" * 9_000_000), config=types.UploadFileConfig(mime_type="text/plain"))
    assert file.name is not None
    gemini.files.delete(name=file.name)

    assert file.size_bytes == 9_000_000


def test_a_generated_file_is_downloaded(gemini: genai.Client, server: Pollux, emulator: EmulatorServer) -> None:
    """By its name and by its address, through the redirect."""
    project = emulator.emulator.resources.projects.of_key(_upstream_key(server))
    made = emulator.emulator.resources.files.generate(project, b"the bytes", "video/mp4", name="")
    if server.app.owned is not None:
        names = server.app.owned._names
        names._execute(  # type: ignore[attr-defined] # SQLite's
            "INSERT OR REPLACE INTO name (name, owner, noted_at) VALUES (?, ?, ?)", [(f"files/{made.id}", "alice", 1e12)]
        )
    got = gemini.files.get(name=f"files/{made.id}")

    assert gemini.files.download(file=f"files/{made.id}") == b"the bytes"
    assert gemini.files.download(file=got) == b"the bytes"


def test_lists_hold_ones_own_alone(server: Pollux) -> None:
    """Page by page; a page in between is never empty."""
    with client(server, ALICE) as alice, client(server, BOB) as bob:
        theirs = [_uploaded(bob).name for _ in range(7)]
        mine = [_uploaded(alice).name for _ in range(3)]
        theirs += [_uploaded(bob).name for _ in range(7)]
        pages: list[list[str | None]] = []
        pager = bob.files.list(config=types.ListFilesConfig(page_size=3))
        while True:
            pages.append([file.name for file in pager.page])
            try:
                pager.next_page()
            except IndexError:
                break
        listed = {file.name for file in alice.files.list(config=types.ListFilesConfig(page_size=2))}

    assert sorted(name or "" for page in pages for name in page) == sorted(name or "" for name in theirs)
    assert all(pages)
    assert set(mine) <= listed
    assert listed.isdisjoint(theirs)


def _uploaded(gemini: genai.Client) -> types.File:
    return gemini.files.upload(file=io.BytesIO(b"some words"), config=types.UploadFileConfig(mime_type="text/plain"))


def _upstream_key(server: Pollux) -> str:
    return server.app.access.caller({b"x-goog-api-key": ALICE.encode()}, b"").upstream_key


def test_the_data_folder_holds_no_key(server: Pollux) -> None:
    """What is kept names owners, not keys."""
    kept = b"".join(file.read_bytes() for file in Path(server.app.settings.data_dir).rglob("*") if file.is_file())

    assert ALICE.encode() not in kept
    assert BOB.encode() not in kept
