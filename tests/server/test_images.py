"""POST /images/generations against the emulator, which draws: what is sent, what comes back, decoded and measured."""

import base64
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import PIL.Image
import pytest

from pollux.emulator import Emulator, EmulatorServer
from tests.judges import openai_document
from tests.server.asking import Answer, Pollux, ask, pollux
from tests.server.picturing import events, opened

PATH = "/v1/images/generations"
MODEL = "gemini-nano-banana-2.1"
PROMPT = "A lighthouse in the fog"

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


def draw(server: Pollux, prompt: str = PROMPT, **more: Any) -> Json:
    """Ask for pictures, and give the answer, which OpenAI's document takes."""
    answer = ask(server.url, PATH, json={"model": MODEL, "prompt": prompt} | more)
    assert answer.status == 200, answer.body[:500]
    assert openai_document.validate("ImagesResponse", answer.json) == []
    found: Json = answer.json
    return found


def config_sent(emulator: Emulator) -> Json:
    """Give the generation config of the only native call."""
    [entry] = calls(emulator)
    found: Json = entry["body"]["generationConfig"]
    return found


def calls(emulator: Emulator) -> list[Json]:
    """Give the native calls for pictures; a retired name is looked for in the list of models first."""
    return [entry for entry in emulator.journal.entries() if entry["native_method"] == "generateContent"]


def test_a_prompt_becomes_a_picture_that_opens(server: Pollux, emulator: Emulator) -> None:
    """As base64 where nothing is asked for; its type, size and tokens are told as they are."""
    answer = draw(server)
    [image] = answer["data"]
    picture = opened(image)

    assert config_sent(emulator) == {"responseModalities": ["IMAGE"]}
    assert (picture.format, picture.size) == ("JPEG", (1024, 1024))
    assert (answer["output_format"], answer["size"], answer["background"]) == ("jpeg", "1024x1024", "opaque")
    assert answer["usage"]["output_tokens_details"]["image_tokens"] == 1120
    assert answer["usage"]["total_tokens"] == answer["usage"]["input_tokens"] + answer["usage"]["output_tokens"]


@pytest.mark.parametrize(
    ("model", "size", "sent", "made"),
    [
        (MODEL, "auto", None, (1024, 1024)),
        (MODEL, "1024x1024", {"aspectRatio": "1:1", "imageSize": "1K"}, (1024, 1024)),
        (MODEL, "1376x768", {"aspectRatio": "16:9", "imageSize": "1K"}, (1376, 768)),
        (MODEL, "1536x1024", {"aspectRatio": "3:2", "imageSize": "2K"}, (2528, 1696)),
        (MODEL, "1024x1792", {"aspectRatio": "9:16", "imageSize": "2K"}, (1536, 2752)),
        (MODEL, "256x256", {"aspectRatio": "1:1", "imageSize": "1K"}, (1024, 1024)),
        (MODEL, "3000x400", {"aspectRatio": "8:1", "imageSize": "4K"}, (12288, 1536)),
        ("gemini-3.1-flash-lite-image", "256x256", {"aspectRatio": "1:1", "imageSize": "512"}, (512, 512)),
        ("gemini-3.1-flash-lite-image", "4096x4096", {"aspectRatio": "1:1", "imageSize": "1K"}, (1024, 1024)),
        ("gemini-3-pro-image", "400x3000", {"aspectRatio": "9:16", "imageSize": "4K"}, (3072, 5504)),
        ("gemini-2.5-flash-image", "1792x1024", {"aspectRatio": "16:9"}, (1344, 768)),
    ],
)
def test_a_size_becomes_the_nearest_that_the_model_makes(
    server: Pollux, emulator: Emulator, model: str, size: str, sent: Json | None, made: tuple[int, int]
) -> None:
    """A size that the model makes is that one; any other is noted as approximated."""
    answer = ask(server.url, PATH, json={"model": model, "prompt": PROMPT, "size": size})
    [image] = answer.json["data"]
    exact = size in ("auto", f"{made[0]}x{made[1]}")

    assert config_sent(emulator).get("imageConfig") == sent
    assert opened(image).size == made
    assert answer.json["size"] == f"{made[0]}x{made[1]}"
    assert answer.headers.get("x-pollux-losses") == (None if exact else "size=approximated")


