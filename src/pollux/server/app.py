"""The composition root: the route table, the wiring, and what every request passes through.

A plain ASGI application. A framework's routing and middleware would cost more than the translation (see the decision note on
the HTTP server); what is needed of them stands here and in `exchange`.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from urllib.parse import urlsplit

import pollux
from pollux.errors import ApiError, MethodNotAllowed, NotFound
from pollux.media.workshop import Workshop
from pollux.server import (
    batches,
    chat,
    cors,
    embeddings,
    failures,
    files,
    health,
    image_edits,
    image_links,
    images,
    models,
    native,
    native_paths,
    speech,
    transcriptions,
    uploads,
    videos,
)
from pollux.server.access import Access, Caller, refuse_web_pages, with_secret
from pollux.server.aliases import Aliases
from pollux.server.batch_workers import BatchWorkers
from pollux.server.exchange import BrokenOff, CallerLeft, Exchange, Header, Receive, Scope, Send
from pollux.server.gemini_files import GeminiFiles
from pollux.server.key_check import KeyCheck
from pollux.server.limits import InFlight
from pollux.server.logs import AccessLog
from pollux.server.memory import open_memory
from pollux.server.owned import open_owned
from pollux.server.passthrough import Addresses
from pollux.server.sealed import Sealer
from pollux.server.storing import Storing
from pollux.server.video_work import VideoWork
from pollux.settings import LOOPBACK, Settings
from pollux.upstream.batches import NativeBatches
from pollux.upstream.client import GOOGLE, GeminiClient
from pollux.upstream.fetch import Fetcher, Limits
from pollux.upstream.files import NativeFiles
from pollux.upstream.http import HttpClient, Timeouts
from pollux.upstream.passthrough import Passthrough
from pollux.upstream.plain_client import PlainClient
from pollux.upstream.videos import NativeVideos

log = logging.getLogger("pollux.server")

H = TypeVar("H")
Handler = Callable[["App", Exchange], Awaitable[None]]
ItemHandler = Callable[["App", Exchange, str], Awaitable[None]]

OPENAI_BASES = ("/v1beta/openai", "/v1")
"""Where OpenAI's protocol is spoken. CONTRACT, section 1."""

OPENAI_ROUTES: dict[str, dict[str, Handler]] = {
    "/audio/speech": {"POST": speech.create_speech},
    "/audio/transcriptions": {"POST": transcriptions.create_transcription},
    "/audio/translations": {"POST": transcriptions.create_translation},
    "/chat/completions": {"POST": chat.create_completion},
    "/batches": {"GET": batches.list_batches, "POST": batches.create_batch},
    "/embeddings": {"POST": embeddings.create_embeddings},
    "/images/edits": {"POST": image_edits.edit_image},
    "/images/generations": {"POST": images.create_image},
    "/images/variations": {"POST": image_edits.vary_image},
    "/models": {"GET": models.list_models},
    "/files": {"GET": files.list_files, "POST": files.create_file},
    "/uploads": {"POST": uploads.create_upload},
    "/videos": {"GET": videos.list_videos, "POST": videos.create_video},
    "/videos/characters": {"POST": videos.refuse_characters},
    "/videos/edits": {"POST": videos.edit_video},
    "/videos/extensions": {"POST": videos.extend_video},
}
OPENAI_ITEMS: dict[str, dict[str, ItemHandler]] = {
    "/batches/": {"GET": batches.retrieve_batch, "POST": batches.cancel_batch},
    "/images/": {"GET": image_links.show_image},
    "/models/": {"GET": models.retrieve_model},
    "/files/": {"GET": files.retrieve_file, "DELETE": files.delete_file},
    "/uploads/": {"POST": uploads.change_upload},
    "/videos/characters/": {"GET": videos.refuse_characters},
    "/videos/": {"GET": videos.retrieve_video, "POST": videos.change_video, "DELETE": videos.delete_video},
}
OTHER_ROUTES: dict[str, dict[str, Handler]] = {
    "/v1beta/chat/completions": {"POST": chat.create_completion_bare},
    "/healthz": {"GET": health.healthz},
    "/readyz": {"GET": health.readyz},
}
ROUTES = OTHER_ROUTES | {base + path: handlers for base in OPENAI_BASES for path, handlers in OPENAI_ROUTES.items()}
ITEMS = {base + path: handlers for base in OPENAI_BASES for path, handlers in OPENAI_ITEMS.items()}

