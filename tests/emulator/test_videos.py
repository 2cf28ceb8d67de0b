"""Films of Veo: begun, polled, downloaded and played; what is refused; how they end badly."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai

from pollux.emulator import Emulator, EmulatorServer, ManualClock
from pollux.emulator.limits import FILMS_WAITING_MAX
from pollux.emulator.sound_files import heard
from tests.emulator.filming import is_near, picture, watch
from tests.emulator.in_process import KEY, Reply, call

MODEL = "veo-3.1-generate-preview"

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    emulator = Emulator(clock=ManualClock())
    yield emulator
    emulator.close()


async def begin(emulator: Emulator, instance: dict[str, Any] | None = None, *, model: str = MODEL, **parameters: Any) -> Reply:
    body = {"instances": [{"prompt": "A wave", **(instance or {})}], "parameters": parameters}
    return await call(emulator, f"/v1beta/models/{model}:predictLongRunning", body)


async def poll(emulator: Emulator, name: str, **more: Any) -> Reply:
    return await call(emulator, f"/v1beta/{name}", method="GET", **more)


def inline(colour: str = "red") -> dict[str, str]:
    return {"bytesBase64Encoded": base64.b64encode(picture(colour)).decode(), "mimeType": "image/png"}


async def made(emulator: Emulator, instance: dict[str, Any] | None = None, **parameters: Any) -> str:
    """Make a film and give its address."""
    name = (await begin(emulator, instance, **parameters)).json["name"]
    emulator.clock.advance(3)
    reply = await poll(emulator, name)
    uri = reply.json["response"]["generateVideoResponse"]["generatedSamples"][0]["video"]["uri"]
    assert isinstance(uri, str)
    return uri


async def download(emulator: Emulator, uri: str) -> bytes:
    """Follow the redirect, as recorded: the second request needs the key too."""
    redirect = await call(emulator, uri.removeprefix("http://emulator.test"), method="GET")
    assert redirect.status == 302
    reply = await call(emulator, redirect.headers["location"].removeprefix("http://emulator.test"), method="GET")
    assert reply.headers["content-type"] == "video/mp4"
    return reply.body


async def test_a_film_plays(emulator: Emulator) -> None:
    """Of the asked duration and shape, with 24 frames a second and a sound in which the prompt is said."""
    prompt = "A calm ocean wave at sunset."
    wanted = {"durationSeconds": 4, "aspectRatio": "9:16", "negativePrompt": "people"}
    data = await download(emulator, await made(emulator, {"prompt": prompt}, **wanted))
    film = watch(data)

    assert (film.size, film.rate, len(film.frames)) == ((720, 1280), 24, 96)
    assert film.seconds == pytest.approx(4)
    assert film.sound_seconds == pytest.approx(4, abs=0.05)
    assert film.codecs == ("h264", "aac")
    assert heard(data, "video/mp4") == prompt
    assert film.luma(10) != film.luma(80)


async def test_googles_client_downloads_a_film() -> None:
    """It follows the redirect; since version 3 it can no longer begin films of Veo with a key."""
    with EmulatorServer(Emulator(clock=ManualClock())) as server:
        client = genai.Client(api_key=KEY, http_options={"base_url": server.url})
        uri = await made(server.emulator, durationSeconds=4)
        data = client.files.download(file=client.files.get(name="files/" + uri.split("/files/")[1].split(":")[0]))
        client.close()

        assert len(watch(data).frames) == 96


async def test_a_full_resolution_film_has_its_size(emulator: Emulator) -> None:
    """1080p needs eight seconds."""
    film = watch(await download(emulator, await made(emulator, resolution="1080p")))

    assert film.size == (1920, 1080)
    assert film.seconds == pytest.approx(8)


async def test_films_differ_by_prompt_and_seed_and_are_equal_otherwise(emulator: Emulator) -> None:
    """Byte by byte."""
    first, again, other, seeded = [
        await download(emulator, await made(emulator, {"prompt": prompt}, durationSeconds=4, seed=seed))
        for prompt, seed in (("A wave", 1), ("A wave", 1), ("A hill", 1), ("A wave", 2))
    ]

    assert first == again
    assert len({first, other, seeded}) == 3


async def test_a_first_and_a_last_picture_are_seen_and_what_lies_between(emulator: Emulator) -> None:
    """Interpolation: the film begins with the one, ends with the other, and is a mixture in the middle."""
    film = watch(await download(emulator, await made(emulator, {"image": inline("red"), "lastFrame": inline("blue")})))

    assert is_near(film.colour(0), RED)
    assert is_near(film.colour(96), (127, 0, 127))
    assert is_near(film.colour(-1), BLUE)


async def test_a_picture_is_animated_and_references_are_shown(emulator: Emulator) -> None:
    """The picture is the film's first frame and stays behind the ball; references stand at the bottom."""
    animated = watch(await download(emulator, await made(emulator, {"image": inline("red")}, durationSeconds=4)))
    references = [{"image": inline(colour), "referenceType": "ASSET"} for colour in ("red", "blue")]
    shown = watch(await download(emulator, await made(emulator, {"referenceImages": references})))

    assert is_near(animated.colour(0), RED)
    assert is_near(animated.colour(50), RED)
    assert is_near(shown.colour(50, (0.15, 0.55)), RED)
    assert is_near(shown.colour(50, (0.30, 0.55)), BLUE)


