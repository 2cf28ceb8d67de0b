"""The golden pairs of `tests/pairs`: how they are read, and how the computed side of each is computed.

A case is a folder. One side is given, the other is what our code makes of it; `about.md` says in a sentence what the case
shows, then its `Source:` and `Origin:`, and what else the case asks for (`Model:`, `Usage:`, `Thoughts:`, `Drops:`,
`Task:`).

| folder        | given        | computed                                                     |
|---------------|--------------|--------------------------------------------------------------|
| chat/requests | openai.json  | gemini.json or, refused, refused.json; notes.json with a loss |
| chat/replies  | gemini.json  | openai.json                                                  |
| chat/streams  | gemini.jsonl | openai.jsonl                                                 |
| chat/exchanges | openai.json, gemini.json: the native answers in turn | sent.json, answer.json      |
| embeddings/requests | openai.json | gemini.json or refused.json; notes.json with a loss    |
| audio/speech  | openai.json  | gemini.json or refused.json; notes.json with a loss          |
| audio/transcriptions, audio/translations | openai.json: the form's fields | gemini.json or refused.json; notes.json |
| audio/transcripts | request.json, gemini.json | openai.json, or openai.txt; notes.json with a loss  |
| images/requests | openai.json | gemini.json or refused.json; notes.json with a loss        |
| images/edits  | openai.json  | gemini.json or refused.json; notes.json with a loss          |
| images/replies | gemini.json | openai.json                                                  |
| videos/veo, videos/omni | openai.json | gemini.json or refused.json; notes.json with a loss |
| videos/replies | gemini.json: an operation or an interaction | openai.json                      |
| failures      | gemini.json  | openai.json: status, headers and body of both                |
| models        | gemini.json  | openai.json                                                  |

The `model` of a native request travels in the path; gemini.json names it as the native message does.

Three more sides may be given. A request's media.json says what the server found of media that do not lie in it, by their paths:
`mime_type` and `uri`. A request's remembered.json holds the turns that the server remembers: for which `message`, found
`by` its call or its trail, and the `turn`. A reply's or stream's request.json holds what the caller asked for, since the tools
of a request decide how calls are told.
"""

import dataclasses
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pollux.errors import ApiError
from pollux.media import inline
from pollux.media.workshop import Workshop
from pollux.server import bodies, streaming, video_state
from pollux.server import failures as server_failures
from pollux.server.answering import Answering
from pollux.server.asking import Replies
from pollux.server.exchange import Exchange
from pollux.server.memory import Keeper, Memory
from pollux.server.speaking import Speaking
from pollux.store.turns import SqliteTurnStore
from pollux.store.videos import VideoRow
from pollux.translate import (
    chat,
    chat_answer,
    embeddings,
    failures,
    images,
    models,
    omni,
    speech_request,
    transcript,
    transcription,
    veo,
    video_fields,
    videos,
)
from pollux.translate.chat_choice import ThoughtsForm
from pollux.translate.events import Event
from pollux.translate.media import Found, Source
from pollux.translate.memory import Trail, Turn
from pollux.translate.notes import Note
from pollux.translate.profiles import Filmer, Profile, embedder, filmer, painter, profile
from pollux.translate.reader import ReplyReader
from pollux.upstream.client import ContentStream
from pollux.upstream.http import Parts
from pollux.wire.closed import Decoders
from pollux.wire.gemini.embeddings import BatchEmbedContentsRequest
from pollux.wire.gemini.generate import GenerateContentRequest, decode_reply, encode_request, second_look
from pollux.wire.gemini.models import decode_models
from pollux.wire.gemini.videos import decode_interaction, decode_operation
from pollux.wire.openai.audio import SpeechRequest
from pollux.wire.openai.chat import ChatCompletionRequest
from pollux.wire.openai.embeddings import EmbeddingsRequest
from pollux.wire.openai.images import CreateImageRequest
from pollux.wire.openai.models import ModelList
from tests.judges import exchanges, finding, playing

FOLDER = Path(__file__).resolve().parents[1] / "pairs"

_DECODERS = Decoders(ChatCompletionRequest)
_IMAGES = Decoders(CreateImageRequest)

DEFAULT_MODEL = "gemini-3.6-flash"
DEFAULT_FILMER = "veo-3.1-generate-preview"
DEFAULT_PAINTER = "gemini-nano-banana-2.1"

