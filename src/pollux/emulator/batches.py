"""Batches: jobs whose states follow the emulator's clock.

    create → PENDING → RUNNING → SUCCEEDED          cancel → CANCELLED          `batch-state` of a fault → FAILED, EXPIRED

The answers are made while the job runs; a job is over when its time has come and all of them are made. The resource, its
output, cancelling and deleting are as a live-captured note tells them (ground-truth.md, section 1.5); what a job costs in
time is the emulator's own.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from pollux.emulator import batch_lines, errors
from pollux.emulator.batch_lines import Answering, Line
from pollux.emulator.clock import Clock, stamp
from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.faults import Fault
from pollux.emulator.files import File, Files, opaque_id
from pollux.emulator.limits import BATCH_INLINE_BYTES_MAX, BATCHES_MAX
from pollux.emulator.models import RETIRED, Model, known
from pollux.emulator.routes import Route
from pollux.emulator.shelves import Shelves
from pollux.emulator.spool import Bytes

PENDING_SECONDS, RUNNING_SECONDS = 1.0, 2.0
"""How long a job waits and runs, at least: long enough to be seen, short enough for a test that really waits."""

SETTLE_SECONDS = 0.5
"""How long a caller waits for the answers of a job whose time has come; those of a large one take longer."""

LIFETIME = timedelta(hours=48)
"""After which a job that is not over is EXPIRED. Source: gemini-native.md, section 20."""

KEPT = timedelta(days=30)
"""How long a job is kept; the emulator's own."""

REQUEST_OF = {"batchGenerateContent": "GenerateContentRequest", "asyncBatchEmbedContent": "EmbedContentRequest"}
TYPE_OF = {"batchGenerateContent": "GenerateContentBatch", "asyncBatchEmbedContent": "EmbedContentBatch"}
INLINED_OF = {"batchGenerateContent": "inlinedResponses", "asyncBatchEmbedContent": "inlinedEmbedContentResponses"}

OVER = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")

PACKAGE = "type.googleapis.com/google.ai.generativelanguage.v1main."
"""Of `@type`, as recorded."""

RESULTS_TYPE = "application/octet-stream"

_encode = msgspec.json.Encoder().encode


@dataclass
class Job:
    """One batch of one project."""

    id: str
    project: str
    method: str
    model: Model
    display_name: str
    priority: str
    total: int
    created: datetime
    fault: Fault
    expires: datetime
    succeeded: int = 0
    failed: int = 0
    ended: datetime | None = None
    end: str = ""
    output: dict[str, Any] = field(default_factory=dict)
    making: asyncio.Task[None] | None = None

    def state(self, now: datetime) -> str:
        """Say its state, without `BATCH_STATE_`."""
        if self.end:
            return self.end
        return "PENDING" if now < self.created + timedelta(seconds=PENDING_SECONDS) else "RUNNING"

    def resource(self, now: datetime) -> dict[str, Any]:
        """Make the Operation, as recorded; `done`, `response` and `error` are absent until it is over."""
        state = self.state(now)
        stats = {"requestCount": str(self.total)}
        done = self.succeeded + self.failed if state == "SUCCEEDED" else 0
        if state == "SUCCEEDED":
            stats |= {"successfulRequestCount": str(self.succeeded)} if self.succeeded else {}
            stats |= {"failedRequestCount": str(self.failed)} if self.failed else {}
        elif self.total > done:
            stats["pendingRequestCount"] = str(self.total - done)
        metadata: dict[str, Any] = {
            "@type": PACKAGE + TYPE_OF[self.method],
            "model": f"models/{self.model.name}",
            "displayName": self.display_name,
        }
        if state == "SUCCEEDED":
            metadata["output"] = self.output
        metadata |= {"createTime": stamp(self.created)}
        if self.ended is not None:
            metadata["endTime"] = stamp(self.ended)
        metadata |= {"updateTime": stamp(self.ended or self.created), "batchStats": stats, "state": f"BATCH_STATE_{state}"}
        metadata |= {"name": f"batches/{self.id}"} | ({"priority": self.priority} if self.priority else {})
        told: dict[str, Any] = {"name": f"batches/{self.id}", "metadata": metadata}
        if state == "SUCCEEDED":
            told |= {"done": True, "response": {"@type": f"{PACKAGE}{TYPE_OF[self.method]}Output", **self.output}}
        elif state in OVER:
            # Recorded for a cancelled job: code 13, not the 1 that the API reference promises.
            told |= {"done": True, "error": {"code": 13, "message": f"The batch is {state.lower()}."}}
        return told


