"""The emulator: an ASGI application that speaks the native Gemini API.

    request → route → key → shape → fault → model → script → meaning → answer → events

What each step refuses, and in which words, stands in the module of its name. The application keeps nothing but its
journal, its counts and its rules; the same request brings the same answer, apart from times.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pollux.emulator import access, control, errors, faults, refusals, routes
from pollux.emulator.answers import natural_text
from pollux.emulator.clock import Clock, SystemClock, elapsed_seconds, stamp
from pollux.emulator.errors import NativeError, bad_request, invalid
from pollux.emulator.exchange import ClientLeft, ConnectionCut, Exchange, Receive, Scope, Send
from pollux.emulator.faults import Fault
from pollux.emulator.framing import SSE, JSONArray
from pollux.emulator.journal import Entry, Journal
from pollux.emulator.limits import JOURNAL_ENTRIES_MAX
from pollux.emulator.matching import Incoming
from pollux.emulator.models import RETIRED, Model, known, listed
from pollux.emulator.replies import Stamp, events, whole
from pollux.emulator.routes import Route
from pollux.emulator.rules import Rule, Rules
from pollux.emulator.script import Entry as ScriptEntry
from pollux.emulator.script import Say, Script
from pollux.emulator.sending import NO_FAULT, Delivery, Latency, send_error
from pollux.emulator.settle import Draft, digest_of, settle
from pollux.emulator.shapes import canonical
from pollux.emulator.tokens import count_prompt

REQUEST_OF = {
    "generateContent": "GenerateContentRequest",
    "streamGenerateContent": "GenerateContentRequest",
    "countTokens": "CountTokensRequest",
}


class Emulator:
    """An emulator with its script, rules, clock and journal. Call it as an ASGI application.

    `script` is a list of entries, a file's path or a `Script`; `rules` are faults for matching requests; `clock` and
    `latency` decide about time; `seed` changes all that looks like chance; `journal_length` is what the journal keeps.
    """

    def __init__(
        self,
        *,
        script: Script | Mapping[str, Any] | Iterable[ScriptEntry | Mapping[str, Any]] | Path | str | None = None,
        rules: Iterable[Rule | Mapping[str, Any]] = (),
        clock: Clock | None = None,
        latency: Latency | None = None,
        seed: int = 0,
        journal_length: int = JOURNAL_ENTRIES_MAX,
    ) -> None:
        self.script = Script.of(script)
        self.rules = Rules(rules, seed=seed)
        self.clock: Clock = clock or SystemClock()
        self.latency = latency or Latency()
        self.seed = seed
        self.journal = Journal(min(journal_length, JOURNAL_ENTRIES_MAX))

    def reset(self) -> None:
        """Go back to the state after construction: journal empty, counts zero, only the constructor's rules."""
        self.journal.clear()
        self.script.reset()
        self.rules.reset()
        self.clock.reset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI call."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(Exchange(scope, receive, send, self.clock))
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": "The emulator has no Live API."})

    async def _http(self, exchange: Exchange) -> None:
        try:
            if exchange.path.startswith(control.PREFIX):
                await control.answer(self, exchange)
            else:
                await self._native(exchange)
        except (ClientLeft, ConnectionCut):
            return
        finally:
            await exchange.close()

    async def _native(self, exchange: Exchange) -> None:
        began, secrets = elapsed_seconds(), access.secrets(exchange.headers, exchange.query)
        entry = self.journal.open(
            stamp(self.clock.now()), exchange.http_method, exchange.path, exchange.query, exchange.headers, secrets
        )
        try:
            await self._answer(exchange, entry, began)
            entry.complete = True
        except ClientLeft:
            entry.client_closed_early = True
            raise
        finally:
            entry.status = exchange.status
            entry.duration_seconds = round(elapsed_seconds() - began, 6)
            entry.finished = True

    async def _answer(self, exchange: Exchange, entry: Entry, began: float) -> None:
        fault, in_list = NO_FAULT, False
        try:
            data = await exchange.read_body()
            self.journal.keep_body(entry, data)
            found = routes.route(exchange.http_method, exchange.path)
            entry.native_method, entry.model = found.method, found.model
            in_list = found.method == "streamGenerateContent" and exchange.query.get("alt") != "sse"
            access.check(exchange.headers, exchange.query)
            routes.check_query(found.method, exchange.query)
            request = canonical(_decode(data), REQUEST_OF[found.method]) if found.method in REQUEST_OF else {}
            incoming = Incoming(found.method, found.model, exchange.headers, _inner(request))
            fault = self._fault(incoming, entry)
            error = faults.error_of(fault, found.model, found.version, found.method)
            if fault.status is not None and fault.error_after is None:
                await exchange.pause(fault.headers_delay)
                raise error
            delivery = Delivery(exchange, entry, _headers(began, incoming.request), fault, self.latency, b"\0", error)
            await self._dispatch(found, request, incoming, delivery)
        except NativeError as error:
            await send_error(exchange, error, fault, in_list=in_list, headers=_headers(began))
        except TimeoutError:
            await send_error(exchange, errors.deadline(), fault, in_list=in_list, headers=_headers(began))

    def _fault(self, incoming: Incoming, entry: Entry) -> Fault:
        try:
            found = self.rules.find(incoming)
        except ValueError as error:
            raise invalid(f"The emulator does not understand the fault that was asked for: {error}.") from None
        if found is None:
            return NO_FAULT
        entry.fault = found[0]
        return found[1]

    async def _dispatch(self, found: Route, request: dict[str, Any], incoming: Incoming, delivery: Delivery) -> None:
        match found.method:
            case "models.list":
                reply = _list_models(found.version, delivery.exchange.query)
            case "models.get":
                model = known(found.model, found.version)
                if model is None:
                    raise errors.unknown_model_get(found.model, found.version)
                reply = model.resource()
            case "countTokens":
                reply = _count_tokens(request, _model(found))
            case _:
                await self._generate(found, incoming, delivery)
                return
        await delivery.whole(reply)

    async def _generate(self, found: Route, incoming: Incoming, delivery: Delivery) -> None:
        request, model = incoming.request, _model(found)
        refusals.check(request, model)
        scripted = self.script.find(incoming)
        digest = digest_of(request, model, self.seed)
        if scripted is not None:
            delivery.entry.script = scripted[0]
        else:
            refusals.check_emulated(request, model)
        say = scripted[1] if scripted else None
        delivery = await _with_script_fault(delivery, say, digest, found)
        replies = self._replies(say, request, model, digest, delivery.fault, streamed=found.method != "generateContent")
        if found.method == "generateContent":
            await delivery.whole(replies[0])
        else:
            sse = delivery.exchange.query.get("alt") == "sse"
            await delivery.stream(replies, SSE() if sse else JSONArray())

    def _replies(
        self, say: Say | None, request: dict[str, Any], model: Model, digest: bytes, fault: Fault, *, streamed: bool
    ) -> list[dict[str, Any]]:
        """Make the events of an answer; a whole one is a list of one."""
        if say is not None and say.reply is not None:
            return [say.reply]
        if say is not None and say.replies:
            return say.replies if streamed else [folded(say.replies)]
        draft = _draft(say, request, model, fault)
        candidates = range(request.get("generationConfig", {}).get("candidateCount", 1))
        answers = [settle(draft, request, model, digest) for _ in candidates]
        about = Stamp(model, digest, count_prompt(request), request.get("serviceTier", "standard"))
        return events(answers, about) if streamed else [whole(answers, about)]


