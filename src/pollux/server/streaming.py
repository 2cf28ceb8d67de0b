"""The relay: Gemini's replies in an OpenAI form, as they come.

Waiting → committed → content sent → ended (CONTRACT, section 4). The status is committed when the upstream's own headers
arrive, or after some seconds of silence with a comment line. Before that an error is an HTTP answer; after it, one
`data: {"error": …}` and the end. What one upstream read brought goes out in one send.

The silence is watched by one timer, which is set again only when it goes off: a stream that flows pays nothing for it.
"""

import asyncio
from types import TracebackType
from typing import Self

import msgspec

from pollux.errors import ApiError, UpstreamFailed
from pollux.server import failures, report
from pollux.server.answering import Answering
from pollux.server.exchange import EVENT_STREAM, Exchange
from pollux.server.memory import Keeper
from pollux.translate.chat_answer import ChatTelling
from pollux.translate.conformance import breaches
from pollux.translate.events import Event
from pollux.wire import sse
from pollux.wire.openai.chat import ChatCompletionChunk

KEEP_ALIVE = sse.comment(b"keep-alive")

STOPPING = UpstreamFailed("The server is stopping; ask again.", status=503, code="server_stopping")

_encode = msgspec.json.Encoder().encode


class Commitment:
    """Sends the status once, comments into silence, and what goes wrong where it belongs.

    A context around a stream: an ApiError that leaves it is raised on as long as the status is not sent; after that it is told
    in the stream, which ends there. So is the end of the server.
    """

    __slots__ = ("_busy", "_exchange", "_keep_alive_seconds", "_last", "_loop", "_sending", "_timer", "committed")

    def __init__(self, exchange: Exchange, *, commit_seconds: float, keep_alive_seconds: float) -> None:
        self._exchange = exchange
        self._keep_alive_seconds = keep_alive_seconds
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._sending: asyncio.Task[None] | None = None
        self._busy = False  # a piece is on its way: a comment in its middle would spoil it
        self.committed = False
        self._timer = self._loop.call_later(commit_seconds, self._silent)

    async def commit(self) -> None:
        """Send the status and the headers, if they are not sent yet."""
        if not self.committed:
            self.committed = True
            await self._exchange.start(200, EVENT_STREAM)

    async def send(self, *pieces: bytes) -> None:
        """Send what belongs together: no comment comes between, however slowly the caller takes it."""
        self._busy = True
        try:
            for data in pieces:
                await self._exchange.send(data)
        finally:
            self._busy = False
            self._last = self._loop.time()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._timer.cancel()
        if self._sending is not None:
            self._sending.cancel()
        exchange = self._exchange
        if self.committed and isinstance(error, ApiError):
            await exchange.send(sse.encode(failures.encode(exchange, failures.blame(exchange, error))), more=False)
            return True
        if self.committed and isinstance(error, asyncio.CancelledError) and not exchange.left:
            await exchange.send(sse.encode(failures.encode(exchange, STOPPING)), more=False)
        return False

    def _silent(self) -> None:
        due = self._last + self._keep_alive_seconds
        if self.committed and due > self._loop.time():
            self._timer = self._loop.call_at(due, self._silent)
            return
        if self._busy:
            self._timer = self._loop.call_later(self._keep_alive_seconds, self._silent)
            return
        if self._sending is None or self._sending.done():
            self._sending = self._loop.create_task(self._say())
        self._timer = self._loop.call_later(self._keep_alive_seconds, self._silent)

    async def _say(self) -> None:
        await self.commit()
        await self.send(KEEP_ALIVE)


async def relay(exchange: Exchange, answering: Answering, telling: ChatTelling, keeper: Keeper, commitment: Commitment) -> None:
    """Stream an answer. Raises ApiError as long as the status is not sent; after that, errors go into the stream."""
    async with commitment:
        await answering.open()
        await commitment.commit()
        calls = 0
        async for events in answering.events():
            messages = _fed(telling, events)
            events.clear()  # a picture is in the messages now
            if telling.calls != calls:
                calls = telling.calls
                await keeper.keep_calls(answering.recorders, telling)
            if messages:
                await commitment.send(_encoded(messages))
        await keeper.keep_answer(answering.recorders, telling)
        exchange.notes += breaches(answering.plan, telling)
        messages = telling.close()
        report.attach(exchange, messages[-1])
        await exchange.send(_encoded(messages) + sse.DONE, more=False)


def _fed(telling: ChatTelling, events: list[Event]) -> list[ChatCompletionChunk]:
    return [message for event in events for message in telling.feed(event)]


def _encoded(messages: list[ChatCompletionChunk]) -> bytes:
    return b"".join([sse.encode(_encode(message)) for message in messages])
