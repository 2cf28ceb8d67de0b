"""Media of a request: looked at, told in the answer, counted by modality, and refused where they are broken."""

from typing import Any

import pytest

from pollux.emulator import Emulator
from pollux.emulator.signatures import DUMMIES
from tests.emulator import samples
from tests.emulator.in_process import KEY, Reply, call
from tests.emulator.samples import film, inline, pdf, picture, sound

FLASH_2_5, FLASH_3 = "gemini-2.5-flash", "gemini-3.8-flash"


def asks(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "What is it?"}, *parts]}], **more}


async def sent(*parts: dict[str, Any], model: str = FLASH_3, emulator: Emulator | None = None, **more: Any) -> Reply:
    return await call(emulator or Emulator(), f"/v1beta/models/{model}:generateContent", asks(*parts, **more))


def text_of(reply: Reply) -> str:
    assert reply.status == 200, reply.body
    return "".join(part.get("text", "") for part in reply.json["candidates"][0]["content"]["parts"])


def counted(reply: Reply) -> dict[str, int]:
    """The prompt by modality, without its text."""
    assert reply.status == 200, reply.body
    details = {item["modality"]: item["tokenCount"] for item in reply.json["usageMetadata"]["promptTokensDetails"]}
    assert sum(details.values()) == reply.json["usageMetadata"]["promptTokenCount"]
    return {name: tokens for name, tokens in details.items() if name != "TEXT"}


@pytest.mark.parametrize(
    ("data", "mime_type", "told"),
    [
        (picture(48, 32, "red"), "image/png", "a PNG image of 48 by 32 pixels, mostly red, labelled image/png"),
        (picture(40, 30, "yellow", "JPEG"), "image/jpeg", "a JPEG image of 40 by 30 pixels, mostly yellow"),
        (picture(40, 30, "white", "WEBP"), "image/png", "a WEBP image of 40 by 30 pixels, mostly white, labelled image/png"),
        (sound(0.5), "audio/wav", "a WAV sound of 0.5 seconds, 24000 Hz, mono, loudness -15.1 dBFS"),
        (sound(1, "flac", "flac", 16_000), "audio/flac", "a FLAC sound of 1 second, 16000 Hz, mono"),
        (sound(1, "mp3", "libmp3lame"), "audio/mp3", "an MP3 sound of 1.0"),
        (sound(1, "ogg", "libopus", 48_000), "audio/ogg", "an Ogg sound of 1 second, 48000 Hz, mono"),
        (b"\0" * 48_000, "audio/L16;codec=pcm;rate=24000", "an L16 sound of 1 second, 24000 Hz, mono, silent"),
        (film(2), "video/mp4", "an MP4 video of 2 seconds, 320 by 240 pixels, mostly blue, 24 frames per second, with sound"),
        (film(1, with_sound=False), "video/mp4", "of 1 second, 320 by 240 pixels, mostly blue, 24 frames per second, without"),
        (film(1, format="webm", codec="libvpx"), "video/webm", "a WebM video of 1.0"),
        (pdf(3), "application/pdf", "a PDF of 3 pages"),
        (b"One, two and three.", "text/plain", "a text of 4 words"),
        ("สวัสดี שלום".encode(), "text/markdown", "It begins with “สวัสดี שלום”."),
    ],
)
async def test_an_answer_tells_what_arrived(data: bytes, mime_type: str, told: str) -> None:
    """Real facts out of the bytes, so that a user sees that they arrived whole."""
    text = text_of(await sent(inline(data, mime_type)))

    assert told in text
    assert f"{len(data)} bytes" in text


async def test_base64_is_read_in_either_alphabet() -> None:
    """With padding or without; recorded: URL-safe."""
    part = inline(picture(), "image/png")
    part["inlineData"]["data"] = part["inlineData"]["data"].replace("+", "-").replace("/", "_").rstrip("=")

    assert "48 by 32 pixels" in text_of(await sent(part))


MIDDLE = {"fps": 4, "startOffset": "0.5s", "endOffset": "1.5s"}

YOUTUBE = {"fileData": {"fileUri": "https://youtu.be/lCdaVNyHtjU"}}


