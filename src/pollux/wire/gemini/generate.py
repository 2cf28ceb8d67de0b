"""Shapes of generateContent and streamGenerateContent.

Fields are optional where the service may omit them: it leaves out defaults, and everything in a reply may be missing.
Enumerations are strings, since the service adds values without notice. Keys that a shape does not name are dropped while
decoding; `second_look` finds them.

Source: Gemini API, generateContent; recorded traffic.
"""

import operator
from typing import Any, Self, cast

import msgspec
from msgspec import Struct

Json = dict[str, Any]


class Shape(Struct, rename="camel", omit_defaults=True, gc=False):
    """A native message: snake case here, camel case on the wire, absent fields left out.

    Messages are trees, so the garbage collector need not follow them.
    """


class Base64:
    """Base64 that is on its way to Gemini: views of the request's body, or pieces made of what was fetched.

    It stands for a text in `Blob.data`; `encode_request` makes it a part of the body, so that it is not copied.
    """

    __slots__ = ("pieces", "size")

    def __init__(self, *pieces: bytes | memoryview) -> None:
        self.pieces = pieces
        self.size = sum(map(len, pieces))

    def __deepcopy__(self, _memo: object) -> Self:
        """Nothing of it changes, and it may be large: a copied request shares it."""
        return self


class Blob(Shape):
    """Media inside a message; `data` is base64."""

    mime_type: str | None = None
    data: str | None = None


class FileData(Shape):
    """Media by reference."""

    file_uri: str | None = None
    mime_type: str | None = None


class FunctionCall(Shape):
    """A call that the model asks for; `args` may be missing when there are none."""

    id: str | None = None
    name: str | None = None
    args: Json | None = None
    partial_args: list[Json] | None = None
    will_continue: bool | None = None


class FunctionResponse(Shape):
    """The result of a call; `response` is always an object."""

    id: str | None = None
    name: str | None = None
    response: Json | None = None
    parts: list[Any] | None = None


class MediaResolution(Shape):
    """How finely one part is looked at."""

    level: str | None = None


class Part(Shape):
    """One piece of a message: exactly one data field, and modifiers."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    media_resolution: MediaResolution | None = None
    video_metadata: Json | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: Json | None = None
    code_execution_result: Json | None = None
    tool_call: Json | None = None
    tool_response: Json | None = None
    audio_transcription: Json | None = None
    unnamed: Json | None = None
    """A part of a kind that is not named above, as plain JSON; `decode_reply` sets it."""


class Content(Shape):
    """A message: who speaks, and its parts."""

    parts: list[Part] | None = None
    role: str | None = None


class ThinkingConfig(Shape):
    """How much the model thinks: a level (Gemini 3 and later) or a budget in tokens (2.5), never both."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class GenerationConfig(Shape):
    """Settings of one generation. `max_output_tokens` includes the thinking."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    candidate_count: int | None = None
    max_output_tokens: int | None = None
    stop_sequences: list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    media_resolution: str | None = None
    image_config: Json | None = None
    response_mime_type: str | None = None
    response_json_schema: Any = None
    thinking_config: ThinkingConfig | None = None
    response_modalities: list[str] | None = None
    speech_config: Json | None = None
    audio_transcription_config: Json | None = None


class FunctionDeclaration(Shape):
    """A function that the model may call; its parameters as JSON Schema."""

    name: str
    description: str | None = None
    parameters_json_schema: Any = None


class FunctionCallingConfig(Shape):
    """Whether functions must, may or may not be called, and which."""

    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Shape):
    """How the tools are used."""

    function_calling_config: FunctionCallingConfig | None = None
    include_server_side_tool_invocations: bool | None = None
    retrieval_config: Json | None = None


class SafetySetting(Shape):
    """From which probability on a kind of harm is blocked."""

    category: str
    threshold: str


class GenerateContentRequest(Shape):
    """The body of generateContent and streamGenerateContent. A tool is an object with one key, its kind."""

    contents: list[Content]
    system_instruction: Content | None = None
    tools: list[Json] | None = None
    tool_config: ToolConfig | None = None
    safety_settings: list[SafetySetting] | None = None
    generation_config: GenerationConfig | None = None
    cached_content: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    labels: dict[str, str] | None = None
    continuation_token: str | None = None


class ModalityTokenCount(Shape):
    """Tokens of one modality: TEXT, IMAGE, VIDEO, AUDIO, DOCUMENT."""

    modality: str | None = None
    token_count: int | None = None


class UsageMetadata(Shape):
    """Tokens of a reply; in streams running totals that may change from event to event."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    total_token_count: int | None = None
    prompt_tokens_details: list[ModalityTokenCount] | None = None
    candidates_tokens_details: list[ModalityTokenCount] | None = None
    cache_tokens_details: list[ModalityTokenCount] | None = None
    tool_use_prompt_tokens_details: list[ModalityTokenCount] | None = None
    service_tier: str | None = None
    traffic_type: str | None = None


