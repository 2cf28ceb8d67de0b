"""The parameter table of chat completions: each OpenAI parameter and its fate.

*mapped*: it reaches the native request. *ignored*: it reaches nothing; a note says so. *refused*: the answer would not be what
was asked for, so the request is. A parameter that is not mapped may still be given with the value that means nothing
(`neutral`). Where models differ, `needs` names the fact of the profile without which a mapped one is ignored.
"""

import operator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from pollux.errors import InvalidRequest, Unsupported
from pollux.translate.notes import Note
from pollux.translate.profiles import Profile
from pollux.translate.raw import decoded
from pollux.wire.openai.chat import NULL, ChatCompletionRequest

NEUTRAL_BYTES_MAX = 64
"""Longest JSON of a value that means nothing; the rows' are shorter."""

LATER = "This version of Pollux does not do that yet."


Fate = Literal["mapped", "ignored", "refused"]


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter and its fate: `to` is the native field of a mapped one, `why` the reason, the message or a remark.

    `otherwise` is the reason where the model lacks what the row `needs`; empty, the function that maps it notes it.
    """

    name: str
    fate: Fate
    to: str = ""
    why: str = ""
    neutral: tuple[Any, ...] = ()
    needs: Literal["", "samples", "penalties", "log_probabilities", "controls_thinking"] = ""
    otherwise: str = ""

    def fate_on(self, profile: Profile) -> Fate:
        """Give the fate on models of a family."""
        return "ignored" if self.needs and not getattr(profile, self.needs) else self.fate


NO_SAMPLING = "The model ignores it."
NO_PENALTIES = "The model refuses penalties."
NO_LOG_PROBABILITIES = "The model gives no log probabilities; `logprobs` of the answer is null."

ROWS: tuple[Row, ...] = (
    Row("model", "mapped", to="the path, models/{model}"),
    Row("messages", "mapped", to="contents, systemInstruction"),
    Row("stream", "mapped", to="streamGenerateContent?alt=sse"),
    Row("stream_options", "mapped", to="usage in the stream", why="include_obfuscation is ignored."),
    Row("temperature", "mapped", to="generationConfig.temperature", needs="samples", otherwise=NO_SAMPLING),
    Row("top_p", "mapped", to="generationConfig.topP", needs="samples", otherwise=NO_SAMPLING),
    Row(
        "top_k",
        "mapped",
        to="generationConfig.topK",
        why="Not OpenAI's; many clients send it.",
        needs="samples",
        otherwise=NO_SAMPLING,
    ),
    Row("max_tokens", "mapped", to="generationConfig.maxOutputTokens"),
    Row("max_completion_tokens", "mapped", to="generationConfig.maxOutputTokens", why="Wins over max_tokens."),
    Row("stop", "mapped", to="generationConfig.stopSequences"),
    Row("seed", "mapped", to="generationConfig.seed", why="Folded into 32 bits."),
    Row("reasoning_effort", "mapped", to="generationConfig.thinkingConfig", needs="controls_thinking"),
    Row(
        "n",
        "mapped",
        to="generationConfig.candidateCount",
        why="At most 8. Where the model gives one answer a call, and in streams: several native calls.",
    ),
    Row(
        "frequency_penalty",
        "mapped",
        to="generationConfig.frequencyPenalty",
        neutral=(0,),
        needs="penalties",
        otherwise=NO_PENALTIES,
    ),
    Row(
        "presence_penalty",
        "mapped",
        to="generationConfig.presencePenalty",
        neutral=(0,),
        needs="penalties",
        otherwise=NO_PENALTIES,
    ),
    Row("logit_bias", "ignored", why="The native API has no counterpart.", neutral=({},)),
    Row(
        "logprobs",
        "mapped",
        to="generationConfig.responseLogprobs",
        neutral=(False,),
        needs="log_probabilities",
        otherwise=NO_LOG_PROBABILITIES,
    ),
    Row(
        "top_logprobs",
        "mapped",
        to="generationConfig.logprobs",
        neutral=(0,),
        needs="log_probabilities",
        otherwise=NO_LOG_PROBABILITIES,
    ),
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
    Row("extra_body", "mapped", to="the fields of extra_body.google, below", why="Unknown fields are ignored."),
    Row("google", "mapped", to="as extra_body.google", why="Where clients put it by mistake."),
    Row("safety_settings", "mapped", to="safetySettings", why="As extra_body.google.safety_settings."),
    Row("moderation", "refused", why="The native API has no counterpart."),
    Row("prediction", "ignored", why="It only makes an answer faster."),
    Row(
        "verbosity",
        "ignored",
        why="The native API has no counterpart, and no words are added to the prompt unasked.",
        neutral=("medium",),
    ),
    Row(
        "service_tier",
        "mapped",
        to="serviceTier",
        why="default is standard; fast is priority; auto sends nothing; scale is ignored.",
    ),
    Row("store", "ignored", why="No completion is stored.", neutral=(False,)),
    Row("metadata", "ignored", why="It belongs to stored completions.", neutral=({},)),
    Row("user", "ignored", why="The native API has no counterpart."),
    Row("safety_identifier", "ignored", why="The native API has no counterpart."),
    Row("prompt_cache_key", "ignored", why="The native API caches by itself."),
    Row("prompt_cache_options", "ignored", why="The native API caches by itself."),
    Row("prompt_cache_retention", "ignored", why="The native API caches by itself."),
)

GOOGLE_ROWS: tuple[Row, ...] = (
    Row("thinking_config", "mapped", to="generationConfig.thinkingConfig", why="Overlaps with reasoning_effort; give one."),
    Row("tools", "mapped", to="tools", why="Google's own tools."),
    Row("cached_content", "mapped", to="cachedContent", why="The system message and tools are the cache's then."),
    Row("safety_settings", "mapped", to="safetySettings", why="Categories and thresholds pass as they are."),
    Row(
        "generation_config",
        "mapped",
        to="generationConfig",
        why="Each field as the parameter that says the same; said twice and differently, it is refused.",
    ),
    Row("labels", "mapped", to="labels"),
    Row("store", "mapped", to="store", why="Whether Google logs the request, over the project's setting."),
    Row("service_tier", "mapped", to="serviceTier", why="As the parameter service_tier; standard too."),
    Row("top_k", "mapped", to="generationConfig.topK", needs="samples", otherwise=NO_SAMPLING),
)
"""The fields of `extra_body.google`, which may also stand in `extra_body` or `google`. Source: OpenAI compatibility guide,
"extra_body"; Gemini API, generateContent."""

_CHECKED = tuple(row for row in ROWS if row.fate != "mapped" or row.otherwise)
_values = operator.attrgetter(*(row.name for row in _CHECKED))
_ABSENT = _values(ChatCompletionRequest("", []))


def check(request: ChatCompletionRequest, profile: Profile, notes: list[Note]) -> None:
    """Refuse what the rows refuse, and note what they ignore. Raises Unsupported, which names the parameter."""
    values = _values(request)
    if values == _ABSENT:  # as most requests
        return
    for row, value in zip(_CHECKED, values, strict=True):
        if value is None or value is NULL:
            continue
        fate = row.fate_on(profile)
        plain = ignored_value(value, row.name)
        if fate == "mapped" or plain is None or plain in row.neutral:
            continue
        if fate == "refused":
            raise Unsupported(f"{row.name} is not supported: {row.why}", param=row.name)
        notes.append(Note(row.name, "ignored", row.otherwise or row.why))


def ignored_value(value: Any, name: str) -> Any:
    """Decode a raw value that may be neutral; a larger one is not, whatever it is. Raises InvalidRequest."""
    if not isinstance(value, msgspec.Raw) or len(memoryview(value)) > NEUTRAL_BYTES_MAX:
        return value
    return decoded(value, name)


def in_range(name: str, value: float | None, low: float, high: float) -> None:
    """Refuse a number outside its bounds, by name."""
    if value is not None and not low <= value <= high:
        bound = f"at least {low}" if high == float("inf") else f"between {low} and {high}"
        raise InvalidRequest(f"{name} must be {bound}; it is {value}.", param=name)
