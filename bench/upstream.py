"""A plain HTTP server in a thread, as the upstream of a measurement that needs no speed of it."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec


class Upstream(http.server.BaseHTTPRequestHandler):
    """Answers one request; whoever serves it says how (`do_GET`, `do_POST`)."""

    protocol_version = "HTTP/1.1"

    def answer(self, told: Any, content_type: str = "application/json") -> None:
        """Send a whole answer; what is not bytes is sent as JSON."""
        body = told if isinstance(told, bytes) else msgspec.json.encode(told)
        self.start(content_type, len(body))
        self.wfile.write(body)

    def start(self, content_type: str, length: int) -> None:
        """Send status and headers."""
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served(handler: type[Upstream]) -> Iterator[str]:
    """Serve on loopback as long as the block lasts; gives the URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
