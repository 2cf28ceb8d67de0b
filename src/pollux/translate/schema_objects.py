"""A function's parameters: a schema whose root is an object."""

from typing import Any

from pollux.translate.schema_keywords import ONE_HOLDS, Schema
from pollux.translate.schema_merging import comparable
from pollux.translate.schema_places import SchemaFault
from pollux.translate.schema_plain import Loss

_PREFIX = "#/$defs/"


def as_object(schema: Schema, losses: list[Loss]) -> Schema:
    """Give a native schema the root that a function must have. A union of objects becomes one that allows all of theirs.

    Source: Google's discovery document, parametersJsonSchema: "The schema must describe an object".
    Raises SchemaFault when the root can be no object.
    """
    definitions = schema.get("$defs", {})
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            branches = [found for branch in schema[keyword] if (found := _resolved(branch, definitions)) is not None]
            if len(branches) > 1:
                losses.append(
                    (((), keyword), "approximated", "a function takes one object: it has the properties of all branches")
                )
            rest = {name: value for name, value in schema.items() if name != keyword}
            if ONE_HOLDS in rest.get("description", ""):  # there are no branches left of which it could be said
                said = rest.pop("description").replace(ONE_HOLDS, "").rstrip("\n")
                rest |= {"description": said} if said else {}
            return _with_properties({**rest, **_together(branches)})
    return _with_properties(schema)


def _with_properties(schema: Schema) -> Schema:
    kind = schema.get("type", "object")
    if kind != "object" and not (isinstance(kind, list) and "object" in kind):
        raise SchemaFault(((), "type"), "must be object: a function's arguments are one")
    return {**schema, "type": "object", "properties": schema.get("properties", {})}


def _resolved(branch: Schema, definitions: dict[str, Schema]) -> Schema | None:
    """Follow a branch to its object; None for a branch that is none, such as null."""
    for _ in range(len(definitions) + 1):
        if "$ref" not in branch:
            break
        branch = definitions[branch["$ref"].removeprefix(_PREFIX)]
    for keyword in ("anyOf", "oneOf"):
        if keyword in branch:
            inner = [found for one in branch[keyword] if (found := _resolved(one, definitions)) is not None]
            return _together(inner) if inner else None
    kind = branch.get("type", "object")
    return branch if kind == "object" or (isinstance(kind, list) and "object" in kind) else None


def _together(branches: list[Schema]) -> Schema:
    if not branches:
        raise SchemaFault(((), "type"), "must be object: a function's arguments are one")
    if len(branches) == 1:
        return branches[0]
    properties: dict[str, dict[Any, Any]] = {}
    for branch in branches:
        for name, sub in branch.get("properties", {}).items():
            properties.setdefault(name, {}).setdefault(comparable(sub), sub)
    together: Schema = {
        "type": "object",
        "properties": {
            name: next(iter(subs.values())) if len(subs) == 1 else {"anyOf": [*subs.values()]}
            for name, subs in properties.items()
        },
    }
    everywhere = set[str].intersection(*({*branch.get("required", ())} for branch in branches))
    required = [name for name in branches[0].get("required", ()) if name in everywhere]
    if required:
        together["required"] = required
    if all(branch.get("additionalProperties") is False for branch in branches):
        together["additionalProperties"] = False
    return together