STAMP = chat_answer.Stamp("0123456789abcdef01234567", 1_784_000_000)
"""What an answer has from outside: digits for its ids, used where the native reply has none, and the time."""

Computed = dict[str, bytes]
"""The files of a computed side, by name."""


@dataclass(frozen=True, slots=True)
class Case:
    """One folder of pairs."""

    family: str
    name: str
    folder: Path

    def __str__(self) -> str:
        return f"{self.family}/{self.name}"

    def given(self, name: str) -> bytes:
        """Read a file of the case."""
        return (self.folder / name).read_bytes()

    def about(self, key: str, default: str = "") -> str:
        """Read a line of about.md, as in `Usage: last`."""
        found = re.search(rf"^{key}: (.+)$", (self.folder / "about.md").read_text("utf-8"), re.MULTILINE)
        return found[1] if found else default

    def golden(self) -> Computed:
        """Read the computed side as it is committed."""
        return {name: self.given(name) for name in SIDES[self.family] if (self.folder / name).exists()}

    async def computed(self) -> Computed:
        """Compute the other side."""
        return await COMPUTE[self.family](self)

    async def update(self) -> None:
        """Write the computed side."""
        computed = await self.computed()
        for name in SIDES[self.family]:
            (self.folder / name).unlink(missing_ok=True)
        for name, text in computed.items():
            (self.folder / name).write_bytes(text)


def cases(family: str = "") -> list[Case]:
    """Give the cases of a family, or all, in order."""
    return [
        Case(name, folder.name, folder)
        for name in SIDES
        if family in ("", name)
        for folder in sorted((FOLDER / name).iterdir())
        if folder.is_dir()
    ]


def page(value: Any) -> bytes:
    """Write JSON for people."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


async def _request(case: Case) -> Computed:
    notes: list[Note] = []
    try:
        request = bodies.read_request(case.given("openai.json"), _DECODERS, notes, nesting_max=100)
        model = models.bare_id(request.model)
        family = profile(model)
        trail = chat.trail(request, family)
        plan = chat.to_gemini(request, family, trail, _remembered(case, trail), _media(case, request))
    except ApiError as error:
        return {"refused.json": page({"status": error.status, "body": failures.body(error)})}
    return _sent(model, plan.native, notes + plan.notes)


def _media(case: Case, request: ChatCompletionRequest) -> list[Found]:
    """Find the request's media: what lies in it, and for the others what media.json says that the server found."""
    elsewhere = msgspec.json.decode(case.given("media.json")) if (case.folder / "media.json").exists() else {}
    return finding.media(request, elsewhere)


def _remembered(case: Case, trail: Trail | None) -> dict[str, Turn]:
    """Give the turns of remembered.json under the keys by which a store would find them."""
    if not (case.folder / "remembered.json").exists():
        return {}
    assert trail is not None
    return {
        trail.keys[entry["message"]][0 if entry["by"] == "call" else -1]: msgspec.convert(entry["turn"], Turn)
        for entry in msgspec.json.decode(case.given("remembered.json"))
    }


