"""Videos from end to end: the official client, both engines of the emulator, and films that are decoded and looked at."""

import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import Video

from pollux.server import video_work
from tests.emulator.filming import is_near, picture, watch
from tests.server.asking import ask
from tests.server.filming import AT_ONCE, OMNI, VEO, VIDEOS, Studio, studio

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="module")
def _studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(video_work, "ASK_SECONDS", 0.0)
        with studio(tmp_path_factory.mktemp("data")) as running:
            yield running


@pytest.fixture
def place(_studio: Studio) -> Studio:
    """The server, with an empty journal."""
    _studio.emulator.journal.clear()
    return _studio


@pytest.fixture
def client(place: Studio) -> Iterator[OpenAI]:
    """The official client; its films are ready at once."""
    with place.client(default_headers=AT_ONCE) as made:
        yield made


def finished(client: OpenAI, video: Video) -> Video:
    """Wait for a film."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while video.status in ("queued", "in_progress"):
        assert time.monotonic() < deadline, "the video does not end"
        video = client.videos.retrieve(video.id)
    return video


def google(**fields: Any) -> dict[str, Any]:
    """Give fields of Google's as the guide nests them."""
    return {"extra_body": {"google": fields}}


@pytest.mark.parametrize("model", [VEO, OMNI])
def test_a_video_is_made_polled_and_downloaded(client: OpenAI, model: str) -> None:
    """create_and_poll gives a completed video of the asked length and shape, which plays, with sound."""
    video = client.videos.create_and_poll(model=model, prompt="A red boat", seconds="4", size="720x1280")
    film = watch(client.videos.download_content(video.id).read())

    assert (video.status, video.progress, video.seconds, video.size) == ("completed", 100, "4", "720x1280")
    assert (video.model, video.prompt, video.error) == (model, "A red boat", None)
    assert video.completed_at
    assert video.expires_at == video.completed_at + 172_800
    assert (film.size, film.rate) == ((720, 1280), 24.0)
    assert abs(film.seconds - 4) < 0.1
    assert film.sound_seconds > 3


def test_the_url_of_a_video_opens_it(place: Studio, client: OpenAI) -> None:
    """`url` lies under the caller's own base, and gives the film to whoever has the key."""
    video = client.videos.create_and_poll(model=VEO, prompt="A red boat", seconds="4")
    url = str(getattr(video, "url", ""))
    film = ask(place.url, url.removeprefix(place.url))

    assert url == f"{place.url}/v1/videos/{video.id}/content"
    assert (film.status, film.headers["content-type"]) == (200, "video/mp4")
    assert film.body[4:8] == b"ftyp"
    assert ask(place.url, url.removeprefix(place.url), key="").status == 401


def test_while_it_runs_a_client_is_told_when_to_ask(place: Studio) -> None:
    """A running video is in OpenAI's words, without an end, and with the pause for a poller; its content is not there yet."""
    made = ask(place.url, VIDEOS, json={"model": VEO, "prompt": "Slow"}, headers={"x-emulator-fault": "processing=600"})
    video_id = made.json["id"]
    running = ask(place.url, f"{VIDEOS}/{video_id}")
    content = ask(place.url, f"{VIDEOS}/{video_id}/content")

    assert (made.json["status"], made.headers["openai-poll-after-ms"]) == ("queued", "50")
    assert running.json["status"] == "in_progress"
    assert 0 <= running.json["progress"] < 100
    assert running.json["completed_at"] is running.json["error"] is None
    assert "url" not in running.json
    assert (content.status, content.error["code"]) == (400, "video_not_ready")


