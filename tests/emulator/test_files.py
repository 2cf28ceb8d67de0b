"""Files: lists, states by the clock, expiry, whose they are, downloads, requests that refer to them."""

from pathlib import Path
from typing import Any

import pytest

from pollux.emulator import Emulator, ManualClock
from tests.emulator.in_process import KEY, PATH, call, say
from tests.emulator.samples import film, pdf
from tests.emulator.uploading import get, names, send, start, uploaded

FORBIDDEN = "You do not have permission to access the File {} or it may not exist."


def generated(emulator: Emulator, data: bytes = b"0123456789", mime_type: str = "video/mp4", **more: str) -> str:
    return emulator.files.generate(emulator.projects.of_key(KEY), data, mime_type, **more).id


def with_file(uri: str, **more: str) -> Any:
    return {"contents": [{"role": "user", "parts": [{"fileData": {"fileUri": uri, **more}}, {"text": "What is it?"}]}]}


async def test_files_are_listed_newest_first_in_pages() -> None:
    """While files come and go between the pages; an empty list is an empty object."""
    emulator = Emulator()
    empty = await get(emulator, "/v1beta/files")
    made = [(await uploaded(emulator, b"x", name=f"files/f{i}"))["name"] for i in range(12)]
    first = await get(emulator, "/v1/files")
    short = await get(emulator, "/v1beta/files?pageSize=5")
    await get(emulator, f"/v1beta/{made[7]}", method="DELETE")
    await uploaded(emulator, b"x", name="files/new")
    rest = await get(emulator, f"/v1beta/files?pageSize=500&pageToken={short.json['nextPageToken']}")

    assert empty.json == {}
    assert names(first.json, "files") == made[:1:-1]
    assert names(short.json, "files") == made[:6:-1]
    assert names(rest.json, "files") == made[6::-1]
    assert "nextPageToken" not in rest.json


async def test_wrong_pages_are_refused() -> None:
    """As for models."""
    emulator = Emulator()
    token = await get(emulator, "/v1beta/files?pageToken=!!")
    size = await get(emulator, "/v1beta/files?pageSize=many")
    name = await get(emulator, "/v1beta/files?order=up")

    assert (token.status, token.message) == (400, "Page token is invalid.")
    assert (size.status, name.status) == (400, 400)
    assert "Cannot bind query parameter" in name.message


async def test_missing_deleted_and_foreign_files_are_told_in_the_same_words() -> None:
    """403 on every method, also the second time that a file is deleted."""
    emulator = Emulator()
    name = (await uploaded(emulator, b"x", name="files/mine"))["name"]
    foreign = [await get(emulator, f"/v1beta/{name}{end}", key="another-key") for end in ("", ":download?alt=media")]
    foreign.append(await get(emulator, f"/v1beta/{name}", key="another-key", method="DELETE"))
    deleted = await get(emulator, f"/v1beta/{name}", method="DELETE")
    again = [await get(emulator, f"/v1beta/{name}", method=method) for method in ("DELETE", "GET")]

    assert (deleted.status, deleted.json) == (200, {})
    for reply in foreign + again:
        assert reply.status == 403
        assert reply.json["error"] == {"code": 403, "message": FORBIDDEN.format("mine"), "status": "PERMISSION_DENIED"}
    assert (await get(emulator, "/v1beta/files", key="another-key")).json == {}


async def test_an_id_that_is_too_long_is_a_400() -> None:
    """As for the names of batch results, which the service makes itself and then refuses."""
    emulator = Emulator()
    name = generated(emulator, name="batch-" + "a" * 36)
    got = await get(emulator, f"/v1beta/files/{name}")
    deleted = await get(emulator, f"/v1beta/files/{name}", method="DELETE")
    downloaded = await get(emulator, f"/download/v1beta/files/{name}:download?alt=media")

    text = "File ID (name excluding 'files/') cannot be more than 40 characters.\n"
    assert (got.status, got.message) == (400, f"* GetFileRequest.name: {text}")
    assert (deleted.status, deleted.message) == (400, f"* DeleteFileRequest.name: {text}")
    assert downloaded.body == b"0123456789"


