"""Requests for videos that are wrong: each gets an error that names the field, before anything is paid for."""

import io
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from tests.emulator.filming import picture
from tests.emulator.samples import film
from tests.server.asking import ask
from tests.server.filming import OMNI, VEO, VIDEOS, Studio, studio

PNG = b64encode(picture("red")).decode()
CUT = b64encode(picture("red", (1280, 720), "JPEG")[:3000]).decode()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """The server."""
    with studio(tmp_path_factory.mktemp("data")) as running:
        yield running


def bomb() -> str:
    """Make a picture of few bytes and very many pixels."""
    data = io.BytesIO()
    PIL.Image.new("1", (20_000, 20_000)).save(data, "PNG")
    return b64encode(data.getvalue()).decode()


@pytest.mark.parametrize("model", [VEO, OMNI])
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": " "}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"size": "0x0"}, "size"),
        ({"size": "abc"}, "size"),
        ({"size": "1280x"}, "size"),
        ({"size": 1280}, "size"),
        ({"seconds": "soon"}, "seconds"),
        ({"seconds": "0"}, "seconds"),
        ({"seconds": True}, "seconds"),
        ({"duration_seconds": 5}, "duration_seconds"),
        ({"duration_seconds": "8s"}, "duration_seconds"),
        ({"extra_body": {"google": {"durationSeconds": 5}}}, "extra_body.google.durationSeconds"),
        ({"extra_body": {"google": 7}}, "extra_body.google"),
        ({"aspect_ratio": "1:1"}, "aspect_ratio"),
        ({"resolution": "8k"}, "resolution"),
        ({"frame_rate": "fast"}, "frame_rate"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"style": "cubist"}, "style"),
        ({"person_generation": "all"}, "person_generation"),
        ({"negative_prompt": ["rain"]}, "negative_prompt"),
        ({"last_frame": PNG}, "last_frame"),
        ({"image": PNG, "input_reference": PNG}, "input_reference"),
        ({"image": PNG, "last_frame": PNG, "duration_seconds": 4}, "duration_seconds"),
        ({"reference_images": [PNG] * 4}, "reference_images"),
        ({"reference_images": [PNG], "duration_seconds": 6}, "duration_seconds"),
        ({"reference_images": [{"image": PNG, "reference_type": "mood"}]}, "reference_images[0].reference_type"),
        ({"reference_images": [7]}, "reference_images[0]"),
        ({"reference_images": [{}]}, "reference_images[0]"),
        ({"image": ""}, "image"),
        ({"image": "not base64!"}, "image"),
        ({"image": b64encode(b"no picture at all").decode()}, "image"),
        ({"image": b64encode(b"\x00\x01\x02" * 9).decode()}, "image"),
        ({"image": CUT}, "image"),
        ({"image": b64encode(film()).decode()}, "image"),
        ({"image": "data:image/png;base64,"}, "image"),
        ({"image": {"file_id": "file-" + "x" * 24}}, "image"),
        ({"image": "http://127.0.0.1:1/picture.png"}, "image"),
        ({"image": {"image_url": PNG, "file_id": "file-" + "x" * 24}}, "image"),
        ({"extend_video_id": "video_" + "x" * 24}, "extend_video_id"),
        ({"extend_video_id": "what"}, "extend_video_id"),
        ({"model": "gemini-3.6-flash"}, "model"),
        ({"model": "no model"}, "model"),
        ({"model": 7}, "model"),
    ],
)
def test_a_wrong_field_is_named(place: Studio, model: str, fields: dict[str, Any], param: str) -> None:
    """On both engines alike, and nothing is paid for."""
    answer = ask(place.url, VIDEOS, json={"model": model, "prompt": "A calm ocean wave"} | fields)

    assert 400 <= answer.status < 500
    assert answer.error["param"] == param
    assert answer.status == 404 or param.rsplit(".", maxsplit=1)[-1].split("[", maxsplit=1)[0] in answer.error["message"]
    assert place.begun() == []


def test_what_veo_makes_with_eight_seconds_only(place: Studio) -> None:
    """1080p and 4 seconds, both in the guide's words, contradict each other; OpenAI's own words give way, which is reported."""
    refused = place.create(resolution="1080p", duration_seconds=4)
    longer = place.create(resolution="1080p", seconds="4")
    smaller = place.create(size="1792x1024", seconds="4")

    assert (refused.status, refused.error["param"]) == (400, "duration_seconds")
    assert (longer.json["size"], longer.json["seconds"], longer.headers["x-pollux-losses"]) == (
        "1920x1080",
        "8",
        "seconds=approximated",
    )
    assert (smaller.json["size"], smaller.json["seconds"], smaller.headers["x-pollux-losses"]) == (
        "1280x720",
        "4",
        "size=approximated",
    )
    place.emulator.journal.clear()


