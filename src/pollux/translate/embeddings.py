"""Embeddings: request → native inputs, and native vectors → the answer's."""

import dataclasses
import math
import struct
from binascii import b2a_base64
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from pollux.errors import InvalidRequest, Unsupported
from pollux.translate import content, extras, parameters
from pollux.translate.media import KINDS, Found, Media, Source, source
from pollux.translate.notes import Note
from pollux.translate.profiles import NEWEST, Embedder
from pollux.wire.gemini.embeddings import EmbedContentRequest
from pollux.wire.gemini.generate import Content, Part
from pollux.wire.openai import embeddings as wire
from pollux.wire.openai.chat import NULL, ContentPart

INPUTS_MAX = 2048
"""Most inputs of one request. Source: OpenAI API, Create embeddings."""

INPUTS_PER_CALL = 100
"""Most inputs of one native call; more are refused. Source: Gemini API, batchEmbedContents."""

DIMENSIONS_MAX = 65_536
"""Far above any model's; the service says what a model has."""

TITLE_CHARS_MAX = 2048

TASK_PREFIX = {
    "RETRIEVAL_QUERY": "task: search result | query: {}",
    "RETRIEVAL_DOCUMENT": "title: {title} | text: {}",
    "QUESTION_ANSWERING": "task: question answering | query: {}",
    "FACT_VERIFICATION": "task: fact checking | query: {}",
    "CODE_RETRIEVAL_QUERY": "task: code retrieval | query: {}",
    "CLASSIFICATION": "task: classification | query: {}",
    "CLUSTERING": "task: clustering | query: {}",
    "SEMANTIC_SIMILARITY": "task: sentence similarity | query: {}",
}
"""Gemini's tasks, and the text that says each to a model without a `taskType`. Source: Gemini API, Embeddings."""

NO_TITLE = "none"

PLAIN = dataclasses.replace(NEWEST, resolution_by_part=False)
"""Media of embeddings have no resolution of their own."""

HEAD_BYTES = 32
"""Of a vector's JSON: enough for its bracket and the white space before the first number."""

CHARS_PER_TOKEN = 4
"""Rule of thumb, where nobody counts. Source: Gemini API, Understand and count tokens."""


class Plan(Struct, frozen=True):
    """A request on its way: one native request for each vector, and how the vectors are told.

    `unit`: they are scaled to length 1. `packed`: as base64 of 32-bit floats.
    """

    inputs: list[EmbedContentRequest]
    notes: list[Note]
    unit: bool
    packed: bool

    @property
    def reads(self) -> bool:
        """Say whether the numbers are read; else their JSON goes on as it came."""
        return self.unit or self.packed


def sources(request: wire.EmbeddingsRequest) -> list[Source]:
    """Gather the media of the inputs, in order. Raises InvalidRequest, naming the part."""
    found = []
    for place, given in _inputs(request.input):
        for path, one in _content_parts(given, place):
            if one.type in KINDS:
                found.append(source(one, path))
    return found


def to_gemini(request: wire.EmbeddingsRequest, model: str, embedder: Embedder, found: Iterable[Found] = ()) -> Plan:
    """Give the native requests. `model` is the bare id that goes upstream. Raises InvalidRequest, naming the place.

    `found` are the media that `sources` named, as the server found them.

    Source: OpenAI API, Create embeddings; Gemini API, Embeddings.
    Loses: `user`, which has no counterpart; `title` without the task that has one; the `detail` of media.
    """
    notes: list[Note] = []
    media = Media(found, PLAIN, notes)
    parameters.in_range("dimensions", request.dimensions, 1, DIMENSIONS_MAX)
    if request.encoding_format not in (None, "float", "base64"):
        raise InvalidRequest(
            f"encoding_format must be float or base64; it is {request.encoding_format[:40]!r}.", param="encoding_format"
        )
    if request.user is not NULL and bytes(request.user) != b"null":
        notes.append(Note("user", "ignored", "the native API has no counterpart"))
    task, title = _task(request, notes)
    prefix = None if task is None or embedder.task_field else TASK_PREFIX[task]
    inputs = []
    for place, given in _inputs(request.input):
        if not embedder.media and any(one.type in KINDS for _, one in _content_parts(given, place)):
            raise Unsupported(f"{place}: {model} takes texts only; gemini-embedding-2 takes media.", param=place)
        parts = _parts(given, place, media)
        if prefix is not None:
            _add_prefix(parts, prefix, title)
        inputs.append(
            EmbedContentRequest(
                model=f"models/{model}",
                content=Content(parts=parts),
                task_type=task if prefix is None else None,
                title=title if prefix is None else None,
                output_dimensionality=request.dimensions,
            )
        )
    unit = embedder.unit_size is not None and request.dimensions not in (None, embedder.unit_size)
    return Plan(inputs, notes, unit, packed=request.encoding_format == "base64")


