"""The loss report: notes → codes for a header, a sheet for the body, and the refusal of strict mode.

A code is a parameter's name and what became of it, as in `seed=approximated`. The path in a note may hold the
caller's text (a key, a name); a code never does: its names are those of our shapes.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from pollux.errors import Unsupported
from pollux.translate.notes import Note
from pollux.translate.transcription import TRANSCRIPTION_ROWS
from pollux.wire.openai.audio import SpeechRequest
from pollux.wire.openai.chat import ChatCompletionRequest
from pollux.wire.openai.embeddings import EmbeddingsRequest
from pollux.wire.openai.images import CreateImageRequest, EditImageRequest
from pollux.wire.openai.videos import CreateVideoRequest

HEADER_BYTES_MAX = 1024
"""Longest list of codes; proxies give up on long headers."""

LISTED_MAX = 100
"""Most losses that a body or a refusal spells out; a conversation of 10,000 named messages has one for each."""

UNKNOWN = "unknown"
"""The name in the code of a parameter that no request has."""

REQUESTS: tuple[type[msgspec.Struct], ...] = (
    ChatCompletionRequest,
    EmbeddingsRequest,
    SpeechRequest,
    CreateImageRequest,
    EditImageRequest,
    CreateVideoRequest,
)
"""The requests of which losses are noted; an endpoint that notes some adds its own."""

NAMES = frozenset(name for shape in REQUESTS for name in shape.__struct_fields__).union(row.name for row in TRANSCRIPTION_ROWS)
"""The names that codes are made of."""

_INDEX = re.compile(r"\[\d+\]")


def code(note: Note) -> str:
    """Give the code of a note: the longest beginning of its path that is a parameter, and its fate."""
    path = _INDEX.sub("", note.param)
    while path and path not in NAMES:
        path = path.rpartition(".")[0]
    return f"{path or UNKNOWN}={note.fate}"


def codes(notes: Iterable[Note]) -> list[str]:
    """Give the codes of notes, each once, in their order."""
    return list(dict.fromkeys(map(code, notes)))


def header(notes: Iterable[Note]) -> bytes:
    """Write the codes for a header; `more=2` at the end says how many did not fit."""
    listed = codes(notes)
    text = ", ".join(listed)
    shown = len(listed)
    while len(text) > HEADER_BYTES_MAX:
        shown -= 1
        text = ", ".join([*listed[:shown], f"more={len(listed) - shown}"])
    return text.encode("ascii")


def sheet(notes: Iterable[Note]) -> dict[str, Any]:
    """Give the whole report, for `extra_content.pollux` of an answer."""
    told = list(dict.fromkeys(notes))
    losses = [{"code": code(note), **msgspec.to_builtins(note)} for note in told[:LISTED_MAX]]
    left_out = {"losses_left_out": len(told) - LISTED_MAX} if len(told) > LISTED_MAX else {}
    return {"losses": losses, **left_out}


def refusal(notes: Iterable[Note]) -> Unsupported:
    """Make the error of strict mode, which names everything that the request would lose."""
    told = list(dict.fromkeys(notes))
    listed = "; ".join(f"{note.param} is {note.fate} ({note.why.rstrip('.')})" for note in told[:LISTED_MAX])
    more = f"; and {len(told) - LISTED_MAX} more" if len(told) > LISTED_MAX else ""
    return Unsupported(f"Strict mode refuses what would be lost: {listed}{more}.", param=told[0].param, code="strict_mode")
