"""POST /chat/completions."""

import secrets
import time
from typing import TYPE_CHECKING, Literal

import msgspec

from pollux.errors import InvalidRequest
from pollux.server import bodies, report
from pollux.server.answering import Answering
from pollux.server.asking import Replies, WholeReply
from pollux.server.exchange import Exchange
from pollux.server.media import RequestMedia
from pollux.server.memory import Keeper
from pollux.server.speaking import Speaking
from pollux.server.streaming import Commitment, relay
from pollux.translate import chat, chat_answer
from pollux.translate.chat_choice import ThoughtsForm
from pollux.translate.conformance import breaches
from pollux.translate.profiles import profile
from pollux.upstream.http import Parts
from pollux.wire.closed import Decoders
from pollux.wire.openai.chat import ChatCompletionRequest

if TYPE_CHECKING:
    from pollux.server.app import App

SOUND_FORMAT: Literal["wav"] = "wav"
"""The format of sound that comes without being asked for."""

_decoders = Decoders(ChatCompletionRequest)
_encode = msgspec.json.Encoder().encode


async def create_completion(app: "App", exchange: Exchange, *, usage_on_every_chunk: bool = False) -> None:
    """Answer a chat completion, whole or streamed."""
    caller = app.authenticated(exchange)
    body = await app.body(exchange)
    request = bodies.read_request(body, _decoders, exchange.notes, nesting_max=app.settings.nesting_max)
    exchange.model = request.model
    headers = app.upstream_headers(exchange)
    exchange.watch()
    model = await app.aliases.resolve(request.model, caller, headers, exchange.notes)
    family = profile(model, app.settings.model_facts.get(model, ""))
    trail = chat.trail(request, family)
    remembered = await app.memory.recall(caller.owner, trail)
    media = RequestMedia(app, exchange, caller, headers)
    plan = chat.to_gemini(request, family, trail, remembered, await media.of_messages(request.messages))
    exchange.notes += plan.notes
    report.refuse_losses(app, exchange)
    exchange.reports_in_body = report.wanted_in_body(app, exchange)
    stamp = chat_answer.Stamp(secrets.token_hex(12), int(time.time()))
    telling = chat_answer.ChatTelling(
        stamp,
        request.model,
        usage=_usage_mode(request, each=usage_on_every_chunk),
        toolbox=plan.toolbox,
        thoughts=_thoughts_form(app, exchange),
        speech=plan.speech,
    )
    client, key = app.client, caller.upstream_key

    async def stream(body: Parts) -> Replies:
        return await client.stream_content(model, body, key=key, headers=headers)

    async def whole(body: Parts) -> Replies:
        return WholeReply(await client.generate_content(model, body, key=key, headers=headers))

    call = media.renewing(stream if request.stream else whole)

    app.admit_more(exchange, caller, plan.calls - 1)
    sound = plan.speech.format if plan.speech is not None else SOUND_FORMAT
    speaking = None if family.speaks == "no" else Speaking(app.workshop, sound, streamed=request.stream is True)
    answering = Answering(plan, call, exchange.notes, speaking, app.settings.continuations_max)
    if app.owned is not None:
        await app.owned.check_sent(caller, answering.told)
    keeper = Keeper(app.memory, caller.owner, family.family, stamp.token, trail)
    try:
        async with answering:
            if request.stream:
                settings = app.settings
                commitment = Commitment(
                    exchange, commit_seconds=settings.commit_seconds, keep_alive_seconds=settings.keep_alive_seconds
                )
                await relay(exchange, answering, telling, keeper, commitment)
            else:
                await answer(exchange, answering, telling, keeper)
    finally:
        exchange.tokens = telling.tokens


async def answer(exchange: Exchange, answering: Answering, telling: chat_answer.ChatTelling, keeper: Keeper) -> None:
    """Answer with the whole completion. Raises ApiError."""
    await answering.open()
    async for events in answering.events():
        for event in events:
            telling.feed(event)
    await keeper.keep_answer(answering.recorders, telling)
    exchange.notes += breaches(answering.plan, telling)
    completion = telling.completion()
    report.attach(exchange, completion)
    await exchange.answer(200, _encode(completion))


async def create_completion_bare(app: "App", exchange: Exchange) -> None:
    """Answer on `/v1beta/chat/completions`, where the guide's sample reads `usage` on every chunk."""
    await create_completion(app, exchange, usage_on_every_chunk=True)


def _usage_mode(request: ChatCompletionRequest, *, each: bool) -> chat_answer.UsageMode:
    if request.stream_options is None or not request.stream_options.include_usage:
        return "none"
    return "each" if each else "last"


def _thoughts_form(app: "App", exchange: Exchange) -> ThoughtsForm:
    """Give the form of thought summaries: the header's, or the setting's."""
    match exchange.headers.get(b"x-pollux-thoughts"):
        case None:
            return app.settings.thoughts
        case b"google":
            return "google"
        case b"reasoning_content":
            return "reasoning_content"
    raise InvalidRequest("The header x-pollux-thoughts must be reasoning_content or google.", param="x-pollux-thoughts")
