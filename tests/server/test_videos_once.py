"""A video is paid for once: repeated creates, broken connections, callers who leave, servers that are killed."""

import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from pollux.emulator import Emulator, EmulatorServer
from tests.server.asking import KEY, Answer, Pollux, ask, pollux
from tests.server.fake import Conversation, FakeUpstream, Handler, error_reply
from tests.server.filming import AT_ONCE, VIDEOS, studio

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MODEL = "veo-9"
FAST = "veo-3.1-fast-generate-preview"
BODY: dict[str, Any] = {"model": MODEL, "prompt": "A calm ocean wave"}
AGAIN = {"x-stainless-retry-count": "1"}
COMMAND = [sys.executable, "-c", "import sys; from pollux.cli.main import main; sys.exit(main())"]
PATIENCE_SECONDS = 30.0


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    """An upstream that begins a video and never ends it, unless a test says otherwise."""
    with FakeUpstream() as running:
        running.then(running_operation)
        yield running


@pytest.fixture
def server(upstream: FakeUpstream, tmp_path: Path) -> Iterator[Pollux]:
    """A server on it."""
    with pollux(upstream, data_dir=str(tmp_path)) as running:
        yield running


def running_operation(conversation: Conversation) -> None:
    """Begin an operation; it runs."""
    conversation.answer(200, {"name": f"models/{MODEL}/operations/abc"})


def refusing(status: int, word: str) -> Handler:
    """Refuse in the service's own words."""
    return lambda conversation: conversation.answer(status, error_reply(status, "No.", word))


def begun(upstream: FakeUpstream) -> int:
    """Count what was paid for."""
    return sum(request.verb == "predictLongRunning" for request in upstream.requests)


def create(server: Pollux, headers: dict[str, str] | None = None, key: str = KEY, **fields: Any) -> Answer:
    """Create a video."""
    return ask(server.url, VIDEOS, json=BODY | fields, headers=headers or {}, key=key)


def listed(server: Pollux) -> list[Any]:
    """List the videos."""
    videos: list[Any] = ask(server.url, VIDEOS).json["data"]
    return videos


def test_a_repeated_create_answers_with_the_same_video(server: Pollux, upstream: FakeUpstream) -> None:
    """The same owner and body, and a client that says it repeats: one native call. Any other is a video of its own."""
    first = create(server)
    again = create(server, AGAIN)
    form = b'--%b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    in_forms = [
        ask(
            server.url,
            VIDEOS,
            body=b"".join(form % (b, name.encode(), value.encode()) for name, value in BODY.items()) + b"--%b--\r\n" % b,
            headers={"content-type": f"multipart/form-data; boundary={b.decode()}"} | headers,
        )
        for b, headers in ((b"one", {}), (b"two", AGAIN))
    ]

    assert first.json["id"] == again.json["id"]
    assert in_forms[0].json["id"] == in_forms[1].json["id"] != first.json["id"]
    assert begun(upstream) == 2
    assert create(server).json["id"] != first.json["id"]
    assert create(server, AGAIN, prompt="Another").json["id"] != first.json["id"]
    assert create(server, AGAIN, key="AIza-the-key-of-another-caller-01").json["id"] != first.json["id"]
    assert begun(upstream) == 5


def test_a_caller_who_leaves_and_repeats_gets_the_video_that_was_begun(server: Pollux, upstream: FakeUpstream) -> None:
    """The native call goes on without them, and its answer is noted."""
    asked, go_on = threading.Event(), threading.Event()

    def slowly(conversation: Conversation) -> None:
        if conversation.request.verb == "predictLongRunning":
            asked.set()
            assert go_on.wait(PATIENCE_SECONDS)
        running_operation(conversation)

    upstream.then(slowly)
    with OpenAI(api_key=KEY, base_url=f"{server.url}/v1", timeout=0.5, max_retries=0) as client:
        with pytest.raises(openai.APITimeoutError):
            client.videos.create(**BODY)
        assert asked.wait(PATIENCE_SECONDS)
        waiting = client.with_options(timeout=20).videos.create(**BODY, extra_headers=AGAIN)
        go_on.set()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (video := client.with_options(timeout=20).videos.retrieve(waiting.id)).status == "queued":
            assert time.monotonic() < deadline

    assert waiting.status == "queued"
    assert video.status == "in_progress"
    assert begun(upstream) == 1


