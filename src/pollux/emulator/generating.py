"""generateContent and streamGenerateContent: from a request that the service would take to its answer.

A script's answer goes before the emulator's own; a fault changes either. Media will have their places between
`refusals.check` and `natural_text`.
"""

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import msgspec

from pollux.emulator import continuing, endings, faults, google_tools, refusals, sound_speech, sound_transcribing
from pollux.emulator.answers import natural_text
from pollux.emulator.calling import callable_functions, planned_calls
from pollux.emulator.continuing import Hop
from pollux.emulator.errors import NativeError
from pollux.emulator.faults import Fault
from pollux.emulator.framing import SSE, JSONArray
from pollux.emulator.matching import Incoming
from pollux.emulator.models import Model
from pollux.emulator.pictures import answering as picture_answers
from pollux.emulator.pictures import rules as picture_rules
from pollux.emulator.replies import Stamp, events, whole
from pollux.emulator.response_rules import TEXT, mime_type
from pollux.emulator.routes import Route
from pollux.emulator.script import Say, Script
from pollux.emulator.sending import NO_FAULT, Delivery
from pollux.emulator.settle import Draft, digest_of, settle
from pollux.emulator.structured import structured_text
from pollux.emulator.tokens import cached_usage, modalities


async def generate(found: Route, model: Model, incoming: Incoming, script: Script, seed: int, delivery: Delivery) -> None:
    """Answer one request, whole or streamed."""
    request = incoming.request
    delivery = replace(delivery, fault=endings.asked_for(request, delivery.fault))
    refusals.check(request, model, faults.enabled(delivery.fault))
    picture_rules.check(request, model)
    sound_speech.check(request, model)
    sound_transcribing.check(request, model)
    scripted = script.find(incoming)
    if scripted is None and not (model.speaks or model.transcribes):
        refusals.check_emulated(request, model)
    name, say = scripted or ("", None)
    delivery.entry.script = name
    streamed = found.method == "streamGenerateContent"
    plain = {field: value for field, value in request.items() if field != "continuationToken" and value != {}}
    digest = digest_of(plain, model, seed)
    delivery = await _with_scripted_fault(replace(delivery, digest=digest), say, found)
    if model.speaks and (say is None or not (say.reply or say.replies)):
        replies = await asyncio.to_thread(_spoken, say, request, model, digest, delivery.fault, streamed=streamed)
    elif model.draws and say is None:
        replies = await picture_answers.replies(request, _stamp(request, model, digest), delivery.fault, streamed=streamed)
    else:
        cap, now = delivery.fault.continue_after, delivery.exchange.now()
        hop = continuing.hop(request, model, digest, now, cap, streamed=streamed)
        replies = _replies(say, plain, model, digest, delivery.fault, hop, streamed=streamed)
    if not streamed:
        await delivery.whole(replies[0])
    else:
        await delivery.stream(replies, SSE() if delivery.exchange.query.get("alt") == "sse" else JSONArray())


async def line_reply(model: Model, line: Incoming, script: Script, seed: int) -> dict[str, Any]:
    """Answer one line of a batch; a scripted error or refusal is raised. Delays and broken streams mean nothing here."""
    fault = endings.asked_for(line.request, NO_FAULT)
    refusals.check(line.request, model)
    picture_rules.check(line.request, model)
    scripted = script.find(line)
    if scripted is None:
        refusals.check_emulated(line.request, model)
    say = scripted[1] if scripted else None
    if say is not None and say.error is not None:
        told = say.error
        raise NativeError(told["code"], told.get("message", ""), told.get("status", ""), told.get("details", []))
    digest = digest_of(line.request, model, seed)
    if model.draws and say is None:
        [reply] = await picture_answers.replies(line.request, _stamp(line.request, model, digest), fault, streamed=False)
        return reply
    return _replies(say, line.request, model, digest, fault, None, streamed=False)[0]


