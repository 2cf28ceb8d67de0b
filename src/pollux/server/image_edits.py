"""POST /images/edits and /images/variations: pictures in, as files of a form, data URLs, addresses or ids of files."""

import asyncio
import re
from base64 import b64encode
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from pollux.errors import ApiError, InvalidRequest
from pollux.media import images as codecs
from pollux.media import sniff
from pollux.media.dimensions import dimensions
from pollux.media.images import ImageFormat
from pollux.media.workshop import Workshop
from pollux.server import bodies, files, forms, images
from pollux.server.access import Caller
from pollux.server.exchange import Exchange
from pollux.server.images import Order
from pollux.server.media import RequestMedia
from pollux.translate import image_edits
from pollux.translate import images as requests
from pollux.translate.media import Found, Source, source
from pollux.translate.profiles import painter
from pollux.wire.closed import Decoders
from pollux.wire.forms import Attached
from pollux.wire.gemini.generate import Base64
from pollux.wire.openai import images as wire
from pollux.wire.openai.chat import ContentPart, MediaUrl

if TYPE_CHECKING:
    from pollux.server.app import App

EDITED = "image_edit.completed"
"""The type of a stream's events."""

PICTURE_BYTES_MAX = 52_428_800
"""Largest stored file that is taken for a picture. Source: OpenAI API, Create image edit: 50 MB."""

R = TypeVar("R", wire.EditImageRequest, wire.VariationRequest)

_edits = Decoders(wire.EditImageRequest)
_edit_forms = Decoders(wire.EditImageRequest, strict=False)
_variations = Decoders(wire.VariationRequest)
_variation_forms = Decoders(wire.VariationRequest, strict=False)

Given = tuple[str, Attached | wire.ImageRef | str]
"""A picture as it is given, with its place."""


async def edit_image(app: "App", exchange: Exchange) -> None:
    """Change pictures as a prompt says."""
    caller = app.authenticated(exchange)
    request, attached = await _read(app, exchange, _edits, _edit_forms)
    prompt = requests.prompt_part(request.prompt).text or ""
    given = attached["image"] or _given(request)
    masks = attached["mask"] or ([("mask", request.mask)] if request.mask is not None else [])
    await _answer(app, exchange, caller, _Asked(request, prompt, given, masks[0] if masks else None))


async def vary_image(app: "App", exchange: Exchange) -> None:
    """Draw variations of a picture."""
    caller = app.authenticated(exchange)
    request, attached = await _read(app, exchange, _variations, _variation_forms)
    await _answer(app, exchange, caller, _Asked(request, image_edits.VARIATION, attached["image"] or _given(request), None))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked for: the parameters, the prompt, the pictures as they are given, and the mask."""

    request: wire.EditImageRequest | wire.VariationRequest
    prompt: str
    pictures: Sequence[Given]
    mask: Given | None


async def _answer(app: "App", exchange: Exchange, caller: Caller, asked: _Asked) -> None:
    headers = app.upstream_headers(exchange)
    exchange.watch()
    model = await images.resolved(app, exchange, caller, asked.request.model, headers)
    family = painter(model)
    image_edits.check_count(len(asked.pictures), "images" if getattr(asked.request, "images", None) else "image", family)
    media = RequestMedia(app, exchange, caller, headers)
    given = [*asked.pictures, *([asked.mask] if asked.mask is not None else [])]
    found = await media.find([await _source(app, exchange, caller, *each) for each in given])
    for each in found:
        image_edits.check_picture(each)
    request, finish, hole = asked.request, None, None
    if asked.mask is not None:
        mask = found.pop()
        masking = _Masking(app.workshop, _content(found[0]), _content(mask), asked.request)
        hole = await masking.hole(mask.source.path)
        request = image_edits.in_the_frame(request, masking.size, exchange.notes)
        finish = masking
    plan = requests.to_gemini(request, image_edits.parts(asked.prompt, found, hole), family)
    call = media.renewing(images.native_call(app, caller, model, headers))
    await images.tell(app, exchange, Order(caller, plan, call, request.stream is True, EDITED, finish))


class _Masking:
    """Puts the original around what was edited."""

    def __init__(
        self, workshop: Workshop, original: bytes, mask: bytes, request: wire.EditImageRequest | wire.VariationRequest
    ) -> None:
        self._workshop = workshop
        self._original = original
        self._mask = mask
        self._to: ImageFormat = _format(request.output_format)
        self._quality = request.output_compression
        self.size = dimensions(original[:FIRST].decode("ascii"))[1]

    async def hole(self, path: str) -> Base64:
        """Give the picture with the mask's part transparent; before anything is paid for. Raises InvalidRequest."""
        try:
            return Base64(await self._workshop.run(codecs.masked, self._original, self._mask))
        except InvalidRequest as error:
            error.param = error.param or path
            raise

    async def __call__(self, data: str) -> str:
        return await self._workshop.run_at_last(
            codecs.recomposed, self._original, data, self._mask, self._to, quality=self._quality if self._to != "png" else None
        )


FIRST = 4_194_304
"""Characters of a picture's base64 in which its size is looked for."""


