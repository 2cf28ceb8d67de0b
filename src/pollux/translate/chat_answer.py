"""The answer of a chat completion: events → completion, or chunks.

`ChatTelling` puts the choices together; what one choice says is in `chat_choice`. Folding the chunks gives the whole answer.
"""

from typing import Literal

from msgspec import UNSET, Struct

from pollux.translate.chat import ANSWERS_MAX
from pollux.translate.chat_choice import Telling, ThoughtsForm
from pollux.translate.events import Event, Logprobs, OfChoice, Started, Text, Usage
from pollux.translate.media_answer import AnswerMedia
from pollux.translate.speech import Speech
from pollux.translate.tools import NO_TOOLS, Toolbox
from pollux.translate.usage import add, chat_usage, service_tier
from pollux.wire.openai import chat as wire

UsageMode = Literal["none", "last", "each"]
"""Usage in a stream: not asked for; null and then once at the end; on every chunk, zero until the end."""


class Stamp(Struct, frozen=True):
    """What an answer needs from outside: 24 random hexadecimal digits for its ids, and the time in seconds since 1970."""

    token: str
    created: int


class ChatTelling:
    """Tells the events of one request's replies: as chunks, event by event, or at the end as one whole answer.

    Every choice begins with one role delta, in the order of the choices, and ends with one chunk that holds what is known
    only at the end. Folding the chunks gives the whole answer. `model` is echoed as it was asked for.

    Source: OpenAI API, The chat completion object, The chat completion chunk object.
    Loses: nothing; what has no place there stands in `extra_content.google`.
    """

    __slots__ = ("_chunk", "_signed", "_speech", "_spent", "_stamp", "_thoughts", "_toolbox", "_usage_mode", "tellings")

    def __init__(
        self,
        stamp: Stamp,
        model: str,
        *,
        usage: UsageMode = "none",
        toolbox: Toolbox = NO_TOOLS,
        thoughts: ThoughtsForm = "reasoning_content",
        speech: Speech | None = None,
    ) -> None:
        self._stamp = stamp
        self._speech = speech
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
            case OfChoice():
                candidate = event.candidate
            case _:
                return []
        chunks = []
        telling = self.tellings.get(candidate)
        if telling is None:
            chunks = self._opened(candidate, "" if isinstance(event, (Text, Logprobs)) else None)
            telling = self.tellings[candidate]
        delta = telling.take(event)
        if delta is not None:
            chunks.append(self._with(candidate, delta, logprobs=telling.new_logprobs()))
        return chunks

    def close(self) -> list[wire.ChatCompletionChunk]:
        """Give the last chunk of every choice, and the usage where it was asked for."""
        chunks = [] if self.tellings else self._opened(0, None)
        for index, telling in sorted(self.tellings.items()):
            chunks.append(self._with(index, telling.last_delta(), telling.finish_reason, telling.new_logprobs()))
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
                wire.Choice(
                    index=index, message=telling.message(), finish_reason=telling.finish_reason, logprobs=telling.logprobs
                )
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
    def tokens(self) -> tuple[int, int]:
        """The tokens so far, of the prompt and of the completion."""
        return (0, 0) if self._spent is None else (self._spent.prompt, self._spent.completion)

    @property
    def usage(self) -> wire.Usage:
        """The tokens so far, of all native calls."""
        return wire.Usage() if self._spent is None else chat_usage(self._spent)

    def _opened(self, candidate: int, content: str | None) -> list[wire.ChatCompletionChunk]:
        """Open a choice, and those before it, since clients read them as a list; an absurd index opens few others."""
        new = [index for index in (*range(min(candidate, ANSWERS_MAX)), candidate) if index not in self.tellings]
        for index in new:
            media = AnswerMedia(index, self._stamp.token, self._stamp.created, self._speech)
            self.tellings[index] = Telling(index, self._stamp.token, self._toolbox, self._thoughts, media)
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
        tier = service_tier(event.service_tier) if event.service_tier else None
        if tier is not None:
            self._chunk.service_tier = tier

    def _with(
        self,
        candidate: int,
        delta: wire.Delta,
        finish_reason: str | None = None,
        logprobs: wire.Logprobs | None = None,
    ) -> wire.ChatCompletionChunk:
        chunk = self._chunk
        return wire.ChatCompletionChunk(
            id=chunk.id,
            created=chunk.created,
            model=chunk.model,
            choices=[wire.ChunkChoice(candidate, delta, finish_reason, logprobs)],
            usage=chunk.usage,
            service_tier=chunk.service_tier,
            system_fingerprint=chunk.system_fingerprint,
        )
