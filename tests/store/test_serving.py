"""The store inside a running server: loaded late, shared by replicas, away and back."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.asking import Answer, Pollux, ask, chat, pollux
from tests.server.fake import FakeUpstream
from tests.store.postgres_server import PostgresServer

FORM = {"content-type": "multipart/form-data; boundary=b"}
BODY = (
    b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nvision\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--b--\r\n'
)


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """An upstream that answers plainly."""
    with FakeUpstream() as fake:
        yield fake


def make(server: Pollux) -> Answer:
    """Store a file."""
    return ask(server.url, "/v1/files", body=BODY, headers=FORM)


def test_plain_chat_loads_nothing_of_the_store() -> None:
    """No driver, no object store, no parser of forms, when the server's modules are loaded."""
    script = (
        "import sys, pollux.server.app; heavy = {'asyncpg', 'obstore', 'python_multipart', 'pollux.store.store'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert said == "[]\n"


def test_chat_makes_no_store(upstream: FakeUpstream, tmp_path: Path) -> None:
    """It is there with the first file."""
    with pollux(upstream, data_dir=str(tmp_path)) as server:
        answered = chat(server.url).status
        before = (tmp_path / "store.sqlite3").exists()
        make(server)

    assert answered == 200
    assert not before
    assert (tmp_path / "store.sqlite3").exists()


def test_a_store_outlives_its_server(upstream: FakeUpstream, store_url: str, tmp_path: Path) -> None:
    """Files are there after a restart."""
    with pollux(upstream, data_dir=str(tmp_path), store_url=store_url) as server:
        file_id = make(server).json["id"]
    with pollux(upstream, data_dir=str(tmp_path), store_url=store_url) as server:
        content = ask(server.url, f"/v1/files/{file_id}/content")

    assert content.body == b"hello"


def test_replicas_share_files_and_turns(upstream: FakeUpstream, store_url: str, tmp_path: Path) -> None:
    """What one keeps the other gives; started at once on an empty database."""
    with (
        pollux(upstream, data_dir=str(tmp_path), store_url=store_url) as one,
        pollux(upstream, data_dir=str(tmp_path), store_url=store_url) as other,
    ):
        file_id = make(one).json["id"]
        seen = ask(other.url, f"/v1/files/{file_id}/content")
        gone = ask(other.url, f"/v1/files/{file_id}", method="DELETE")
        after = ask(one.url, f"/v1/files/{file_id}")
        answered = [chat(server.url).status for server in (one, other)]

    assert seen.body == b"hello"
    assert gone.json["deleted"]
    assert after.status == 404
    assert answered == [200, 200]


def test_a_database_that_is_away_stops_files_and_not_chat(
    upstream: FakeUpstream, postgres: PostgresServer, tmp_path: Path
) -> None:
    """503 with a time to come back, nothing half left, and all is well when it is back; also when it was away at the start."""
    url = postgres.create("served")
    with pollux(upstream, data_dir=str(tmp_path), store_url=url) as server:
        file_id = make(server).json["id"]
        postgres.stop()
        try:
            with pollux(upstream, data_dir=str(tmp_path), store_url=url) as started_without:
                away = [make(server), ask(server.url, f"/v1/files/{file_id}"), make(started_without)]
                chats = [chat(running.url).status for running in (server, started_without)]
                postgres.start()
                back = [make(server), ask(server.url, f"/v1/files/{file_id}/content"), make(started_without)]
        finally:
            if postgres.stopped:
                postgres.start()
        listed = ask(server.url, "/v1/files").json["data"]

    assert [(answer.status, answer.error["code"]) for answer in away] == [(503, "store_unavailable")] * 3
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in away)
    assert chats == [200, 200]
    assert [answer.status for answer in back] == [200] * 3
    assert back[1].body == b"hello"
    assert len(listed) == 3
    assert list((tmp_path / "bytes" / "tmp").glob("*")) == []


def test_what_a_crash_left_is_swept_soon_after_the_start(
    upstream: FakeUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a request."""
    monkeypatch.setattr("pollux.server.storing.FIRST_SWEEP_SECONDS", 0.1)
    monkeypatch.setattr("pollux.store.sweep.UNFINISHED_GRACE_SECONDS", 0.0)
    with pollux(upstream, data_dir=str(tmp_path)) as server:
        make(server)
    left = tmp_path / "bytes" / "tmp" / "left"
    left.write_bytes(b"half")
    with pollux(upstream, data_dir=str(tmp_path)):
        deadline = time.monotonic() + 70
        while left.exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    assert not left.exists()
