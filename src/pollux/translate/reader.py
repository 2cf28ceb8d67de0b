"""Gemini replies, whole or streamed → events: the one reader.

A whole reply is a stream of one. Replies are fed in order; each gives the events that it says, and `close` gives what is known
only at the end. The reader's states: nothing seen → started → (candidates finish) → closed. What it keeps is little: the last
usages, the citations so far, and which candidates have finished.

It must not know: which OpenAI form is told, whether anyone streams, what the caller asked for.

Usage in streams is a running total that may go down: per field the latest value counts. Source: recorded traffic.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pollux.errors import UpstreamFailed
from pollux.translate.citations import grounding_of_both
from pollux.translate.endings import AGAIN
from pollux.translate.events import (
    Blocked,
    CallArguments,
    CallEnd,
    CallStart,
    Event,
    Extra,
    Finish,
    Logprobs,
    Media,
    Signature,
    Started,
    Text,
    Thought,
    Transcribed,
    Usage,
)
from pollux.translate.memory import TurnRecorder, is_told
from pollux.translate.partial import ArgumentsWriter, OutOfOrder
from pollux.translate.usage import add, counted, latest
from pollux.wire.gemini.generate import Blob, Candidate, FunctionCall, GenerateContentResponse, Part, UsageMetadata

EXTRAS = (
    "finish_message",
    "safety_ratings",
    "citation_metadata",
    "grounding_metadata",
    "url_context_metadata",
    "avg_logprobs",
    "continuation_token",
)
"""Fields of a candidate that OpenAI's form has no place for. They survive under `extra_content.google`, by these names."""


USAGES_KEPT_MAX = 100
"""Running totals that are kept before they are put together; putting together for every event would cost more."""


_extras_of = operator.attrgetter(*EXTRAS)
_NO_EXTRAS = (None,) * len(EXTRAS)


