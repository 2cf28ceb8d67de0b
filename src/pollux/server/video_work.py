"""Films begun and looked after: each is noted before it is begun, begun once, and asked after only when its owner asks.

noted       the row is there; the service is being asked, by a task that goes on when the caller leaves
begun       the service has told a name
refused     it has said no: the row goes, and the caller is told
unknown     it did not answer, or this process died before it could note the answer: nobody can say whether the film was
            begun and paid for, and neither engine can be asked for its films. The video has failed with that reason, and is
            not begun again.
"""

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from pollux.errors import ApiError, NotFound
from pollux.server import files, references, video_state
from pollux.server.access import Caller
from pollux.server.video_state import State
from pollux.translate import omni, veo
from pollux.translate.video_outcome import Outcome, failed
from pollux.translate.videos import Order
from pollux.upstream.videos import NativeVideos
from pollux.wire.forms import Attached

if TYPE_CHECKING:
    from pollux.server.app import App
    from pollux.store.store import Store
    from pollux.store.videos import VideoRow

log = logging.getLogger("pollux.server")

WAIT_SECONDS = 15.0
"""How long a process that died while it waited for the service holds up the verdict; a living one renews it three times as
often."""

AGAIN_SECONDS = 60.0
"""A request that a client repeats within this time is the same request."""

ASK_SECONDS = 1.0
"""Least time between two questions how a film is."""

CLOSE_SECONDS = 10.0
"""How long a server that stops waits for the service's word about films that are being begun."""

UNKNOWN = failed(
    "outcome_unknown",
    "The Gemini API did not say whether it began this video, and cannot be asked. It may have been made and paid for. "
    "It is not begun again by itself; create another one if you want it.",
)

GONE = failed("video_not_found", "The Gemini API does not know this video any more.")


