"""POST /images/generations."""

import time
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from pollux.server import bodies, report
from pollux.server.access import Caller
from pollux.server.asking import Call, Replies, WholeReply
from pollux.server.drawing import Answered, Drawing, Finish, decoded
from pollux.server.exchange import Exchange
from pollux.server.streaming import Commitment
from pollux.translate import images
from pollux.translate.events import Usage
from pollux.translate.images_answer import common, pixels, usage
from pollux.translate.notes import Note
from pollux.translate.profiles import painter
from pollux.upstream.http import Parts
from pollux.wire.closed import Decoders
from pollux.wire.gemini.generate import encode_request
from pollux.wire.openai import images as wire

if TYPE_CHECKING:
    from pollux.server.app import App

GENERATED = "image_generation.completed"
"""The type of a stream's events."""

BACKGROUND = "opaque"
"""The models draw no transparency."""

_decoders = Decoders(wire.CreateImageRequest)
_encode = msgspec.json.Encoder().encode


async def create_image(app: "App", exchange: Exchange) -> None:
    """Draw what a prompt says."""
    caller = app.authenticated(exchange)
    body = await app.body(exchange)
    request = bodies.read_request(body, _decoders, exchange.notes, nesting_max=app.settings.nesting_max)
    headers = app.upstream_headers(exchange)
    exchange.watch()
    model = await resolved(app, exchange, caller, request.model, headers)
    plan = images.to_gemini(request, [images.prompt_part(request.prompt)], painter(model))
    await tell(app, exchange, Order(caller, plan, native_call(app, caller, model, headers), request.stream is True, GENERATED))


@dataclass(frozen=True, slots=True)
class Order:
    """A request that is ready to be sent, and how its answer is told."""

    caller: Caller
    plan: images.Plan
    call: Call
    streams: bool
    event: str
    finish: Finish | None = None


async def resolved(app: "App", exchange: Exchange, caller: Caller, name: str | None, headers: Mapping[str, str]) -> str:
    """Give the id of the model to call; OpenAI's clients may name none."""
    if name is None:
        name = app.settings.image_model
        exchange.notes.append(Note("model", "added", f"no model is named; {name} answers"))
    exchange.model = name
    model = await app.aliases.resolve(name, caller, headers, exchange.notes)
    images.check_draws(model)
    return model


def native_call(app: "App", caller: Caller, model: str, headers: Mapping[str, str]) -> Call:
    """Give what makes one native call."""

    async def call(body: Parts) -> Replies:
        return WholeReply(await app.client.generate_content(model, body, key=caller.upstream_key, headers=headers))

    return call


async def tell(app: "App", exchange: Exchange, order: Order) -> None:
    """Make the calls, and tell the pictures. Raises ApiError."""
    plan = order.plan
    exchange.notes += plan.notes
    report.refuse_losses(app, exchange)
    exchange.reports_in_body = report.wanted_in_body(app, exchange)
    app.admit_more(exchange, order.caller, plan.calls - 1)
    base = await app.image_links.check(app, exchange, order.caller) if plan.output.link else ""
    drawing = Drawing(order.call, await _bodies(app, order), plan.output, app.workshop, order.finish)
    if order.streams:
        await _stream(app, exchange, order, drawing)
        return
    answered = await drawing.all()
    exchange.notes += more_than(plan.calls, answered)
    response = response_of(plan, answered, int(time.time()))
    if order.finish is not None:
        response.background = UNSET  # the original's
    if base:
        await _link(app, order, base, response, answered)
    _count(exchange, [each.usage for each in answered])
    report.attach(exchange, response)
    del answered  # the pictures are in the response, and soon only in the body
    body = _encode(response)
    del response
    await exchange.answer(200, body)


async def _bodies(app: "App", order: Order) -> list[Parts]:
    """Write the native requests; one that is sent several times is written once."""
    natives = order.plan.natives()
    encoded = [encode_request(native) for native in (natives if natives[0] is not natives[-1] else natives[:1])]
    if app.owned is not None:
        await app.owned.check_sent(order.caller, encoded[0].told)
    bodies = [each.parts for each in encoded]
    return bodies if len(bodies) == len(natives) else bodies * len(natives)


def response_of(plan: images.Plan, answered: list[Answered], created: int) -> wire.ImagesResponse:
    """Say what all calls made."""
    pictures = [picture for each in answered for picture in each.pictures]
    return wire.ImagesResponse(
        created=created,
        data=[wire.Image(b64_json=picture.data, extra_content=picture.beside or UNSET) for picture in pictures],
        background=BACKGROUND,
        output_format=common(picture.format for picture in pictures),
        quality=plan.quality if plan.quality != "auto" else UNSET,
        size=common(pixels(picture.size) for picture in pictures),
        usage=usage([each.usage for each in answered]),
    )


async def _link(app: "App", order: Order, base: str, response: wire.ImagesResponse, answered: list[Answered]) -> None:
    """Keep the pictures, and put links in their place. Raises ApiError."""
    pictures = [picture for each in answered for picture in each.pictures]
    for image, picture in zip(response.data, pictures, strict=True):
        image.url = await app.image_links.add(app, order.caller, base, picture.mime_type, decoded(picture.data))
        image.b64_json = UNSET


def more_than(calls: int, answered: list[Answered]) -> list[Note]:
    """Note when a model drew more than it was asked for: all of it is told, since it was paid for."""
    made = sum(len(each.pictures) for each in answered)
    return [Note("n", "added", f"{made} pictures came of {calls} native calls")] if made > calls else []


async def _stream(app: "App", exchange: Exchange, order: Order, drawing: Drawing) -> None:
    """Send an event for each picture, as they come. An error after the first one is told in the stream, which ends there."""
    settings = app.settings
    commitment = Commitment(exchange, commit_seconds=settings.commit_seconds, keep_alive_seconds=settings.keep_alive_seconds)
    counted: list[Usage] = []
    try:
        async with commitment:
            async with aclosing(drawing.as_they_come()) as coming:
                async for answered in coming:
                    counted.append(answered.usage)
                    exchange.notes += more_than(1, [answered])
                    await commitment.commit()
                    await _send(exchange, order, answered, commitment, is_last=len(counted) == order.plan.calls)
                    answered.pictures.clear()
            await exchange.send(b"", more=False)
    finally:
        _count(exchange, counted)


async def _send(exchange: Exchange, order: Order, answered: Answered, commitment: Commitment, *, is_last: bool) -> None:
    """Send the events of one call; its tokens stand in the first."""
    tokens = usage([answered.usage])
    for i, picture in enumerate(answered.pictures):
        event = wire.CompletedEvent(
            type=order.event,
            b64_json=picture.data,
            created_at=int(time.time()),
            size=pixels(picture.size),
            quality=order.plan.quality,
            background="auto" if order.finish else BACKGROUND,
            output_format=picture.format,
            usage=tokens if i == 0 else wire.NO_TOKENS,
            extra_content=picture.beside or UNSET,
        )
        if is_last and i == len(answered.pictures) - 1:
            report.attach(exchange, event)
        payload = _encode(event)
        # In pieces: framing would copy what may have 20 MB.
        await commitment.send(b"event: " + order.event.encode() + b"\ndata: ", payload, b"\n\n")


def _count(exchange: Exchange, counted: list[Usage]) -> None:
    exchange.tokens = (sum(each.prompt for each in counted), sum(each.completion for each in counted))
