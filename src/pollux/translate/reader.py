"""Gemini replies, whole or streamed → events: the one reader.

A whole reply is a stream of one. Replies are fed in order; each gives the events that it says, and `close` gives what is known
only at the end. The reader's states: nothing seen → started → (candidates finish) → closed. What it keeps is little: the last
usage, the citations so far, and which candidates have finished.

It must not know: which OpenAI form is told, whether anyone streams, what the caller asked for.

Usage in streams is a running total that may go down: per field the latest value counts. Source: recorded traffic.
"""

from typing import Any

import msgspec

from pollux.translate.events import Blocked, Event, Extra, Finish, Signature, Started, Strange, Text, Thought, Usage
from pollux.wire.gemini.generate import Candidate, GenerateContentResponse, ModalityTokenCount, Part, UsageMetadata

EXTRAS = (
    "finish_message",
    "safety_ratings",
    "citation_metadata",
    "grounding_metadata",
    "url_context_metadata",
    "avg_logprobs",
    "logprobs_result",
    "continuation_token",
)
"""Fields of a candidate that OpenAI's form has no place for. They survive under `extra_content.google`, by these names."""


class ReplyReader:
    """Reads the replies to one request."""

    __slots__ = ("_citations", "_model_status", "_started", "_usage", "blocked", "finished")

    def __init__(self) -> None:
        self._started = False
        self._usage = UsageMetadata()
        self._model_status: Any = None
        self._citations: dict[int, Any] = {}
        self.finished: set[int] = set()
        self.blocked = False

    def feed(self, reply: GenerateContentResponse) -> list[Event]:
        """Give what one reply says."""
        events: list[Event] = []
        if not self._started:
            self._started = True
            events.append(Started(reply.response_id, reply.model_version))
        if reply.usage_metadata is not None:
            _update(self._usage, reply.usage_metadata)
        if reply.candidates:
            for candidate in reply.candidates:
                self._candidate(candidate, events)
        if reply.model_status is not None and reply.model_status != self._model_status:
            self._model_status = reply.model_status
            events.append(Extra(0, "model_status", reply.model_status))
        feedback = reply.prompt_feedback
        if feedback is not None:
            if feedback.block_reason and not self.finished:
                self.blocked = True
                events.append(Blocked(feedback.block_reason, msgspec.to_builtins(feedback)))
            elif feedback.safety_ratings:
                events.append(Extra(0, "prompt_feedback", msgspec.to_builtins(feedback)))
        return events

    def close(self) -> list[Event]:
        """Give what is known only at the end."""
        return [_usage(self._usage)]

    @property
    def complete(self) -> bool:
        """Whether the replies came to an end: a candidate finished, or the prompt was blocked."""
        return bool(self.finished) or self.blocked

    def _candidate(self, candidate: Candidate, events: list[Event]) -> None:
        index = candidate.index or 0
        content = candidate.content
        if content is not None and content.parts:
            for part in content.parts:
                _part(part, index, events)
        for name in EXTRAS:
            value = getattr(candidate, name)
            if value:
                if name == "citation_metadata":
                    value = self._citations[index] = _added(self._citations.get(index, {}), value)
                events.append(Extra(index, name, value))
        if candidate.finish_reason is not None and index not in self.finished:
            self.finished.add(index)
            events.append(Finish(index, candidate.finish_reason))


def _part(part: Part, candidate: int, events: list[Event]) -> None:
    if part.text is not None:
        if part.text:
            events.append(Thought(candidate, part.text) if part.thought else Text(candidate, part.text))
        if part.thought_signature is not None:
            events.append(Signature(candidate, part.thought_signature))
    else:
        events.append(Strange(candidate, part.unnamed or msgspec.to_builtins(part)))


def _added(earlier: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Add an event's citations to those of earlier events: they come piece by piece, or again with all before.

    Source: Gemini API, CitationMetadata in streams.
    """
    return earlier | {
        key: [*(citation for citation in earlier.get(key, ()) if citation not in value), *value]
        if isinstance(value, list)
        else value
        for key, value in new.items()
    }


def _update(usage: UsageMetadata, new: UsageMetadata) -> None:
    for name in UsageMetadata.__struct_fields__:
        value = getattr(new, name)
        if value is not None:
            setattr(usage, name, value)


def _usage(native: UsageMetadata) -> Usage:
    """Add up the tokens so that the parts make the total.

    Source: recorded totals: prompt + candidates + thoughts + toolUsePrompt. Where the total shows that the thoughts are inside
    the candidates already, they are not counted twice.
    """
    tool_use = native.tool_use_prompt_token_count or 0
    prompt = (native.prompt_token_count or 0) + tool_use
    candidates = native.candidates_token_count or 0
    thoughts = native.thoughts_token_count or 0
    inside = thoughts > 0 and candidates >= thoughts and native.total_token_count == prompt + candidates
    return Usage(
        prompt=prompt,
        completion=candidates if inside else candidates + thoughts,
        cached=native.cached_content_token_count or 0,
        reasoning=thoughts,
        tool_use=tool_use,
        prompt_by_modality=_by_modality(native.prompt_tokens_details),
        completion_by_modality=_by_modality(native.candidates_tokens_details),
        service_tier=native.service_tier,
    )


def _by_modality(details: list[ModalityTokenCount] | None) -> dict[str, int]:
    if not details:
        return {}
    return {detail.modality or "UNKNOWN": detail.token_count or 0 for detail in details}
