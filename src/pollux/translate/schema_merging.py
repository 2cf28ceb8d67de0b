"""Two schemas that must both hold, as one.

Where the two cannot be put together exactly, the result allows more, and what is lost goes under `UNSAID`, a list of
keywords and values that the converter tells in words.
"""

from typing import Any

from pollux.translate.schema_keywords import Schema
from pollux.translate.schema_places import Contradiction, Place

UNSAID = "\0unsaid"

_LARGER = ("minimum", "exclusiveMinimum", "minItems", "minLength", "minProperties", "minContains")
_SMALLER = ("maximum", "exclusiveMaximum", "maxItems", "maxLength", "maxProperties", "maxContains")
_FIRST = ("title", "description", "default", "examples", "example", "propertyOrdering")


def both(one: Schema, other: Schema, place: Place) -> Schema:
    """Give a schema that allows what both allow. Raises Contradiction."""
    merged = dict(one)
    for keyword, value in other.items():
        if keyword not in merged:
            merged[keyword] = value
        elif merged[keyword] != value:
            merged[keyword] = _merged(keyword, merged[keyword], value, place, merged)
    for this, that in ((one, other), (other, one)):
        if _reaches(this, that):
            merged[UNSAID] = [*merged.get(UNSAID, ()), ("additionalProperties", this["additionalProperties"])]
    return merged


def _reaches(this: Schema, that: Schema) -> bool:
    """Say whether what one schema says of further properties holds for properties that only the other one names.

    Taken at its word, two objects that allow no further properties allow nothing together; zod writes intersections so.
    """
    theirs = that.get("properties")
    if this.get("additionalProperties") in (None, True, {}) or not isinstance(theirs, dict):
        return False
    return not theirs.keys() <= (this.get("properties") or {}).keys()


def _merged(keyword: str, one: Any, other: Any, place: Place, merged: Schema) -> Any:
    match keyword:
        case "type":
            return _common_types(one, other, place)
        case "enum" if isinstance(one, list) and isinstance(other, list):
            known = {comparable(value) for value in other}
            common = [value for value in one if comparable(value) in known]
            if not common:
                raise Contradiction((place, "enum"), "has no value in common with the enum beside it")
            return common
        case "const":
            raise Contradiction((place, "const"), "is not the const beside it")
        case "properties" | "patternProperties" if isinstance(one, dict) and isinstance(other, dict):
            return one | {name: _every(one[name], schema) if name in one else schema for name, schema in other.items()}
        case "required" if isinstance(one, list) and isinstance(other, list):
            return [*one, *other]
        case "additionalProperties" | "items" | "unevaluatedProperties" | "unevaluatedItems":
            if isinstance(one, list) or isinstance(other, list):
                merged.setdefault(UNSAID, []).append((keyword, other))
                return one
            return _every(one, other)
        case _ if keyword in _LARGER and _numbers(one, other):
            return max(one, other)
        case _ if keyword in _SMALLER and _numbers(one, other):
            return min(one, other)
        case "uniqueItems" | "exclusiveMinimum" | "exclusiveMaximum":
            return one is True or other is True
        case "nullable":
            return False
        case _ if keyword == UNSAID:
            return [*one, *other]
        case _ if keyword in _FIRST or keyword.startswith(("$", "x-")):
            return one
    merged[UNSAID] = [*merged.get(UNSAID, ()), (keyword, other)]
    return one


def comparable(value: Any) -> Any:
    """Give what is equal, and hashes alike, for values that are equal in JSON: 1 is 1.0, and is not true."""
    match value:
        case dict():
            return "{", frozenset((name, comparable(inner)) for name, inner in value.items())
        case list():
            return "[", tuple(map(comparable, value))
        case bool():
            return "true" if value else "false", None
    return value


def _every(one: Any, other: Any) -> Any:
    """Give one schema for two; the converter merges it when it comes there."""
    if one is False or other is False:
        return False
    return one if one == other or other is True else other if one is True else {"allOf": [one, other]}


def _numbers(*values: Any) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _common_types(one: Any, other: Any, place: Place) -> Any:
    ones, others = _listed(one), _listed(other)
    common = [name for name in ones if name in others or (name == "integer" and "number" in others)]
    common += [name for name in others if name == "integer" and "number" in ones and name not in common]
    if not common:
        raise Contradiction((place, "type"), f"cannot be both {' or '.join(ones)} and {' or '.join(others)}")
    return common[0] if len(common) == 1 else common


def _listed(value: Any) -> list[str]:
    return [name if isinstance(name, str) else "?" for name in (value if isinstance(value, list) else [value])]
