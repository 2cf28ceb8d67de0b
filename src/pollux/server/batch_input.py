"""The input of a batch: read line by line, judged, and written as the native jobs want it. Nothing is held whole.

Lines of one model make one job. The key of a native request says which line it is of, and which of that line's requests.
"""

import asyncio
import hashlib
from array import array
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import IO, TYPE_CHECKING

from pollux.errors import ApiError, InvalidRequest
from pollux.server.batch_lines import Line, Planner
from pollux.translate.batches import error_of, read_line
from pollux.wire.jsonl import LineReader, LineTooLarge
from pollux.wire.openai.batches import BatchError, InputLine

if TYPE_CHECKING:
    from pollux.store.files import File
    from pollux.store.store import Store

LINE_BYTES_MAX = 104_857_600
"""One line: as large as a request may be."""

ERRORS_MAX = 100
"""Most errors that a batch lists; the rest is the same mistake again."""

MODELS_MAX = 20
"""Most models of one batch; each is a native job."""

LINES_AT_ONCE = 20
"""Lines after which others get their turn: some two milliseconds."""


NewFile = Callable[[], IO[bytes]]
"""Makes a nameless file on disk, which whoever gave this closes."""


ID_GROUPS = 256
"""Groups in which custom_ids are compared, so that only a part of a million is held as objects at a time."""

REQUESTS_MAX = 4096
"""More than one line can ask for: embeddings take 2,048 inputs."""


def request_key(line: int, index: int) -> int:
    """Give the key of a line's native request."""
    return line * REQUESTS_MAX + index


def may_pass(error: ApiError) -> bool:
    """Say whether a failure is none of the line's, and may not be there the next time."""
    return error.status >= 500 or error.status in (401, 408, 429)


class InputGone(Exception):
    """The input file was deleted before the batch ended."""


async def lines_of(store: "Store", owner: str, file: "File") -> AsyncGenerator[tuple[int, bytes], None]:
    """Give the lines of a file that are not blank, each with its number from 1. Raises InputGone, InvalidRequest."""
    segments = await store.files.segments(owner, file.id)
    if not segments:
        raise InputGone
    reader = LineReader(LINE_BYTES_MAX)
    number = 0
    async with aclosing(store.files.read(segments, 0, file.bytes)) as pieces:
        async for piece in pieces:
            for text in _fed(reader, piece):
                number += 1
                if text and not text.isspace():
                    yield number, text
                if number % LINES_AT_ONCE == 0:
                    await asyncio.sleep(0)
    last = reader.finish()
    if last and not last.isspace():
        yield number + 1, last


def _fed(reader: LineReader, piece: bytes) -> list[bytes]:
    try:
        return reader.feed(piece)
    except LineTooLarge as error:
        raise InvalidRequest(f"Line {error.number} is larger than {LINE_BYTES_MAX} bytes.", code="line_too_large") from None


