"""kill -9 in the middle of uploads, completions and deletions, on both databases.

A server process is driven by several callers at once and killed at a random moment, again and again, on the same data. After
each death everything that was acknowledged is there as it was acknowledged, nothing is half, and a sweep leaves no byte that is
nobody's.
"""

import hashlib
import http.client
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from pollux.store.blobs import SHARDS
from pollux.store.store import open_store

ROUNDS = 5
CALLERS = 4
COMMAND = [sys.executable, "-c", "import sys; from pollux.cli.main import main; sys.exit(main())"]


@dataclass
class Told:
    """What a caller was told: files with their hashes, files that are deleted, and what was asked but not answered."""

    files: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    doubtful: set[str] = field(default_factory=set)


class Caller:
    """Makes, completes and deletes until the server dies."""

    def __init__(self, number: int) -> None:
        self.key = f"key-of-caller-{number}"
        self.told = Told()
        self._random = random.Random(number)

    def work(self, url: str) -> None:
        """Go on until the connection breaks."""
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        try:
            while True:
                what = self._random.random()
                if what < 0.4:
                    self._make(connection)
                elif what < 0.75 or not self.told.files:
                    self._upload(connection)
                else:
                    self._delete(connection, self._random.choice(sorted(self.told.files)))
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()

    def _make(self, connection: http.client.HTTPConnection) -> None:
        data = secrets.token_bytes(self._random.choice([10, 50_000, 3_000_000]))
        form = _form("file", data, b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n')
        made = self._ask(connection, "POST", "/v1/files", form)
        self.told.files[made["id"]] = hashlib.sha256(data).hexdigest()

    def _upload(self, connection: http.client.HTTPConnection) -> None:
        pieces = [secrets.token_bytes(self._random.choice([5, 200_000])) for _ in range(3)]
        asked = {"bytes": sum(map(len, pieces)), "filename": "a", "mime_type": "text/plain", "purpose": "vision"}
        upload = self._ask(connection, "POST", "/v1/uploads", msgspec.json.encode(asked), "application/json")["id"]
        ids = [self._ask(connection, "POST", f"/v1/uploads/{upload}/parts", _form("data", data))["id"] for data in pieces]
        if self._random.random() < 0.2:
            self._ask(connection, "POST", f"/v1/uploads/{upload}/cancel", b"{}", "application/json")
            return
        body = msgspec.json.encode({"part_ids": ids, "md5": hashlib.md5(b"".join(pieces)).hexdigest()})
        done = self._ask(connection, "POST", f"/v1/uploads/{upload}/complete", body, "application/json")
        self.told.files[done["file"]["id"]] = hashlib.sha256(b"".join(pieces)).hexdigest()

    def _delete(self, connection: http.client.HTTPConnection, file_id: str) -> None:
        self.told.doubtful.add(file_id)
        self._ask(connection, "DELETE", f"/v1/files/{file_id}")
        self.told.doubtful.discard(file_id)
        self.told.deleted.add(file_id)
        del self.told.files[file_id]

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None, kind: str = ""
    ) -> Any:
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": kind or "multipart/form-data; boundary=b"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        read = answer.read()
        assert answer.status == 200, read
        return msgspec.json.decode(read)

    def check(self, url: str) -> None:
        """Compare what is there with what was told, as a caller sees it."""
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
        listed = {file["id"]: file for file in self._ask(connection, "GET", "/v1/files")["data"]}
        for file_id, sha256 in list(self.told.files.items()):
            if file_id in self.told.doubtful and file_id not in listed:
                del self.told.files[file_id]
                self.told.deleted.add(file_id)
                continue
            assert file_id in listed, "an acknowledged file is lost"
            assert sha256 == self._content(connection, file_id)[1], "a file is not what was acknowledged"
        for file_id, file in listed.items():
            assert file_id not in self.told.deleted, "a deleted file is back"
            size, sha256 = self._content(connection, file_id)
            assert size == file["bytes"], "a file is half"
            self.told.files.setdefault(file_id, sha256)  # made, but the answer was lost
        self.told.doubtful.clear()
        connection.close()

    def _content(self, connection: http.client.HTTPConnection, file_id: str) -> tuple[int, str]:
        connection.request("GET", f"/v1/files/{file_id}/content", headers={"Authorization": f"Bearer {self.key}"})
        answer = connection.getresponse()
        data = answer.read()
        assert answer.status == 200, data
        return len(data), hashlib.sha256(data).hexdigest()


class Server:
    """A server process on a data folder and a database."""

    def __init__(self, folder: Path, store_url: str) -> None:
        environment = dict(os.environ) | {
            "POLLUX_DATA_DIR": str(folder),
            "POLLUX_STORE_URL": store_url,
            "POLLUX_SECRET": "of the tests",
            "POLLUX_ACCESS_LOG": "false",
        }
        arguments = ["serve", "--port", "0", "--upstream", "emulator"]
        self.process = subprocess.Popen([*COMMAND, *arguments], env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        self.url = "http://" + first.partition("http://")[2].split()[0].rstrip(",")

    def kill(self) -> None:
        """Kill it as nothing can be prepared for."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


async def test_a_killed_server_loses_nothing_acknowledged_and_leaves_nothing_half(store_url: str, tmp_path: Path) -> None:
    """Five deaths, four callers."""
    chance = random.Random(4)
    callers = [Caller(number) for number in range(CALLERS)]
    for _ in range(ROUNDS):
        server = Server(tmp_path, store_url)
        for caller in callers:
            caller.check(server.url)
        threads = [threading.Thread(target=caller.work, args=(server.url,)) for caller in callers]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.3, 1.2))
        server.kill()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    server = Server(tmp_path, store_url)
    for caller in callers:
        caller.check(server.url)
    server.kill()

    store = await open_store(tmp_path, store_url=store_url)
    await store.sweeper.sweep(grace_seconds=-1, unfinished_grace_seconds=-1)
    named = {row[0] for table in ("segment", "part") for row in await store.database.all(f"SELECT blob FROM {table}")}
    there = {found.name for shard in SHARDS for found in await store.blobs.shard(shard)}
    garbage = await store.database.all("SELECT blob FROM garbage")
    counted = await store.database.all(
        "SELECT coalesce(sum(bytes), 0) FROM (SELECT bytes FROM segment UNION ALL SELECT bytes FROM part) AS kept"
    )
    space = await store.database.all("SELECT coalesce(sum(bytes), 0) FROM space")
    await store.close()

    assert sum(len(caller.told.files) for caller in callers) > 5
    assert there == named
    assert list(garbage) == []
    assert counted[0][0] == space[0][0]
    assert list((tmp_path / "bytes" / "tmp").iterdir()) == []


def _form(name: str, data: bytes, before: bytes = b"") -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="%b"; filename="a.bin"\r\n\r\n' % name.encode()
    return before + head + data + b"\r\n--b--\r\n"
