"""`enum` and `const`: by kinds of values, since the service takes texts and numbers alone."""

from collections.abc import Callable
from typing import Any

from pollux.translate.schema_checks import texts
from pollux.translate.schema_keywords import LEAF, Schema, shown
from pollux.translate.schema_places import Contradiction, Place, SchemaFault

Lose = Callable[[Place, str], None]

_SIMPLE = LEAF | {"enum"}
_SIMPLE_TYPES = (None, "string")


def enumerated(schema: Schema, kind: Any, place: Place, lose: Lose) -> Schema:
    """Convert `enum` and `const`: by kinds of values, since the service takes texts and numbers alone."""
    keyword = "const" if "const" in schema else "enum"
    values = [schema["const"]] if "const" in schema else schema["enum"]
    if not isinstance(values, list):
        raise SchemaFault((place, "enum"), "must be a list of values")
    if kind in _SIMPLE_TYPES and schema.keys() <= _SIMPLE and values and {*map(type, values)} == {str} and texts(schema):
        return {**schema, "type": "string", "enum": list(dict.fromkeys(values))}
    if not values:
        raise Contradiction((place, "enum"), "is empty, so that nothing is allowed")
    if "const" in schema and isinstance(schema.get("enum"), list) and schema["const"] not in schema["enum"]:
        raise Contradiction((place, "const"), "is not in the enum beside it")
    kinds = kind if isinstance(kind, list) else [kind] if kind is not None else None
    if kinds and schema.get("nullable") is True:
        kinds = [*kinds, "null"]
    groups: dict[str, list[Any]] = {}
    for value in values:
        named = _kind(value)
        if kinds is None or named in kinds or (named == "integer" and "number" in kinds):
            groups.setdefault("number" if named == "integer" and "number" in groups else named, []).append(value)
        elif named == "number" and "integer" in kinds and value == value // 1:
            groups.setdefault("integer", []).append(int(value))
    if not groups:
        raise Contradiction((place, keyword), "has no value of the type beside it")
    branches = [_one_kind(named, found, (place, keyword), lose) for named, found in groups.items()]
    notes = {name: schema[name] for name in ("title", "description", "default") if schema.get(name) is not None}
    if not texts(notes):
        raise SchemaFault((place, "description"), "must be a text, as title")
    out: Schema = {**notes, **(branches[0] if len(branches) == 1 else {"anyOf": branches})}
    if "description" in notes and "description" in branches[0] and len(branches) == 1:
        out["description"] = f"{notes['description']}\n{branches[0]['description']}"
    return out


def _one_kind(kind: str, values: list[Any], place: Place, lose: Lose) -> Schema:
    if kind in ("string", "integer", "number"):
        return {"type": kind, "enum": list(dict.fromkeys(values))}
    distinct = [value for i, value in enumerate(values) if value not in values[:i]] if len(values) < 50 else values
    if kind == "null" or (kind == "boolean" and len(distinct) == 2):
        return {"type": kind}
    lose(place, f"values of type {kind} are told to the model, not enforced")
    text = shown(distinct[0] if len(distinct) == 1 else distinct)
    return {"type": kind} | ({"description": f"{'Must be' if len(distinct) == 1 else 'One of'} {text}"} if text else {})


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case None:
            return "null"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return "array"
    return "object"
