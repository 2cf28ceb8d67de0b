"""Media in chat: from the caller's words to what Gemini gets."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import openai
import PIL.Image
import pytest
from google import genai

from pollux.emulator.app import Emulator
from pollux.emulator.serving import EmulatorServer
from pollux.media import images
from pollux.settings import Settings
from pollux.upstream.fetch import Fetcher, Limits
from pollux.upstream.http import HttpRequest
from tests.judges import playing
from tests.media import making
from tests.serving import running_server
from tests.upstream.peer import Peer, Script, Wire, far_side

Json = dict[str, Any]

PNG = making.image("PNG")
TOLD = playing.Played(b'{"candidates":[{"content":{"parts":[{"text":"A cat."}]},"finishReason":"STOP"}]}')


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def image(url: str, **more: Any) -> Json:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def asked(*parts: Json, **more: Any) -> Json:
    content = [{"type": "text", "text": "What is this?"}, *parts]
    return {"model": "gemini-3.6-flash", "messages": [{"role": "user", "content": content}], **more}


async def told(request: Json, **settings: Any) -> tuple[playing.Answer, list[HttpRequest]]:
    """Ask a server over an upstream that answers everything, and give the answer and what was sent up."""
    http = playing.FakeHttp(lambda _: TOLD)
    app = playing.server(http, **settings)
    answer = await playing.ask(app, "POST", "/v1/chat/completions", request)
    await app.close()
    return answer, http.sent


def parts_of(sent: list[HttpRequest]) -> list[Json]:
    """Give the parts of the user's turn in the one native request."""
    (request,) = sent
    assert isinstance(request.body, bytes)
    parts: list[Json] = msgspec.json.decode(request.body)["contents"][0]["parts"]
    return parts


async def test_base64_arrives_as_it_was_sent(tmp_path: Path) -> None:
    """With texts before and after it, several at once, and NULs and quotes in the texts beside them."""
    data = [making.image("PNG"), making.sound("wav", "pcm_s16le"), making.PDF]
    request = asked(
        image(f"data:image/png;base64,{b64(data[0])}"),
        {"type": "text", "text": 'between "them" \\ é \n'},
        {"type": "input_audio", "input_audio": {"data": b64(data[1]), "format": "wav"}},
        {"type": "file", "file": {"file_data": b64(data[2])}},
    )
    answer, sent = await told(request, data_dir=str(tmp_path))
    parts = parts_of(sent)

    assert answer.status == 200, answer.body
    assert [base64.b64decode(part["inlineData"]["data"]) for part in parts if "inlineData" in part] == data
    assert [part["text"] for part in parts if "text" in part] == ["What is this?", 'between "them" \\ é \n']


SPELLINGS = {
    "upper case": f"DATA:IMAGE/PNG;BASE64,{b64(PNG)}",
    "no type": f"data:;base64,{b64(PNG)}",
    "no type, no semicolon": f"data:base64,{b64(PNG)}",
    "more parameters": f"data:image/png;charset=utf-8;name=a.png;base64,{b64(PNG)}",
    "spaces": f" data:image/png; base64, {b64(PNG)}",
    "alphabet of URLs, no padding": "data:image/png;base64," + base64.urlsafe_b64encode(PNG).decode().rstrip("="),
    "wrapped": "data:image/png;base64," + base64.encodebytes(PNG).decode(),
    "percent-encoded base64": "data:image/png;base64," + quote(b64(PNG), safe=""),
    "percent-encoded bytes": "data:image/png," + quote(PNG, safe=""),
}


@pytest.mark.parametrize("url", SPELLINGS.values(), ids=SPELLINGS)
async def test_a_data_url_is_read_however_it_is_spelled(url: str, tmp_path: Path) -> None:
    """Clients write them by hand; what they mean is plain, and Gemini gets it in the one form that it takes."""
    answer, sent = await told(asked(image(url)), data_dir=str(tmp_path))

    assert answer.status == 200, answer.body
    assert parts_of(sent)[1:] == [{"inlineData": {"mimeType": "image/png", "data": b64(PNG)}}]


