"""Shapes of chat completions.

In requests every known parameter is a field, so that its fate can be decided by name (`translate.parameters`); explicit null
is absence. In answers a field is left out (UNSET) or sent (also as null) as OpenAI's document requires.

Source: OpenAI API, Create chat completion.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

Json = dict[str, Any]

NULL = msgspec.Raw(b"null")
"""A field that is not given. What nobody reads is not decoded: a caller may send 100 MB of it."""

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class MediaUrl(Struct, gc=False):
    """A data URL or an address of media. `url` stays as it came, a view of the body: it may be 100 MB.

    OpenAI has `url` and `detail`. `format`, a media type, and `video_metadata` are other clients'.
    """

    url: msgspec.Raw = NULL
    detail: str | None = None
    format: str | None = None
    video_metadata: Json | None = None


class InputAudio(Struct, gc=False):
    """Sound in base64; a view of the body, like a URL."""

    data: msgspec.Raw = NULL
    format: str | None = None


class InputFile(Struct, gc=False):
    """A file: its content (a data URL or bare base64), or the id of a stored one.

    OpenAI has the first three. `file_url`, `format`, `detail` and `video_metadata` are other clients'.
    """

    file_data: msgspec.Raw = NULL
    file_id: str | None = None
    filename: str | None = None
    file_url: str | None = None
    format: str | None = None
    detail: str | None = None
    video_metadata: Json | None = None


class ContentPart(Struct, gc=False):
    """A piece of a message's content; which field is set follows from `type`.

    `video_url` and `audio_url` are other clients'.
    """

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: MediaUrl | str | None = None
    input_audio: InputAudio | None = None
    file: InputFile | None = None
    video_url: MediaUrl | str | None = None
    audio_url: MediaUrl | str | None = None


class CalledFunction(Struct, gc=False):
    """A call of a function; `arguments` is JSON as a text."""

    name: str = ""
    arguments: str = ""
    parsed_arguments: msgspec.Raw = NULL


class CalledCustom(Struct, gc=False):
    """A call of a custom tool."""

    name: str = ""
    input: str = ""


class ToolCall(Struct, gc=False):
    """A call in an assistant message."""

    id: str | None = None
    type: str | None = None
    function: CalledFunction | None = None
    custom: CalledCustom | None = None
    extra_content: Any = None
    index: msgspec.Raw = NULL


class Message(Struct, gc=False):
    """A message of the conversation. `annotations` and `parsed` come back from clients that send an answer as they got it."""

    role: str
    content: str | list[ContentPart] | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    function_call: CalledFunction | None = None
    audio: Json | None = None
    images: Any = None
    extra_content: Any = None
    reasoning_content: str | None = None
    annotations: msgspec.Raw = NULL
    parsed: msgspec.Raw = NULL


class StreamOptions(Struct, gc=False):
    """What a stream carries beside the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatCompletionRequest(Struct, gc=False):
    """The body of POST /chat/completions."""

    model: str
    messages: list[Message]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    reasoning_effort: str | None = None
    n: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: msgspec.Raw = NULL
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: msgspec.Raw = NULL
    tools: Any = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    functions: Any = None
    function_call: Any = None
    modalities: Any = None
    audio: Any = None
    prediction: msgspec.Raw = NULL
    verbosity: msgspec.Raw = NULL
    web_search_options: Any = None
    extra_body: Any = None
    google: Any = None
    safety_settings: Any = None
    moderation: msgspec.Raw = NULL
    service_tier: str | None = None
    store: msgspec.Raw = NULL
    metadata: msgspec.Raw = NULL
    user: msgspec.Raw = NULL
    safety_identifier: msgspec.Raw = NULL
    prompt_cache_key: msgspec.Raw = NULL
    prompt_cache_options: msgspec.Raw = NULL
    prompt_cache_retention: msgspec.Raw = NULL


class PromptTokensDetails(Struct, gc=False):
    """What the prompt's tokens were."""

    cached_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int | UnsetType = UNSET
    text_tokens: int | UnsetType = UNSET


class CompletionTokensDetails(Struct, gc=False):
    """What the completion's tokens were."""

    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0
    text_tokens: int | UnsetType = UNSET


