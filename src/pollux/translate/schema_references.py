"""`$ref` within one schema: JSON pointers, anchors and the schema's own ids. Nothing is ever fetched."""

import re
from typing import Any

from pollux.translate.schema_keywords import Schema
from pollux.translate.schema_places import Place, SchemaFault

REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")

CHAIN_MAX = 50
"""Longest chain of references that lead to nothing but references."""


class References:
    """Finds what references mean, in one schema."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._named: dict[str, tuple[Any, Place]] | None = None

    def target(self, reference: Any, place: Place) -> tuple[Any, Place]:
        """Give the schema that a reference means, and its place. Raises SchemaFault."""
        if not isinstance(reference, str):
            raise SchemaFault(place, "must be a text")
        base, _, fragment = reference.partition("#")
        found: Any = self._root
        at: Place = ()
        if base:
            found, at = self._by_name(base.rstrip("/"), place)
        if fragment and not fragment.startswith("/"):
            return self._by_name(f"#{fragment}", place)
        for raw in fragment.split("/")[1:]:
            step = _unescaped(raw)
            match found:
                case dict() if step in found:
                    found, at = found[step], (at, step)
                case list() if step.isdecimal() and len(step) < 6 and int(step) < len(found):
                    found, at = found[int(step)], (at, int(step))
                case _:
                    raise SchemaFault(place, f"is {reference[:100]!r}, and the schema has nothing there")
        return found, at

    def _by_name(self, name: str, place: Place) -> tuple[Any, Place]:
        if self._named is None:
            self._named = _names(self._root)
        if name not in self._named:
            if name.startswith("#"):
                raise SchemaFault(place, f"is {name[:100]!r}, and the schema has no such anchor")
            raise SchemaFault(
                place, f"refers to {name[:100]!r}, outside the schema; it is not fetched. Put what it means under $defs"
            )
        return self._named[name]


_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")


def _unescaped(step: str) -> str:
    """Read a step of a JSON pointer in a URI's fragment."""
    if "%" not in step and "~" not in step:
        return step
    plain = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), step.encode()).decode(errors="replace")
    return plain.replace("~1", "/").replace("~0", "~")


def _names(root: Schema) -> dict[str, tuple[Any, Place]]:
    """Gather the schema's ids and anchors."""
    found: dict[str, tuple[Any, Place]] = {}
    to_visit: list[tuple[Any, Place]] = [(root, ())]
    while to_visit:
        item, place = to_visit.pop()
        if isinstance(item, dict):
            for keyword, sign in (("$id", ""), ("id", ""), ("$anchor", "#"), ("$dynamicAnchor", "#")):
                name = item.get(keyword)
                if isinstance(name, str) and name:
                    found.setdefault(sign + name.rstrip("#/"), (item, place))
            to_visit += [(inner, (place, key)) for key, inner in item.items() if isinstance(inner, (dict, list))]
        elif isinstance(item, list):
            to_visit += [(inner, (place, i)) for i, inner in enumerate(item) if isinstance(inner, (dict, list))]
    return found