@pytest.mark.parametrize(
    "given",
    [
        {"extra_body": {"google": {"aspect_ratio": "16:9"}}},
        {"extra_body": {"google": {"aspectRatio": "16:9"}}},
        {"extra_body": {"aspect_ratio": "16:9"}},
        {"google": {"aspect_ratio": "16:9"}},
        {"aspect_ratio": "16:9"},
        {"aspectRatio": "16:9"},
        {"generationConfig": {"imageConfig": {"aspectRatio": "16:9"}}},
        {"extra_body": {"google": {"generation_config": {"image_config": {"aspect_ratio": "16:9"}}}}},
    ],
    ids=str,
)
def test_the_aspect_ratio_may_be_said_in_many_places(server: Pollux, emulator: Emulator, given: Json) -> None:
    """`extra_body.google.x`, `extra_body.x`, `google.x` and bare `x`; snake and camel case alike."""
    [image] = draw(server, **given)["data"]

    assert config_sent(emulator)["imageConfig"] == {"aspectRatio": "16:9"}
    assert opened(image).size == (1376, 768)


def test_geminis_own_fields_arrive(server: Pollux, emulator: Emulator) -> None:
    """Generation config, safety settings and search; words beside the picture and sources are told."""
    answer = draw(
        server,
        "Explain the tides in a picture",
        extra_body={
            "google": {
                "generation_config": {"responseModalities": ["TEXT", "IMAGE"], "seed": 7},
                "safety_settings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
                "tools": [{"google_search": {}}],
            }
        },
    )
    [entry] = calls(emulator)
    beside = answer["data"][0]["extra_content"]["google"]

    assert entry["body"]["generationConfig"] == {"responseModalities": ["TEXT", "IMAGE"], "seed": 7}
    assert entry["body"]["safetySettings"] == [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}]
    assert entry["body"]["tools"] == [{"googleSearch": {}}]
    assert beside["text"]
    assert beside["grounding_metadata"]


def test_the_guides_candidate_count_is_n(server: Pollux, emulator: Emulator) -> None:
    """The table's own example asks for two."""
    config = {"responseModalities": ["IMAGE"], "candidateCount": 2}
    answer = draw(server, extra_body={"google": {"generation_config": config}})

    assert len(answer["data"]) == 2
    assert [entry["body"]["generationConfig"] for entry in calls(emulator)] == [{"responseModalities": ["IMAGE"]}] * 2


def test_n_pictures_are_n_calls_whose_tokens_add_up(server: Pollux, emulator: Emulator) -> None:
    """With a seed each picture has its own, so that they differ."""
    one = draw(server)["usage"]
    three = draw(server, n=3, generation_config={"seed": 5})
    seeds = [entry["body"]["generationConfig"].get("seed") for entry in calls(emulator)]

    assert len({image["b64_json"] for image in three["data"]}) == 3
    assert sorted(seeds[1:]) == [5, 6, 7]
    assert three["usage"]["output_tokens_details"]["image_tokens"] == 3 * one["output_tokens_details"]["image_tokens"]
    assert three["usage"]["input_tokens"] == 3 * one["input_tokens"]


@pytest.mark.parametrize(
    ("given", "form", "mime"),
    [
        ({"output_format": "png"}, "png", "PNG"),
        ({"output_format": "webp", "output_compression": 40}, "webp", "WEBP"),
        ({"output_format": "jpeg", "output_compression": 10}, "jpeg", "JPEG"),
        ({"output_format": "jpeg", "output_compression": 100}, "jpeg", "JPEG"),
    ],
)
def test_the_format_that_was_asked_for_comes(server: Pollux, given: Json, form: str, mime: str) -> None:
    """In the size that the model made."""
    answer = draw(server, **given)
    picture = opened(answer["data"][0])

    assert answer["output_format"] == form
    assert (picture.format, picture.size) == (mime, (1024, 1024))


def test_a_stronger_compression_makes_a_smaller_picture(server: Pollux) -> None:
    """The number is a quality, as OpenAI's is."""
    sizes = [
        len(draw(server, output_format="jpeg", output_compression=quality)["data"][0]["b64_json"]) for quality in (5, 50, 100)
    ]

    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[1] / 1.5