@pytest.mark.parametrize(
    ("part", "on_2_5", "on_3"),
    [
        (inline(picture(100, 100), "image/png"), {"IMAGE": 258}, {"IMAGE": 1089}),
        (inline(picture(850, 1100), "image/png"), {"IMAGE": 4 * 258}, {"IMAGE": 1102}),
        (inline(picture(960, 540), "image/png"), {"IMAGE": 6 * 258}, {"IMAGE": 1100}),
        (inline(pdf(1), "application/pdf"), {"DOCUMENT": 258}, {"IMAGE": 532}),
        (inline(pdf(2, 612, 792), "application/pdf"), {"DOCUMENT": 516}, {"IMAGE": 1040}),
        (inline(sound(4), "audio/wav"), {"AUDIO": 128}, {"AUDIO": 100}),
        (inline(film(2, (320, 180)), "video/mp4"), {"VIDEO": 526, "AUDIO": 64}, {"VIDEO": 2 * 66 + 50}),
        (inline(film(2, with_sound=False), "video/mp4"), {"VIDEO": 526}, {"VIDEO": 2 * 63}),
        (
            inline(
                film(2, with_sound=False), "video/mp4", videoMetadata={"fps": 4, "startOffset": "0.5s", "endOffset": "1.5s"}
            ),
            {"VIDEO": 4 * 263},
            {"VIDEO": 4 * 63},
        ),
        (inline(sound(4), "audio/wav", audioMetadata={"startOffset": "1s"}), {"AUDIO": 96}, {"AUDIO": 75}),
        (
            inline(picture(100, 100), "image/png", mediaResolution={"level": "MEDIA_RESOLUTION_LOW"}),
            {"IMAGE": 66},
            {"IMAGE": 256},
        ),
        (
            inline(picture(100, 100), "image/png", mediaResolution={"level": "MEDIA_RESOLUTION_ULTRA_HIGH"}),
            {"IMAGE": 258},
            {"IMAGE": 47 * 47},
        ),
        (
            {"fileData": {"fileUri": "https://youtu.be/lCdaVNyHtjU"}},
            {"VIDEO": 15_780, "AUDIO": 1_920},
            {"VIDEO": 60 * 66 + 1500},
        ),
    ],
)
async def test_tokens_are_counted_by_modality(part: dict[str, Any], on_2_5: dict[str, int], on_3: dict[str, int]) -> None:
    """Recorded numbers where there are any (258, 1102, 532, 66, 15780), documented rules else; countTokens counts alike."""
    for model, expected in ((FLASH_2_5, on_2_5), (FLASH_3, on_3)):
        reply = await sent(part, model=model)
        count = await call(Emulator(), f"/v1beta/models/{model}:countTokens", asks(part))

        assert counted(reply) == expected
        assert count.json["totalTokens"] == reply.json["usageMetadata"]["promptTokenCount"]
        assert count.json["promptTokensDetails"] == reply.json["usageMetadata"]["promptTokensDetails"]


async def test_the_resolution_of_a_request_counts_for_parts_without_their_own() -> None:
    """Both in one request."""
    own = inline(picture(100, 100), "image/png", mediaResolution={"level": "MEDIA_RESOLUTION_HIGH"})
    config = {"mediaResolution": "MEDIA_RESOLUTION_LOW"}
    reply = await sent(inline(picture(100, 100), "image/png"), own, generationConfig=config)

    assert counted(reply) == {"IMAGE": 256 + 1089}


BROKEN_2_5 = (
    "Unable to process input image. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"
)


BACKWARDS = (
    "* GenerateContentRequest.contents[0].parts[1].video_metadata: "
    "end_offset must be after start_offset, which must not be negative.\n"
)


@pytest.mark.parametrize(
    ("part", "model", "message"),
    [
        (inline(b"not a picture", "image/png"), FLASH_3, "Provided image is not valid."),
        (inline(b"not a picture", "image/png"), FLASH_2_5, BROKEN_2_5),
        (inline(b"", "image/png"), FLASH_3, "Provided image is not valid."),
        (inline(picture(600, 400)[:400], "image/png"), FLASH_3, "Provided image is not valid."),
        (inline(sound(), "image/png"), FLASH_3, "Provided image is not valid."),
        (inline(b"Test audio file content", "audio/wav"), FLASH_3, "Request contains an invalid argument."),
        (inline(picture(), "audio/wav"), FLASH_3, "Request contains an invalid argument."),
        (inline(sound(), "video/mp4"), FLASH_3, "Request contains an invalid argument."),
        (inline(film()[:3000], "video/mp4"), FLASH_3, "Request contains an invalid argument."),
        (inline(b"%PDF-1.4\n%%EOF", "application/pdf"), FLASH_3, "The document has no pages."),
        (inline(b"GIF89a", "image/gif"), FLASH_3, "Unsupported MIME type: image/gif"),
        (inline(b"<svg/>", "image/svg+xml"), FLASH_3, "Unsupported MIME type: image/svg+xml"),
        (inline(b"#EXTM3U", "audio/x-mpegurl"), FLASH_3, "Unsupported MIME type: audio/x-mpegurl"),
        (inline(b"x", "application/octet-stream"), FLASH_3, "Unsupported MIME type: application/octet-stream"),
        ({"fileData": {"fileUri": "http://a.org/a.png", "mimeType": "image/png"}}, FLASH_3,
         "Invalid or unsupported file uri: http://a.org/a.png"),
        ({"fileData": {"fileUri": "https://127.0.0.1/a.png", "mimeType": "image/png"}}, FLASH_3,
         "Cannot fetch content from the provided URL."),
        (inline(film(), "video/mp4", videoMetadata={"fps": 25}), FLASH_3,
         "* GenerateContentRequest.contents[0].parts[1].video_metadata.fps: fps must be in the range (0.0, 24.0].\n"),
        (inline(film(), "video/mp4", videoMetadata={"startOffset": "2s", "endOffset": "1s"}), FLASH_3,
         BACKWARDS),
    ],
)  # fmt: skip
async def test_broken_and_unsupported_media_are_refused(part: dict[str, Any], model: str, message: str) -> None:
    """In the service's words where they are known (see `media.attached`)."""
    reply = await sent(part, model=model)

    assert (reply.status, reply.message) == (400, message)
    assert reply.json["error"]["status"] == "INVALID_ARGUMENT"


