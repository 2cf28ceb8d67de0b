"""Chat completions: request → Gemini; events → completion, or chunks.

`completion` and `ChatChunks` tell the same events in two forms; what both must agree on (the ending, what survives in
`extra_content`, the usage) is said once, in `_Telling`. Folding the chunks gives the whole answer.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from pollux.errors import InvalidRequest
from pollux.translate import messages, parameters, thinking
from pollux.translate.events import Blocked, Event, Extra, Finish, Signature, Started, Strange, Text, Thought, Usage
from pollux.translate.notes import Note
from pollux.translate.profiles import Profile
from pollux.wire.gemini.generate import GenerateContentRequest, GenerationConfig
from pollux.wire.openai import chat as wire

FINISH_REASON: dict[str, wire.FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
    "MODEL_ARMOR": "content_filter",
}
"""Why an answer ended. A reason that is not here is told as `stop`, with its native name beside it.

Source: Gemini API, FinishReason; OpenAI API, chat completion object, finish_reason.
Loses: the difference between the filters; it survives in `extra_content.google.finish_reason`.
"""

SERVICE_TIER = {"standard": "default"}
"""Gemini's tiers where OpenAI says another word. Source: OpenAI compatibility guide of 21 September 2026."""

STOP_SEQUENCES_MAX = 5
"""The native API takes five stop sequences; OpenAI allows four."""

CANDIDATES_MAX = 8
"""Most answers to one request. Source: CONTRACT, section 3."""

INT32 = 2**31

UsageMode = Literal["none", "last", "each"]
"""Usage in a stream: not asked for; null and then once at the end; on every chunk, zero until the end."""


class Stamp(Struct, frozen=True):
    """What an answer needs from outside: an id for when the native reply has none, and the time in seconds since 1970."""

    id: str
    created: int


def to_gemini(request: wire.ChatCompletionRequest, profile: Profile) -> tuple[GenerateContentRequest, list[Note]]:
    """Give the native request, and notes on what was lost or approximated. Raises InvalidRequest, naming the parameter.

    Source: OpenAI API, Create chat completion; Gemini API, generateContent; `parameters.ROWS`.
    Loses: what the rows say is ignored.
    """
    notes: list[Note] = []
    parameters.check(request, notes)
    contents, system = messages.contents(request.messages, profile, notes)
    config = _generation_config(request, profile, notes)
    return GenerateContentRequest(
        contents=contents, system_instruction=system, generation_config=None if config == _NO_CONFIG else config
    ), notes


_NO_CONFIG = GenerationConfig()


def _generation_config(request: wire.ChatCompletionRequest, profile: Profile, notes: list[Note]) -> GenerationConfig:
    parameters.in_range("temperature", request.temperature, 0, 2)
    parameters.in_range("top_p", request.top_p, 0, 1)
    parameters.in_range("max_tokens", request.max_tokens, 1, INT32 - 1)
    parameters.in_range("max_completion_tokens", request.max_completion_tokens, 1, INT32 - 1)
    return GenerationConfig(
        temperature=request.temperature,
        top_p=request.top_p,
        max_output_tokens=request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens,
        stop_sequences=_stop_sequences(request.stop),
        seed=_seed(request.seed, notes),
        thinking_config=(
            None if request.reasoning_effort is None else thinking.thinking_config(request.reasoning_effort, profile, notes)
        ),
    )


def _stop_sequences(stop: str | list[str] | None) -> list[str] | None:
    if stop is None or stop == []:
        return None
    sequences = [stop] if isinstance(stop, str) else stop
    if len(sequences) > STOP_SEQUENCES_MAX:
        raise InvalidRequest(f"stop has {len(sequences)} sequences; at most {STOP_SEQUENCES_MAX} are taken.", param="stop")
    if "" in sequences:
        raise InvalidRequest("stop holds an empty sequence; leave it out.", param="stop")
    return sequences


def _seed(seed: int | None, notes: list[Note]) -> int | None:
    """Fold OpenAI's 64-bit seed into Gemini's 32 bits; equal seeds stay equal."""
    if seed is None or -INT32 <= seed < INT32:
        return seed
    parameters.in_range("seed", seed, -(2**63), 2**63 - 1)
    notes.append(Note("seed", "approximated", "the native API takes 32 bits"))
    return seed % INT32