class Batches:
    """All batches of one emulator."""

    def __init__(self, clock: Clock, files: Files, seed: int = 0) -> None:
        self.clock = clock
        self.files = files
        self.seed = seed
        self.created = 0
        """Jobs that were ever created: what a caller would pay for."""
        self._shelves: Shelves[Job] = Shelves(lambda _project, job: _stop(job))

    async def create(
        self, found: Route, request: dict[str, Any], project: str, fault: Fault, answer: Answering, body_bytes: int
    ) -> Job:
        """Begin a job, or refuse it as the service does: one malformed line refuses it whole."""
        model = _model(found)
        batch = request.get("batch", {})
        config = batch.get("inputConfig", {})
        if not batch.get("displayName"):
            # No wording is known: AFTER other required fields.
            raise invalid("* batch.display_name: display_name is required\n")
        self.sweep()
        if len(self._shelves.page(project, BATCHES_MAX, "")[0]) >= BATCHES_MAX:
            raise NativeError(429, f"You exceeded your current quota: at most {BATCHES_MAX} batches at a time.")
        name = str(config.get("fileName", "")).removeprefix("files/")
        file = self.files.find(project, name) if name else None
        lines = [] if file else batch_lines.inlined(config)
        if file is None and body_bytes > BATCH_INLINE_BYTES_MAX:
            raise invalid(f"Request payload size exceeds the limit: {BATCH_INLINE_BYTES_MAX} bytes.")
        total = await batch_lines.check(file, REQUEST_OF[found.method]) if file else len(lines)
        now = self.clock.now()
        self.created += 1
        job = Job(
            opaque_id(f"batch {self.seed} {self.created}", 36),
            project,
            found.method,
            model,
            str(batch["displayName"]),
            str(batch.get("priority", "")),
            total,
            now,
            fault,
            now + KEPT,
        )
        self._shelves.put(project, job)
        job.making = asyncio.create_task(self._make(job, file, lines, answer))
        return job

    async def find(self, project: str, name: str) -> Job:
        """Find one of this project, or refuse."""
        self.sweep()
        job = self._shelves.find(project, name)
        if job is None:
            raise NativeError(404, f"Requested entity was not found: batches/{name}.")
        await self._settle(job)
        return job

    async def cancel(self, project: str, name: str) -> None:
        """Cancel one; what is over stays as it is."""
        job = await self.find(project, name)
        if not job.end:
            job.end, job.ended = "CANCELLED", self.clock.now()
            _stop(job)

    async def remove(self, project: str, name: str) -> None:
        """Delete one; the second time it is no longer there. Its results stay."""
        await self.find(project, name)
        self._shelves.remove(project, name)

    async def page(self, project: str, size: int, token: str) -> tuple[list[Job], str]:
        """List a page of a project's, newest first."""
        self.sweep()
        jobs, more = self._shelves.page(project, size, token)
        for job in jobs:
            await self._settle(job)
        return jobs, more

    def sweep(self) -> None:
        """Forget what is older than a job is kept."""
        self._shelves.sweep(self.clock.now())

    def clear(self) -> None:
        """Forget everything."""
        self._shelves.clear()
        self.created = 0

    async def _settle(self, job: Job) -> None:
        """End a job whose time has come."""
        now = self.clock.now()
        if job.end or now < job.created + timedelta(seconds=PENDING_SECONDS + RUNNING_SECONDS):
            return
        if job.fault.batch_state in ("FAILED", "EXPIRED"):
            job.end, job.ended = job.fault.batch_state, now
        elif job.fault.batch_state == "RUNNING" or job.making is None:
            if now >= job.created + LIFETIME:
                job.end, job.ended = "EXPIRED", now
        else:
            await asyncio.wait({job.making}, timeout=SETTLE_SECONDS)
            if job.making.done() and not job.end:
                job.end, job.ended = "FAILED" if job.making.exception() else "SUCCEEDED", now

    async def _make(self, job: Job, file: File | None, lines: list[Line], answer: Answering) -> None:
        """Make the answers of all lines."""
        if file is None:
            inlined = [await self._answered(job, line, answer) for line in lines]
            job.output = {INLINED_OF[job.method]: {"inlinedResponses": inlined}}
            return
        content: Bytes = self.files.spool.new()
        buffer = bytearray()
        async for line in batch_lines.lines_of(file, REQUEST_OF[job.method]):
            buffer += _encode(await self._answered(job, line, answer)) + b"\n"
            if len(buffer) > 1_000_000:
                await asyncio.to_thread(content.append, bytes(buffer))
                buffer.clear()
        await asyncio.to_thread(content.append, bytes(buffer))
        name = f"batch-{job.id}"
        meta = {"name": name, "mimeType": RESULTS_TYPE, "displayName": ""}
        self.files.add(job.project, meta, content, self.clock.now(), Fault(file_state="ACTIVE"), "GENERATED")
        job.output = {"responsesFile": f"files/{name}"}

    async def _answered(self, job: Job, line: Line, answer: Answering) -> dict[str, Any]:
        number = job.succeeded + job.failed + 1
        if job.fault.batch_fail_every and number % job.fault.batch_fail_every == 0:
            told, fine = line.told() | {"error": {"code": 13, "message": "Internal error encountered."}}, False
        else:
            told, fine = await batch_lines.answered(line, answer)
        job.succeeded += fine
        job.failed += not fine
        return told


def _model(found: Route) -> Model:
    model = known(found.model, found.version)
    if model is None and found.model in RETIRED:
        raise errors.retired_model(found.model, RETIRED[found.model])
    if model is None or found.method not in model.methods:
        raise errors.unknown_model(found.model, found.version, found.method)
    return model


def _stop(job: Job) -> None:
    if job.making is not None and not job.making.done():
        job.making.cancel()