async def test_a_film_is_extended_by_seven_seconds(emulator: Emulator) -> None:
    """The film before stands in it unchanged, picture and sound, and fades into what follows."""
    first = await made(emulator, {"prompt": "It begins."}, durationSeconds=4)
    second = await download(emulator, await made(emulator, {"prompt": "It goes on.", "video": {"uri": first}}))
    before, film = watch(await download(emulator, first)), watch(second)

    assert film.seconds == pytest.approx(11)
    assert film.sound_seconds == pytest.approx(11, abs=0.05)
    assert len(film.frames) == 11 * 24
    assert [film.luma(frame) for frame in (0, 50, 95)] == [before.luma(frame) for frame in (0, 50, 95)]
    assert is_near(film.colour(96), before.colour(95))
    assert not is_near(film.colour(-1), before.colour(95), 5)
    assert (heard(second, "video/mp4") or "").split("\n") == ["It begins.", "It goes on."]


async def test_an_extension_needs_a_film_of_veo_of_its_shape(emulator: Emulator) -> None:
    """An uploaded film is none, nor is another project's."""
    first = await made(emulator, durationSeconds=4)
    own = emulator.files.generate(emulator.projects.of_key(KEY), b"film", "video/mp4")
    foreign = await begin(emulator, {"video": {"uri": f"files/{own.id}"}})
    tall = await begin(emulator, {"video": {"uri": first}}, aspectRatio="9:16")
    large = await begin(emulator, {"video": {"uri": first}}, resolution="1080p")

    assert foreign.message == "Input video must be a video that was generated by VEO that has been processed."
    assert tall.message == "Input video must be 720p, of the same aspect ratio, and at most 141 seconds."
    assert large.message == "Extending a video is supported with resolution 720p and without images only."


async def test_while_it_runs_an_operation_is_only_its_name(emulator: Emulator) -> None:
    """As recorded; the clock alone decides when it is done, and it tells the same each time."""
    name = (await begin(emulator, durationSeconds=4)).json["name"]
    running = [(await poll(emulator, name)).json for _ in range(2)]
    emulator.clock.advance(3)
    done = [(await poll(emulator, name)).json for _ in range(2)]

    assert name.startswith(f"models/{MODEL}/operations/")
    assert running == [{"name": name}] * 2
    assert done[0] == done[1]
    assert list(done[0]) == ["name", "done", "response"]
    assert list(done[0]["response"]) == ["@type", "generateVideoResponse"]


async def test_several_samples_are_several_films(emulator: Emulator) -> None:
    """With `sampleCount`; each has its own address."""
    name = (await begin(emulator, durationSeconds=4, sampleCount=2)).json["name"]
    emulator.clock.advance(3)
    samples = (await poll(emulator, name)).json["response"]["generateVideoResponse"]["generatedSamples"]
    project = emulator.projects.of_key(KEY)
    files = [emulator.files.find(project, one["video"]["uri"].split("/files/")[1].split(":")[0]) for one in samples]

    assert len({file.content.sha256 for file in files}) == 2


async def test_operations_and_films_are_their_projects_own_and_gone_after_two_days(emulator: Emulator) -> None:
    """Another key, another model and a made-up name find nothing."""
    name = (await begin(emulator, durationSeconds=4)).json["name"]
    emulator.clock.advance(3)
    uri = (await poll(emulator, name)).json["response"]["generateVideoResponse"]["generatedSamples"][0]["video"]["uri"]
    path = uri.removeprefix("http://emulator.test")
    foreign = await poll(emulator, name, key="another-key")
    wrong = await poll(emulator, name.replace("generate", "fast-generate"))
    made_up = await poll(emulator, f"models/{MODEL}/operations/nothing")
    before = await call(emulator, path, method="GET")
    emulator.clock.advance(48 * 3600)
    after = await call(emulator, path, method="GET")

    assert [reply.status for reply in (foreign, wrong, made_up, before)] == [404, 404, 404, 302]
    assert foreign.json["error"] == {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}
    assert (await poll(emulator, name)).status == 404
    assert after.status == 403


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ("filtered", "Sorry, we couldn't generate a video because your prompt may go against our usage policies."),
        ("filtered-audio", "We encountered an issue with the audio for your prompt"),
    ],
)
async def test_a_filtered_film_is_done_without_samples(fault: str, answer: str) -> None:
    """The count and the reasons tell why."""
    emulator = Emulator(clock=ManualClock(), rules=[{"fault": f"operation={fault}; processing=0"}])
    reply = await poll(emulator, (await begin(emulator)).json["name"])
    told = reply.json["response"]["generateVideoResponse"]

    assert reply.json["done"] is True
    assert list(told) == ["raiMediaFilteredCount", "raiMediaFilteredReasons"]
    assert told["raiMediaFilteredCount"] == 1
    assert told["raiMediaFilteredReasons"][0].startswith(answer)


