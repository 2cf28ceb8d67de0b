"""Notes: what a request lost or had approximated on its way to the native API, as values."""

from typing import Literal

from msgspec import Struct


class Note(Struct, frozen=True):
    """One loss: which parameter or part (its path), what happened to it, and why, for a person.

    `mismatch` is the answer's: it does not hold to what was asked for.
    """

    param: str
    fate: Literal["ignored", "approximated", "added", "mismatch"]
    why: str