async def test_a_video_is_processed_until_the_clock_has_moved() -> None:
    """A control request moves it; audio of some size too. It tells its duration then; what cannot be read is FAILED."""
    clock = ManualClock()
    emulator = Emulator(clock=clock)
    video = await uploaded(emulator, film(3), "video/mp4")
    broken = await uploaded(emulator, b"x", "video/mp4")
    audio = await uploaded(emulator, b"x" * 2_000_000, "audio/mpeg")
    short = await uploaded(emulator, b"x", "audio/mpeg")
    await call(emulator, "/__emulator/clock", {"advance_seconds": 3})
    later, failed, noise = [(await get(emulator, "/v1beta/" + file["name"])).json for file in (video, broken, audio)]
    emulator.close()

    assert [file["state"] for file in (video, broken, audio, short)] == ["PROCESSING", "PROCESSING", "PROCESSING", "ACTIVE"]
    assert (later["state"], later["videoMetadata"]) == ("ACTIVE", {"videoDuration": "3s"})
    assert (failed["state"], noise["state"]) == ("FAILED", "FAILED")
    assert failed["error"] == {"code": 13, "message": "The file failed to be processed."}
    assert later["updateTime"] == "2026-11-22T00:00:02.000000Z"
    assert later["createTime"] == video["updateTime"] == "2026-11-22T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("fault", "first", "later"),
    [
        ("file-state=FAILED", "FAILED", "FAILED"),
        ("file-state=FAILED; processing=5", "PROCESSING", "FAILED"),
        ("file-state=PROCESSING", "PROCESSING", "PROCESSING"),
        ("processing=5", "PROCESSING", "ACTIVE"),
    ],
)
async def test_a_fault_decides_about_the_state(fault: str, first: str, later: str) -> None:
    """Given at the start or at the end of an upload; a failed file tells why."""
    clock = ManualClock()
    emulator = Emulator(clock=clock)
    begun = await start(emulator, 1, x_emulator_fault=fault)
    target = begun.headers["x-goog-upload-url"].removeprefix("http://emulator.test")
    file = (await send(emulator, target, "upload, finalize", b"x", 0)).json["file"]
    headers = {"x-goog-upload-protocol": "raw", "x-emulator-fault": fault}
    raw = (await call(emulator, "/upload/v1beta/files", b"x", headers=headers)).json["file"]
    clock.advance(10)
    now = (await get(emulator, "/v1beta/" + file["name"])).json

    assert file["state"] == raw["state"] == first
    assert now["state"] == later
    assert ("error" in now) == (later == "FAILED")


async def test_a_fault_decides_about_broken_films_too() -> None:
    """A film that cannot be read is ACTIVE if a fault says so."""
    emulator = Emulator(rules=[{"fault": "file-state=ACTIVE", "match": {"method": "media.upload.*"}}])
    film_of_nothing = await uploaded(emulator, b"x", "video/mp4")

    assert (await get(emulator, "/v1beta/" + film_of_nothing["name"])).json["state"] == "ACTIVE"


async def test_files_are_gone_after_48_hours() -> None:
    """With their bytes."""
    clock = ManualClock()
    emulator = Emulator(clock=clock)
    file = await uploaded(emulator, b"x" * 100_000)
    clock.advance(48 * 3600 - 1)
    still = await get(emulator, "/v1beta/" + file["name"])
    folder = next(Path(emulator.files.spool.path()).parent.iterdir())
    clock.advance(1)
    gone = await get(emulator, "/v1beta/" + file["name"])

    assert still.status == 200
    assert gone.status == 403
    assert not folder.exists()
    assert (await get(emulator, "/v1beta/files")).json == {}
    emulator.close()


async def test_a_reset_and_a_close_delete_everything() -> None:
    """Uploads that were not finished too; the folder goes as a whole."""
    emulator = Emulator()
    for _ in range(2):
        await uploaded(emulator, b"x" * 100_000)
        await start(emulator, 5)
        folder = emulator.files.spool.path().parent
        await call(emulator, "/__emulator/reset", {})

        assert not folder.exists()
        assert (await get(emulator, "/v1beta/files")).json == {}
    emulator.close()


async def test_names_are_the_same_in_every_run() -> None:
    """They come from the seed and the count."""
    first, second = [await uploaded(Emulator(seed=3), b"x") for _ in range(2)]
    other = await uploaded(Emulator(seed=4), b"x")

    assert first["name"] == second["name"] != other["name"]
    assert len(first["name"]) == len("files/") + 12