async def test_a_file_s_name_is_no_loss(tmp_path: Path) -> None:
    """OpenAI wants one with every file, so strict mode would refuse them all."""
    file = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{b64(making.PDF)}"}
    answer, _ = await told(asked({"type": "file", "file": file}), data_dir=str(tmp_path), strict=True)

    assert (answer.status, answer.headers.get("x-pollux-losses")) == (200, None)


BAD: list[tuple[Json, str, str]] = [
    (image("data:image/png;base64,iVBORw0KGgo*"), "image_url", "invalid_base64"),
    (image("data:image/png;base64,iVBOR"), "image_url", "invalid_base64"),
    (image("data:image/png;base64,====", detail="low"), "image_url", "invalid_media"),
    (image("data:image/png;base64,"), "image_url", "invalid_media"),
    (image(f"data:image/png;base64,{b64(PNG[:8] + b'not one')}"), "image_url", "invalid_media"),
    (image(f"data:image/png;base64,{b64(b'MZ' + bytes(100))}"), "image_url", "unsupported_media_type"),
    (image(f"data:image/svg+xml;base64,{b64(making.SVG)}"), "image_url", "unsupported_media_type"),
    (image("data:image/svg+xml,%3Csvg onload='alert(1)'/%3E"), "image_url", "unsupported_media_type"),
    (image(f"data:image/gif;base64,{b64(making.image('GIF')[:20])}"), "image_url", "invalid_media"),
    (image(f"data:image/x-icon;base64,{b64(bytes([0, 0, 1, 0]) + bytes(100))}"), "image_url", "unsupported_media_type"),
    (image(f"data:text/html;base64,{b64(b'<html>')}", detail="x" * 100_000), "image_url.detail", "invalid_value"),
    (image("data:" + "a" * 10_000), "image_url", "invalid_value"),
    (image("data:" + ";x" * 10_000 + ",a"), "image_url", "invalid_value"),
    (image("data:image/png;base64,🎈"), "image_url", "invalid_base64"),
    (image("h" * 20_000), "image_url", "invalid_value"),
    (image("javascript:alert(1)"), "image_url", "invalid_url"),
    (image("http://169.254.169.254/latest/meta-data/"), "image_url", "media_unreachable"),
    (image("http://[::ffff:169.254.169.254]/"), "image_url", "media_unreachable"),
    (image("http://user:password@example.com/"), "image_url", "invalid_url"),
    ({"type": "input_audio", "input_audio": {"data": b64(b"RIFF" + bytes(4) + b"NONE")}}, "input_audio", "invalid_media"),
    ({"type": "input_audio", "input_audio": {"data": 5, "format": "wav"}}, "input_audio", "invalid_type"),
    ({"type": "input_audio", "input_audio": {"format": "wav"}}, "input_audio", "missing_required_parameter"),
    ({"type": "input_audio"}, "input_audio", "missing_required_parameter"),
    ({"type": "file", "file": {}}, "file", "missing_required_parameter"),
    ({"type": "file", "file": {"file_id": "file-" + "a" * 24}}, "file", "not_found"),
    ({"type": "file", "file": {"file_id": "../../etc/passwd"}}, "file", "not_found"),
    ({"type": "file", "file": {"file_id": "x" * 20_000}}, "file", "invalid_value"),
]  # fmt: skip


@pytest.mark.parametrize(("part", "place", "code"), BAD, ids=range(len(BAD)))
async def test_a_bad_part_is_refused_by_its_name(part: Json, place: str, code: str, tmp_path: Path) -> None:
    """With a clear error that names the part and repeats little of it; nothing goes up."""
    request = asked(image(f"data:image/png;base64,{b64(PNG)}"), part)
    answer, sent = await told(request, data_dir=str(tmp_path))
    error = answer.json["error"]

    assert answer.status in {400, 404}, answer.body
    assert (error["param"], error["code"]) == (f"messages[0].content[2].{place}", code)
    assert len(error["message"]) < 400
    assert sent == []


