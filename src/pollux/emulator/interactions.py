"""The Interactions API, as far as films of Omni need it: create, get, cancel, delete.

    queued → in_progress → completed, failed, cancelled

With `background` a film is made while the caller polls; it is done by the emulator's clock. Without, the answer waits for
the film. Texts, tools, agents and streams of this API are not imitated.
"""

import asyncio
import base64
import hashlib
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pollux.emulator import errors, interaction_requests, video_making
from pollux.emulator.clock import Clock, stamp
from pollux.emulator.errors import NativeError
from pollux.emulator.faults import Fault
from pollux.emulator.files import LIFETIME, Files, opaque_id
from pollux.emulator.interaction_requests import Asked, InteractionError, Medium, wrong
from pollux.emulator.limits import FILM_BYTES_MAX, FILMS_WAITING_MAX
from pollux.emulator.media.attached import decoded
from pollux.emulator.models import known
from pollux.emulator.operations import FAILED, RUNNING_SECONDS, makers
from pollux.emulator.shelves import Shelves
from pollux.emulator.spool import Bytes
from pollux.emulator.tokens import count_text
from pollux.emulator.video_drawing import BrokenPicture
from pollux.emulator.video_requests import FILE_URI, Wanted

QUEUED_SECONDS = 1.0
"""How long a background interaction is queued, before it is in progress."""

TOKENS_PER_SECOND = 1_000
"""Of a film in the usage: the emulator's own number."""


@dataclass
class Interaction:
    """One interaction of one project."""

    id: str
    asked: Asked
    wanted: Wanted
    created: datetime
    ready: datetime
    expires: datetime
    outcome: str = ""
    """What a fault wants: filtered, filtered-audio, failed."""
    cancelled: datetime | None = None
    work: "Future[bytes] | None" = None
    content: Bytes | None = None
    """The film, once it was made: on disk, as files are."""
    file: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def status(self, now: datetime) -> str:
        """Say how it stands."""
        if self.cancelled is not None:
            return "cancelled"
        if now < self.ready:
            return "queued" if now < min(self.created + timedelta(seconds=QUEUED_SECONDS), self.ready) else "in_progress"
        return "failed" if self.outcome == "failed" else "completed"