class _Telling:
    """What both forms of one choice must agree on."""

    __slots__ = ("extra", "reason", "refusal", "said_text")

    def __init__(self) -> None:
        self.extra: dict[str, Any] = {}
        self.reason: str | None = None
        self.refusal: str | None = None
        self.said_text = False

    def note(self, event: Signature | Extra | Strange | Finish | Blocked) -> None:
        """Keep what is told at the choice's end."""
        match event:
            case Signature():
                self.extra["thought_signature"] = event.signature
            case Extra():
                self.extra[event.name] = event.value
            case Strange():
                self.extra.setdefault("parts", []).append(event.part)
            case Finish():
                self.reason = event.reason
            case Blocked():
                self.reason = "PROMPT_BLOCKED"
                self.refusal = f"The prompt was blocked by the Gemini API: {event.reason}."
                self.extra["prompt_feedback"] = event.feedback

    @property
    def finish_reason(self) -> wire.FinishReason:
        """Why the choice ended, in OpenAI's words."""
        if self.refusal is not None:
            return "content_filter"
        return FINISH_REASON.get(self.reason or "", "stop")

    @property
    def extra_content(self) -> dict[str, Any] | UnsetType:
        """What OpenAI's form has no place for, under `google`."""
        google = dict(self.extra)
        if self.reason is not None and self.reason not in _PLAIN_ENDS and self.refusal is None:
            google["finish_reason"] = self.reason
        return {"google": google} if google else UNSET


_PLAIN_ENDS = frozenset({"STOP", "MAX_TOKENS"})


def completion(events: list[Event], stamp: Stamp, model: str) -> wire.ChatCompletion:
    """Tell the events as one whole answer; `model` is echoed as it was asked for.

    Source: OpenAI API, The chat completion object.
    Loses: nothing; what has no place there stands in `extra_content.google`.
    """
    tellings: dict[int, _Telling] = {}
    texts: dict[int, list[str]] = {}
    thoughts: dict[int, list[str]] = {}
    answer = wire.ChatCompletion(id=stamp.id, created=stamp.created, model=model, choices=[], usage=wire.Usage())
    for event in events:
        match event:
            case Started():
                _sign(answer, event)
            case Text():
                texts.setdefault(event.candidate, []).append(event.text)
                tellings.setdefault(event.candidate, _Telling()).said_text = True
            case Thought():
                thoughts.setdefault(event.candidate, []).append(event.text)
                tellings.setdefault(event.candidate, _Telling())
            case Usage():
                answer.usage = usage(event)
                answer.service_tier = _service_tier(event)
            case Signature() | Extra() | Strange() | Finish():
                tellings.setdefault(event.candidate, _Telling()).note(event)
            case Blocked():
                tellings.setdefault(0, _Telling()).note(event)
    for index in _up_to(max(tellings, default=0)):
        tellings.setdefault(index, _Telling())
    answer.choices = [
        wire.Choice(
            index=index,
            message=wire.AnswerMessage(
                content="".join(texts.get(index, [])) if telling.refusal is None or telling.said_text else None,
                refusal=telling.refusal,
                reasoning_content="".join(thoughts[index]) if index in thoughts else UNSET,
                extra_content=telling.extra_content,
            ),
            finish_reason=telling.finish_reason,
        )
        for index, telling in sorted(tellings.items())
    ]
    return answer


def _up_to(candidate: int) -> list[int]:
    """Give the choices up to one without a gap, since clients read them as a list; an absurd index opens few others."""
    return [*range(min(candidate, CANDIDATES_MAX)), candidate]


