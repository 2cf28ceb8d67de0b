"""The server under test, and a plain HTTP caller: nothing of a client library stands between a test and the bytes."""

import http.client
import logging
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec

from pollux.server.app import App
from pollux.settings import Settings
from tests.server.fake import FakeUpstream
from tests.serving import running_server

KEY = "AIza-the-key-of-one-caller-0123456789"
MODEL = "gemini-3.6-flash"
CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Say hello."}]
SECONDS = 20.0

Headers = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass
class Pollux:
    """A running server."""

    url: str
    app: App
    logged: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Decode the body."""
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """Give the error of an answer in OpenAI's form, after a look at that form."""
        assert self.headers["content-type"] == "application/json"
        assert self.headers["x-request-id"].startswith("req_")
        error = self.json["error"]
        assert {"message", "type", "param", "code"} <= error.keys()
        assert isinstance(error["message"], str)
        assert error["message"]
        return error if isinstance(error, dict) else {}


@contextmanager
def pollux(upstream: FakeUpstream | str, /, **settings: Any) -> Iterator[Pollux]:
    """Run the server on this upstream; whatever it logs as an error fails the test."""
    url = upstream if isinstance(upstream, str) else upstream.url
    defaults: dict[str, Any] = {"upstream_url": url, "secret": "of the tests", "access_log": False}
    keeper = _Keeper()
    loggers = [logging.getLogger(name) for name in ("pollux", "uvicorn.error", "asyncio", "aiohttp")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(keeper)
        logger.setLevel(logging.DEBUG)
    try:
        with running_server(Settings(**(defaults | settings))) as (base_url, server):
            assert isinstance(server.app, App)
            yield Pollux(base_url, server.app, keeper.lines, keeper.errors)
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(keeper)
            logger.setLevel(level)
    assert not keeper.errors, "\n".join(keeper.errors)


def ask(
    url: str,
    path: str = CHAT,
    *,
    json: Any = None,
    body: bytes | Iterable[bytes] | None = None,
    method: str = "",
    headers: Headers = (),
    key: str = KEY,
) -> Answer:
    """Send a request and read the whole answer. Without a body it is a GET; an empty key sends none."""
    if json is not None:
        body = msgspec.json.encode(json)
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=SECONDS)
    try:
        send_on(connection, path, body=body, method=method, headers=headers, key=key)
        http_response = connection.getresponse()
        fields = {name.lower(): value for name, value in http_response.getheaders()}
        return Answer(http_response.status, fields, http_response.read())
    finally:
        connection.close()


def send_on(
    connection: http.client.HTTPConnection,
    path: str = CHAT,
    *,
    body: bytes | Iterable[bytes] | None = None,
    method: str = "",
    headers: Headers = (),
    key: str = KEY,
) -> None:
    """Send a request on a connection of one's own."""
    listed = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    names = {name.lower() for name, _ in listed}
    connection.putrequest(
        method or ("GET" if body is None else "POST"), path, skip_host="host" in names, skip_accept_encoding=True
    )
    if key and not names & {"authorization", "x-goog-api-key"}:
        connection.putheader("Authorization", f"Bearer {key}")
    if body is not None and "content-type" not in names:
        connection.putheader("Content-Type", "application/json")
    if isinstance(body, bytes):
        connection.putheader("Content-Length", str(len(body)))
    elif body is not None:
        connection.putheader("Transfer-Encoding", "chunked")
    for name, value in listed:
        connection.putheader(name, value)
    connection.endheaders()
    if isinstance(body, bytes):
        connection.send(body)
    elif body is not None:
        for piece in body:
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")


def chat(url: str, *, headers: Headers = (), key: str = KEY, path: str = CHAT, **parameters: Any) -> Answer:
    """Ask for a completion with these parameters, or with others than the usual ones."""
    return ask(url, path, json={"model": MODEL, "messages": MESSAGES} | parameters, headers=headers, key=key)


class Stream:
    """A streamed completion on a bare socket: each HTTP chunk is seen, which is one send of the server. A context."""

    def __init__(self, url: str, *, path: str = CHAT, key: str = KEY, headers: Headers = (), **parameters: Any) -> None:
        parts = urlsplit(url)
        self.connection = socket.create_connection((parts.hostname, parts.port), timeout=SECONDS)
        body = msgspec.json.encode({"model": MODEL, "messages": MESSAGES, "stream": True} | parameters)
        fields = [("Host", parts.netloc), ("Authorization", f"Bearer {key}"), ("Content-Length", str(len(body)))]
        fields += headers.items() if isinstance(headers, Mapping) else headers
        head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
        self.asked = time.monotonic()
        self.connection.sendall(head.encode("latin-1") + body)
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Close the connection."""
        self.connection.close()

    def head(self) -> tuple[int, dict[str, str]]:
        """Read the status and the headers."""
        head = self._until(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        return int(first.split()[1]), {n.lower(): v.strip() for n, _, v in (f.partition(":") for f in fields)}

    def sends(self) -> Iterator[bytes]:
        """Read the body, send by send, up to its proper end."""
        while size := int(self._until(b"\r\n"), 16):
            while len(self._received) < size + 2:
                self._read()
            data, self._received = self._received[:size], self._received[size + 2 :]
            yield data

    def whole(self) -> "Told":
        """Read to the end."""
        status, headers = self.head()
        if "content-length" in headers:
            while len(self._received) < int(headers["content-length"]):
                self._read()
            return Told(status, headers, [self._received])
        return Told(status, headers, list(self.sends()))

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            self._read()
        data, _, self._received = self._received.partition(mark)
        return data

    def _read(self) -> None:
        piece = self.connection.recv(65536)
        assert piece, f"the server ended the connection after {self._received!r}"
        self._received += piece


@dataclass(frozen=True)
class Told:
    """A stream that was read to its end."""

    status: int
    headers: dict[str, str]
    sends: list[bytes]

    @property
    def lines(self) -> list[bytes]:
        """Give the records, without the empty lines between them."""
        return [record for record in b"".join(self.sends).split(b"\n\n") if record]

    @property
    def data(self) -> list[bytes]:
        """Give what stands after `data: `."""
        return [line.removeprefix(b"data: ") for line in self.lines if line.startswith(b"data: ")]

    @property
    def messages(self) -> list[Any]:
        """Give the decoded messages, `[DONE]` left out."""
        return [msgspec.json.decode(data) for data in self.data if data != b"[DONE]"]

    @property
    def text(self) -> str:
        """Give the text of the first choice."""
        return "".join(
            choice["delta"].get("content") or "" for message in self.messages for choice in message.get("choices", [])
        )

    @property
    def error(self) -> dict[str, Any]:
        """Give the error that ends it, after a look at its place: once, last, and no `[DONE]`."""
        assert self.data[-1] != b"[DONE]"
        assert ["error" in message for message in self.messages].count(True) == 1
        error = self.messages[-1]["error"]
        assert {"message", "type", "param", "code"} <= error.keys()
        return error if isinstance(error, dict) else {}


EMULATORS_CUT = "ASGI callable returned without completing response."
"""What uvicorn says of the emulator when a fault cuts a connection."""


class _Keeper(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        self.lines.append(text)
        if record.levelno >= logging.ERROR and not text.startswith(EMULATORS_CUT):
            self.errors.append(text)
