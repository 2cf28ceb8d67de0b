"""Answers on their way: whole ones and streams, with the delays of a latency profile and the faults that were asked for."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from pollux.emulator import errors, faults
from pollux.emulator.errors import NativeError
from pollux.emulator.exchange import ConnectionCut, Exchange
from pollux.emulator.faults import Fault
from pollux.emulator.framing import JSON_TYPE, SSE, JSONArray, pretty
from pollux.emulator.journal import Entry
from pollux.emulator.limits import DELAY_SECONDS_MAX

HTML = (
    "<html><head><title>Error {code}</title></head><body><h1>Error {code}</h1>"
    "<p>The server encountered a temporary error and could not complete your request.</p></body></html>\n"
)


@dataclass(frozen=True, slots=True)
class Latency:
    """Delays of every generated answer. All are zero by default: the emulator answers at once."""

    first_event_seconds: float = 0.0
    event_seconds: float = 0.0
    jitter: float = 0.0
    """Share by which a delay may be longer or shorter, derived from the answer's content."""

    def __post_init__(self) -> None:
        if not 0 <= self.jitter <= 1 or not all(
            0 <= seconds <= DELAY_SECONDS_MAX for seconds in (self.first_event_seconds, self.event_seconds)
        ):
            raise ValueError(f"delays are between 0 and {DELAY_SECONDS_MAX:g} seconds, jitter between 0 and 1")

    def before(self, event: int, digest: bytes) -> float:
        """Say how long to wait before an event."""
        seconds = self.event_seconds if event else self.first_event_seconds
        return seconds * (1 + self.jitter * (digest[event % len(digest)] / 127.5 - 1))


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one answer needs on its way."""

    exchange: Exchange
    entry: Entry
    headers: dict[str, str]
    fault: Fault
    latency: Latency
    digest: bytes
    error: NativeError
    """The error to tell inside a stream, if the fault wants one there."""

    async def whole(self, reply: Any) -> None:
        """Send one object."""
        await self.content(200, {"content-type": JSON_TYPE}, pretty(reply))

    async def content(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        """Send a whole body of any type."""
        fault = self.fault
        await self._wait(fault.headers_delay + fault.first_token_delay + self.latency.before(0, self.digest))
        headers = {**headers, **self.headers}
        broken = fault.cut_after, fault.malformed_after, fault.stall_after
        if all(count is None for count in broken):
            await self.exchange.start(status, {**headers, "content-length": str(len(body))})
            await self.exchange.end(body)
            return
        await self.exchange.start(status, headers)
        await self.exchange.write(body[: len(body) // 2])
        if fault.stall_after is not None:
            await self.exchange.pause(fault.stall_for)
        if fault.cut_after is not None:
            raise ConnectionCut
        await self.exchange.end(body[len(body) // 2 :] if fault.malformed_after is None else b"")

    async def stream(self, events: list[dict[str, Any]], frame: SSE | JSONArray) -> None:
        """Send events one by one."""
        exchange, fault = self.exchange, self.fault
        await self._wait(fault.headers_delay)
        disposition = {"content-disposition": "attachment"}
        await exchange.start(200, {"content-type": frame.content_type, **disposition, **self.headers})
        for number, event in enumerate(events):
            if await self._broken(number, event, frame):
                return
            delay = fault.event_delay if number else fault.first_token_delay
            await exchange.pause(delay + self.latency.before(number, self.digest))
            await exchange.write(frame.event(event), events=1)
        if not await self._broken(len(events), events[-1], frame):
            await exchange.end(frame.end())

    async def pieces(self, status: int, headers: dict[str, str], pieces: AsyncIterator[bytes]) -> None:
        """Send a body as it comes; each piece counts as an event."""
        fault = self.fault
        await self._wait(fault.headers_delay)
        await self.exchange.start(status, {**headers, **self.headers})
        number = 0
        async for piece in pieces:
            if fault.stall_after == number:
                await self.exchange.pause(fault.stall_for)
            if number in (fault.cut_after, fault.malformed_after, fault.error_after):
                raise ConnectionCut
            await self.exchange.pause(fault.event_delay if number else fault.first_token_delay)
            await self.exchange.write(piece, events=1)
            number += 1
        await self.exchange.end()

    async def _wait(self, seconds: float) -> None:
        """Wait before the headers, but answer 504 when the client's own deadline (`X-Server-Timeout`) comes first."""
        text = self.exchange.headers.get("x-server-timeout", "")
        limit = float(text) if text.replace(".", "", 1).isdigit() else DELAY_SECONDS_MAX * 2
        await self.exchange.pause(min(seconds, limit))
        if seconds > limit:
            raise errors.deadline()

    async def _broken(self, sent: int, event: dict[str, Any], frame: SSE | JSONArray) -> bool:
        """Do what the fault wants after so many events; True when the answer is over with it."""
        fault = self.fault
        if fault.stall_after == sent:
            await self.exchange.pause(fault.stall_for)
        if fault.cut_after == sent:
            raise ConnectionCut
        if fault.malformed_after == sent:
            await self.exchange.end(frame.broken(event))
            return True
        if fault.error_after == sent:
            body = self.error.body()
            await self.exchange.end((frame.bare(body) if fault.raw else frame.event(body)) + frame.end())
            return True
        return False


async def send_json(exchange: Exchange, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
    """Send a whole JSON body."""
    listed = {"content-type": JSON_TYPE, **(headers or {}), "content-length": str(len(body))}
    await exchange.start(status, listed)
    await exchange.end(body)


async def send_error(exchange: Exchange, error: NativeError, fault: Fault, *, in_list: bool, headers: dict[str, str]) -> None:
    """Send an error; a stream without `alt=sse` has it in a list of one, as the events would have been."""
    if fault.html:
        body = HTML.format(code=error.code).encode()
        await exchange.start(error.code, {"content-type": "text/html; charset=UTF-8", "content-length": str(len(body))})
        await exchange.end(body)
        return
    value: Any = [error.body()] if in_list else error.body()
    await send_json(exchange, error.code, pretty(value), headers)


NO_FAULT = faults.Fault()
