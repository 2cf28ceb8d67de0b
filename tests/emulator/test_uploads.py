"""The upload protocol: steps, offsets, what is refused, what survives a broken connection."""

import asyncio
import base64
import hashlib
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.emulator import Emulator, ManualClock
from tests.emulator.in_process import KEY, call
from tests.emulator.uploading import CHUNK, MIB, START, begin, get, send, start, streamed, uploaded


def hash_of(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).hexdigest().encode()).decode()


async def test_start_answers_with_the_recorded_headers_and_an_empty_text() -> None:
    """The URL is on the emulator's own host and has an id that nobody guesses."""
    emulator = Emulator()
    first, second = await start(emulator, 5), await start(emulator, 5)

    assert first.status == 200
    assert first.body == b""
    assert first.headers["content-type"] == "text/plain; charset=utf-8"
    assert first.headers["x-goog-upload-status"] == "active"
    assert first.headers["x-goog-upload-chunk-granularity"] == "8388608"
    assert first.headers["x-goog-upload-url"].startswith("http://emulator.test/upload/v1beta/files?upload_id=")
    assert first.headers["x-goog-upload-url"].endswith("&upload_protocol=resumable")
    assert first.headers["x-goog-upload-control-url"] == first.headers["x-goog-upload-url"]
    assert len(first.headers["x-goog-upload-url"]) > 120
    assert first.headers["x-goog-upload-url"] != second.headers["x-goog-upload-url"]


async def test_a_file_in_one_piece_is_told_with_all_its_fields() -> None:
    """In the recorded order and forms."""
    emulator = Emulator(clock=ManualClock())
    target = await begin(emulator, 5, file={"displayName": "a.txt", "mimeType": "text/plain", "sizeBytes": "5"})
    reply = await send(emulator, target, "upload, finalize", b"hello", 0)
    file = reply.json["file"]

    assert reply.headers["x-goog-upload-status"] == "final"
    assert reply.headers["content-type"] == "application/json; charset=UTF-8"
    assert list(file) == ["name", "displayName", "mimeType", "sizeBytes", "createTime", "updateTime", "expirationTime",
                          "sha256Hash", "uri", "state", "source"]  # fmt: skip
    assert file["createTime"] == "2026-11-22T00:00:00.000000Z"
    assert file["expirationTime"].startswith("2026-11-24T00:00:00.000000")
    assert len(file["expirationTime"]) == len("2026-11-24T00:00:00.000000000Z")
    assert file["sha256Hash"] == hash_of(b"hello")
    assert file["uri"] == "http://emulator.test/v1beta/" + file["name"]
    assert (file["sizeBytes"], file["state"], file["source"]) == ("5", "ACTIVE", "UPLOADED")


async def test_chunks_of_the_granularity_and_a_shorter_last_one() -> None:
    """The status is active until the last."""
    emulator, data = Emulator(), b"0123456789abcdef" * (MIB // 16) * 17
    target = await begin(emulator, len(data))
    replies = []
    for offset in range(0, len(data), CHUNK):
        command = "upload" if offset + CHUNK < len(data) else "upload, finalize"
        replies.append(await send(emulator, target, command, data[offset : offset + CHUNK], offset))
    emulator.close()

    assert [reply.headers["x-goog-upload-status"] for reply in replies] == ["active", "active", "final"]
    assert replies[-1].json["file"]["sha256Hash"] == hash_of(data)


@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=4000), cuts=st.lists(st.integers(0, 4000), max_size=6), scale=st.sampled_from([1, 700]))
async def test_any_division_of_the_body_gives_the_same_file(data: bytes, cuts: list[int], scale: int) -> None:
    """In memory and on disk."""
    emulator, data = Emulator(), data * scale
    edges = [0, *sorted(min(cut * scale, len(data)) for cut in cuts), len(data)]
    pieces = [data[first:last] for first, last in pairwise(edges)]
    target = await begin(emulator, len(data))
    headers = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
    file = (await streamed(emulator, target, pieces, headers)).json["file"]
    kept = emulator.files.find(emulator.projects.of_key(KEY), file["name"].removeprefix("files/")).content
    read = kept.read(0, len(data) + 1)
    emulator.close()

    assert file["sha256Hash"] == hash_of(data)
    assert file["sizeBytes"] == str(len(data))
    assert read == data


