"""The work on a batch, in steps that any worker can take up where another left.

    validating   read the input, plan every line, upload what each model is asked
    in_progress  create the native jobs, look how they are
    finalizing   read the results, write the output file and the error file
    completed, failed, expired, cancelled

One worker at a time has the lease of a batch; each of its writes names the epoch of that lease (`store.batches`). A native job
is paid for, so its create is noted before it is sent and sent once: when its outcome is not known, the job is looked for by its
display name, and only when it has not appeared for a while is it created again.
"""

import asyncio
import logging
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pollux.errors import ApiError, InvalidRequest, NotFound
from pollux.server import batch_state, files
from pollux.server.access import Caller
from pollux.server.batch_input import InputGone, Judged, NewFile, Part, judge
from pollux.server.batch_lines import Planner
from pollux.server.batch_output import Results, Telling
from pollux.server.batch_state import Job
from pollux.translate.batches import error_of
from pollux.upstream.files import Source
from pollux.wire.openai.batches import BatchError, RequestCounts

if TYPE_CHECKING:
    from pollux.server.app import App
    from pollux.store.batches import BatchRow
    from pollux.store.blobs import Incoming, Written
    from pollux.store.files import File
    from pollux.store.store import Store

log = logging.getLogger("pollux.server")

LEASE_SECONDS = 30.0
"""How long the work of a process that died waits for another; a living one renews its lease three times as often."""

UNSURE_SECONDS = 60.0
"""How long a job whose create has no known outcome is looked for, before it is created again."""

FAILURES_PAUSE_SECONDS = (2.0, 300.0)
"""Pause after a step that failed for a reason that may pass: the first, and what it grows to."""

INPUT_TYPE = "application/jsonl"

ENDED = ("completed", "failed", "expired", "cancelled")


