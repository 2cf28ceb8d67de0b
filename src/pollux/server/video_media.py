"""The media of a request for a video: found, and looked at before anything is paid for.

Veo takes pictures as bytes only, so a stored file is read; Omni reads the Files API too. Films that a caller sends go to Omni.
"""

from base64 import b64encode
from binascii import a2b_base64
from contextlib import aclosing
from typing import TYPE_CHECKING

from pollux.errors import InvalidRequest, UnusableMedia
from pollux.media import images, inline, sniff
from pollux.server import files
from pollux.server.access import Caller
from pollux.server.media import RequestMedia
from pollux.translate.media import Found, Source
from pollux.translate.videos import Order
from pollux.wire.gemini.generate import Base64

if TYPE_CHECKING:
    from pollux.server.app import App

PICTURES = ("image/png", "image/jpeg", "image/webp")
"""What both engines take. Source: Gemini API, Veo, image to video."""

PICTURE_BYTES_MAX = 20_971_520
"""Largest picture. Source: Gemini API, Veo: 20 MB."""

LOOKED_AT_SIDE = 16
"""A picture is decoded down to this, to see that it is whole."""


async def find(app: "App", media: RequestMedia, caller: Caller, order: Order) -> dict[str, Found]:
    """Find the media of an order, by their place. Raises ApiError, naming the field."""
    found: dict[str, Found] = {}
    for source in order.sources:
        is_video = source is order.video
        what = "a video" if is_video else "an image (PNG, JPEG or WebP)"
        try:
            each = await _found(app, media, caller, source, as_bytes=not is_video and order.filmer.engine == "veo")
        except InvalidRequest as error:
            if error.code == "invalid_media":
                error.message = f"{source.path} cannot be read: its bytes are not {what}."
            raise
        if not each.mime_type.startswith("video/" if is_video else "image/"):
            raise InvalidRequest(
                f"{source.path} is of type {each.mime_type}, not {what}.", param=source.path, code="invalid_media"
            )
        if not is_video:
            await _check_picture(app, each, as_bytes=order.filmer.engine == "veo")
        found[source.path] = each
    return found


async def _found(app: "App", media: RequestMedia, caller: Caller, source: Source, *, as_bytes: bool) -> Found:
    if as_bytes and files.ID.fullmatch(source.address):
        return await _stored(app, caller, source)
    return (await media.find([source]))[0]


async def _stored(app: "App", caller: Caller, source: Source) -> Found:
    """Read a file of ours."""
    store, file = await files.find(app, caller, source.address, param=source.path)
    if file.bytes > PICTURE_BYTES_MAX:
        _too_large(source)
    segments = await store.files.segments(caller.owner, file.id)
    async with aclosing(store.files.read(segments, 0, file.bytes)) as pieces:
        data = b"".join([piece async for piece in pieces])
    return inline.of_type(source, data[: sniff.HEAD_BYTES], Base64(b64encode(data)), label=file.mime_type)


async def _check_picture(app: "App", found: Found, *, as_bytes: bool) -> None:
    source = found.source
    if found.data is None:
        if as_bytes:
            raise InvalidRequest(
                f"{source.path}: Veo takes an image itself, not its address. Send it as base64, as a data URL or as a file.",
                param=source.path,
                code="unsupported_value",
            )
        return
    if found.mime_type not in PICTURES:
        raise InvalidRequest(
            f"{source.path} is of type {found.mime_type}; videos take PNG, JPEG and WebP.",
            param=source.path,
            code="unsupported_media_type",
        )
    if found.data.size > PICTURE_BYTES_MAX * 4 // 3 + 4:
        _too_large(source)
    try:
        await app.workshop.run(images.thumbnail, a2b_base64(b"".join(found.data.pieces)), LOOKED_AT_SIDE)
    except UnusableMedia as error:
        raise InvalidRequest(f"{source.path} cannot be used: {error.message}", param=source.path, code=error.code) from None


def _too_large(source: Source) -> None:
    raise InvalidRequest(f"{source.path} is larger than {PICTURE_BYTES_MAX} bytes.", param=source.path, code="media_too_large")