async def test_an_upload_goes_on_where_the_connection_broke() -> None:
    """The query tells what arrived; the same bytes are not counted twice."""
    emulator, data = Emulator(), b"a" * 3_000_000 + b"b" * 1_000_000
    target = await begin(emulator, len(data))
    headers = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
    broken = await streamed(emulator, target, [data[:1_500_000], data[1_500_000:2_500_000]], headers, leave=True)
    query = await send(emulator, target, "query")
    again = await send(emulator, target, "upload, finalize", data, 0)
    rest = await send(emulator, target, "upload, finalize", data[2_500_000:], 2_500_000)

    assert broken.status == 0
    assert query.headers["x-goog-upload-status"] == "active"
    assert query.headers["x-goog-upload-size-received"] == "2500000"
    assert again.status == 400
    assert again.body == b"Invalid upload offset: 0; 2500000 bytes were received."
    assert again.headers["x-goog-upload-status"] == "active"
    assert rest.json["file"]["sha256Hash"] == hash_of(data)
    emulator.close()


async def test_a_later_request_takes_an_upload_over_from_one_that_hangs() -> None:
    """Nothing of the old one is written any more."""
    emulator, more = Emulator(), asyncio.Event()
    target = await begin(emulator, 6)
    headers = {"x-goog-upload-command": "upload, finalize", "x-goog-upload-offset": "0"}
    hanging = asyncio.create_task(streamed(emulator, target, [b"abc", b"", b"def"], headers, hold=more))
    await asyncio.sleep(0.01)
    query = await send(emulator, target, "query")
    final = await send(emulator, target, "upload, finalize", b"ABCDEF", 0)
    more.set()
    old = await hanging

    assert query.headers["x-goog-upload-size-received"] == "0"
    assert final.json["file"]["sha256Hash"] == hash_of(b"ABCDEF")
    assert old.status == 0


async def test_a_fault_cuts_an_upload_in_its_middle() -> None:
    """So many bytes are kept."""
    emulator = Emulator()
    target = await begin(emulator, 2000)
    cut = await send(emulator, target, "upload, finalize", b"x" * 2000, 0, x_emulator_fault="cut-upload-after=700")
    query = await send(emulator, target, "query")
    rest = await send(emulator, target, "upload, finalize", b"x" * 1300, 700)

    assert cut.status == 0
    assert query.headers["x-goog-upload-size-received"] == "700"
    assert rest.json["file"]["sha256Hash"] == hash_of(b"x" * 2000)


async def test_an_upload_without_a_length_takes_what_comes() -> None:
    """And a `finalize` of its own ends it."""
    emulator = Emulator()
    target = await begin(emulator, None)
    empty = await send(emulator, target, "upload", b"", 0)
    final = await send(emulator, target, "finalize")

    assert empty.headers["x-goog-upload-status"] == "active"
    assert final.json["file"]["sizeBytes"] == "0"


async def test_chunks_that_are_no_multiple_are_refused_and_forgotten() -> None:
    """With a length before the body is read, without one after it."""
    emulator = Emulator()
    target = await begin(emulator, CHUNK + 5)
    known = await send(emulator, target, "upload", b"x" * 100, 0)
    headers = {"x-goog-upload-command": "upload", "x-goog-upload-offset": "0"}
    unknown = await streamed(emulator, target, [b"x" * 60, b"x" * 40], headers)
    query = await send(emulator, target, "query")

    assert known.status == unknown.status == 400
    assert known.body == unknown.body
    assert b"required to be equal or greater than 8388608, except for the final request" in known.body
    assert known.headers["content-type"] == "text/plain; charset=utf-8"
    assert query.headers["x-goog-upload-size-received"] == "0"


async def test_too_few_and_too_many_bytes_are_refused() -> None:
    """Too few can still come; too many end the upload."""
    emulator = Emulator()
    short, long = await begin(emulator, 10), await begin(emulator, 10)
    few = await send(emulator, short, "upload, finalize", b"12345", 0)
    rest = await send(emulator, short, "upload, finalize", b"67890", 5)
    many = await send(emulator, long, "upload, finalize", b"12345678901", 0)
    gone = await send(emulator, long, "query")

    assert (few.status, few.headers["x-goog-upload-status"]) == (400, "active")
    assert rest.json["file"]["sha256Hash"] == hash_of(b"1234567890")
    assert (many.status, many.headers["x-goog-upload-status"]) == (400, "final")
    assert (gone.status, gone.body) == (400, b"Upload has already been terminated.")


