"""Uploads, as OpenAI's clients and any HTTP caller meet them."""

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.server.asking import KEY, Answer, Pollux, ask, pollux
from tests.server.fake import FakeUpstream
from tests.server.test_files import OTHER_KEY, temporary

UNKNOWN = "upload_" + "0" * 24
FORM = {"content-type": "multipart/form-data; boundary=b"}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's data folder."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def server(data_dir: Path) -> Iterator[Pollux]:
    """A server with small limits."""
    with (
        FakeUpstream() as upstream,
        pollux(upstream, data_dir=str(data_dir), part_bytes_max=1_000_000, file_bytes_max=5_000_000) as running,
    ):
        yield running


@pytest.fixture
def client(server: Pollux) -> openai.OpenAI:
    """The official client, of a caller of its own."""
    return openai.OpenAI(api_key=f"AIza-{secrets.token_hex(12)}", base_url=f"{server.url}/v1", max_retries=0)


def begin(server: Pollux, size: int, *, key: str = KEY, **more: Any) -> str:
    """Begin an upload and give its id."""
    asked = {"bytes": size, "filename": "a.txt", "mime_type": "text/plain", "purpose": "vision"} | more
    answer = ask(server.url, "/v1/uploads", json=asked, key=key)
    assert answer.status == 200, answer.body
    return str(answer.json["id"])


def part(server: Pollux, upload_id: str, data: bytes, *, key: str = KEY, name: str = "data") -> Answer:
    """Send a part."""
    body = b'--b\r\nContent-Disposition: form-data; name="%b"; filename="p"\r\n\r\n%b\r\n--b--\r\n' % (name.encode(), data)
    return ask(server.url, f"/v1/uploads/{upload_id}/parts", body=body, headers=FORM, key=key)


def complete(server: Pollux, upload_id: str, *part_ids: str, key: str = KEY, **more: Any) -> Answer:
    """Complete an upload."""
    return ask(server.url, f"/v1/uploads/{upload_id}/complete", json={"part_ids": list(part_ids)} | more, key=key)


def cancel(server: Pollux, upload_id: str, *, key: str = KEY) -> Answer:
    """Cancel an upload."""
    return ask(server.url, f"/v1/uploads/{upload_id}/cancel", method="POST", body=b"", key=key)


def test_the_python_client_uploads_in_parts(client: openai.OpenAI) -> None:
    """Create, parts out of order, complete with the order and the hash."""
    data = secrets.token_bytes(500_000)
    upload = client.uploads.create(
        bytes=len(data),
        filename="../data.bin",
        mime_type="application/octet-stream",
        purpose="user_data",
        expires_after={"anchor": "created_at", "seconds": 7200},
    )
    last = client.uploads.parts.create(upload.id, data=data[300_000:])
    first = client.uploads.parts.create(upload.id, data=data[:300_000])
    done = client.uploads.complete(upload.id, part_ids=[first.id, last.id], md5=hashlib.md5(data).hexdigest())
    assert done.file is not None
    found = client.files.retrieve(done.file.id)

    assert (upload.status, upload.filename, upload.bytes) == ("pending", "data.bin", len(data))
    assert upload.expires_at == upload.created_at + 3600
    assert (first.object, first.upload_id) == ("upload.part", upload.id)
    assert done.status == "completed"
    assert found == done.file
    assert found.expires_at == found.created_at + 7200
    assert client.files.content(found.id).read() == data
    assert [file.id for file in client.files.list()] == [found.id]


def test_the_python_clients_helper_uploads_a_file(client: openai.OpenAI, tmp_path: Path) -> None:
    """`upload_file_chunked`, from a path and from memory."""
    data = secrets.token_bytes(2_500_000)
    path = tmp_path / "big.jsonl"
    path.write_bytes(data)
    from_path = client.uploads.upload_file_chunked(file=path, mime_type="application/jsonl", purpose="batch", part_size=900_000)
    from_memory = client.uploads.upload_file_chunked(
        file=data, filename="m.jsonl", bytes=len(data), mime_type="application/jsonl", purpose="batch", part_size=1_000_000
    )
    assert from_path.file is not None
    assert from_memory.file is not None

    assert client.files.content(from_path.file.id).read() == data
    assert client.files.content(from_memory.file.id).read() == data
    assert from_path.file.filename == "big.jsonl"