async def test_a_rule_can_match_the_prompt() -> None:
    """The prompt of a film is its user's text, here and in interactions."""
    rule = {"fault": "operation=filtered; processing=0", "match": {"text": "forbidden", "model": "*o*"}}
    emulator = Emulator(rules=[rule])
    names = [(await begin(emulator, {"prompt": prompt})).json["name"] for prompt in ("A forbidden wave", "A wave")]
    answers = [(await poll(emulator, name)).json for name in names]
    omni = {"model": "gemini-omni-1.1-flash", "input": [{"type": "text", "text": "A forbidden wave"}]}
    interaction = await call(emulator, "/v1beta/interactions", omni)
    emulator.close()

    assert ["response" in answer for answer in answers] == [True, False]
    assert "steps" not in interaction.json or interaction.json["steps"] == []


async def test_a_failed_operation_has_an_error_and_no_response() -> None:
    """With a code of google.rpc, not of HTTP."""
    emulator = Emulator(rules=[{"fault": "operation=failed; processing=0"}])
    reply = await poll(emulator, (await begin(emulator)).json["name"])

    assert list(reply.json) == ["name", "done", "error"]
    assert reply.json["error"]["code"] == 13


UNSUPPORTED = (
    "`{}` isn't supported by this model. Please remove it or refer to the Gemini API documentation for supported usage."
)
BROKEN = "Unable to process input image. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"
BOUND = "The number value for `{}` is out of bound. Please provide a value between {} and {}, inclusive."


@pytest.mark.parametrize(
    ("instance", "parameters", "words"),
    [
        ({}, {"durationSeconds": 5}, BOUND.format("durationSeconds", 4, 8)),
        ({}, {"durationSeconds": 60}, BOUND.format("durationSeconds", 4, 8)),
        ({}, {"durationSeconds": "8"}, "The value type for `durationSeconds` needs to be a number."),
        ({}, {"resolution": "1080p", "durationSeconds": 4},
         "Resolution 1080p requires duration seconds to be 8 seconds, but got 4."),
        ({}, {"resolution": "1024p"}, "The string value `1024p` for `resolution` is invalid."),
        ({}, {"aspectRatio": "1:1"}, "The string value `1:1` for `aspectRatio` is invalid."),
        ({}, {"numberOfVideos": 1}, UNSUPPORTED.format("numberOfVideos")),
        ({}, {"generateAudio": True}, UNSUPPORTED.format("generateAudio")),
        ({}, {"sampleCount": 5}, BOUND.format("sampleCount", 1, 4)),
        ({}, {"seed": -1}, BOUND.format("seed", 0, 2**32 - 1)),
        ({}, {"personGeneration": "everybody"}, "everybody for personGeneration is currently not supported."),
        ({"image": inline()}, {"personGeneration": "allow_all"}, "allow_all for personGeneration is currently not supported."),
        ({"lastFrame": inline()}, {},
         "`lastFrame` can only be used together with `image`. Please provide a value for `image`."),
        ({"image": {"imageBytes": "AAAA"}}, {}, UNSUPPORTED.format("imageBytes")),
        ({"image": {"bytesBase64Encoded": "AAAA", "mimeType": "image/png"}}, {}, BROKEN),
        ({"referenceImages": [{"image": inline(), "referenceType": "asset"}] * 4}, {},
         "The number of `referenceImages` is out of bound. Please provide at most 3."),
        ({"referenceImages": [{"image": inline()}]}, {"durationSeconds": 4},
         "Reference images requires duration seconds to be 8 seconds, but got 4."),
        ({"video": {"uri": "files/abc"}}, {}, "Input video must be a video that was generated by VEO that has been processed."),
        ({"video": {"uri": "files/abc", "encoding": "video/mp4"}}, {}, UNSUPPORTED.format("encoding")),
        ({"prompt": " "}, {}, "The prompt is empty. Please provide a value for `prompt`."),
    ],
)  # fmt: skip
async def test_refusals(instance: dict[str, Any], parameters: dict[str, Any], words: str) -> None:
    """In the service's words, where they are known; nothing is begun."""
    emulator = Emulator()
    reply = await begin(emulator, instance, **parameters)

    assert reply.status == 400
    assert reply.message == words
    assert emulator.resources.operations.waiting() == 0


async def test_models_without_films_are_not_found() -> None:
    """Text models, and those that were shut down."""
    text, gone = await begin(Emulator(), model="gemini-3.6-flash"), await begin(Emulator(), model="veo-2.0-generate-001")
    lite = await begin(Emulator(), model="veo-3.1-lite-generate-preview", resolution="4k")

    assert text.message.startswith(
        "models/gemini-3.6-flash is not found for API version v1beta, or is not supported for predictLong"
    )
    assert gone.message.startswith("This model models/veo-2.0-generate-001 is no longer available.")
    assert lite.message == "The string value `4k` for `resolution` is invalid."


async def test_only_so_many_films_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the service is busy; what nobody fetches is given up with the emulator."""
    emulator = Emulator(clock=ManualClock())
    monkeypatch.setattr(emulator.resources.operations, "waiting", lambda: FILMS_WAITING_MAX)
    reply = await begin(emulator)

    assert reply.status == 429