def _format(asked: str | None) -> ImageFormat:
    """Give the format of an edit with a mask: PNG where none is asked for, so that the original's pixels stay as they are."""
    match asked:
        case "jpeg" | "webp":
            return asked
    return "png"


def _content(found: Found) -> bytes:
    """Give the base64 of a picture that pixels are taken from. Raises InvalidRequest where it is elsewhere."""
    path = found.source.path
    if found.data is None:
        raise InvalidRequest(
            f"{path}: with a mask the picture itself is needed; send it, or the id of a file of this server.", param=path
        )
    if found.mime_type not in codecs.PLUGINS:
        raise InvalidRequest(
            f"{path} is of type {found.mime_type}; with a mask pictures are taken as PNG, JPEG or WebP.",
            param=path,
            code="unsupported_media_type",
        )
    return b"".join(found.data.pieces)


async def _read(
    app: "App", exchange: Exchange, decoders: Decoders[R], form_decoders: Decoders[R]
) -> tuple[R, dict[Literal["image", "mask"], list[Given]]]:
    """Read a request, JSON or a form; give it with the files that were attached. Raises ApiError, naming the field."""
    nesting_max = app.settings.nesting_max
    attached: dict[Literal["image", "mask"], list[Given]] = {"image": [], "mask": []}
    if not exchange.headers.get(b"content-type", b"").lower().startswith(b"multipart/"):
        return bodies.read_request(await app.body(exchange), decoders, exchange.notes, nesting_max=nesting_max), attached
    form = await forms.read(app, exchange)
    for name, kept in attached.items():
        value = form.get(name)
        values = value if isinstance(value, list) else [value]
        if any(isinstance(each, Attached) for each in values):
            del form[name]
            kept += [(f"{name}[{i}]" if isinstance(value, list) else name, each) for i, each in enumerate(values)]
    if len(attached["mask"]) > 1:
        raise InvalidRequest("mask is there twice; it belongs to the first picture.", param="mask")
    for field, value in form.items():
        if isinstance(value, Attached):
            raise InvalidRequest(f"{field} must be a text, not a file.", param=field, code="invalid_type")
    body = msgspec.json.encode({name: _plain(value) if name in NATIVE else value for name, value in form.items()})
    return bodies.read_request(body, form_decoders, exchange.notes, nesting_max=nesting_max), attached


NATIVE = ("extra_body", "google", *requests.BARE)
"""Fields whose inner texts may be numbers; all else is told by the shape."""

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,15})(?:\.\d{1,15})?|true|false")


def _plain(value: Any) -> Any:
    """Read the numbers and booleans among the texts of a form."""
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case str() if _NUMBER.fullmatch(value):
            return msgspec.json.decode(value)
    return value


def _given(request: wire.EditImageRequest | wire.VariationRequest) -> list[Given]:
    """Give the pictures of a JSON body, with their places."""
    listed = request.images if isinstance(request, wire.EditImageRequest) else None
    if listed is not None:
        return [(f"images[{i}]", each) for i, each in enumerate(listed)]
    match request.image:
        case None:
            return []
        case list():
            return [(f"image[{i}]", each) for i, each in enumerate(request.image)]
        case one:
            return [("image", one)]


async def _source(app: "App", exchange: Exchange, caller: Caller, path: str, given: Attached | wire.ImageRef | str) -> Source:
    """Read one picture as it is given. Raises ApiError, naming the field."""
    match given:
        case Attached():
            kind = sniff.media_type(given.data[: sniff.HEAD_BYTES]) or "" if given.data else "image/"
            if not kind.startswith("image/"):
                raise InvalidRequest(
                    f"{path} is not a picture: its bytes are {kind or 'of no known kind'}.", param=path, code="invalid_media"
                )
            return Source(path, label=given.label, data=memoryview(b64encode(given.data)))
        case str() if files.ID.fullmatch(given):
            return await _stored(app, exchange, caller, given, path)
        case str():
            return source(ContentPart(type="image_url", image_url=given), path)
        case wire.ImageRef(file_id=str(file_id)) if files.ID.fullmatch(file_id):
            return await _stored(app, exchange, caller, file_id, f"{path}.file_id")
        case wire.ImageRef(file_id=str(file_id)):
            return Source(f"{path}.file_id", address=file_id[:200])
    return source(ContentPart(type="image_url", image_url=MediaUrl(url=given.image_url)), path)


async def _stored(app: "App", exchange: Exchange, caller: Caller, file_id: str, path: str) -> Source:
    """Read a stored file. Raises ApiError, naming the field."""
    store, file = await files.find(app, caller, file_id, path)
    if file.bytes > PICTURE_BYTES_MAX:
        raise InvalidRequest(f"{path}: the file is larger than {PICTURE_BYTES_MAX} bytes.", param=path, code="media_too_large")
    app.in_flight.hold(file.bytes)
    exchange.held_bytes += file.bytes
    segments = await store.files.segments(caller.owner, file.id)
    async with aclosing(store.files.read(segments, 0, file.bytes)) as pieces:
        content = b"".join([piece async for piece in pieces])
    if not content:
        raise ApiError("The bytes of this file are not in the store any more.", code="content_missing", param=path)
    return Source(path, label=file.mime_type, data=memoryview(await asyncio.to_thread(b64encode, content)))