def test_a_part_of_a_video_is_read(place: Studio, client: OpenAI) -> None:
    """Ranges, as players ask for them: a part, the end, none there; If-Range and If-None-Match by the ETag."""
    video = client.videos.create_and_poll(model=VEO, prompt="A red boat", seconds="4")
    path = f"{VIDEOS}/{video.id}/content"
    whole = ask(place.url, path)
    part = ask(place.url, path, headers={"range": "bytes=10-19"})
    end = ask(place.url, path, headers={"range": "bytes=-5"})
    outside = ask(place.url, path, headers={"range": "bytes=999999999-"})
    known = ask(place.url, path, headers={"if-none-match": whole.headers["etag"]})
    stale = ask(place.url, path, headers={"range": "bytes=10-19", "if-range": '"another"'})
    head = ask(place.url, path, method="HEAD")
    size = len(whole.body)

    assert (part.status, part.body, part.headers["content-range"]) == (206, whole.body[10:20], f"bytes 10-19/{size}")
    assert (end.status, end.body) == (206, whole.body[-5:])
    assert (outside.status, outside.headers["content-range"]) == (416, f"bytes */{size}")
    assert (known.status, known.body) == (304, b"")
    assert (stale.status, len(stale.body)) == (200, size)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(size))


def test_pictures_of_a_video(client: OpenAI) -> None:
    """The thumbnail is a WebP in the film's shape, the spritesheet a JPEG."""
    video = client.videos.create_and_poll(model=VEO, prompt="A red boat", seconds="4")
    thumbnail = client.videos.download_content(video.id, variant="thumbnail").read()
    sheet = client.videos.download_content(video.id, variant="spritesheet").read()

    assert (thumbnail[:4], thumbnail[8:12]) == (b"RIFF", b"WEBP")
    assert sheet[:3] == b"\xff\xd8\xff"
    with pytest.raises(openai.BadRequestError, match="variant"):
        client.videos.download_content(video.id, variant="audio")  # type: ignore[arg-type] # it is what is tested


@pytest.mark.parametrize("model", [VEO, OMNI])
def test_a_video_between_two_pictures(place: Studio, client: OpenAI, model: str) -> None:
    """A file of the form is the first frame, base64 in `last_frame` the last: the film begins and ends with them."""
    first, last = picture("red"), picture("blue")
    video = client.videos.create(
        model=model,
        prompt="From red to blue",
        input_reference=("first.png", first, "image/png"),
        extra_body=google(last_frame={"bytesBase64Encoded": b64encode(last).decode(), "mimeType": "image/png"}),
    )
    film = watch(client.videos.download_content(finished(client, video).id).read())

    assert is_near(film.colour(0), (255, 0, 0))
    assert is_near(film.colour(-1), (0, 0, 255))
    assert len(place.begun()) == 1


def test_a_stored_file_is_a_picture(client: OpenAI) -> None:
    """An id of a file is as good as its bytes."""
    file = client.files.create(file=("first.png", picture("lime")), purpose="vision")
    made = client.post("/videos", body={"model": VEO, "prompt": "Lime", "input_reference": {"file_id": file.id}}, cast_to=Video)
    film = watch(client.videos.download_content(finished(client, made).id).read())

    assert is_near(film.colour(0), (0, 255, 0))


def test_every_spelling_of_a_field_means_the_same(place: Studio, client: OpenAI) -> None:
    """JSON in four places and two cases, the client's forms, dots, brackets, flat fields and JSON text: one native request."""
    wanted = {"aspectRatio": "9:16", "durationSeconds": 4}
    base: dict[str, Any] = {"model": VEO, "prompt": "Same"}
    nested = {"aspect_ratio": "9:16", "duration_seconds": 4}
    for body in (
        base | nested,
        base | {"google": nested},
        base | {"extra_body": nested},
        base | google(**nested),
        base | google(aspectRatio="9:16", durationSeconds="4"),
    ):
        assert ask(place.url, VIDEOS, json=body, headers=AT_ONCE).status == 200
    client.videos.create(**base, extra_body=google(**nested))
    client.videos.create(**base, extra_body=nested)
    for fields in (
        {"extra_body[google][aspect_ratio]": "9:16", "extra_body[google][duration_seconds]": "4"},
        {"extra_body.google.aspect_ratio": "9:16", "extra_body.google.duration_seconds": "4"},
        {"google[aspect_ratio]": "9:16", "google[duration_seconds]": "4"},
        {"extra_body": '{"google": {"aspect_ratio": "9:16", "duration_seconds": 4}}'},
        {"extra_body[google]": '{"aspect_ratio": "9:16", "duration_seconds": 4}'},
    ):
        assert ask(place.url, VIDEOS, body=form(base | fields), headers=AT_ONCE | FORM).status == 200

    sent = [entry["body"] for entry in place.begun()]
    assert len(sent) == 12
    assert all(body["parameters"] == wanted for body in sent)
    assert all(body["instances"] == [{"prompt": "Same"}] for body in sent)


