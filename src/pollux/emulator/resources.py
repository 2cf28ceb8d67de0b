"""The methods of files and cached contents: which part of the emulator answers which."""

from dataclasses import dataclass, field
from typing import Any

from pollux.emulator import downloads, errors, routes
from pollux.emulator.clock import Clock
from pollux.emulator.files import Files, check_id
from pollux.emulator.projects import Projects
from pollux.emulator.routes import Route
from pollux.emulator.sending import Delivery
from pollux.emulator.uploads import Uploads

FILES_PAGE, FILES_PAGE_MAX = 10, 100
"""Files on a page by default and at most. Source: the API reference, files.list."""


@dataclass
class Resources:
    """What the emulator keeps for its callers."""

    clock: Clock
    seed: int = 0
    projects: Projects = field(default_factory=Projects)

    def __post_init__(self) -> None:
        self.files = Files(self.clock, self.seed)
        self.uploads = Uploads(self.clock, self.files)

    def sweep(self) -> None:
        """Delete what has expired."""
        self.files.sweep()

    def clear(self) -> None:
        """Delete everything."""
        self.uploads.clear()
        self.files.clear()

    async def answer(self, found: Route, request: dict[str, Any], delivery: Delivery) -> None:
        """Answer one request."""
        exchange = delivery.exchange
        project = self.projects.of(exchange.headers, exchange.query)
        if found.method.startswith("media.upload"):
            await self.uploads.answer(found, request, project, delivery)
            return
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

    def _list_files(self, project: str, delivery: Delivery) -> dict[str, Any]:
        query, base_url = delivery.exchange.query, delivery.exchange.base_url
        size = routes.page_size(query, FILES_PAGE, FILES_PAGE_MAX)
        listed, token = self.files.page(project, size, routes.page_token(query))
        page: dict[str, Any] = {"files": [file.resource(self.clock.now(), base_url) for file in listed]} if listed else {}
        return page | ({"nextPageToken": token} if token else {})