@pytest.mark.parametrize("name", ["GIF", "BMP", "AVIF", "TIFF"])
@pytest.mark.parametrize("label", ["image/png", "image/gif"])
async def test_pictures_that_gemini_does_not_take_are_sent_as_png(name: str, label: str, tmp_path: Path) -> None:
    """The same picture of the same size, whatever it is called, in its place; nothing is lost, so nothing is reported."""
    answer, sent = await told(asked(image(f"data:{label};base64,{b64(making.image(name))}")), data_dir=str(tmp_path))
    _, part = parts_of(sent)

    assert answer.status == 200, answer.body
    assert "x-pollux-losses" not in answer.headers
    assert part["inlineData"]["mimeType"] == "image/png"
    assert images.header(base64.b64decode(part["inlineData"]["data"])) == images.ImageHeader("image/png", 48, 32, False)


async def test_of_an_animation_the_first_picture_is_sent_and_that_is_reported(tmp_path: Path) -> None:
    """In strict mode it is refused, before anything is paid for."""
    frames = [PIL.Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:])
    request = asked(image(f"data:image/gif;base64,{b64(data.getvalue())}"))
    answer, sent = await told(request, data_dir=str(tmp_path))
    refused, unsent = await told(request, data_dir=str(tmp_path), strict=True)
    sent_picture = PIL.Image.open(io.BytesIO(base64.b64decode(parts_of(sent)[1]["inlineData"]["data"])))

    assert answer.headers["x-pollux-losses"] == "messages=approximated"
    assert sent_picture.convert("RGB").getpixel((4, 4)) == (255, 0, 0)
    assert (refused.status, refused.json["error"]["code"], unsent) == (400, "strict_mode", [])


async def test_a_part_of_another_type_is_refused_by_its_place(tmp_path: Path) -> None:
    """A nested object where a text belongs."""
    answer, sent = await told(asked(image({"url": "data:,"})), data_dir=str(tmp_path))  # type: ignore[arg-type]  # on purpose

    assert (answer.status, answer.json["error"]["param"]) == (400, "messages[0].content[1].image_url")
    assert sent == []


async def test_a_data_url_above_the_body_s_limit_is_not_read(tmp_path: Path) -> None:
    """150 MB, said beforehand: the answer comes before the bytes."""
    headers = {"authorization": f"Bearer {playing.KEY}", "content-length": "150000000"}
    app = playing.server(playing.FakeHttp(lambda _: TOLD), data_dir=str(tmp_path))
    answer = await playing.ask(app, "POST", "/v1/chat/completions", {}, headers)

    assert (answer.status, answer.json["error"]["code"]) == (413, "request_too_large")


@asynccontextmanager
async def web(script: Script, tmp_path: Path, **settings: Any) -> AsyncIterator[tuple[Peer, playing.FakeHttp, Any]]:
    """Run a web server that this server may fetch from, as media.test."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with far_side(script) as peer:
        http = playing.FakeHttp(lambda _: TOLD)
        app = playing.server(http, data_dir=str(tmp_path), **settings)
        limits = Limits(app.settings.remote_media_bytes_max, app.settings.remote_media_seconds)
        app.fetcher = Fetcher(limits, internal_hosts=[f"media.test:{peer.port}"], resolve=resolve)
        yield peer, http, app
        await app.close()


async def test_media_behind_urls_are_fetched_side_by_side_and_once(tmp_path: Path) -> None:
    """Eight are asked for before the first is answered; one that stands there twice is asked for once."""
    waiting = 0
    all_here = asyncio.Event()

    async def script(wire: Wire) -> None:
        nonlocal waiting
        await wire.request()
        waiting += 1
        if waiting == 8:
            all_here.set()
        await all_here.wait()
        await wire.answer(PNG, headers="Content-Type: text/html\r\n")

    async with web(script, tmp_path) as (peer, http, app):
        urls = [peer.url(f"/{i}.png?sig=1", "media.test") for i in range(8)]
        request = asked(*(image(url) for url in [*urls, urls[0]]))
        answer = await playing.ask(app, "POST", "/v1/chat/completions", request)

        assert answer.status == 200, answer.body
        assert parts_of(http.sent)[1:] == [{"inlineData": {"mimeType": "image/png", "data": b64(PNG)}}] * 9
        assert len(peer.asked) == 8
        assert app.in_flight._bytes == 0


async def test_what_is_fetched_is_judged_by_its_bytes(tmp_path: Path) -> None:
    """A page that says it is an image is none; the error names the part and shows nothing of the page."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer(b"<html><title>the secret page</title>", headers="Content-Type: image/png\r\n")

    async with web(script, tmp_path) as (peer, http, app):
        answer = await playing.ask(app, "POST", "/v1/chat/completions", asked(image(peer.url("/", "media.test"))))

        assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_media")
        assert answer.json["error"]["param"] == "messages[0].content[1].image_url"
        assert b"secret" not in answer.body
        assert http.sent == []


