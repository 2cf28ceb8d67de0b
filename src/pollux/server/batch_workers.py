"""Who works on batches, and when: for callers' keys when the owner asks, else by itself, on any replica."""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from pollux.errors import ApiError
from pollux.server.access import Caller
from pollux.server.batch_work import Work

if TYPE_CHECKING:
    from pollux.server.app import App

log = logging.getLogger("pollux.server")

WORK_AT_ONCE = 4
"""Batches that a process takes up by itself at a time; each holds some megabytes."""

WATCH_SECONDS = 1.0
"""Time between looks for due batches."""


class BatchWorkers:
    """Takes up batches in this process."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._holder = secrets.token_hex(8)
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Note that the server runs, or that there is a batch: look for due ones from now on, where that can be done."""
        settings = self._app.settings
        keyless = settings.spends_server_key or settings.upstream == "emulator"
        if keyless and self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def take_up(self, caller: Caller, batch_id: str, headers: Mapping[str, str], *, wait_seconds: float) -> None:
        """Work on a batch, if nobody does; returns when what can be done now is done, or after a while."""
        place = caller.owner, batch_id
        task = self._running.get(place)
        if task is None:
            task = self._running[place] = asyncio.create_task(self._work(caller, batch_id, headers))
            task.add_done_callback(lambda _: self._running.pop(place, None))
        await asyncio.wait({task}, timeout=wait_seconds)

    async def close(self) -> None:
        """Stop; what is not done is taken up later."""
        tasks = [*self._running.values(), *([self._watching] if self._watching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, caller: Caller, batch_id: str, headers: Mapping[str, str]) -> None:
        from pollux.store.batches import Fenced

        try:
            store = await self._app.storing.store()
            row = await store.batches.take(caller.owner, batch_id, self._holder, self._app.settings.batch_lease_seconds)
            if row is not None:
                try:
                    await Work(self._app, store, caller, headers, row).run()
                except asyncio.CancelledError:
                    with suppress(ApiError):
                        await asyncio.shield(store.batches.release(row.owner, row.id, row.epoch, due_seconds=0))
                    raise
        except Fenced:
            log.warning("The batch %s was taken over by another worker.", batch_id)
        except ApiError as error:
            log.warning("The batch %s cannot be worked on: %s", batch_id, error.message)
        except Exception:
            log.exception("A bug, in the work on the batch %s", batch_id)

    async def _watch(self) -> None:
        app = self._app
        while True:
            try:
                store = await app.storing.store()
                for owner, batch_id in await store.batches.due(100):
                    if len(self._running) >= WORK_AT_ONCE:
                        break
                    if app.access.knows(owner):
                        await self.take_up(app.access.keyless(owner), batch_id, {}, wait_seconds=0)
            except ApiError as error:
                log.warning("Due batches cannot be looked for: %s", error.message)
            except Exception:
                log.exception("A bug, in the look for due batches")
            await asyncio.sleep(min(app.settings.batch_poll_seconds, WATCH_SECONDS))
