"""Links to pictures: kept in the store under their owner, given to whoever has the link, gone when its time has passed.

The link holds the owner and the file's id, sealed: nobody can make one, and it says nothing. It needs no key, as OpenAI's.
"""

from typing import TYPE_CHECKING, NoReturn

from pollux.errors import InvalidRequest, NotFound
from pollux.server import files
from pollux.server.access import Caller, refuse_web_pages
from pollux.server.exchange import Exchange, Header
from pollux.server.passthrough import own_origin
from pollux.server.sealed import Sealer
from pollux.server.storing import Storing
from pollux.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pollux.server.app import App

PATH = "/v1/images/"


class ImageLinks:
    """Makes links and opens them."""

    def __init__(self, settings: Settings, storing: Storing) -> None:
        self._settings = settings
        self._storing = storing
        self._sealer = Sealer(settings.secret, "image link")

    async def check(self, app: "App", exchange: Exchange, caller: Caller) -> str:
        """Give the address that links begin with; before anything is paid for. Raises ApiError where none can be made."""
        origin = self._settings.public_url.rstrip("/") or own_origin(exchange)
        if not origin:
            raise InvalidRequest(
                "response_format url needs a Host header that names this server, or the setting public_url.",
                param="response_format",
            )
        store = await self._storing.store()
        if await store.files.space(caller.owner) >= self._settings.owner_bytes_max:
            await files.no_room(app, store, caller)
        return origin + PATH

    async def add(self, app: "App", caller: Caller, base: str, mime_type: str, pieces: "AsyncIterator[bytes]") -> str:
        """Keep a picture, and give the link to it. Raises ApiError."""
        from pollux.store.files import LINKED  # the store is loaded when it is first used

        store = await self._storing.store()
        async with store.files.incoming() as incoming:
            async for piece in pieces:
                await incoming.write(piece)
            written = await incoming.finish()
        file = files.new_file(
            store,
            filename=f"image.{mime_type.rpartition('/')[2]}",
            purpose=LINKED,
            size=written.bytes,
            declared_type=mime_type,
            lasting_seconds=max(1, round(self._settings.link_seconds)),
            sha256=written.sha256,
        )
        if not await store.files.add(caller.owner, file, written, owner_bytes_max=self._settings.owner_bytes_max):
            await files.no_room(app, store, caller)
        return base + self._sealer.seal(caller.owner, file.id)

    def opened(self, token: str) -> tuple[str, str] | None:
        """Give the owner and the file's id of a link; None for what is none."""
        return self._sealer.open(token)


async def show_image(app: "App", exchange: Exchange, token: str) -> None:
    """Give the picture behind a link."""
    if app.settings.local_only:
        refuse_web_pages(exchange.headers)
    opened = app.image_links.opened(token)
    if opened is None:
        _gone()
    owner, file_id = opened
    app.admitted(exchange, app.access.keyless(owner))
    await app.body(exchange)
    exchange.watch()
    store = await app.storing.store()
    file = await store.files.get(owner, file_id)
    if file is None:
        _gone()
    headers: tuple[Header, ...] = (
        (b"content-type", file.mime_type.encode("ascii")),
        (b"x-content-type-options", b"nosniff"),
        (b"content-disposition", f'inline; filename="{file.filename}"'.encode("ascii")),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"private, max-age=300"),
    )
    await files.give(exchange, store, owner, file, headers)


def _gone() -> NoReturn:
    raise NotFound("There is no such picture, or the time of its link has passed.", code="image_not_found")