class VideoWork:
    """Begins films and asks after them."""

    def __init__(self, app: "App", native: NativeVideos) -> None:
        self._app = app
        self.native = native
        self._beginning: set[asyncio.Task[Any]] = set()

    async def made_already(self, caller: Caller, fingerprint: str, again_us: int) -> "VideoRow | None":
        """Give the video that the same request has made since then."""
        return await (await self._app.storing.store()).videos.recent(caller.owner, fingerprint, again_us)

    async def begin(
        self,
        caller: Caller,
        headers: Mapping[str, str],
        order: Order,
        body: bytes,
        state: State,
        *,
        fingerprint: str,
        arrived_us: int,
        again_us: int | None,
    ) -> "VideoRow":
        """Note a film and begin it, whether or not the caller stays. Raises ApiError."""
        store = await self._app.storing.store()
        row, is_new = await store.videos.begin(
            caller.owner,
            files.new_id("video_"),
            fingerprint,
            video_state.write(state),
            arrived_us=arrived_us,
            again_us=again_us,
            seconds=WAIT_SECONDS,
        )
        if not is_new:
            return row
        task = asyncio.create_task(self._begin(store, caller, headers, order, body, row, state))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)
        task.add_done_callback(_look)
        return await asyncio.shield(task)

    async def _begin(
        self,
        store: "Store",
        caller: Caller,
        headers: Mapping[str, str],
        order: Order,
        body: bytes,
        row: "VideoRow",
        state: State,
    ) -> "VideoRow":
        waiting = asyncio.create_task(_say_so(store, row))
        try:
            name = await self._ask_for(caller, headers, order, body)
        except ApiError as error:
            if not _is_open(error):
                await store.videos.remove(row.owner, row.id)
                raise
            video_state.enter(state, UNKNOWN, await store.videos.now_us())
            await store.videos.save(row, video_state.write(state))
            error.should_retry = False
            error.message += f" Whether a video was begun is not known; it is kept as {row.id}, and is not begun again."
            raise
        finally:
            waiting.cancel()
        state.native = name
        if self._app.owned is not None:
            await self._app.owned.add(row.owner, [name if order.filmer.engine == "veo" else f"interactions/{name}"])
        return await store.videos.save(row, video_state.write(state)) or row

    async def _ask_for(self, caller: Caller, headers: Mapping[str, str], order: Order, body: bytes) -> str:
        key = caller.upstream_key
        if order.filmer.engine == "veo":
            return await self.native.predict(order.model, body, key=key, headers=headers)
        return (await self.native.interact(body, model=order.model, key=key, headers=headers)).id

    async def ask(self, caller: Caller, headers: Mapping[str, str], row: "VideoRow") -> "VideoRow":
        """Give a video as it is now: the service is asked, unless it has ended or was asked a moment ago. Raises ApiError."""
        state = video_state.read(row)
        if state.over:
            return row
        store = await self._app.storing.store()
        now_us = await store.videos.now_us()
        if not state.native:
            if row.until_us > now_us:
                return row
            outcome = UNKNOWN
        elif now_us - state.asked_us < ASK_SECONDS * 1e6:
            return row
        else:
            outcome = await self._outcome(caller, headers, state)
        video_state.enter(state, outcome, now_us)
        if state.uri and self._app.owned is not None:
            name = references.resource(state.uri, self._app.passthrough.host)
            await self._app.owned.add(row.owner, [name] if name else [])
        return await store.videos.save(row, video_state.write(state)) or row

    async def _outcome(self, caller: Caller, headers: Mapping[str, str], state: State) -> Outcome:
        key = caller.upstream_key
        try:
            if state.engine == "veo":
                return veo.outcome(await self.native.operation(state.native, key=key, headers=headers))
            return omni.outcome(await self.native.interaction(state.native, key=key, headers=headers))
        except NotFound:
            return GONE

    async def remove(self, caller: Caller, headers: Mapping[str, str], row: "VideoRow") -> bool:
        """Remove a video, and at the Gemini API what can be removed there."""
        store = await self._app.storing.store()
        removed = await store.videos.remove(row.owner, row.id)
        state = video_state.read(row)
        names = [references.resource(state.uri, self._app.passthrough.host)] if state.uri else []
        if state.engine == "omni" and state.native:
            names.append(f"interactions/{state.native}")
        for name in names:
            if name is None:
                continue
            with suppress(ApiError):  # it goes by itself after two days
                await self.native.remove(name, key=caller.upstream_key, headers=headers)
                if self._app.owned is not None:
                    await self._app.owned.forget(caller, name)
        return removed

    async def close(self) -> None:
        """Wait for the service's word about films that are being begun; then give up."""
        if self._beginning:
            _, left = await asyncio.wait(self._beginning, timeout=CLOSE_SECONDS)
            for task in left:
                task.cancel()


def fingerprint(place: str, body: dict[str, Any]) -> str:
    """Give what stands for a request: its place and its fields, however a form was cut."""

    def plain(value: Any) -> Any:
        if isinstance(value, Attached):
            return [hashlib.sha256(value.data).hexdigest(), value.label, value.filename]
        raise NotImplementedError

    encoded = msgspec.json.encode([place, body], order="deterministic", enc_hook=plain)
    return hashlib.sha256(encoded).hexdigest()


def _is_open(error: ApiError) -> bool:
    """Say whether a film may have been begun all the same: not when the service refused it, or was never reached."""
    if error.code == "upstream_unreachable":
        return False
    if error.native is not None and error.status in (501, 503):
        return False
    return error.status >= 500


async def _say_so(store: "Store", row: "VideoRow") -> None:
    """Say again and again that this process is alive and waits."""
    while True:
        await asyncio.sleep(WAIT_SECONDS / 3)
        with suppress(ApiError):
            await store.videos.wait_longer(row, WAIT_SECONDS)


def _look(task: "asyncio.Task[Any]") -> None:
    """Look at what became of a task whose caller may have left."""
    error = None if task.cancelled() else task.exception()
    if isinstance(error, ApiError):
        log.info("A video was not begun: %s", error.code)
    elif error is not None:
        log.error("A bug, in the beginning of a video", exc_info=error)
