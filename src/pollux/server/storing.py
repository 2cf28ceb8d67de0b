"""The store of a running server: opened when first needed, swept from time to time, closed at the end.

Plain chat pays nothing for it. What was kept by an earlier run is swept soon after the start, and so a database that is named
by a URL is opened then; one that cannot be reached is tried again by whoever needs it next.
"""

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING

from pollux.errors import ApiError
from pollux.settings import Settings

if TYPE_CHECKING:
    from pollux.store.shared_names import SharedNames
    from pollux.store.shared_turns import SharedTurns
    from pollux.store.store import Store

log = logging.getLogger("pollux.server")

FIRST_SWEEP_SECONDS = 5.0
"""After the start: what a crash left is looked for when the server already answers."""

SWEEP_SECONDS = 600.0
"""Time between sweeps, give or take a tenth, so that replicas do not sweep together."""


class Storing:
    """Opens and keeps the store."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opening = asyncio.Lock()
        self._store: Store | None = None
        self._turns: SharedTurns | None = None
        self._names: SharedNames | None = None
        self._sweeping: asyncio.Task[None] | None = None

    async def store(self) -> "Store":
        """Give the open store. Raises StoreUnavailable or StorageFull."""
        if self._store is None:
            async with self._opening:
                if self._store is None:
                    from pollux.store.store import open_store  # late: see above

                    settings = self._settings
                    self._store = await open_store(
                        settings.data_path, store_url=settings.store_url, bytes_url=settings.bytes_url
                    )
                    self._sweep_from_now_on(SWEEP_SECONDS)
        return self._store

    async def turns(self) -> "SharedTurns":
        """Give the turns in the database. Raises StoreUnavailable."""
        store = await self.store()
        if self._turns is None:
            from pollux.store.shared_turns import SharedTurns

            settings = self._settings
            self._turns = SharedTurns(
                store.database, store.clock, days=settings.memory_days, bytes_max=settings.memory_bytes_max
            )
        return self._turns

    async def names(self) -> "SharedNames":
        """Give the owners of native resources in the database. Raises StoreUnavailable."""
        store = await self.store()
        if self._names is None:
            from pollux.store.shared_names import SharedNames

            self._names = SharedNames(store.database, store.clock)
        return self._names

    @property
    def opened_turns(self) -> "SharedTurns | None":
        """The turns in the database, if it is open."""
        return self._turns

    def start(self) -> bool:
        """Note that the server runs: sweep soon, if there is a store already. Say whether there is one."""
        settings = self._settings
        there = bool(settings.store_url) or (settings.data_path / "store.sqlite3").exists()
        if there:
            self._sweep_from_now_on(FIRST_SWEEP_SECONDS)
        return there

    async def close(self) -> None:
        """Close the store, if it was opened."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeping
        if self._turns is not None:
            await self._turns.flush()
        if self._store is not None:
            await self._store.close()

    def _sweep_from_now_on(self, first_seconds: float) -> None:
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().create_task(self._sweep(first_seconds))

    async def _sweep(self, first_seconds: float) -> None:
        seconds = first_seconds
        while True:
            await asyncio.sleep(seconds * random.uniform(0.9, 1.1))  # noqa: S311 - spreads replicas
            seconds = SWEEP_SECONDS
            try:
                store = await self.store()
                swept = await store.sweeper.sweep()
                if self._settings.store_url:
                    await (await self.turns()).sweep()
                    await (await self.names()).sweep()
            except ApiError as error:
                log.warning("The store could not be swept: %s", error.message)
            except Exception:
                log.exception("A bug, in the sweep of the store")
            else:
                if swept.blobs or swept.files or swept.uploads or swept.unfinished:
                    log.info(
                        "Swept: %d files and %d uploads had passed their time, %d blobs and %d unfinished ones removed.",
                        swept.files,
                        swept.uploads,
                        swept.blobs,
                        swept.unfinished,
                    )
