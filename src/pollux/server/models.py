"""GET /models and /models/{id}."""

from typing import TYPE_CHECKING

import msgspec

from pollux.server.access import Caller
from pollux.server.exchange import Exchange
from pollux.translate import models
from pollux.wire.openai.models import ModelList

if TYPE_CHECKING:
    from pollux.server.app import App

_encode = msgspec.json.Encoder().encode


async def list_models(app: "App", exchange: Exchange) -> None:
    """List the models that the upstream lists."""
    caller = await _watched_caller(app, exchange)
    listed = await app.client.list_models(key=caller.upstream_key, headers=app.upstream_headers(exchange))
    await exchange.answer(200, _encode(ModelList(data=[models.from_gemini(model) for model in listed])))


async def retrieve_model(app: "App", exchange: Exchange, name: str) -> None:
    """Say what is known of one model; `id` echoes the name asked for, without `models/`."""
    caller = await _watched_caller(app, exchange)
    headers = app.upstream_headers(exchange)
    exchange.model = name
    asked = models.bare_id(name)
    model = await app.aliases.resolve(name, caller, headers, exchange.notes)
    found = models.from_gemini(await app.client.get_model(model, key=caller.upstream_key, headers=headers))
    found.id = asked
    await exchange.answer(200, _encode(found))


async def _watched_caller(app: "App", exchange: Exchange) -> Caller:
    """Give the caller; if they leave, the upstream is not asked for nobody."""
    caller = app.authenticated(exchange)
    await app.body(exchange)
    exchange.watch()
    return caller