def test_quality_is_the_image_size_where_none_is_asked_for(server: Pollux, emulator: Emulator) -> None:
    """It is approximated, and says so; a size outranks it."""
    answer = ask(server.url, PATH, json={"model": MODEL, "prompt": PROMPT, "quality": "high"})
    both = ask(server.url, PATH, json={"model": MODEL, "prompt": PROMPT, "quality": "hd", "size": "1024x1024"})
    configs = [entry["body"]["generationConfig"]["imageConfig"] for entry in calls(emulator)]

    assert configs == [{"imageSize": "2K"}, {"aspectRatio": "1:1", "imageSize": "1K"}]
    assert (answer.json["quality"], answer.json["size"]) == ("high", "2048x2048")
    assert answer.headers["x-pollux-losses"] == "quality=approximated"
    assert both.headers["x-pollux-losses"] == "quality=ignored"


def test_what_has_no_counterpart_is_reported(server: Pollux) -> None:
    """In the header, in the body on request; in strict mode it is refused before anything is paid."""
    given = {
        "model": MODEL, "prompt": PROMPT, "style": "vivid", "moderation": "low", "user": "u", "background": "transparent",
        "partial_images": 2, "nonsense": 1, "output_compression": 50,
    }  # fmt: skip
    answer = ask(server.url, PATH, json=given, headers={"x-pollux-report": "body"})
    strict = ask(server.url, PATH, json=given, headers={"x-pollux-strict": "true"})
    neutral = {"moderation": "auto", "background": "opaque", "partial_images": 0, "quality": "auto", "size": "auto"}
    codes = {loss["code"] for loss in answer.json["extra_content"]["pollux"]["losses"]}

    ignored = ("unknown", "background", "moderation", "style", "partial_images", "user", "output_compression")

    assert codes == {f"{name}=ignored" for name in ignored}
    assert set(answer.headers["x-pollux-losses"].split(", ")) == codes
    assert strict.error["code"] == "strict_mode"
    assert "x-pollux-losses" not in ask(server.url, PATH, json={"model": MODEL, "prompt": PROMPT} | neutral).headers


def test_a_request_without_a_model_is_answered(server: Pollux) -> None:
    """As OpenAI's document allows; the setting says by which."""
    answer = ask(server.url, PATH, json={"prompt": PROMPT})

    assert answer.status == 200
    assert answer.headers["x-pollux-losses"] == "model=added"


