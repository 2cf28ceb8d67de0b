"""POST and GET /batches, GET /batches/{id}, POST /batches/{id}/cancel. The work itself is in `batch_work`."""

import re
from typing import TYPE_CHECKING

import msgspec

from pollux.errors import InvalidRequest, NotFound
from pollux.server import batch_state, bodies, files, pages
from pollux.server.access import Caller
from pollux.server.batch_state import State
from pollux.server.exchange import Exchange
from pollux.translate import batches as rules
from pollux.translate.files import EXPIRES_SECONDS_MAX, EXPIRES_SECONDS_MIN
from pollux.wire.openai.batches import BatchList, CreateBatchRequest

if TYPE_CHECKING:
    from pollux.server.app import App
    from pollux.store.batches import BatchRow

ID = re.compile(r"batch_[A-Za-z0-9]{24}")
LIST_DEFAULT, LIST_MAX = 20, 100
"""Batches of one page. Source: OpenAI API, List batches."""

ASK_SECONDS = 1.0
"""Time between looks at native jobs that their owner's asking brings about."""

WAIT_SECONDS = 1.0
"""How long an answer waits for work that it has begun: small steps are then seen at once."""

_decoder = msgspec.json.Decoder(CreateBatchRequest)
_encode = msgspec.json.Encoder().encode


async def create_batch(app: "App", exchange: Exchange) -> None:
    """Keep a batch and begin its work."""
    caller = app.authenticated(exchange)
    request = bodies.read(await app.body(exchange), _decoder, nesting_max=app.settings.nesting_max)
    rules.check_request(request)
    seconds = _output_seconds(request)
    headers = app.upstream_headers(exchange)
    await app.key_check.check(caller, headers)
    store, file = await files.find(app, caller, request.input_file_id, param="input_file_id")
    state = State(
        endpoint=request.endpoint,
        input_file_id=file.id,
        completion_window=request.completion_window,
        metadata=request.metadata,
        output_seconds=seconds,
    )
    await store.files.extend(caller.owner, file.id, store.clock.now_us() + batch_state.FORSAKEN_SECONDS * 1_000_000)
    row = await store.batches.add(caller.owner, files.new_id("batch_"), batch_state.write(state))
    app.batch_workers.start()
    await app.batch_workers.take_up(caller, row.id, headers, wait_seconds=0)
    await exchange.answer(200, _encode(batch_state.told(row)))


async def list_batches(app: "App", exchange: Exchange) -> None:
    """Give a page of the caller's batches, newest first."""
    caller = await _caller(app, exchange)
    query = pages.asked(exchange)
    limit = pages.limit(query, default=LIST_DEFAULT, most=LIST_MAX)
    store = await app.storing.store()
    after = await _find(app, caller, query["after"]) if "after" in query else None
    page = await store.batches.page(caller.owner, after=after, limit=limit)
    data = [batch_state.told(row) for row in page.batches]
    first_id, last_id = (data[0].id, data[-1].id) if data else (None, None)
    await exchange.answer(200, _encode(BatchList(data=data, first_id=first_id, last_id=last_id, has_more=page.more)))


async def retrieve_batch(app: "App", exchange: Exchange, batch_id: str) -> None:
    """Say how a batch is, after taking up what is due."""
    caller = await _caller(app, exchange)
    row = await _find(app, caller, batch_id)
    row = await _taken_up(app, exchange, caller, row)
    await exchange.answer(200, _encode(batch_state.told(row)))


async def cancel_batch(app: "App", exchange: Exchange, rest: str) -> None:
    """Cancel a batch; what has ended stays as it is."""
    batch_id, _, verb = rest.partition("/")
    if verb != "cancel":
        raise NotFound(f"There is nothing at {exchange.path[:200]}.", code="unsupported_endpoint")
    caller = await _caller(app, exchange)
    row = await _find(app, caller, batch_id)
    if row.due_us is None:
        status = batch_state.read(row).status
        if status != "cancelled":
            raise InvalidRequest(
                f"The batch cannot be cancelled: it is {status}.", param="batch_id", code="batch_ended", status=409
            )
    else:
        await (await app.storing.store()).batches.cancel(caller.owner, row.id)
        row = await _taken_up(app, exchange, caller, await _find(app, caller, batch_id))
    await exchange.answer(200, _encode(batch_state.told(row)))


async def _taken_up(app: "App", exchange: Exchange, caller: Caller, row: "BatchRow") -> "BatchRow":
    """Work on a batch that is due, for a moment, and give it anew."""
    if row.due_us is None:
        return row
    store = await app.storing.store()
    looked_us = row.due_us - int(app.settings.batch_poll_seconds * 1e6)
    if row.cancel_us is None and row.due_us and store.clock.now_us() - looked_us < ASK_SECONDS * 1e6:
        return row
    await app.batch_workers.take_up(caller, row.id, app.upstream_headers(exchange), wait_seconds=WAIT_SECONDS)
    return await _find(app, caller, row.id)


async def _find(app: "App", caller: Caller, batch_id: str) -> "BatchRow":
    row = await (await app.storing.store()).batches.get(caller.owner, batch_id) if ID.fullmatch(batch_id) else None
    if row is None:
        raise NotFound(f"No such Batch object: {batch_id[:100]}", param="id")
    return row


async def _caller(app: "App", exchange: Exchange) -> Caller:
    caller = app.authenticated(exchange)
    await app.body(exchange)
    exchange.watch()
    return caller


def _output_seconds(request: CreateBatchRequest) -> int | None:
    if request.output_expires_after is None:
        return None
    seconds = request.output_expires_after.seconds
    if not EXPIRES_SECONDS_MIN <= seconds <= EXPIRES_SECONDS_MAX:
        raise InvalidRequest(
            f"output_expires_after.seconds must be between {EXPIRES_SECONDS_MIN} (1 hour) and {EXPIRES_SECONDS_MAX} (30 days).",
            param="output_expires_after.seconds",
        )
    return seconds
