"""The emulator: an ASGI application that speaks the native Gemini API.

    request → route → key → shape → fault → model → script → meaning → answer → events

What each step refuses, and in which words, stands in the module of its name. The application keeps nothing but its
journal, its counts and its rules; the same request brings the same answer, apart from times.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from pollux.emulator import access, control, embedding, errors, faults, listing, routes, uploads, video_requests
from pollux.emulator.batch_lines import Answering
from pollux.emulator.clock import Clock, SystemClock, elapsed_seconds, stamp
from pollux.emulator.errors import NativeError, bad_request, invalid
from pollux.emulator.exchange import ClientLeft, ConnectionCut, Exchange, Receive, Scope, Send
from pollux.emulator.faults import Fault
from pollux.emulator.generating import generate, line_reply
from pollux.emulator.journal import Entry, Journal
from pollux.emulator.limits import JOURNAL_ENTRIES_MAX
from pollux.emulator.matching import Incoming
from pollux.emulator.resources import Resources
from pollux.emulator.routes import Route
from pollux.emulator.rules import Rule, Rules
from pollux.emulator.script import Entry as ScriptEntry
from pollux.emulator.script import Script
from pollux.emulator.sending import NO_FAULT, Delivery, Latency, send_error
from pollux.emulator.shapes import canonical

REQUEST_OF = {
    "generateContent": "GenerateContentRequest",
    "streamGenerateContent": "GenerateContentRequest",
    "countTokens": "CountTokensRequest",
    "embedContent": "EmbedContentRequest",
    "predictLongRunning": "PredictLongRunningRequest",
    "batchEmbedContents": "BatchEmbedContentsRequest",
    "media.upload.start": "CreateFileRequest",
    "files.register": "RegisterFilesRequest",
    "batchGenerateContent": "BatchGenerateContentRequest",
    "asyncBatchEmbedContent": "AsyncBatchEmbedContentRequest",
    "cachedContents.create": "CachedContent",
    "cachedContents.patch": "CachedContent",
}

RESOURCES = ("files.", "media.", "cachedContents.", "batches.", "operations.", "interactions.")
"""What the methods of kept things begin with."""


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
        self.resources = Resources(self.clock, seed)
        self.files, self.projects = self.resources.files, self.resources.projects

    def reset(self) -> None:
        """Go back to the state after construction: journal and files empty, counts zero, only the constructor's rules."""
        self.journal.clear()
        self.script.reset()
        self.rules.reset()
        self.clock.reset()
        self.resources.clear()

    def close(self) -> None:
        """Delete all files that callers uploaded; the end of the program does it too."""
        self.resources.clear()

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
        secrets = access.secrets(exchange.headers, exchange.query)
        entry = exchange.entry = self.journal.open(
            stamp(self.clock.now()), exchange.http_method, exchange.path, exchange.query, exchange.headers, secrets
        )
        try:
            await self._answer(exchange, entry)
        except ClientLeft:
            entry.client_closed_early = True
            raise
        finally:
            entry.end()

    async def _answer(self, exchange: Exchange, entry: Entry) -> None:
        fault, in_list = NO_FAULT, False
        try:
            found, data = await self._read(exchange, entry)
            entry.native_method, entry.model = found.method, found.model
            in_list = found.method == "streamGenerateContent" and exchange.query.get("alt") != "sse"
            if not uploads.has_own_right(found):
                access.check(exchange.headers, exchange.query)
            routes.check_query(found.method, exchange.query)
            request = _request(found.method, data)
            incoming = _incoming(found, exchange, request)
            fault = self._fault(incoming, entry)
            error = faults.error_of(fault, found.model, found.version, found.method)
            if faults.is_refusal(fault):
                await exchange.skip_body()
                await exchange.pause(fault.headers_delay)
                raise error
            generated = found.method in ("generateContent", "streamGenerateContent")
            headers = _headers(entry.began, incoming.request if generated else None)
            delivery = Delivery(exchange, entry, headers, fault, self.latency, b"\0", error)
            await self._dispatch(found, request, incoming, delivery)
        except NativeError as error:
            await send_error(exchange, error, fault, in_list=in_list, headers=_headers(entry.began))
        except TimeoutError:
            await send_error(exchange, errors.deadline(), fault, in_list=in_list, headers=_headers(entry.began))

    async def _read(self, exchange: Exchange, entry: Entry) -> tuple[Route, bytes]:
        """Find the method and read the body; the bytes of an upload are left to be read as they come."""
        if exchange.path.startswith(routes.UPLOADS):
            found = uploads.step(routes.route(exchange.http_method, exchange.path), exchange)
            data = b"" if found.method in uploads.STREAMED else await exchange.read_body()
            self.journal.keep_body(entry, data)
            return found, data
        data = await exchange.read_body()
        self.journal.keep_body(entry, data)
        return routes.route(exchange.http_method, exchange.path), data

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
                await delivery.whole(listing.list_models(found.version, delivery.exchange.query))
            case "models.get":
                await delivery.whole(listing.get_model(found.model, found.version))
            case "countTokens":
                model = listing.model_for(found)
                inner = await self.resources.resolved(incoming.request, model, delivery.exchange)
                counted = inner if incoming.request is request else {**request, "generateContentRequest": inner}
                await delivery.whole(listing.count_tokens(counted, model))
            case "embedContent":
                await delivery.whole(embedding.embed_one(request, listing.model_for(found)))
            case "batchEmbedContents":
                await delivery.whole(embedding.embed_batch(request, listing.model_for(found)))
            case "batchGenerateContent" | "asyncBatchEmbedContent":
                await self.resources.create_batch(
                    found, request, delivery, self._line_answering(found, incoming, delivery.exchange)
                )
            case "predictLongRunning":
                await self.resources.begin(listing.model_for(found), request, delivery)
            case _ if found.method.startswith(RESOURCES):
                await self.resources.answer(found, request, delivery)
            case _:
                model = listing.model_for(found)
                resolved = await self.resources.resolved(incoming.request, model, delivery.exchange)
                await generate(found, model, replace(incoming, request=resolved), self.script, self.seed, delivery)

    def _line_answering(self, found: Route, incoming: Incoming, exchange: Exchange) -> Answering:
        """Say how one line of a batch is answered: as the live method would, scripts included."""

        async def answer(request: dict[str, Any]) -> Any:
            if found.method == "asyncBatchEmbedContent":
                return embedding.embed_one(request, listing.model_for(replace(found, method="embedContent")))
            model = listing.model_for(replace(found, method="generateContent"))
            resolved = await self.resources.resolved(request, model, exchange)
            line = replace(incoming, method="generateContent", request=resolved)
            return await line_reply(model, line, self.script, self.seed)

        return answer


def _request(method: str, data: bytes) -> dict[str, Any]:
    """Read a body as its method's message; the Interactions API reads its own."""
    if method == "interactions.create":
        body = _decode(data)
        return body if isinstance(body, dict) else {}
    return canonical(_decode(data), REQUEST_OF[method]) if method in REQUEST_OF else {}


def _incoming(found: Route, exchange: Exchange, request: dict[str, Any]) -> Incoming:
    """Say what rules and scripts look at; of films the prompt is the user's text."""
    if found.method not in ("predictLongRunning", "interactions.create"):
        return Incoming(found.method, found.model, exchange.headers, _inner(request))
    prompt, model = video_requests.prompt_of(request), found.model or str(request.get("model", ""))
    contents = [{"role": "user", "parts": [{"text": prompt}]}]
    return Incoming(found.method, model, exchange.headers, {"contents": contents})


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
