"""The access log: one line a request. Never a key, and no query string.

Lines are gathered and written together a few times a second, since a write for each line would cost more than making it.
"""

import asyncio
import sys
import time
from functools import lru_cache
from typing import TextIO

import msgspec

from pollux.server.exchange import Exchange
from pollux.translate.losses import codes

FLUSH_SECONDS = 0.2

_encode = msgspec.json.Encoder().encode


class AccessLog:
    """Writes the access log."""

    def __init__(self, form: str, out: TextIO | None = None) -> None:
        self._json = form == "json"
        self._out = sys.stderr if out is None else out
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, exchange: Exchange) -> None:
        """Add a line for an exchange that has ended."""
        seconds = time.monotonic() - exchange.started
        self._lines.append(_json_line(exchange, seconds) if self._json else _text_line(exchange, seconds))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what was gathered."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lines, self._lines = self._lines, []
        if lines:
            self._out.write("\n".join(lines) + "\n")
            self._out.flush()


def _text_line(exchange: Exchange, seconds: float) -> str:
    status = "left" if exchange.left else str(exchange.status)
    line = f"{_now()} {status} {exchange.method} {_plain(exchange.path)} {round(seconds * 1000)}ms {exchange.request_id}"
    if exchange.caller is not None:
        line += f" owner={exchange.caller.owner[:8]}"
    if exchange.model:
        line += f" model={_plain(exchange.model)}"
    if exchange.tokens is not None:
        line += f" tokens={exchange.tokens[0]}+{exchange.tokens[1]}"
    if exchange.notes:
        line += " lost=" + ",".join(codes(exchange.notes))
    return line


def _json_line(exchange: Exchange, seconds: float) -> str:
    entry: dict[str, object] = {
        "time": _now(),
        "status": 499 if exchange.left else exchange.status,
        "method": exchange.method,
        "path": exchange.path[:_TEXT_MAX],
        "ms": round(seconds * 1000, 1),
        "request_id": exchange.request_id,
    }
    if exchange.caller is not None:
        entry["owner"] = exchange.caller.owner[:8]
    if exchange.model:
        entry["model"] = exchange.model[:_TEXT_MAX]
    if exchange.tokens is not None:
        entry["prompt_tokens"], entry["completion_tokens"] = exchange.tokens
    if exchange.notes:
        entry["lost"] = codes(exchange.notes)
    return _encode(entry).decode()


_TEXT_MAX = 200


def _plain(text: str) -> str:
    """A caller's text in one line: no line breaks, no escapes to the terminal, no length without end."""
    return text if text.isprintable() and len(text) <= _TEXT_MAX and " " not in text else repr(text[:_TEXT_MAX])


@lru_cache(maxsize=1)
def _spelled(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


def _now() -> str:
    return _spelled(int(time.time()))