async def _with_scripted_fault(delivery: Delivery, say: Say | None, found: Route) -> Delivery:
    """Let a scripted error or fault take the place of the request's own."""
    if say is not None and say.error is not None:
        told = say.error
        raise NativeError(told["code"], told.get("message", ""), told.get("status", ""), told.get("details", []))
    if say is None or not say.fault:
        return delivery
    fault = faults.parse(say.fault)
    error = faults.error_of(fault, found.model, found.version, found.method)
    if faults.is_refusal(fault):
        await delivery.exchange.pause(fault.headers_delay)
        raise error
    return replace(delivery, fault=fault, error=error)


def _replies(
    say: Say | None, request: dict[str, Any], model: Model, digest: bytes, fault: Fault, hop: Hop | None, *, streamed: bool
) -> list[dict[str, Any]]:
    """Make the events of an answer; a whole one is a list of one."""
    if say is not None and say.reply is not None:
        return [say.reply]
    if say is not None and say.replies:
        return say.replies if streamed else [folded(say.replies)]
    config = request.get("generationConfig", {})
    answers = []
    for number in range(config.get("candidateCount", 1)):
        drawn = digest if not number else hashlib.sha256(digest + bytes((number,))).digest()
        draft = _draft(say, request, model, drawn)
        if number and draft.text and say is None and mime_type(config) == TEXT:
            draft = replace(draft, text=f"{draft.text} This is candidate {number + 1}.")
        draft = endings.ended(replace(draft, may_call=bool(callable_functions(request))), fault, request)
        answers.append(continuing.continued(settle(draft, request, model, drawn), hop))
    here = hashlib.sha256(digest + str(hop.start).encode()).digest() if hop is not None and hop.start else digest
    told = _stamp(request, model, here)
    return events(answers, told) if streamed else [whole(answers, told)]


def _stamp(request: dict[str, Any], model: Model, digest: bytes) -> Stamp:
    config, counted = request.get("generationConfig", {}), modalities(request)
    top = int(config.get("logprobs", 0)) if config.get("responseLogprobs") else None
    tier = request.get("serviceTier", "standard")
    return Stamp(model, digest, sum(counted.values()), tier, counted, cached_usage(request), top)


def _spoken(
    say: Say | None, request: dict[str, Any], model: Model, digest: bytes, fault: Fault, *, streamed: bool
) -> list[dict[str, Any]]:
    """Answer in sound; a script's text is said in the voice that was asked for."""
    text = None
    if say is not None:
        text = "".join(say.events) if say.events is not None else say.text
        ending = {"finish": fault.finish or say.finish or "", "blocked": fault.blocked or say.blocked or ""}
        fault = msgspec.structs.replace(fault, **ending, empty=fault.empty or say.empty)
    return sound_speech.replies(request, _stamp(request, model, digest), fault, text, streamed=streamed)


def _draft(say: Say | None, request: dict[str, Any], model: Model, digest: bytes) -> Draft:
    """Take the script's words; where it has none, the emulator's own."""
    if say is None:
        calls = tuple({"functionCall": call} for call in planned_calls(request))
        if calls:
            return Draft("", calls=calls + google_tools.beside_calls(request, model))
        if written := sound_transcribing.draft(request, model):
            return written
        used = google_tools.used_tools(request, model)
        told = structured_text(request, model, digest) or natural_text(request, model, used.sentences)
        return Draft(told, lead=used.lead, sources=used.sources, tool_tokens=used.tokens)
    calls = tuple({"functionCall": {"args": {}, **call}} for call in say.calls or ())
    text = say.text if say.text is not None or calls else natural_text(request, model)
    return Draft(
        text or "",
        tuple(say.events or ()),
        tuple(say.thoughts or ()),
        say.finish or "STOP",
        say.finish_message,
        say.blocked or "",
        empty=say.empty or (not calls and (text == "" or say.events == [])),
        calls=calls,
    )


def folded(replies: list[dict[str, Any]]) -> dict[str, Any]:
    """Make a whole answer of scripted stream replies: parts of the first candidate in order, the rest from the last."""
    parts: list[Any] = []
    result: dict[str, Any] = {}
    for reply in replies:
        for candidate in reply.get("candidates", [])[:1]:
            parts += candidate.get("content", {}).get("parts", [])
        result |= reply
    last = result.get("candidates", [])[:1]
    if last and parts:
        result["candidates"] = [{**last[0], "content": {"parts": parts, "role": "model"}}]
    return result
