"""One choice of a chat completion as it is told: events → deltas, and the whole message. Both forms agree here."""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from pollux.translate.citations import annotations
from pollux.translate.endings import FINISH_REASON, PLAIN, PROMPT_BLOCKED
from pollux.translate.events import (
    Blocked,
    CallArguments,
    CallEnd,
    CallStart,
    Extra,
    Finish,
    Logprobs,
    Media,
    OfChoice,
    Signature,
    Text,
    Thought,
)
from pollux.translate.logprobs import content
from pollux.translate.media_answer import AnswerMedia
from pollux.translate.memory import THOUGHT_CLOSE, THOUGHT_OPEN, call_id
from pollux.translate.tools import CUSTOM_INPUT, Toolbox
from pollux.wire.openai import chat as wire

ThoughtsForm = Literal["reasoning_content", "google"]
"""The form of thought summaries: OpenAI-like clients' `reasoning_content`, or Google's tags inside the content. Never both."""


class _Call:
    """A tool call as it is told."""

    __slots__ = ("arguments", "custom", "ended", "id", "name", "signature")

    def __init__(self, id: str, name: str, signature: str | None, *, custom: bool) -> None:  # noqa: A002 - OpenAI's name
        self.id = id
        self.name = name
        self.signature = signature
        self.custom = custom
        self.arguments: list[str] = []
        self.ended = False

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
        "_logprobs",
        "_media",
        "_reason",
        "_skipping",
        "_texts",
        "_thoughts",
        "_thoughts_form",
        "_token",
        "_told",
        "_toolbox",
        "_untold_logprobs",
    )

    def __init__(self, candidate: int, token: str, toolbox: Toolbox, thoughts: ThoughtsForm, media: AnswerMedia) -> None:
        self._candidate = candidate
        self._token = token
        self._toolbox = toolbox
        self._media = media
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
        self._logprobs: list[wire.TokenLogprob] = []
        self._untold_logprobs = 0

    def take(self, event: OfChoice) -> wire.Delta | None:
        """Take an event in, and give what it adds to the message now, if anything."""
        match event:
            case Text():
                return self._media.take_text(event.text) if self._media.is_speech else self._add_text(event.text)
            case Media():
                delta = self._media.take(event)
                return None if delta is None else self._closing_thought(delta)
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
            case Logprobs():
                new = content(event.result)
                self._logprobs += new
                self._untold_logprobs += len(new)
            case Extra(value=None):
                self._extra.pop(event.name, None)
            case Extra():
                self._extra[event.name] = event.value
            case Finish():
                self._reason = event.reason
            case Blocked():
                self._reason = PROMPT_BLOCKED
                self._extra["prompt_feedback"] = event.feedback
        return None

    def new_logprobs(self) -> wire.Logprobs | None:
        """Give the log probabilities that were not told yet."""
        if not self._untold_logprobs:
            return None
        new, self._untold_logprobs = self._logprobs[-self._untold_logprobs :], 0
        return wire.Logprobs(new)

    @property
    def logprobs(self) -> wire.Logprobs | None:
        """All log probabilities."""
        return wire.Logprobs(self._logprobs) if self._logprobs else None

    def last_delta(self) -> wire.Delta:
        """Give what is told at the end, once, since clients join strings, add numbers and cannot join lists."""
        delta = wire.Delta(extra_content=self._extra_content(), audio=self._media.last_delta())
        refusal = self._refusal()
        if refusal is not None:
            delta.refusal = refusal
        if self._in_thought:
            delta.content = THOUGHT_CLOSE + self._media.held_text()
        elif refusal is None and not self._texts and not self._calls and not self._media.has_sound:
            delta.content = self._media.held_text()
        cited = self._annotations()
        if cited:
            delta.annotations = cited
        return delta

    def message(self) -> wire.AnswerMessage:
        """Give the whole message."""
        refusal = self._refusal()
        content: str | None = self.text
        if self._thoughts and self._thoughts_form == "google":
            content = "".join([told for told, _ in self._told]) + (THOUGHT_CLOSE if self._in_thought else "")
            content += self._media.held_text()
        elif not content and (refusal is not None or self._calls or self._media.has_sound):
            content = None
        message = wire.AnswerMessage(
            content=content, refusal=refusal, annotations=self._annotations(), extra_content=self._extra_content()
        )
        if self._thoughts and self._thoughts_form == "reasoning_content":
            message.reasoning_content = "".join(self._thoughts)
        if self._media.images:
            message.images = self._media.images
        if self._media.has_sound:
            message.audio = self._media.audio()
        if self._calls and self._toolbox.legacy:
            message.function_call = wire.AnswerFunction(self._calls[0].name, self._calls[0].said)
        elif self._calls:
            message.tool_calls = [_answer_call(call) for call in self._calls]
        return message

    @property
    def finish_reason(self) -> wire.FinishReason:
        """Why the choice ended, in OpenAI's words. Truncation and filters outrank calls: a cut call is not a finished one."""
        reason = FINISH_REASON.get(self._reason or "", "stop")
        if reason == "stop" and self._calls:
            if not self._calls[-1].ended:
                return "length"
            return "function_call" if self._toolbox.legacy else "tool_calls"
        return reason

    @property
    def text(self) -> str:
        """The answer's text."""
        return "".join(self._texts) + self._media.held_text()

    @property
    def media(self) -> AnswerMedia:
        """The answer's pictures and sound."""
        return self._media

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
        call.ended = True
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
        if self._reason is not None and self._reason not in PLAIN:
            google["finish_reason"] = self._reason
        return {"google": google} if google else UNSET

    def _refusal(self) -> str | None:
        """Say why the answer was withheld, where nothing of it was said."""
        if self._reason == PROMPT_BLOCKED:
            feedback = self._extra["prompt_feedback"]
            return _sentence(
                f"The prompt was blocked by the Gemini API: {feedback['blockReason']}.", feedback.get("blockReasonMessage")
            )
        said = self.text or self._calls or self._media.images or self._media.has_sound or "parts" in self._extra
        if FINISH_REASON.get(self._reason or "") != "content_filter" or said:
            return None
        return _sentence(f"The answer was withheld by the Gemini API: {self._reason}.", self._extra.get("finish_message"))


def _sentence(ours: str, theirs: str | None) -> str:
    return f"{ours} {theirs}" if theirs else ours


def _answer_call(call: _Call) -> wire.AnswerToolCall:
    answer = wire.AnswerToolCall(id=call.id, type="custom" if call.custom else "function", extra_content=call.extra_content)
    if call.custom:
        answer.custom = wire.AnswerCustom(call.name, call.said)
    else:
        answer.function = wire.AnswerFunction(call.name, call.said)
    return answer
