"""POST /audio/speech: sound as it comes, in the format that was asked for.

The status is sent with the first bytes of sound, so that what fails before is an error with its status. What breaks off behind
them cuts the connection: half a speech must not look like a whole one. As events (`stream_format: sse`) it is told like any
stream.
"""

from binascii import a2b_base64
from typing import TYPE_CHECKING

import msgspec

from pollux.errors import ApiError
from pollux.server import bodies, report
from pollux.server.answering import Answering
from pollux.server.asking import Replies
from pollux.server.exchange import BrokenOff, Exchange, Header
from pollux.server.speaking import Speaking
from pollux.server.streaming import Commitment
from pollux.translate import speech_request
from pollux.translate.profiles import profile
from pollux.translate.speech_request import CONTENT_TYPES, Spoken
from pollux.upstream.http import Parts
from pollux.wire import sse
from pollux.wire.closed import Decoders
from pollux.wire.openai.audio import SpeechDelta, SpeechDone, SpeechRequest

if TYPE_CHECKING:
    from pollux.server.app import App

_UNBUFFERED: tuple[Header, ...] = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))

_decoders = Decoders(SpeechRequest)
_encode = msgspec.json.Encoder().encode


async def create_speech(app: "App", exchange: Exchange) -> None:
    """Answer with sound."""
    caller = app.authenticated(exchange)
    body = await app.body(exchange)
    request = bodies.read_request(body, _decoders, exchange.notes, nesting_max=app.settings.nesting_max)
    exchange.model = request.model
    headers = app.upstream_headers(exchange)
    exchange.watch()
    model = await app.aliases.resolve(request.model, caller, headers, exchange.notes)
    planned = speech_request.to_gemini(request, profile(model))
    exchange.notes += planned.plan.notes
    report.refuse_losses(app, exchange)
    exchange.reports_in_body = report.wanted_in_body(app, exchange)

    async def call(body: Parts) -> Replies:
        return await app.client.stream_content(model, body, key=caller.upstream_key, headers=headers)

    speaking = Speaking(app.workshop, planned.format, streamed=True, speed=planned.speed)
    answering = Answering(planned.plan, call, exchange.notes, speaking)
    if app.owned is not None:
        await app.owned.check_sent(caller, answering.told)
    spoken = Spoken()
    try:
        async with answering:
            if planned.in_events:
                settings = app.settings
                commitment = Commitment(
                    exchange, commit_seconds=settings.commit_seconds, keep_alive_seconds=settings.keep_alive_seconds
                )
                await _events(exchange, answering, spoken, commitment)
            else:
                content_type = CONTENT_TYPES[planned.format].encode()
                await _sound(exchange, answering, spoken, ((b"content-type", content_type), *_UNBUFFERED))
    finally:
        exchange.tokens = (spoken.usage.input_tokens, spoken.usage.output_tokens)


async def _sound(exchange: Exchange, answering: Answering, spoken: Spoken, headers: tuple[Header, ...]) -> None:
    """Send the sound itself. Raises ApiError as long as nothing of it is sent."""
    try:
        await answering.open()
        async for events in answering.events():
            data = "".join([spoken.feed(event) for event in events])
            if data:
                if not exchange.status:
                    await exchange.start(200, headers)
                await exchange.send(a2b_base64(data))
        spoken.check()
    except ApiError as error:
        if not exchange.status:
            raise
        raise BrokenOff(error.message) from error
    await exchange.send(b"", more=False)


async def _events(exchange: Exchange, answering: Answering, spoken: Spoken, commitment: Commitment) -> None:
    """Send the sound in events. Raises ApiError as long as the status is not sent; after that, errors go into the stream."""
    async with commitment:
        await answering.open()
        async for events in answering.events():
            data = "".join([spoken.feed(event) for event in events])
            if data:
                await commitment.commit()
                await commitment.send(sse.encode(_encode(SpeechDelta(data))))
        spoken.check()
        done = SpeechDone(spoken.usage)
        report.attach(exchange, done)
        await exchange.send(sse.encode(_encode(done)), more=False)