def test_a_content_of_several_parts_is_given_in_ranges(server: Pollux) -> None:
    """Across their borders."""
    upload_id = begin(server, 9)
    ids = [part(server, upload_id, data).json["id"] for data in (b"abc", b"def", b"ghi")]
    file_id = complete(server, upload_id, *ids).json["file"]["id"]
    answer = ask(server.url, f"/v1/files/{file_id}/content", headers={"range": "bytes=2-6"})

    assert answer.status == 206
    assert answer.body == b"cdefg"


@pytest.mark.parametrize("base", ["/v1", "/v1beta/openai"])
@pytest.mark.parametrize("action", ["parts", "complete", "cancel"])
def test_another_callers_upload_is_an_unknown_upload(server: Pollux, base: str, action: str) -> None:
    """On every route the same answer, but for the id in the words; and nothing of it changes."""
    mine = begin(server, 3)
    part_id = part(server, mine, b"abc").json["id"]

    def act(upload_id: str) -> Answer:
        path = f"{base}/uploads/{upload_id}/{action}"
        if action == "parts":
            body = b'--b\r\nContent-Disposition: form-data; name="data"; filename="p"\r\n\r\nx\r\n--b--\r\n'
            return ask(server.url, path, body=body, headers=FORM, key=OTHER_KEY)
        return ask(server.url, path, json={"part_ids": [part_id]}, key=OTHER_KEY)

    foreign, unknown = act(mine), act(UNKNOWN)

    assert foreign.status == unknown.status == 404
    assert foreign.body.replace(mine.encode(), UNKNOWN.encode()) == unknown.body
    assert complete(server, mine, part_id).json["status"] == "completed"


def test_another_callers_part_is_an_unknown_part(server: Pollux) -> None:
    """Also one of another upload of the same caller."""
    theirs = part(server, begin(server, 3, key=OTHER_KEY), b"abc", key=OTHER_KEY).json["id"]
    others = part(server, begin(server, 3), b"abc").json["id"]
    mine = begin(server, 3)
    answers = [complete(server, mine, part_id) for part_id in (theirs, others, "part_" + "0" * 24)]
    words = {
        answer.body.replace(part_id.encode(), b"")
        for answer, part_id in zip(answers, (theirs, others, "part_" + "0" * 24), strict=True)
    }

    assert [answer.status for answer in answers] == [400] * 3
    assert len(words) == 1


def test_what_cannot_be_completed_says_why_and_stays_open(server: Pollux) -> None:
    """A part twice, one missing, another size, another hash, no part at all; then it is completed all the same."""
    upload_id = begin(server, 6)
    first, second = (part(server, upload_id, data).json["id"] for data in (b"abc", b"def"))
    wrong = {
        "duplicate_part": complete(server, upload_id, first, first),
        "unknown_part": complete(server, upload_id, first, "part_nobody"),
        "size_mismatch": complete(server, upload_id, first),
        "md5_mismatch": complete(server, upload_id, second, first, md5=hashlib.md5(b"abcdef").hexdigest()),
        "invalid_value": complete(server, upload_id, first, second, md5="not a hash"),
        "missing_required_parameter": ask(server.url, f"/v1/uploads/{upload_id}/complete", json={}),
    }
    empty = complete(server, upload_id)
    right = complete(server, upload_id, first, second, md5=hashlib.md5(b"abcdef").hexdigest().upper())

    assert {code: answer.error["code"] for code, answer in wrong.items()} == {code: code for code in wrong}
    assert {answer.status for answer in wrong.values()} == {400}
    assert wrong["duplicate_part"].error["param"] == "part_ids[0]"
    assert wrong["unknown_part"].error["param"] == "part_ids[1]"
    assert hashlib.md5(b"defabc").hexdigest() in wrong["md5_mismatch"].error["message"]
    assert empty.error["code"] == "size_mismatch"
    assert right.json["status"] == "completed"