def test_a_bomb_is_refused_by_its_header(place: Studio) -> None:
    """Four hundred million pixels in some kilobytes cost nothing."""
    answer = ask(place.url, VIDEOS, json={"model": VEO, "prompt": "Boom", "image": bomb()})

    assert (answer.status, answer.error["param"], answer.error["code"]) == (400, "image", "media_too_large")


@pytest.mark.parametrize("path", [f"{VIDEOS}/{{}}", f"{VIDEOS}/{{}}/content"])
@pytest.mark.parametrize("video_id", ["video_" + "x" * 24, "video_1", "x", "..%2f..", "video_" + "x" * 5000])
def test_an_unknown_id_is_not_found(place: Studio, path: str, video_id: str) -> None:
    """Whatever it looks like."""
    answer = ask(place.url, path.format(video_id))

    assert (answer.status, answer.error["type"]) == (404, "invalid_request_error")


def test_edits_and_extensions_without_a_video(place: Studio) -> None:
    """A missing, an unknown and a running video, and one that Veo cannot go on from."""
    running = ask(place.url, VIDEOS, json={"model": VEO, "prompt": "Slow"}, headers={"x-emulator-fault": "processing=600"}).json
    for path in (f"{VIDEOS}/edits", f"{VIDEOS}/extensions"):
        missing = ask(place.url, path, json={"prompt": "On", "seconds": "4"})
        unknown = ask(place.url, path, json={"prompt": "On", "seconds": "4", "video": {"id": "video_" + "x" * 24}})
        odd = [
            ask(place.url, path, json={"prompt": "On", "seconds": "4", "video": v}) for v in ("video_1", {"id": "1"}, {"id": 7})
        ]
        early = ask(place.url, path, json={"prompt": "On", "seconds": "4", "video": {"id": running["id"]}})
        no_film = ask(place.url, path, json={"prompt": "On", "seconds": "4", "video": PNG})

        assert (missing.status, missing.error["param"], missing.error["code"]) == (400, "video", "missing_required_parameter")
        assert (unknown.status, unknown.error["param"]) == (404, "video")
        assert [(each.status, each.error["param"]) for each in odd] == [(404, "video")] * 3
        assert (early.status, early.error["code"]) == (400, "video_not_ready")
        assert (no_film.status, no_film.error["param"]) == (400, "video")
    foreign = ask(place.url, f"{VIDEOS}/extensions", json={"prompt": "On", "model": VEO, "video": b64encode(film()).decode()})
    remix = ask(place.url, f"{VIDEOS}/video_{'x' * 24}/remix", json={"prompt": "On"})
    character = ask(place.url, f"{VIDEOS}/characters", json={})

    assert (foreign.status, foreign.error["param"]) == (400, "video")
    assert remix.status == 404
    assert (character.status, character.error["code"]) == (400, "unsupported_endpoint")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--b\r\ncontent-disposition: form-data; name=prompt\r\n\r\ncut", "multipart/form-data; boundary=b"),
        (b"no form", "multipart/form-data; boundary=b"),
        (b"--b--\r\n", "multipart/form-data"),
        (
            b'--b\r\ncontent-disposition: form-data; name="extra_body"\r\n\r\n{"google"\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
        (
            b'--b\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n\r\n\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
        ),
        (b"[]", "application/json"),
        (b"{", "application/json"),
        (b"", "application/json"),
    ],
)
def test_a_body_that_cannot_be_read(place: Studio, body: bytes, content_type: str) -> None:
    """Forms that end early, have no boundary, or hold broken JSON; an empty file; JSON that is no object."""
    answer = ask(place.url, VIDEOS, body=body, method="POST", headers={"content-type": content_type})

    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"


def test_a_body_that_says_it_is_too_large_is_not_read(tmp_path: Path) -> None:
    """3 GB are refused by their announcement, a form that grows beyond the limit where it does."""
    with studio(tmp_path, body_bytes_max=1_000_000) as place:
        said = {"content-type": "multipart/form-data; boundary=b", "content-length": "3000000000"}
        announced = ask(place.url, VIDEOS, method="POST", headers=said)
        head = b'--b\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        grown = ask(
            place.url,
            VIDEOS,
            body=iter([head, *[b"x" * 65536] * 17]),
            headers={"content-type": "multipart/form-data; boundary=b"},
        )

        assert announced.status == grown.status == 413
        assert place.begun() == []
