"""A tiny ASGI app for the tests of serving, and a script that serves it as `pollux serve` serves the real one."""

import asyncio
import os
import sys
from types import ModuleType
from typing import Any

BODY_BYTES_MAX = 1000


class TinyApp:
    """Answers with what arrived; its paths do what the tests need."""

    def __init__(self, settings: object = None) -> None:
        self.draining = False
        self.received = 0
        self.disconnects = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await lifespan(scope, receive, send)
            return
        match scope["path"]:
            case "/readyz":
                await answer(send, 503 if self.draining else 200, str(os.getpid()).encode())
            case "/early":
                await answer(send, 401, b"no key")
            case "/limited":
                too_large = await self.body(receive) is None
                await answer(send, 413 if too_large else 200, b"")
            case "/stream":
                await stream(send)
            case "/stubborn":
                await stream(send, ignores_cancelling=True)
            case "/die":
                os._exit(7)
            case "/headers":
                await answer(send, 200, b"\n".join(b"%b: %b" % field for field in scope["headers"]))
            case "/big":
                await answer(send, 200, bytes(50_000_000))
            case _:
                body = await self.body(receive, limit=None)
                if body is not None:
                    await answer(send, 200, body)

    async def body(self, receive: Any, limit: int | None = BODY_BYTES_MAX) -> bytes | None:
        """Read the body; None when the caller left or sent too much."""
        pieces: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnects += 1
                return None
            pieces.append(message["body"])
            self.received += len(message["body"])
            if limit is not None and self.received > limit:
                return None
            if not message["more_body"]:
                return b"".join(pieces)


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """Start and stop."""
    await receive()
    if os.environ.get("TINY_FAILS"):
        raise RuntimeError
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send: Any, status: int, body: bytes) -> None:
    """Send a whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def stream(send: Any, *, ignores_cancelling: bool = False) -> None:
    """Send ten lines in a second."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for number in range(10):
        await send({"type": "http.response.body", "body": b"%d\n" % number, "more_body": True})
        await asyncio.sleep(0.1)
    await send({"type": "http.response.body", "body": b"end\n"})


if __name__ in {"__main__", "__mp_main__"}:
    module = ModuleType("pollux.server.app")
    module.create_app = TinyApp  # type: ignore[attr-defined]  # stands in for the real app, here and in worker processes
    sys.modules["pollux.server.app"] = module

if __name__ == "__main__":
    from pollux.cli.main import main

    sys.exit(main(["serve", "--port", "0", *sys.argv[1:]]))
