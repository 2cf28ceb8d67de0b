"""The lease of a batch while somebody works on it: held on to, checked before what costs money, named by every write."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pollux.errors import ApiError
from pollux.server import batch_state
from pollux.server.batch_state import State
from pollux.store.clock import boot_seconds

if TYPE_CHECKING:
    from pollux.store.batches import BatchRow, Writing
    from pollux.store.store import Store


class Lease:
    """The lease of one batch. Its epoch is in `row`; whoever has a later one has fenced this one off."""

    def __init__(self, store: "Store", row: "BatchRow", seconds: float) -> None:
        self._store = store
        self._seconds = seconds
        self._until = boot_seconds() + seconds
        self.row = row
        self.cancelled = row.cancel_us is not None
        """Whether the owner has cancelled the batch, as far as the last write saw."""

    def check(self) -> None:
        """Make sure, by this machine's own steady clock, that the time is not up: a process may sleep. Raises Fenced."""
        if boot_seconds() > self._until:
            from pollux.store.batches import Fenced

            raise Fenced

    async def save(self, state: State, *, due_seconds: float | None, release: bool = False) -> None:
        """Write what is kept. Raises Fenced."""
        async with self.writing(state, due_seconds=due_seconds, release=release):
            pass

    @asynccontextmanager
    async def writing(self, state: State, *, due_seconds: float | None, release: bool) -> "AsyncIterator[Writing]":
        """Write what is kept, in one transaction with what the block writes. Raises Fenced."""
        row = self.row
        async with self._store.batches.writing(
            row.owner, row.id, row.epoch, batch_state.write(state), due_seconds=due_seconds, release=release
        ) as written:
            yield written
        self.cancelled = self.cancelled or written.cancel_us is not None

    @asynccontextmanager
    async def renewing(self) -> AsyncIterator[None]:
        """Hold on to the lease as long as the block lasts; when it is lost, the block is stopped with Fenced."""
        from pollux.store.batches import Fenced

        task = asyncio.current_task()
        assert task is not None
        lost = False

        async def renew() -> None:
            nonlocal lost
            while True:
                await asyncio.sleep(self._seconds / 3)
                began = boot_seconds()
                try:
                    await self._store.batches.renew(self.row.owner, self.row.id, self.row.epoch, self._seconds)
                except Fenced:
                    lost = True
                    task.cancel()
                    return
                except ApiError:
                    continue  # the database is away; the next time may work
                self._until = began + self._seconds

        renewing = asyncio.create_task(renew())
        try:
            yield
        except asyncio.CancelledError:
            if not lost:
                raise
            task.uncancel()
            raise Fenced from None
        finally:
            renewing.cancel()
