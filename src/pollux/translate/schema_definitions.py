"""The definitions of a native schema: what the caller's references mean, named below `$defs`, each converted once."""

import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from pollux.translate.schema_keywords import SILENT, Schema
from pollux.translate.schema_places import Place, SchemaFault
from pollux.translate.schema_references import CHAIN_MAX, REFERENCES, References

NAME_CHARACTERS_MAX = 64

_REFERENCES = frozenset(REFERENCES)
_OTHER_SIGNS = re.compile(r"[^A-Za-z0-9_.-]")


class Definitions:
    """Names what is referred to. `edges` says which definitions one refers to; those of the root have the name ""."""

    def __init__(self, root: Schema) -> None:
        self.edges: dict[str, set[str]] = {"": set()}
        self.places: dict[str, Place] = {}
        self._references = References(root)
        self._links: dict[str, Schema] = {}
        self._names: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._waiting: deque[tuple[str, Schema, Place]] = deque()
        self._current = ""

    def link(self, reference: Any, at: Place) -> tuple[Schema, None] | tuple[Any, Place]:
        """Give the native reference; or, where no schema with keywords is meant, what is meant and its place."""
        link = self._links.get(reference) if type(reference) is str else None
        if link is None:
            target, where = self.followed(reference, at)
            if not isinstance(target, dict):
                return target, where
            link = self._links[reference] = {"$ref": f"#/$defs/{self._name(target, where)}"}
        self.edges[self._current].add(link["$ref"][8:])
        return link, None

    def followed(self, reference: Any, at: Place) -> tuple[Any, Place]:
        """Follow a reference through references that say nothing else. Raises SchemaFault."""
        target, where = self._references.target(reference, at)
        if type(target) is dict and _REFERENCES.isdisjoint(target):
            return target, where
        for _ in range(CHAIN_MAX):
            found = [name for name in REFERENCES if isinstance(target, dict) and name in target]
            if len(found) != 1 or target.keys() - {found[0], "$defs", "definitions"} - SILENT:
                return target, where
            target, where = self._references.target(target[found[0]], (where, found[0]))
        raise SchemaFault(at, "leads to itself, or through too many references")

    def to_convert(self) -> Iterator[tuple[str, Schema, Place]]:
        """Give what was named, also what is named meanwhile: name, the caller's schema, its place."""
        while self._waiting:
            self._current = self._waiting[0][0]
            self.edges[self._current] = set()
            yield self._waiting.popleft()

    def mark(self) -> set[str]:
        """Give the references so far of what is being converted, for `forget`."""
        return set(self.edges[self._current])

    def forget(self, mark: set[str]) -> None:
        """Take back the references since the mark: they stood in a branch that is left out."""
        self.edges[self._current] = mark

    def _name(self, target: Schema, where: Place) -> str:
        """Give a definition its name, and see to it that it is converted. Names that clash are numbered."""
        name = self._names.get(id(target))
        if name is None:
            step = str(where[1]) if where else "root"
            name = _OTHER_SIGNS.sub("_", step)[:NAME_CHARACTERS_MAX] or "_"
            wanted = name
            while name in self.places:
                self._numbers[wanted] = number = self._numbers.get(wanted, 1) + 1
                name = f"{wanted}_{number}"
            self._names[id(target)] = name
            self.places[name] = where
            self._waiting.append((name, target, where))
        return name
