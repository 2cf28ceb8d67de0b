"""The emulator's files and caches answer with the keys, the forms and the headers of the recordings in `../shared`."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pollux.emulator import Emulator
from tests.emulator.in_process import KEY, Reply, call, say
from tests.emulator.uploading import get, send, start

FIXTURES = Path(__file__).resolve().parents[3] / "shared/fixtures/gemini-native"

if not FIXTURES.is_dir():
    pytest.skip("the recordings of ../shared are not here", allow_module_level=True)

VARIES = ("server-timing", "vary", "content-length")
"""Headers that the recorder left out, or that are of this answer alone."""


def recordings(kind: str) -> list[dict[str, Any]]:
    """All recordings of a kind, in the order of the index."""
    rows = [msgspec.json.decode(line) for line in (FIXTURES / "index.jsonl").read_bytes().splitlines()]
    return [msgspec.json.decode((FIXTURES / row["file"]).read_bytes()) for row in rows if row["kind"] == kind]


def form(value: Any) -> Any:
    """The shape of a value: keys in place, letters and digits of texts as signs for them."""
    if isinstance(value, dict):
        return {key: form(item) for key, item in value.items()}
    return re.sub("[0-9]", "0", re.sub("[a-z0-9]{12,}", "id", value)) if isinstance(value, str) else type(value)


def same(reply: Reply, recorded: dict[str, Any], *, ordered: bool = True) -> None:
    """Status, headers and the form of the body are the recorded ones."""
    ours: Any = reply.json if reply.body else None
    theirs = recorded["response"]

    assert reply.status == recorded["status"]
    assert {name for name in recorded["response_headers"] if name not in VARIES} <= set(reply.headers)
    assert reply.headers["content-type"] == recorded["response_headers"]["content-type"]
    if ordered and isinstance(theirs, dict):
        assert list(ours) == list(theirs)
    assert form(ours) == form(theirs)


async def test_uploads_answer_as_recorded() -> None:
    """Every field of a file in its form; a start is recorded for file search stores, with the same protocol."""
    starts = [record for record in recordings("uploadToFileSearchStore") if record["response"] is None]
    finals = recordings("upload-files.post")
    for recorded in finals:
        emulator = Emulator()
        begun = await start(emulator, 18_810, file={"displayName": "sample.pdf", "mimeType": "application/pdf"})
        target = begun.headers["x-goog-upload-url"].removeprefix("http://emulator.test")
        reply = await send(emulator, target, "upload, finalize", b"x" * 18_810, 0)
        file, theirs = reply.json["file"], recorded["response"]["file"]
        theirs["uri"] = theirs["uri"].replace("https://generativelanguage.googleapis.com", "http://emulator.test")
        theirs["sha256Hash"] = file["sha256Hash"]

        same(reply, recorded)
        assert list(file) == list(theirs)
        assert reply.headers["x-goog-upload-status"] == recorded["response_headers"]["x-goog-upload-status"]
        for recorded_start in starts:
            same(begun, recorded_start)
            assert begun.headers["x-goog-upload-status"] == recorded_start["response_headers"]["x-goog-upload-status"]
    assert (len(starts), len(finals)) == (4, 2)


async def test_downloads_answer_as_recorded() -> None:
    """The redirect word for word, then the bytes."""
    compared = 0
    for recorded in recordings("download"):
        emulator = Emulator()
        name = emulator.files.generate(emulator.projects.of_key(KEY), b"video", "video/mp4", name="zqw12cp8qc38").id
        path = re.sub(r"files/\w+", f"files/{name}", recorded["url"])
        reply = await get(emulator, path.removeprefix("https://generativelanguage.googleapis.com"))
        if recorded["status"] == 200:
            assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"video", "video/mp4")
        else:
            same(reply, recorded)
            assert reply.json == recorded["response"]
        compared += 1

    assert compared == 4


async def test_cached_contents_answer_as_recorded() -> None:
    """Create, get and delete; the recorder of one source has sorted its keys."""
    compared = 0
    for recorded in recordings("cachedContents.post"):
        emulator = Emulator()
        request = {**recorded["request"], **say("Paris is the capital of France. " * 500)}
        created = await call(emulator, "/v1beta/cachedContents", request)
        got = await get(emulator, "/v1beta/" + created.json["name"])
        deleted = await get(emulator, "/v1beta/" + created.json["name"], method="DELETE")

        same(created, recorded, ordered=next(iter(recorded["response"])) == "name")
        for other in recordings("cachedContents.item.get"):
            same(got, other)
        for other in recordings("cachedContents.item.delete"):
            same(deleted, other)
        compared += 1

    assert compared == 2
