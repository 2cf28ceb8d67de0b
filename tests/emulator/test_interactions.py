"""Interactions: films of Omni, begun, polled, fetched and continued, with Google's client as judge."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai

from pollux.emulator import Emulator, EmulatorServer, ManualClock
from pollux.emulator.sound_files import heard
from tests.emulator.filming import is_near, picture, watch
from tests.emulator.in_process import KEY, Reply, call

MODEL = "gemini-omni-1.1-flash"

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    emulator = Emulator(clock=ManualClock())
    yield emulator
    emulator.close()


def video(**more: Any) -> dict[str, Any]:
    return {"type": "video", "duration": "3s", "resolution": "360p", **more}


def image(colour: str) -> dict[str, str]:
    return {"type": "image", "data": base64.b64encode(picture(colour)).decode(), "mime_type": "image/png"}


async def create(emulator: Emulator, given: Any = "A wave", **more: Any) -> Reply:
    body = {"model": MODEL, "input": given, "response_format": video(), **more}
    return await call(emulator, "/v1beta/interactions", body)


async def get(emulator: Emulator, name: str, query: str = "", **more: Any) -> Reply:
    return await call(emulator, f"/v1beta/interactions/{name}{query}", method="GET", **more)


def film(reply: Reply) -> bytes:
    content = reply.json["steps"][-1]["content"][0]
    assert content["mime_type"] == "video/mp4"
    return base64.b64decode(content["data"])


def test_googles_client_makes_polls_and_fetches_a_film() -> None:
    """In the background, with delivery by address."""
    with EmulatorServer(Emulator(clock=ManualClock())) as server:
        client: Any = genai.Client(api_key=KEY, http_options={"base_url": server.url})
        form = {**video(), "delivery": "uri", "resolution": "720p"}
        begun = client.interactions.create(model=MODEL, input="A calm wave.", response_format=form, background=True)
        server.emulator.clock.advance(1)
        running = client.interactions.get(begun.id)
        server.emulator.clock.advance(2)
        done = client.interactions.get(begun.id)
        name = done.output_video.uri.split("/files/")[1].split(":")[0]
        data = client.files.download(file=client.files.get(name=f"files/{name}"))
        client.interactions.delete(begun.id)
        client.close()

        assert (begun.status, running.status, done.status) == ("queued", "in_progress", "completed")
        assert watch(data).size == (1280, 720)
        assert watch(data).seconds == pytest.approx(3)
        assert heard(data, "video/mp4") == "A calm wave."
        assert done.usage.total_tokens == done.usage.total_input_tokens + done.usage.total_output_tokens


async def test_without_background_the_answer_has_the_film(emulator: Emulator) -> None:
    """Its bytes stand in the answer, unless an address was asked for."""
    reply = await create(emulator, [{"type": "text", "text": "A hill"}], response_format=video(aspect_ratio="9:16"))

    assert reply.json["status"] == "completed"
    assert watch(film(reply)).size == (360, 640)
    assert list(reply.json)[:4] == ["id", "object", "model", "status"]
    assert film(await get(emulator, reply.json["id"])) == film(reply)


async def test_the_input_is_told_on_request(emulator: Emulator) -> None:
    """As a step of the user before the model's."""
    name = (await create(emulator, ["A hill", image("red")])).json["id"]
    steps = (await get(emulator, name, "?include_input=true")).json["steps"]

    assert [step["type"] for step in steps] == ["user_input", "model_output"]
    assert steps[0]["content"] == [{"type": "text", "text": "A hill"}, {"type": "image", "data": image("red")["data"]}]


async def test_pictures_have_their_roles(emulator: Emulator) -> None:
    """Two are the first and the last frame; tags in the prompt say otherwise, and are not shown."""
    ends = watch(film(await create(emulator, ["It changes", image("red"), image("blue")])))
    tagged = await create(emulator, ["<LAST_FRAME> comes after <FIRST_FRAME>", image("blue"), image("red")])
    references = await create(
        emulator, ["Both", image("red"), image("blue")], generation_config={"video_config": {"task": "reference_to_video"}}
    )

    assert is_near(ends.colour(0), RED)
    assert is_near(ends.colour(-1), BLUE)
    assert is_near(watch(film(tagged)).colour(0), RED)
    assert is_near(watch(film(references)).colour(40, (0.15, 0.55)), RED)


