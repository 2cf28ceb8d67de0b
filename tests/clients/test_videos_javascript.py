"""Videos by the official `openai` package for JavaScript: every method, a form with nested fields, and films that play."""

import base64
from typing import Any

import pytest

from pollux.server import video_work
from tests.clients.conftest import Service
from tests.clients.test_openai_javascript import run
from tests.emulator.filming import is_near, picture, watch

HEAD = """
import { toFile } from "openai";
import fs from "node:fs";
const now = { headers: { "x-emulator-fault": "processing=0" } };
const createAndPoll = async (video) => {
  let made = await client.videos.create(video, now);
  while (["queued", "in_progress"].includes(made.status)) made = await client.videos.retrieve(made.id);
  return made;
};
const read = async (response) => Buffer.from(await response.arrayBuffer()).toString("base64");
"""


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_work, "ASK_SECONDS", 0.0)


def played(service: Service, script: str) -> Any:
    """Run a script."""
    return run(service, HEAD + script)


@pytest.mark.parametrize("model", ["veo-3.1-generate-preview", "gemini-omni-1.1-flash"])
def test_every_method(service: Service, model: str) -> None:
    """create, polled by retrieve (JavaScript has no createAndPoll), list, downloadContent, extend, edit, remix, delete."""
    out = played(
        service,
        f"""
        const video = {{ model: "{model}", prompt: "A red boat", seconds: "4", size: "1280x720" }};
        out.made = await client.videos.create(video, now);
        out.polled = await createAndPoll(video);
        out.retrieved = await client.videos.retrieve(out.polled.id);
        out.listed = [];
        for await (const each of client.videos.list({{ limit: 1 }})) out.listed.push(each.id);
        out.film = await read(await client.videos.downloadContent(out.polled.id));
        out.thumbnail = await read(await client.videos.downloadContent(out.polled.id, {{ variant: "thumbnail" }}));
        out.extended = await client.videos.extend({{ prompt: "On", seconds: "4", video: {{ id: out.polled.id }} }}, now);
        out.edited = await client.videos.edit({{ prompt: "At night", video: {{ id: out.polled.id }} }}, now);
        out.remixed = await client.videos.remix(out.polled.id, {{ prompt: "Blue" }}, now);
        out.deleted = await client.videos.delete(out.made.id);
        """,
    )
    film = watch(base64.b64decode(out["film"]))

    assert out["made"]["status"] == "queued"
    assert out["polled"]["status"] == out["retrieved"]["status"] == "completed"
    assert out["listed"][:2] == [out["polled"]["id"], out["made"]["id"]]
    assert (film.size, round(film.seconds)) == ((1280, 720), 4)
    assert base64.b64decode(out["thumbnail"])[8:12] == b"WEBP"
    assert out["extended"]["seconds"] == ("11" if model.startswith("veo") else "8")
    assert out["remixed"]["remixed_from_video_id"] == out["polled"]["id"]
    assert out["edited"]["id"].startswith("video_")
    assert out["deleted"] == {"id": out["made"]["id"], "object": "video.deleted", "deleted": True}


def test_a_form_with_nested_fields(service: Service) -> None:
    """A file, and the guide's fields in extra_body, as the client spells them in a form."""
    first, last = (base64.b64encode(picture(colour)).decode() for colour in ("red", "blue"))
    out = played(
        service,
        f"""
        const input_reference = await toFile(Buffer.from("{first}", "base64"), "first.png", {{ type: "image/png" }});
        const google = {{ aspect_ratio: "16:9", duration_seconds: 8, last_frame: {{ image_bytes: "{last}" }} }};
        const video = {{ model: "veo-3.1-generate-preview", prompt: "Red to blue", input_reference, extra_body: {{ google }} }};
        out.video = await createAndPoll(video);
        out.film = await read(await client.videos.downloadContent(out.video.id));
        const images = ["{first}", "{last}"].map((image) => ({{ image, reference_type: "character" }}));
        const extra_body = {{ google: {{ reference_images: images }} }};
        out.other = await createAndPoll({{ model: "veo-3.1-generate-preview", prompt: "Both", extra_body }});
        """,
    )
    film = watch(base64.b64decode(out["film"]))

    assert is_near(film.colour(0), (255, 0, 0))
    assert is_near(film.colour(-1), (0, 0, 255))
    assert out["other"]["status"] == "completed"
    sent = [entry["body"] for entry in service.emulator.journal.entries() if entry["path"].endswith(":predictLongRunning")]
    assert len(sent[1]["instances"][0]["referenceImages"]) == 2