def _draft(say: Say | None, request: dict[str, Any], model: Model, fault: Fault) -> Draft:
    """Take the script's answer, or the emulator's own, with what the fault changes of it."""
    text = say.text if say is not None else None
    pieces = tuple(say.events) if say is not None and say.events is not None else ()
    return Draft(
        natural_text(request, model) if text is None and not pieces else text or "",
        pieces,
        tuple(say.thoughts or ()) if say is not None else (),
        fault.finish or (say.finish if say is not None else None) or "STOP",
        say.finish_message if say is not None else "",
        fault.blocked or (say.blocked if say is not None else None) or "",
        empty=fault.empty or (say is not None and say.empty) or text == "",
    )


async def _with_script_fault(delivery: Delivery, say: Say | None, digest: bytes, found: Route) -> Delivery:
    """Let a scripted error or fault take the place of the request's own."""
    fault, error = delivery.fault, delivery.error
    if say is not None and say.error is not None:
        told = say.error
        raise NativeError(told["code"], told.get("message", ""), told.get("status", ""), told.get("details", []))
    if say is not None and say.fault:
        fault = faults.parse(say.fault)
        error = faults.error_of(fault, found.model, found.version, found.method)
        if fault.status is not None and fault.error_after is None:
            await delivery.exchange.pause(fault.headers_delay)
            raise error
    return Delivery(delivery.exchange, delivery.entry, delivery.headers, fault, delivery.latency, digest, error)


