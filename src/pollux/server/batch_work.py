"""The work on a batch, in steps that any worker can take up where another left.

    validating   read the input, plan every line, upload what each model is asked
    in_progress  create the native jobs, look how they are (`batch_jobs`)
    finalizing   read the results, write the output file and the error file
    completed, failed, expired, cancelled

One worker at a time has the lease of a batch; each of its writes names the epoch of that lease (`store.batches`).
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pollux.errors import ApiError, InvalidRequest, NotFound
from pollux.server import batch_input_files, batch_state, files
from pollux.server.access import Caller
from pollux.server.batch_input import InputGone, Judged, NewFile, Part, judge
from pollux.server.batch_jobs import Jobs
from pollux.server.batch_lease import Lease
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

FAILURES_PAUSE_SECONDS = (2.0, 300.0)
"""Pause after a step that failed for a reason that may pass: the first, and what it grows to."""

INPUT_TYPE = "application/jsonl"


class Work:
    """The work on one batch, while its lease is held."""

    def __init__(self, app: "App", store: "Store", caller: Caller, headers: Mapping[str, str], row: "BatchRow") -> None:
        self._app = app
        self._store = store
        self._caller = caller
        self._headers = headers
        self._row = row
        self._state = batch_state.read(row)
        self._lease = Lease(store, row, app.settings.batch_lease_seconds)
        self._jobs = Jobs(app, store, caller, headers, self._lease, self._state)

    async def run(self) -> None:
        """Do what can be done now. Raises Fenced when the lease is lost."""
        async with self._lease.renewing():
            try:
                await self._steps()
            except InputGone:
                await self._fail(
                    [BatchError(code="input_file_deleted", message="The input file was deleted before the batch began.")]
                )
            except ApiError as error:
                await self._put_off(error)

    async def _steps(self) -> None:
        state = self._state
        if state.status == "validating":
            if self._lease.cancelled:
                await self._end("cancelled")
                return
            if batch_state.expired(self._row, self._store.clock.now_us()):
                await self._end("expired")
                return
            await self._validate()
        if state.status == "in_progress":
            await self._jobs.submit()
            if not await self._jobs.all_over():
                state.failures = 0
                await self._lease.save(state, due_seconds=self._app.settings.batch_poll_seconds, release=True)
                return
            self._stamp("finalizing")
            await self._lease.save(state, due_seconds=0)
        if state.status == "finalizing":
            await self._finish()

    async def _put_off(self, error: ApiError) -> None:
        """Try again later after a failure; fail where that cannot help, and nothing has been paid for."""
        state = self._state
        unpaid = not any(job.name or job.attempted_us for job in state.jobs)
        hopeless = error.status < 500 and error.status not in (401, 408, 429) and unpaid
        if hopeless or batch_state.forsaken(self._row, self._store.clock.now_us()):
            await self._fail([error_of(error)])
            return
        first, longest = FAILURES_PAUSE_SECONDS
        pause = max(first * 2 ** min(state.failures, 20), error.retry_after_seconds or 0)
        state.failures += 1
        log.warning("The batch %s waits: %s", self._row.id, error.message)
        await self._lease.save(state, due_seconds=min(pause, longest), release=True)

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
            state.counts = RequestCounts(total=judged.lines)
            if errors:
                await self._fail(errors)
                return
            state.jobs = [await self._uploaded(number, part) for number, part in enumerate(judged.parts)]
        state.model = judged.parts[0].model if len(judged.parts) == 1 else None
        self._stamp("in_progress")
        await self._lease.save(state, due_seconds=0)

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
        await self._jobs.own(native.name)
        return Job(part.model, part.method, name, part.first_line, part.requests, native.name)

    async def _finish(self) -> None:
        """Write the files of results, and with them, in one transaction, the end."""
        state = self._state
        if all(job.state == "FAILED" and not job.responses_file for job in state.jobs):
            await self._fail([job.error for job in state.jobs if job.error is not None])
            return
        file = await self._input()
        with _files(self._app.settings.data_path) as new_file:
            results = Results(new_file())
            for job in state.jobs:
                if job.responses_file:
                    await results.add(self._jobs.results(job))
            results.order()
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
        self._stamp(self._outcome())
        async with self._lease.writing(state, due_seconds=None, release=True) as ending:
            for _, (written, blob) in kept:
                await self._store.files.add_in(ending.transaction, self._row.owner, written, blob)
        await batch_input_files.let_go(self._store, self._row.owner, state.input_file_id)

    def _outcome(self) -> str:
        states = {job.state for job in self._state.jobs}
        if self._lease.cancelled and states != {"SUCCEEDED"}:
            return "cancelled"
        return "expired" if "EXPIRED" in states else "completed"

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
        file = await batch_input_files.find(self._store, self._row.owner, self._state.input_file_id)
        if file is None:
            raise InputGone
        return file

    async def _fail(self, errors: list[BatchError]) -> None:
        self._state.errors = errors
        await self._end("failed")

    async def _end(self, status: str) -> None:
        self._stamp(status)
        await self._lease.save(self._state, due_seconds=None, release=True)
        await batch_input_files.let_go(self._store, self._row.owner, self._state.input_file_id)

    def _stamp(self, status: str) -> None:
        self._state.status = status  # type: ignore[assignment]
        self._state.times[f"{status}_at"] = self._store.clock.now_us() // 1_000_000


@contextmanager
def _files(data_path: Path) -> Iterator[NewFile]:
    """Give what makes nameless files on disk; they go with the block."""
    data_path.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as opened:
        yield lambda: opened.enter_context(tempfile.TemporaryFile(dir=data_path))