class ReplyPart(Part, forbid_unknown_fields=True):
    """A part of a reply. An unknown key in it fails, so that it is not dropped unseen; `decode_reply` looks again then."""


class ReplyContent(Shape, forbid_unknown_fields=True):
    """A message of a reply, or a piece of it."""

    parts: list[ReplyPart] | None = None
    role: str | None = None


class Candidate(Shape, forbid_unknown_fields=True):
    """One answer. `index` absent is 0; `finish_reason` absent is not finished yet.

    `unknown`: what no shape names, by its key.
    """

    index: int | None = None
    content: ReplyContent | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    safety_ratings: list[Json] | None = None
    citation_metadata: Json | None = None
    grounding_metadata: Json | None = None
    url_context_metadata: Json | None = None
    avg_logprobs: float | None = None
    logprobs_result: Json | None = None
    token_count: int | None = None
    continuation_token: str | None = None
    unknown: Json | None = None


class PromptFeedback(Shape):
    """Why a prompt was blocked; then there are no candidates."""

    block_reason: str | None = None
    block_reason_message: str | None = None
    safety_ratings: list[Json] | None = None


class GenerateContentResponse(Shape, forbid_unknown_fields=True):
    """A reply, or one event of a streamed reply. `error` is set when a stream fails after its start.

    `unknown`: what no shape names, by its key.
    """

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str | None = None
    response_id: str | None = None
    model_status: Json | None = None
    create_time: str | None = None
    error: Json | None = None
    unknown: Json | None = None


def inline_part(mime_type: str, data: Base64) -> Part:
    """Make a part of media that are on their way."""
    return Part(inline_data=Blob(mime_type=mime_type, data=cast("str", data)))  # fields are not checked while encoding


class Encoded(Struct, frozen=True):
    """A request's body in parts, and the same without its media: what of it is worth looking into."""

    parts: tuple[bytes | memoryview, ...]
    told: bytes

    @property
    def body(self) -> bytes:
        """The parts joined."""
        return b"".join(self.parts)


def encode_request(request: Struct) -> Encoded:
    """Write a request. Media are parts of its body: their base64 stays where it lies."""
    media: list[Base64] = []

    def placeholder(value: Any) -> msgspec.Raw:
        assert isinstance(value, Base64)
        media.append(value)
        return _PLACEHOLDER

    told = msgspec.json.encode(request, enc_hook=placeholder)
    if not media:
        return Encoded((told,), told)
    between = told.split(b"\x00")  # encoded JSON holds no such byte elsewhere
    pieces: list[bytes | memoryview] = [between[0]]
    for data, rest in zip(media, between[1:], strict=True):
        pieces += (*data.pieces, rest)
    return Encoded(tuple(pieces), told.replace(b"\x00", b""))


_PLACEHOLDER = msgspec.Raw(b'"\x00"')

_reply_decoder = msgspec.json.Decoder(GenerateContentResponse)
_MODIFIERS = {"thought", "thought_signature", "media_resolution", "video_metadata", "unnamed"}
_DATA_FIELDS = tuple(name for name in Part.__struct_fields__ if name not in _MODIFIERS)
_data_of = operator.attrgetter(*_DATA_FIELDS)
_NO_DATA = (None,) * len(_DATA_FIELDS)


