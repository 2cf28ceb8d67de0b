"""What the values of keywords must be."""

from typing import Any

from pollux.translate.schema_keywords import Schema
from pollux.translate.schema_places import Contradiction, Place, SchemaFault


def texts(schema: Schema) -> bool:
    """Say whether title and description are texts."""
    return isinstance(schema.get("title", ""), str) and isinstance(schema.get("description", ""), str)


def count(place: Place, value: Any) -> int:
    """Give a keyword's value that must be a count. Raises SchemaFault."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0 or value != value // 1:
        raise SchemaFault(place, "must be a whole number, 0 or more")
    return int(value)


def names(place: Place, value: Any) -> list[str]:
    """Give a keyword's value that must be a list of names. Raises SchemaFault."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
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


_BOUNDS = frozenset({"minimum", "exclusiveMinimum", "minItems", "minLength"})


def check_bounds(out: Schema, schema: Schema, place: Place) -> None:
    """Look for bounds that cross. Raises Contradiction."""
    if _BOUNDS.isdisjoint(schema):
        return
    for low, high in (("minimum", "maximum"), ("minItems", "maxItems"), ("minLength", "maxLength")):
        smallest = out.get(low, schema.get(low))
        largest = out.get(high, schema.get(high))
        if (
            isinstance(smallest, (int, float))
            and isinstance(largest, (int, float))
            and not isinstance(smallest, bool)
            and smallest > largest
        ):
            raise Contradiction((place, low), f"is more than {high}: {smallest} and {largest}")
