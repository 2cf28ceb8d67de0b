"""Pictures out of the image models: sizes, words in any script, edits, endings, usage; judged by decoding them."""

import base64
import io
from typing import Any

import pytest
from google import genai
from google.genai import types
from PIL import Image, ImageChops

from pollux.emulator import Emulator, EmulatorServer
from pollux.emulator.pictures.drawing import Order
from pollux.emulator.pictures.drawing import drawn as draw
from pollux.emulator.pictures.lettering import _pieces
from tests.emulator.in_process import KEY, Reply, call
from tests.emulator.samples import inline, picture, sound

FLASH_2_5, PRO, FLASH_3 = "gemini-2.5-flash-image", "gemini-3-pro-image", "gemini-3.1-flash-image"

RATIOS_3 = {
    "1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200), "4:3": (1200, 896), "4:5": (928, 1152),
    "5:4": (1152, 928), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672), "1:4": (512, 2048), "4:1": (2048, 512),
    "1:8": (384, 3072), "8:1": (3072, 384),
}  # fmt: skip
"""Source: gemini-native.md, section 16."""


async def asked(
    text: str, *parts: dict[str, Any], model: str = PRO, streamed: bool = False, emulator: Emulator | None = None, **config: Any
) -> Reply:
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": text}, *parts]}]}
    if config:
        body["generationConfig"] = config
    verb = "streamGenerateContent?alt=sse" if streamed else "generateContent"
    return await call(emulator or Emulator(), f"/v1beta/models/{model}:{verb}", body)


def parts_of(reply: Reply) -> list[dict[str, Any]]:
    assert reply.status == 200, reply.body[:500]
    return list(reply.json["candidates"][0]["content"]["parts"])


def pictures_of(reply: Reply) -> list[Image.Image]:
    """Decode every picture; its type must be the one that is told."""
    found: list[Image.Image] = []
    for part in parts_of(reply):
        if "inlineData" in part:
            image = Image.open(io.BytesIO(base64.b64decode(part["inlineData"]["data"])))
            image.load()
            assert part["inlineData"]["mimeType"] == Image.MIME[str(image.format)]
            found.append(image)
    return found


async def drawn(text: str, *parts: dict[str, Any], **more: Any) -> Image.Image:
    (image,) = pictures_of(await asked(text, *parts, **{"responseModalities": ["IMAGE"], **more}))
    return image


def share_of_difference(one: Image.Image, other: Image.Image) -> float:
    """How many pixels differ visibly, from 0 to 1."""
    levels = ImageChops.difference(one.convert("L"), other.convert("L")).histogram()
    return sum(levels[24:]) / sum(levels)


@pytest.mark.parametrize(("ratio", "size"), RATIOS_3.items())
async def test_a_picture_has_the_ratio_that_was_asked_for(ratio: str, size: tuple[int, int]) -> None:
    """At 1K, in pixels as documented."""
    assert (await drawn("a cat", model=FLASH_3, imageConfig={"aspectRatio": ratio})).size == size


@pytest.mark.parametrize(
    ("model", "image_size", "pixels", "tokens"),
    [
        (FLASH_2_5, "1K", (1344, 768), 1290),
        (PRO, "1K", (1376, 768), 1120),
        (PRO, "2K", (2752, 1536), 1120),
        (PRO, "4K", (5504, 3072), 2000),
        (FLASH_3, "512", (688, 384), 747),
        (FLASH_3, "2K", (2752, 1536), 1680),
        (FLASH_3, "4K", (5504, 3072), 2520),
        ("gemini-3.1-flash-lite-image", "512", (688, 384), 747),
        ("gemini-nano-banana-2.1", "1K", (1376, 768), 1120),
    ],
)
async def test_each_family_has_its_sizes_and_tokens(model: str, image_size: str, pixels: tuple[int, int], tokens: int) -> None:
    """Recorded: 1290 and 1120, PNG of 2.5 and JPEG of 3.x; 3.x counts some more than the picture's tokens."""
    reply = await asked("a cat", model=model, imageConfig={"aspectRatio": "16:9", "imageSize": image_size})
    (image,) = pictures_of(reply)
    usage = reply.json["usageMetadata"]

    assert image.size == pixels
    assert image.format == ("PNG" if model == FLASH_2_5 else "JPEG")
    assert usage["candidatesTokensDetails"] == [{"modality": "IMAGE", "tokenCount": tokens}]
    assert usage["candidatesTokenCount"] > tokens
    thoughts = usage.get("thoughtsTokenCount", 0)
    assert usage["totalTokenCount"] == usage["promptTokenCount"] + usage["candidatesTokenCount"] + thoughts


