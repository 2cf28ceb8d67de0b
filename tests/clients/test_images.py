"""The official `openai` packages draw through the server, in Python and JavaScript."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import openai
import PIL.Image
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types import ImagesResponse

from tests.clients.conftest import Service
from tests.media.studio import picture
from tools import node

MODEL = "gemini-nano-banana-2.1"
PROMPT = "A red kite over the sea"


@pytest.fixture(params=["/v1", "/v1beta/openai/"])
def client(request: pytest.FixtureRequest, service: Service) -> Iterator[OpenAI]:
    """The client as users make it: key and base URL."""
    with OpenAI(api_key="any-key-of-a-user", base_url=service.url + request.param) as made:
        yield made


def size_of(text: str | None) -> tuple[int, int]:
    """Decode a picture of an answer to its last pixel, and give its size."""
    assert text is not None
    picture = PIL.Image.open(io.BytesIO(base64.b64decode(text)))
    picture.load()
    return picture.size


def test_generate(client: OpenAI) -> None:
    """Every field that the client's types promise has the right type."""
    made = client.images.generate(model=MODEL, prompt=PROMPT, n=2, size="1024x1024", output_format="png")

    assert ImagesResponse.model_validate(made.model_dump(), strict=True) == made
    assert made.data is not None
    assert [size_of(image.b64_json) for image in made.data] == [(1024, 1024)] * 2
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens > 0


def test_generate_with_extra_body(client: OpenAI) -> None:
    """As the guide nests it."""
    google = {"aspect_ratio": "21:9", "generation_config": {"image_config": {"image_size": "2K"}}}
    made = client.images.generate(model=MODEL, prompt=PROMPT, extra_body={"extra_body": {"google": google}})

    assert made.data is not None
    assert size_of(made.data[0].b64_json) == (3168, 1344)


def test_generate_behind_a_link(client: OpenAI) -> None:
    """The link opens without the client."""
    made = client.images.generate(model=MODEL, prompt=PROMPT, response_format="url")
    assert made.data is not None
    url = made.data[0].url
    assert url is not None
    with urlopen(url) as answer:
        assert PIL.Image.open(io.BytesIO(answer.read())).size == (1024, 1024)


def test_generate_streamed(client: OpenAI) -> None:
    """Completed events alone."""
    events = list(client.images.generate(model=MODEL, prompt=PROMPT, n=2, stream=True))

    assert [event.type for event in events] == ["image_generation.completed"] * 2
    assert all(size_of(event.b64_json) == (1024, 1024) for event in events)


async def test_generate_from_asyncio(service: Service) -> None:
    """The asynchronous client."""
    async with AsyncOpenAI(api_key="any", base_url=service.url + "/v1") as client:
        made = await client.images.generate(model=MODEL, prompt=PROMPT)

    assert made.data is not None
    assert size_of(made.data[0].b64_json) == (1024, 1024)


