"""The answer of a chat completion: events → completion, or chunks.

`Telling` knows one choice and is where both forms agree; `ChatTelling` puts the choices together. Folding the chunks gives the
whole answer.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from pollux.translate.chat import ANSWERS_MAX
from pollux.translate.citations import annotations
from pollux.translate.events import (
    Blocked,
    CallArguments,
    CallEnd,
    CallStart,
    Event,
    Extra,
    Finish,
    Signature,
    Started,
    Text,
    Thought,
    Usage,
)
from pollux.translate.memory import THOUGHT_CLOSE, THOUGHT_OPEN, call_id
from pollux.translate.reader import add
from pollux.translate.tools import CUSTOM_INPUT, NO_TOOLS, Toolbox
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

UsageMode = Literal["none", "last", "each"]
"""Usage in a stream: not asked for; null and then once at the end; on every chunk, zero until the end."""


ThoughtsForm = Literal["reasoning_content", "google"]
"""The form of thought summaries: OpenAI-like clients' `reasoning_content`, or Google's tags inside the content. Never both."""


class Stamp(Struct, frozen=True):
    """What an answer needs from outside: 24 random hexadecimal digits for its ids, and the time in seconds since 1970."""

    token: str
    created: int


class _Call:
    """A tool call as it is told."""

    __slots__ = ("arguments", "custom", "id", "name", "signature")

    def __init__(self, id: str, name: str, signature: str | None, *, custom: bool) -> None:  # noqa: A002 - OpenAI's name
        self.id = id
        self.name = name
        self.signature = signature
        self.custom = custom
        self.arguments: list[str] = []

    @property
    def said(self) -> str:
        """The arguments so far; for a custom tool its input."""
        text = "".join(self.arguments)
        if not self.custom:
            return text
        try:
            return str(msgspec.json.decode(text).get(CUSTOM_INPUT, ""))
        except (msgspec.DecodeError, AttributeError):
            return text

    @property
    def extra_content(self) -> dict[str, Any] | UnsetType:
        """The call's signature, where Google's clients look for it."""
        return UNSET if self.signature is None else {"google": {"thought_signature": self.signature}}


class Telling:
    """One choice as it is told: takes events, gives the deltas that they make, and knows the whole message.

    This is where both forms agree. `thoughts` chooses the form of thought summaries: `reasoning_content`, or Google's, in which
    they stand in the content between tags.
    """

    __slots__ = (
        "_calls",
        "_candidate",
        "_extra",
        "_in_thought",
        "_reason",
        "_refusal",
        "_skipping",
        "_texts",
        "_thoughts",
        "_thoughts_form",
        "_token",
        "_told",
        "_toolbox",
    )

    def __init__(self, candidate: int, token: str, toolbox: Toolbox, thoughts: ThoughtsForm) -> None:
        self._candidate = candidate
        self._token = token
        self._toolbox = toolbox
        self._thoughts_form = thoughts
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        # In Google's form: each piece of the content, and what of it is the answer's text.
        self._told: list[tuple[str, str]] = []
        self._calls: list[_Call] = []
        self._extra: dict[str, Any] = {}
        self._in_thought = False
        self._skipping = False
        self._reason: str | None = None
        self._refusal: str | None = None

    def take(self, event: Event) -> wire.Delta | None:
        """Take an event in, and give what it adds to the message now, if anything."""
        match event:
            case Text():
                return self._add_text(event.text)
            case Thought():
                return self._add_thought(event.text)
            case CallStart():
                return self._start_call(event)
            case CallArguments():
                return self._add_arguments(event.text)
            case CallEnd():
                return self._end_call()
            case Signature():
                self._extra["thought_signature"] = event.signature
            case Extra():
                self._extra[event.name] = event.value
            case Finish():
                self._reason = event.reason
            case Blocked():
                self._reason = "PROMPT_BLOCKED"
                self._refusal = f"The prompt was blocked by the Gemini API: {event.reason}."
                self._extra["prompt_feedback"] = event.feedback
        return None

    def last_delta(self) -> wire.Delta:
        """Give what is told at the end, once, since clients join strings, add numbers and cannot join lists."""
        delta = wire.Delta(extra_content=self._extra_content())
        if self._in_thought:
            delta.content = THOUGHT_CLOSE
        elif self._refusal is not None:
            delta.refusal = self._refusal
        elif not self._texts and not self._calls:
            delta.content = ""
        cited = self._annotations()
        if cited:
            delta.annotations = cited
        return delta

    def message(self) -> wire.AnswerMessage:
        """Give the whole message."""
        content: str | None = self.text
        if self._thoughts and self._thoughts_form == "google":
            content = "".join([told for told, _ in self._told]) + (THOUGHT_CLOSE if self._in_thought else "")
        elif not self._texts and (self._refusal is not None or self._calls):
            content = None
        message = wire.AnswerMessage(
            content=content, refusal=self._refusal, annotations=self._annotations(), extra_content=self._extra_content()
        )
        if self._thoughts and self._thoughts_form == "reasoning_content":
            message.reasoning_content = "".join(self._thoughts)
        if self._calls and self._toolbox.legacy:
            message.function_call = wire.AnswerFunction(self._calls[0].name, self._calls[0].said)
        elif self._calls:
            message.tool_calls = [_answer_call(call) for call in self._calls]
        return message

    @property
    def finish_reason(self) -> wire.FinishReason:
        """Why the choice ended, in OpenAI's words. Truncation and filters outrank calls: a cut call is not a finished one."""
        if self._refusal is not None:
            return "content_filter"
        reason = FINISH_REASON.get(self._reason or "", "stop")
        if reason == "stop" and self._calls:
            return "function_call" if self._toolbox.legacy else "tool_calls"
        return reason

    @property
    def text(self) -> str:
        """The answer's text."""
        return "".join(self._texts)

    @property
    def call_count(self) -> int:
        """How many calls were begun."""
        return len(self._calls)

    @property
    def calls(self) -> list[tuple[str, str]]:
        """The calls' names and arguments."""
        return [(call.name, call.said) for call in self._calls]

    def _add_text(self, text: str) -> wire.Delta:
        self._texts.append(text)
        if self._thoughts_form == "reasoning_content":
            return wire.Delta(content=text)
        told = THOUGHT_CLOSE + text if self._in_thought else text
        self._in_thought = False
        self._told.append((told, text))
        return wire.Delta(content=told)

    def _add_thought(self, text: str) -> wire.Delta:
        self._thoughts.append(text)
        if self._thoughts_form == "reasoning_content":
            return wire.Delta(reasoning_content=text)
        told = text if self._in_thought else THOUGHT_OPEN + text
        self._in_thought = True
        self._told.append((told, ""))
        self._extra["thought"] = True
        return wire.Delta(content=told, extra_content={"google": {"thought": True}})

    def _start_call(self, event: CallStart) -> wire.Delta | None:
        toolbox = self._toolbox
        self._skipping = bool(self._calls) and (toolbox.legacy or not toolbox.parallel)
        if self._skipping:
            return None
        name = toolbox.true_name(event.name)
        call = _Call(
            call_id(self._token, self._candidate, len(self._calls)), name, event.signature, custom=name in toolbox.custom
        )
        call.arguments.append(event.arguments)
        self._calls.append(call)
        if call.custom:
            return None
        if toolbox.legacy:
            if event.signature is not None:
                self._extra["thought_signature"] = event.signature
            delta = wire.Delta(function_call=wire.DeltaFunction(name, event.arguments))
        else:
            delta = wire.Delta(
                tool_calls=[
                    wire.DeltaToolCall(
                        index=len(self._calls) - 1,
                        id=call.id,
                        type="function",
                        function=wire.DeltaFunction(name, event.arguments),
                        extra_content=call.extra_content,
                    )
                ]
            )
        return self._closing_thought(delta)

    def _add_arguments(self, text: str) -> wire.Delta | None:
        if self._skipping or not self._calls:
            return None
        self._calls[-1].arguments.append(text)
        if self._calls[-1].custom:
            return None
        function = wire.DeltaFunction(arguments=text)
        if self._toolbox.legacy:
            return wire.Delta(function_call=function)
        return wire.Delta(tool_calls=[wire.DeltaToolCall(index=len(self._calls) - 1, function=function)])

    def _end_call(self) -> wire.Delta | None:
        if self._skipping or not self._calls:
            return None
        call = self._calls[-1]
        if not call.custom:
            return None
        return self._closing_thought(
            wire.Delta(
                tool_calls=[
                    wire.DeltaToolCall(
                        index=len(self._calls) - 1,
                        id=call.id,
                        type="custom",
                        custom=wire.DeltaCustom(call.name, call.said),
                        extra_content=call.extra_content,
                    )
                ]
            )
        )

    def _closing_thought(self, delta: wire.Delta) -> wire.Delta:
        if self._in_thought:
            self._in_thought = False
            self._told.append((THOUGHT_CLOSE, ""))
            delta.content = THOUGHT_CLOSE
        return delta

    def _annotations(self) -> list[dict[str, Any]]:
        grounding, citations = self._extra.get("grounding_metadata"), self._extra.get("citation_metadata")
        if not grounding and not citations:
            return []
        found = annotations([self.text], grounding, citations)
        if self._thoughts and self._thoughts_form == "google":
            for one in found:
                cited = one["url_citation"]
                start, end = cited["start_index"], cited["end_index"]
                cited["start_index"], cited["end_index"] = self._place(start), self._place(end - 1) + 1
        return found

    def _place(self, character: int) -> int:
        """Say where a character of the answer's text stands in the content, among the thoughts."""
        place = 0
        for told, text in self._told:
            if character < len(text):
                return place + len(told) - len(text) + character
            character -= len(text)
            place += len(told)
        return place

    def _extra_content(self) -> dict[str, Any] | UnsetType:
        """What OpenAI's form has no place for, under `google`."""
        google = dict(self._extra)
        if self._reason is not None and self._reason not in _PLAIN_ENDS and self._refusal is None:
            google["finish_reason"] = self._reason
        return {"google": google} if google else UNSET


