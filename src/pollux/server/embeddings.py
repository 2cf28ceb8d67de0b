"""POST /embeddings: any number of inputs, in native calls of at most a hundred, side by side and in order."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from pollux.errors import ApiError, UpstreamFailed
from pollux.server import bodies, report
from pollux.server.access import Caller
from pollux.server.exchange import Exchange
from pollux.server.media import RequestMedia
from pollux.translate import embeddings
from pollux.translate.profiles import Embedder, embedder
from pollux.wire.closed import Decoders
from pollux.wire.gemini.embeddings import BatchEmbedContentsRequest, EmbedContentRequest, Vectors
from pollux.wire.gemini.generate import Content, encode_request
from pollux.wire.openai.embeddings import Embedding, EmbeddingList, EmbeddingsRequest, EmbeddingsUsage

if TYPE_CHECKING:
    from pollux.server.app import App

CALLS_AT_ONCE = 4
"""Native calls of one request that run side by side; 2,048 inputs make 21."""

_decoders = Decoders(EmbeddingsRequest)
_encode = msgspec.json.Encoder().encode


async def create_embeddings(app: "App", exchange: Exchange) -> None:
    """Answer with a vector for each input."""
    caller = app.authenticated(exchange)
    body = await app.body(exchange)
    request = bodies.read_request(body, _decoders, exchange.notes, nesting_max=app.settings.nesting_max)
    exchange.model = request.model
    headers = app.upstream_headers(exchange)
    exchange.watch()
    model = await app.aliases.resolve(request.model, caller, headers, exchange.notes)
    family = embedder(model)
    wanted = embeddings.sources(request) if family.media else []
    found = await RequestMedia(app, exchange, caller, headers).find(wanted)
    plan = embeddings.to_gemini(request, model, family, found)
    exchange.notes += plan.notes
    report.refuse_losses(app, exchange)
    exchange.reports_in_body = report.wanted_in_body(app, exchange)
    calling = _Calling(app, caller, headers, model)
    replies, counted = await calling.all(plan, family)
    tokens, said_by = _tokens(plan, replies, counted)
    exchange.tokens = (tokens, 0)
    data = [vector for reply, inputs in replies for vector in _vectors(reply, inputs, plan)]
    for index, vector in enumerate(data):
        vector.index = index
    usage = EmbeddingsUsage(tokens, tokens)
    answer = EmbeddingList(model=request.model, data=data, usage=usage, extra_content={"pollux": {"usage": said_by}})
    report.attach(exchange, answer)
    await exchange.answer(200, _encode(answer))


Replied = tuple[Vectors, list[EmbedContentRequest]]


class _Calling:
    """The native calls of one request."""

    def __init__(self, app: "App", caller: Caller, headers: Mapping[str, str], model: str) -> None:
        self._app = app
        self._caller = caller
        self._headers = headers
        self._model = model
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)

    async def all(self, plan: embeddings.Plan, family: Embedder) -> tuple[list[Replied], list[int | None]]:
        """Give the replies in order, and what was counted. Raises the first ApiError; the other calls are then cancelled."""
        counts = self._app.settings.embedding_usage == "count" and not family.tells_usage
        step = embeddings.INPUTS_PER_CALL
        chunks = [plan.inputs[start : start + step] for start in range(0, len(plan.inputs), step)]
        try:
            async with asyncio.TaskGroup() as group:
                replies = [group.create_task(self._embed(chunk, plan)) for chunk in chunks]
                counted = [group.create_task(self._count(chunk)) for chunk in chunks] if counts else []
        except BaseExceptionGroup as failed:
            raise _first(failed) from None
        return [task.result() for task in replies], [task.result() for task in counted]

    async def _embed(self, inputs: list[EmbedContentRequest], plan: embeddings.Plan) -> Replied:
        encoded = encode_request(BatchEmbedContentsRequest(inputs))
        async with self._slots:
            if self._app.owned is not None:
                await self._app.owned.check_sent(self._caller, encoded.told)
            reply = await self._app.client.embed_contents(
                self._model, encoded.body, read=plan.reads, key=self._caller.upstream_key, headers=self._headers
            )
        got = len(reply.embeddings or ())
        if got != len(inputs):
            raise UpstreamFailed(f"The Gemini API sent {got} vectors for {len(inputs)} inputs.", code="upstream_malformed")
        return reply, inputs

    async def _count(self, inputs: list[EmbedContentRequest]) -> int | None:
        body = encode_request(_Counted([one.content for one in inputs])).body
        async with self._slots:
            try:
                return await self._app.client.count_tokens(
                    self._model, body, key=self._caller.upstream_key, headers=self._headers
                )
            except ApiError:
                return None  # the vectors are what was asked for; the tokens are then estimated


class _Counted(msgspec.Struct):
    """What countTokens is asked."""

    contents: list[Content | None]


def _tokens(plan: embeddings.Plan, replies: list[Replied], counted: list[int | None]) -> tuple[int, str]:
    """Give the tokens of all inputs, and who says so: native, counted or estimated."""
    native = [None if reply.usage_metadata is None else reply.usage_metadata.prompt_token_count for reply, _ in replies]
    for said_by, numbers in (("native", native), ("counted", counted)):
        known = [number for number in numbers if number is not None]
        if known and len(known) == len(replies):
            return sum(known), said_by
    return embeddings.estimated_tokens(plan), "estimated"


def _vectors(reply: Vectors, inputs: list[EmbedContentRequest], plan: embeddings.Plan) -> list[Embedding]:
    try:
        return [Embedding(0, embeddings.vector(one.values, plan)) for one in (reply.embeddings or [])[: len(inputs)]]
    except ValueError:
        raise UpstreamFailed("The Gemini API sent what is not a vector.", code="upstream_malformed") from None


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    """Give the first of several failures."""
    first = failed.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
