"""The parameter table of chat completions: each OpenAI parameter and its fate.

*mapped*: it reaches the native request, by the function that its row names. *ignored*: the answer is the same without it; a
note says so. *refused*: the answer would not be what was asked for, so the request is. A refused parameter may still be given
with the value that means nothing (`neutral`).
"""

from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from pollux.errors import InvalidRequest, Unsupported
from pollux.translate.notes import Note
from pollux.wire.openai.chat import NULL, ChatCompletionRequest

NEUTRAL_BYTES_MAX = 64
"""Longest JSON of a value that means nothing; the rows' are shorter."""

LATER = "This version of Pollux does not do that yet."


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter and its fate: `to` is the native field of a mapped one, `why` the reason or the message."""

    name: str
    fate: Literal["mapped", "ignored", "refused"]
    to: str = ""
    why: str = ""
    neutral: tuple[Any, ...] = ()


ROWS: tuple[Row, ...] = (
    Row("model", "mapped", to="the path, models/{model}"),
    Row("messages", "mapped", to="contents, systemInstruction"),
    Row("stream", "mapped", to="streamGenerateContent?alt=sse"),
    Row("stream_options", "mapped", to="usage in the stream", why="include_obfuscation has no meaning here."),
    Row("temperature", "mapped", to="generationConfig.temperature"),
    Row("top_p", "mapped", to="generationConfig.topP"),
    Row("max_tokens", "mapped", to="generationConfig.maxOutputTokens"),
    Row("max_completion_tokens", "mapped", to="generationConfig.maxOutputTokens", why="Wins over max_tokens."),
    Row("stop", "mapped", to="generationConfig.stopSequences"),
    Row("seed", "mapped", to="generationConfig.seed", why="Folded into 32 bits."),
    Row("reasoning_effort", "mapped", to="generationConfig.thinkingConfig"),
    Row(
        "n",
        "mapped",
        to="generationConfig.candidateCount",
        why="At most 8. Where the model gives one answer a call, and in streams: several native calls.",
    ),
    Row("frequency_penalty", "ignored", why="Today's models refuse penalties.", neutral=(0,)),
    Row("presence_penalty", "ignored", why="Today's models refuse penalties.", neutral=(0,)),
    Row("logit_bias", "ignored", why="The native API has no counterpart.", neutral=({},)),
    Row("logprobs", "refused", why="Today's models do not give log probabilities.", neutral=(False,)),
    Row("top_logprobs", "refused", why="Today's models do not give log probabilities.", neutral=(0,)),
    Row(
        "response_format",
        "mapped",
        to="generationConfig.responseMimeType, responseJsonSchema",
        why="Any JSON Schema; what the service does not know of it is told to the model, and the answer is checked.",
    ),
    Row("tools", "mapped", to="tools", why="Functions, custom tools, and Google's own tools."),
    Row("tool_choice", "mapped", to="toolConfig.functionCallingConfig"),
    Row(
        "parallel_tool_calls",
        "mapped",
        to="the answer",
        why="false keeps the first call of a turn; the native API has no switch.",
    ),
    Row("functions", "mapped", to="tools", why="The answer is told in the old form."),
    Row("function_call", "mapped", to="toolConfig.functionCallingConfig"),
    Row("modalities", "mapped", to="generationConfig.responseModalities", why="Text, image, audio: by model."),
    Row("audio", "mapped", to="generationConfig.speechConfig", why="The voice; the format is made here."),
    Row("web_search_options", "mapped", to="tools, googleSearch", why="Its options are ignored."),
    Row(
        "extra_body",
        "mapped",
        to="thinkingConfig, tools, cachedContent",
        why="extra_body.google.thinking_config, tools and cached_content; unknown fields are ignored.",
    ),
    Row("google", "mapped", to="as extra_body.google", why="Where clients put it by mistake."),
    Row("moderation", "refused", why="The native API has no counterpart."),
    Row("prediction", "ignored", why="It only makes an answer faster."),
    Row("verbosity", "ignored", why="The native API has no counterpart.", neutral=("medium",)),
    Row("service_tier", "ignored", why="The standard tier answers.", neutral=("auto", "default")),
    Row("store", "ignored", why="Nothing is stored.", neutral=(False,)),
    Row("metadata", "ignored", why="It belongs to stored completions.", neutral=({},)),
    Row("user", "ignored", why="The native API has no counterpart."),
    Row("safety_identifier", "ignored", why="The native API has no counterpart."),
    Row("prompt_cache_key", "ignored", why="The native API caches by itself."),
    Row("prompt_cache_options", "ignored", why="The native API caches by itself."),
    Row("prompt_cache_retention", "ignored", why="The native API caches by itself."),
)

_UNMAPPED = tuple(row for row in ROWS if row.fate != "mapped")


def check(request: ChatCompletionRequest, notes: list[Note]) -> None:
    """Refuse what the rows refuse, and note what they ignore. Raises Unsupported, which names the parameter."""
    for row in _UNMAPPED:
        value = getattr(request, row.name)
        if value is None or value is NULL:
            continue
        if isinstance(value, msgspec.Raw):
            value = _small(value)
        if value is None or value in row.neutral:
            continue
        if row.fate == "refused":
            raise Unsupported(f"{row.name} is not supported: {row.why}", param=row.name)
        notes.append(Note(row.name, "ignored", row.why))


def _small(raw: msgspec.Raw) -> Any:
    """Decode an ignored value that may be neutral; a larger one is not, whatever it is."""
    text = memoryview(raw)
    return msgspec.json.decode(raw) if len(text) <= NEUTRAL_BYTES_MAX else raw


def in_range(name: str, value: float | None, low: float, high: float) -> None:
    """Refuse a number outside its bounds, by name."""
    if value is not None and not low <= value <= high:
        bound = f"at least {low}" if high == float("inf") else f"between {low} and {high}"
        raise InvalidRequest(f"{name} must be {bound}; it is {value}.", param=name)