_PLAIN_ENDS = frozenset({"STOP", "MAX_TOKENS"})


def _answer_call(call: _Call) -> wire.AnswerToolCall:
    answer = wire.AnswerToolCall(id=call.id, type="custom" if call.custom else "function", extra_content=call.extra_content)
    if call.custom:
        answer.custom = wire.AnswerCustom(call.name, call.said)
    else:
        answer.function = wire.AnswerFunction(call.name, call.said)
    return answer


class ChatTelling:
    """Tells the events of one request's replies: as chunks, event by event, or at the end as one whole answer.

    Every choice begins with one role delta, in the order of the choices, and ends with one chunk that holds what is known
    only at the end. Folding the chunks gives the whole answer. `model` is echoed as it was asked for.

    Source: OpenAI API, The chat completion object, The chat completion chunk object.
    Loses: nothing; what has no place there stands in `extra_content.google`.
    """

    __slots__ = ("_chunk", "_signed", "_spent", "_stamp", "_thoughts", "_toolbox", "_usage_mode", "tellings")

    def __init__(
        self,
        stamp: Stamp,
        model: str,
        *,
        usage: UsageMode = "none",
        toolbox: Toolbox = NO_TOOLS,
        thoughts: ThoughtsForm = "reasoning_content",
    ) -> None:
        self._stamp = stamp
        self._toolbox = toolbox
        self._thoughts = thoughts
        self._usage_mode = usage
        self._chunk = wire.ChatCompletionChunk(id=f"chatcmpl-{stamp.token}", created=stamp.created, model=model, choices=[])
        self._chunk.usage = None if usage == "last" else wire.Usage() if usage == "each" else UNSET
        self._signed = False
        self._spent: Usage | None = None
        self.tellings: dict[int, Telling] = {}

    def feed(self, event: Event) -> list[wire.ChatCompletionChunk]:
        """Take an event in, and give the chunks that it makes."""
        match event:
            case Started():
                self._sign(event)
                return []
            case Usage():
                self._spend(event)
                return []
            case _:
                candidate = event.candidate  # type: ignore[attr-defined] # all other events have it
        chunks = []
        telling = self.tellings.get(candidate)
        if telling is None:
            chunks = self._opened(candidate, "" if isinstance(event, Text) else None)
            telling = self.tellings[candidate]
        delta = telling.take(event)
        if delta is not None:
            chunks.append(self._with(candidate, delta))
        return chunks

    def close(self) -> list[wire.ChatCompletionChunk]:
        """Give the last chunk of every choice, and the usage where it was asked for."""
        chunks = [] if self.tellings else self._opened(0, None)
        for index, telling in sorted(self.tellings.items()):
            chunks.append(self._with(index, telling.last_delta(), telling.finish_reason))
        if self._usage_mode != "none":
            last = self._with(0, wire.Delta())
            last.choices, last.usage = [], self.usage
            chunks.append(last)
        return chunks

    def completion(self) -> wire.ChatCompletion:
        """Give the whole answer."""
        if not self.tellings:
            self._opened(0, None)
        chunk = self._chunk
        return wire.ChatCompletion(
            id=chunk.id,
            created=chunk.created,
            model=chunk.model,
            choices=[
                wire.Choice(index=index, message=telling.message(), finish_reason=telling.finish_reason)
                for index, telling in sorted(self.tellings.items())
            ],
            usage=self.usage,
            service_tier=chunk.service_tier,
            system_fingerprint=chunk.system_fingerprint,
        )

    @property
    def calls(self) -> int:
        """How many calls were begun so far."""
        return sum([telling.call_count for telling in self.tellings.values()])

    @property
    def usage(self) -> wire.Usage:
        """The tokens so far, of all native calls."""
        return wire.Usage() if self._spent is None else usage(self._spent)

    def _opened(self, candidate: int, content: str | None) -> list[wire.ChatCompletionChunk]:
        """Open a choice, and those before it, since clients read them as a list; an absurd index opens few others."""
        new = [index for index in (*range(min(candidate, ANSWERS_MAX)), candidate) if index not in self.tellings]
        for index in new:
            self.tellings[index] = Telling(index, self._stamp.token, self._toolbox, self._thoughts)
        return [
            self._with(index, wire.Delta(role="assistant", content=content if index == candidate else None)) for index in new
        ]

    def _sign(self, event: Started) -> None:
        """Give the answer its id, which holds the native one, and name the model that really answers; once."""
        if self._signed:
            return
        self._signed = True
        if event.response_id:
            self._chunk.id = f"chatcmpl-{event.response_id}"
        if event.model_version:
            self._chunk.system_fingerprint = event.model_version

    def _spend(self, event: Usage) -> None:
        self._spent = event if self._spent is None else add(self._spent, event)
        if event.service_tier:
            self._chunk.service_tier = SERVICE_TIER.get(event.service_tier, event.service_tier)

    def _with(self, candidate: int, delta: wire.Delta, finish_reason: str | None = None) -> wire.ChatCompletionChunk:
        chunk = self._chunk
        return wire.ChatCompletionChunk(
            id=chunk.id,
            created=chunk.created,
            model=chunk.model,
            choices=[wire.ChunkChoice(index=candidate, delta=delta, finish_reason=finish_reason)],
            usage=chunk.usage,
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
