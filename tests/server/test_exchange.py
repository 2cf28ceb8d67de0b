"""One exchange, as its handler sees it."""

import tracemalloc
from typing import Any

from pollux.server.exchange import Exchange

PIECES, PIECE_BYTES = 128, 65_536


async def test_a_body_in_pieces_is_in_memory_once() -> None:
    """8 MiB that come as they do from a socket: at the peak there is the body, what it grows by, and one piece."""
    left = PIECES

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": bytes([left]) * PIECE_BYTES, "more_body": left > 0}

    exchange = Exchange({"method": "POST", "path": "/", "headers": []}, receive, receive, ())  # type: ignore[arg-type] # nothing is sent
    tracemalloc.start()
    body = await exchange.body(2**30, lambda _size: None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert body == b"".join(bytes([i]) * PIECE_BYTES for i in reversed(range(PIECES)))
    assert peak < 1.3 * PIECES * PIECE_BYTES
