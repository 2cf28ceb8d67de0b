"""Cycles among the definitions of a converted schema.

The service unrolls cyclic references to a limited degree, and takes them only within properties that are not required. So a
required property that leads back to its own definition becomes optional; a cycle that passes no property is cut: anything is
allowed there. Source: Google's discovery document, responseJsonSchema.
"""

from collections.abc import Callable, Iterator

from pollux.translate.schema_keywords import Schema
from pollux.translate.schema_places import Place

_PREFIX = "#/$defs/"

Lose = Callable[[Place, str], None]
Edges = dict[str, set[str]]
Hard = tuple[str, Schema | None, str]
"""A reference that is not within an optional property: its definition, and the required property around it, if any."""


def loosen(
    definitions: dict[str, Schema],
    edges: Edges,
    lose: Lose,
    properties: dict[int, tuple[Schema, Place]],
    places: dict[str, Place],
) -> None:
    """Make required properties optional, and cut references, until every cycle passes an optional property.

    `edges` are the references of each definition, `properties` says where converted properties stand in the caller's schema,
    `places` where a definition does. Where something is cut, `edges` are brought up to date.
    """
    cyclic = set().union(*_components(edges))
    inside = {name: schema for name, schema in definitions.items() if name in cyclic}
    again = bool(inside)
    while again:
        again = False
        for name, component in _cyclic(inside):
            for target, owner, required in [*_hard(inside[name])]:
                if target in component and owner is not None and required in owner.get("required", ()):
                    _make_optional(owner, required)
                    lose(
                        (properties[id(owner["properties"])][1], required),
                        "made optional, since it leads back to its own definition; told to the model",
                    )
                    again = True
    for name, component in _cyclic(inside):
        definitions[name] = _cut(definitions[name], component)
        edges[name] = {*_targets(definitions[name])}
        lose(places[name], "leads back to itself outside any property: there, anything is allowed")


def reachable(edges: Edges) -> set[str]:
    """Give the definitions that the root refers to, directly or through others."""
    used: set[str] = set()
    waiting = [*edges[""]]
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += edges[name]
    return used


def _make_optional(owner: Schema, name: str) -> None:
    owner["required"] = [other for other in owner["required"] if other != name]
    if not owner["required"]:
        del owner["required"]
    told = f"Always give the property {name}."
    owner["description"] = f"{owner['description']}\n{told}" if "description" in owner else told


def _hard(schema: Schema, owner: Schema | None = None, name: str = "") -> Iterator[Hard]:
    if "$ref" in schema:
        yield schema["$ref"].removeprefix(_PREFIX), owner, name
    required = schema.get("required", ())
    for key, inner in schema.get("properties", {}).items():
        if key in required:
            yield from _hard(inner, schema, key)
    if isinstance(schema.get("items"), dict):
        yield from _hard(schema["items"], owner, name)
    for keyword in ("anyOf", "oneOf", "prefixItems"):
        for inner in schema.get(keyword, ()):
            yield from _hard(inner, owner, name)


def _targets(schema: Schema) -> Iterator[str]:
    if "$ref" in schema:
        yield schema["$ref"].removeprefix(_PREFIX)
    for inner in schema.get("properties", {}).values():
        yield from _targets(inner)
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from _targets(schema[keyword])
    for keyword in ("anyOf", "oneOf", "prefixItems"):
        for inner in schema.get(keyword, ()):
            yield from _targets(inner)


def _cyclic(definitions: dict[str, Schema]) -> list[tuple[str, set[str]]]:
    """Give the definitions on cycles of hard references, each with all of its cycle."""
    edges = {name: {target for target, _, _ in _hard(schema) if target in definitions} for name, schema in definitions.items()}
    component_of = {name: component for component in _components(edges) for name in component}
    return [(name, component_of[name]) for name in definitions if name in component_of]


def _components(edges: dict[str, set[str]]) -> list[set[str]]:
    """Find strongly connected components that hold a cycle, by Tarjan's algorithm with its own stack."""
    found: list[set[str]] = []
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    on_path: set[str] = set()
    for start, first in edges.items():
        if start in index:
            continue
        work = [(start, iter(first))]
        index[start] = low[start] = len(index)
        path.append(start)
        on_path.add(start)
        while work:
            name, targets = work[-1]
            for target in targets:
                if target not in index:
                    index[target] = low[target] = len(index)
                    path.append(target)
                    on_path.add(target)
                    work.append((target, iter(edges[target])))
                    break
                if target in on_path:
                    low[name] = min(low[name], index[target])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == index[name]:
                    component: set[str] = set()
                    while name not in component:
                        on_path.discard(path[-1])
                        component.add(path.pop())
                    if len(component) > 1 or name in edges[name]:
                        found.append(component)
    return found


def _cut(schema: Schema, component: set[str]) -> Schema:
    """Allow anything where a hard reference leads into the cycle."""
    if schema.get("$ref", "").removeprefix(_PREFIX) in component:
        return {}
    cut = dict(schema)
    if isinstance(schema.get("items"), dict):
        cut["items"] = _cut(schema["items"], component)
    for keyword in ("anyOf", "oneOf", "prefixItems"):
        if keyword in schema:
            cut[keyword] = [_cut(inner, component) for inner in schema[keyword]]
    return cut
