"""An emulator that does something to its callers at a chosen call: kills or stops them, or loses the answer."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from openai import OpenAI
from openai.types import Batch

from pollux.emulator import Emulator, EmulatorServer
from tests.server.asking import KEY
from tests.server.test_batches import OVER

PATIENCE_SECONDS = 60.0


@dataclass
class Reaper:
    """An emulator, and what is done at a call: before it is served, or when its answer is on its way."""

    emulator: Emulator = field(default_factory=Emulator)
    calls: list[str] = field(default_factory=list)
    at: Callable[[int, str], bool] = lambda _number, _call: False
    """Says by its number and its words at which call something is done."""
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None
    hits: int = 0
    """How many calls were chosen."""
    lost: bool = False
    """Whether the answer is lost: the connection is cut instead."""
    status: int = 0
    """The status that the answer is given instead of its own."""
    refused: bool = False
    """Whether the call is not served, and its connection cut."""
    hold: Callable[[], bool] | None = None
    """Holds the call back until this is true."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a call. Jobs move with the calls: their clock runs faster."""
        number, call = len(self.calls), f"{scope['method']} {scope['path']}"
        self.calls.append(call)
        chosen = self.at(number, call)
        self.hits += chosen
        if chosen and self.before is not None:
            self.before()
        while chosen and self.hold is not None and not self.hold():
            await asyncio.sleep(0.02)

        if chosen and self.refused:
            raise ConnectionAbortedError

        async def passing(message: Any) -> None:
            if chosen and message["type"] == "http.response.start":
                if self.after is not None:
                    await asyncio.to_thread(self.after)
                if self.lost:
                    raise ConnectionAbortedError
                message = message | ({"status": self.status} if self.status else {})
            await send(message)

        await self.emulator(scope, receive, passing)
        if scope["method"] == "GET" and "/batches" in scope["path"]:
            self.emulator.clock.advance(2)

    @property
    def created(self) -> int:
        """How many jobs were ever created: what a caller would pay for."""
        return self.emulator.resources.batches.created

    def signal(self, process_id: int, number: int) -> Callable[[], None]:
        """Make what sends a signal to a process."""
        return lambda: os.kill(process_id, number)


@contextmanager
def reaping() -> Iterator[tuple[Reaper, str]]:
    """Run a reaper; give it and its address."""
    reaper = Reaper()
    with EmulatorServer(cast("Emulator", reaper)) as server:
        yield reaper, server.url


def patient(url: str, key: str = KEY) -> OpenAI:
    """A client that fails at once when the server dies."""
    return OpenAI(api_key=key, base_url=url + "/v1", max_retries=0, timeout=20)


def waited_for(client: OpenAI, batch_id: str) -> Batch:
    """Ask until a batch has ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (batch := client.batches.retrieve(batch_id)).status not in OVER:
        assert time.monotonic() < deadline, batch
        time.sleep(0.1)
    return batch


def is_create(_number: int, call: str) -> bool:
    """Say whether a call creates a job."""
    return call.endswith(("GenerateContent", "EmbedContent")) and "batch" in call.lower()
