"""The methods of files, cached contents and batches: which part of the emulator answers which."""

from dataclasses import dataclass, field
from typing import Any

from pollux.emulator import downloads, errors, references, routes
from pollux.emulator.batch_lines import Answering
from pollux.emulator.batches import Batches
from pollux.emulator.caches import Caches, model_of
from pollux.emulator.clock import Clock
from pollux.emulator.exchange import Exchange
from pollux.emulator.files import Files, check_id
from pollux.emulator.interactions import Interactions
from pollux.emulator.models import Model
from pollux.emulator.operations import Operations
from pollux.emulator.projects import Projects
from pollux.emulator.routes import Route
from pollux.emulator.sending import Delivery
from pollux.emulator.uploads import Uploads

FILES_PAGE, FILES_PAGE_MAX = 10, 100
"""Files on a page by default and at most. Source: the API reference, files.list."""

CACHES_PAGE, CACHES_PAGE_MAX = 50, 1000
"""Cached contents on a page by default (the emulator's own) and at most. Source: the API reference, cachedContents.list."""


BATCHES_PAGE, BATCHES_PAGE_MAX = 50, 1000
"""Batches on a page by default and at most (the emulator's own)."""


@dataclass
class Resources:
    """What the emulator keeps for its callers."""

    clock: Clock
    seed: int = 0
    projects: Projects = field(default_factory=Projects)

    def __post_init__(self) -> None:
        self.files = Files(self.clock, self.seed)
        self.uploads = Uploads(self.clock, self.files)
        self.caches = Caches(self.clock, self.seed)
        self.batches = Batches(self.clock, self.files, self.seed)
        self.operations = Operations(self.clock, self.files, self.seed)
        self.interactions = Interactions(self.clock, self.files, self.seed)

    def sweep(self) -> None:
        """Delete what has expired."""
        self.files.sweep()
        self.batches.sweep()
        self.caches.sweep()

    def clear(self) -> None:
        """Delete everything."""
        self.batches.clear()
        self.uploads.clear()
        self.operations.clear()
        self.interactions.clear()
        self.files.clear()
        self.caches.clear()

    async def answer(self, found: Route, request: dict[str, Any], delivery: Delivery) -> None:
        """Answer one request."""
        exchange = delivery.exchange
        project = self.projects.of(exchange.headers, exchange.query)
        if found.method.startswith("media.upload"):
            await self.uploads.answer(found, request, project, delivery)
        elif found.method.startswith("batches."):
            await delivery.whole(await self._batches(found, project, delivery))
        elif found.method.startswith("cachedContents."):
            await delivery.whole(await self._caches(found, request, project, delivery))
        elif found.method.startswith("interactions."):
            await delivery.whole(await self._interactions(found, request, project, delivery))
        elif found.method == "operations.get":
            await delivery.whole(await self.operations.get(project, found.model, found.id, exchange.base_url))
        else:
            await self._files(found, project, delivery)

    async def create_batch(self, found: Route, request: dict[str, Any], delivery: Delivery, answer: Answering) -> None:
        """Begin a batch; `answer` answers one line."""
        exchange = delivery.exchange
        project = self.projects.of(exchange.headers, exchange.query)
        size = int(exchange.headers.get("content-length", "0") or 0)
        job = await self.batches.create(found, request, project, delivery.fault, answer, size)
        await delivery.whole(job.resource(self.clock.now()))

    async def begin(self, model: Model, request: dict[str, Any], delivery: Delivery) -> None:
        """Begin an operation."""
        project = self.projects.of(delivery.exchange.headers, delivery.exchange.query)
        await delivery.whole(await self.operations.create(project, request, model, delivery.fault))

    async def resolved(self, request: dict[str, Any], model: Model, exchange: Exchange) -> dict[str, Any]:
        """Look up the files and the cached content that a request for an answer refers to."""
        project = self.projects.of(exchange.headers, exchange.query)
        return await references.resolve(request, model, project, self.files, self.caches, exchange.base_url)

    async def _batches(self, found: Route, project: str, delivery: Delivery) -> dict[str, Any]:
        match found.method:
            case "batches.get":
                return (await self.batches.find(project, found.id)).resource(self.clock.now())
            case "batches.cancel":
                await self.batches.cancel(project, found.id)
                return {}
            case "batches.delete":
                await self.batches.remove(project, found.id)
                return {}
            case _:
                query = delivery.exchange.query
                size = routes.page_size(query, BATCHES_PAGE, BATCHES_PAGE_MAX)
                jobs, token = await self.batches.page(project, size, routes.page_token(query))
                page: dict[str, Any] = {"operations": [job.resource(self.clock.now()) for job in jobs]} if jobs else {}
                return page | ({"nextPageToken": token} if token else {})

    async def _files(self, found: Route, project: str, delivery: Delivery) -> None:
        exchange = delivery.exchange
        match found.method:
            case "files.list":
                await delivery.whole(self._list_files(project, delivery))
            case "files.get":
                check_id(found.id, "GetFileRequest.name")
                await delivery.whole(self.files.find(project, found.id).resource(self.clock.now(), exchange.base_url))
            case "files.delete":
                check_id(found.id, "DeleteFileRequest.name")
                self.files.remove(project, found.id)
                await delivery.whole({})
            case "files.register":
                if not exchange.headers.get("authorization"):
                    raise errors.needs_oauth()
                raise errors.not_emulated("files of Google Cloud Storage")
            case _:
                await downloads.answer(found, self.files.find(project, found.id), delivery)

    async def _interactions(self, found: Route, request: dict[str, Any], project: str, delivery: Delivery) -> dict[str, Any]:
        exchange = delivery.exchange
        match found.method:
            case "interactions.create":
                return await self.interactions.create(project, request, found.version, delivery.fault, exchange.base_url)
            case "interactions.cancel":
                return await self.interactions.cancel(project, found.id, exchange.base_url)
            case "interactions.delete":
                self.interactions.remove(project, found.id)
                return {}
            case _:
                with_input = exchange.query.get("include_input") == "true"
                return await self.interactions.get(project, found.id, exchange.base_url, with_input=with_input)

    def _list_files(self, project: str, delivery: Delivery) -> dict[str, Any]:
        query, base_url = delivery.exchange.query, delivery.exchange.base_url
        size = routes.page_size(query, FILES_PAGE, FILES_PAGE_MAX)
        listed, token = self.files.page(project, size, routes.page_token(query))
        page: dict[str, Any] = {"files": [file.resource(self.clock.now(), base_url) for file in listed]} if listed else {}
        return page | ({"nextPageToken": token} if token else {})

    async def _caches(self, found: Route, request: dict[str, Any], project: str, delivery: Delivery) -> dict[str, Any]:
        query, base_url = delivery.exchange.query, delivery.exchange.base_url
        match found.method:
            case "cachedContents.create":
                model = model_of(request, found.version)
                given = await references.with_media(request, model, project, self.files, base_url)
                return self.caches.create(project, given, found.version).resource()
            case "cachedContents.get":
                return self.caches.find(project, found.id).resource()
            case "cachedContents.patch":
                mask = query.get("updateMask", "") or query.get("update_mask", "")
                return self.caches.change(project, found.id, request, mask).resource()
            case "cachedContents.delete":
                self.caches.remove(project, found.id)
                return {}
            case _:
                size = routes.page_size(query, CACHES_PAGE, CACHES_PAGE_MAX)
                listed, token = self.caches.page(project, size, routes.page_token(query))
                page: dict[str, Any] = {"cachedContents": [cache.resource() for cache in listed]} if listed else {}
                return page | ({"nextPageToken": token} if token else {})
