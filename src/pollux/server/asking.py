"""One answer on its way from Gemini: the native call, at most one repair of it, and its events as they come.

A repair repeats the native call once, before anything of an answer was told (CONTRACT, section 4): when the service refuses
a thought signature, with the documented dummy in its place; when it refuses a schema as too complex, with a simpler one; when
an answer ends oddly and empty (a malformed function call, an unexpected one, nothing at all), as it is.

An answer that ends at one call's limit (CONTINUATION) is continued: the same request goes out again with the token of that
answer, as often as is allowed and until the caller's own limit of tokens is reached. To the reader it is one answer. A
continuation that is refused leaves the answer as it is, which is legal: `length`. One that breaks off midway is a broken
stream.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from copy import deepcopy
from typing import Literal, Protocol

import msgspec

from pollux.errors import ApiError, UpstreamFailed
from pollux.translate.chat import Plan, with_dummies
from pollux.translate.events import Event
from pollux.translate.failures import SCHEMA_REFUSED, SIGNATURE_REFUSED, says_nothing
from pollux.translate.notes import Note
from pollux.translate.reader import ReplyReader
from pollux.translate.schema_trimming import with_trimmed_schemas
from pollux.upstream.http import Parts
from pollux.wire.gemini.generate import GenerateContentResponse, encode_request


class Replies(Protocol):
    """The replies to one native call, which was accepted: those of a stream, or a whole one. `client.ContentStream` is one."""

    def replies(self) -> AsyncIterator[list[GenerateContentResponse]]:
        """Give the replies that each read brought."""

    async def close(self) -> None:
        """Let go of the connection."""


Call = Callable[[Parts], Awaitable[Replies]]
"""Makes the native call with a body; returns when it is accepted. Raises ApiError."""


class WholeReply:
    """A whole reply, as a stream of one."""

    __slots__ = ("_replies",)

    def __init__(self, reply: GenerateContentResponse) -> None:
        self._replies = [reply]

    async def replies(self) -> AsyncIterator[list[GenerateContentResponse]]:
        """Give the reply, once."""
        replies, self._replies = self._replies, []
        yield replies

    async def close(self) -> None:
        """Nothing is open."""


class Asking:
    """The native calls of one answer. `choice` is its place where several answer together."""

    __slots__ = (
        "_call",
        "_choice",
        "_continuations_left",
        "_mended",
        "_native",
        "_notes",
        "_plan",
        "_replies",
        "body",
        "reader",
    )

    def __init__(
        self, plan: Plan, body: Parts, call: Call, notes: list[Note], continuations_max: int, choice: int | None = None
    ) -> None:
        self._plan = plan
        self._native = plan.native
        self._call = call
        self._choice = choice
        self._notes = notes
        self._mended = False
        self._continuations_left = continuations_max
        self._replies: Replies | None = None
        self.body = body
        self.reader = self._new_reader()

    async def open(self) -> None:
        """Make the native call; returns when it is accepted. Raises ApiError."""
        while self._replies is None:
            try:
                self._replies = await self._call(self.body)
            except ApiError as error:
                if not self._mends_error(error):
                    raise

    async def events(self) -> AsyncIterator[list[Event]]:
        """Give what each read says, and at the end what is known only then.

        What comes before the first content is held back, since a repair may follow. Raises ApiError when the call fails or its
        stream ends before the answer is complete.
        """
        reader, held = self.reader, list[Event]()
        while True:
            assert self._replies is not None
            try:
                async for replies in self._replies.replies():
                    events = [event for reply in replies for event in reader.feed(reply)]
                    replies.clear()  # whoever is told takes over what is large
                    if not reader.said:
                        held += events
                        continue
                    if held:
                        events, held = held + events, []
                    yield events
                    events = []
            except ApiError:
                if not reader.complete:
                    raise
            if not (reader.complete or isinstance(self._replies, WholeReply)):
                raise UpstreamFailed(
                    "The Gemini API ended the stream before the answer was complete.", code="upstream_incomplete"
                )
            await self.close()
            if await self._continues():
                yield reader.go_on()
            elif self._mends_end():
                yield [reader.usage]  # it was spent, though the answer is not told
                reader, held = self._new_reader(), []
                self.reader = reader
                await self.open()
            else:
                break
        yield [*held, *reader.close()]

    async def close(self) -> None:
        """Let go of what is open."""
        replies, self._replies = self._replies, None
        if replies is not None:
            await replies.close()

    def _new_reader(self) -> ReplyReader:
        toolbox = self._plan.toolbox
        return ReplyReader(single_call=toolbox.legacy or not toolbox.parallel, choice=self._choice)

    async def _continues(self) -> bool:
        """Say whether the answer goes on after one call's limit; then the call that continues it is open."""
        reader = self.reader
        if reader.continuation is None or self._continuations_left <= 0 or reader.usage.completion >= self._plan.tokens_max:
            return False
        self._continuations_left -= 1
        native = msgspec.structs.replace(self._native, continuation_token=reader.continuation)
        try:
            self._replies = await self._call(encode_request(native).parts)
        except ApiError as error:
            self._note("approximated", f"the answer ends at one call's limit: its continuation failed with {error.code}")
            return False
        self._note("added", "further calls, since the answer was longer than one call gives")
        return True

    def _mends_error(self, error: ApiError) -> bool:
        """Say whether to call again after an error; then `body` is the repaired one."""
        if self._mended:
            return False
        if error.code == SIGNATURE_REFUSED:
            return self._use_dummies()
        return (error.code == SCHEMA_REFUSED or says_nothing(error)) and self._use_simpler_schemas()

    def _mends_end(self) -> bool:
        """Say whether to call again after an empty answer; then `body` is the repaired one."""
        end = self.reader.odd_end
        if self._mended or end is None or (end == "STOP" and self._plan.may_be_empty):
            return False
        if end == "MISSING_THOUGHT_SIGNATURE":
            return self._use_dummies()
        self._mended = True
        self._note("added", f"a second call, since the first ended empty with {end}")
        return True

    def _use_dummies(self) -> bool:
        self._mended = True
        native = deepcopy(self._native)  # other choices send it too
        if not with_dummies(native):
            return False
        self._native = native
        self.body = encode_request(native).parts
        self._note("approximated", "a thought signature was refused; its documented dummy was sent")
        return True

    def _use_simpler_schemas(self) -> bool:
        self._mended = True
        native = with_trimmed_schemas(self._native)
        if native is None:
            return False
        self._native = native
        self.body = encode_request(native).parts
        why = "the service refused the schema as too complex; a simpler one was sent, and the rest is told to the model"
        self._note("approximated", why, "tools" if self._plan.form.asked is None else "response_format")
        return True

    def _note(self, fate: Literal["added", "approximated"], why: str, param: str = "messages") -> None:
        """Note what was changed, once for all choices."""
        note = Note(param, fate, why)
        if note not in self._notes:
            self._notes.append(note)
