"""Long-running operations of films: begun, polled, done by the emulator's clock, and forgotten with their files.

Recorded: while it runs, an operation is its name alone; done, it has `done` and `response` with the address of a GENERATED
file. Films are made beside the event loop, two at a time at most, and begun at once, as the service does; who polls when the
time has come waits for the film, so that the clock alone decides.
"""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from pollux.emulator import video_making, video_requests
from pollux.emulator.clock import Clock
from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.faults import Fault
from pollux.emulator.files import LIFETIME, Files, opaque_id
from pollux.emulator.limits import FILM_BYTES_MAX, FILMS_WAITING_MAX, MEDIA_MAKERS
from pollux.emulator.models import Model
from pollux.emulator.shelves import Shelves
from pollux.emulator.video_drawing import BrokenPicture
from pollux.emulator.video_requests import Wanted

RUNNING_SECONDS = 3.0
"""How long an operation runs: the recorded one took 27 seconds, which no test wants to wait."""

RESPONSE_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"
"""Recorded."""

FILTERED = {
    "filtered": (
        "Sorry, we couldn't generate a video because your prompt may go against our usage policies. "
        "Try rephrasing the prompt. If you think this was an error, send feedback."
    ),
    "filtered-audio": (
        "We encountered an issue with the audio for your prompt, so we could not create your video. "
        "You have not been charged for this attempt. Please try again with a different prompt."
    ),
}
"""Reasons of filtered films, by the fault that asks for them. QUOTED in part; the rest of the sentences is the emulator's."""

FAILED = {
    "code": 13,
    "message": "Video generation failed due to an internal server issue. Please try again in a few minutes.",
}
"""QUOTED in part in public notes (code 13)."""


@dataclass
class Operation:
    """One operation of one project."""

    id: str
    model: str
    expires: datetime
    ready: datetime
    wanted: tuple[Wanted, ...]
    outcome: str = ""
    """What a fault wants: filtered, filtered-audio, failed; empty: films."""
    work: "list[Future[bytes]]" = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    """Ids of the films, once they were made."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def name(self) -> str:
        """The resource name (recorded)."""
        return f"models/{self.model}/operations/{self.id}"


@dataclass(frozen=True, slots=True)
class Film:
    """What is remembered of a film that may be extended."""

    width: int
    height: int
    seconds: int


class Operations:
    """All operations of one emulator."""

    def __init__(self, clock: Clock, files: Files, seed: int = 0) -> None:
        """Begin without any."""
        self.clock, self.files, self.seed = clock, files, seed
        self._shelves: Shelves[Operation] = Shelves(lambda _, operation: _give_up(operation))
        self._films: dict[tuple[str, str], Film] = {}
        self._count = 0

    async def create(self, project: str, request: dict[str, Any], model: Model, fault: Fault) -> dict[str, Any]:
        """Begin an operation, or refuse the request."""
        self.sweep()
        order = video_requests.read(request, model)
        film = order.film
        if order.extends:
            film = self._extended(project, order.extends, film)
        try:
            await asyncio.to_thread(video_making.check_pictures, film)
        except BrokenPicture:
            raise broken_picture() from None
        wanted = tuple(replace(film, seed=film.seed + number) for number in range(order.samples))
        if self.waiting() + len(wanted) > FILMS_WAITING_MAX:
            # AFTER the 429 of other quotas.
            raise NativeError(429, f"You exceeded your current quota: at most {FILMS_WAITING_MAX} videos are made at a time.")
        operation = self._begin(project, model.name, wanted, fault)
        return {"name": operation.name}

    def _begin(self, project: str, model: str, wanted: tuple[Wanted, ...], fault: Fault) -> Operation:
        now = self.clock.now()
        self._count += 1
        seconds = RUNNING_SECONDS if fault.processing is None else fault.processing
        operation = Operation(
            opaque_id(f"operation {self.seed} {self._count}", 12),
            model,
            now + LIFETIME,
            now + timedelta(seconds=seconds),
            wanted,
            fault.operation,
        )
        if not operation.outcome:
            operation.work = [makers().submit(video_making.film, one) for one in wanted]
        self._shelves.put(project, operation)
        return operation

    async def get(self, project: str, model: str, name: str, base_url: str) -> dict[str, Any]:
        """Tell how an operation stands."""
        self.sweep()
        operation = self._shelves.find(project, name)
        if operation is None or operation.model != model:
            raise not_found()
        if self.clock.now() < operation.ready:
            return {"name": operation.name}
        if operation.outcome == "failed":
            return {"name": operation.name, "done": True, "error": FAILED}
        return {"name": operation.name, "done": True, "response": await self._response(project, operation, base_url)}

    def waiting(self) -> int:
        """Count the films that are still to be made."""
        return sum(not work.done() for _, one in self._shelves.everything() for work in one.work)

    def sweep(self) -> None:
        """Forget what has expired."""
        self.files.sweep()
        self._shelves.sweep(self.clock.now())
        gone = [key for key in self._films if not self.files.has(*key)]
        for key in gone:
            del self._films[key]

    def clear(self) -> None:
        """Forget everything."""
        self._shelves.clear()
        self._films.clear()
        self._count = 0

    async def _response(self, project: str, operation: Operation, base_url: str) -> dict[str, Any]:
        if operation.outcome:
            told: dict[str, Any] = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": [FILTERED[operation.outcome]]}
        else:
            names = await self.made(project, operation)
            uris = [f"{base_url}/v1beta/files/{name}:download?alt=media" for name in names]
            told = {"generatedSamples": [{"video": {"uri": uri}} for uri in uris]}
        return {"@type": RESPONSE_TYPE, "generateVideoResponse": told}

    async def made(self, project: str, operation: Operation) -> list[str]:
        """Wait for the films and keep them as files; the second time they are there."""
        async with operation.lock:
            while operation.work:
                data = await asyncio.shield(asyncio.wrap_future(operation.work[0]))
                file = await asyncio.to_thread(self.files.generate, project, data, "video/mp4")
                made = operation.wanted[len(operation.files)]
                self._films[project, file.id] = Film(made.width, made.height, made.before_seconds + made.seconds)
                operation.files.append(file.id)
                operation.work.pop(0)
        return operation.files

    def _extended(self, project: str, name: str, film: Wanted) -> Wanted:
        """Take the film that is to be extended, if it is one of these and not too long."""
        before = self._films.get((project, name))
        if before is None:
            raise video_requests.not_extendable()
        seconds = before.seconds
        if seconds > video_requests.EXTENDED_SECONDS_MAX or (before.width, before.height) != (film.width, film.height):
            # AFTER: no wording is known. Source of the rule: gemini-native.md, section 17.1.
            longest = video_requests.EXTENDED_SECONDS_MAX
            raise invalid(f"Input video must be 720p, of the same aspect ratio, and at most {longest} seconds.")
        data = self.files.find(project, name).content.read(0, FILM_BYTES_MAX)
        return replace(film, before=data, before_seconds=seconds)


@cache
def makers() -> ThreadPoolExecutor:
    """Where films are made: two threads, made when they are first needed."""
    return ThreadPoolExecutor(MEDIA_MAKERS, thread_name_prefix="emulator-films")


def broken_picture() -> NativeError:
    """https://github.com/google-gemini/gemini-cli/issues/5064, of images in prompts."""
    return invalid(
        "Unable to process input image. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"
    )


def not_found() -> NativeError:
    """Google's common words for NOT_FOUND."""
    return NativeError(404, "Requested entity was not found.")


def _give_up(operation: Operation) -> None:
    for work in operation.work:
        work.cancel()
