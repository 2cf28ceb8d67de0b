"""A bare upstream for what is streamed: a function reads and writes the connection itself, piece by piece."""

import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

PATIENCE_SECONDS = 20.0


@dataclass
class Line:
    """One connection, after the head of its request was read."""

    connection: socket.socket
    head: bytes
    received: bytes

    @property
    def headers(self) -> dict[str, str]:
        """Give the headers, names in small letters."""
        fields = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}

    @property
    def target(self) -> str:
        """Give the path and query."""
        return self.head.split(b" ")[1].decode()

    def some(self) -> bytes:
        """Give what has come of the body, waiting for something; nothing when the peer has left."""
        data, self.received = self.received, b""
        with contextlib.suppress(ConnectionError):
            return data or self.connection.recv(1_048_576)
        return b""

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.connection.sendall(data)

    def answer(self, status: int = 200, body: bytes = b"{}", *headers: str) -> None:
        """Send a whole answer, and end."""
        lines = [f"HTTP/1.1 {status} Status", "connection: close", f"content-length: {len(body)}", *headers, "", ""]
        if not any(line.lower().startswith("content-type") for line in headers):
            lines.insert(1, "content-type: application/json")
        self.send("\r\n".join(lines).encode("latin-1") + body)


@dataclass
class Plumbed:
    """The upstream. As a context it listens; `handler` says what happens on each connection."""

    handler: Callable[[Line], None]
    lines: list[Line] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._threads.append(threading.Thread(target=self._accept, daemon=True))
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive(), "a step of the upstream did not end"
        assert not self.failures, self.failures

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._handle, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _handle(self, connection: socket.socket) -> None:
        try:
            with connection:
                received = b""
                while b"\r\n\r\n" not in received:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    received += piece
                head, _, rest = received.partition(b"\r\n\r\n")
                line = Line(connection, head, rest)
                self.lines.append(line)
                self.handler(line)
        except ConnectionError:
            pass  # the server has left
        except BaseException as error:  # noqa: BLE001 - told when the block ends
            self.failures.append(error)