FAULT_HEADERS = b"x-emulator-"
"""Headers that ask the emulator for faults and scripted answers; they go nowhere else."""

UPSTREAM_CHECK_SECONDS = 5.0
"""How long the answer to "can the upstream be reached?" may take, and is kept; probes come every few seconds."""


class App:
    """The server, as ASGI sees it."""

    def __init__(self, settings: Settings, *, http: HttpClient | None = None) -> None:
        self.settings = settings = with_secret(settings)
        self.draining = False
        self.access = Access(settings)
        self.in_flight = InFlight(requests_max=settings.in_flight_max, bytes_max=settings.buffered_bytes_max)
        http = http or _http_client(settings)
        base_url = settings.upstream_url or GOOGLE
        origin = {"base_url": base_url, "version": settings.api_version, "user_agent": f"pollux/{pollux.__version__}"}
        self.client = GeminiClient(http, **origin)
        self.passthrough = Passthrough(http, base_url)
        self.storing = Storing(settings)
        self.owned = open_owned(settings, self.passthrough.host, self.storing)
        self.sealer = Sealer(settings.secret)
        self.image_links = image_links.ImageLinks(settings, self.storing)
        self.addresses = Addresses(self.passthrough, self.sealer)
        self.fetcher = _fetcher(settings)
        self.native_files = NativeFiles(http, **origin)
        self.native_batches = NativeBatches(http, **origin)
        self.gemini_files = GeminiFiles(self, self.native_files)
        self.batch_workers = BatchWorkers(self)
        self.videos = VideoWork(self, NativeVideos(http, **origin))
        self.workshop = Workshop(
            processes=settings.media_processes, waiting_max=settings.media_waiting_max, seconds_max=settings.media_seconds
        )
        self.key_check = KeyCheck(settings, self.client)
        self.memory = open_memory(settings, self.storing)
        self.aliases = Aliases(settings.aliases, self.client)
        self._access_log = AccessLog(settings.log_format) if settings.access_log else None
        self._answer_headers: tuple[Header, ...] = (
            ((b"x-pollux-upstream", b"emulator"),) if settings.upstream == "emulator" else ()
        )
        self._cors = cors.Cors(settings)
        self._reachable: tuple[float, bool] | None = None
        self._reaching = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "http":
            await self._serve(Exchange(scope, receive, send, self._answer_headers))
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def authenticated(self, exchange: Exchange) -> Caller:
        """Give the caller, and count the request as theirs. Raises Unauthenticated, PermissionDenied or Overloaded."""
        return self.admitted(exchange, self.access.caller(exchange.headers, exchange.query))

    def admitted(self, exchange: Exchange, caller: Caller) -> Caller:
        """Count a request as this caller's. Raises Overloaded."""
        self.admit_more(exchange, caller, 1)
        exchange.caller = caller
        return caller

    def admit_more(self, exchange: Exchange, caller: Caller, places: int) -> None:
        """Count further native calls of a request as if they were requests of this caller's. Raises Overloaded."""
        for _ in range(places):
            self.in_flight.enter(caller.owner)
            exchange.places += 1

    async def body(self, exchange: Exchange) -> bytes | bytearray:
        """Read the body; its bytes count as held until the exchange ends. Raises TooLarge or Overloaded."""
        return await exchange.body(self.settings.body_bytes_max, self.in_flight.hold)

    def upstream_headers(self, exchange: Exchange) -> Mapping[str, str]:
        """Give the caller's headers that go upstream: those for the emulator, and only to it."""
        if self.settings.upstream != "emulator":
            return {}
        return {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in exchange.headers.items()
            if name.startswith(FAULT_HEADERS)
        }

    async def upstream_reachable(self) -> bool:
        """Say whether the upstream answers at all, whatever it answers; asked by one at a time, and kept for some seconds."""
        async with self._reaching:
            now = time.monotonic()
            if self._reachable is None or now - self._reachable[0] > UPSTREAM_CHECK_SECONDS:
                try:
                    reachable = await asyncio.wait_for(self.client.reachable(), UPSTREAM_CHECK_SECONDS)
                except TimeoutError:
                    reachable = False
                self._reachable = (time.monotonic(), reachable)
            return self._reachable[1]

    async def close(self) -> None:
        """Close what is open; called once, when the server stops."""
        await self.batch_workers.close()
        await self.videos.close()
        await self.client.close()
        await self.fetcher.close()
        await self.workshop.close()
        self.memory.close()
        await self.storing.close()
        if self.owned is not None:
            self.owned.close()
        if self._access_log is not None:
            self._access_log.flush()

    async def _serve(self, exchange: Exchange) -> None:
        try:
            try:
                if not await self._cors.answered(exchange):
                    await self._route(exchange)
            except ApiError as error:
                await _tell(exchange, failures.blame(exchange, error))
            except CallerLeft:
                exchange.left = True
            except BrokenOff as error:
                log.warning("An answer broke off (%s): %s", exchange.request_id, error)
                raise
            except asyncio.CancelledError:
                if not exchange.left:
                    raise
                task = asyncio.current_task()
                if task is not None:
                    task.uncancel()
            except Exception:
                log.exception("A bug, in %s %s (%s)", exchange.method, exchange.path, exchange.request_id)
                if exchange.status:
                    raise
                await _tell(exchange, failures.unexpected(exchange))
        finally:
            exchange.unwatch()
            if exchange.caller is not None:
                self.in_flight.leave(exchange.caller.owner, exchange.places)
            self.in_flight.release(exchange.held_bytes)
            if self._access_log is not None:
                self._access_log.add(exchange)

    async def _route(self, exchange: Exchange) -> None:
        path = exchange.path
        handlers = ROUTES.get(path)
        if handlers is None:
            path = native_paths.plain(path)
            handlers = ROUTES.get(path)
        if native_paths.is_native(exchange, path):
            await native.serve(self, exchange, native_paths.plain(path))
        elif handlers is not None:
            await _of_method(handlers, exchange)(self, exchange)
        else:
            for prefix, items in ITEMS.items():
                if path.startswith(prefix):
                    await _of_method(items, exchange)(self, exchange, path[len(prefix) :])
                    return
            if self.settings.local_only:
                refuse_web_pages(exchange.headers)
            raise NotFound(
                f"There is nothing at {exchange.method} {path[:200]}. OpenAI's API is under /v1 and /v1beta/openai.",
                code="unsupported_endpoint" if path.startswith(OPENAI_BASES) else "not_found",
            )

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                if self.storing.start():
                    self.batch_workers.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def create_app(settings: Settings) -> App:
    """Make the server's application."""
    return App(settings)


