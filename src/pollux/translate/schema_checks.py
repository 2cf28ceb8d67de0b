"""What the values of keywords must be."""

from typing import Any

from pollux.translate.schema_keywords import LEAF, TYPES, Schema
from pollux.translate.schema_places import Contradiction, Place, SchemaFault


def is_leaf(schema: Schema) -> bool:
    """Say whether a schema is sent as it is: most have a type, a title, a description, and no more."""
    if not schema.keys() <= LEAF:
        return False
    kind = schema.get("type", "string")
    return (
        type(kind) is str
        and kind in TYPES
        and type(schema.get("title", "")) is str
        and type(schema.get("description", "")) is str
    )


def texts(schema: Schema) -> bool:
    """Say whether title and description are texts."""
    return type(schema.get("title", "")) is str and type(schema.get("description", "")) is str


def count(place: Place, value: Any) -> int:
    """Give a keyword's value that must be a count. Raises SchemaFault."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0 or value != value // 1:
        raise SchemaFault(place, "must be a whole number, 0 or more")
    return int(value)


def names(place: Place, value: Any) -> list[str]:
    """Give a keyword's value that must be a list of names. Raises SchemaFault."""
    if type(value) is not list or (value and {*map(type, value)} != {str}):
        raise SchemaFault(place, "must be a list of names")
    return value


def check_accepted(place: Place, value: Any) -> None:
    """Check the value of a keyword that is sent though nobody documents it. Raises SchemaFault."""
    match place[1]:
        case "pattern" if not isinstance(value, str):
            raise SchemaFault(place, "must be a text")
        case "uniqueItems" if not isinstance(value, bool):
            raise SchemaFault(place, "must be true or false")
        case "minLength" | "maxLength":
            count(place, value)


def constants(branch: Schema) -> dict[str, list[Any]]:
    """Give the properties of a branch that must be there and have few values, and these."""
    properties = branch.get("properties")
    required = branch.get("required")
    found: dict[str, list[Any]] = {}
    for name, sub in properties.items() if isinstance(properties, dict) else ():
        if isinstance(sub, dict) and isinstance(required, list) and name in required:
            values = [sub["const"]] if "const" in sub else sub.get("enum")
            if isinstance(values, list) and all(isinstance(value, str) for value in values):
                found[name] = values
    return found


LOWER_BOUNDS = frozenset({"minimum", "minItems", "minLength"})
_BOUNDS = (("minimum", "maximum"), ("minItems", "maxItems"), ("minLength", "maxLength"))


def check_bounds(out: Schema, place: Place) -> None:
    """Look for bounds that cross. Raises Contradiction."""
    for low, high in _BOUNDS:
        if low in out and high in out and out[low] > out[high]:
            raise Contradiction((place, low), f"is more than {high}: {out[low]} and {out[high]}")