@pytest.mark.parametrize(
    ("given", "param", "said"),
    [
        ({"n": 1000}, "n", "between 1 and 8"),
        ({"n": 0}, "n", "between 1 and 8"),
        ({"n": "two"}, "n", "a whole number"),
        ({"size": "0x0"}, "size", "1024x1024"),
        ({"size": "abc"}, "size", "1024x1024"),
        ({"size": "99999x2"}, "size", "1024x1024"),
        ({"size": 1024}, "size", "a text"),
        ({"quality": "best"}, "quality", "low"),
        ({"output_format": "gif"}, "output_format", "png, jpeg, webp"),
        ({"output_format": "tiff"}, "output_format", "png, jpeg, webp"),
        ({"output_format": "jpeg", "output_compression": 101}, "output_compression", "between 0 and 100"),
        ({"response_format": "base64"}, "response_format", "b64_json or url"),
        ({"prompt": " "}, "prompt", "empty"),
        ({"prompt": None}, "prompt", ""),
        ({"aspect_ratio": "7:5"}, "aspect_ratio", "16:9"),
        ({"extra_body": {"google": {"aspect_ratio": 1.5}}}, "extra_body.google.aspect_ratio", "a text"),
        ({"extra_body": {"google": {"generation_config": {"responseModalities": ["TEXT"]}}}},
         "extra_body.google.generation_config.responseModalities", "IMAGE"),
        ({"generation_config": {"image_config": {"image_size": "8K"}}}, "generation_config.image_config.image_size", "4K"),
        ({"generation_config": {"response_mime_type": "application/json"}}, "generation_config.response_mime_type", "pictures"),
        ({"n": 2, "generation_config": {"candidate_count": 3}}, "n", "different"),
        ({"generation_config": 1}, "generation_config", "an object"),
        ({"safety_settings": [{"category": "X"}]}, "safety_settings[0].threshold", "missing"),
        ({"tools": ["google_search"]}, "tools[0]", "google_search"),
        ({"tools": [{"functionDeclarations": []}]}, "tools[0]", "functions"),
        ({"model": "no such model"}, "model", "no model"),
        ({"model": "gemini-3.6-flash"}, "model", "gemini-nano-banana-2.1"),
        ({"model": "veo-3.1-generate"}, "model", "draws no pictures"),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_value_is_named(server: Pollux, emulator: Emulator, given: Json, param: str, said: str) -> None:
    """Clearly, and before anything is paid for."""
    answer = ask(server.url, PATH, json={"model": MODEL, "prompt": PROMPT} | given)

    assert answer.status in (400, 404)
    assert answer.error["param"] == param
    assert said in answer.error["message"]
    assert calls(emulator) == []


@pytest.mark.parametrize(
    ("fault", "code", "native"),
    [
        ("blocked=PROHIBITED_CONTENT", "content_policy_violation", "PROHIBITED_CONTENT"),
        ("finish=IMAGE_SAFETY", "content_policy_violation", "IMAGE_SAFETY"),
        ("finish=IMAGE_PROHIBITED_CONTENT", "content_policy_violation", "IMAGE_PROHIBITED_CONTENT"),
        ("finish=NO_IMAGE", "no_image", "NO_IMAGE"),
        ("finish=IMAGE_OTHER", "no_image", "IMAGE_OTHER"),
        ("finish=SOMETHING_NEW", "no_image", "SOMETHING_NEW"),
    ],
)
def test_an_answer_without_a_picture_is_an_error_with_the_native_reason(
    server: Pollux, fault: str, code: str, native: str
) -> None:
    """Never an empty list of pictures."""
    answer = ask(server.url, PATH, json={"model": MODEL, "prompt": PROMPT}, headers={"x-emulator-fault": fault})

    assert answer.status == 400
    assert answer.error["code"] == code
    assert answer.error["param"] == "prompt"
    assert native in answer.error["message"]
    assert native in str(answer.error["extra_content"]["google"])


def test_words_in_the_place_of_a_picture_are_quoted(server: Pollux) -> None:
    """The model may write too, and was asked a question."""
    answer = ask(
        server.url,
        PATH,
        json={"model": MODEL, "prompt": "What is a mutex?", "generation_config": {"response_modalities": ["TEXT", "IMAGE"]}},
    )

    assert answer.error["code"] == "no_image"
    assert "It answered in words" in answer.error["message"]


def test_several_calls_fail_as_one(server: Pollux) -> None:
    """An answer with fewer pictures than were asked for would be none."""
    answer = ask(
        server.url, PATH, json={"model": MODEL, "prompt": PROMPT, "n": 3}, headers={"x-emulator-fault": "status=429; times=1"}
    )

    assert answer.status == 429


def test_a_stream_has_an_event_for_each_picture(server: Pollux) -> None:
    """Each is a whole one, with its tokens; there are no partial ones, and no [DONE]."""
    given: Json = {"n": 2, "generation_config": {"seed": 1}, "output_format": "webp"}
    answer = streamed(server, **given)
    told = events(answer.body)
    whole = draw(server, **given)
    messages = [message for _, message in told]

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [name for name, _ in told] == ["image_generation.completed"] * 2
    assert [openai_document.validate("ImageGenCompletedEvent", message) for message in messages] == [[], []]
    assert {message["b64_json"] for message in messages} == {image["b64_json"] for image in whole["data"]}
    assert sum(message["usage"]["total_tokens"] for message in messages) == whole["usage"]["total_tokens"]
    assert opened(messages[0]).format == "WEBP"


def streamed(server: Pollux, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    """Ask for a stream of pictures."""
    return ask(server.url, PATH, json={"model": MODEL, "prompt": PROMPT, "stream": True} | more, headers=headers or {})


def test_an_early_failure_of_a_stream_keeps_its_status(server: Pollux) -> None:
    """The status is not sent before the first picture is there."""
    assert streamed(server, {"x-emulator-fault": "finish=IMAGE_SAFETY"}).error["code"] == "content_policy_violation"


def test_a_report_in_the_body_stands_in_the_last_event(server: Pollux) -> None:
    """As with chat."""
    told = events(streamed(server, {"x-pollux-report": "body"}, n=2, style="vivid", response_format="url").body)

    assert "extra_content" not in told[0][1]
    assert [loss["code"] for loss in told[1][1]["extra_content"]["pollux"]["losses"]] == [
        "style=ignored",
        "response_format=ignored",
    ]


def test_a_link_opens_the_picture_without_a_key(server: Pollux) -> None:
    """It begins as the caller's own address did, holds nothing to read, and can be had in ranges."""
    answer = draw(server, response_format="url", output_format="png", n=2)
    url = answer["data"][0]["url"]
    picture = ask(server.url, urlsplit(url).path, key="")
    part = ask(server.url, urlsplit(url).path, key="", headers={"range": "bytes=0-7"})

    assert url.startswith(f"{server.url}/v1/images/")
    assert "b64_json" not in answer["data"][0]
    assert picture.headers["content-type"] == "image/png"
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert PIL.Image.open(io.BytesIO(picture.body)).size == (1024, 1024)
    assert (part.status, part.body) == (206, b"\x89PNG\r\n\x1a\n")
    assert ask(server.url, "/v1/files").json["data"] == []


@pytest.mark.parametrize("change", ["cut", "changed", "none"])
def test_a_link_that_nobody_gave_opens_nothing(server: Pollux, change: str) -> None:
    """A seal cannot be made up; what it says of an unknown one is what it says of one whose time has passed."""
    path = urlsplit(draw(server, response_format="url")["data"][0]["url"]).path
    token = path.rpartition("/")[2]
    other = {"cut": token[:-3], "changed": token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:], "none": "x"}[change]
    answer = ask(server.url, f"/v1/images/{other}", key="")

    assert answer.status == 404
    assert answer.error["code"] == "image_not_found"


def test_a_link_ends_with_its_time(upstream: EmulatorServer, tmp_path: Any) -> None:
    """The picture goes; nothing counts against its owner any more."""
    with pollux(upstream.url, upstream="emulator", data_dir=str(tmp_path), link_seconds=1.0) as server:
        path = urlsplit(draw(server, response_format="url")["data"][0]["url"]).path
        store = server.app.storing
        before = ask(server.url, path, key="").status
        clock = server.app.storing._store.clock  # type: ignore[union-attr] # the store is open by now
        clock.now_us = lambda: 2**53  # type: ignore[method-assign] # much later

        assert store is not None
        assert before == 200
        assert ask(server.url, path, key="").status == 404


def test_a_link_begins_with_the_public_address(upstream: EmulatorServer, tmp_path: Any) -> None:
    """Where a proxy stands before the server, a setting or the proxy's header says it."""
    with pollux(upstream.url, upstream="emulator", data_dir=str(tmp_path / "a")) as server:
        behind = ask(
            server.url,
            PATH,
            json={"model": MODEL, "prompt": PROMPT, "response_format": "url"},
            headers={"Host": "api.example.com", "X-Forwarded-Proto": "https"},
        )
    with pollux(upstream.url, upstream="emulator", data_dir=str(tmp_path / "b"), public_url="https://ai.example.org") as server:
        named = draw(server, response_format="url")

    assert behind.json["data"][0]["url"].startswith("https://api.example.com/v1/images/")
    assert named["data"][0]["url"].startswith("https://ai.example.org/v1/images/")


def test_an_owner_without_room_is_told_before_anything_is_paid(
    upstream: EmulatorServer, emulator: Emulator, tmp_path: Any
) -> None:
    """The pictures behind links count as the owner's files."""
    with pollux(upstream.url, upstream="emulator", data_dir=str(tmp_path), owner_bytes_max=10_000) as server:
        given = {"model": MODEL, "prompt": PROMPT, "response_format": "url"}
        tight = ask(server.url, PATH, json=given)

        assert tight.error["code"] == "storage_limit_exceeded"
        assert ask(server.url, "/v1/files").json["data"] == []


def test_both_bases_and_prompts_in_other_scripts(server: Pollux) -> None:
    """Thai and Hebrew are drawn too; the same prompt is the same picture, another one another."""
    thai = ask(server.url, "/v1beta/openai/images/generations", json={"model": MODEL, "prompt": "แมวในสวน"}).json
    hebrew = draw(server, "חתול בגן")

    assert thai["data"][0]["b64_json"] == draw(server, "แมวในสวน")["data"][0]["b64_json"]
    assert base64.b64decode(hebrew["data"][0]["b64_json"]) != base64.b64decode(thai["data"][0]["b64_json"])
