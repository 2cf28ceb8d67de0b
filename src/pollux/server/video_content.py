"""GET /videos/{id}/content: the film as it comes from the Gemini API, held nowhere; or pictures of it."""

import re
from binascii import Error, a2b_base64
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from pollux.errors import ApiError, InvalidRequest, NotFound, UpstreamFailed
from pollux.media import video
from pollux.server import failures, references, video_state
from pollux.server.access import Caller
from pollux.server.exchange import Exchange, Header
from pollux.server.passthrough import relay
from pollux.server.ranges import RangeNotSatisfiable
from pollux.server.video_state import State
from pollux.translate import omni
from pollux.upstream.http import HttpFailed, HttpStream
from pollux.upstream.passthrough import failed

if TYPE_CHECKING:
    from pollux.server.app import App
    from pollux.store.videos import VideoRow

PICTURED_BYTES_MAX = 268_435_456
"""Largest film of which pictures are made; the longest that Veo makes has some 100 MB."""

PASSED_BACK = ("content-length", "content-range", "accept-ranges")

RANGE = re.compile(rb"bytes=(?:\d{1,18}-\d{0,18}|-\d{1,18})")
"""A range that is passed on; what cannot be read is ignored, as the RFC says. Source: RFC 9110, section 14."""

VARIANTS = ("video", "thumbnail", "spritesheet")


def check_there(video_id: str, state: State, now_us: int, *, param: str = "video_id") -> None:
    """Raise InvalidRequest or NotFound unless the film is there."""
    if state.status == "failed":
        why = state.error.message if state.error else "it is not known why"
        raise InvalidRequest(f"The video {video_id} failed: {why}", param=param, code="video_failed")
    if state.status != "completed":
        raise InvalidRequest(f"The video {video_id} is not ready: it is {state.status}.", param=param, code="video_not_ready")
    if now_us >= state.expires_us:
        raise _expired(video_id, param)


def uri_of(app: "App", name: str) -> str:
    """Give the address by which the Gemini API knows the film of a file (`files/…`)."""
    return f"{app.passthrough.origin}/{app.settings.api_version}/{name}:download?alt=media"


async def answer(app: "App", exchange: Exchange, caller: Caller, row: "VideoRow") -> None:
    """Give the film, or pictures of it."""
    query = {name: values[-1] for name, values in parse_qs(exchange.query.decode("latin-1")).items()}
    variant = query.get("variant", "video")
    if variant not in VARIANTS:
        raise InvalidRequest(f"variant must be one of {', '.join(VARIANTS)}.", param="variant")
    state = video_state.read(row)
    check_there(row.id, state, await (await app.storing.store()).videos.now_us())
    if variant == "video":
        await _film(app, exchange, caller, row, state)
    else:
        await _pictures(app, exchange, caller, row, state, variant)


async def _film(app: "App", exchange: Exchange, caller: Caller, row: "VideoRow", state: State) -> None:
    etag = f'"{row.id}"'.encode()  # a film never changes
    headers: list[Header] = [
        (b"content-type", b"video/mp4"),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"private"),
        (b"etag", etag),
        (b"content-disposition", f'attachment; filename="{row.id}.mp4"'.encode()),
    ]
    if etag in exchange.headers.get(b"if-none-match", b""):
        await exchange.start(304, tuple(headers))
        await exchange.send(b"", more=False)
        return
    wanted: dict[str, str] = {}
    if_range = exchange.headers.get(b"if-range")
    if RANGE.fullmatch(exchange.headers.get(b"range", b"")) and (if_range is None or if_range.strip() == etag):
        wanted["range"] = exchange.headers[b"range"].decode("ascii")
    stream = await _opened(app, exchange, caller, row, state, wanted)
    try:
        told = {name.lower(): value for name, value in stream.headers.items()}
        if stream.status == 416:
            raise RangeNotSatisfiable(
                "The range is not in the video.",
                param="range",
                headers=(("content-range", told.get("content-range", "bytes */*")),),
            )
        headers += [(name.encode(), told[name].encode("latin-1")) for name in PASSED_BACK if name in told]
        if exchange.method == "HEAD":
            await exchange.start(stream.status, tuple(headers))
            await exchange.send(b"", more=False)
            return
        await relay(exchange, stream, headers, lambda error: failures.encode(exchange, error))
    finally:
        await stream.close()


async def _pictures(app: "App", exchange: Exchange, caller: Caller, row: "VideoRow", state: State, variant: str) -> None:
    """Make a picture of the film; it is held for as long as that takes."""
    pieces: list[bytes] = []
    stream = await _opened(app, exchange, caller, row, state, {})
    size = 0
    try:
        async for piece in stream.reads():
            size += len(piece)
            if size > PICTURED_BYTES_MAX:
                raise InvalidRequest(f"The video is too large for pictures of it; {PICTURED_BYTES_MAX} bytes are the limit.")
            app.in_flight.hold(len(piece))
            exchange.held_bytes += len(piece)
            pieces.append(piece)
    except HttpFailed as error:
        failed(error)
    finally:
        await stream.close()
    data = b"".join(pieces)
    pieces.clear()
    if variant == "thumbnail":
        picture, kind = await app.workshop.run(video.thumbnail, data), b"image/webp"
    else:
        picture, kind = await app.workshop.run(video.spritesheet, data), b"image/jpeg"
    await exchange.answer(200, picture, ((b"content-type", kind), (b"x-content-type-options", b"nosniff")))


async def _opened(
    app: "App", exchange: Exchange, caller: Caller, row: "VideoRow", state: State, wanted: dict[str, str]
) -> HttpStream:
    """Begin to read a film. One that the Gemini API does not know any more has expired."""
    if state.engine == "omni" and not state.uri:
        return await _inside(app, exchange, caller, row, state)
    name = references.resource(state.uri, app.passthrough.host)
    if name is None or not name.startswith("files/"):
        raise ApiError(
            "The Gemini API names an address of the video that is not its own.", status=502, code="upstream_malformed"
        )
    headers = {**app.upstream_headers(exchange), **wanted}
    try:
        return await app.videos.native.open(name, key=caller.upstream_key, headers=headers)
    except ApiError as error:
        if error.status in (403, 404):
            raise _expired(row.id, "video_id") from error
        raise


async def _inside(app: "App", exchange: Exchange, caller: Caller, row: "VideoRow", state: State) -> HttpStream:
    """Read a film that lies in its interaction, though its address was asked for; it is held."""
    headers = app.upstream_headers(exchange)
    interaction = await app.videos.native.interaction(state.native, key=caller.upstream_key, headers=headers)
    film = omni.film_of(interaction)
    if film is None or not film.data:
        raise _expired(row.id, "video_id")
    try:
        return _Whole(a2b_base64(film.data))
    except Error:
        raise UpstreamFailed("The Gemini API sent a video that cannot be read.", code="upstream_malformed") from None


class _Whole:
    """A film that is here as a whole, as if it came in reads."""

    status = 200

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.headers: Mapping[str, str] = {"content-length": str(len(data))}

    async def reads(self) -> AsyncIterator[bytes]:
        """Give the film."""
        yield self._data

    async def read(self, limit_bytes: int) -> bytes:
        """Give the film, or its beginning."""
        return self._data[:limit_bytes]

    async def close(self) -> None:
        """Close nothing."""


def _expired(video_id: str, param: str) -> NotFound:
    return NotFound(
        f"The video {video_id} is not there any more: the Gemini API keeps videos for two days.",
        param=param,
        code="video_expired",
    )