async def test_the_urls_of_one_request_have_one_limit_together(tmp_path: Path) -> None:
    """Each is small enough, all are not."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.answer(PNG + bytes(60_000))

    async with web(script, tmp_path, remote_media_bytes_max=100_000) as (peer, _, app):
        urls = [peer.url(f"/{i}", "media.test") for i in range(2)]
        one = await playing.ask(app, "POST", "/v1/chat/completions", asked(image(urls[0])))
        both = await playing.ask(app, "POST", "/v1/chat/completions", asked(*map(image, urls)))

        assert one.status == 200
        assert (both.status, both.json["error"]["code"]) == (400, "media_too_large")
        assert app.in_flight._bytes == 0


async def test_too_many_urls_are_refused_before_the_first_is_fetched(tmp_path: Path) -> None:
    """Each costs a connection."""
    answer, _ = await told(asked(*(image(f"https://host-{i}.invalid/") for i in range(101))), data_dir=str(tmp_path))

    assert (answer.status, answer.json["error"]["param"]) == (400, "messages[0].content[101].image_url")


@pytest.mark.parametrize(
    ("setting", "url", "expected"),
    [
        ("reference", "https://example.com/a.jpg?b", {"fileUri": "https://example.com/a.jpg?b", "mimeType": "image/jpeg"}),
        ("reference", "https://example.com/a", {"fileUri": "https://example.com/a"}),
        ("reference", "http://example.com/a.png", "remote_media_off"),
        ("reference", "https://user@example.com/a.png", "invalid_url"),
        ("off", "https://example.com/a.png", "remote_media_off"),
        ("off", "https://youtu.be/lCdaVNyHtjU", {"fileUri": "https://youtu.be/lCdaVNyHtjU", "mimeType": "video/mp4"}),
        ("fetch", "https://youtube.com/watch?v=a", {"fileUri": "https://youtube.com/watch?v=a", "mimeType": "video/mp4"}),
        ("fetch", "gs://bucket/film.mp4", {"fileUri": "gs://bucket/film.mp4", "mimeType": "video/mp4"}),
    ],
)  # fmt: skip
async def test_the_setting_says_what_becomes_of_urls(setting: str, url: str, expected: Any, tmp_path: Path) -> None:
    """Fetched here, passed on for Google to fetch, or refused; YouTube and Cloud Storage are Google's own."""
    answer, sent = await told(asked(image(url)), remote_media=setting, data_dir=str(tmp_path))

    if isinstance(expected, str):
        assert (answer.status, answer.json["error"]["code"], sent) == (400, expected, [])
    else:
        assert parts_of(sent)[1] == {"fileData": expected}


