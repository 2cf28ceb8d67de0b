"""Places in the caller's schema, and the faults that name them."""

from typing import Any, NoReturn

from pollux.errors import InvalidRequest
from pollux.wire.closed import joined

Place = tuple[Any, ...]
"""Where something stands: the outer place and a step. The root is empty. Making one costs little, and few are ever written."""

PLACE_CHARACTERS_MAX = 300
"""Longest path that is written; keys are the caller's and may be of any length."""


_WITH_SIGN = frozenset({"$defs", "$ref", "$dynamicRef", "$recursiveRef"})


def written(place: Place) -> str:
    """Write a place as what follows the schema's own path: `.properties.x.items[0]`."""
    steps: list[Any] = []
    while place:
        place, step = place
        steps.append(step)
    text = "_"
    for step in reversed(steps):
        text = f"{text}[{step}]" if isinstance(step, int) else f"{text}.{step}" if step in _WITH_SIGN else joined(text, step)
    return text[1:] if len(text) <= PLACE_CHARACTERS_MAX else text[1:PLACE_CHARACTERS_MAX] + "…"


class SchemaFault(Exception):
    """A schema that cannot be converted: where in it, and why."""

    def __init__(self, place: Place, why: str) -> None:
        super().__init__(why)
        self.place = place
        self.why = why

    def refuse(self, path: str) -> NoReturn:
        """Say it as an error of the request; `path` is the schema's own."""
        where = path + written(self.place)
        raise InvalidRequest(f"{where} {self.why}.", param=where) from None


class Contradiction(SchemaFault):
    """Constraints that no value satisfies."""