def test_repetitions_side_by_side_make_one_video(server: Pollux, upstream: FakeUpstream) -> None:
    """However many come at once."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: create(server, AGAIN), range(16)))

    assert len({answer.json["id"] for answer in answers}) == 1
    assert begun(upstream) == 1


@pytest.mark.parametrize(
    "handler",
    [
        lambda conversation: conversation.cut(),
        refusing(500, "INTERNAL"),
        refusing(504, "DEADLINE_EXCEEDED"),
        lambda conversation: conversation.answer(502, b"<html>Bad Gateway</html>", "text/html"),
        lambda conversation: conversation.answer(200, b"what"),
    ],
    ids=["cut", "500", "504", "502_html", "no_json"],
)
def test_an_unknown_outcome_is_said_and_never_paid_again(server: Pollux, upstream: FakeUpstream, handler: Handler) -> None:
    """The client is told not to repeat; one that does all the same gets the video that failed, and so does the list."""
    upstream.then(handler)
    first = create(server)
    upstream.then(running_operation)
    again = create(server, AGAIN)
    with OpenAI(api_key=KEY, base_url=f"{server.url}/v1") as client:
        video = client.videos.retrieve(again.json["id"])

    assert first.status >= 500
    assert first.headers["x-should-retry"] == "false"
    assert again.json["id"] in first.error["message"]
    assert (again.status, again.json["status"]) == (200, "failed")
    assert video.error is not None
    assert video.error.code == "outcome_unknown"
    assert "paid for" in video.error.message
    assert begun(upstream) == 1
    assert [each["status"] for each in listed(server)] == ["failed"]


@pytest.mark.parametrize(
    ("status", "word"),
    [(400, "INVALID_ARGUMENT"), (403, "PERMISSION_DENIED"), (429, "RESOURCE_EXHAUSTED"), (503, "UNAVAILABLE")],
)
def test_a_refusal_leaves_nothing_and_may_be_tried_again(
    server: Pollux, upstream: FakeUpstream, status: int, word: str
) -> None:
    """The service said no: no video is kept, and a repetition asks anew."""
    upstream.then(refusing(status, word))
    first = create(server)
    assert (first.status, listed(server)) == (status, [])

    upstream.then(running_operation)
    again = create(server, AGAIN)
    assert (again.status, again.json["status"]) == (200, "queued")
    assert begun(upstream) == 2


def test_an_upstream_that_is_not_there_leaves_nothing(tmp_path: Path) -> None:
    """Nothing was sent, so nothing is kept."""
    with pollux("http://127.0.0.1:9", data_dir=str(tmp_path)) as server:
        answer = create(server)

        assert (answer.status, answer.error["code"]) == (502, "upstream_unreachable")
        assert listed(server) == []


def test_a_server_that_dies_before_it_can_note_the_answer_pays_once(tmp_path: Path) -> None:
    """kill -9 between the native call and the note: after the restart the video is there, its outcome unknown, paid once."""
    with EmulatorServer(Emulator()) as upstream:
        process, url = started(tmp_path, upstream.url)
        try:
            slow = {"x-emulator-fault": "headers-delay=20"}
            thread = threading.Thread(target=_unanswered, args=(url, slow), daemon=True)
            thread.start()
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not any(entry["path"].endswith(":predictLongRunning") for entry in upstream.emulator.journal.entries()):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
            process.wait(PATIENCE_SECONDS)
            thread.join(PATIENCE_SECONDS)
            process, url = started(tmp_path, upstream.url)
            again = ask(url, VIDEOS, json={"model": FAST, "prompt": "Once"}, headers=AGAIN | AT_ONCE)
            assert again.json["status"] == "queued", "its process may still live"
            with closing(sqlite3.connect(tmp_path / "store.sqlite3", isolation_level=None)) as database:
                database.execute("UPDATE video SET until_us = 1")  # the time passes in which a living process says so
            later = ask(url, f"{VIDEOS}/{again.json['id']}")
            once_more = ask(url, VIDEOS, json={"model": FAST, "prompt": "Once"}, headers=AGAIN | AT_ONCE)
        finally:
            process.kill()
            process.wait(PATIENCE_SECONDS)
        paid = [entry for entry in upstream.emulator.journal.entries() if entry["path"].endswith(":predictLongRunning")]

        assert (later.json["status"], later.json["error"]["code"]) == ("failed", "outcome_unknown")
        assert once_more.json["id"] == again.json["id"]
        assert len(paid) == 1


def test_videos_survive_a_restart(tmp_path: Path) -> None:
    """A video that one run began is ended, downloaded and deleted by the next."""
    with studio(tmp_path) as first:
        made = first.create(seconds="4").json["id"]
        emulator = first.emulator
        with pollux(_url_of(first), upstream="emulator", data_dir=str(tmp_path)) as second:
            done = ask(second.url, f"{VIDEOS}/{made}")
            film = ask(second.url, f"{VIDEOS}/{made}/content")
            gone = ask(second.url, f"{VIDEOS}/{made}", method="DELETE")

        assert done.json["status"] == "completed"
        assert film.body[4:8] == b"ftyp"
        assert gone.json == {"id": made, "object": "video.deleted", "deleted": True}
        assert any(entry["native_method"] == "files.delete" for entry in emulator.journal.entries())


def _url_of(first: Any) -> str:
    url: str = first.pollux.app.settings.upstream_url
    return url


def _unanswered(url: str, headers: dict[str, str]) -> None:
    with suppress(OSError, http.client.HTTPException):  # the server dies
        ask(url, VIDEOS, json={"model": FAST, "prompt": "Once"}, headers=headers)


def started(folder: Path, upstream_url: str) -> tuple[subprocess.Popen[bytes], str]:
    """Start the server as a program; give it and its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"POLLUX_DATA_DIR": str(folder), "POLLUX_UPSTREAM_URL": upstream_url}
    command = [*COMMAND, "serve", "--port", str(port), "--upstream", "emulator"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert process.poll() is None, "the server did not start"
        assert time.monotonic() < deadline, "the server did not start"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return process, f"http://127.0.0.1:{port}"