async def test_a_finished_upload_takes_nothing_more_and_still_tells_its_file() -> None:
    """An answer that was lost can be had again by a query."""
    emulator = Emulator()
    target = await begin(emulator, 5)
    first = await send(emulator, target, "upload, finalize", b"hello", 0)
    again = await send(emulator, target, "upload, finalize", b"hello", 0)
    query = await send(emulator, target, "query")

    assert (again.status, again.body) == (400, b"Upload has already been terminated.")
    assert query.headers["x-goog-upload-status"] == "final"
    assert query.json == first.json


async def test_cancelled_unknown_and_old_uploads_are_over() -> None:
    """In the words that public logs quote, as plain text."""
    clock = ManualClock()
    emulator = Emulator(clock=clock)
    cancelled, old = await begin(emulator, 5), await begin(emulator, 5)
    cancel = await send(emulator, cancelled, "cancel")
    clock.advance(49 * 3600)
    replies = [await send(emulator, target, "query") for target in (cancelled, old, START + "?upload_id=unknown")]

    assert cancel.headers["x-goog-upload-status"] == "cancelled"
    assert {(reply.status, reply.body) for reply in replies} == {(400, b"Upload has already been terminated.")}
    assert {reply.headers["x-goog-upload-status"] for reply in replies} == {"final"}


async def test_multipart_and_raw_uploads_take_one_request() -> None:
    """Divided anywhere, with anything in the bytes that is not the boundary."""
    emulator, data = Emulator(), bytes(range(256)) * 40 + b"\r\n--almost\r\n--mar"
    first = b'--mark\r\nContent-Type: application/json\r\n\r\n{"file": {"displayName": "b"}}'
    head = first + b"\r\n--mark\r\nContent-Type: image/png\r\n\r\n"
    body = head + data + b"\r\n--mark--\r\n"
    headers = {"x-goog-api-key": KEY, "content-type": "multipart/related; boundary=mark", "x-goog-upload-protocol": "multipart"}
    for size in (1, 7, 999, len(body)):
        pieces = [body[i : i + size] for i in range(0, len(body), size)]
        reply = await streamed(emulator, START, pieces, headers)

        assert reply.status == 200, reply.body
        assert reply.json["file"]["sha256Hash"] == hash_of(data)
        assert reply.json["file"]["displayName"] == "b"
        assert reply.json["file"]["mimeType"] == "image/png"
    raw = await call(emulator, START, data, headers={"x-goog-upload-protocol": "raw", "content-type": "image/gif"})

    assert raw.headers["x-goog-upload-status"] == "final"
    assert raw.json["file"]["sha256Hash"] == hash_of(data)
    assert raw.json["file"]["mimeType"] == "image/gif"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "it ends too early"),
        (b"--mark--\r\n", "a part is missing"),
        (b"--mark\r\n\r\n{}\r\n--mark--\r\n", "a part is missing"),
        (b"--mark\r\n\r\n{]\r\n--mark\r\n\r\nx\r\n--mark--", "the first part is not the JSON of a file"),
        (b"--mark\r\n\r\n{}\r\n--mark\r\n\r\nx", "it ends too early"),
        (b"x" * 2_000_000, "the metadata is too large"),
    ],
)
async def test_broken_multipart_bodies_are_refused(body: bytes, why: str) -> None:
    """And leave nothing behind."""
    emulator = Emulator()
    headers = {"content-type": "multipart/related; boundary=mark", "x-goog-upload-protocol": "multipart"}
    reply = await call(emulator, START, body, headers=headers)

    assert reply.status == 400
    assert why in reply.message
    assert (await get(emulator, "/v1beta/files")).json == {}
    assert emulator.files.spool.memory_bytes == 0


@pytest.mark.parametrize(
    ("file", "headers", "status", "message"),
    [
        ({"name": "files/" + "a" * 41}, {}, 400,
         "* CreateFileRequest.file.name: File ID (name excluding 'files/') cannot be more than 40 characters.\n"),
        ({"name": "files/Big_Name"}, {}, 400, "can only contain lowercase alphanumeric characters or dashes (-)"),
        ({"name": "files/-a"}, {}, 400, "cannot begin or end with a dash"),
        ({"name": "files/../../etc"}, {}, 400, "can only contain"),
        ({"displayName": "d" * 513}, {}, 400, "cannot be more than 512 characters"),
        ({"unknown": 1}, {}, 400, "Invalid JSON payload received. Unknown name \"unknown\" at 'file': Cannot find field."),
        ({}, {"x_goog_upload_header_content_length": "2147483649"}, 400, "File size exceeds the limit: 2147483648 bytes."),
        ({}, {"x_goog_upload_header_content_length": "many"}, 400, "x-goog-upload-header-content-length"),
        ({}, {"x_goog_upload_command": "upload"}, 400, "begins with X-Goog-Upload-Command: start"),
        ({}, {"x_goog_upload_protocol": "carrier-pigeon"}, 501, "the upload protocol carrier-pigeon"),
    ],
)  # fmt: skip
async def test_wrong_starts_are_refused(file: Any, headers: dict[str, str], status: int, message: str) -> None:
    """Before any byte of the file comes."""
    reply = await start(Emulator(), 5, file=file, **headers)

    assert reply.status == status
    assert message in reply.message


