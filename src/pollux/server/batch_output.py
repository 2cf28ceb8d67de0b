"""The results of a batch: native lines → the output file and the error file, in the input's order.

The native results are first written to a local file with an index of where each request's line is, since their order is not
promised; then the input is read once more, line by line, and each line is told from the lines of its native requests.
"""

import asyncio
from array import array
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise
from typing import IO, TYPE_CHECKING

import msgspec

from pollux.errors import ApiError, UpstreamFailed
from pollux.server.batch_input import lines_of, may_pass, request_key
from pollux.server.batch_lines import Planner, token_of
from pollux.server.batch_state import State
from pollux.translate import failures
from pollux.translate.batches import add_usage, read_line
from pollux.wire.gemini.batches import ResultLine, decode_result
from pollux.wire.jsonl import LineReader, LineTooLarge
from pollux.wire.openai import batches as wire

if TYPE_CHECKING:
    from pollux.store.blobs import Incoming
    from pollux.store.files import File
    from pollux.store.store import Store

WRITE_BYTES = 1_048_576

RESULT_BYTES_MAX = 1_073_741_824
"""One line of the results: far more than a model answers with, pictures too."""

WHY_NOT = {
    "CANCELLED": ("batch_cancelled", "The batch was cancelled before this request was answered."),
    "EXPIRED": ("batch_expired", "The batch expired before this request was answered."),
    "FAILED": ("batch_failed", "The Gemini API failed the batch job of this request."),
}
"""Code and message of a line without an answer, by the state of its job. Source: OpenAI API, Batch, error file."""

NO_RESULT = ("result_missing", "The Gemini API gave no result for this request.")

_encode = msgspec.json.Encoder().encode


class Results:
    """The native results of all jobs, in a local file, found by the key of a request."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._keys = array("q")
        self._places = array("q")
        self._lengths = array("l")
        self._at = 0

    async def add(self, pieces: AsyncIterator[bytes]) -> None:
        """Take the results of a job, as they come."""
        reader = LineReader(RESULT_BYTES_MAX)
        gathered: list[bytes] = []
        size = 0
        async for piece in pieces:
            try:
                lines = reader.feed(piece)
            except LineTooLarge as error:
                raise UpstreamFailed(f"Line {error.number} of the results is too large.", code="upstream_malformed") from None
            for text in lines:
                size += self._take(text, gathered)
            if size >= WRITE_BYTES:
                await asyncio.to_thread(self._file.write, b"".join(gathered))
                gathered, size = [], 0
        self._take(reader.finish(), gathered)
        await asyncio.to_thread(self._file.write, b"".join(gathered))
        self._file.flush()

    def order(self) -> None:
        """Bring the index into the order of the keys, when all results are there."""
        keys = self._keys
        if any(one > other for one, other in pairwise(keys)):
            ranks = sorted(range(len(keys)), key=keys.__getitem__)
            for name in ("_keys", "_places", "_lengths"):
                values = getattr(self, name)
                setattr(self, name, array(values.typecode, (values[rank] for rank in ranks)))

    def get(self, key: int) -> ResultLine | None:
        """Give the result of a request; the first, should there be several."""
        rank = bisect_left(self._keys, key)
        if rank == len(self._keys) or self._keys[rank] != key:
            return None
        self._file.seek(self._places[rank])
        try:
            return decode_result(self._file.read(self._lengths[rank]))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def _take(self, text: bytes, gathered: list[bytes]) -> int:
        if not text or text.isspace():
            return 0
        try:
            key = int(_key(text).key)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
            return 0
        if not 0 <= key < 2**63:
            return 0
        self._keys.append(key)
        self._places.append(self._at)
        self._lengths.append(len(text))
        gathered.append(text)
        self._at += len(text)
        return len(text)


class _Key(msgspec.Struct):
    key: str = ""


_key = msgspec.json.Decoder(_Key).decode


class Telling:
    """Tells the lines of one batch into two files."""

    def __init__(self, batch_id: str, state: State, planner: Planner, results: Results, created: int) -> None:
        self._batch_id = batch_id
        self._state = state
        self._planner = planner
        self._results = results
        self._created = created
        self._jobs = {(job.model, job.method): job for job in state.jobs}
        self.counts = wire.RequestCounts(total=state.counts.total)
        self.usage = wire.BatchUsage()

    async def tell(self, store: "Store", owner: str, file: "File", output: "Incoming", errors: "Incoming") -> None:
        """Write all lines. Raises InputGone, and what the files raise."""
        async with aclosing(lines_of(store, owner, file)) as lines:
            async for number, text in lines:
                line, fine = await self._line(number, text)
                await (output if fine else errors).write(_encode(line) + b"\n")
                self.counts.completed += fine
                self.counts.failed += not fine

    async def _line(self, number: int, text: bytes) -> tuple[wire.OutputLine, bool]:
        line = read_line(text, self._state.endpoint)
        token = token_of(self._batch_id, number)
        told = wire.OutputLine(id=f"batch_req_{token}", custom_id=line.custom_id, response=None, error=None)
        request_id = f"req_{token}"
        try:
            planned = await self._planner.plan(self._state.endpoint, line.body)
        except ApiError as error:
            if may_pass(error):
                raise
            return self._refused(told, error, request_id)
        try:
            found = [self._results.get(request_key(number, index)) for index in range(len(planned.requests))]
            results = [result for result in found if result is not None]
            if len(results) < len(found):
                job = self._jobs.get((planned.model, planned.method))
                told.error = wire.LineError(*WHY_NOT.get(job.state if job else "", NO_RESULT))
                return told, False
            answer = planned.answer(results, token, self._created)
        except ApiError as error:
            return self._refused(told, error, request_id)
        add_usage(self.usage, answer.usage)
        told.response = wire.LineResponse(200, request_id, msgspec.Raw(answer.body))
        return told, True

    def _refused(self, told: wire.OutputLine, error: ApiError, request_id: str) -> tuple[wire.OutputLine, bool]:
        told.response = wire.LineResponse(error.status, request_id, msgspec.Raw(_encode(failures.body(error))))
        return told, False
