"""Files, as OpenAI's clients and any HTTP caller meet them."""

import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest

from tests.server.asking import KEY, Answer, Pollux, ask, pollux
from tests.server.fake import FakeUpstream, answering, error_reply
from tools import node

OTHER_KEY = "AIza-the-key-of-another-caller-98765"
UNKNOWN = "file-" + "0" * 24
BOUNDARY = "a-boundary"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """An upstream that answers plainly."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's data folder."""
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def server(upstream: FakeUpstream, data_dir: Path) -> Iterator[Pollux]:
    """A server with callers' keys, and small limits."""
    with pollux(upstream, data_dir=str(data_dir), file_bytes_max=3_000_000, owner_bytes_max=20_000_000) as running:
        yield running


@pytest.fixture
def client(server: Pollux) -> openai.OpenAI:
    """The official client, of a caller of its own."""
    return openai.OpenAI(api_key=f"AIza-{secrets.token_hex(12)}", base_url=f"{server.url}/v1", max_retries=0)


def form(*parts: tuple[str, str | bytes], filename: str = "notes.txt", end: bool = True) -> bytes:
    """Make a multipart body; the part `file` has a file name."""
    pieces = []
    for name, value in parts:
        disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if name == "file" else "")
        data = value.encode() if isinstance(value, str) else value
        pieces.append(b"--%b\r\nContent-Disposition: %b\r\n\r\n%b\r\n" % (BOUNDARY.encode(), disposition.encode(), data))
    return b"".join(pieces) + (b"--%b--\r\n" % BOUNDARY.encode() if end else b"")


def send(server: Pollux, *parts: tuple[str, str | bytes], filename: str = "notes.txt", key: str = KEY, **rest: Any) -> Answer:
    """Send a file as a form."""
    body = form(*parts, filename=filename)
    return ask(server.url, "/v1/files", body=body, headers=FORM, key=key, **rest)


def temporary(data_dir: Path) -> list[Path]:
    """Give the temporary files of the server, which is given a moment to remove them."""
    deadline = time.monotonic() + 2
    while (left := list((data_dir / "bytes" / "tmp").glob("*"))) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def test_the_python_client_drives_all_of_files(client: openai.OpenAI) -> None:
    """Create, retrieve, list, wait, content, delete."""
    made = client.files.create(
        file=("my notes.txt", b"hello"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    batch = client.files.create(file=("in.jsonl", b"{}\n"), purpose="batch")
    found = client.files.retrieve(made.id)
    listed = [file.id for file in client.files.list()]
    only = [file.id for file in client.files.list(purpose="batch")]
    waited = client.files.wait_for_processing(made.id)
    content = client.files.content(made.id)
    deleted = client.files.delete(made.id)

    assert made == found == waited
    assert (made.object, made.bytes, made.filename, made.purpose) == ("file", 5, "my notes.txt", "user_data")
    assert made.status == "processed"
    assert made.expires_at == made.created_at + 3600
    assert abs(made.created_at - time.time()) < 60
    assert batch.expires_at == batch.created_at + 30 * 86_400
    assert listed == [batch.id, made.id]
    assert only == [batch.id]
    assert content.text == "hello"
    assert deleted.deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)


def test_the_javascript_client_drives_all_of_files_and_uploads(server: Pollux) -> None:
    """The same by its own words, and an upload in parts."""
    script = """
    import OpenAI, { toFile } from "openai";
    const client = new OpenAI({ apiKey: "AIza-of-javascript-0123456789", baseURL: process.env.BASE, maxRetries: 0 });
    const out = {};
    const made = await client.files.create({
      file: await toFile(Buffer.from("hello"), "grüße.txt"), purpose: "user_data",
      expires_after: { anchor: "created_at", seconds: 7200 } });
    out.made = made;
    out.found = await client.files.retrieve(made.id);
    out.listed = [];
    for await (const file of client.files.list({ limit: 1 })) out.listed.push(file.id);
    out.waited = (await client.files.waitForProcessing(made.id)).status;
    out.content = await (await client.files.content(made.id)).text();
    const upload = await client.uploads.create({
      bytes: 6, filename: "b.jsonl", mime_type: "application/jsonl", purpose: "batch" });
    const parts = [];
    for (const text of ["abc", "def"])
      parts.push(await client.uploads.parts.create(upload.id, { data: await toFile(Buffer.from(text), "part") }));
    out.completed = await client.uploads.complete(upload.id, { part_ids: parts.map((part) => part.id) });
    out.together = await (await client.files.content(out.completed.file.id)).text();
    const other = await client.uploads.create({ bytes: 6, filename: "c", mime_type: "text/plain", purpose: "vision" });
    out.cancelled = (await client.uploads.cancel(other.id)).status;
    out.deleted = await client.files.delete(made.id);
    try { await client.files.retrieve(made.id); } catch (e) { out.gone = [e.constructor.name, e.status]; }
    console.log(JSON.stringify(out));
    """
    done = node.run_script(script, env={"BASE": f"{server.url}/v1"})
    assert done.returncode == 0, done.stderr
    out = msgspec.json.decode(done.stdout)

    assert out["made"] == out["found"]
    assert out["made"]["filename"] == "grüße.txt"
    assert out["made"]["expires_at"] - out["made"]["created_at"] == 7200
    assert out["listed"] == [out["made"]["id"]]
    assert out["waited"] == "processed"
    assert out["content"] == "hello"
    assert out["completed"]["status"] == "completed"
    assert out["together"] == "abcdef"
    assert out["cancelled"] == "cancelled"
    assert out["deleted"] == {"id": out["made"]["id"], "object": "file", "deleted": True}
    assert out["gone"] == ["NotFoundError", 404]


@pytest.mark.parametrize("base", ["/v1", "/v1beta/openai"])
@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("DELETE", ""), ("GET", "/content"), ("HEAD", "/content")])
def test_another_callers_file_is_an_unknown_file(server: Pollux, base: str, method: str, tail: str) -> None:
    """On every route with its id the answers are the same, but for the id in the words."""
    made = send(server, ("purpose", "vision"), ("file", "private")).json["id"]
    foreign, unknown = (
        ask(server.url, f"{base}/files/{file_id}{tail}", method=method, key=OTHER_KEY) for file_id in (made, UNKNOWN)
    )
    mine = ask(server.url, f"/v1/files/{made}/content")

    assert foreign.status == unknown.status == 404
    assert foreign.body.replace(made.encode(), UNKNOWN.encode()) == unknown.body
    assert _plain(foreign) == _plain(unknown)
    assert mine.body == b"private"


