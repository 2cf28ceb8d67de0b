"""The emulator's own API under `/__emulator/`: health, journal, rules, script, clock, reset. For tests and people.

It answers no web page of another origin, because the journal holds prompts.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from pollux.emulator.clock import stamp
from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.exchange import Exchange
from pollux.emulator.framing import pretty
from pollux.emulator.rules import Rule
from pollux.emulator.script import Script
from pollux.emulator.sending import send_json

if TYPE_CHECKING:
    from pollux.emulator.app import Emulator

PREFIX = "/__emulator/"

ADVANCE_SECONDS_MAX = 10 * 365 * 86_400.0
"""How far the clock can be moved at once: ten years are enough for everything that expires."""


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    """Body of `POST /__emulator/clock`."""

    advance_seconds: float


async def answer(emulator: "Emulator", exchange: Exchange) -> None:
    """Answer one control request."""
    try:
        data = await exchange.read_body()
        _same_origin(exchange)
        reply = _handle(emulator, exchange.http_method, exchange.path.removeprefix(PREFIX).strip("/"), data, exchange.query)
        await send_json(exchange, 200, pretty(reply))
    except NativeError as error:
        await send_json(exchange, error.code, pretty(error.body()))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        await send_json(exchange, 400, pretty(invalid(f"The emulator's control API: {error}").body()))


def _handle(emulator: "Emulator", method: str, path: str, data: bytes, query: dict[str, str]) -> dict[str, Any]:
    match method, path.split("/"):
        case "GET", ["health"]:
            return {"status": "ok", "emulator": "pollux", "now": stamp(emulator.clock.now())}
        case "GET", ["journal"]:
            return {"entries": emulator.journal.entries(since=int(query.get("since", "0")))}
        case "DELETE", ["journal"]:
            emulator.journal.clear()
        case "GET", ["rules"]:
            return {"rules": emulator.rules.listed()}
        case "POST", ["rules"]:
            return {"id": emulator.rules.add(msgspec.json.decode(data, type=Rule))}
        case "DELETE", ["rules"]:
            emulator.rules.remove()
        case "DELETE", ["rules", number]:
            if not emulator.rules.remove(int(number)):
                raise NativeError(404, f"The emulator has no rule {number}.")
        case "GET", ["script"]:
            return _script(emulator.script)
        case "POST" | "PUT", ["script"]:
            emulator.script = Script.of(msgspec.json.decode(data))
            return _script(emulator.script)
        case "DELETE", ["script"]:
            emulator.script = Script()
        case "POST", ["reset"]:
            emulator.reset()
        case "GET", ["clock"]:
            return {"now": stamp(emulator.clock.now())}
        case "POST", ["clock"]:
            seconds = msgspec.json.decode(data, type=Advance).advance_seconds
            if not 0 <= seconds <= ADVANCE_SECONDS_MAX:
                raise invalid(f"advance_seconds is between 0 and {ADVANCE_SECONDS_MAX:g}")
            emulator.clock.advance(seconds)
            return {"now": stamp(emulator.clock.now())}
        case _:
            raise NativeError(404, f"The emulator's control API has no {method} {PREFIX}{path}.")
    return {}


def _script(script: Script) -> dict[str, Any]:
    entries = [{**msgspec.to_builtins(entry), "used": used} for entry, used in zip(script.entries, script.used, strict=True)]
    return {"strict": script.strict, "answers": entries}


def _same_origin(exchange: Exchange) -> None:
    origin = exchange.headers.get("origin", "")
    if origin and urlsplit(origin).netloc != exchange.headers.get("host", ""):
        raise NativeError(403, "The emulator's control API answers no web page of another origin.")
