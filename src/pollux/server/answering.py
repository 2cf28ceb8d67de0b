"""The answer to one request as events: of one native call, or of several that answer together, each with one choice.

Several are needed where the service gives one candidate only. They fail as a whole if one of them fails (CONTRACT, section 3),
and what several bring at once is told at once. Nothing is read ahead of the caller but one read of each.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, Self

from pollux.server.asking import Asking, Call
from pollux.server.speaking import Speaking
from pollux.translate.chat import Plan
from pollux.translate.events import Event
from pollux.translate.memory import TurnRecorder
from pollux.translate.notes import Note
from pollux.wire.gemini.generate import encode_request


class Answering:
    """The native calls of one request; what repairs change is added to `notes`. A context: leaving it closes what is open.

    `told` is the request's body without its media.
    """

    __slots__ = ("_askings", "_speaking", "_waiting", "plan", "told")

    def __init__(
        self, plan: Plan, call: Call, notes: list[Note], speaking: Speaking | None = None, continuations_max: int = 0
    ) -> None:
        self._speaking = speaking
        encoded = encode_request(plan.native)
        self.plan = plan
        self.told = encoded.told
        choices: Sequence[int | None] = range(plan.calls) if plan.calls > 1 else (None,)
        self._askings = [Asking(plan, encoded.parts, call, notes, continuations_max, choice) for choice in choices]
        self._waiting: dict[asyncio.Future[list[Event] | None], AsyncIterator[list[Event]]] = {}

    @property
    def recorders(self) -> list[TurnRecorder]:
        """The native turns so far."""
        return [asking.reader.recorder for asking in self._askings]

    async def open(self) -> None:
        """Make the native calls; returns when all are accepted. Raises the ApiError of the first that is not."""
        if len(self._askings) == 1:
            await self._askings[0].open()
        else:
            await _all([asking.open() for asking in self._askings])

    def events(self) -> AsyncIterator[list[Event]]:
        """Give what each read says, as it comes. Raises ApiError."""
        events = self._askings[0].events() if len(self._askings) == 1 else self._merged()
        return events if self._speaking is None else self._speaking.events(events)

    async def _merged(self) -> AsyncIterator[list[Event]]:
        waiting = self._waiting
        for asking in self._askings:
            self._await_next(asking.events())
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            brought: list[Event] = []
            for future in [future for future in waiting if future in done]:  # in the order of the choices
                source = waiting.pop(future)
                events = future.result()
                if events is not None:
                    brought += events
                    self._await_next(source)
            if brought:
                yield brought

    def _await_next(self, source: AsyncIterator[list[Event]]) -> None:
        self._waiting[asyncio.ensure_future(anext(source, None))] = source

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for future in self._waiting:
            future.cancel()
        for asking in self._askings:
            await asking.close()
        if self._waiting:  # the connections are closed already: the caller may leave here
            await asyncio.gather(*self._waiting, return_exceptions=True)


async def _all(coroutines: list[Coroutine[Any, Any, None]]) -> None:
    """Run them side by side; when one fails, stop the others and raise its error."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