@dataclass
class Part:
    """The requests of one model, on the way into a native job; `file` is closed by whoever made it."""

    model: str
    method: str
    first_line: int
    file: IO[bytes]
    requests: int = 0
    size: int = 0

    def add(self, key: int, request: bytes) -> None:
        """Add a request."""
        text = b'{"key":"%d","request":%b}\n' % (key, request)
        self.file.write(text)
        self.requests += 1
        self.size += len(text)

    async def read(self, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Give bytes of what was written."""
        while start < stop:
            piece = await asyncio.to_thread(_read_at, self.file, start, min(stop - start, 1_048_576))
            if not piece:
                return
            yield piece
            start += len(piece)


@dataclass
class Judged:
    """An input that was read to its end: the parts, or what is wrong."""

    parts: list[Part] = field(default_factory=list)
    errors: list[BatchError] = field(default_factory=list)
    lines: int = 0
    models: list[str] = field(default_factory=list)


async def judge(
    store: "Store", owner: str, file: "File", endpoint: str, planner: Planner, new_file: NewFile, *, lines_max: int
) -> Judged:
    """Read an input to its end and plan every line. Raises InputGone, and ApiErrors that are not the input's fault."""
    judging = _Judging(endpoint, planner, new_file, lines_max)
    try:
        async with aclosing(lines_of(store, owner, file)) as lines:
            async for number, text in lines:
                await judging.add(number, text)
    except InvalidRequest as error:
        judging.fail(error, None)
    except _Enough:
        pass
    result = judging.result
    if not result.errors and not result.lines:
        judging.fail(InvalidRequest("The input file has no lines.", code="empty_file"), None)
    for line, first in await judging.repeated(store, owner, file):
        judging.fail(
            InvalidRequest(f"Line {first} has this custom_id too.", param="custom_id", code="duplicate_custom_id"),
            line,
        )
    result.errors.sort(key=lambda error: error.line or 0)
    del result.errors[ERRORS_MAX:]
    for part in result.parts:
        part.file.flush()
    return result


class _Enough(Exception):
    """There are as many errors as are listed."""


class _Judging:
    def __init__(self, endpoint: str, planner: Planner, new_file: NewFile, lines_max: int) -> None:
        self.result = Judged()
        self._endpoint = endpoint
        self._planner = planner
        self._new_file = new_file
        self._lines_max = lines_max
        self._parts: dict[tuple[str, str], Part] = {}
        self._ids = [array("q") for _ in range(ID_GROUPS)]

    async def add(self, number: int, text: bytes) -> None:
        """Take a line."""
        result = self.result
        result.lines += 1
        if result.lines > self._lines_max:
            self.fail(InvalidRequest(f"The input has more than {self._lines_max} lines.", code="too_many_lines"), number)
            raise _Enough
        try:
            line = read_line(text, self._endpoint)
            digest = _digest(line)
            self._ids[digest % ID_GROUPS].append(digest)
            planned = await self._planner.plan(self._endpoint, line.body)
            self._write(number, planned)
        except InvalidRequest as error:
            self.fail(error, number, prefix="" if error.param in ENVELOPE else "body")
        except ApiError as error:
            if may_pass(error):
                raise
            self.fail(error, number, prefix="body")

    def fail(self, error: ApiError, line: int | None, prefix: str = "") -> None:
        """Note an error."""
        self.result.errors.append(error_of(error, line, prefix))
        if len(self.result.errors) >= ERRORS_MAX:
            raise _Enough

    async def repeated(self, store: "Store", owner: str, file: "File") -> list[tuple[int, int]]:
        """Find lines whose custom_id an earlier line has, each with that line. Only for this the input is read once more."""
        twice: set[int] = set()
        for ids in self._ids:
            if len(set(ids)) < len(ids):
                twice.update(one for one, other in pairwise(sorted(ids)) if one == other)
            await asyncio.sleep(0)
        if not twice:
            return []
        first: dict[int, int] = {}
        found: list[tuple[int, int]] = []
        async with aclosing(lines_of(store, owner, file)) as lines:
            async for number, text in lines:
                try:
                    digest = _digest(read_line(text, self._endpoint))
                except InvalidRequest:
                    continue
                if digest in twice and first.setdefault(digest, number) != number:
                    found.append((number, first[digest]))
                    if len(found) >= ERRORS_MAX:
                        break
        return found

    def _write(self, number: int, line: Line) -> None:
        part = self._parts.get((line.model, line.method))
        if part is None:
            if len(self._parts) >= MODELS_MAX:
                raise InvalidRequest(f"A batch takes at most {MODELS_MAX} models.", param="model")
            part = self._parts[line.model, line.method] = Part(line.model, line.method, number, self._new_file())
            self.result.parts.append(part)
        if not self.result.errors:  # nothing is sent of an input with errors
            for index, request in enumerate(line.requests):
                part.add(request_key(number, index), request)


ENVELOPE = ("custom_id", "method", "url", "body", None)
"""Fields of a line itself; others are its body's."""


def _digest(line: InputLine) -> int:
    """Give 64 bits of a custom_id: of a million ids two look the same once in a hundred million batches."""
    return int.from_bytes(hashlib.blake2b(line.custom_id.encode(), digest_size=8).digest(), "big", signed=True)


def _read_at(file: IO[bytes], start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)
