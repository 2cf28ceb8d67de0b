"""The recorded flow of Veo, played back through POST and GET /videos: begun, polled, done, redirected, downloaded."""

from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest
from openai import OpenAI

from pollux.server import video_work
from tests.judges import openai_document, shared
from tests.server.asking import KEY, ask, pollux
from tests.server.fake import Conversation, FakeUpstream

shared.needed()

FLOW = "ruby_llm--video_basic_functionality_gemini_veo-3_1-lite-generate-preview_can_animate_videos"
OTHER_FLOW = "blob"
HOST = "https://generativelanguage.googleapis.com"
FILM = b"\x00\x00\x00\x18ftypmp42" + b"film" * 1000

Json = dict[str, Any]


def flow() -> dict[int, Json]:
    """Read the steps of the newer recording by their number; the film's bytes were not kept."""
    entries = [entry["file"] for entry in shared.index("gemini-native") if entry["file"].startswith(FLOW)]
    recorded = [(int(file.split("--")[2]), shared.recording("gemini-native", file)) for file in entries]
    return {step: one for step, one in recorded if OTHER_FLOW not in one["source"]}


STEPS = flow()


def replay(conversation: Conversation) -> None:
    """Answer as was recorded: by method and path; the operation runs at its first look, then it is done."""
    request = conversation.request
    for step in (0, 1, 5, 6, 7):
        one = STEPS[step]
        if step == 1 and sum(each.target == request.target for each in conversation_log) > 1:
            continue
        if (request.method, HOST + request.target) == (one["method"], one["url"]):
            if step == 0:
                assert request.json == one["request"]
            location = one["response_headers"].get("location", "").replace(HOST, "")
            body = FILM if step == 7 else msgspec.json.encode(one["response"])
            kind = one["response_headers"]["content-type"]
            head = f"HTTP/1.1 {one['status']} Status\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
            conversation.raw((head + (f"location: {location}\r\n" if location else "") + "\r\n").encode() + body)
            conversation.ended = True
            return
    conversation.answer(404, {"error": {"code": 404, "message": request.target, "status": "NOT_FOUND"}})


conversation_log: list[Any] = []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_recorded_flow_through_the_official_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent is what was recorded; what is told is OpenAI's; the key goes along the redirect, to the one origin."""
    monkeypatch.setattr(video_work, "ASK_SECONDS", 0.0)
    with FakeUpstream() as upstream, pollux(upstream, data_dir=str(tmp_path)) as server:
        monkeypatch.setitem(globals(), "conversation_log", upstream.requests)
        upstream.then(replay)
        with OpenAI(api_key=KEY, base_url=f"{server.url}/v1") as client:
            made = client.videos.create(
                model="veo-3.1-lite-generate-preview",
                prompt="a calm ocean wave at sunset",
                extra_body={"duration_seconds": 4},
            )
            running = ask(server.url, f"/v1/videos/{made.id}").json
            done = ask(server.url, f"/v1/videos/{made.id}").json
            film = client.videos.download_content(made.id).read()
            upstream.then(elsewhere)
            with pytest.raises(openai.InternalServerError, match="another place"):
                client.with_options(max_retries=0).videos.download_content(made.id)

        assert [made.status, running["status"], done["status"]] == ["queued", "in_progress", "completed"]
        assert [openai_document.validate("VideoResource", each) for each in (running, done)] == [[], []]
        assert film == FILM
        assert all(request.key == KEY for request in upstream.requests)
        assert [request.method for request in upstream.requests[:5]] == ["POST", "GET", "GET", "GET", "GET"]


def elsewhere(conversation: Conversation) -> None:
    """Redirect to a foreign host, which must not get the key."""
    conversation.raw(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.2:9/film\r\ncontent-length: 0\r\n\r\n")
    conversation.ended = True