def test_another_callers_file_is_not_in_the_list_and_no_place_in_it(server: Pollux) -> None:
    """Listed by none but its owner; `after` a foreign file is after an unknown one."""
    made = send(server, ("purpose", "vision"), ("file", "private")).json["id"]
    listed = ask(server.url, "/v1/files", key=OTHER_KEY).json["data"]
    foreign, unknown = (ask(server.url, f"/v1/files?after={file_id}", key=OTHER_KEY) for file_id in (made, UNKNOWN))

    assert made not in {file["id"] for file in listed}
    assert foreign.status == unknown.status == 404
    assert foreign.body.replace(made.encode(), UNKNOWN.encode()) == unknown.body


@pytest.mark.parametrize("file_id", ["file-", "files", "file-%00", "file-" + "ä" * 24, "x" * 3000, "file-a'--", "%20"])
def test_an_id_that_is_none_is_an_unknown_id(server: Pollux, file_id: str) -> None:
    """Whatever stands there, nothing is looked for."""
    path = f"/v1/files/{file_id}".replace("ä", "%C3%A4")
    answer = ask(server.url, path)

    assert answer.status == 404
    assert answer.error["code"] == "not_found"


def test_pages_have_openais_form(client: openai.OpenAI) -> None:
    """Order, limit, the first and the last id, and whether there is more."""
    ids = [client.files.create(file=(f"{n}.txt", b"x"), purpose="vision").id for n in range(5)]
    first = client.files.list(limit=2)
    second = first.get_next_page()
    forward = [file.id for file in client.files.list(limit=2, order="asc")]
    empty = client.files.list(purpose="evals")

    assert [file.id for file in first.data] == ids[:2:-1]
    assert first.has_more
    assert [file.id for file in second.data] == ids[2:0:-1]
    assert forward == ids
    assert empty.model_dump(exclude_none=False)["data"] == []
    assert not empty.has_more


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "limit=x", "limit=-1", "order=up", "limit=99999999999999999999"])
def test_a_wrong_list_parameter_is_named(server: Pollux, query: str) -> None:
    """With its name."""
    answer = ask(server.url, f"/v1/files?{query}")

    assert answer.status == 400
    assert answer.error["param"] == query.partition("=")[0]