class Usage(Struct, gc=False):
    """Tokens of a completion; the parts add up to the total."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: PromptTokensDetails = msgspec.field(default_factory=PromptTokensDetails)
    completion_tokens_details: CompletionTokensDetails = msgspec.field(default_factory=CompletionTokensDetails)
    extra_content: Json | UnsetType = UNSET


class AnswerFunction(Struct, gc=False):
    """The function that is called, and its arguments: JSON as a text."""

    name: str
    arguments: str


class AnswerCustom(Struct, gc=False):
    """The custom tool that is called."""

    name: str
    input: str


class AnswerToolCall(Struct, gc=False, kw_only=True):
    """A call in the answer; one of `function` and `custom` is set."""

    id: str
    type: str
    function: AnswerFunction | UnsetType = UNSET
    custom: AnswerCustom | UnsetType = UNSET
    extra_content: Json | UnsetType = UNSET


class ImageUrl(Struct, gc=False):
    """Where a picture is: here always a data URL."""

    url: str


class AnswerImage(Struct, gc=False, kw_only=True):
    """A picture in the answer. OpenAI's chat has none; clients of image models read it in this form."""

    type: str = "image_url"
    index: int
    image_url: ImageUrl
    extra_content: Json | UnsetType = UNSET


class AnswerAudio(Struct, gc=False):
    """The sound of the answer: base64 in the format that was asked for, and what it says."""

    id: str
    expires_at: int
    data: str
    transcript: str


class AnswerMessage(Struct, gc=False, kw_only=True):
    """The assistant's message."""

    role: str = "assistant"
    content: str | None
    refusal: str | None = None
    annotations: list[Json] = msgspec.field(default_factory=list)
    tool_calls: list[AnswerToolCall] | UnsetType = UNSET
    function_call: AnswerFunction | UnsetType = UNSET
    images: list[AnswerImage] | UnsetType = UNSET
    audio: AnswerAudio | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    extra_content: Json | UnsetType = UNSET


class TopLogprob(Struct, gc=False):
    """A token that might have come, and its log probability."""

    token: str
    logprob: float
    bytes: list[int]


class TokenLogprob(Struct, gc=False):
    """A token of the answer, its log probability, and what might have come in its place."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class Logprobs(Struct, gc=False):
    """The log probabilities of an answer's tokens."""

    content: list[TokenLogprob]
    refusal: None = None


class Choice(Struct, gc=False):
    """One answer of a completion."""

    index: int
    message: AnswerMessage
    finish_reason: str
    logprobs: Logprobs | None = None


class ChatCompletion(Struct, gc=False, kw_only=True):
    """A whole answer."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    service_tier: str | UnsetType = UNSET
    system_fingerprint: str | UnsetType = UNSET
    extra_content: Json | UnsetType = UNSET


class DeltaFunction(Struct, gc=False, omit_defaults=True):
    """What a chunk adds to a function call."""

    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class DeltaCustom(Struct, gc=False, omit_defaults=True):
    """What a chunk adds to a call of a custom tool."""

    name: str | UnsetType = UNSET
    input: str | UnsetType = UNSET


class DeltaToolCall(Struct, gc=False, kw_only=True, omit_defaults=True):
    """What a chunk adds to the call with this index; id, type and name come once."""

    index: int
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    function: DeltaFunction | UnsetType = UNSET
    custom: DeltaCustom | UnsetType = UNSET
    extra_content: Json | UnsetType = UNSET


class DeltaAudio(Struct, gc=False, omit_defaults=True):
    """What a chunk adds to the sound; the id comes first, the expiry last."""

    id: str | UnsetType = UNSET
    data: str | UnsetType = UNSET
    transcript: str | UnsetType = UNSET
    expires_at: int | UnsetType = UNSET


class Delta(Struct, gc=False, omit_defaults=True):
    """What a chunk adds to the message."""

    role: str | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    refusal: str | UnsetType = UNSET
    tool_calls: list[DeltaToolCall] | UnsetType = UNSET
    function_call: DeltaFunction | UnsetType = UNSET
    annotations: list[Json] | UnsetType = UNSET
    images: list[AnswerImage] | UnsetType = UNSET
    audio: DeltaAudio | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    extra_content: Json | UnsetType = UNSET


class ChunkChoice(Struct, gc=False):
    """A chunk's part of one choice."""

    index: int
    delta: Delta
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class ChatCompletionChunk(Struct, gc=False, kw_only=True):
    """One message of a streamed answer."""

    id: str
    object: str = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | UnsetType | None = UNSET
    service_tier: str | UnsetType = UNSET
    system_fingerprint: str | UnsetType = UNSET
    extra_content: Json | UnsetType = UNSET
