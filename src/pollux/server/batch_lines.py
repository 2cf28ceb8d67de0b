"""The requests in a batch, each by the functions that serve its live endpoint: body → native requests, results → body.

A line is planned twice: when the input is judged, and when its results are told; so nothing of it is kept between. What a
request asks for that a batch cannot give (a stream) is an error of its line.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from pollux.errors import InvalidRequest, UpstreamFailed
from pollux.server import bodies
from pollux.server.access import Caller
from pollux.server.drawing import Answered, as_it_came
from pollux.server.images import more_than, response_of
from pollux.server.media import RequestMedia
from pollux.translate import chat, chat_answer, embeddings, images, losses
from pollux.translate.batches import line_failure
from pollux.translate.chat_choice import ThoughtsForm
from pollux.translate.conformance import breaches
from pollux.translate.images_answer import drawn, image_content
from pollux.translate.media import Found, Source, sources
from pollux.translate.notes import Note
from pollux.translate.profiles import embedder, painter, profile
from pollux.translate.reader import ReplyReader
from pollux.wire.closed import Decoders
from pollux.wire.gemini.batches import ResultLine
from pollux.wire.gemini.embeddings import ReadEmbedding
from pollux.wire.gemini.generate import Shape, decode_reply, encode_request
from pollux.wire.openai.chat import ChatCompletionRequest
from pollux.wire.openai.embeddings import Embedding, EmbeddingList, EmbeddingsRequest, EmbeddingsUsage
from pollux.wire.openai.images import CreateImageRequest

if TYPE_CHECKING:
    from pollux.server.app import App

GENERATE, EMBED = "batchGenerateContent", "asyncBatchEmbedContent"

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Told:
    """The answer to a line: its body, and the tokens."""

    body: bytes
    usage: Any


class Line(Protocol):
    """A request of a batch, planned: which model and native method, which native requests, and how results are told."""

    model: str
    method: str
    requests: list[bytes]

    def answer(self, results: list[ResultLine], token: str, created: int) -> Told:
        """Say the results of the native requests as the endpoint would. Raises ApiError."""
        ...


@dataclass
class Planner:
    """Plans the lines of one batch. `models` remembers what each name that was asked for leads to.

    `sends` is false when the results are told: then media are not fetched or uploaded once more, only named.
    """

    app: "App"
    caller: Caller
    headers: Mapping[str, str]
    sends: bool
    models: dict[str, tuple[str, list[Note]]] = field(default_factory=dict)

    async def plan(self, endpoint: str, body: msgspec.Raw) -> Line:
        """Plan a line's body. Raises ApiError, naming the parameter."""
        if endpoint == "/v1/embeddings":
            return await self._embeddings(bytes(body))
        if endpoint == "/v1/images/generations":
            return await self._images(bytes(body))
        return await self._chat(bytes(body))

    async def _chat(self, body: bytes) -> Line:
        notes: list[Note] = []
        request = bodies.read_request(body, _chat_decoders, notes, nesting_max=self.app.settings.nesting_max)
        if request.stream:
            raise InvalidRequest("stream cannot be true in a batch: the answer is a line of a file.", param="stream")
        model = await self._model(request.model, notes)
        family = profile(model, self.app.settings.model_facts.get(model, ""))
        trail = chat.trail(request, family)
        remembered = await self.app.memory.recall(self.caller.owner, trail)
        held = _Held()
        try:
            plan = chat.to_gemini(request, family, trail, remembered, await self._media(sources(request.messages), held))
            encoded = encode_request(plan.native)
        finally:
            self.app.in_flight.release(held.held_bytes)
        if plan.speech is not None:
            raise InvalidRequest("A batch gives no sound; ask for text, or for sound live.", param="modalities")
        notes += plan.notes
        self._refuse_losses(notes)
        if self.sends and self.app.owned is not None:
            await self.app.owned.check_sent(self.caller, encoded.told)
        return _ChatLine(model, [encoded.body] * plan.calls, request.model, plan, notes, self.app.settings.thoughts)

    async def _embeddings(self, body: bytes) -> Line:
        notes: list[Note] = []
        try:
            request = bodies.read_request(body, _embeddings_decoders, notes, nesting_max=self.app.settings.nesting_max)
        except InvalidRequest as error:
            if error.param == "input" and error.code == "missing_required_parameter" and b'"messages"' in body:
                raise InvalidRequest(
                    "input is missing: this is an embeddings batch, and messages belong to /v1/chat/completions.",
                    param="input",
                    code="missing_required_parameter",
                ) from None
            raise
        model = await self._model(request.model, notes)
        family = embedder(model)
        held = _Held()
        try:
            found = await self._media(embeddings.sources(request) if family.media else [], held)
            plan = embeddings.to_gemini(request, model, family, found)
            encoded = [encode_request(msgspec.structs.replace(one, model=None)) for one in plan.inputs]
        finally:
            self.app.in_flight.release(held.held_bytes)
        notes += plan.notes
        self._refuse_losses(notes)
        if self.sends and self.app.owned is not None:
            for one in encoded:
                await self.app.owned.check_sent(self.caller, one.told)
        return _EmbeddingsLine(model, [one.body for one in encoded], request.model, plan, notes)

    async def _images(self, body: bytes) -> Line:
        notes: list[Note] = []
        request = bodies.read_request(body, _images_decoders, notes, nesting_max=self.app.settings.nesting_max)
        if request.stream:
            raise InvalidRequest("stream cannot be true in a batch: the answer is a line of a file.", param="stream")
        if request.response_format == "url":
            raise InvalidRequest(
                "A batch gives pictures as b64_json: a link would end before it is read.", param="response_format"
            )
        if request.model is None:
            raise InvalidRequest("model is missing.", param="model", code="missing_required_parameter")
        model = await self._model(request.model, notes)
        images.check_draws(model)
        plan = images.to_gemini(request, [images.prompt_part(request.prompt)], painter(model))
        notes += plan.notes
        if plan.output.format is not None:
            notes.append(Note("output_format", "approximated", "in a batch pictures are told as the model made them"))
        self._refuse_losses(notes)
        encoded = [encode_request(native) for native in plan.natives()]
        if self.sends and self.app.owned is not None:
            await self.app.owned.check_sent(self.caller, encoded[0].told)
        return _ImagesLine(model, [each.body for each in encoded], plan, notes)

    async def _media(self, wanted: list[Source], held: "_Held") -> list[Found]:
        """Find the media of a line. When results are told they are only named: nothing of them is in an answer."""
        if self.sends:
            return await RequestMedia(self.app, held, self.caller, self.headers).find(wanted)
        return [Found(source, source.label or "image/png", uri=source.path) for source in wanted]

    async def _model(self, name: str, notes: list[Note]) -> str:
        known = self.models.get(name)
        if known is None:
            aliased: list[Note] = []
            target = await self.app.aliases.resolve(name, self.caller, self.headers, aliased)
            known = self.models[name] = (target, aliased)
        notes += known[1]
        return known[0]

    def _refuse_losses(self, notes: list[Note]) -> None:
        if notes and self.sends and self.app.settings.strict:
            raise losses.refusal(notes)