def decode_reply(body: bytes) -> GenerateContentResponse:
    """Read a reply. A part of an unknown kind is kept as plain JSON; so are unknown keys of replies, candidates and parts.

    Raises msgspec.DecodeError (or its subclass ValidationError) when it is no reply.
    """
    try:
        reply = _reply_decoder.decode(body)
    except msgspec.ValidationError:
        reply = msgspec.convert(_with_unknown_apart(msgspec.json.decode(body)), GenerateContentResponse)
    for candidate in reply.candidates or ():
        content = candidate.content
        if content is not None:
            for part in content.parts or ():
                if part.text is None and part.function_call is None and _data_of(part) == _NO_DATA:
                    _keep_unnamed(reply, body)
                    return reply
    return reply


_KEYS: dict[type[Shape], frozenset[str]] = {
    shape: frozenset(shape.__struct_encode_fields__) - {"unknown"}
    for shape in (GenerateContentResponse, Candidate, ReplyContent, ReplyPart)
}


def _with_unknown_apart(reply: Any) -> Any:
    """Put the unknown keys of a reply, and of each candidate with its content and parts, under `unknown`."""
    if not isinstance(reply, dict):
        return reply
    reply, unknown = _parted(reply, GenerateContentResponse)
    candidates = reply.get("candidates")
    if isinstance(candidates, list):
        reply["candidates"] = [_candidate_apart(one) if isinstance(one, dict) else one for one in candidates]
    return reply | ({"unknown": unknown} if unknown else {})


def _candidate_apart(candidate: Json) -> Json:
    candidate, unknown = _parted(candidate, Candidate)
    content = candidate.get("content")
    if isinstance(content, dict):
        content, beside = _parted(content, ReplyContent)
        unknown |= beside
        candidate["content"] = content
        if isinstance(content.get("parts"), list):
            parted = [_parted(part, ReplyPart) if isinstance(part, dict) else (part, {}) for part in content["parts"]]
            content["parts"] = [part for part, _ in parted]
            for part, beside in parted:
                if isinstance(part, dict) and part.keys() - {"thought", "thoughtSignature"}:  # else its kind is unknown
                    unknown |= beside
    return candidate | ({"unknown": unknown} if unknown else {})


def _parted(value: Json, shape: type[Shape]) -> tuple[Json, Json]:
    known = _KEYS[shape]
    return {k: v for k, v in value.items() if k in known}, {k: v for k, v in value.items() if k not in known}


def _keep_unnamed(reply: GenerateContentResponse, body: bytes) -> None:
    plain = msgspec.json.decode(body)
    for i, candidate in enumerate(reply.candidates or ()):
        for j, part in enumerate(candidate.content.parts or () if candidate.content is not None else ()):
            if _data_of(part) == _NO_DATA:
                part.unnamed = plain["candidates"][i]["content"]["parts"][j]


def second_look(body: bytes, reply: GenerateContentResponse) -> list[str]:
    """List what decoding dropped: the paths of keys in `body` that no shape names, as in `candidates[0].newThing`."""
    dropped: list[str] = []
    _compare(msgspec.json.decode(body), msgspec.to_builtins(reply), "", dropped)
    survives = {key for candidate in reply.candidates or () for key in candidate.unknown or ()}
    return [path for path in dropped if path.rpartition(".")[2] not in survives]


def _compare(sent: Any, kept: Any, path: str, dropped: list[str]) -> None:
    match sent, kept:
        case dict(), dict():
            kept = kept.get("unnamed", kept) | kept.get("unknown", {})  # a part of an unknown kind is kept whole
            for key, value in sent.items():
                if key in kept:
                    _compare(value, kept[key], f"{path}.{key}" if path else key, dropped)
                elif value not in (None, False, "", [], {}):
                    dropped.append(f"{path}.{key}" if path else key)
        case list(), list():
            for i, (one, other) in enumerate(zip(sent, kept, strict=True)):
                _compare(one, other, f"{path}[{i}]", dropped)
