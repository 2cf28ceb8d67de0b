"""The native jobs of a batch: created once each, looked for where that is not sure, looked at until they end.

A job is paid for. So its create is noted before it is sent, and sent once. When its outcome is not known (a broken connection,
a 500, a death in between), the job is looked for by its display name, which is ours, and only when it has not appeared for
`batch_unsure_seconds` is it created again. A worker that was overtaken while it created one cancels it, where another has one.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from pollux.errors import ApiError, NotFound, PermissionDenied
from pollux.server import batch_state
from pollux.server.access import Caller
from pollux.server.batch_lease import Lease
from pollux.server.batch_state import Job, State
from pollux.translate.batches import error_of
from pollux.wire.openai.batches import BatchError

if TYPE_CHECKING:
    from pollux.server.app import App
    from pollux.store.store import Store

log = logging.getLogger("pollux.server")


class Jobs:
    """Creates and watches the native jobs of one batch, while its lease is held."""

    def __init__(
        self, app: "App", store: "Store", caller: Caller, headers: Mapping[str, str], lease: Lease, state: State
    ) -> None:
        self._app = app
        self._store = store
        self._native = app.native_batches
        self._caller = caller
        self._headers = headers
        self._lease = lease
        self._state = state

    @property
    def _stopped(self) -> str:
        """The state of jobs that are not to go on: the batch was cancelled, or its time is up; or nothing."""
        if self._lease.cancelled:
            return "CANCELLED"
        return "EXPIRED" if batch_state.expired(self._lease.row, self._store.clock.now_us()) else ""

    async def submit(self) -> None:
        """Create the jobs that there are not yet. Raises ApiError for what may pass, and Fenced."""
        for job in self._state.jobs:
            if job.name or job.over:
                continue
            if job.attempted_us and not await self._settled(job):
                continue
            if not job.name:
                await self._create(job)

    async def all_over(self) -> bool:
        """Look how the jobs are; say whether all have ended. Raises ApiError."""
        for job in self._state.jobs:
            if not job.over and job.name:
                await self._look(job)
        return all(job.over for job in self._state.jobs)

    async def results(self, job: Job) -> AsyncIterator[bytes]:
        """Give the results of a job, in pieces; none when they are not there any more. Raises ApiError."""
        try:
            pieces = self._native.download(job.responses_file, key=self._caller.upstream_key, headers=self._headers)
            async for piece in pieces:
                yield piece
        except (NotFound, PermissionDenied):
            job.error = BatchError(
                code="results_gone",
                message="The Gemini API does not have the results any more; it keeps them for 48 hours.",
                line=job.first_line,
            )

    async def own(self, name: str) -> None:
        """Note that a native resource is the owner's, where callers share a key."""
        if self._app.owned is not None:
            await self._app.owned.add(self._lease.row.owner, [name])

    async def _settled(self, job: Job) -> bool:
        """Look for a job that may have come about; false while that cannot be said."""
        found = await self._native.find(job.display_name, key=self._caller.upstream_key, headers=self._headers)
        if found is not None:
            await self._named(job, found.name)
            return True
        return self._now_us() - job.attempted_us > self._app.settings.batch_unsure_seconds * 1e6

    async def _create(self, job: Job) -> None:
        if self._stopped:
            job.state = self._stopped
            return
        job.attempted_us = self._now_us()
        await self._lease.save(self._state, due_seconds=0)
        self._lease.check()
        try:
            made = await self._native.create(
                job.model,
                job.method,
                job.display_name,
                job.input_file,
                key=self._caller.upstream_key,
                headers=self._headers,
            )
        except ApiError as error:
            if error.status >= 500:  # it may have come about all the same; from now on it is looked for
                job.attempted_us = self._now_us()
                raise
            job.attempted_us = 0
            if error.status in (401, 429):
                raise
            job.state = "FAILED"
            job.error = error_of(error, job.first_line)
            await self._lease.save(self._state, due_seconds=0)
            return
        try:
            await self._named(job, made.name)
        except BaseException:
            await self._give_up(job, made.name)
            raise

    async def _named(self, job: Job, name: str) -> None:
        await self.own(name)
        job.name = name
        await self._lease.save(self._state, due_seconds=0)

    async def _give_up(self, job: Job, name: str) -> None:
        """Cancel a job that was created while another worker took the batch over and created one too."""
        with suppress(ApiError):
            row = await self._store.batches.get(self._lease.row.owner, self._lease.row.id)
            jobs = batch_state.read(row).jobs if row is not None else []
            known = next((other.name for other in jobs if other.display_name == job.display_name), "")
            if known and known != name:
                log.warning("The job %s was created twice; %s is cancelled.", job.display_name, name)
                await self._native.cancel(name, key=self._caller.upstream_key, headers=self._headers)

    async def _look(self, job: Job) -> None:
        try:
            told = await self._native.get(job.name, key=self._caller.upstream_key, headers=self._headers)
            if self._stopped and not (told.done or told.state in batch_state.OVER):
                await self._native.cancel(job.name, key=self._caller.upstream_key, headers=self._headers)
                told = await self._native.get(job.name, key=self._caller.upstream_key, headers=self._headers)
        except (NotFound, PermissionDenied) as error:
            job.state, job.error = "FAILED", error_of(error, job.first_line)
            return
        if not told.done and told.state not in batch_state.OVER:
            return
        job.state = told.state if told.state in batch_state.OVER else "FAILED"
        job.responses_file = told.responses_file or ""
        if job.state == "CANCELLED" and self._stopped == "EXPIRED":
            job.state = "EXPIRED"
        if job.state == "FAILED":
            why = (told.error and told.error.message) or "the Gemini API does not say why"
            job.error = BatchError(code="batch_failed", message=f"The batch job failed: {why}", line=job.first_line)
        if job.responses_file:
            await self.own(job.responses_file)

    def _now_us(self) -> int:
        return self._store.clock.now_us()