@dataclass
class _Held:
    """Bytes of media that are held while a line is planned."""

    held_bytes: int = 0


@dataclass
class _ChatLine:
    """A chat completion."""

    model: str
    requests: list[bytes]
    asked_model: str
    plan: chat.Plan
    notes: list[Note]
    thoughts: ThoughtsForm
    method: str = GENERATE

    def answer(self, results: list[ResultLine], token: str, created: int) -> Told:
        toolbox = self.plan.toolbox
        telling = chat_answer.ChatTelling(
            chat_answer.Stamp(token, created), self.asked_model, toolbox=toolbox, thoughts=self.thoughts
        )
        for choice, result in enumerate(results):
            reply = _read(decode_reply, _response(result, self.model))
            single_call = toolbox.legacy or not toolbox.parallel
            reader = ReplyReader(single_call=single_call, choice=choice if len(results) > 1 else None)
            for event in [*reader.feed(reply), *reader.close()]:
                telling.feed(event)
        notes = [*self.notes, *breaches(self.plan, telling)]
        completion = telling.completion()
        if notes:
            completion.extra_content = {"pollux": losses.sheet(notes)}
        return Told(_encode(completion), completion.usage)


@dataclass
class _EmbeddingsLine:
    """Embeddings of one or many inputs."""

    model: str
    requests: list[bytes]
    asked_model: str
    plan: embeddings.Plan
    notes: list[Note]
    method: str = EMBED

    def answer(self, results: list[ResultLine], token: str, created: int) -> Told:  # noqa: ARG002 - embeddings have no id
        data, tokens, said_by = list[Embedding](), 0, "native"
        for index, result in enumerate(results):
            reply = _read(_decode_embedding, _response(result, self.model))
            try:
                data.append(Embedding(index, embeddings.vector(reply.embedding.values, self.plan)))
            except ValueError:
                raise UpstreamFailed("The Gemini API sent what is not a vector.", code="upstream_malformed") from None
            said = reply.usage_metadata.prompt_token_count if reply.usage_metadata else None
            if said is None:
                said_by = "estimated"
            tokens += said or 0
        if said_by == "estimated":
            tokens = embeddings.estimated_tokens(self.plan)
        usage = EmbeddingsUsage(tokens, tokens)
        extra = {"pollux": {"usage": said_by, **(losses.sheet(self.notes) if self.notes else {})}}
        answer = EmbeddingList(model=self.asked_model, data=data, usage=usage, extra_content=extra)
        return Told(_encode(answer), usage)