def test_a_refusal_is_an_error_of_the_client(client: OpenAI) -> None:
    """Which it does not repeat."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(
            model=MODEL, prompt=PROMPT, n=1, extra_headers={"x-emulator-fault": "finish=IMAGE_PROHIBITED_CONTENT"}
        )

    assert caught.value.code == "content_policy_violation"
    assert caught.value.param == "prompt"


def png(size: tuple[int, int] = (640, 480)) -> bytes:
    """Give a picture to edit."""
    return picture(size=size, colour=(220, 20, 20))


def test_edit(client: OpenAI) -> None:
    """One picture, a list of them, with a mask, and streamed."""
    hole = io.BytesIO()
    PIL.Image.new("RGBA", (640, 480), (0, 0, 0, 0)).save(hole, "PNG")
    one = client.images.edit(model=MODEL, prompt="Add a hat", image=("a.png", png()))
    two = client.images.edit(model=MODEL, prompt="Put them together", image=[("a.png", png()), ("b.png", png())])
    masked = client.images.edit(model=MODEL, prompt="Add a hat", image=io.BytesIO(png()), mask=hole.getvalue())
    events = list(client.images.edit(model=MODEL, prompt="Add a hat", image=png(), n=2, stream=True))

    assert [size_of(made.data[0].b64_json) for made in (one, two, masked) if made.data] == [(1200, 896)] * 2 + [(640, 480)]
    assert [event.type for event in events] == ["image_edit.completed"] * 2


def test_edit_with_extra_body(client: OpenAI, service: Service) -> None:
    """Which this client flattens into fields of the form."""
    google = {"aspect_ratio": "1:4", "generation_config": {"seed": 5, "responseModalities": ["IMAGE"]}}
    made = client.images.edit(model=MODEL, prompt="Taller", image=png(), extra_body={"extra_body": {"google": google}})
    [entry] = service.emulator.journal.entries()

    assert entry["body"]["generationConfig"] == {
        "seed": 5,
        "imageConfig": {"aspectRatio": "1:4"},
        "responseModalities": ["IMAGE"],
    }
    assert made.data is not None
    assert size_of(made.data[0].b64_json) == (512, 2048)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
def test_create_variation(client: OpenAI) -> None:
    """OpenAI has retired the model, not the method."""
    made = client.images.create_variation(model=MODEL, image=png(), n=2, size="1024x1024")

    assert made.data is not None
    assert [size_of(image.b64_json) for image in made.data] == [(1024, 1024)] * 2


HEAD = """
import OpenAI, { toFile } from "openai";
import fs from "node:fs";
const model = "gemini-nano-banana-2.1";
const prompt = "A red kite over the sea";
const client = new OpenAI({ apiKey: "any-key-of-a-user", baseURL: process.env.BASE });
const out = {};
"""


def run(service: Service, script: str, base: str = "/v1", **env: str) -> Any:
    """Run a script that fills `out`, and give it."""
    done = node.run_script(f"{HEAD}{script}\nconsole.log(JSON.stringify(out));", env={"BASE": service.url + base} | env)

    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout)


@pytest.mark.parametrize("base", ["/v1", "/v1beta/openai/"])
def test_javascript_generates(service: Service, base: str) -> None:
    """Whole, behind a link, streamed, and refused."""
    out = run(
        service,
        """
        const whole = await client.images.generate({ model, prompt, output_format: "webp",
          extra_body: { google: { aspect_ratio: "9:16" } } });
        out.picture = whole.data[0].b64_json; out.size = whole.size;
        out.url = (await client.images.generate({ model, prompt, response_format: "url" })).data[0].url;
        out.types = [];
        for await (const event of await client.images.generate({ model, prompt, n: 2, stream: true }))
          out.types.push([event.type, event.size, event.usage.output_tokens > 0]);
        try { await client.images.generate({ model, prompt, n: 1000 }); }
        catch (error) { out.refused = [error.status, error.param]; }
        """,
        base,
    )

    assert size_of(out["picture"]) == (768, 1376)
    assert out["size"] == "768x1376"
    assert out["url"].startswith(service.url)
    assert out["types"] == [["image_generation.completed", "1024x1024", True]] * 2
    assert out["refused"] == [400, "n"]


def test_javascript_edits(service: Service, tmp_path: Path) -> None:
    """One picture, a list of them, Gemini's own fields, streamed, and a variation."""
    (tmp_path / "a.png").write_bytes(png())
    out = run(
        service,
        """
        const image = () => fs.createReadStream(process.env.PICTURE);
        const size = (answer) => answer.size;
        out.one = size(await client.images.edit({ model, prompt, image: image() }));
        out.two = size(await client.images.edit({ model, prompt, image: [image(), image()],
          extra_body: { google: { aspect_ratio: "8:1", generation_config: { seed: 3 } } } }));
        const mask = await toFile(fs.readFileSync(process.env.PICTURE), "mask.png", { type: "image/png" });
        out.masked = size(await client.images.edit({ model, prompt, image: image(), mask }));
        out.types = [];
        for await (const event of await client.images.edit({ model, prompt, image: image(), stream: true }))
          out.types.push(event.type);
        out.variation = size(await client.images.createVariation({ model, image: image(), n: 1 }));
        """,
        PICTURE=str(tmp_path / "a.png"),
    )

    assert out == {
        "one": "1200x896",
        "two": "3072x384",
        "masked": "640x480",
        "types": ["image_edit.completed"],
        "variation": "1200x896",
    }