def vector(values: msgspec.Raw | list[float], plan: Plan) -> msgspec.Raw:
    """Give the JSON of one native vector as the caller asked for it: as it came, or the numbers (`Plan.reads`) in another form.

    Raises ValueError where it is no vector. Loses: nothing as floats; base64 has OpenAI's 32 bits a number, and the native
    API does not send more.
    """
    if not isinstance(values, list):
        if b"\n" in bytes(memoryview(values)[:HEAD_BYTES]):  # written for people, from the first number on
            return msgspec.Raw(bytes(values).translate(None, b" \r\n\t"))
        return values
    if plan.unit:
        length = math.hypot(*values)
        if length > 0:
            values = [value / length for value in values]
    if not plan.packed:
        return msgspec.Raw(msgspec.json.encode(values))
    try:
        packed = struct.pack(f"<{len(values)}f", *values)
    except (OverflowError, struct.error) as error:
        raise ValueError(str(error)) from None
    return msgspec.Raw(b'"%b"' % b2a_base64(packed, newline=False))


def estimated_tokens(plan: Plan) -> int:
    """Guess the tokens of the inputs' texts, at least one for each."""
    return sum(
        max(1, sum(len(part.text or "") for part in given.content.parts) // CHARS_PER_TOKEN)
        for given in plan.inputs
        if given.content is not None and given.content.parts is not None
    )


def _inputs(given: wire.EmbeddingInput) -> list[tuple[str, Any]]:
    """Give the inputs, each with its place. Raises InvalidRequest when there are none, or too many."""
    if not isinstance(given, list):
        return [("input", given)]
    if not given:
        raise InvalidRequest("input is empty; give a text or a list of texts.", param="input")
    if isinstance(given[0], int):
        _refuse_tokens("input")
    if len(given) > INPUTS_MAX:
        raise InvalidRequest(f"input has {len(given)} entries; at most {INPUTS_MAX} are taken.", param="input")
    return [(f"input[{i}]", one) for i, one in enumerate(given)]


def _parts(given: str | int | ContentPart | list[int | ContentPart], place: str, media: Media) -> list[Part]:
    """Say one input in native parts."""
    match given:
        case "":
            raise InvalidRequest(f"{place} is an empty text, which has no vector.", param=place)
        case str():
            return [Part(text=given)]
        case []:
            raise InvalidRequest(f"{place} is empty; give a text, or content parts.", param=place)
    parts = _content_parts(given, place)
    if not parts:
        _refuse_tokens(place)
    return [content.part(one, path, media) for path, one in parts]


def _content_parts(given: Any, place: str) -> list[tuple[str, ContentPart]]:
    """Give the content parts of one input, each with its place; none where it is a text or token ids."""
    match given:
        case ContentPart():
            return [(place, given)]
        case [ContentPart(), *_] if not any(isinstance(part, int) for part in given):
            return [(f"{place}[{i}]", part) for i, part in enumerate(given)]
    return []


def _refuse_tokens(place: str) -> None:
    raise Unsupported(
        f"{place} holds token ids. They belong to OpenAI's tokenizer, and Gemini has another: send the text itself. "
        "(LangChain: check_embedding_ctx_length=False.)",
        param=place,
        code="unsupported_value",
    )


def _task(request: wire.EmbeddingsRequest, notes: list[Note]) -> tuple[str | None, str | None]:
    """Read the task and the title out of Gemini's own fields."""
    task: str | None = None
    title: str | None = None
    title_path = ""
    for name, (value, path) in extras.fields(request.extra_body, request.google).items():
        match name:
            case "task_type":
                task = _known_task(value, path)
            case "title":
                if not isinstance(value, str) or len(value) > TITLE_CHARS_MAX:
                    raise InvalidRequest(f"{path} must be a text of at most {TITLE_CHARS_MAX} characters.", param=path)
                title, title_path = value, path
            case _:
                notes.append(Note(path, "ignored", "there is no such field for embeddings"))
    if title is not None and task != "RETRIEVAL_DOCUMENT":
        notes.append(Note(title_path, "ignored", "only the task RETRIEVAL_DOCUMENT has a title"))
        title = None
    return task, title


def _known_task(value: Any, path: str) -> str:
    task = value.upper() if isinstance(value, str) else ""
    if task not in TASK_PREFIX:
        raise InvalidRequest(f"{path} must be one of {', '.join(TASK_PREFIX)}.", param=path)
    return task


def _add_prefix(parts: list[Part], prefix: str, title: str | None) -> None:
    """Say the task before the first text of an input; media alone have no task."""
    for part in parts:
        if part.text is not None:
            before, _, after = prefix.partition("{}")
            part.text = f"{before.replace('{title}', title or NO_TITLE)}{part.text}{after}"
            return
