"""A fake upstream for what the emulator cannot do: odd answers, answers byte by byte, and a look at every byte that arrives.

A thread takes each connection and runs a function on it, so that a test says in plain steps what the upstream does and when.
"""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import unquote

import msgspec

PATIENCE_SECONDS = 20.0
"""How long a step waits for the server before the test has failed."""


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    head: bytes
    arrived: float

    @property
    def bytes(self) -> bytes:
        """Give all that was sent."""
        return self.head + self.body

    @property
    def json(self) -> Any:
        """Decode the body."""
        return msgspec.json.decode(self.body)

    @property
    def verb(self) -> str:
        """Give what is asked of a model: generateContent, streamGenerateContent, or nothing."""
        return self.target.partition("?")[0].rpartition(":")[2] if ":" in self.target else ""

    @property
    def model(self) -> str:
        """Give the model in the path."""
        return unquote(self.target.partition("/models/")[2].partition(":")[0].partition("?")[0])

    @property
    def key(self) -> str:
        """Give the key it came with."""
        return self.headers.get("x-goog-api-key", "")


class Conversation:
    """One request and the steps of its answer."""

    def __init__(self, request: Request, connection: socket.socket) -> None:
        self.request = request
        self.ended = False
        self._connection = connection

    def answer(self, status: int, body: Any, content_type: str = "application/json") -> None:
        """Send a whole answer; what is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        self.raw(_head(status, [("content-type", content_type), ("content-length", str(len(data)))]) + data)
        self.ended = True

    def start(self, status: int = 200, content_type: str = "text/event-stream") -> None:
        """Send status and headers of an answer in pieces."""
        self.raw(_head(status, [("content-type", content_type), ("transfer-encoding", "chunked")]))

    def send(self, *replies: Any) -> None:
        """Send replies as events, in one write."""
        self.piece(b"".join(b"data: " + msgspec.json.encode(reply) + b"\r\n\r\n" for reply in replies))

    def piece(self, data: bytes) -> None:
        """Send bytes of the body in one write."""
        self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        """End the body as it should end."""
        self.raw(b"0\r\n\r\n")
        self.ended = True

    def cut(self) -> None:
        """Break the connection with a reset."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    def raw(self, data: bytes) -> None:
        """Send bytes."""
        self._connection.sendall(data)

    def write_some(self, data: bytes) -> int:
        """Send what the connection takes at once, and give how much that was."""
        if not select.select([], [self._connection], [], 0)[1]:
            return 0
        return self._connection.send(data, socket.MSG_DONTWAIT)

    def left_within(self, seconds: float = PATIENCE_SECONDS) -> float | None:
        """Wait until the server closes the connection, and give the seconds that this took; None when it does not."""
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            if select.select([self._connection], [], [], 0.02)[0]:
                try:
                    if not self._connection.recv(1):
                        return time.monotonic() - started
                except OSError:
                    return time.monotonic() - started
        return None


Handler = Callable[[Conversation], None]


class FakeUpstream:
    """The upstream. As a context it listens; `then` says how it answers from now on."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[Request] = []
        self.failures: list[BaseException] = []
        self._handler: Handler = plainly
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._arrived = threading.Condition()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def then(self, handler: Handler) -> None:
        """Answer so from now on."""
        self._handler = handler

    def reset(self) -> None:
        """Forget what came, and answer plainly again."""
        self._handler = plainly
        self.requests.clear()

    def paid(self) -> list[Request]:
        """Give the requests that carried a key."""
        return [request for request in self.requests if request.key]

    def wait_for(self, count: int) -> None:
        """Wait until so many requests have come."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.requests) >= count, PATIENCE_SECONDS), "no request came"

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(PATIENCE_SECONDS)
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive(), "a step of the fake upstream did not end"
        assert not self.failures, self.failures

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.add(connection)
            thread = threading.Thread(target=self._converse, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            with connection:
                for request in _requests(connection):
                    with self._arrived:
                        self.requests.append(request)
                        self._arrived.notify_all()
                    conversation = Conversation(request, connection)
                    self._handler(conversation)
                    if not conversation.ended:
                        return
        except OSError:
            pass  # the server has left
        except BaseException as error:  # noqa: BLE001 - told when the block ends
            self.failures.append(error)
        finally:
            self._connections.discard(connection)


def text_reply(text: str, *, finish: str | None = "STOP", prompt: int = 3, candidates: int = 5) -> dict[str, Any]:
    """Make a native reply, or an event of a stream."""
    candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": prompt,
            "candidatesTokenCount": candidates,
            "totalTokenCount": prompt + candidates,
        },
        "modelVersion": "gemini-3.6-flash",
        "responseId": "native-id-1",
    }


def error_reply(code: int, message: str, status: str, details: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Make a native error body."""
    return {"error": {"code": code, "message": message, "status": status} | ({"details": list(details)} if details else {})}


MODELS = ("gemini-3.6-flash", "gemini-3.1-pro-preview", "gemini-embedding-001")


def plainly(conversation: Conversation) -> None:
    """Answer as the service does when all is well."""
    request = conversation.request
    match request.verb:
        case "generateContent":
            conversation.answer(200, text_reply("Hello there."))
        case "streamGenerateContent":
            conversation.start()
            conversation.send(text_reply("Hello", finish=None))
            conversation.send(text_reply(" there."))
            conversation.end()
        case _ if not request.model:
            conversation.answer(200, {"models": [_model(name) for name in MODELS]})
        case _ if request.model in MODELS:
            conversation.answer(200, _model(request.model))
        case _:
            message = f"models/{request.model} is not found for API version v1beta."
            conversation.answer(404, error_reply(404, message, "NOT_FOUND"))


def answering(status: int, body: Any, content_type: str = "application/json") -> Handler:
    """Give steps that answer everything so."""
    return lambda conversation: conversation.answer(status, body, content_type)


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "version": "3.6-flash-07-2026",
        "displayName": name,
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }


def _head(status: int, headers: Sequence[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode()


def _requests(connection: socket.socket) -> Iterator[Request]:
    received = b""
    while True:
        while b"\r\n\r\n" not in received:
            piece = connection.recv(65536)
            if not piece:
                return
            received += piece
        arrived = time.monotonic()
        head, _, received = received.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        length = int(headers.get("content-length", "0"))
        assert "transfer-encoding" not in headers
        pieces = [received]
        held = len(received)
        while held < length:
            piece = connection.recv(1_048_576)
            if not piece:
                return
            pieces.append(piece)
            held += len(piece)
        received = b"".join(pieces)
        method, target, _ = first.split(" ")
        yield Request(method, target, headers, received[:length], head, arrived)
        received = received[length:]