@pytest.mark.parametrize(
    ("wanted", "status", "content", "content_range"),
    [
        ("bytes=0-3", 206, b"0123", "bytes 0-3/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-4", 206, b"6789", "bytes 6-9/10"),
        ("bytes=-99", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=-0", 416, None, "bytes */10"),
        ("bytes=0-1,4-5", 416, None, "bytes */10"),
        ("bytes=5-2", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
        ("bytes=a-b", 200, b"0123456789", None),
    ],
)
def test_ranges_of_a_content(
    server: Pollux, wanted: str, status: int, content: bytes | None, content_range: str | None
) -> None:
    """One range, from either end; what is behind the end or more than one is refused, what is none is ignored."""
    file_id = send(server, ("purpose", "vision"), ("file", b"0123456789")).json["id"]
    answer = ask(server.url, f"/v1/files/{file_id}/content", headers={"range": wanted})
    head = ask(server.url, f"/v1/files/{file_id}/content", headers={"range": wanted}, method="HEAD")

    assert answer.status == head.status == status
    assert answer.headers.get("content-range") == head.headers.get("content-range") == content_range
    if content is None:
        assert answer.error["code"] == "range_not_satisfiable"
    else:
        assert answer.body == content
        assert head.body == b""
        assert head.headers["content-length"] == str(len(content))


def test_a_content_that_is_known_is_not_sent_again_and_a_range_only_of_the_same(server: Pollux) -> None:
    """If-None-Match and If-Range with the content's ETag."""
    file_id = send(server, ("purpose", "vision"), ("file", b"0123456789")).json["id"]
    path = f"/v1/files/{file_id}/content"
    etag = ask(server.url, path).headers["etag"]
    known = ask(server.url, path, headers={"if-none-match": etag})
    same = ask(server.url, path, headers={"range": "bytes=0-1", "if-range": etag})
    other = ask(server.url, path, headers={"range": "bytes=0-1", "if-range": '"other"'})

    assert (known.status, known.body) == (304, b"")
    assert (same.status, same.body) == (206, b"01")
    assert (other.status, other.body) == (200, b"0123456789")


def test_a_content_is_never_a_page(server: Pollux) -> None:
    """Whatever it says that it is."""
    body = form(("purpose", "vision"), ("file", "<script>alert(1)</script>"), filename="page.html")
    body = body.replace(b'filename="page.html"', b'filename="page.html"\r\nContent-Type: text/html')
    file_id = ask(server.url, "/v1/files", body=body, headers=FORM).json["id"]
    answer = ask(server.url, f"/v1/files/{file_id}/content")

    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith('attachment; filename="page.html"')


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.txt", "a.txt"),
        ("..", "file"),
        ("/", "file"),
        ("", "file"),
        ("a\u202etxt.exe", "atxt.exe"),
        ("line%0D%0ASet-Cookie: a=b", "lineSet-Cookie: a=b"),
        ("tab\tbell\x07.txt", "tabbell.txt"),
        ("%22quoted%22.txt", '"quoted".txt'),
        ("日本語.pdf", "日本語.pdf"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
    ],
)
def test_a_name_leads_nowhere(server: Pollux, data_dir: Path, given: str, kept: str) -> None:
    """Path tricks and control characters are taken out; the name stands in no path of ours and breaks no header."""
    made = send(server, ("purpose", "vision"), ("file", "x"), filename=given)
    answer = ask(server.url, f"/v1/files/{made.json['id']}/content")

    assert made.status == 200
    assert made.json["filename"] == kept
    assert answer.body == b"x"
    assert "set-cookie" not in answer.headers
    assert all(len(path.name) == 32 for path in (data_dir / "bytes").glob("??/*"))


@pytest.mark.parametrize(
    ("parts", "param", "code"),
    [
        ([("purpose", "fine-dining"), ("file", "x")], "purpose", "invalid_value"),
        ([("file", "x"), ("purpose", "batch_output")], "purpose", "invalid_value"),
        ([("file", "x")], "purpose", "missing_required_parameter"),
        ([("purpose", "vision")], "file", "missing_required_parameter"),
        ([("purpose", "vision"), ("file", "")], "file", "empty_file"),
        ([("purpose", "vision"), ("file", "a"), ("file", "b")], "file", "invalid_value"),
        ([("purpose", "vision"), ("expires_after[seconds]", "3600"), ("file", "a")], "expires_after", "invalid_value"),
        ([("purpose", "vision"), ("expires_after", "{}"), ("file", "a")], "expires_after", "invalid_value"),
        (
            [("expires_after[anchor]", "created_at"), ("expires_after[seconds]", "60"), ("purpose", "vision"), ("file", "a")],
            "expires_after.seconds",
            "invalid_value",
        ),
        ([("purpose", "p" * 70_000), ("file", "a")], "purpose", "invalid_value"),
        ([*((f"field{n}", "x") for n in range(65)), ("file", "a")], None, "invalid_value"),
    ],
)
def test_a_wrong_form_is_refused_by_name(
    server: Pollux, data_dir: Path, parts: list[tuple[str, str]], param: str | None, code: str
) -> None:
    """And leaves nothing behind. An empty file is refused, as OpenAI does."""
    answer = send(server, *parts)

    assert answer.status == 400
    assert (answer.error["param"], answer.error["code"]) == (param, code)
    assert temporary(data_dir) == []


def test_fields_may_stand_behind_the_file_and_be_json(server: Pollux) -> None:
    """As people write them with curl."""
    expires = '{"anchor": "created_at", "seconds": 3600}'
    made = send(server, ("file", "x"), ("unknown", "y"), ("expires_after", expires), ("purpose", "assistants"))

    assert made.status == 200
    assert made.json["purpose"] == "assistants"
    assert made.json["expires_at"] == made.json["created_at"] + 3600


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-type": "application/json"}, b"{}"),
        ({"content-type": "multipart/form-data"}, form(("purpose", "vision"), ("file", "x"))),
        (FORM, b"no boundary at all"),
        (FORM, b""),
        (FORM, form(("purpose", "vision"), ("file", "x"), end=False)),
        ({"content-type": "multipart/form-data; boundary=" + "b" * 1000}, b"--b"),
        (FORM, b"--a-boundary\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\nz"),
    ],
)
def test_what_is_no_form_is_refused(server: Pollux, data_dir: Path, headers: dict[str, str], body: bytes) -> None:
    """With a code of its own, and leaves nothing behind."""
    answer = ask(server.url, "/v1/files", body=body, headers=headers)

    assert answer.status == 400
    assert answer.error["code"] == "invalid_multipart"
    assert temporary(data_dir) == []


