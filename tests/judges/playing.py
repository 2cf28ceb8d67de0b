"""An upstream that plays what it is given, and a caller, both without sockets: the real server app stands between them."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from pollux.server.app import App
from pollux.settings import Settings
from pollux.upstream.http import HttpReply, HttpRequest

KEY = "a-callers-key-for-tests"


@dataclass(frozen=True, slots=True)
class Played:
    """What the upstream answers; `reads` is how a body is cut when it is streamed."""

    body: bytes
    status: int = 200
    reads: tuple[bytes, ...] = ()


class FakeStream:
    """An answer that comes in the given reads."""

    def __init__(self, played: Played) -> None:
        self.status = played.status
        self.headers: Mapping[str, str] = {}
        self._played = played
        self.is_closed = False

    async def reads(self) -> AsyncIterator[bytes]:
        """Give the reads."""
        for data in self._played.reads or (self._played.body,):
            yield data

    async def read(self, limit_bytes: int) -> bytes:
        """Give the body."""
        return self._played.body[:limit_bytes]

    async def close(self) -> None:
        """Remember it."""
        self.is_closed = True


@dataclass
class FakeHttp:
    """An HTTP client that keeps what is sent and answers with what `play` gives for it."""

    play: Callable[[HttpRequest], Played]
    sent: list[HttpRequest] = field(default_factory=list)

    async def call(self, request: HttpRequest) -> HttpReply:
        """Answer whole."""
        played = self._heard(request)
        return HttpReply(played.status, {}, played.body)

    async def stream(self, request: HttpRequest) -> FakeStream:
        """Answer in reads."""
        return FakeStream(self._heard(request))

    async def close(self) -> None:
        """Close nothing."""

    def _heard(self, request: HttpRequest) -> Played:
        if isinstance(request.body, tuple):
            request = replace(request, body=b"".join(request.body))
        self.sent.append(request)
        return self.play(request)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Read a whole answer."""
        return msgspec.json.decode(self.body)

    @property
    def messages(self) -> list[Any]:
        """Read a streamed answer by the plainest means: `data: ` lines and nothing else; "[DONE]" stays a text."""
        events = self.body.decode().split("\n\n")
        assert events.pop() == ""
        assert all(event.startswith("data: ") and "\n" not in event for event in events), "not plain events"
        return [event[6:] if event[6:] == "[DONE]" else msgspec.json.decode(event[6:]) for event in events]


def server(http: FakeHttp, **settings: Any) -> App:
    """Make the real server app over a fake upstream: callers' keys, no alias, no access log."""
    quiet: dict[str, Any] = {"upstream_url": "https://upstream.test", "secret": "s", "aliases": {}, "access_log": False}
    return App(Settings(**quiet | settings), http=http)


async def ask(app: Any, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """Send one request to an ASGI app and give the whole answer; without headers, as an OpenAI client with a key."""
    sent = False
    status = 0
    received: dict[str, str] = {}
    pieces: list[bytes] = []

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()  # the caller stays
        sent = True
        return {"type": "http.request", "body": b"" if body is None else msgspec.json.encode(body), "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status, received
        if message["type"] == "http.response.start":
            status = message["status"]
            received = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            pieces.append(message.get("body", b""))

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "headers": [
            (b"host", b"pollux.test"),
            *((name.encode(), value.encode()) for name, value in (headers or {"authorization": f"Bearer {KEY}"}).items()),
        ],
    }
    await app(scope, receive, send)
    return Answer(status, received, b"".join(pieces))


def as_stream(events: list[Any], seed: str = "") -> Played:
    """Frame native messages as the real service does, cut at places that follow from the seed."""
    body = b"".join(b"data: " + msgspec.json.encode(event) + b"\r\n\r\n" for event in events)
    if not seed:
        return Played(body)
    chance = random.Random(seed)
    places = sorted(chance.sample(range(1, len(body)), k=min(len(body) - 1, 2 * len(events)))) if len(body) > 1 else []
    return Played(body, reads=tuple(body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)))