class Interactions:
    """All interactions of one emulator."""

    def __init__(self, clock: Clock, files: Files, seed: int = 0) -> None:
        """Begin without any."""
        self.clock, self.files, self.seed = clock, files, seed
        self._shelves: Shelves[Interaction] = Shelves(lambda _, one: _give_up(one))
        self._count = 0

    async def create(self, project: str, request: Any, version: str, fault: Fault, base_url: str) -> dict[str, Any]:
        """Begin an interaction; without `background` wait for its film."""
        self.sweep()
        asked = interaction_requests.read(request)
        _check_emulated(request, asked, version)
        wanted = await self._wanted(project, asked)
        if sum(one.work is not None and not one.work.done() for _, one in self._shelves.everything()) >= FILMS_WAITING_MAX:
            raise InteractionError(429, "too_many_requests", f"At most {FILMS_WAITING_MAX} films are made at a time.")
        now = self.clock.now()
        self._count += 1
        running = RUNNING_SECONDS if fault.processing is None else fault.processing
        one = Interaction(
            "v1_" + opaque_id(f"interaction {self.seed} {self._count}", 40),
            asked,
            wanted,
            now,
            now + timedelta(seconds=running) if asked.background else now,
            now + LIFETIME,
            fault.operation,
        )
        if not one.outcome:
            one.work = makers().submit(video_making.film, wanted)
        self._shelves.put(project, one)
        told = await self._told(project, one, base_url)
        if not asked.store:
            self._shelves.remove(project, one.id)
        return told

    async def get(self, project: str, name: str, base_url: str, *, with_input: bool) -> dict[str, Any]:
        """Tell how an interaction stands."""
        one = self._find(project, name)
        told = await self._told(project, one, base_url)
        if with_input:
            content: list[dict[str, Any]] = [{"type": "text", "text": one.asked.prompt}]
            content += [{"type": medium.kind} | _address(medium) for medium in one.asked.media]
            told["steps"] = [{"type": "user_input", "content": content}, *told.get("steps", [])]
        return told

    async def cancel(self, project: str, name: str, base_url: str) -> dict[str, Any]:
        """End a background interaction that still runs."""
        one = self._find(project, name)
        if one.status(self.clock.now()) not in ("queued", "in_progress"):
            raise wrong(f"The interaction is {one.status(self.clock.now())} and cannot be cancelled.")
        one.cancelled = self.clock.now()
        _give_up(one)
        return await self._told(project, one, base_url)

    def remove(self, project: str, name: str) -> None:
        """Forget an interaction; its film stays a file."""
        self._find(project, name)
        self._shelves.remove(project, name)

    def sweep(self) -> None:
        """Forget what has expired."""
        self._shelves.sweep(self.clock.now())

    def clear(self) -> None:
        """Forget everything."""
        self._shelves.clear()
        self._count = 0

    def _find(self, project: str, name: str) -> Interaction:
        self.sweep()
        one = self._shelves.find(project, name)
        if one is None:
            raise InteractionError(404, "not_found", f"Interaction '{name}' was not found.")
        return one

    async def _wanted(self, project: str, asked: Asked) -> Wanted:
        """Fetch the media of a request, and what it continues."""
        pictures = [self._fetched(project, medium) for medium in asked.media if medium.kind == "image"]
        films = [self._fetched(project, medium) for medium in asked.media if medium.kind == "video"]
        wanted = interaction_requests.film(asked, pictures)
        before: Interaction | None = None
        if asked.previous:
            before = self._find(project, asked.previous)
            if before.status(self.clock.now()) != "completed" or before.outcome:
                raise wrong(f"The interaction '{asked.previous}' has no video.")
            films = [await self._film(before)]
        if not films:
            if asked.task in ("edit", "extend", "upscale"):
                raise wrong(f"The task {asked.task} needs a video, or a previous interaction.")
            return await _checked(wanted)
        source = before.wanted if before else self._own(project, films[0])
        if asked.task == "extend":
            if source is None or (source.width, source.height) != (wanted.width, wanted.height):
                raise wrong("Only videos of this model, in the same size, can be extended.")
            return replace(wanted, before=films[0], before_seconds=source.before_seconds + source.seconds)
        if asked.task == "upscale" and source is not None:
            return replace(source, width=wanted.width, height=wanted.height)
        try:
            picture = await asyncio.to_thread(video_making.first_frame, films[0])
        except BrokenPicture:
            raise wrong("The input video cannot be read.") from None
        return await _checked(replace(wanted, first=wanted.first or picture))

    def _own(self, project: str, data: bytes) -> Wanted | None:
        """Find what a film of this API was made of."""
        digest = hashlib.sha256(data).hexdigest()
        mine = [one for owner, one in self._shelves.everything() if owner == project and one.content is not None]
        found = [one.wanted for one in mine if one.content is not None and one.content.sha256 == digest]
        return found[0] if found else None

    def _fetched(self, project: str, medium: Medium) -> bytes:
        if medium.data:
            try:
                return decoded(medium.data)
            except ValueError:
                raise wrong(f"The data of a content of type {medium.kind} is not base64.") from None
        found = FILE_URI.fullmatch(medium.uri)
        if found is None:
            raise wrong(f"The uri '{medium.uri}' is not one of the Files API.")
        try:
            file = self.files.find(project, found["id"])
        except NativeError as error:
            raise InteractionError(403, "permission_denied", error.message) from None
        if file.state(self.clock.now()) != "ACTIVE":
            raise wrong(f"The file '{found['id']}' is not ACTIVE.")
        return file.content.read(0, FILM_BYTES_MAX)

    async def _told(self, project: str, one: Interaction, base_url: str) -> dict[str, Any]:
        status = one.status(self.clock.now())
        updated = one.cancelled or min(self.clock.now(), one.ready)
        told: dict[str, Any] = {"id": one.id, "object": "interaction", "model": one.asked.model, "status": status}
        told |= {"created": stamp(one.created), "updated": stamp(max(updated, one.created))}
        told |= {"service_tier": "standard"} | one.asked.echoed
        if status == "failed":
            told["errors"] = [{"code": "internal_error", "message": FAILED["message"]}]
        if status == "completed":
            # A filtered film: "completes with empty output" (gemini-native.md, section 17.2, of blocked edits).
            content = [] if one.outcome else [await self._content(project, one, base_url)]
            told["steps"] = [{"type": "model_output", "content": content}] if content else []
            told["usage"] = _usage(one)
        return told

    async def _content(self, project: str, one: Interaction, base_url: str) -> dict[str, Any]:
        data = await self._film(one)
        if one.asked.delivery == "inline":
            return {"type": "video", "mime_type": "video/mp4", "data": base64.b64encode(data).decode()}
        async with one.lock:
            if not one.file:
                one.file = (await asyncio.to_thread(self.files.generate, project, data, "video/mp4")).id
        return {"type": "video", "mime_type": "video/mp4", "uri": f"{base_url}/v1beta/files/{one.file}:download?alt=media"}

    async def _film(self, one: Interaction) -> bytes:
        async with one.lock:
            if one.work is not None:
                data = await asyncio.shield(asyncio.wrap_future(one.work))
                one.content, one.work = self.files.spool.new(), None
                await asyncio.to_thread(one.content.append, data)
        return one.content.read(0, one.content.size) if one.content else b""


def _check_emulated(request: dict[str, Any], asked: Asked, version: str) -> None:
    """Refuse models that are not there, and say what this emulator cannot do."""
    model = known(asked.model, version)
    if model is None:
        raise InteractionError(404, "model_not_found", f"The model '{asked.model}' was not found.")
    if request.get("agent") or "omni" not in asked.model:
        raise errors.not_emulated("interactions other than films of Omni")
    if request.get("stream"):
        raise errors.not_emulated("streamed interactions")


async def _checked(wanted: Wanted) -> Wanted:
    try:
        await asyncio.to_thread(video_making.check_pictures, wanted)
    except BrokenPicture:
        raise wrong("The input image cannot be read.") from None
    return wanted


def _address(medium: Medium) -> dict[str, str]:
    return {"uri": medium.uri} if medium.uri else {"data": medium.data}


def _usage(one: Interaction) -> dict[str, Any]:
    """Count the prompt by its words, and a film by its seconds."""
    text = count_text(one.asked.prompt)
    said = 0 if one.outcome else one.wanted.seconds * TOKENS_PER_SECOND
    return {
        "total_input_tokens": text,
        "total_output_tokens": said,
        "total_thought_tokens": 0,
        "total_cached_tokens": 0,
        "total_tool_use_tokens": 0,
        "total_tokens": text + said,
        "input_tokens_by_modality": [{"modality": "text", "tokens": text}],
        "output_tokens_by_modality": [{"modality": "video", "tokens": said}] if said else [],
    }


def _give_up(one: Interaction) -> None:
    if one.work is not None:
        one.work.cancel()
    if one.content is not None:
        one.content.discard()
