"""GET /healthz and /readyz, for operators."""

from typing import TYPE_CHECKING

from pollux.server.exchange import Exchange

if TYPE_CHECKING:
    from pollux.server.app import App

TEXT = ((b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"))


async def healthz(app: "App", exchange: Exchange) -> None:  # noqa: ARG001 - handlers look alike
    """Say that the process is alive."""
    await exchange.answer(200, b"ok\n", TEXT)


async def readyz(app: "App", exchange: Exchange) -> None:
    """Say whether requests should come here: not while draining, and not without an upstream."""
    if app.draining:
        await exchange.answer(503, b"draining\n", TEXT)
    elif not await app.upstream_reachable():
        await exchange.answer(503, b"no upstream\n", TEXT)
    else:
        await exchange.answer(200, b"ready\n", TEXT)