def test_completing_again_gives_the_same_answer(server: Pollux) -> None:
    """As a client does whose first answer was lost; with other parts it is refused."""
    upload_id = begin(server, 3)
    part_id = part(server, upload_id, b"abc").json["id"]
    first, again = complete(server, upload_id, part_id), complete(server, upload_id, part_id)
    other = complete(server, upload_id, "part_other")

    assert first.json == again.json
    assert other.status == 400
    assert other.error["code"] == "upload_ended"


def test_a_cancelled_upload_takes_nothing_and_leaves_nothing(server: Pollux, data_dir: Path) -> None:
    """Cancelling again gives the same answer."""
    blobs = len(list((data_dir / "bytes").glob("??/*")))
    upload_id = begin(server, 3)
    part_id = part(server, upload_id, b"abc").json["id"]
    first, again = cancel(server, upload_id), cancel(server, upload_id)
    late = [part(server, upload_id, b"abc"), complete(server, upload_id, part_id)]

    assert first.json == again.json
    assert first.json["status"] == "cancelled"
    assert [(answer.status, answer.error["code"]) for answer in late] == [(400, "upload_ended")] * 2
    assert len(list((data_dir / "bytes").glob("??/*"))) == blobs
    assert temporary(data_dir) == []


def test_a_completed_upload_is_not_cancelled(server: Pollux) -> None:
    """Its file stays."""
    upload_id = begin(server, 3)
    file_id = complete(server, upload_id, part(server, upload_id, b"abc").json["id"]).json["file"]["id"]
    answer = cancel(server, upload_id)

    assert answer.status == 400
    assert answer.error["code"] == "upload_ended"
    assert ask(server.url, f"/v1/files/{file_id}").status == 200


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"bytes": 0}, "bytes"),
        ({"bytes": -1}, "bytes"),
        ({"bytes": 5_000_001}, "bytes"),
        ({"bytes": "many"}, "bytes"),
        ({"purpose": "fine-dining"}, "purpose"),
        ({"expires_after": {"anchor": "created_at", "seconds": 1}}, "expires_after.seconds"),
        ({"expires_after": {"anchor": "last_used_at", "seconds": 3600}}, "expires_after.anchor"),
        ({"filename": None}, "filename"),
    ],
)
def test_a_wrong_upload_is_refused_by_name(server: Pollux, change: dict[str, Any], param: str) -> None:
    """Before anything is kept."""
    asked = {"bytes": 10, "filename": "a.txt", "mime_type": "text/plain", "purpose": "vision"} | change
    answer = ask(server.url, "/v1/uploads", json=asked)

    assert answer.status == 400
    assert answer.error["param"] == param


def test_parts_that_are_empty_too_large_or_far_too_many_are_refused(server: Pollux, data_dir: Path) -> None:
    """And leave nothing."""
    upload_id = begin(server, 3)
    empty = part(server, upload_id, b"")
    large = part(server, upload_id, bytes(1_000_001))
    misnamed = part(server, upload_id, b"abc", name="file")
    flood = [part(server, upload_id, bytes(400_000)) for _ in range(3)]

    assert (empty.status, empty.error["code"]) == (400, "empty_file")
    assert (large.status, large.error["param"]) == (413, "data")
    assert (misnamed.status, misnamed.error["param"]) == (400, "data")
    assert [answer.status for answer in flood] == [200, 200, 400]
    assert temporary(data_dir) == []


def test_other_paths_of_an_upload_are_not_found(server: Pollux) -> None:
    """OpenAI has no way to look at an upload, or to list them."""
    upload_id = begin(server, 3)
    nowhere = ask(server.url, f"/v1/uploads/{upload_id}/finish", method="POST", body=b"")
    looked = ask(server.url, f"/v1/uploads/{upload_id}")
    listed = ask(server.url, "/v1/uploads")

    assert (nowhere.status, nowhere.error["code"]) == (404, "unsupported_endpoint")
    assert looked.status == 405
    assert listed.status == 405
