"""The vocabulary between the two sides: what a reply says, one thing at a time.

The reader makes events of native replies; each OpenAI form is told from events alone. `candidate` is the candidate's index.
They are frozen msgspec structures rather than dataclasses: making one costs a tenth, and a stream makes many.
"""

from typing import Any

from msgspec import Struct


class Event(Struct, frozen=True, gc=False):
    """Something that a reply says."""


class Started(Event, frozen=True, gc=False):
    """The first reply is here: the native response's id and the model that really answers, where known."""

    response_id: str | None
    model_version: str | None


class OfChoice(Event, frozen=True, gc=False):
    """Something that a reply says of one choice."""

    candidate: int


class Text(OfChoice, frozen=True, gc=False):
    """A piece of the answer's text, never empty."""

    text: str


class Thought(OfChoice, frozen=True, gc=False):
    """A piece of a thought summary, never empty."""

    text: str


class Media(OfChoice, frozen=True, gc=False):
    """A picture, or a piece of sound: its type, its bytes in base64, and its signature."""

    mime_type: str
    data: str
    signature: str | None


class Transcribed(OfChoice, frozen=True, gc=False):
    """One turn of a speaker, written down: its words, their times and the speaker's label where asked for, as native JSON."""

    turn: dict[str, Any]


class CallStart(OfChoice, frozen=True, gc=False):
    """A function call begins: its native name and signature, and as much of its arguments' JSON as is there."""

    name: str
    arguments: str
    signature: str | None


class CallArguments(OfChoice, frozen=True, gc=False):
    """A further piece of the last call's arguments, where the backend streams them."""

    text: str


class CallEnd(OfChoice, frozen=True, gc=False):
    """The last call is complete. A call without it was cut."""


class Logprobs(OfChoice, frozen=True, gc=False):
    """The native log probabilities of the text that follows."""

    result: dict[str, Any]


class Signature(OfChoice, frozen=True, gc=False):
    """The signature of the answer's text: opaque, to be given back on the next turn."""

    signature: str


class Extra(OfChoice, frozen=True, gc=False):
    """A native field of the candidate that OpenAI's form has no place for; a later one of the same name replaces it.

    None takes it away.
    """

    name: str
    value: Any


class Finish(OfChoice, frozen=True, gc=False):
    """The candidate has ended, with the native reason."""

    reason: str


class Blocked(OfChoice, frozen=True, gc=False):
    """The prompt was blocked: there is no candidate at all; the choice is told in its place."""

    reason: str
    feedback: dict[str, Any]


class Usage(Event, frozen=True, gc=False):
    """The tokens of the whole reply, said once, at its end."""

    prompt: int
    completion: int
    cached: int
    reasoning: int
    tool_use: int
    prompt_by_modality: dict[str, int]
    completion_by_modality: dict[str, int]
    cached_by_modality: dict[str, int]
    tool_use_by_modality: dict[str, int]
    service_tier: str | None
    traffic_type: str | None