def _plan(case: Case) -> chat.Plan:
    """Give the plan of the request to which a reply or stream is the answer."""
    asked: dict[str, Any] = {"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    if (case.folder / "request.json").exists():
        asked |= msgspec.json.decode(case.given("request.json"))
    family = profile(asked["model"])
    if family.speaks != "only":
        family = Profile("any", mixes_tools=True, draws=True, speaks="perhaps")
    request = msgspec.json.decode(msgspec.json.encode(asked), type=ChatCompletionRequest)
    return chat.to_gemini(request, family)


def _telling(case: Case, plan: chat.Plan) -> chat_answer.ChatTelling:
    return chat_answer.ChatTelling(
        STAMP,
        case.about("Model", DEFAULT_MODEL),
        usage=msgspec.convert(case.about("Usage", "none"), chat_answer.UsageMode),
        toolbox=plan.toolbox,
        thoughts=msgspec.convert(case.about("Thoughts", "reasoning_content"), ThoughtsForm),
        speech=plan.speech,
    )


async def _reply(case: Case) -> Computed:
    body = case.given("gemini.json")
    reply = decode_reply(body)
    assert second_look(body, reply) == case.about("Drops").split()
    plan = _plan(case)
    reader = ReplyReader(single_call=plan.toolbox.legacy or not plan.toolbox.parallel)
    telling = _telling(case, plan)
    async for events in _spoken(plan, [[*reader.feed(reply), *reader.close()]]):
        for event in events:
            telling.feed(event)
    return {"openai.json": page(telling.completion())}


async def _spoken(plan: chat.Plan, reads: list[list[Event]]) -> AsyncIterator[list[Event]]:
    """Bring sound into the format that was asked for, as the server does."""

    async def given() -> AsyncIterator[list[Event]]:
        for events in reads:
            yield events

    speaking = _speaking(plan, streamed=False)
    async for events in given() if speaking is None else speaking.events(given()):
        yield events


def _speaking(plan: chat.Plan, *, streamed: bool) -> Speaking | None:
    return None if plan.speech is None else Speaking(Workshop(), plan.speech.format, streamed=streamed)


async def _stream(case: Case) -> Computed:
    plan = _plan(case)
    telling = _telling(case, plan)
    events = [msgspec.json.decode(line) for line in case.given("gemini.jsonl").splitlines()]
    stream = playing.FakeStream(playing.as_stream(events, case.name))

    async def call(_body: Parts) -> Replies:
        return ContentStream(stream, DEFAULT_MODEL)

    exchange, sent = _exchange()
    commitment = streaming.Commitment(exchange, commit_seconds=60, keep_alive_seconds=60)
    memory = Memory(SqliteTurnStore(None, days=1, bytes_max=1_000_000))
    keeper = Keeper(memory, "owner", "family", STAMP.token, plan.trail)
    async with Answering(plan, call, [], _speaking(plan, streamed=True)) as answering:
        await streaming.relay(exchange, answering, telling, keeper, commitment)
    memory.close()
    assert stream.is_closed
    messages = sent.answer().messages
    if messages[-1] == "[DONE]":
        messages.pop()
    else:
        assert "error" in messages[-1]
    return {"openai.jsonl": b"".join(msgspec.json.encode(message) + b"\n" for message in messages)}


async def _exchanged(case: Case) -> Computed:
    answers = msgspec.json.decode(case.given("gemini.json"))
    sent, answer = await exchanges.exchange(msgspec.json.decode(case.given("openai.json")), answers)
    return {"sent.json": page(sent), "answer.json": page(answer)}


async def _failure(case: Case) -> Computed:
    given = msgspec.json.decode(case.given("gemini.json"))
    body = given["body"]
    native = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    error = failures.from_gemini(given["status"], native, model=case.about("Model", DEFAULT_MODEL))
    exchange, sent = _exchange()
    await server_failures.answer(exchange, error)
    answer = sent.answer()
    headers = {name: value for name, value in answer.headers.items() if "retry" in name}
    return {"openai.json": page({"status": answer.status} | ({"headers": headers} if headers else {}) | {"body": answer.json})}


async def _models(case: Case) -> Computed:
    listed = decode_models(case.given("gemini.json")).models or []
    return {"openai.json": page(ModelList(data=[models.from_gemini(model) for model in listed]))}


class _Sent:
    """Collects what an exchange sends."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def send(self, message: Any) -> None:
        self.messages.append(message)

    def answer(self) -> playing.Answer:
        start = self.messages[0]
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return playing.Answer(start["status"], headers, b"".join(message["body"] for message in self.messages[1:]))


def _exchange() -> tuple[Exchange, _Sent]:
    """Make an exchange whose request was read already."""

    async def receive() -> Any:
        raise AssertionError("the body was read already")

    sent = _Sent()
    return Exchange({"method": "POST", "path": "/v1/chat/completions", "headers": []}, receive, sent.send, ()), sent


async def _embeddings_request(case: Case) -> Computed:
    decoder = msgspec.json.Decoder(EmbeddingsRequest)
    try:
        request = bodies.read(case.given("openai.json"), decoder, nesting_max=100)
        model = models.bare_id(request.model)
        plan = embeddings.to_gemini(request, model, embedder(model))
    except ApiError as error:
        return {"refused.json": page({"status": error.status, "body": failures.body(error)})}
    sent = msgspec.to_builtins(BatchEmbedContentsRequest(plan.inputs))
    return {"gemini.json": page(sent)} | ({"notes.json": page(plan.notes)} if plan.notes else {})


async def _speech(case: Case) -> Computed:
    notes: list[Note] = []
    try:
        request = bodies.read_request(case.given("openai.json"), Decoders(SpeechRequest), notes, nesting_max=100)
        model = models.bare_id(request.model)
        plan = speech_request.to_gemini(request, profile(model)).plan
    except ApiError as error:
        return {"refused.json": page({"status": error.status, "body": failures.body(error)})}
    return _sent(model, plan.native, notes + plan.notes)


def _sent(model: str, native: GenerateContentRequest, notes: list[Note]) -> Computed:
    """Give what goes upstream, and what is lost on the way."""
    sent = {"model": f"models/{model}"} | msgspec.json.decode(encode_request(native).body)
    return {"gemini.json": page(sent)} | ({"notes.json": page(notes)} if notes else {})


async def _transcription(case: Case) -> Computed:
    """Send a form as the official clients do; the recording lies at the Files API."""
    notes: list[Note] = []
    try:
        request, plan = _transcribing(case, "openai.json", notes)
    except ApiError as error:
        return {"refused.json": page({"status": error.status, "body": failures.body(error)})}
    return _sent(models.bare_id(request.model), plan.native, notes + plan.notes)


def _transcribing(case: Case, name: str, notes: list[Note]) -> tuple[transcription.TranscriptionRequest, chat.Plan]:
    task: transcription.Task = "translate" if case.family == "audio/translations" else "transcribe"
    request = transcription.read(_form(msgspec.json.decode(case.given(name))), task, notes)
    family = profile(models.bare_id(request.model))
    sound = Found(Source("file"), "audio/flac", uri="https://generativelanguage.googleapis.com/v1beta/files/recording")
    references = [dataclasses.replace(sound, uri=f"{sound.uri}-{one}") for one in request.speakers]
    return request, transcription.to_gemini(request, family, sound, float(case.about("Seconds", "60")), references)


def _form(fields: dict[str, Any]) -> list[tuple[str, str]]:
    """Write fields as the official clients do; the file goes its own way."""
    listed: list[tuple[str, str]] = []
    for name, value in fields.items():
        if isinstance(value, list):
            listed += [(f"{name}[]", one) for one in value]
        elif isinstance(value, dict):
            listed += [(f"{name}[{key}]", str(inner)) for key, inner in value.items()]
        elif name != "file":
            listed.append((name, value if isinstance(value, str) else msgspec.json.encode(value).decode()))
    return listed


async def _transcript(case: Case) -> Computed:
    notes: list[Note] = []
    request, plan = _transcribing(case, "request.json", notes)
    config = plan.native.generation_config
    heard = transcript.Heard(request, in_json=config is not None and config.response_mime_type is not None)
    reader = ReplyReader()
    reply = decode_reply(case.given("gemini.json"))
    for event in [*reader.feed(reply), *reader.close()]:
        heard.feed(event)
    notes.clear()
    answer = transcript.answer(heard.transcript(float(case.about("Seconds", "0")), notes), request)
    told = {"openai.txt": answer.encode()} if isinstance(answer, str) else {"openai.json": page(answer)}
    return told | ({"notes.json": page(notes)} if notes else {})


async def _images_request(case: Case) -> Computed:
    notes: list[Note] = []
    try:
        request = bodies.read_request(case.given("openai.json"), _IMAGES, notes, nesting_max=100)
        model = models.bare_id(request.model or DEFAULT_PAINTER)
        plan = images.to_gemini(request, [images.prompt_part(request.prompt)], painter(model))
    except ApiError as error:
        return {"refused.json": page({"status": error.status, "body": failures.body(error)})}
    return _sent(model, plan.natives()[0], notes + plan.notes)


async def _images_edit(case: Case) -> Computed:
    http = playing.FakeHttp(lambda _: playing.Played(_PICTURE))
    asked = msgspec.json.decode(case.given("openai.json"))
    answer = await playing.ask(playing.server(http, report="body"), "POST", "/v1/images/edits", asked)
    if answer.status != 200:
        return {"refused.json": page({"status": answer.status, "body": answer.json})}
    [sent] = http.sent
    losses = [{key: loss[key] for key in ("param", "fate", "why")} for loss in answer.json["extra_content"]["pollux"]["losses"]]
    assert isinstance(sent.body, bytes)
    native = {"model": f"models/{asked['model']}"} | msgspec.json.decode(sent.body)
    return {"gemini.json": page(native)} | ({"notes.json": page(losses)} if losses else {})


_PICTURE = b"""{"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]}}]}"""


async def _images_reply(case: Case) -> Computed:
    app = playing.server(playing.FakeHttp(lambda _: playing.Played(case.given("gemini.json"))))
    asked = {"model": DEFAULT_PAINTER, "prompt": "A lighthouse"}
    answer = (await playing.ask(app, "POST", "/v1/images/generations", asked)).json
    return {"openai.json": page(answer | ({"created": STAMP.created} if "created" in answer else {}))}


async def _video(case: Case) -> Computed:
    """Build a video's native request; its pictures lie in it."""
    notes: list[Note] = []
    try:
        fields = video_fields.gather(msgspec.json.decode(case.given("openai.json")), notes)
        model = fields["model"][0]
        makes = filmer(model)
        assert makes is not None
        order = videos.order(
            model, makes, fields, notes, task=_TASKS[case.about("Task", "create")], before=_before(case, makes)
        )
        found = {source.path: inline.found(source) for source in order.sources}
        is_veo = makes.engine == "veo"
        native = veo.to_gemini(order, found, notes, seed=True) if is_veo else omni.to_gemini(order, found, notes)
    except ApiError as error:
        return {"refused.json": page({"status": error.status, "body": failures.body(error)})}
    return {"gemini.json": page(native)} | ({"notes.json": page(notes)} if notes else {})


_TASKS: dict[str, videos.Task] = {"create": "create", "edit": "edit", "extend": "extend"}


def _before(case: Case, makes: Filmer) -> videos.Before | None:
    """Give the video that a request goes on from: one of the same engine."""
    if case.about("Task", "create") == "create":
        return None
    uri = "https://generativelanguage.googleapis.com/v1beta/files/zqw12cp8qc38:download?alt=media"
    return videos.Before(uri, "v1_abc" if makes.engine == "omni" else "", makes.engine, "9:16", "720p", 8)


async def _video_reply(case: Case) -> Computed:
    """Tell a native answer about a video that was begun a minute ago."""
    given = case.given("gemini.json")
    is_veo = "name" in msgspec.json.decode(given)
    outcome = veo.outcome(decode_operation(given)) if is_veo else omni.outcome(decode_interaction(given))
    state = video_state.State(
        model=DEFAULT_FILMER,
        native_model=DEFAULT_FILMER,
        engine="veo" if is_veo else "omni",
        prompt="A calm ocean wave",
        aspect_ratio="16:9",
        resolution="1080p",
        size="1920x1080",
        seconds=8,
    )
    created_us = STAMP.created * 1_000_000
    video_state.enter(state, outcome, created_us + 60_000_000)
    row = VideoRow("owner", f"video_{STAMP.token}", created_us, "", 0, video_state.write(state), 0, 0)
    url = f"http://pollux.test/v1/videos/{row.id}/content"
    return {"openai.json": page(video_state.told(row, created_us + 60_000_000, url))}


COMPUTE: dict[str, Callable[[Case], Awaitable[Computed]]] = {
    "chat/requests": _request,
    "chat/replies": _reply,
    "chat/streams": _stream,
    "chat/exchanges": _exchanged,
    "embeddings/requests": _embeddings_request,
    "audio/speech": _speech,
    "audio/transcriptions": _transcription,
    "audio/translations": _transcription,
    "audio/transcripts": _transcript,
    "images/requests": _images_request,
    "images/edits": _images_edit,
    "images/replies": _images_reply,
    "videos/veo": _video,
    "videos/omni": _video,
    "videos/replies": _video_reply,
    "failures": _failure,
    "models": _models,
}
SIDES = {
    "chat/requests": ("gemini.json", "refused.json", "notes.json"),
    "chat/replies": ("openai.json",),
    "chat/streams": ("openai.jsonl",),
    "chat/exchanges": ("sent.json", "answer.json"),
    "embeddings/requests": ("gemini.json", "refused.json", "notes.json"),
    "audio/speech": ("gemini.json", "refused.json", "notes.json"),
    "audio/transcriptions": ("gemini.json", "refused.json", "notes.json"),
    "audio/translations": ("gemini.json", "refused.json", "notes.json"),
    "audio/transcripts": ("openai.json", "openai.txt", "notes.json"),
    "images/requests": ("gemini.json", "refused.json", "notes.json"),
    "images/edits": ("gemini.json", "refused.json", "notes.json"),
    "images/replies": ("openai.json",),
    "videos/veo": ("gemini.json", "refused.json", "notes.json"),
    "videos/omni": ("gemini.json", "refused.json", "notes.json"),
    "videos/replies": ("openai.json",),
    "failures": ("openai.json",),
    "models": ("openai.json",),
}
"""The files that are computed, by family."""
