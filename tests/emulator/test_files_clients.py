"""Google's client uploads, lists, downloads and deletes files, and uses caches, over a port."""

import http.client
import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import psutil
import pytest
from google import genai
from google.genai import errors, types

from pollux.emulator import Emulator, EmulatorServer, ManualClock
from tests.emulator.samples import film
from tests.emulator.uploading import MIB

KEY = "any-key-of-a-client"

TEXT = b"The quick brown fox jumps over the lazy dog. " * 200


@pytest.fixture
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer(Emulator(clock=ManualClock())) as running:
        yield running
        running.emulator.close()


@pytest.fixture(params=[None, "v1", "v1beta"])
def client(request: pytest.FixtureRequest, server: EmulatorServer) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=server.url, api_version=request.param)
    with genai.Client(api_key=KEY, http_options=options) as opened:
        yield opened


def test_files_from_paths_and_from_bytes(client: genai.Client, tmp_path: Path) -> None:
    """In several chunks; listed through pages; deleted."""
    path = tmp_path / "fox.txt"
    path.write_bytes(TEXT * 2000)
    first = client.files.upload(file=path)
    second = client.files.upload(
        file=io.BytesIO(TEXT), config={"mime_type": "text/plain", "name": "fox", "display_name": "Fox"}
    )
    listed = [file.name for file in client.files.list(config={"page_size": 1})]
    got = client.files.get(name="files/fox")
    client.files.delete(name="fox")
    with pytest.raises(errors.ClientError, match="or it may not exist") as caught:
        client.files.get(name="fox")

    assert first.size_bytes == len(TEXT) * 2000 > 16 * MIB
    assert second.name == "files/fox"
    assert listed == ["files/fox", first.name]
    assert (got.display_name, got.state, got.source) == ("Fox", types.FileState.ACTIVE, types.FileSource.UPLOADED)
    assert got.expiration_time is not None
    assert got.create_time is not None
    assert (got.expiration_time - got.create_time).total_seconds() == pytest.approx(48 * 3600, abs=1)
    assert caught.value.code == 403


def test_a_video_becomes_active_while_the_client_waits(client: genai.Client, server: EmulatorServer) -> None:
    """The clock is a test's."""
    video = client.files.upload(file=io.BytesIO(film(1)), config={"mime_type": "video/mp4"})
    with pytest.raises(errors.ClientError, match="is not in an ACTIVE state"):
        client.models.generate_content(model="gemini-3.6-flash", contents=cast("Any", [video, "What happens?"]))
    server.emulator.clock.advance(2)
    answer = client.models.generate_content(model="gemini-3.6-flash", contents=cast("Any", [video, "What happens?"]))

    assert video.state == types.FileState.PROCESSING
    assert client.files.get(name=video.name or "").state == types.FileState.ACTIVE
    assert f"It refers to {video.name}, video/mp4, {video.size_bytes} bytes. It is an MP4 video of 1 second" in (
        answer.text or ""
    )


def test_a_generated_file_is_downloaded(client: genai.Client, server: EmulatorServer, tmp_path: Path) -> None:
    """Through the redirect, into memory and to a path; an uploaded one is refused."""
    emulator = server.emulator
    name = emulator.files.generate(emulator.projects.of_key(KEY), TEXT * 50, "video/mp4").id
    file = client.files.get(name=name)
    data = client.files.download(file=file)
    client.files.download(file=file, destination=str(tmp_path / "video"))
    uploaded = client.files.upload(file=io.BytesIO(b"x"), config={"mime_type": "text/plain"})
    with pytest.raises(errors.ClientError, match="cannot be downloaded"):
        client.files.download(file=uploaded.name or "")

    assert data == (tmp_path / "video").read_bytes() == TEXT * 50
    assert file.source == types.FileSource.GENERATED


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")  # google-genai's own
async def test_files_work_asynchronously(client: genai.Client) -> None:
    """Upload, use, delete."""
    file = await client.aio.files.upload(file=io.BytesIO(TEXT), config={"mime_type": "text/plain"})
    counted = await client.aio.models.count_tokens(model="gemini-3.6-flash", contents=file)
    await client.aio.files.delete(name=file.name or "")
    left = [item async for item in await client.aio.files.list()]
    await client.aio.aclose()

    assert (counted.total_tokens or 0) > 1000
    assert left == []


def test_caches_from_create_to_delete(client: genai.Client, server: EmulatorServer) -> None:
    """Used in an answer, prolonged, expired by the clock."""
    file = client.files.upload(file=io.BytesIO(TEXT), config={"mime_type": "text/plain"})
    config = types.CreateCachedContentConfig(contents=file, system_instruction="Be brief.", ttl="120s", display_name="Fox")
    cache = client.caches.create(model="gemini-2.5-flash", config=config)
    name = cache.name or ""
    listed = [item.name for item in client.caches.list()]
    used = types.GenerateContentConfig(cached_content=name)
    answer = client.models.generate_content(model="gemini-2.5-flash", contents="Who jumps?", config=used)
    longer = client.caches.update(name=name, config=types.UpdateCachedContentConfig(ttl="600s"))
    server.emulator.clock.advance(300)
    still = client.caches.get(name=name)
    client.caches.delete(name=name)
    with pytest.raises(errors.ClientError, match="CachedContent not found") as caught:
        client.models.generate_content(model="gemini-2.5-flash", contents="Who jumps?", config=used)

    assert (cache.display_name, cache.model) == ("Fox", "models/gemini-2.5-flash")
    assert listed == [name]
    assert answer.usage_metadata is not None
    assert cache.usage_metadata is not None
    assert answer.usage_metadata.cached_content_token_count == cache.usage_metadata.total_token_count
    assert f"cached tokens of {name} were used" in (answer.text or "")
    assert still.expire_time == longer.expire_time
    assert caught.value.code == 403


def test_a_small_cache_is_refused(client: genai.Client) -> None:
    """With both counts."""
    with pytest.raises(errors.ClientError, match=r"too small\. total_token_count=3, min_total_token_count=1024"):
        client.caches.create(model="gemini-2.5-flash", config=types.CreateCachedContentConfig(contents="Too small"))


def test_a_large_upload_takes_little_memory_and_stalls_nobody(server: EmulatorServer) -> None:
    """200 MB in pieces from another thread, while models are listed."""
    parts, size = urlsplit(server.url), 200 * MIB
    headers = {
        "x-goog-api-key": KEY,
        "x-goog-upload-protocol": "raw",
        "content-type": "application/pdf",
        "content-length": str(size),
    }
    statuses: list[int] = []

    def send() -> None:
        opened = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        opened.request("POST", "/upload/v1beta/files", (b"x" * 65_536 for _ in range(size // 65_536)), headers)
        statuses.append(opened.getresponse().status)
        opened.close()

    process = psutil.Process()
    before, most, slowest = process.memory_info().rss, 0, 0.0
    sender = threading.Thread(target=send)
    sender.start()
    while sender.is_alive():
        began = time.monotonic()
        listing = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        listing.request("GET", "/v1beta/models?pageSize=1", headers={"x-goog-api-key": KEY})
        listing.getresponse().read()
        listing.close()
        slowest = max(slowest, time.monotonic() - began)
        most = max(most, process.memory_info().rss - before)
        time.sleep(0.01)
    sender.join()

    assert statuses == [200]
    assert most < 30 * MIB
    assert slowest < 2