@pytest.mark.parametrize(
    "config",
    [
        {"model": PRO, "imageConfig": {"imageSize": "1k"}},
        {"model": PRO, "imageConfig": {"imageSize": "512"}},
        {"model": PRO, "imageConfig": {"aspectRatio": "1:8"}},
        {"model": PRO, "imageConfig": {"aspectRatio": "7:5"}},
        {"model": FLASH_2_5, "imageConfig": {"imageSize": "4K"}},
        {"model": "gemini-nano-banana-2.1", "imageConfig": {"imageSize": "512"}},
        {"model": "gemini-3.8-flash", "imageConfig": {"aspectRatio": "1:1"}},
    ],
    ids=str,
)
async def test_sizes_that_a_model_does_not_make_are_refused(config: dict[str, Any]) -> None:
    """In the service's plain words."""
    reply = await asked("a cat", **config)

    assert (reply.status, reply.message) == (400, "Request contains an invalid argument.")


async def test_the_newer_form_of_the_settings_counts_too() -> None:
    """`responseFormat.image`, in the discovery document's words."""
    asked_for = {"aspectRatio": "ASPECT_RATIO_TWENTY_ONE_BY_NINE", "imageSize": "IMAGE_SIZE_TWO_K", "mimeType": "IMAGE_JPEG"}
    image = await drawn("a cat", responseFormat={"image": asked_for})
    plain = await drawn("a cat", model=FLASH_2_5, responseFormat={"image": {"mimeType": "IMAGE_JPEG"}})

    assert image.size == (3168, 1344)
    assert (plain.size, plain.format) == ((1024, 1024), "JPEG")


async def test_the_same_request_brings_the_same_picture() -> None:
    """Another prompt, another seed of the request or of the emulator bring another."""
    first = await drawn("a red balloon")
    again = await drawn("a red balloon")
    seeded = await drawn("a red balloon", seed=7)
    same_seed = await drawn("a red balloon", seed=7)
    other = await drawn("a blue boat at night")
    emulator = await drawn("a red balloon", emulator=Emulator(seed=3))

    assert share_of_difference(first, again) == share_of_difference(seeded, same_seed) == 0
    assert min(share_of_difference(first, image) for image in (seeded, other, emulator)) > 0.05


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cat", "dog"),
        ("แมว", "หมา"),
        ("חתול", "כלב"),
        ("قطة", "كلب"),
        ("猫", "犬"),
        ("고양이", "강아지"),
        ("😀", "🚀"),
    ],
)
async def test_the_words_stand_in_the_picture(one: str, other: str) -> None:
    """The same colours and shapes, so that only the letters differ: the middle of the picture does, the rest does not.

    Letters alone decide here: the colour words fix the palette, and the shapes are cut away.
    """

    def of(text: str, *, sketch: bool = False) -> Image.Image:
        order = Order(f"red blue green {text}", 512, 512, "image/png", bytes(32), sketch=sketch)
        return Image.open(io.BytesIO(draw(order))).convert("RGB")

    assert share_of_difference(of(one, sketch=True), of(other, sketch=True)) == 0
    assert share_of_difference(of(one), of(other)) > 0.001
    assert share_of_difference(of(one), of(one, sketch=True)) > 0.05


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("ภาพแมวสีส้มนั่งอยู่บนชายหาดตอนเย็น", "ภาพ|แมว|สี|ส้ม|นั่ง|อยู่บน|ชาย|หาด|ตอน|เย็น"),
        ("พระอาทิตย์ตก", "พระ|อา|ทิตย์ตก"),
        ("sheepadoodle", "sheepadoodle"),
        ("漢字", "漢|字"),
    ],
)
def test_lines_end_between_syllables_of_thai(text: str, pieces: str) -> None:
    """Never before a last consonant or inside a pair of them; other scripts between words, Chinese anywhere."""
    assert "|".join(_pieces(text)) == pieces


async def test_a_long_prompt_is_written_whole_or_cut() -> None:
    """No prompt is too long to draw, and none breaks it."""
    for text in ("word " * 300, "word " * 30_000, "x" * 5_000, "\n\n\n", "a\u0301" * 500, "\u202e\u0000\u200d", "ก" * 900):
        assert (await drawn(text, model=FLASH_3, imageConfig={"imageSize": "512"})).size == (512, 512)


