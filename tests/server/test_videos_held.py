"""Videos between callers and Gemini: whose they are where callers share a key, where the key goes, and what is held of them."""

import http.client
import os
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psutil
import pytest

from pollux.emulator import Emulator, EmulatorServer
from pollux.server import video_work
from tests.server.asking import KEY, Answer, Pollux, ask, pollux
from tests.server.fake import Conversation, FakeUpstream
from tests.server.filming import VIDEOS
from tests.server.plumbing import Line, Plumbed
from tests.server.sharing import ALICE, BOB, MODES, SERVERS, SERVERS_KEY, mode

MEBIBYTE = 1024 * 1024
FILM_MEBIBYTES = 100
MODEL = "veo-9"
OPERATION = {"name": f"models/{MODEL}/operations/abc"}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_work, "ASK_SECONDS", 0.0)


def done(uri: str) -> dict[str, Any]:
    """Say that the film is done, and where."""
    return OPERATION | {"done": True, "response": {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": uri}}]}}}


def create(server: Pollux, key: str = KEY, **fields: Any) -> Answer:
    """Create a video."""
    return ask(server.url, VIDEOS, json={"model": MODEL, "prompt": "A calm ocean wave"} | fields, key=key)


@pytest.mark.parametrize("key_mode", MODES)
def test_a_video_is_its_owners_on_both_paths(tmp_path: Path, key_mode: str) -> None:
    """Another caller finds neither the video nor, natively, its operation and its file; they cannot go on from it."""
    with EmulatorServer(Emulator()) as upstream, mode(key_mode, upstream.url, tmp_path) as server:
        model = {"model": "veo-3.1-fast-generate-preview"}
        made = create(server, ALICE, **model).json["id"]
        upstream.emulator.clock.advance(60)
        mine = ask(server.url, f"{VIDEOS}/{made}", key=ALICE)
        operation = next(entry for entry in upstream.emulator.journal.entries() if "/operations/" in entry["path"])["path"]
        told = ask(server.url, operation, key="", headers={"x-goog-api-key": ALICE}).json["response"]["generateVideoResponse"]
        name = told["generatedSamples"][0]["video"]["uri"].partition("/v1beta/")[2].partition(":")[0]
        for answer in (
            ask(server.url, f"{VIDEOS}/{made}", key=BOB),
            ask(server.url, f"{VIDEOS}/{made}/content", key=BOB),
            ask(server.url, f"{VIDEOS}/{made}", method="DELETE", key=BOB),
            create(server, BOB, **model, extend_video_id=made),
            ask(server.url, operation, key="", headers={"x-goog-api-key": BOB}),
        ):
            assert answer.status == 404
        native = ask(server.url, f"/v1beta/{name}", key="", headers={"x-goog-api-key": BOB})
        extended = create(server, BOB, **model, extend_video_id=name)

        assert mine.json["status"] == "completed"
        assert native.status == 403
        assert extended.status in (400, 403)
        assert ask(server.url, VIDEOS, key=BOB).json["data"] == []
        assert ask(server.url, f"{VIDEOS}/{made}/content", key=ALICE).body[4:8] == b"ftyp"


def test_a_caller_s_key_of_pollux_never_goes_upstream(tmp_path: Path) -> None:
    """With the server's key that alone is sent, for every step of a video."""
    with FakeUpstream() as upstream, mode(SERVERS, upstream, tmp_path) as server:
        upstream.then(lambda conversation: conversation.answer(200, OPERATION))
        made = create(server, ALICE).json["id"]
        upstream.then(
            lambda conversation: conversation.answer(200, done(f"{upstream.url}/v1beta/files/abc:download?alt=media"))
        )
        ask(server.url, f"{VIDEOS}/{made}", key=ALICE)
        upstream.then(lambda conversation: conversation.answer(200, b"film", "video/mp4"))
        film = ask(server.url, f"{VIDEOS}/{made}/content", key=ALICE)

        assert film.body == b"film"
        assert {request.key for request in upstream.requests} == {SERVERS_KEY}
        assert all(ALICE.encode() not in request.bytes for request in upstream.requests)


@pytest.mark.parametrize(
    "uri",
    [
        "https://storage.googleapis.com/bucket/film.mp4",
        "http://127.0.0.2:9/v1beta/files/abc:download?alt=media",
        "gs://bucket/film.mp4",
        "/v1beta/models/abc",
        "",
    ],
)
def test_a_film_elsewhere_gets_no_key(tmp_path: Path, uri: str) -> None:
    """An address that is not a file of the configured origin is not asked, with a key or without."""
    with FakeUpstream() as upstream, pollux(upstream, data_dir=str(tmp_path)) as server:
        upstream.then(lambda conversation: conversation.answer(200, OPERATION))
        made = create(server).json["id"]
        upstream.then(lambda conversation: conversation.answer(200, done(uri)))
        told = ask(server.url, f"{VIDEOS}/{made}").json
        asked = len(upstream.requests)
        film = ask(server.url, f"{VIDEOS}/{made}/content")

        assert told["status"] == ("completed" if uri else "failed")
        assert film.status == (502 if uri else 400)
        assert len(upstream.requests) == asked


def test_a_film_of_100_mb_is_not_held(tmp_path: Path) -> None:
    """It goes through with less than 20 MB of memory, though its reader is slow."""
    memory = psutil.Process()
    peak = 0
    piece = os.urandom(MEBIBYTE)

    def handler(line: Line) -> None:
        nonlocal peak
        if "predictLongRunning" in line.target:
            line.some()
            line.answer(200, msgspec.json.encode(OPERATION))
        elif "/operations/" in line.target:
            line.answer(200, msgspec.json.encode(done(f"{upstream.url}/v1beta/files/abc:download?alt=media")))
        elif not line.target.startswith("/download/"):
            line.answer(302, b"{}", "location: /download/v1beta/files/abc:download?alt=media")
        else:
            line.send(b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: %d\r\n\r\n" % (FILM_MEBIBYTES * MEBIBYTE))
            for _ in range(FILM_MEBIBYTES):
                line.send(piece)
                peak = max(peak, memory.memory_info().rss)

    with Plumbed(handler) as upstream, pollux(upstream.url, data_dir=str(tmp_path)) as server:
        made = create(server).json["id"]
        ask(server.url, f"{VIDEOS}/{made}")
        before = peak = memory.memory_info().rss
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
        connection.request("GET", f"{VIDEOS}/{made}/content", headers={"authorization": f"Bearer {KEY}"})
        answer = connection.getresponse()
        size = sum(len(read) for read in iter(lambda: answer.read(65536), b""))
        connection.close()

    assert answer.headers["content-length"] == str(FILM_MEBIBYTES * MEBIBYTE)
    assert size == FILM_MEBIBYTES * MEBIBYTE
    assert peak - before < 20 * MEBIBYTE


def test_where_veo_is_gone_omni_answers_for_the_guides_model(tmp_path: Path) -> None:
    """The alias applies where the upstream does not list the name; the answer echoes it, and the report says who made it."""

    def as_today(conversation: Conversation) -> None:
        if conversation.request.method == "GET":
            conversation.answer(200, {"models": [{"name": "models/gemini-omni-1.1-flash"}]})
        else:
            conversation.answer(200, {"id": "v1_abc", "object": "interaction", "status": "queued"})

    with FakeUpstream() as upstream, pollux(upstream, data_dir=str(tmp_path)) as server:
        upstream.then(as_today)
        made = create(server, model="veo-3.1-generate-preview", duration_seconds=4)
        nameless = create(server, model=None)
        sent = [request.json for request in upstream.requests if request.method == "POST"]

        assert (made.json["model"], made.headers["x-pollux-losses"]) == ("veo-3.1-generate-preview", "model=approximated")
        assert (nameless.json["model"], nameless.headers.get("x-pollux-losses")) == ("gemini-omni-1.1-flash", None)
        assert [body["model"] for body in sent] == ["gemini-omni-1.1-flash"] * 2
        assert sent[0]["response_format"]["duration"] == "4s"


def test_a_film_inside_its_interaction_is_given_too(tmp_path: Path) -> None:
    """Its address was asked for; what comes as base64 all the same was paid for, and is not lost."""
    content = {"type": "video", "mime_type": "video/mp4", "data": b64encode(b"film").decode()}
    told = {"id": "v1_abc", "status": "completed", "steps": [{"type": "model_output", "content": [content]}]}
    with FakeUpstream() as upstream, pollux(upstream, data_dir=str(tmp_path)) as server:
        upstream.then(lambda conversation: conversation.answer(200, told))
        made = create(server, model="gemini-omni-1.1-flash").json["id"]
        video = ask(server.url, f"{VIDEOS}/{made}")
        film = ask(server.url, f"{VIDEOS}/{made}/content")

        assert video.json["status"] == "completed"
        assert (film.status, film.body) == (200, b"film")


def test_a_film_that_breaks_off_is_cut(tmp_path: Path) -> None:
    """No reader takes it for whole."""

    def cut(conversation: Conversation) -> None:
        conversation.raw(b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: 1000\r\n\r\nhalf")
        conversation.cut()

    with FakeUpstream() as upstream, pollux(upstream, data_dir=str(tmp_path)) as server:
        upstream.then(lambda conversation: conversation.answer(200, OPERATION))
        made = create(server).json["id"]
        upstream.then(
            lambda conversation: conversation.answer(200, done(f"{upstream.url}/v1beta/files/abc:download?alt=media"))
        )
        ask(server.url, f"{VIDEOS}/{made}")
        upstream.then(cut)

        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            ask(server.url, f"{VIDEOS}/{made}/content")
