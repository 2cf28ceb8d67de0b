"""POST /images/edits and /images/variations: pictures in by every way, the mask honoured, what is wrong named."""

import base64
import http.client
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import PIL.Image
import PIL.ImageDraw
import pytest

from pollux.emulator import Emulator, EmulatorServer
from tests.judges import openai_document
from tests.media.studio import picture, png_header
from tests.server.asking import KEY, Answer, Pollux, ask, pollux
from tests.server.picturing import events, form, opened, url_of

EDITS, VARIATIONS = "/v1/images/edits", "/v1/images/variations"
MODEL = "gemini-nano-banana-2.1"
RED = picture(size=(640, 480), colour=(220, 20, 20))
BLUE = picture("WEBP", size=(300, 300), colour=(20, 20, 220))

Json = dict[str, Any]


@pytest.fixture(scope="module")
def upstream() -> Iterator[EmulatorServer]:
    """The emulator, whose journal says what was sent."""
    with EmulatorServer(Emulator()) as running:
        yield running


@pytest.fixture
def emulator(upstream: EmulatorServer) -> Emulator:
    """The emulator with an empty journal."""
    upstream.emulator.journal.clear()
    return upstream.emulator


@pytest.fixture(scope="module")
def server(upstream: EmulatorServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollux]:
    """A server before the emulator."""
    with pollux(upstream.url, upstream="emulator", data_dir=str(tmp_path_factory.mktemp("data"))) as running:
        yield running


def post(server: Pollux, path: str, *fields: tuple[str, str | bytes], **more: Any) -> Answer:
    """Send a form."""
    body, content_type = form(("model", MODEL), *fields)
    return ask(server.url, path, body=body, headers={"Content-Type": content_type} | more.get("headers", {}))


def edit(server: Pollux, **given: Any) -> Answer:
    """Send JSON."""
    return ask(server.url, EDITS, json={"model": MODEL, "prompt": "Add a hat"} | given)


def edited(answer: Answer) -> PIL.Image.Image:
    """Open the only picture of an answer, which OpenAI's document takes."""
    assert answer.status == 200, answer.body[:500]
    assert openai_document.validate("ImagesResponse", answer.json) == []
    [image] = answer.json["data"]
    return opened(image)


def calls(emulator: Emulator) -> list[Json]:
    """Give the native calls."""
    return [entry["body"] for entry in emulator.journal.entries() if entry["native_method"] == "generateContent"]


def sent(emulator: Emulator) -> list[Json]:
    """Give the parts of the only native call."""
    [body] = calls(emulator)
    found: list[Json] = body["contents"][0]["parts"]
    return found


def test_a_form_with_one_picture(server: Pollux, emulator: Emulator) -> None:
    """The picture goes up as it is, before the prompt; what comes shows it, in its ratio."""
    made = edited(post(server, EDITS, ("prompt", "Add a hat"), ("image", RED)))
    shown = made.convert("RGB").getpixel((600, 100))

    assert sent(emulator) == [
        {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(RED).decode()}},
        {"text": "Add a hat"},
    ]
    assert made.size == (1200, 896)
    assert isinstance(shown, tuple)
    assert shown[0] > 150 > shown[1] + 50


def test_a_form_with_several_pictures(server: Pollux, emulator: Emulator) -> None:
    """`image[]`, as both official clients send a list; each is of the type that its bytes are."""
    post(server, EDITS, ("prompt", "Put them together"), ("image[]", RED), ("image[]", BLUE))

    assert [part.get("inlineData", {}).get("mimeType") for part in sent(emulator)] == ["image/png", "image/webp", None]


def test_parameters_of_a_form_are_texts(server: Pollux, emulator: Emulator) -> None:
    """Numbers, booleans and nested fields arrive as what they mean."""
    answer = post(
        server, EDITS, ("prompt", "Add a hat"), ("n", "2"), ("output_format", "webp"), ("output_compression", "50"),
        ("extra_body[google][aspect_ratio]", "21:9"), ("extra_body[google][generation_config][seed]", "4"), ("image", RED),
        ("user", "me"), ("stream", "false"), ("nonsense", "1"),
    )  # fmt: skip
    first, second = calls(emulator)

    assert answer.status == 200, answer.body
    assert [opened(image).size for image in answer.json["data"]] == [(1584, 672)] * 2
    assert answer.json["output_format"] == "webp"
    assert first["generationConfig"]["imageConfig"] == {"aspectRatio": "21:9"}
    assert {first["generationConfig"]["seed"], second["generationConfig"]["seed"]} == {4, 5}
    assert answer.headers["x-pollux-losses"] == "unknown=ignored, user=ignored"