async def _tell(exchange: Exchange, error: ApiError) -> None:
    """Answer with an error, in the form of the protocol that the caller speaks."""
    if native_paths.speaks_natively(exchange):
        await native.tell(exchange, error)
    else:
        await failures.answer(exchange, error)


def _of_method(handlers: dict[str, H], exchange: Exchange) -> H:
    handler = handlers.get("GET" if exchange.method == "HEAD" else exchange.method)
    if handler is None:
        allowed = ", ".join(handlers)
        raise MethodNotAllowed(f"{exchange.method} is not possible here; use {allowed}.", headers=(("allow", allowed),))
    return handler


def _fetcher(settings: Settings) -> Fetcher:
    return Fetcher(
        Limits(settings.remote_media_bytes_max, settings.remote_media_seconds),
        user_agent=f"pollux/{pollux.__version__}",
        internal_hosts=settings.remote_media_internal_hosts.split(","),
    )


def _http_client(settings: Settings) -> HttpClient:
    client: Callable[..., HttpClient] = PlainClient
    if settings.upstream_client == "aiohttp":
        from pollux.upstream.aiohttp_client import AiohttpClient  # late: its import costs some 160 ms

        client = AiohttpClient
    return client(
        timeouts=Timeouts(
            connect_seconds=settings.connect_seconds,
            first_byte_seconds=settings.first_byte_seconds,
            silence_seconds=settings.silence_seconds,
            total_seconds=settings.total_seconds,
        ),
        body_bytes_max=settings.reply_bytes_max,
        proxy_from_environment=urlsplit(settings.upstream_url).hostname not in LOOPBACK,
    )