class ReplyReader:
    """Reads the replies to one request.

    `single_call`: of the calls of a turn only the first counts. `choice`: this is one of several requests that answer together;
    its candidate is the choice of this index, and there is one only.
    """

    __slots__ = (
        "_choice",
        "_citations",
        "_first",
        "_model_status",
        "_response_id",
        "_sources",
        "_sources_before",
        "_spent",
        "_started",
        "_token",
        "_usages",
        "_writers",
        "blocked",
        "continuation",
        "finished",
        "recorder",
        "said",
    )

    def __init__(self, *, single_call: bool = False, choice: int | None = None) -> None:
        self.recorder = TurnRecorder(single_call=single_call)
        self._choice = choice
        self._first = choice or 0
        self.said = False  # whether anything of an answer came: a text, a thought, a call, a part of another kind
        self._writers: dict[int, ArgumentsWriter] = {}  # of calls whose arguments are coming
        self._started = False
        self._response_id: str | None = None
        self._usages: list[UsageMetadata] = []
        self._spent: Usage | None = None  # in the calls that this one continues
        self._citations: dict[int, Any] = {}
        self._sources: dict[tuple[int, str], Any] = {}
        self._sources_before: dict[tuple[int, str], Any] = {}  # of the calls that this one continues
        self._token: str | None = None
        self._model_status: Any = None
        self.finished: dict[int, str] = {}
        self.continuation: str | None = None  # the token of an answer that ended at one call's limit and can go on
        self.blocked = False

    def feed(self, reply: GenerateContentResponse) -> list[Event]:
        """Give what one reply says."""
        events: list[Event] = []
        if not self._started:
            self._started = True
            self._response_id = reply.response_id
            events.append(Started(reply.response_id if self._choice is None else None, reply.model_version))
        if reply.usage_metadata is not None:
            self._usages.append(reply.usage_metadata)
            if len(self._usages) > USAGES_KEPT_MAX:
                self._usages = [latest(self._usages)]
        for candidate in reply.candidates or ():
            index = candidate.index or 0
            if self._choice is None:
                self._candidate(candidate, index, events)
            elif index == 0:
                self._candidate(candidate, self._choice, events)
        if reply.unknown:
            events += [Extra(self._first, name, value) for name, value in reply.unknown.items()]
        if reply.model_status is not None and reply.model_status != self._model_status:
            self._model_status = reply.model_status
            events.append(Extra(self._first, "model_status", reply.model_status))
        feedback = reply.prompt_feedback
        if feedback is not None:
            if feedback.block_reason and not self.finished:
                self.blocked = True
                events.append(Blocked(self._first, feedback.block_reason, msgspec.to_builtins(feedback)))
            elif feedback.safety_ratings:
                events.append(Extra(self._first, "prompt_feedback", msgspec.to_builtins(feedback)))
        return events

    def close(self) -> list[Event]:
        """Give what is known only at the end."""
        events: list[Event] = [Extra(candidate, "parts", parts) for candidate, parts in self.recorder.traces().items()]
        if self._choice is not None and self._response_id:  # of several requests that answer together each has an id
            events.append(Extra(self._choice, "response_id", self._response_id))
        return [*events, self.usage]

    def go_on(self) -> list[Event]:
        """Say what no longer holds when another call continues this answer; its replies are read on, its tokens are added."""
        self._spent = self.usage
        self._sources_before = dict(self._sources)
        self._usages.clear()
        self.finished.clear()
        self.continuation = self._token = None
        return [Extra(self._first, "continuation_token", None)]

    @property
    def usage(self) -> Usage:
        """The tokens so far, of all calls of this answer."""
        usage = counted(latest(self._usages))
        return usage if self._spent is None else add(self._spent, usage)

    @property
    def complete(self) -> bool:
        """Whether the replies came to an end: a candidate finished, or the prompt was blocked."""
        return bool(self.finished) or self.blocked

    @property
    def odd_end(self) -> str | None:
        """Why the answer is none, when it ended without saying anything in a way that a second try may mend."""
        if self.said or self.blocked:
            return None
        reason = self.finished.get(self._first, "no candidate")
        return reason if reason in AGAIN or not self.finished else None

    def _candidate(self, candidate: Candidate, index: int, events: list[Event]) -> None:
        if candidate.unknown:
            events += [Extra(index, name, value) for name, value in candidate.unknown.items()]
        if candidate.continuation_token:  # streams give one now and then
            self._token = candidate.continuation_token
        if candidate.logprobs_result:
            events.append(Logprobs(index, candidate.logprobs_result))
        content = candidate.content
        if content is not None and content.parts:
            self.recorder.feed(index, content.parts)
            for part in content.parts:
                self._part(part, index, events)
        values = _extras_of(candidate)
        if values != _NO_EXTRAS:
            self._extras(index, values, events)
        if candidate.finish_reason is not None and index not in self.finished:
            if candidate.finish_reason == "STOP":  # else a call whose arguments were still coming is cut: it has no end
                self._end_call(index, events)
            self.finished[index] = candidate.finish_reason
            if candidate.finish_reason == "CONTINUATION":
                self.continuation = self._token
            events.append(Finish(index, candidate.finish_reason))

    def _extras(self, candidate: int, values: tuple[Any, ...], events: list[Event]) -> None:
        for name, value in zip(EXTRAS, values, strict=True):
            if value:
                if name == "citation_metadata":
                    value = self._citations[candidate] = _added(self._citations.get(candidate, {}), value)  # noqa: PLW2901 - it is the sum
                elif name in _SOURCES:
                    before = self._sources_before.get((candidate, name))
                    value = self._sources[candidate, name] = value if before is None else _SOURCES[name](before, value)  # noqa: PLW2901 - the same
                events.append(Extra(candidate, name, value))

    def _part(self, part: Part, candidate: int, events: list[Event]) -> None:
        if part.text is not None:
            if part.text:
                self.said = True
                events.append(Thought(candidate, part.text) if part.thought else Text(candidate, part.text))
            if part.thought_signature is not None:
                events.append(Signature(candidate, part.thought_signature))
        elif part.function_call is not None:
            self._call(part.function_call, part.thought_signature, candidate, events)
        elif not (part.thought and part.inline_data is not None):  # an interim picture of the thinking is no output
            self.said = True  # what it is stands among the recorder's traces
            if is_told(part):
                blob = part.inline_data or Blob()
                events.append(Media(candidate, blob.mime_type or "", blob.data or "", part.thought_signature))
            elif part.audio_transcription is not None:
                events.append(Transcribed(candidate, part.audio_transcription))

    def _call(self, call: FunctionCall, signature: str | None, candidate: int, events: list[Event]) -> None:
        """Read a call: whole, or a piece of one whose arguments are streamed.

        A streamed one begins with its name and `willContinue`, goes on with partial arguments, and ends with an empty call,
        with the next call, or with the candidate.
        """
        self.said = True
        writer = self._writers.get(candidate)
        if call.name is not None:
            self._end_call(candidate, events)
            if call.will_continue or call.partial_args:
                writer = self._writers[candidate] = ArgumentsWriter()
                events.append(CallStart(candidate, call.name, "{", signature))
            else:
                arguments = msgspec.json.encode(call.args or {}).decode()
                events.append(CallStart(candidate, call.name, arguments, signature))
                events.append(CallEnd(candidate))
                return
        if writer is None:
            return
        for partial in call.partial_args or ():
            try:
                text = writer.add(partial)
            except OutOfOrder as error:
                raise UpstreamFailed(
                    f"The Gemini API streams arguments out of order: {error}.", code="upstream_malformed"
                ) from None
            if text:
                events.append(CallArguments(candidate, text))
        if not call.will_continue:
            self._end_call(candidate, events)

    def _end_call(self, candidate: int, events: list[Event]) -> None:
        writer = self._writers.pop(candidate, None)
        if writer is not None:
            events.append(CallArguments(candidate, writer.end()))
            events.append(CallEnd(candidate))
            self.recorder.complete_call(candidate, msgspec.json.decode("".join(writer.written)))


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


_SOURCES: Mapping[str, Callable[[Any, Any], Any]] = {
    "grounding_metadata": grounding_of_both,
    "url_context_metadata": _added,
}
"""What a call says of its sources, whole; and how it is joined to what the calls said that it continues."""
