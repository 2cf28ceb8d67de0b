"""A large batch and large embeddings: lines a second, memory, CPU. `python -m bench.batches [LINES]`.

A batch is read, judged and translated; then its results are told. Both are the server's own functions on its own store, in a
process of their own, without an upstream: the results are written here. The last line is JSON, for a report.
"""

import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from bench.cpu import memory
from pollux.server.access import Caller
from pollux.server.app import App
from pollux.server.batch_input import Judged, Part, judge
from pollux.server.batch_lines import Planner
from pollux.server.batch_output import Results, Telling
from pollux.server.batch_state import Job, State
from pollux.server.files import new_file
from pollux.settings import Settings
from pollux.store.files import File
from pollux.store.store import Store, open_store
from pollux.translate import embeddings
from pollux.translate.notes import Note
from pollux.translate.profiles import embedder
from pollux.wire.gemini.embeddings import decode_embeddings, decode_read_embeddings
from pollux.wire.openai.batches import RequestCounts
from pollux.wire.openai.embeddings import Embedding, EmbeddingList, EmbeddingsRequest, EmbeddingsUsage

LINES = 1_000_000
MODEL = "gemini-3.6-flash"
OWNER = "bench"
ENDPOINT = "/v1/chat/completions"
MB = 1_000_000

LINES_A_SECOND_MIN = 10_000
MEMORY_MB_MAX = 150
BASE64_MS_MAX, FLOATS_MS_MAX = 25, 6
"""The limits. Source: issue 8."""

INPUTS, DIMENSIONS, ROUNDS = 100, 3072, 20


@dataclass
class Figures:
    """What was measured; memory is the whole process's, in millions of bytes."""

    lines: int
    judged_a_second: float
    told_a_second: float
    memory_before_mb: float
    memory_peak_mb: float
    base64_ms: float
    floats_ms: float

    @property
    def fine(self) -> bool:
        """Whether all limits hold."""
        return (
            self.judged_a_second >= LINES_A_SECOND_MIN
            and self.memory_peak_mb <= MEMORY_MB_MAX
            and self.base64_ms <= BASE64_MS_MAX
            and self.floats_ms <= FLOATS_MS_MAX
        )


def main() -> int:
    """Measure, print, and say by the exit code whether the limits hold."""
    figures = measure(int(sys.argv[1]) if len(sys.argv) > 1 else LINES)
    print(f"{figures.lines} lines, a second of CPU: {figures.judged_a_second:,.0f} judged, {figures.told_a_second:,.0f} told;")
    print(f"    {figures.memory_before_mb:.0f} MB before, {figures.memory_peak_mb:.0f} MB at the peak")
    print(f"{INPUTS} vectors of {DIMENSIONS}: {figures.base64_ms:.1f} ms as base64, {figures.floats_ms:.1f} ms as floats")
    print(msgspec.json.encode(asdict(figures)).decode())
    return 0 if figures.fine else 1


def measure(lines: int) -> Figures:
    """Measure in this process."""
    with tempfile.TemporaryDirectory() as folder:
        judged, told, before, peak = asyncio.run(_batch(lines, Path(folder)))
    return Figures(lines, lines / judged, lines / told, before, peak, _embedding_ms("base64"), _embedding_ms("float"))


