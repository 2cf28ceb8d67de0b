"""Whether a value fits a schema: the emulator's own look at what it drew, for keywords that drawing does not build in.

It follows the keywords of JSON Schema 2020-12 and what older drafts called otherwise, within one document. Formats are not
looked at, and what it does not know it lets pass: the tests have a real validator.
"""

import math
from typing import Any

from pollux.emulator.described import conditions
from pollux.emulator.patterns import can_be_tried, tries
from pollux.emulator.schemas import Schema, found_schema, is_number, is_sane, modern, types_of

DEPTH_MAX = 60
"""Depth of schema and value that is looked at; deeper down everything fits."""


def fits(value: Any, schema: Any, root: Schema, depth: int = 0) -> bool:
    """Tell whether a value fits."""
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict) or depth > DEPTH_MAX:
        return True
    schema = modern({name: given for name, given in schema.items() if is_sane(name, given)})
    if "$ref" in schema and not fits(value, found_schema(schema["$ref"], root), root, depth + 1):
        return False
    if "description" in schema and (told := conditions(schema, types_of(schema))) and not fits(value, told, root, depth + 1):
        return False
    if not (_is_listed(value, schema) and _is_of_type(value, schema)):
        return False
    return (
        _fits_number(value, schema)
        and _fits_text(value, schema)
        and _fits_list(value, schema, root, depth)
        and _fits_object(value, schema, root, depth)
        and _fits_together(value, schema, root, depth)
    )


def same(one: Any, other: Any) -> bool:
    """Compare as JSON does: 1 and 1.0 are the same, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    return bool(one == other)


def _is_listed(value: Any, schema: Schema) -> bool:
    if "const" in schema and not same(value, schema["const"]):
        return False
    return "enum" not in schema or any(same(value, member) for member in schema["enum"])


def _is_of_type(value: Any, schema: Schema) -> bool:
    given = schema.get("type")
    kinds = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return not kinds or any(kind in KINDS_OF and KINDS_OF[kind](value) for kind in kinds if isinstance(kind, str))


KINDS_OF: dict[str, Any] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": is_number,
    "integer": lambda value: is_number(value) and (isinstance(value, int) or value.is_integer()),
}


def _fits_number(value: Any, schema: Schema) -> bool:
    if not is_number(value):
        return True
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    if isinstance(above, bool):
        above = low if above else -math.inf
    if isinstance(below, bool):
        below = high if below else math.inf
    if not (low <= value <= high and above < value < below):
        return False
    step = schema.get("multipleOf")
    return step is None or abs(value / step - round(value / step)) < 1e-9


def _fits_text(value: Any, schema: Schema) -> bool:
    if not isinstance(value, str):
        return True
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf):
        return False
    pattern = schema.get("pattern")
    return pattern is None or not can_be_tried(pattern, value) or tries(pattern, value)


def _fits_list(value: Any, schema: Schema, root: Schema, depth: int) -> bool:
    if not isinstance(value, list):
        return True
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
        return False
    if schema.get("uniqueItems") is True and any(same(one, other) for i, one in enumerate(value) for other in value[:i]):
        return False
    first = schema.get("prefixItems", [])
    if not all(fits(item, inner, root, depth + 1) for item, inner in zip(value, first, strict=False)):
        return False
    if "items" in schema and not all(fits(item, schema["items"], root, depth + 1) for item in value[len(first) :]):
        return False
    if "contains" not in schema:
        return True
    count = sum(1 for item in value if fits(item, schema["contains"], root, depth + 1))
    return bool(schema.get("minContains", 1) <= count <= schema.get("maxContains", math.inf))


def _fits_object(value: Any, schema: Schema, root: Schema, depth: int) -> bool:
    if not isinstance(value, dict):
        return True
    if not schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", math.inf):
        return False
    if not value.keys() >= {name for name in schema.get("required", []) if isinstance(name, str)}:
        return False
    properties, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, item in value.items():
        inner = [properties[name]] if name in properties else []
        inner += [one for pattern, one in patterns.items() if tries(pattern, name)]
        if not inner and "additionalProperties" in schema:
            inner = [schema["additionalProperties"]]
        if not all(fits(item, one, root, depth + 1) for one in inner):
            return False
        if "propertyNames" in schema and not fits(name, schema["propertyNames"], root, depth + 1):
            return False
    for name, needed in schema.get("dependentRequired", {}).items():
        if name in value and isinstance(needed, list) and not all(one in value for one in needed):
            return False
    return all(fits(value, one, root, depth + 1) for name, one in schema.get("dependentSchemas", {}).items() if name in value)


def _fits_together(value: Any, schema: Schema, root: Schema, depth: int) -> bool:
    if not all(fits(value, one, root, depth + 1) for one in schema.get("allOf", [])):
        return False
    if "anyOf" in schema and not any(fits(value, one, root, depth + 1) for one in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(1 for one in schema["oneOf"] if fits(value, one, root, depth + 1)) != 1:
        return False
    if "not" in schema and fits(value, schema["not"], root, depth + 1):
        return False
    if "if" in schema:
        branch = "then" if fits(value, schema["if"], root, depth + 1) else "else"
        return fits(value, schema.get(branch, True), root, depth + 1)
    return True