class Work:
    """The work on one batch, while its lease is held."""

    def __init__(self, app: "App", store: "Store", caller: Caller, headers: Mapping[str, str], row: "BatchRow") -> None:
        self._app = app
        self._store = store
        self._caller = caller
        self._headers = headers
        self._row = row
        self._state = batch_state.read(row)
        self._until = time.monotonic() + LEASE_SECONDS

    @property
    def _cancelled(self) -> bool:
        return self._row.cancel_us is not None

    async def run(self) -> None:
        """Do what can be done now. Raises Fenced when the lease is lost."""
        async with self._renewing():
            try:
                await self._steps()
            except InputGone:
                await self._fail(
                    [BatchError(code="input_file_deleted", message="The input file was deleted before the batch ended.")]
                )
            except ApiError as error:
                log.warning("The batch %s waits: %s", self._row.id, error.message)
                first, longest = FAILURES_PAUSE_SECONDS
                pause = min(first * 2**self._state.failures, longest)
                self._state.failures += 1
                await self._save(due_seconds=pause, release=True)

    async def _steps(self) -> None:
        state = self._state
        if state.status == "validating":
            if self._cancelled:
                await self._end("cancelled")
                return
            await self._validate()
        if state.status == "in_progress":
            await self._submit()
            if not await self._all_over():
                state.failures = 0
                await self._save(due_seconds=self._app.settings.batch_poll_seconds, release=True)
                return
            self._stamp("finalizing")
            await self._save(due_seconds=0)
        if state.status == "finalizing":
            await self._finish()

    async def _validate(self) -> None:
        """Judge the input and upload what the native jobs are asked."""
        state, settings = self._state, self._app.settings
        file = await self._input()
        planner = Planner(self._app, self._caller, self._headers, sends=True)
        with _files(settings.data_path) as new_file:
            judged = await judge(
                self._store, self._row.owner, file, state.endpoint, planner, new_file, lines_max=settings.batch_lines_max
            )
            errors = judged.errors or await self._unfit(judged)
            if errors:
                state.counts = RequestCounts(total=judged.lines)
                await self._fail(errors)
                return
            state.jobs = [await self._uploaded(number, part) for number, part in enumerate(judged.parts)]
        state.counts = RequestCounts(total=judged.lines)
        state.model = judged.parts[0].model if len(judged.parts) == 1 else None
        self._stamp("in_progress")
        await self._save(due_seconds=0)

    async def _unfit(self, judged: Judged) -> list[BatchError]:
        """Say which models there are not, or not for batches, before anything is paid for."""
        errors = []
        for part in judged.parts:
            try:
                model = await self._app.client.get_model(part.model, key=self._caller.upstream_key, headers=self._headers)
            except NotFound as error:
                error.param = "model"
                errors.append(error_of(error, part.first_line, "body"))
                continue
            methods = model.supported_generation_methods
            if methods is not None and part.method not in methods:
                why = InvalidRequest(f"{part.model} cannot be used in a batch for {self._state.endpoint}.", param="model")
                errors.append(error_of(why, part.first_line, "body"))
        return errors

    async def _uploaded(self, number: int, part: Part) -> Job:
        name = f"pollux {self._row.id} {number}"
        source = Source(name, INPUT_TYPE, part.size, part.read)
        native = await self._app.native_files.upload(source, key=self._caller.upstream_key, headers=self._headers)
        await self._own(native.name)
        return Job(part.model, part.method, name, part.first_line, part.requests, native.name)

    async def _submit(self) -> None:
        """Create the native jobs that there are not yet."""
        for job in self._state.jobs:
            if job.name or job.over:
                continue
            if job.attempted_us and not await self._looked_for(job):
                continue
            if not job.name:
                await self._create(job)

    async def _looked_for(self, job: Job) -> bool:
        """Look for a job that may have come about; false while that cannot be said."""
        found = await self._app.native_batches.find(job.display_name, key=self._caller.upstream_key, headers=self._headers)
        if found is not None:
            job.name = found.name
            await self._own(job.name)
            await self._save(due_seconds=0)
            return True
        return self._now_us() - job.attempted_us > UNSURE_SECONDS * 1e6

    async def _create(self, job: Job) -> None:
        if self._cancelled:
            job.state = "CANCELLED"
            return
        job.attempted_us = self._now_us()
        await self._save(due_seconds=0)
        self._hold()
        try:
            made = await self._app.native_batches.create(
                job.model,
                job.method,
                job.display_name,
                job.input_file,
                key=self._caller.upstream_key,
                headers=self._headers,
            )
        except ApiError as error:
            if error.status >= 500:  # it may have come about all the same
                raise
            job.attempted_us = 0
            if error.status in (401, 429):
                raise
            job.state = "FAILED"
            job.error = error_of(error, job.first_line)
            await self._save(due_seconds=0)
            return
        job.name = made.name
        await self._own(job.name)
        await self._save(due_seconds=0)

    async def _all_over(self) -> bool:
        """Look how the jobs are; say whether all have ended."""
        for job in self._state.jobs:
            if job.over or not job.name:
                continue
            if self._cancelled:
                with suppress(NotFound):
                    await self._app.native_batches.cancel(job.name, key=self._caller.upstream_key, headers=self._headers)
            try:
                told = await self._app.native_batches.get(job.name, key=self._caller.upstream_key, headers=self._headers)
            except NotFound as error:
                job.state, job.error = "FAILED", error_of(error, job.first_line)
                continue
            if told.state in batch_state.OVER or told.done:
                job.state = told.state if told.state in batch_state.OVER else "FAILED"
                job.responses_file = told.responses_file or ""
                if job.state == "FAILED":
                    why = (told.error and told.error.message) or "the Gemini API does not say why"
                    job.error = BatchError(code="batch_failed", message=f"The batch job failed: {why}", line=job.first_line)
                if job.responses_file:
                    await self._own(job.responses_file)
        return all(job.over for job in self._state.jobs)

    async def _finish(self) -> None:
        """Write the files of results, and with them, in one transaction, the end."""
        state = self._state
        succeeded = any(job.responses_file for job in state.jobs)
        if not succeeded and all(job.state == "FAILED" for job in state.jobs):
            await self._fail([job.error for job in state.jobs if job.error is not None])
            return
        file = await self._input()
        states = {job.state for job in state.jobs}
        status = (
            "cancelled" if self._cancelled and states != {"SUCCEEDED"} else "expired" if "EXPIRED" in states else "completed"
        )
        with _files(self._app.settings.data_path) as new_file:
            results = Results(new_file(), sum(job.requests for job in state.jobs))
            for job in state.jobs:
                if job.responses_file:
                    await results.add(
                        self._app.native_batches.download(
                            job.responses_file, key=self._caller.upstream_key, headers=self._headers
                        )
                    )
            planner = Planner(self._app, self._caller, self._headers, sends=False)
            telling = Telling(self._row.id, state, planner, results, state.times["finalizing_at"])
            async with self._store.files.incoming() as output, self._store.files.incoming() as errors:
                await telling.tell(self._store, self._row.owner, file, output, errors)
                kept = [
                    (name, await self._kept(suffix, incoming))
                    for name, suffix, incoming in (("output_file_id", "output", output), ("error_file_id", "error", errors))
                    if incoming.bytes
                ]
        state.counts, state.usage = telling.counts, telling.usage
        state.errors = [job.error for job in state.jobs if job.error is not None]
        for name, (written, _) in kept:
            setattr(state, name, written.id)
        self._stamp(status)
        async with self._store.batches.writing(
            self._row.owner, self._row.id, self._row.epoch, batch_state.write(state), due_seconds=None, release=True
        ) as ending:
            for _, (written, blob) in kept:
                await self._store.files.add_in(ending.transaction, self._row.owner, written, blob)

    async def _kept(self, suffix: str, incoming: "Incoming") -> "tuple[File, Written]":
        written = await incoming.finish()
        row = files.new_file(
            self._store,
            filename=f"{self._row.id}_{suffix}.jsonl",
            purpose="batch_output",
            size=written.bytes,
            declared_type=INPUT_TYPE,
            lasting_seconds=self._state.output_seconds,
            sha256=written.sha256,
        )
        return row, written

    async def _input(self) -> "File":
        file = await self._store.files.get(self._row.owner, self._state.input_file_id)
        if file is None:
            raise InputGone
        return file

    async def _own(self, name: str) -> None:
        """Note that a native resource is the owner's, where callers share a key."""
        if self._app.owned is not None:
            await self._app.owned.add(self._row.owner, [name])

    async def _fail(self, errors: list[BatchError]) -> None:
        self._state.errors = errors
        await self._end("failed")

    async def _end(self, status: str) -> None:
        self._stamp(status)
        await self._save(due_seconds=None, release=True)

    def _stamp(self, status: str) -> None:
        self._state.status = status  # type: ignore[assignment]
        self._state.times[f"{status}_at"] = self._now_us() // 1_000_000

    async def _save(self, *, due_seconds: float | None, release: bool = False) -> None:
        state = batch_state.write(self._state)
        async with self._store.batches.writing(
            self._row.owner, self._row.id, self._row.epoch, state, due_seconds=due_seconds, release=release
        ) as written:
            self._row = replace(self._row, cancel_us=written.cancel_us)

    def _now_us(self) -> int:
        return self._store.clock.now_us()

    def _hold(self) -> None:
        """Make sure, by this machine's steady clock, that the lease is still ours: a process may sleep. Raises Fenced."""
        if time.monotonic() > self._until:
            _fenced()

    @asynccontextmanager
    async def _renewing(self) -> AsyncIterator[None]:
        """Hold on to the lease as long as the block lasts; when it is lost, the block is stopped with Fenced."""
        from pollux.store.batches import Fenced

        task = asyncio.current_task()
        lost = False

        async def renew() -> None:
            nonlocal lost
            while True:
                await asyncio.sleep(LEASE_SECONDS / 3)
                began = time.monotonic()
                try:
                    await self._store.batches.renew(self._row.owner, self._row.id, self._row.epoch, LEASE_SECONDS)
                except Fenced:
                    lost = True
                    if task is not None:
                        task.cancel()
                    return
                except ApiError:
                    continue  # the database is away; the next time may work
                self._until = began + LEASE_SECONDS

        renewing = asyncio.create_task(renew())
        try:
            yield
        except asyncio.CancelledError:
            if not lost:
                raise
            if task is not None:
                task.uncancel()
            raise Fenced from None
        finally:
            renewing.cancel()


class BatchWorkers:
    """Takes up batches: when their owner asks, and by itself where no caller's key is needed."""

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
            row = await store.batches.take(caller.owner, batch_id, self._holder, LEASE_SECONDS)
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
        """Look for due batches, and work on them one after the other."""
        app = self._app
        while True:
            try:
                store = await app.storing.store()
                for owner, batch_id in await store.batches.due(100):
                    if app.access.knows(owner):
                        await self.take_up(app.access.keyless(owner), batch_id, {}, wait_seconds=3600)
            except ApiError as error:
                log.warning("Due batches cannot be looked for: %s", error.message)
            except Exception:
                log.exception("A bug, in the look for due batches")
            await asyncio.sleep(min(app.settings.batch_poll_seconds, 1.0))


@contextmanager
def _files(data_path: Path) -> Iterator[NewFile]:
    """Give what makes nameless files on disk; they go with the block."""
    data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as opened:
        yield lambda: opened.enter_context(tempfile.TemporaryFile(dir=data_path))


def _fenced() -> NoReturn:
    from pollux.store.batches import Fenced

    raise Fenced