async def _batch(lines: int, folder: Path) -> tuple[float, float, float, float]:
    """Give the CPU seconds of judging and of telling, and the memory before and at the peak."""
    app = App(Settings(upstream_url="http://127.0.0.1:9", secret="of the bench", data_dir=str(folder)))
    store = await open_store(folder)
    caller = Caller(OWNER, "a-key")
    models: dict[str, tuple[str, list[Note]]] = {MODEL: (MODEL, [])}
    file = await _stored(store, lines)
    before = memory_mb()[0]
    with ExitStack() as opened:

        def fresh() -> IO[bytes]:
            return opened.enter_context(tempfile.TemporaryFile(dir=folder))

        began = time.process_time()
        planner = Planner(app, caller, {}, sends=True, models=dict(models))
        judged = await judge(store, OWNER, file, ENDPOINT, planner, fresh, lines_max=lines)
        judging = time.process_time() - began
        _check(judged, lines)
        [part] = judged.parts
        jobs = [Job(MODEL, part.method, "bench", 1, lines, "files/input", state="SUCCEEDED", responses_file="files/output")]
        state = State(endpoint=ENDPOINT, input_file_id=file.id, completion_window="24h", jobs=jobs)
        state.counts = RequestCounts(total=lines)
        began = time.process_time()
        results = Results(fresh())
        await results.add(_native_results(part))
        results.order()
        telling = Telling("batch_bench", state, Planner(app, caller, {}, sends=False, models=models), results, 0)
        async with store.files.incoming() as output, store.files.incoming() as errors:
            await telling.tell(store, OWNER, file, output, errors)
        told = time.process_time() - began
    assert telling.counts.completed == lines
    peak = memory_mb()[1]
    await store.close()
    await app.close()
    return judging, told, before, peak


def memory_mb() -> tuple[float, float]:
    """Give the memory of this process, now and at its peak."""
    found = memory(os.getpid())
    return found.now / MB, found.peak / MB


def _check(judged: Judged, lines: int) -> None:
    assert not judged.errors, judged.errors[0]
    assert judged.lines == lines


async def _stored(store: Store, lines: int) -> File:
    """Write the input into the store, as a stream."""
    async with store.files.incoming() as incoming:
        for number in range(lines):
            messages = [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": f"Is review {number} a good one? It was a lovely place to stay."},
            ]
            body = {"model": MODEL, "messages": messages, "max_completion_tokens": 200, "temperature": 0.2}
            line = {"custom_id": f"request-{number}", "method": "POST", "url": ENDPOINT, "body": body}
            await incoming.write(msgspec.json.encode(line) + b"\n")
        written = await incoming.finish()
    file = new_file(
        store,
        filename="lines.jsonl",
        purpose="batch",
        size=written.bytes,
        declared_type="",
        lasting_seconds=None,
        sha256=None,
    )
    await store.files.add(OWNER, file, written, owner_bytes_max=2**62)
    return file


async def _native_results(part: Part) -> AsyncIterator[bytes]:
    """Write a result for each request, as the Gemini API would."""
    reply = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Yes, it is."}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 20, "candidatesTokenCount": 5, "totalTokenCount": 25},
        "modelVersion": MODEL,
        "responseId": "an-id",
    }
    rest = b',"response":' + msgspec.json.encode(reply) + b"}\n"
    part.file.seek(0)
    for line in part.file:
        yield line.partition(b",")[0] + rest


def _embedding_ms(encoding: str) -> float:
    """Give the CPU of telling vectors, in milliseconds: from the native reply to the answer's bytes."""
    chance = random.Random(1)
    vectors = [{"values": [round(chance.uniform(-0.1, 0.1), 9) for _ in range(DIMENSIONS)]} for _ in range(INPUTS)]
    reply = msgspec.json.encode({"embeddings": vectors})
    request = EmbeddingsRequest("gemini-embedding-001", ["text"] * INPUTS, encoding_format=encoding)
    plan = embeddings.to_gemini(request, request.model, embedder(request.model))
    decode: Callable[[bytes], Any] = decode_read_embeddings if plan.reads else decode_embeddings
    began = time.process_time()
    for _ in range(ROUNDS):
        data = [Embedding(i, embeddings.vector(one.values, plan)) for i, one in enumerate(decode(reply).embeddings or [])]
        answer = EmbeddingList(model=request.model, data=data, usage=EmbeddingsUsage(100, 100), extra_content={})
        msgspec.json.encode(answer)
    return (time.process_time() - began) / ROUNDS * 1000


if __name__ == "__main__":
    sys.exit(main())