@pytest.mark.parametrize(
    "given",
    [
        {"images": [{"image_url": url_of(RED)}]},
        {"images": [url_of(RED)]},
        {"image": url_of(RED)},
        {"image": {"image_url": url_of(RED)}},
        {"image": [{"image_url": url_of(RED)}]},
    ],
    ids=["images", "images_as_texts", "image_as_a_text", "image", "image_as_a_list"],
)
def test_json_with_data_urls(server: Pollux, emulator: Emulator, given: Json) -> None:
    """As OpenAI's document has it, and as other clients write it."""
    made = edited(edit(server, **given))

    assert sent(emulator)[0]["inlineData"] == {"mimeType": "image/png", "data": base64.b64encode(RED).decode()}
    assert made.size == (1200, 896)


def test_json_with_ids_of_files(server: Pollux, emulator: Emulator) -> None:
    """A stored file is a picture, and a mask."""
    ids = [stored(server, data) for data in (RED, mask((640, 480), (0, 0, 320, 480)))]
    made = edited(edit(server, images=[{"file_id": ids[0]}], mask={"file_id": ids[1]}))

    assert made.size == (640, 480)
    assert sent(emulator)[0]["inlineData"]["data"] == base64.b64encode(RED).decode()


def stored(server: Pollux, data: bytes) -> str:
    """Store a file and give its id."""
    body, content_type = form(("purpose", "vision"), ("file", data))
    found: str = ask(server.url, "/v1/files", body=body, headers={"Content-Type": content_type}).json["id"]
    return found


def mask(size: tuple[int, int], hole: tuple[int, int, int, int]) -> bytes:
    """Give a mask: a hole, its edges given as of `crop`, is what is to be edited."""
    made = PIL.Image.new("RGBA", size, (0, 0, 0, 255))
    made.paste((0, 0, 0, 0), hole)
    encoded = io.BytesIO()
    made.save(encoded, "PNG")
    return encoded.getvalue()


def test_outside_of_a_mask_the_original_stays(server: Pollux, emulator: Emulator) -> None:
    """To the pixel; inside it is what the model drew, and the model was told of it."""
    hole = (320, 0, 640, 240)
    made = edited(post(server, EDITS, ("prompt", "Add a sun"), ("image", RED), ("mask", mask((640, 480), hole)))).convert("RGB")
    original = PIL.Image.open(io.BytesIO(RED))
    outside = made.copy()
    outside.paste(original.crop(hole), hole)
    told = sent(emulator)
    cut = PIL.Image.open(io.BytesIO(base64.b64decode(told[1]["inlineData"]["data"])))

    assert made.size == original.size
    assert outside.tobytes() == original.tobytes()
    assert made.crop(hole).tobytes() != original.crop(hole).tobytes()
    assert [part.get("inlineData", {}).get("mimeType") for part in told] == ["image/png", "image/png", None]
    assert cut.getpixel((400, 100))[3] == 0  # type: ignore[index] # it has four channels
    assert cut.getpixel((100, 100)) == (220, 20, 20, 255)
    assert told[2]["text"].startswith("Add a sun\n\nThe last picture")


@pytest.mark.parametrize(("size", "losses"), [("640x480", None), ("auto", None), ("1024x1024", "size=approximated")])
def test_an_edit_with_a_mask_has_the_size_of_the_picture(server: Pollux, size: str, losses: str | None) -> None:
    """Whatever is asked for; then it is reported."""
    answer = post(
        server, EDITS, ("prompt", "Add a sun"), ("size", size), ("image", RED), ("mask", mask((640, 480), (0, 0, 9, 9)))
    )

    assert edited(answer).size == (640, 480)
    assert (answer.json["size"], answer.json["output_format"]) == ("640x480", "png")
    assert answer.headers.get("x-pollux-losses") == losses


def test_a_mask_and_another_format(server: Pollux) -> None:
    """The picture that was put together is the one that is encoded."""
    answer = post(
        server,
        EDITS,
        ("prompt", "Add a sun"),
        ("output_format", "jpeg"),
        ("image", RED),
        ("mask", mask((640, 480), (0, 0, 9, 9))),
    )

    assert edited(answer).format == "JPEG"


def test_an_edit_can_be_streamed(server: Pollux) -> None:
    """Its events have their own name."""
    answer = edit(server, images=[{"image_url": url_of(RED)}], stream=True, n=2)
    told = events(answer.body)

    assert [name for name, _ in told] == ["image_edit.completed"] * 2
    assert [openai_document.validate("ImageEditCompletedEvent", message) for _, message in told] == [[], []]


