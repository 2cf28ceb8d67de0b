"""Stored files on their way to Gemini, as the emulator sees them."""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import openai
import pytest

from pollux.emulator.app import Emulator
from pollux.emulator.serving import EmulatorServer
from pollux.errors import NotFound, StoreUnavailable
from pollux.server.access import Caller
from pollux.server.app import App
from pollux.settings import Settings
from pollux.upstream import files as native_files
from tests.emulator.samples import film
from tests.server.asking import ask
from tests.server.fake import Conversation, FakeUpstream, answering
from tests.serving import running_server

T = TypeVar("T")
KEY = "AIza-the-key-of-one-caller-0123456789"


@dataclass
class Service:
    """A server, what is behind it, and a way to ask its inside."""

    url: str
    app: App
    upstream_url: str
    loop: asyncio.AbstractEventLoop

    def caller(self, key: str = KEY) -> Caller:
        """Give a caller."""
        return self.app.access.caller({b"authorization": f"Bearer {key}".encode()}, b"")

    def keep(self, name: str, data: bytes, key: str = KEY) -> str:
        """Store a file by the official client."""
        client = openai.OpenAI(api_key=key, base_url=f"{self.url}/v1", max_retries=0)
        return client.files.create(file=(name, data), purpose="user_data").id

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def uri(self, file_id: str, key: str = KEY) -> tuple[str, str]:
        """Give where Gemini reads a file."""
        return self.run(self.app.gemini_files.uri(self.caller(key), file_id))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A server on an emulator of its own."""
    with EmulatorServer(Emulator()) as upstream:
        settings = Settings(
            upstream="emulator", upstream_url=upstream.url, secret="of the tests", data_dir=str(tmp_path), access_log=False
        )
        with running_server(settings) as (url, server):
            assert isinstance(server.app, App)
            assert server._loop is not None
            yield Service(url, server.app, upstream.url, server._loop)


def test_a_file_is_brought_to_gemini_once_and_whole(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """In chunks; asked again, also at once by many, and under another id of the same content, nothing is sent."""
    monkeypatch.setattr(native_files, "CHUNK_BYTES", 8 * 1024 * 1024)
    data = secrets.token_bytes(17_000_001)
    first, second = service.keep("a.pdf", data), service.keep("other name.pdf", data)

    async def many() -> list[tuple[str, str]]:
        caller = service.caller()
        return await asyncio.gather(*(service.app.gemini_files.uri(caller, file_id) for file_id in (first, second) * 5))

    found = service.run(many())
    headers = {"x-goog-api-key": service.caller().upstream_key}
    [native] = ask(service.upstream_url, "/v1beta/files", headers=headers).json["files"]

    assert set(found) == {(native["uri"], "application/pdf")}
    assert native["state"] == "ACTIVE"
    assert native["sizeBytes"] == str(len(data))
    assert base64.b64decode(native["sha256Hash"]).decode() == hashlib.sha256(data).hexdigest()


def test_a_video_is_waited_for_until_it_is_active(service: Service) -> None:
    """It is PROCESSING at first."""
    uri, kind = service.uri(service.keep("a.mp4", film(1)))
    name = "files/" + uri.rpartition("/")[2]
    native = service.run(service.app.gemini_files._native.get(name, key=service.caller().upstream_key))

    assert kind == "video/mp4"
    assert native.state == "ACTIVE"


def test_another_owner_has_a_copy_of_their_own_and_no_way_to_this(service: Service) -> None:
    """Nothing is shared across owners, also not the same content."""
    mine = service.keep("a.txt", b"same")
    theirs = service.keep("a.txt", b"same", key="AIza-of-somebody-else-0123456789")
    my_uri = service.uri(mine)
    their_uri = service.uri(theirs, key="AIza-of-somebody-else-0123456789")

    assert my_uri != their_uri
    with pytest.raises(NotFound):
        service.uri(theirs)


def test_a_copy_is_renewed_when_its_time_is_nearly_over(service: Service) -> None:
    """After 49 hours, by a clock that jumps there."""
    file_id = service.keep("a.txt", b"lasting")
    first = service.uri(file_id)
    store = service.run(service.app.storing.store())
    clock, wall = store.clock, store.clock._wall
    clock._wall = lambda: wall() + 49 * 3600
    second = service.uri(file_id)
    clock._wall = wall

    assert first != second
    assert service.uri(file_id) == second


def test_a_copy_that_gemini_lost_is_forgotten_and_made_anew(service: Service) -> None:
    """When somebody says so."""
    file_id = service.keep("a.txt", b"lost")
    first = service.uri(file_id)
    service.run(service.app.gemini_files.forget(service.caller(), first[0]))

    assert service.uri(file_id) != first


def test_an_upload_whose_process_died_holds_nobody_up_for_long(service: Service) -> None:
    """Its lease ends; until then the others wait."""
    file_id = service.keep("a.txt", b"held")

    async def hold_and_ask() -> tuple[str, str]:
        store = await service.app.storing.store()
        caller = service.caller()
        file = await store.files.get(caller.owner, file_id)
        assert file is not None
        lease = f"copy {service.app.gemini_files._project} {file.sha256} {file.mime_type}"
        assert await store.leases.take(caller.owner, lease, "dead", 1.0)
        asking = asyncio.create_task(service.app.gemini_files.uri(caller, file_id))
        await asyncio.sleep(0.5)
        assert not asking.done()
        return await asking

    assert service.run(hold_and_ask())[1] == "text/plain"


def test_a_broken_chunk_is_sent_again_from_where_it_broke(tmp_path: Path) -> None:
    """After asking how much has arrived."""
    received = bytearray()
    commands: list[tuple[str, int]] = []

    def upload(conversation: Conversation) -> None:
        request = conversation.request
        command = request.headers.get("x-goog-upload-command", "")
        if command == "start":
            _with_headers(
                conversation, {"x-goog-upload-url": "/upload/v1beta/files?upload_id=1", "x-goog-upload-status": "active"}
            )
        elif command == "query":
            _with_headers(conversation, {"x-goog-upload-size-received": str(len(received)), "x-goog-upload-status": "active"})
        elif command.startswith("upload"):
            commands.append((command, int(request.headers["x-goog-upload-offset"])))
            if len(commands) == 1:
                received.extend(request.body[:1000])
                conversation.cut()
                return
            received.extend(request.body)
            answering(200, {"file": {"name": "files/a", "uri": "https://x/files/a", "state": "ACTIVE"}})(conversation)
        else:
            answering(200, {"models": []})(conversation)

    with FakeUpstream() as upstream:
        upstream.then(upload)
        settings = Settings(upstream_url=upstream.url, secret="s", data_dir=str(tmp_path), access_log=False)
        with running_server(settings) as (url, server):
            assert isinstance(server.app, App)
            assert server._loop is not None
            service = Service(url, server.app, upstream.url, server._loop)
            data = secrets.token_bytes(5000)
            found = service.uri(service.keep("a.bin", data))
        keys = [request.key for request in upstream.requests if "upload_id" in request.target]

    assert found == ("https://x/files/a", "application/octet-stream")
    assert bytes(received) == data
    assert [offset for _, offset in commands] == [0, 1000]
    assert set(keys) == {""}


@pytest.mark.parametrize("address", ["https://evil.example/upload?upload_id=1", "/upload/v1beta/files", ""])
def test_an_upload_address_elsewhere_gets_no_bytes(tmp_path: Path, address: str) -> None:
    """Bytes go to the configured origin alone."""

    def upload(conversation: Conversation) -> None:
        if conversation.request.headers.get("x-goog-upload-command") == "start":
            _with_headers(conversation, {"x-goog-upload-url": address})
        else:
            answering(200, {"models": []})(conversation)

    with FakeUpstream() as upstream:
        upstream.then(upload)
        settings = Settings(upstream_url=upstream.url, secret="s", data_dir=str(tmp_path), access_log=False)
        with running_server(settings) as (url, server):
            assert isinstance(server.app, App)
            assert server._loop is not None
            service = Service(url, server.app, upstream.url, server._loop)
            file_id = service.keep("a.bin", b"secret")
            with pytest.raises(Exception, match="without an address of its own"):
                service.uri(file_id)

    assert not [request for request in upstream.requests if request.body == b"secret"]


def test_bytes_that_cannot_be_read_are_no_fault_of_gemini(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's own error comes out."""
    file_id = service.keep("a.txt", b"x")

    async def ask_unreadable() -> None:
        store = await service.app.storing.store()

        async def read(_segments: object, start: int, stop: int) -> AsyncIterator[bytes]:
            if start < stop:
                raise StoreUnavailable("away")
            yield b""

        monkeypatch.setattr(store.files, "read", read)
        await service.app.gemini_files.uri(service.caller(), file_id)

    with pytest.raises(StoreUnavailable):
        service.run(ask_unreadable())


def _with_headers(conversation: Conversation, headers: dict[str, str]) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    conversation.raw(f"HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n".encode())
    conversation.ended = True
