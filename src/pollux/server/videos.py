"""POST and GET /videos, GET and DELETE /videos/{id}, content, remixes, edits, extensions. The work is in `video_work`."""

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from pollux.errors import ApiError, InvalidRequest, MethodNotAllowed, NotFound, Unsupported
from pollux.server import forms, pages, references, report, video_content, video_media, video_state
from pollux.server.access import Caller
from pollux.server.exchange import JSON, Exchange, Header
from pollux.server.media import RequestMedia
from pollux.server.passthrough import own_origin
from pollux.server.video_state import State
from pollux.server.video_work import AGAIN_SECONDS, fingerprint
from pollux.translate import omni, veo, videos
from pollux.translate.notes import Note
from pollux.translate.profiles import Filmer, filmer
from pollux.translate.video_fields import Fields, gather
from pollux.translate.videos import Before, Task
from pollux.wire.openai.videos import VideoDeleted, VideoList

if TYPE_CHECKING:
    from pollux.server.app import App
    from pollux.store.videos import VideoRow

ID = re.compile(r"video_[A-Za-z0-9]{24}")
LIST_DEFAULT, LIST_MAX = 20, 100
"""Videos of one page. Source: OpenAI API, List videos."""

ASKED_AT_ONCE = 8
"""Running videos of a page that the service is asked about."""

_encode = msgspec.json.Encoder(order="deterministic").encode
_native = msgspec.json.Encoder().encode


async def create_video(app: "App", exchange: Exchange) -> None:
    """Begin a video, or an extension of one (`extend_video_id`)."""
    await _create(app, exchange, "create")


async def edit_video(app: "App", exchange: Exchange) -> None:
    """Begin a video that is another one, changed."""
    await _create(app, exchange, "edit")


async def extend_video(app: "App", exchange: Exchange) -> None:
    """Begin a video that is another one, made longer."""
    await _create(app, exchange, "extend")


async def change_video(app: "App", exchange: Exchange, rest: str) -> None:
    """Begin a remix: an edit of a video that its path names."""
    video_id, _, verb = rest.partition("/")
    if not verb:
        raise MethodNotAllowed("POST is not possible here; use GET, DELETE.", headers=(("allow", "GET, DELETE"),))
    if verb != "remix":
        raise NotFound(f"There is nothing at {exchange.path[:200]}.", code="unsupported_endpoint")
    await _create(app, exchange, "edit", remixed=video_id)


async def _create(app: "App", exchange: Exchange, task: Task, *, remixed: str | None = None) -> None:
    caller = app.authenticated(exchange)
    store = await app.storing.store()
    arrived_us = await store.videos.now_us()
    body = await forms.read(app, exchange)
    exchange.watch()
    print_ = fingerprint(f"{task} {remixed or ''}", body)
    again_us = arrived_us - int(AGAIN_SECONDS * 1e6) if _is_repeated(exchange) else None
    made = None if again_us is None else await app.videos.made_already(caller, print_, again_us)
    if made is None:
        fields = gather(body, exchange.notes)
        made = await _begun(app, exchange, caller, fields, task, remixed, (print_, arrived_us, again_us))
    await _tell(app, exchange, made)


async def _begun(
    app: "App",
    exchange: Exchange,
    caller: Caller,
    fields: Fields,
    task: Task,
    remixed: str | None,
    again: tuple[str, int, int | None],
) -> "VideoRow":
    headers = app.upstream_headers(exchange)
    if task == "create" and "extend_video_id" in fields:
        task = "extend"
    source, before = await _before(app, exchange, caller, fields, task, remixed)
    asked, model, makes = await _model(app, exchange, caller, fields, task, source)
    exchange.model = asked
    order = videos.order(model, makes, fields, exchange.notes, task=task, before=before)
    if order.video is not None and makes.engine == "veo":
        _refuse(order.video.path, "Veo goes on only from videos that it made here: give the id of one.", "unsupported_value")
    media = RequestMedia(app, exchange, caller, headers)
    found = await video_media.find(app, media, caller, order)
    if makes.engine == "veo":
        native = _native(veo.to_gemini(order, found, exchange.notes, seed=app.settings.video_seed == "send"))
    else:
        native = _native(omni.to_gemini(order, found, exchange.notes))
    report.refuse_losses(app, exchange)
    exchange.reports_in_body = report.wanted_in_body(app, exchange)
    width, height = order.size
    state = State(
        model=asked,
        native_model=model,
        engine=makes.engine,
        prompt=videos.prompt_of(fields),
        aspect_ratio=order.aspect_ratio or "16:9",
        resolution=order.resolution or "720p",
        size=f"{width}x{height}",
        seconds=order.length,
        remixed_from=remixed,
    )
    print_, arrived_us, again_us = again
    return await app.videos.begin(
        caller, headers, order, native, state, fingerprint=print_, arrived_us=arrived_us, again_us=again_us
    )