def test_a_variation_is_based_on_its_picture(server: Pollux, emulator: Emulator) -> None:
    """There is no prompt; the model is told what is wanted."""
    answer = post(server, VARIATIONS, ("image", RED), ("n", "2"), ("size", "1024x1024"))

    assert [opened(image).size for image in answer.json["data"]] == [(1024, 1024)] * 2
    assert "variation" in calls(emulator)[0]["contents"][0]["parts"][1]["text"]


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ([("prompt", "Edit")], "image", "missing"),
        ([("image", RED)], "prompt", "missing"),
        ([("prompt", " "), ("image", RED)], "prompt", "empty"),
        ([("prompt", "Edit"), ("image", b"")], "image", "no data"),
        ([("prompt", "Edit"), ("image", b"%PDF-1.7 and so on")], "image", "not a picture"),
        ([("prompt", "Edit"), ("image", b"Some words of a text")], "image", "not a picture"),
        ([("prompt", "Edit"), ("image[]", RED), ("image[]", b"\x00\x01\x02\x03")], "image[1]", "not a picture"),
        ([("prompt", "Edit")] + [("image[]", RED)] * 15, "image", "at most 14"),
        ([("prompt", "Edit"), ("n", "1000"), ("image", RED)], "n", "between 1 and 8"),
        ([("prompt", "Edit"), ("n", "two"), ("image", RED)], "n", "a whole number"),
        ([("prompt", "Edit"), ("size", "0x0"), ("image", RED)], "size", "1024x1024"),
        ([("prompt", "Edit"), ("image", RED), ("mask", b"")], "mask", "no data"),
        ([("prompt", "Edit"), ("image", RED), ("mask", b"words, not a mask")], "mask", "not a picture"),
        ([("prompt", "Edit"), ("image", RED), ("mask", mask((64, 48), (0, 0, 9, 9)))], "mask", "640x480"),
        ([("prompt", "Edit"), ("image", RED), ("mask", RED[:60])], "mask", "damaged"),
        ([("prompt", "Edit"), ("image", png_header(60_000, 60_000)), ("mask", RED)], "mask", "pixels"),
        ([("prompt", b"Edit"), ("image", RED)], "prompt", "not a file"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_with_a_form_is_named(
    server: Pollux, emulator: Emulator, fields: list[tuple[str, str | bytes]], param: str, said: str
) -> None:
    """Before anything is paid for."""
    answer = post(server, EDITS, *fields)

    assert answer.status == 400
    assert answer.error["param"] == param
    assert said in answer.error["message"]
    assert calls(emulator) == []


@pytest.mark.parametrize(
    ("given", "status", "param"),
    [
        ({}, 400, "image"),
        ({"images": []}, 400, "image"),
        ({"images": [{}]}, 400, "images[0].image_url"),
        ({"images": [{"image_url": "data:image/png;base64,!!!"}]}, 400, "images[0].image_url"),
        ({"images": [{"image_url": "hello"}]}, 400, "images[0].image_url"),
        ({"images": [{"image_url": "http://127.0.0.1/a.png"}]}, 400, "images[0].image_url"),
        ({"images": [{"image_url": url_of(b"%PDF-1.7", "application/pdf")}]}, 400, "images[0].image_url"),
        ({"images": [{"file_id": "file-" + "a" * 24}]}, 404, "images[0].file_id"),
        ({"images": [{"file_id": "abc"}]}, 400, "images[0].file_id"),
        ({"images": [{"image_url": url_of(RED)}], "mask": {"file_id": "file-" + "a" * 24}}, 404, "mask.file_id"),
        ({"images": [{"image_url": url_of(RED)}] * 17}, 400, "images"),
        ({"images": "all"}, 400, "images"),
    ],
    ids=str,
)
def test_what_is_wrong_with_json_is_named(server: Pollux, emulator: Emulator, given: Json, status: int, param: str) -> None:
    """Unknown and foreign ids are the same."""
    answer = edit(server, **given)

    assert answer.status == status
    assert answer.error["param"] == param
    assert calls(emulator) == []


def test_the_file_of_another_owner_is_unknown(server: Pollux) -> None:
    """Exactly as an id that nobody has."""
    theirs = stored(server, RED)
    given = msgspec.json.encode({"model": MODEL, "prompt": "Edit", "images": [{"file_id": theirs}]})
    answer = ask(server.url, EDITS, body=given, key="the-key-of-somebody-else")

    assert answer.status == 404
    assert answer.error["message"] == f"No such File object: {theirs}"


def test_a_form_that_is_cut_leaves_nothing(server: Pollux, emulator: Emulator) -> None:
    """It is no request."""
    body, content_type = form(("model", MODEL), ("prompt", "Edit"), ("image", RED))
    answer = ask(server.url, EDITS, body=body[:-30], headers={"Content-Type": content_type})

    assert answer.error["code"] == "invalid_multipart"
    assert calls(emulator) == []


def test_three_gigabytes_are_refused_unread(server: Pollux, emulator: Emulator) -> None:
    """By what the request says of its length; whoever does not say it is stopped at the limit."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=20)
    connection.putrequest("POST", EDITS)
    connection.putheader("Authorization", f"Bearer {KEY}")
    connection.putheader("Content-Type", form()[1])
    connection.putheader("Content-Length", "3000000000")
    connection.endheaders()
    answer = connection.getresponse()
    connection.close()

    assert answer.status == 413
    assert calls(emulator) == []