async def test_a_generated_file_is_downloaded_after_a_redirect() -> None:
    """With the recorded body; both requests need the key."""
    emulator = Emulator()
    name = generated(emulator)
    told = (await get(emulator, f"/v1beta/files/{name}")).json
    redirect = await get(emulator, f"/v1beta/files/{name}:download?alt=media")
    target = redirect.headers["location"].removeprefix("http://emulator.test")
    without = await get(emulator, target, key="")
    whole = await get(emulator, target)

    assert told["source"] == "GENERATED"
    assert told["downloadUri"] == f"http://emulator.test/v1beta/files/{name}:download?alt=media"
    assert redirect.status == 302
    assert redirect.json == {"error": {"code": 302, "message": "Unknown Error.", "status": "UNKNOWN"}}
    assert target == f"/download/v1beta/files/{name}:download?alt=media"
    assert without.status == 403
    assert (whole.status, whole.body) == (200, b"0123456789")
    assert (whole.headers["content-type"], whole.headers["content-length"]) == ("video/mp4", "10")


@pytest.mark.parametrize(
    ("asked", "status", "body", "told"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-4", 206, b"6789", "bytes 6-9/10"),
        ("bytes=5-100", 206, b"56789", "bytes 5-9/10"),
        ("bytes=-100", 200, b"0123456789", ""),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=1-2,4-5", 200, b"0123456789", ""),
        ("lines=1-2", 200, b"0123456789", ""),
    ],
)
async def test_ranges_of_a_download(asked: str, status: int, body: bytes, told: str) -> None:
    """One range; what is not understood means the whole."""
    emulator = Emulator()
    name = generated(emulator)
    reply = await get(emulator, f"/download/v1/files/{name}:download?alt=media", range=asked)

    assert (reply.status, reply.body) == (status, body)
    assert reply.headers.get("content-range", "") == told
    assert reply.headers["content-length"] == str(len(body))


async def test_a_large_generated_file_comes_from_a_path_in_pieces(tmp_path: Path) -> None:
    """And a fault cuts it between them."""
    path = tmp_path / "video"
    path.write_bytes(b"0123456789" * 100_000)
    emulator = Emulator()
    name = emulator.files.generate(emulator.projects.of_key(KEY), path, "video/mp4").id
    target = f"/download/v1beta/files/{name}:download?alt=media"
    whole = await get(emulator, target)
    cut = await get(emulator, target, x_emulator_fault="cut-after=2")
    part = await get(emulator, target, range="bytes=300000-800000")
    emulator.close()

    assert whole.body == path.read_bytes()
    assert len(whole.chunks) > 3
    assert not cut.finished
    assert len(cut.body) == 2 * 262_144
    assert part.body == path.read_bytes()[300_000:800_001]