async def _before(
    app: "App", exchange: Exchange, caller: Caller, fields: Fields, task: Task, remixed: str | None
) -> tuple[State | None, Before | None]:
    """Find the video that a request goes on from; none of ours where the caller sends a film."""
    if task == "create":
        return None, None
    name: Any
    if remixed is not None:
        name, path = remixed, "video_id"
    elif "extend_video_id" in fields:
        name, path = fields["extend_video_id"]
    elif "video" in fields:
        value, path = fields["video"]
        name = value.get("id") if isinstance(value, dict) and "id" in value else value
    else:
        raise InvalidRequest("video is missing.", param="video", code="missing_required_parameter")
    if isinstance(name, str) and ID.fullmatch(name.strip()):
        row = await app.videos.ask(caller, app.upstream_headers(exchange), await _find(app, caller, name.strip(), path))
        state = video_state.read(row)
        now_us = await (await app.storing.store()).videos.now_us()
        video_content.check_there(row.id, state, now_us, param=path)
        return state, video_state.before(state)
    if remixed is not None or (isinstance(name, str) and name.startswith("video_")):
        _unknown(str(name), path)
    if path == "video" and isinstance(fields["video"][0], dict) and "id" in fields["video"][0]:
        _unknown(str(name), path)
    if isinstance(name, str) and path.endswith(("extend_video_id", "extendVideoId")):
        native = references.resource(name, app.passthrough.host)
        if native is None or not native.startswith("files/"):
            _unknown(name, path)
        if app.owned is not None:
            await app.owned.check(caller, [native])
        return None, Before(uri=video_content.uri_of(app, native))
    return None, None


async def _model(
    app: "App", exchange: Exchange, caller: Caller, fields: Fields, task: Task, source: State | None
) -> tuple[str, str, Filmer]:
    """Say which model makes the video: the one that is asked for, that of the video before, or the setting's.

    Gives its name as it is told, and as it is called.
    """
    headers = app.upstream_headers(exchange)
    if "model" in fields:
        asked, path = fields["model"]
        if not isinstance(asked, str) or not asked:
            _refuse(path, f"{path} must be the name of a model.", "invalid_type")
    elif source is not None and not (task == "edit" and source.engine == "veo"):
        return source.model, source.native_model, _filmer(source.native_model)
    else:
        asked = app.settings.video_model
        if source is not None:
            exchange.notes.append(Note("model", "approximated", f"{source.model} cannot edit videos; {asked} does"))
    model = await app.aliases.resolve(asked, caller, headers, exchange.notes)
    makes = _filmer(model)
    if task == "edit" and makes.engine == "veo":
        _refuse("model", f"{asked} cannot edit videos; {app.settings.video_model} can.", "unsupported_value")
    return asked, model, makes


def _filmer(model: str) -> Filmer:
    makes = filmer(model)
    if makes is None:
        raise Unsupported(
            f"The model {model} makes no videos. Models that do are named veo-… and gemini-omni-….",
            param="model",
            code="unsupported_value",
        )
    return makes