async def test_a_taken_name_is_refused_in_its_own_project_only() -> None:
    """409 at the start, and at the end where two uploads ran beside each other."""
    emulator = Emulator()
    target = await begin(emulator, 1, file={"name": "files/mine"})
    await uploaded(emulator, b"x", name="files/mine")
    late = await send(emulator, target, "upload, finalize", b"y", 0)
    early = await start(emulator, 1, file={"name": "files/mine"})
    other = await start(emulator, 1, file={"name": "files/mine"}, key="another-key")

    assert (late.status, late.json["error"]["status"]) == (409, "ALREADY_EXISTS")
    assert (early.status, early.message) == (409, "Requested entity already exists")
    assert other.status == 200


async def test_the_room_of_a_project_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deleted makes room again."""
    monkeypatch.setattr("pollux.emulator.files.PROJECT_BYTES_MAX", 1000)
    monkeypatch.setattr("pollux.emulator.files.FILE_BYTES_MAX", 900)
    emulator = Emulator()
    file = await uploaded(emulator, b"x" * 800)
    full = await start(emulator, 300)
    other = await start(emulator, 300, key="another-key")
    unannounced = await call(emulator, START, b"x" * 300, headers={"x-goog-upload-protocol": "raw"})
    large = await call(emulator, START, b"x" * 950, headers={"x-goog-upload-protocol": "raw"}, key="a-third-key")
    await get(emulator, "/v1beta/" + file["name"], method="DELETE")
    again = await start(emulator, 300)

    assert full.status == unannounced.status == 429
    assert full.json["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert (large.status, other.status, again.status) == (400, 200, 200)


async def test_an_upload_needs_a_key_and_its_steps_need_none() -> None:
    """The id in the URL is the right; the journal hides it and keeps sizes, not bytes."""
    emulator = Emulator()
    without = await start(emulator, 5, key="")
    wrong = await start(emulator, 5, key="invalid-key")
    target = await begin(emulator, 5)
    await send(emulator, target, "upload, finalize", b"hello", 0)
    entries = emulator.journal.entries()

    assert (without.status, wrong.status) == (403, 400)
    assert [entry["native_method"] for entry in entries[2:]] == ["media.upload.start", "media.upload.chunk"]
    assert entries[-1]["body"] == {"omitted_bytes": 5}
    assert target.partition("upload_id=")[2][:20] not in str(entries)
    assert entries[-1]["complete"]


async def test_faults_and_rules_work_on_every_step() -> None:
    """A refusal by a header, one by a rule, a delay, an answer that is cut after the file was kept."""
    emulator = Emulator(rules=[{"fault": "status=503; times=1", "match": {"method": "media.upload.chunk"}}])
    refused = await start(emulator, 5, x_emulator_fault="status=429")
    target = await begin(emulator, 5)
    by_rule = await send(emulator, target, "upload, finalize", b"hello", 0)
    cut = await send(emulator, target, "upload, finalize", b"hello", 0, x_emulator_fault="cut-after=0")
    query = await send(emulator, target, "query")

    assert (refused.status, by_rule.status) == (429, 503)
    assert not cut.finished
    assert query.headers["x-goog-upload-status"] == "final"
    assert len((await get(emulator, "/v1beta/files")).json["files"]) == 1


async def test_a_disk_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the emulator's own trouble; nothing is left."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    emulator = Emulator()
    monkeypatch.setattr("pollux.emulator.spool.Bytes.append", full)
    reply = await call(emulator, START, b"x" * 10, headers={"x-goog-upload-protocol": "raw"})

    assert reply.status == 500
    assert "The Pollux emulator cannot keep the file: No space left on device." in reply.message
    assert (await get(emulator, "/v1beta/files")).json == {}