FORM = {"content-type": "multipart/form-data; boundary=b"}


def form(fields: dict[str, str]) -> bytes:
    """Make a form."""
    parts = [f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    return ("".join(parts) + "--b--\r\n").encode()


def test_reference_images_come_out_of_a_form(place: Studio, client: OpenAI) -> None:
    """The client's `reference_images[][image]` and `[][reference_type]` are grouped again."""
    images = [{"image": b64encode(picture(colour)).decode(), "reference_type": kind} for colour, kind in REFERENCES]
    client.videos.create(model=VEO, prompt="Both", extra_body=google(reference_images=images))

    sent = place.begun()[0]["body"]
    assert [one["referenceType"] for one in sent["instances"][0]["referenceImages"]] == ["asset", "style"]
    assert sent["parameters"] == {"durationSeconds": 8}


REFERENCES = [("red", "character"), ("blue", "style")]


@pytest.mark.parametrize("model", [VEO, OMNI])
def test_a_video_is_extended(client: OpenAI, model: str) -> None:
    """An extension by id, as JavaScript's client sends it: the new film is the old one and more, and says its whole length."""
    video = client.videos.create_and_poll(model=model, prompt="A red boat", size="1280x720")
    body = {"prompt": "It sails on", "seconds": "8", "video": {"id": video.id}}
    longer = client.post("/videos/extensions", body=body, cast_to=Video)
    done = finished(client, longer)
    film = watch(client.videos.download_content(done.id).read())

    assert done.status == "completed"
    assert float(done.seconds) == round(film.seconds)
    assert film.seconds > 14


def test_a_film_that_is_sent_is_extended(client: OpenAI) -> None:
    """Python's client sends the film itself: Omni goes on from it."""
    video = client.videos.create_and_poll(model=OMNI, prompt="A red boat", seconds="4")
    film = ("boat.mp4", client.videos.download_content(video.id).read(), "video/mp4")
    longer = finished(client, client.videos.extend(prompt="It sails on", seconds="4", video=film))

    assert longer.status == "completed", longer.error
    assert round(watch(client.videos.download_content(longer.id).read()).seconds) == 8


def test_the_guides_field_extends_too(client: OpenAI) -> None:
    """`extend_video_id` of a create is the same."""
    video = client.videos.create_and_poll(model=VEO, prompt="A red boat")
    longer = client.videos.create(model=VEO, prompt="On", extra_body=google(extend_video_id=video.id))

    assert finished(client, longer).seconds == "15"


def test_a_video_is_remixed_and_edited(place: Studio, client: OpenAI) -> None:
    """A remix of Omni keeps model, shape and length; of Veo, which cannot edit, Omni takes over, and the header says so."""
    omni = client.videos.create_and_poll(model=OMNI, prompt="A red boat", seconds="4", size="720x1280")
    remix = client.videos.remix(omni.id, prompt="Make it blue")
    edit = client.videos.edit(
        prompt="At night", video=("boat.mp4", client.videos.download_content(omni.id).read(), "video/mp4")
    )
    veo = client.videos.create_and_poll(model=VEO, prompt="A red boat", seconds="4")
    other = client.videos.with_raw_response.remix(veo.id, prompt="Make it blue")

    assert (remix.model, remix.size, remix.seconds, remix.remixed_from_video_id) == (OMNI, "720x1280", "4", omni.id)
    assert finished(client, remix).status == finished(client, edit).status == "completed"
    assert other.parse().model == OMNI
    assert other.headers["x-pollux-losses"] == "model=approximated"
    assert place.begun()[1]["body"]["previous_interaction_id"]


def test_videos_are_listed_and_deleted(client: OpenAI, place: Studio) -> None:
    """Pages in both orders; a deleted video and a foreign one are unknown, with the same words."""
    with place.client("AIza-another-caller-0123456789", default_headers=AT_ONCE) as other:
        made = [client.videos.create(model=VEO, prompt=f"Number {i}", seconds="4").id for i in range(3)]
        newest = [video.id for video in client.videos.list(limit=2)][:3]
        oldest = [video.id for video in client.videos.list(order="asc", after=made[0]).data]
        gone = client.videos.delete(made[0])
        with pytest.raises(openai.NotFoundError) as deleted:
            client.videos.retrieve(made[0])
        with pytest.raises(openai.NotFoundError) as foreign:
            other.videos.retrieve(made[1])

        assert newest == made[::-1]
        assert oldest == made[1:]
        assert gone.deleted
        assert deleted.value.body["message"].replace(made[0], "") == foreign.value.body["message"].replace(made[1], "")  # type: ignore[index] # it is an object
        assert other.videos.list().data == []


@pytest.mark.parametrize("model", [VEO, OMNI])
@pytest.mark.parametrize(("outcome", "code"), [("filtered", "moderation_blocked"), ("failed", "video_generation_failed")])
def test_a_film_that_is_not_made_fails_with_the_native_reason(client: OpenAI, model: str, outcome: str, code: str) -> None:
    """Filtered and failed films are failed videos, with OpenAI's error object; their content is refused with the reason."""
    fault = {"x-emulator-fault": f"processing=0; operation={outcome}"}
    video = finished(client, client.videos.create(model=model, prompt="No", extra_headers=fault))

    assert (video.status, video.progress) == ("failed", 0)
    assert video.error is not None
    assert video.error.code == code
    assert len(video.error.message) > 20
    with pytest.raises(openai.BadRequestError, match="failed"):
        client.videos.download_content(video.id)


def test_a_film_that_gemini_has_lost_is_expired(place: Studio, client: OpenAI) -> None:
    """After two days the content is a clear error; the video itself is still known."""
    video = client.videos.create_and_poll(model=VEO, prompt="A red boat", seconds="4")
    place.emulator.clock.advance(200_000)
    content = ask(place.url, f"{VIDEOS}/{video.id}/content")

    assert (content.status, content.error["code"]) == (404, "video_expired")
    assert client.videos.retrieve(video.id).status == "completed"


def test_losses_are_told(place: Studio) -> None:
    """What Omni has no field for is told in the header, in the body on request, and refused by strict mode before any cost."""
    fields: dict[str, Any] = {
        "model": OMNI,
        "seed": 7,
        "person_generation": "allow_all",
        "negative_prompt": "rain",
        "frame_rate": "30",
    }
    told = place.create(**fields, headers={"x-pollux-report": "body"})
    begun = len(place.begun())
    refused = place.create(**fields, headers={"x-pollux-strict": "true"})

    assert set(told.headers["x-pollux-losses"].split(", ")) == {
        "seed=ignored",
        "person_generation=ignored",
        "negative_prompt=approximated",
        "frame_rate=ignored",
    }
    assert len(told.json["extra_content"]["pollux"]["losses"]) == 4
    assert (refused.status, refused.error["code"], len(place.begun())) == (400, "strict_mode", begun)