async def list_videos(app: "App", exchange: Exchange) -> None:
    """Give a page of the caller's videos, newest first unless it is asked for otherwise."""
    caller = await _caller(app, exchange)
    query = pages.asked(exchange)
    limit, order = pages.limit(query, default=LIST_DEFAULT, most=LIST_MAX), pages.order(query)
    store = await app.storing.store()
    after = await _find(app, caller, query["after"], "after") if query.get("after") else None
    page = await store.videos.page(caller.owner, after=after, limit=limit, order=order)
    running = [row for row in page.videos if not video_state.read(row).over][:ASKED_AT_ONCE]
    asked = {row.id: row for row in await asyncio.gather(*(_asked(app, exchange, caller, row) for row in running))}
    now_us = await store.videos.now_us()
    data = [video_state.told(asked.get(row.id, row), now_us, _url(exchange, row)) for row in page.videos]
    first_id, last_id = (data[0].id, data[-1].id) if data else (None, None)
    await exchange.answer(200, _encode(VideoList(data=data, first_id=first_id, last_id=last_id, has_more=page.more)))


async def retrieve_video(app: "App", exchange: Exchange, rest: str) -> None:
    """Say how a video is, or give its content."""
    video_id, _, tail = rest.partition("/")
    if tail not in ("", "content"):
        raise NotFound(f"There is nothing at {exchange.path[:200]}.", code="unsupported_endpoint")
    caller = await _caller(app, exchange)
    row = await _find(app, caller, video_id)
    row = await app.videos.ask(caller, app.upstream_headers(exchange), row)
    if tail:
        await video_content.answer(app, exchange, caller, row)
    else:
        await _tell(app, exchange, row)


async def delete_video(app: "App", exchange: Exchange, video_id: str) -> None:
    """Remove a video, here and at the Gemini API."""
    caller = await _caller(app, exchange)
    row = await _find(app, caller, video_id)
    if not await app.videos.remove(caller, app.upstream_headers(exchange), row):
        _unknown(video_id)
    await exchange.answer(200, _encode(VideoDeleted(id=video_id)))


async def refuse_characters(app: "App", exchange: Exchange, _rest: str = "") -> None:
    """Refuse OpenAI's characters: Gemini has reference images for that."""
    app.authenticated(exchange)
    raise Unsupported(
        "Characters are Sora's. Give pictures of them as reference_images in extra_body.google.", code="unsupported_endpoint"
    )


async def _tell(app: "App", exchange: Exchange, row: "VideoRow") -> None:
    now_us = await (await app.storing.store()).videos.now_us()
    video = video_state.told(row, now_us, _url(exchange, row))
    report.attach(exchange, video)
    headers: tuple[Header, ...] = (JSON,)
    if video.status in ("queued", "in_progress"):
        headers += ((b"openai-poll-after-ms", b"%d" % max(1, int(app.settings.video_poll_seconds * 1000))),)
    await exchange.answer(200, _encode(video), headers)


async def _asked(app: "App", exchange: Exchange, caller: Caller, row: "VideoRow") -> "VideoRow":
    with suppress(ApiError):  # a list tells what is known
        return await app.videos.ask(caller, app.upstream_headers(exchange), row)
    return row


async def _caller(app: "App", exchange: Exchange) -> Caller:
    caller = app.authenticated(exchange)
    await app.body(exchange)
    exchange.watch()
    return caller


async def _find(app: "App", caller: Caller, video_id: str, param: str = "video_id") -> "VideoRow":
    row = await (await app.storing.store()).videos.get(caller.owner, video_id) if ID.fullmatch(video_id) else None
    if row is None:
        _unknown(video_id, param)
    return row


def _url(exchange: Exchange, row: "VideoRow") -> str:
    """Give the address of a video's content, below the base that the caller uses; it wants the caller's key."""
    base = "/v1beta/openai" if exchange.path.lstrip("/").startswith("v1beta/") else "/v1"
    return f"{own_origin(exchange)}{base}/videos/{row.id}/content"


def _is_repeated(exchange: Exchange) -> bool:
    count = exchange.headers.get(b"x-stainless-retry-count", b"0")
    return count.isdigit() and int(count) > 0


def _unknown(video_id: str, param: str = "video_id") -> NoReturn:
    raise NotFound(f"No such Video object: {video_id[:100]}", param=param)


def _refuse(path: str, message: str, code: str) -> NoReturn:
    raise InvalidRequest(message, param=path, code=code)