@dataclass
class _ImagesLine:
    """Pictures of a prompt."""

    model: str
    requests: list[bytes]
    plan: images.Plan
    notes: list[Note]
    method: str = GENERATE

    def answer(self, results: list[ResultLine], token: str, created: int) -> Told:  # noqa: ARG002 - pictures have no id
        answered: list[Answered] = []
        for place, result in enumerate(results):
            answer = drawn([_read(decode_reply, _response(result, self.model))])
            beside = image_content(answer)
            pictures = [as_it_came(mime_type, data, beside) for mime_type, data in answer.pictures]
            answered.append(Answered(place, pictures, answer.usage))
        notes = [*self.notes, *more_than(len(results), answered)]
        response = response_of(self.plan, answered, created)
        if notes:
            response.extra_content = {"pollux": losses.sheet(notes)}
        return Told(_encode(response), response.usage)


class _TokenCount(Shape):
    prompt_token_count: int | None = None


class _EmbedContentResponse(Shape):
    """The reply to one input. Source: Gemini API, EmbedContentResponse."""

    embedding: ReadEmbedding
    usage_metadata: _TokenCount | None = None


_chat_decoders = Decoders(ChatCompletionRequest)
_images_decoders = Decoders(CreateImageRequest)
_embeddings_decoders = Decoders(EmbeddingsRequest)
_decode_embedding = msgspec.json.Decoder(_EmbedContentResponse).decode


def token_of(batch_id: str, line: int) -> str:
    """Give the digits of a line's ids: the same each time it is told."""
    return hashlib.sha256(f"{batch_id} {line}".encode()).hexdigest()[:24]


def _response(result: ResultLine, model: str) -> bytes:
    if result.error is not None:
        raise line_failure(result.error, model)
    if not memoryview(result.response):
        raise UpstreamFailed("The Gemini API gave this request neither an answer nor an error.", code="upstream_malformed")
    return bytes(result.response)


def _read(decode: Any, body: bytes) -> Any:
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UpstreamFailed("The Gemini API sent what is not an answer.", code="upstream_malformed") from None
