"""generateContent and streamGenerateContent: from a request that the service would take to its answer.

A script's answer goes before the emulator's own; a fault changes either. Media will have their places between
`refusals.check` and `natural_text`.
"""

import asyncio
from dataclasses import replace
from typing import Any

import msgspec

from pollux.emulator import faults, google_tools, refusals, sound_speech
from pollux.emulator.answers import natural_text
from pollux.emulator.calling import callable_functions, planned_calls
from pollux.emulator.errors import NativeError
from pollux.emulator.faults import Fault
from pollux.emulator.framing import SSE, JSONArray
from pollux.emulator.matching import Incoming
from pollux.emulator.models import Model
from pollux.emulator.replies import Stamp, events, whole
from pollux.emulator.routes import Route
from pollux.emulator.script import Say, Script
from pollux.emulator.sending import NO_FAULT, Delivery
from pollux.emulator.settle import Draft, digest_of, settle
from pollux.emulator.structured import structured_text
from pollux.emulator.tokens import cached_usage, count_prompt, modalities


async def generate(found: Route, model: Model, incoming: Incoming, script: Script, seed: int, delivery: Delivery) -> None:
    """Answer one request, whole or streamed."""
    request = incoming.request
    refusals.check(request, model)
    sound_speech.check(request, model)
    scripted = script.find(incoming)
    if scripted is None and not model.speaks:
        refusals.check_emulated(request, model)
    name, say = scripted or ("", None)
    delivery.entry.script = name
    digest = digest_of(request, model, seed)
    delivery = await _with_scripted_fault(replace(delivery, digest=digest), say, found)
    streamed = found.method == "streamGenerateContent"
    if model.speaks and (say is None or not (say.reply or say.replies)):
        replies = await asyncio.to_thread(_spoken, say, request, model, digest, delivery.fault, streamed=streamed)
    else:
        replies = _replies(say, request, model, digest, delivery.fault, streamed=streamed)
    if not streamed:
        await delivery.whole(replies[0])
    else:
        await delivery.stream(replies, SSE() if delivery.exchange.query.get("alt") == "sse" else JSONArray())


def line_reply(model: Model, line: Incoming, script: Script, seed: int) -> dict[str, Any]:
    """Answer one line of a batch; a scripted error or refusal is raised. Delays and broken streams mean nothing here."""
    refusals.check(line.request, model)
    scripted = script.find(line)
    if scripted is None:
        refusals.check_emulated(line.request, model)
    say = scripted[1] if scripted else None
    if say is not None and say.error is not None:
        told = say.error
        raise NativeError(told["code"], told.get("message", ""), told.get("status", ""), told.get("details", []))
    return _replies(say, line.request, model, digest_of(line.request, model, seed), NO_FAULT, streamed=False)[0]


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
    say: Say | None, request: dict[str, Any], model: Model, digest: bytes, fault: Fault, *, streamed: bool
) -> list[dict[str, Any]]:
    """Make the events of an answer; a whole one is a list of one."""
    if say is not None and say.reply is not None:
        return [say.reply]
    if say is not None and say.replies:
        return say.replies if streamed else [folded(say.replies)]
    draft = _draft(say, request, model, digest)
    draft = replace(
        draft,
        finish=fault.finish or draft.finish,
        finish_message=draft.finish_message or _odd_message(fault.finish or draft.finish, draft),
        blocked=fault.blocked or draft.blocked,
        empty=fault.empty or draft.empty,
        partial_args=fault.partial_args or draft.partial_args,
        may_call=bool(callable_functions(request)),
    )
    candidates = range(request.get("generationConfig", {}).get("candidateCount", 1))
    answers = [settle(draft, request, model, digest) for _ in candidates]
    about = _stamp(request, model, digest)
    return events(answers, about) if streamed else [whole(answers, about)]


def _stamp(request: dict[str, Any], model: Model, digest: bytes) -> Stamp:
    tier = request.get("serviceTier", "standard")
    return Stamp(model, digest, count_prompt(request), tier, modalities(request), cached_usage(request))


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


def _odd_message(finish: str, draft: Draft) -> str:
    """Say what the service says when a call went wrong; it names the call that was meant."""
    call: dict[str, Any] = draft.calls[0]["functionCall"] if draft.calls else {"name": "undeclared_function", "args": {}}
    if finish == "MALFORMED_FUNCTION_CALL":
        told = ", ".join(f"{name}={value!r}" for name, value in call["args"].items())
        return f"Malformed function call: print(default_api.{call['name']}({told}))"
    if finish == "UNEXPECTED_TOOL_CALL":
        return f"Unexpected tool call: Model tried to call an undeclared function: {call['name']}"
    if finish == "MISSING_THOUGHT_SIGNATURE":
        return f"Function call `default_api:{call['name']}` is missing a thought_signature."
    return ""


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
