"""POST /chat/completions."""

import secrets
import time
from typing import TYPE_CHECKING

import msgspec

from pollux.server import bodies
from pollux.server.exchange import Exchange
from pollux.server.streaming import Commitment, relay
from pollux.translate import chat
from pollux.translate.profiles import profile
from pollux.translate.reader import ReplyReader
from pollux.wire.openai.chat import ChatCompletionRequest

if TYPE_CHECKING:
    from pollux.server.app import App

_decoder = msgspec.json.Decoder(ChatCompletionRequest)
_encode = msgspec.json.Encoder().encode


async def create_completion(app: "App", exchange: Exchange, *, usage_on_every_chunk: bool = False) -> None:
    """Answer a chat completion, whole or streamed."""
    caller = app.authenticated(exchange)
    body = await app.body(exchange)
    request = bodies.read(body, _decoder, nesting_max=app.settings.nesting_max)
    exchange.model = request.model
    headers = app.upstream_headers(exchange)
    exchange.watch()
    model = await app.aliases.resolve(request.model, caller, headers, exchange.notes)
    native, notes = chat.to_gemini(request, profile(model))
    exchange.notes += notes
    native_body = _encode(native)
    stamp = chat.Stamp("chatcmpl-" + secrets.token_hex(12), int(time.time()))
    if request.stream:
        form = chat.ChatChunks(stamp, request.model, usage=_usage_mode(request, each=usage_on_every_chunk))
        await relay(
            exchange,
            lambda: app.client.stream_content(model, native_body, key=caller.upstream_key, headers=headers),
            form,
            Commitment(
                exchange, commit_seconds=app.settings.commit_seconds, keep_alive_seconds=app.settings.keep_alive_seconds
            ),
        )
        exchange.tokens = (form.usage.prompt_tokens, form.usage.completion_tokens)
        return
    reply = await app.client.generate_content(model, native_body, key=caller.upstream_key, headers=headers)
    reader = ReplyReader()
    completion = chat.completion([*reader.feed(reply), *reader.close()], stamp, request.model)
    exchange.tokens = (completion.usage.prompt_tokens, completion.usage.completion_tokens)
    await exchange.answer(200, _encode(completion))


async def create_completion_bare(app: "App", exchange: Exchange) -> None:
    """Answer on `/v1beta/chat/completions`, where the guide's sample reads `usage` on every chunk."""
    await create_completion(app, exchange, usage_on_every_chunk=True)


def _usage_mode(request: ChatCompletionRequest, *, each: bool) -> chat.UsageMode:
    if request.stream_options is None or not request.stream_options.include_usage:
        return "none"
    return "each" if each else "last"