async def test_words_and_pictures_stand_in_the_recorded_order() -> None:
    """2.5 says words and signs nothing; 3.x says them when the prompt asks for some, and signs words and picture."""
    flash = parts_of(await asked("a cat", model=FLASH_2_5))
    only = parts_of(await asked("a cat", model=FLASH_2_5, responseModalities=["IMAGE"]))
    quiet = parts_of(await asked("a cat", model=PRO, responseModalities=["TEXT", "IMAGE"]))
    story = parts_of(await asked("an illustrated story of a cat", model=PRO))

    assert [sorted(part) for part in flash] == [["text"], ["inlineData"]]
    assert "The picture shows the prompt on 1024 by 1024 pixels." in flash[0]["text"]
    assert [sorted(part) for part in only] == [["inlineData"]]
    assert [sorted(part) for part in quiet] == [["inlineData", "thoughtSignature"]]
    assert [sorted(part) for part in story] == [["text", "thoughtSignature"], ["inlineData", "thoughtSignature"]]


async def test_pro_shows_its_thoughts_as_pictures_too() -> None:
    """Marked as thoughts and unsigned, before the answer."""
    parts = parts_of(await asked("a cat", thinkingConfig={"includeThoughts": True}))
    pictures = [part for part in parts if "inlineData" in part]

    assert [part.get("thought", False) for part in pictures] == [True, False]
    assert "thoughtSignature" not in pictures[0]
    assert pictures[0]["inlineData"]["data"] != pictures[1]["inlineData"]["data"]


async def test_a_stream_brings_the_picture_whole() -> None:
    """Recorded with 2.5: words, the picture in one event, an empty text with STOP; without words one event."""
    events = (await asked("a cat", model=FLASH_2_5, streamed=True)).events
    alone = (await asked("a cat", model=FLASH_2_5, streamed=True, responseModalities=["IMAGE"])).events
    pro = (await asked("a cat", model=PRO, streamed=True)).events
    kinds = [[sorted(part) for part in event["candidates"][0]["content"]["parts"]] for event in events]

    assert kinds[-2:] == [[["inlineData"]], [["text"]]]
    assert events[-1]["candidates"][0]["content"]["parts"] == [{"text": ""}]
    assert [event["candidates"][0].get("finishReason") for event in events][-2:] == [None, "STOP"]
    assert len(alone) == 1
    assert alone[0]["candidates"][0]["finishReason"] == "STOP"
    assert [sorted(part) for event in pro for part in event["candidates"][0]["content"]["parts"]] == [
        ["inlineData", "thoughtSignature"],
        ["text", "thoughtSignature"],
    ]


async def test_an_edit_is_based_on_the_picture_given() -> None:
    """Its ratio is taken where none is asked for; its pixels show through; the words are written over it."""
    given = inline(picture(1600, 900, "yellow"), "image/png")
    edited = await drawn("make it winter", given)
    asked_for = await drawn("make it winter", given, imageConfig={"aspectRatio": "1:1"})
    red, green, blue = edited.convert("RGB").getpixel((60, 60))  # type: ignore[misc]

    assert edited.size == (1376, 768)
    assert asked_for.size == (1024, 1024)
    assert red > 150
    assert green > 150
    assert blue < red
    assert share_of_difference(edited, await drawn("make it summer", given)) > 0.001


async def test_several_pictures_are_put_into_one() -> None:
    """Each where it can be seen."""
    image = await drawn("both", inline(picture(400, 400, "red"), "image/png"), inline(picture(400, 400, "blue"), "image/png"))
    left, right = (image.convert("RGB").getpixel((x, 330)) for x in (256, 768))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)

    assert left[0] > 120 > left[2]
    assert right[2] > 120 > right[0]


async def test_a_conversation_goes_on_with_its_last_picture() -> None:
    """Without a new one, the last content is about the last picture; a file of the Files API serves as well."""
    emulator = Emulator()
    file = emulator.files.generate(emulator.projects.of_key(KEY), picture(900, 1600, "yellow"), "image/png")
    contents = [
        {"role": "user", "parts": [{"text": "a cat"}]},
        {"role": "model", "parts": [inline(picture(1600, 900, "yellow"), "image/png")]},
        {"role": "user", "parts": [{"text": "make it blue"}]},
    ]
    config = {"responseModalities": ["IMAGE"]}
    path = f"/v1beta/models/{FLASH_2_5}:generateContent"
    (later,) = pictures_of(await call(emulator, path, {"contents": contents, "generationConfig": config}))
    of_file = await drawn("x", {"fileData": {"fileUri": f"files/{file.id}"}}, emulator=emulator)

    assert later.size == (1344, 768)
    assert of_file.size == (768, 1376)


@pytest.mark.parametrize("data", ["PNG", "WEBP"])
async def test_a_transparent_picture_is_drawn_over_white(data: str) -> None:
    """And not over black."""
    buffer = io.BytesIO()
    Image.new("RGBA", (300, 300), (0, 0, 0, 0)).save(buffer, data)
    image = await drawn("x", inline(buffer.getvalue(), f"image/{data.lower()}"))
    pixel = image.convert("RGB").getpixel((40, 40))

    assert isinstance(pixel, tuple)
    assert min(pixel) > 150