def test_a_stream_without_a_length_is_refused_where_it_gets_too_large(server: Pollux, data_dir: Path) -> None:
    """Not before, and not at its end."""
    sent = 0

    def stream() -> Iterator[bytes]:
        nonlocal sent
        yield form(("purpose", "vision"), ("file", ""), end=False)[:-2]
        for _ in range(3000):
            sent += 1
            yield bytes(100_000)

    with pytest.raises((ConnectionError, TimeoutError)):
        ask(server.url, "/v1/files", body=stream(), headers=FORM)

    assert 30 <= sent < 300
    assert temporary(data_dir) == []


def test_a_declared_length_that_is_too_large_is_refused_unread(server: Pollux) -> None:
    """By its head alone."""
    answer = ask(server.url, "/v1/files", method="POST", headers=FORM | {"content-length": "9999999999"})

    assert answer.status == 413
    assert answer.error["code"] == "request_too_large"


def test_a_file_may_be_larger_than_a_body_may_be(upstream: FakeUpstream, tmp_path: Path) -> None:
    """`body_bytes_max` is not for files."""
    with pollux(upstream, data_dir=str(tmp_path), body_bytes_max=1000) as small:
        made = send(small, ("purpose", "vision"), ("file", "x" * 100_000))

    assert made.status == 200
    assert made.json["bytes"] == 100_000