class Service:
    """A server whose requests hold little, on an emulator."""

    def __init__(self, url: str) -> None:
        self.client = openai.OpenAI(api_key="one-caller", base_url=f"{url}/v1", max_retries=0)
        self.native = genai.Client(api_key="one-caller", http_options={"base_url": url})

    def ask(self, *parts: Json, key: str = "one-caller", stream: bool = False) -> str:
        """Ask, and give the text of the answer."""
        client = self.client.with_options(api_key=key)
        if not stream:
            return client.chat.completions.create(**asked(*parts)).choices[0].message.content or ""
        told = ""
        with client.chat.completions.stream(**asked(*parts)) as events:
            for event in events:
                told += event.delta if event.type == "content.delta" else ""
        return told

    def files(self) -> list[str]:
        """Give the names of the caller's files at Gemini."""
        return [file.name or "" for file in self.native.files.list()]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A server that takes 200 bytes inline."""
    with EmulatorServer(Emulator()) as upstream:
        settings = Settings(
            upstream="emulator",
            upstream_url=upstream.url,
            secret="of the tests",
            data_dir=str(tmp_path),
            access_log=False,
            inline_bytes_max=200,
        )
        with running_server(settings) as (url, _):
            yield Service(url)


def test_what_is_too_large_for_a_request_goes_through_the_files_api_once(service: Service) -> None:
    """The small image stays in the request, the large one is a file; asked again and streamed, it is the same file."""
    small, large = image(f"data:image/png;base64,{b64(PNG)}"), image(f"data:image/png;base64,{b64(making.noise(64, 48))}")
    answers = [service.ask(small, large), service.ask(small, large, stream=True), service.ask(large)]
    (name,) = service.files()

    assert all(name in answer for answer in answers), answers
    assert "48" in answers[0]
    kept = service.native.files.get(name=name)
    assert (kept.mime_type, kept.size_bytes) == ("image/png", len(making.noise(64, 48)))


def test_a_copy_belongs_to_its_owner(service: Service) -> None:
    """Another caller's same content is another file."""
    large = image(f"data:image/png;base64,{b64(making.noise(64, 48))}")
    first, second = service.ask(large), service.ask(large, key="another-caller")
    (name,) = service.files()

    assert name in first
    assert name not in second


@pytest.mark.parametrize("stream", [False, True])
def test_a_copy_that_is_gone_is_made_anew(service: Service, stream: bool) -> None:
    """Deleted behind the server's back: the request is sent once more, with a new copy."""
    large = image(f"data:image/png;base64,{b64(making.noise(64, 48))}")
    stored = service.client.files.create(file=("b.png", making.noise(32, 32)), purpose="vision")
    file = {"type": "file", "file": {"file_id": stored.id}}
    service.ask(large, file)
    before = service.files()
    for name in before:
        service.native.files.delete(name=name)
    answer = service.ask(large, file, stream=stream)
    after = service.files()

    assert len(before) == len(after) == 2
    assert not set(before) & set(after)
    assert all(name in answer for name in after)


def test_files_are_named_by_both_worlds_ids(service: Service) -> None:
    """Ours, a native name, and a native URI; a native file of another caller is none."""
    native = service.native.files.upload(file=making.written("JPEG"), config={"mime_type": "image/jpeg"})
    stored = service.client.files.create(file=("b.png", PNG), purpose="vision")
    assert native.name
    assert native.uri

    assert native.name in service.ask({"type": "file", "file": {"file_id": native.name}})
    assert native.name in service.ask(image(native.uri))
    assert "files/" in service.ask({"type": "file", "file": {"file_id": stored.id}})
    with pytest.raises(openai.PermissionDeniedError) as raised:
        service.ask({"type": "file", "file": {"file_id": native.name}}, key="another-caller")
    assert raised.value.param == "messages[0].content[1].file"


def test_a_stored_picture_that_gemini_does_not_take_is_redrawn(service: Service) -> None:
    """A GIF of the Files API of ours, by its id: the model sees a PNG."""
    stored = service.client.files.create(file=("a.gif", making.image("GIF")), purpose="vision")

    assert "PNG image of 48 by 32" in service.ask({"type": "file", "file": {"file_id": stored.id}})
