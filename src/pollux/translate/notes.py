"""Notes: what a request lost or had approximated on its way to the native API, as values."""

from typing import Literal

from msgspec import Struct


class Note(Struct, frozen=True):
    """One loss: which parameter or part (its path), what happened to it, and why, for a person."""

    param: str
    fate: Literal["ignored", "approximated", "added"]
    why: str