async def test_malformed_base64_is_refused_by_the_parser() -> None:
    """With the field's path, in snake_case."""
    part = {"inlineData": {"mimeType": "image/png", "data": "data:image/png;base64,xyz"}}
    reply = await sent(part)

    assert reply.status == 400
    assert reply.message == (
        "Invalid value at 'contents[0].parts[1].inline_data.data' (TYPE_BYTES), "
        'Base64 decoding failed for "data:image/png;base64,xyz"'
    )


async def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    """A PNG of 400 million pixels, in some hundred bytes of header."""
    head = picture()
    bomb = head[:16] + (20_000).to_bytes(4, "big") * 2 + head[24:]

    assert (await sent(inline(bomb, "image/png"))).message == "Provided image is not valid."


async def test_a_foreign_url_is_told_and_not_fetched() -> None:
    """It is counted by its label."""
    reply = await sent({"fileData": {"fileUri": "https://example.com/cat.png", "mimeType": "image/png"}}, model=FLASH_2_5)

    assert "https://example.com/cat.png, image/png, which the emulator does not fetch" in text_of(reply)
    assert "IMAGE" in counted(reply)


async def test_results_of_functions_carry_media_on_gemini_3_only() -> None:
    """Recorded on Gemini 3: an image as elsewhere, a page of a PDF as an image; 2.5 refuses."""

    def request(data: bytes, mime_type: str) -> dict[str, Any]:
        call_part = {
            "functionCall": {"name": "look", "args": {}},
            "thoughtSignature": DUMMIES[0],
        }
        result = {"functionResponse": {"name": "look", "response": {}, "parts": [inline(data, mime_type)]}}
        contents = [
            {"role": "user", "parts": [{"text": "Look."}]},
            {"role": "model", "parts": [call_part]},
            {"role": "user", "parts": [result]},
        ]
        return {"contents": contents, "tools": [{"functionDeclarations": [{"name": "look"}]}]}

    async def reply(model: str, data: bytes, mime_type: str) -> Reply:
        return await call(Emulator(), f"/v1beta/models/{model}:generateContent", request(data, mime_type))

    assert "a PNG image of 48 by 32 pixels" in text_of(await reply(FLASH_3, picture(), "image/png"))
    assert counted(await reply(FLASH_3, pdf(1, 612, 792), "application/pdf")) == {"IMAGE": 1102}
    assert (await reply(FLASH_3, sound(), "audio/wav")).message == "Unsupported MIME type: audio/wav"
    assert (
        "`function_response.parts` is not supported for this model" in (await reply(FLASH_2_5, picture(), "image/png")).message
    )


async def test_a_file_of_the_files_api_is_looked_at() -> None:
    """And a broken one is refused when it is used."""
    emulator = Emulator()
    project = emulator.projects.of_key(KEY)
    whole = emulator.files.generate(project, picture(), "image/png", display_name="Red")
    broken = emulator.files.generate(project, b"nothing", "image/png")
    reply = await sent({"fileData": {"fileUri": f"files/{whole.id}", "mimeType": "image/png"}}, emulator=emulator)
    refused = await sent({"fileData": {"fileUri": f"files/{broken.id}", "mimeType": "image/png"}}, emulator=emulator)

    told = f"files/{whole.id} “Red”, image/png, {len(picture())} bytes. It is a PNG image of 48 by 32 pixels, mostly red."
    assert told in text_of(reply)
    assert refused.message == "Provided image is not valid."


async def test_many_media_are_counted_and_not_all_told() -> None:
    """Twenty sentences and a number."""
    reply = await sent(*[inline(samples.picture(), "image/png")] * 23, model=FLASH_2_5)

    assert text_of(reply).count("It holds a PNG image") == 20
    assert "There are 3 more media." in text_of(reply)
    assert counted(reply) == {"IMAGE": 23 * 258}