def test_an_owner_without_room_is_told_so_before_the_bytes_are_sent(upstream: FakeUpstream, tmp_path: Path) -> None:
    """Where the body says how long it is."""
    with pollux(upstream, data_dir=str(tmp_path), owner_bytes_max=1000) as small:
        answer = ask(small.url, "/v1/files", method="POST", headers=FORM | {"content-length": "5000000"})

    assert answer.status == 400
    assert answer.error["code"] == "storage_limit_exceeded"


def test_an_owner_without_room_is_told_so(upstream: FakeUpstream, tmp_path: Path) -> None:
    """Until something is deleted; another owner is not concerned."""
    with pollux(upstream, data_dir=str(tmp_path), owner_bytes_max=1000) as small:
        first = send(small, ("purpose", "vision"), ("file", "x" * 600))
        second = send(small, ("purpose", "vision"), ("file", "x" * 600))
        other = send(small, ("purpose", "vision"), ("file", "x" * 600), key=OTHER_KEY)
        ask(small.url, f"/v1/files/{first.json['id']}", method="DELETE")
        third = send(small, ("purpose", "vision"), ("file", "x" * 600))

    assert [first.status, second.status, other.status, third.status] == [200, 400, 200, 200]
    assert second.error["code"] == "storage_limit_exceeded"
    assert "600 of 1000" in second.error["message"]


def test_a_key_that_gemini_does_not_know_keeps_nothing(tmp_path: Path) -> None:
    """Else anybody could fill the disk; a good key is asked for once."""
    with FakeUpstream() as upstream, pollux(upstream, data_dir=str(tmp_path)) as server:
        upstream.then(answering(400, error_reply(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT")))
        refused = send(server, ("purpose", "vision"), ("file", "x"))
        upstream.reset()
        taken = [send(server, ("purpose", "vision"), ("file", "x")).status for _ in range(3)]
        asked = len(upstream.requests)

    assert refused.status in {400, 401}
    assert taken == [200] * 3
    assert asked == 1


def test_a_full_disk_is_told_and_leaves_nothing(server: Pollux, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a code of its own; the next file is taken when there is room again."""
    import errno
    import os

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        answer = send(server, ("purpose", "vision"), ("file", "x"))
    after = send(server, ("purpose", "vision"), ("file", "x"))

    assert answer.status == 500
    assert answer.error["code"] == "storage_full"
    assert answer.headers["x-should-retry"] == "false"
    assert temporary(data_dir) == []
    assert after.status == 200


def test_a_caller_who_leaves_in_the_middle_leaves_nothing(server: Pollux, data_dir: Path) -> None:
    """No row, no bytes."""
    before = len(ask(server.url, "/v1/files").json["data"])
    host, port = server.url.removeprefix("http://").split(":")
    import socket

    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /v1/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 2500000\r\n"
        connection.sendall(f"{head}Content-Type: {FORM['content-type']}\r\n\r\n".encode())
        connection.sendall(form(("purpose", "vision"), ("file", b"x" * 1_500_000), end=False))
        time.sleep(0.3)

    assert temporary(data_dir) == []
    assert len(ask(server.url, "/v1/files").json["data"]) == before


def test_a_slow_disk_does_not_stop_other_requests(server: Pollux, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that takes a second waits in a thread of its own."""
    import os

    real = os.fsync

    def slow(descriptor: int) -> None:
        time.sleep(1.0)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    sending = threading.Thread(target=send, args=(server, ("purpose", "vision"), ("file", "x")))
    sending.start()
    time.sleep(0.2)
    answered = 0
    while sending.is_alive():
        assert ask(server.url, "/healthz").status == 200
        answered += 1
    sending.join()

    assert answered > 10


def test_a_path_below_a_file_that_is_none_is_not_found(server: Pollux) -> None:
    """And a method that is none is refused with those that are."""
    file_id = send(server, ("purpose", "vision"), ("file", "x")).json["id"]
    below = ask(server.url, f"/v1/files/{file_id}/pages")
    method = ask(server.url, f"/v1/files/{file_id}", method="PUT", body=b"")

    assert below.status == 404
    assert below.error["code"] == "unsupported_endpoint"
    assert method.status == 405
    assert method.headers["allow"] == "GET, DELETE"


def _plain(answer: Answer) -> dict[str, str]:
    """Give the headers that do not change with every answer."""
    return {name: value for name, value in answer.headers.items() if name not in {"date", "x-request-id"}}