class ChatChunks:
    """Tells the events as chunks: feed each event, then close.

    Every choice begins with one role delta, in the order of the choices: a later one that speaks first opens those before it.
    What is known only at the end (signature, native fields, finish reason) comes in the choice's last chunk, once, since
    clients join strings and add numbers over chunks. Source: OpenAI API, The chat completion chunk object.
    """

    __slots__ = ("_chunk", "_tellings", "_usage", "_usage_mode")

    def __init__(self, stamp: Stamp, model: str, *, usage: UsageMode) -> None:
        self._chunk = wire.ChatCompletionChunk(id=stamp.id, created=stamp.created, model=model, choices=[])
        if usage == "last":
            self._chunk.usage = None
        elif usage == "each":
            self._chunk.usage = wire.Usage()
        self._usage_mode = usage
        self._usage = wire.Usage()
        self._tellings: dict[int, _Telling] = {}

    def feed(self, event: Event) -> list[wire.ChatCompletionChunk]:
        """Give the chunks that an event makes."""
        match event:
            case Text():
                chunks = self._opened(event.candidate, "")
                self._tellings[event.candidate].said_text = True
                chunks.append(self._with(event.candidate, wire.Delta(content=event.text)))
                return chunks
            case Thought():
                chunks = self._opened(event.candidate, None)
                chunks.append(self._with(event.candidate, wire.Delta(reasoning_content=event.text)))
                return chunks
            case Started():
                _sign(self._chunk, event)
                return []
            case Usage():
                self._usage = usage(event)
                self._chunk.service_tier = _service_tier(event)
                return []
            case Signature() | Extra() | Strange() | Finish():
                chunks = self._opened(event.candidate, None)
                self._tellings[event.candidate].note(event)
                return chunks
            case Blocked():
                chunks = self._opened(0, None)
                self._tellings[0].note(event)
                return chunks
        return []

    def close(self) -> list[wire.ChatCompletionChunk]:
        """Give the last chunk of every choice, and the usage where it was asked for."""
        chunks = [] if self._tellings else self._opened(0, None)
        for index, telling in sorted(self._tellings.items()):
            delta = wire.Delta(extra_content=telling.extra_content)
            if telling.refusal is not None:
                delta.refusal = telling.refusal
            elif not telling.said_text:
                delta.content = ""
            chunks.append(self._with(index, delta, telling.finish_reason))
        if self._usage_mode != "none":
            chunks.append(self._with_choices([], self._usage))
        return chunks

    @property
    def usage(self) -> wire.Usage:
        """The tokens so far."""
        return self._usage

    def _opened(self, candidate: int, content: str | None) -> list[wire.ChatCompletionChunk]:
        if candidate in self._tellings:
            return []
        new = [index for index in _up_to(candidate) if index not in self._tellings]
        self._tellings.update({index: _Telling() for index in new})
        return [self._with(index, wire.Delta(role="assistant", content=content)) for index in new]

    def _with(self, candidate: int, delta: wire.Delta, finish_reason: str | None = None) -> wire.ChatCompletionChunk:
        return self._with_choices(
            [wire.ChunkChoice(index=candidate, delta=delta, finish_reason=finish_reason)], self._chunk.usage
        )

    def _with_choices(self, choices: list[wire.ChunkChoice], usage: wire.Usage | UnsetType | None) -> wire.ChatCompletionChunk:
        chunk = self._chunk
        return wire.ChatCompletionChunk(
            id=chunk.id,
            created=chunk.created,
            model=chunk.model,
            choices=choices,
            usage=usage,
            service_tier=chunk.service_tier,
            system_fingerprint=chunk.system_fingerprint,
        )


def usage(event: Usage) -> wire.Usage:
    """Say the tokens in OpenAI's form. Source: OpenAI API, usage; CONTRACT, section 3."""
    prompt, completed = event.prompt_by_modality, event.completion_by_modality
    details = wire.PromptTokensDetails(cached_tokens=event.cached, audio_tokens=prompt.get("AUDIO", 0))
    if len(prompt) > 1:
        details.text_tokens = prompt.get("TEXT", 0)
        if "IMAGE" in prompt:
            details.image_tokens = prompt["IMAGE"]
    return wire.Usage(
        prompt_tokens=event.prompt,
        completion_tokens=event.completion,
        total_tokens=event.prompt + event.completion,
        prompt_tokens_details=details,
        completion_tokens_details=wire.CompletionTokensDetails(
            reasoning_tokens=event.reasoning, audio_tokens=completed.get("AUDIO", 0)
        ),
    )


def _sign(answer: wire.ChatCompletion | wire.ChatCompletionChunk, event: Started) -> None:
    """Give the answer its id, which holds the native one, and name the model that really answers."""
    if event.response_id:
        answer.id = f"chatcmpl-{event.response_id}"
    if event.model_version:
        answer.system_fingerprint = event.model_version


def _service_tier(event: Usage) -> str | UnsetType:
    return SERVICE_TIER.get(event.service_tier, event.service_tier) if event.service_tier else UNSET