@pytest.mark.parametrize("reason", ["IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER", "NO_IMAGE"])
async def test_a_prompt_that_names_an_ending_gets_it(reason: str) -> None:
    """A candidate without a content; whole and streamed."""
    whole = await asked(f"a cat [emulator: finish={reason}]")
    (event,) = (await asked(f"a cat [emulator: finish={reason}]", streamed=True)).events

    for reply in (whole.json, event):
        assert reply["candidates"][0]["finishReason"] == reason
        assert "content" not in reply["candidates"][0]
        assert "candidatesTokenCount" not in reply["usageMetadata"]
    assert ("finishMessage" in event["candidates"][0]) == (reason == "IMAGE_SAFETY")


async def test_blocked_prompts_questions_and_limits() -> None:
    """Recorded: a question to a model that may only draw is NO_IMAGE, to one that may write an answer in words."""
    blocked = await asked("a cat [emulator: blocked=PROHIBITED_CONTENT]")
    path, body = f"/v1beta/models/{PRO}:generateContent", {"contents": [{"parts": [{"text": "a"}]}]}
    fault = await call(Emulator(), path, body, headers={"x-emulator-fault": "finish=IMAGE_SAFETY"})
    question = await asked("What should I do next?", responseModalities=["IMAGE"])
    words = parts_of(await asked("Tell me a two-sentence story about an axolotl.", model=FLASH_2_5))
    short = await asked("a cat", responseModalities=["IMAGE"], maxOutputTokens=1000)

    assert blocked.json["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    assert "candidates" not in blocked.json
    assert fault.json["candidates"][0]["finishReason"] == "IMAGE_SAFETY"
    assert question.json["candidates"] == [{"finishReason": "NO_IMAGE", "index": 0}]
    assert [sorted(part) for part in words] == [["text"]]
    assert short.json["candidates"][0]["finishReason"] == "MAX_TOKENS"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"generationConfig": {"responseModalities": ["AUDIO"]}}, "The requested combination of response modalities (AUDIO)"),
        ({"generationConfig": {"candidateCount": 2}}, "Multiple candidates is not enabled for this model"),
        ({"generationConfig": {"responseMimeType": "application/json"}}, f"JSON mode is not enabled for models/{FLASH_2_5}"),
        ({"tools": [{"functionDeclarations": [{"name": "f"}]}]}, f"Function calling is not enabled for models/{FLASH_2_5}"),
        ({"tools": [{"googleSearch": {}}]}, f"Search as tool is not enabled for models/{FLASH_2_5}"),
        ({"contents": [{"parts": [inline(sound(), "audio/wav")]}]}, "Audio input modality is not enabled for models/"),
    ],
)
async def test_what_image_models_do_not_take_is_refused(body: dict[str, Any], message: str) -> None:
    """In the words of the service or of its neighbours."""
    given = {"contents": [{"parts": [{"text": "a cat"}]}], **body}
    reply = await call(Emulator(), f"/v1beta/models/{FLASH_2_5}:generateContent", given)

    assert reply.status == 400
    assert reply.message.startswith(message)


async def test_imagen_is_gone() -> None:
    """`predict` exists on Vertex alone."""
    body = {"instances": [{"prompt": "a cat"}], "parameters": {"sampleCount": 1}}
    reply = await call(Emulator(), "/v1beta/models/imagen-4.0-generate-001:predict", body)
    other = await call(Emulator(), f"/v1beta/models/{PRO}:predict", body)

    assert reply.status == other.status == 404
    assert "no longer available" in reply.message


def test_googles_client_draws_and_edits() -> None:
    """Chat with pictures: the first answer's picture goes back and is edited."""
    with EmulatorServer() as server, genai.Client(api_key="any", http_options={"base_url": server.url}) as client:
        config = types.GenerateContentConfig(image_config=types.ImageConfig(aspect_ratio="3:2", image_size="2K"))
        chat = client.chats.create(model="gemini-3-pro-image-preview", config=config)
        first = chat.send_message("ภาพแมวสีส้ม")
        second = chat.send_message("צייר אותו בכחול")
        streamed = [part for chunk in client.models.generate_content_stream(model=FLASH_2_5, contents="a cat")
                    for part in chunk.parts or [] if part.inline_data]  # fmt: skip

    images = [part.as_image() for answer in (first, second) for part in answer.parts or [] if part.inline_data]
    assert [Image.open(io.BytesIO(image.image_bytes or b"")).size for image in images if image] == [(2528, 1696)] * 2
    assert len(streamed) == 1