def folded(replies: list[dict[str, Any]]) -> dict[str, Any]:
    """Make a whole answer of scripted stream replies: parts of the first candidate in order, the rest from the last."""
    parts = [
        part for reply in replies for candidate in reply.get("candidates", [])[:1]
        for part in candidate.get("content", {}).get("parts", [])
    ]  # fmt: skip
    result: dict[str, Any] = {}
    for reply in replies:
        result |= reply
    last = result.get("candidates", [{}])[:1]
    if last and parts:
        last = [{**last[0], "content": {"parts": parts, "role": "model"}}]
    return {**result, "candidates": last}


def _model(found: Route) -> Model:
    """Find the model, if it is there and has this method."""
    model = known(found.model, found.version)
    if model is None and found.model in RETIRED:
        raise errors.retired_model(found.model, RETIRED[found.model])
    needed = "countTokens" if found.method == "countTokens" else "generateContent"
    if model is None or needed not in model.methods:
        raise errors.unknown_model(found.model, found.version, found.method)
    return model


def _list_models(version: str, query: dict[str, str]) -> dict[str, Any]:
    """List a page of models. Default 50 (recorded), at most 1000."""
    size = routes.page_size(query, 50, 1000)
    token = query.get("pageToken", query.get("page_token", ""))
    try:
        start = int(base64.urlsafe_b64decode(token)) if token else 0
    except (binascii.Error, ValueError):
        raise invalid("Page token is invalid.") from None
    models = listed(version)
    page: dict[str, Any] = {"models": [model.resource() for model in models[start : start + size]]}
    if start + size < len(models):
        page["nextPageToken"] = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    return page


def _count_tokens(request: dict[str, Any], model: Model) -> dict[str, Any]:
    """Count a prompt, in either form of the body; the same number as `promptTokenCount`."""
    inner = request.get("generateContentRequest")
    if inner is not None and request.get("contents"):
        raise invalid("* CountTokensRequest.contents: contents and generate_content_request are exclusive\n")
    if inner is not None and not inner.get("model"):
        raise invalid("* CountTokensRequest.generate_content_request.model: model is not specified\n")
    counted = request if inner is None else inner
    prefix = "CountTokensRequest" + ("" if inner is None else ".generate_content_request")
    refusals.check_contents(counted.get("contents", []), prefix)
    refusals.check_countable(counted)
    tokens = count_prompt(counted)
    if tokens > model.input_token_limit:
        raise errors.context_overflow(model.input_token_limit)
    return {"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}


def _inner(request: dict[str, Any]) -> dict[str, Any]:
    inner = request.get("generateContentRequest", request)
    return inner if isinstance(inner, dict) else {}


def _decode(data: bytes) -> Any:
    """Read JSON strictly; an empty body is an empty message."""
    if not data.strip():
        return {}
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise invalid("Message too deep. Max recursion depth reached for key ''") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = str(error).removeprefix("JSON is malformed: ")
        raise bad_request([("", f"Invalid JSON payload received. {reason[:1].upper()}{reason[1:]}")]) from None


def _headers(began: float, request: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Headers of native answers (recorded): the time taken, and the service tier of generated ones."""
    headers = {"vary": "Origin, X-Origin, Referer", "server-timing": f"gfet4t7; dur={(elapsed_seconds() - began) * 1000:.0f}"}
    if request:
        headers["x-gemini-service-tier"] = request.get("serviceTier", "standard")
    return headers


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