async def test_uploaded_files_are_not_downloaded() -> None:
    """Nor anything without `alt=media`."""
    emulator = Emulator()
    file = await uploaded(emulator, b"x", name="files/mine")
    refused = await get(emulator, f"/v1beta/{file['name']}:download?alt=media")
    no_alt = await get(emulator, f"/v1beta/files/{generated(emulator)}:download")

    assert (refused.status, refused.json["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert "cannot be downloaded" in refused.message
    assert no_alt.status == 400


async def test_registering_needs_oauth() -> None:
    """A key is not enough; a token meets the emulator's limit."""
    body = {"uris": ["gs://bucket/file"]}
    key = await call(Emulator(), "/v1beta/files:register", body)
    token = await call(Emulator(), "/v1beta/files:register", body, key="", headers={"authorization": "Bearer ya29.token"})

    assert key.status == 401
    assert key.message.startswith("API keys are not supported by this API.")
    assert key.json["error"]["details"][0]["reason"] == "CREDENTIALS_MISSING"
    assert token.status == 501


async def test_faults_and_the_journal_know_files() -> None:
    """Rules by the method's name."""
    emulator = Emulator(rules=[{"fault": "status=500", "match": {"method": "files.get"}}])
    file = await uploaded(emulator, b"x")
    got = await get(emulator, "/v1beta/" + file["name"])
    listed = await get(emulator, "/v1beta/files", x_emulator_fault="malformed-after=0")

    assert got.status == 500
    assert 0 < len(listed.body) < 300
    assert [entry["native_method"] for entry in emulator.journal.entries()][-2:] == ["files.get", "files.list"]


async def test_an_answer_tells_of_the_file_that_a_request_refers_to() -> None:
    """A text file is counted and quoted; countTokens gives the same number."""
    emulator = Emulator()
    file = await uploaded(emulator, b"The quick brown fox jumps. " * 40, displayName="fox.txt")
    for uri in (file["uri"], file["name"], "https://generativelanguage.googleapis.com/v1beta/" + file["name"],
                "http://localhost:8081/v1/" + file["name"]):  # fmt: skip
        reply = await call(emulator, PATH, with_file(uri, mimeType="text/plain"))
        counted = await call(emulator, PATH.replace("generateContent", "countTokens"), with_file(uri))
        text = reply.json["candidates"][0]["content"]["parts"][0]["text"]

        assert f"It refers to {file['name']} “fox.txt”, text/plain, 1080 bytes. It is a text of 200 words. It begins" in text
        assert reply.json["usageMetadata"]["promptTokenCount"] == counted.json["totalTokens"]
        assert counted.json["totalTokens"] > 200
        assert counted.json["promptTokensDetails"] == [{"modality": "TEXT", "tokenCount": counted.json["totalTokens"]}]


async def test_other_files_are_counted_by_their_kind() -> None:
    """Recorded on 2.5: 258 tokens of a DOCUMENT for a page, told apart from the text."""
    emulator = Emulator()
    file = await uploaded(emulator, pdf(1), "application/pdf")
    path = "/v1beta/models/gemini-2.5-flash:generateContent"
    usage = (await call(emulator, path, with_file(file["uri"]))).json["usageMetadata"]

    assert usage["promptTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": 5},
        {"modality": "DOCUMENT", "tokenCount": 258},
    ]
    assert usage["promptTokenCount"] == 263


async def test_requests_with_files_that_cannot_be_used_are_refused() -> None:
    """Missing and foreign ones, those not ACTIVE, those of a type that no model reads; a script changes nothing of it."""
    emulator = Emulator(clock=ManualClock(), script=[{"say": {"text": "Yes"}}])
    video = await uploaded(emulator, film(1), "video/mp4", name="files/video")
    foreign = await uploaded(emulator, b"x", key="another-key", name="files/theirs")
    archive = await uploaded(emulator, b"x", "application/zip")
    missing = await call(emulator, PATH, with_file("http://emulator.test/v1beta/files/nothing"))
    theirs = await call(emulator, PATH, with_file(foreign["uri"]))
    processing = await call(emulator, PATH.replace("generateContent", "countTokens"), with_file(video["uri"]))
    kind = await call(emulator, PATH, with_file(archive["uri"]))
    emulator.clock.advance(5)
    active = await call(emulator, PATH, with_file(video["uri"]))

    assert (missing.status, missing.message) == (403, FORBIDDEN.format("nothing"))
    assert (theirs.status, theirs.message) == (403, FORBIDDEN.format("theirs"))
    assert processing.json["error"] == {
        "code": 400,
        "message": "The File video is not in an ACTIVE state and usage is not allowed.",
        "status": "FAILED_PRECONDITION",
    }
    assert (kind.status, kind.message) == (400, "Unsupported MIME type: application/zip")
    assert active.json["candidates"][0]["content"]["parts"][0]["text"] == "Yes"


async def test_files_of_google_cloud_storage_stay_the_emulators_limit() -> None:
    """501; any other URI that only looks like a file of ours is a foreign one."""
    stored = await call(Emulator(), PATH, with_file("gs://bucket/files/abc"))
    foreign = await call(Emulator(), PATH, with_file("https://example.com/v1beta/files/abc", mimeType="image/png"))

    assert (stored.status, "fileData parts" in stored.message) == (501, True)
    assert "which the emulator does not fetch" in foreign.json["candidates"][0]["content"]["parts"][0]["text"]


async def test_callers_cannot_send_what_the_emulator_adds() -> None:
    """The names of what was looked up are unknown fields."""
    body = say()
    body["contents"][0]["parts"][0]["@file"] = {"tokens": 1}
    file = await call(Emulator(), PATH, body)
    cache = await call(Emulator(), PATH, {**say(), "@cache": {}})

    assert (file.status, cache.status) == (400, 400)