async def test_a_former_film_is_edited_extended_and_enlarged(emulator: Emulator) -> None:
    """Through `previous_interaction_id`; the task decides."""
    first = await create(emulator, ["One.", image("red")])
    former = {"previous_interaction_id": first.json["id"]}
    edited = await create(emulator, "Two.", **former)
    longer = await create(emulator, "Three.", generation_config={"video_config": {"task": "extend"}}, **former)
    larger = await create(emulator, "Four.", generation_config={"video_config": {"task": "upscale"}},
                          response_format=video(resolution="720p"), **former)  # fmt: skip

    assert edited.json["previous_interaction_id"] == first.json["id"]
    assert is_near(watch(film(edited)).colour(0), RED)
    assert heard(film(edited), "video/mp4") == "Two."
    assert watch(film(longer)).seconds == pytest.approx(6)
    assert watch(film(larger)).size == (1280, 720)
    assert heard(film(larger), "video/mp4") == "One."


async def test_a_running_interaction_can_be_cancelled_once(emulator: Emulator) -> None:
    """What is done stays done."""
    name = (await create(emulator, background=True)).json["id"]
    cancelled = await call(emulator, f"/v1beta/interactions/{name}/cancel", {})
    again = await call(emulator, f"/v1beta/interactions/{name}/cancel", {})
    emulator.clock.advance(10)

    assert cancelled.json["status"] == "cancelled"
    assert again.json["error"] == {
        "code": "invalid_request",
        "message": "The interaction is cancelled and cannot be cancelled.",
    }
    assert (await get(emulator, name)).json["status"] == "cancelled"


async def test_interactions_are_their_projects_own_can_be_deleted_and_expire(emulator: Emulator) -> None:
    """Then they are not found, as one that never was or was not to be stored."""
    kept, deleted = (await create(emulator)).json["id"], (await create(emulator)).json["id"]
    unstored = (await create(emulator, store=False)).json["id"]
    removed = await call(emulator, f"/v1beta/interactions/{deleted}", method="DELETE")
    statuses = [(await get(emulator, name)).status for name in (kept, deleted, unstored, "v1_nothing")]

    assert removed.json == {}
    assert statuses == [200, 404, 404, 404]
    assert (await get(emulator, kept, key="another-key")).json["error"]["code"] == "not_found"
    emulator.clock.advance(48 * 3600)
    assert (await get(emulator, kept)).status == 404


@pytest.mark.parametrize(("fault", "status"), [("operation=filtered", "completed"), ("operation=failed", "failed")])
async def test_films_that_do_not_come(fault: str, status: str) -> None:
    """A filtered one is completed with empty output, a failed one has errors."""
    emulator = Emulator(rules=[{"fault": fault}])
    reply = await create(emulator)

    assert reply.json["status"] == status
    assert reply.json.get("steps", []) == []
    assert ("errors" in reply.json) == (status == "failed")


@pytest.mark.parametrize(
    ("more", "status", "code"),
    [
        ({"model": "gemini-9"}, 404, "model_not_found"),
        ({"model": ""}, 400, "invalid_request"),
        ({"seed": 1}, 400, "parameter_unknown"),
        ({"response_format": video(fps=24)}, 400, "parameter_unknown"),
        ({"response_format": video(duration="11s")}, 400, "invalid_request"),
        ({"response_format": video(duration=8)}, 400, "invalid_request"),
        ({"response_format": video(aspect_ratio="1:1")}, 400, "invalid_request"),
        ({"response_format": video(resolution="8k")}, 400, "invalid_request"),
        ({"response_format": {"type": "image"}}, 400, "invalid_request"),
        ({"generation_config": {"video_config": {"task": "dance"}}}, 400, "invalid_request"),
        ({"generation_config": {"video_config": {"task": "edit"}}}, 400, "invalid_request"),
        ({"previous_interaction_id": "v1_nothing"}, 404, "not_found"),
        ({"background": True, "store": False}, 400, "invalid_request"),
        ({"input": None}, 400, "invalid_request"),
        ({"input": [{"type": "image", "uri": "https://example.com/a.png"}]}, 400, "invalid_request"),
        ({"input": [{"type": "image", "uri": "files/nothing"}]}, 403, "permission_denied"),
        ({"input": [{"type": "image", "data": "AAAA"}]}, 400, "invalid_request"),
        ({"input": [{"type": "video", "data": "AAAA"}]}, 400, "invalid_request"),
        ({"input": [{"type": "image"}]}, 400, "invalid_request"),
    ],
)
async def test_refusals(emulator: Emulator, more: dict[str, Any], status: int, code: str) -> None:
    """The code is a word; the message names the field."""
    reply = await call(emulator, "/v1beta/interactions", {"model": MODEL, "input": "A wave", **more})

    assert reply.status == status
    assert reply.json["error"]["code"] == code
    assert list(reply.json["error"]) == ["code", "message"]


@pytest.mark.parametrize("more", [{"model": "gemini-3.6-flash"}, {"stream": True}])
async def test_what_is_not_imitated_is_said(emulator: Emulator, more: dict[str, Any]) -> None:
    """Interactions with texts, and streams."""
    assert (await create(emulator, **more)).status == 501
