"""What is declared about a value, in one form: JSON Schema, with what it refers to and what it demands together put in.

Google's Schema (`parameters`, `responseSchema`) is a part of OpenAPI's: upper-case types, `nullable`, numbers written as
strings. `parametersJsonSchema` and `responseJsonSchema` are JSON Schema already.

`resolved` gives a schema without `$ref`, `allOf`, `anyOf`, `oneOf` and `if`: references and `allOf` are put together with
their neighbours; of what is to be chosen, each group stands in a list under ALTERNATIVES, each condition under CONDITIONS.
"""

import math
from typing import Any

from pollux.emulator.described import NAMES, conditions
from pollux.emulator.limits import SCHEMA_DEPTH_MAX

Schema = dict[str, Any]

COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties", "minContains", "maxContains")

ALTERNATIVES, CONDITIONS = "@alternatives", "@conditions"

IMPOSSIBLE: Schema = {"enum": [], "not": {}}
"""The schema that nothing fits."""


def declared_schema(declaration: dict[str, Any]) -> Schema:
    """Give the schema of a function's arguments; without one, an object without properties."""
    given = declaration.get("parametersJsonSchema")
    if isinstance(given, dict):
        return given
    if "parameters" in declaration:
        return json_schema(declaration["parameters"])
    return {"type": "object", "properties": {}}


def json_schema(given: Schema) -> Schema:
    """Make JSON Schema of Google's Schema."""
    schema: Schema = {}
    for name, value in given.items():
        match name:
            case "type":
                if value != "TYPE_UNSPECIFIED":
                    schema["type"] = value.lower()
            case "properties":
                schema["properties"] = {key: json_schema(item) for key, item in value.items()}
            case "items":
                schema["items"] = json_schema(value)
            case "anyOf":
                schema["anyOf"] = [json_schema(item) for item in value]
            case _ if name in COUNTS:
                schema[name] = int(value)
            case _ if name not in ("nullable", "example"):
                schema[name] = value
    if given.get("nullable") and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    return schema


def resolved(schema: Any, root: Schema, depth: int = 0) -> Schema:
    """Follow references, and put together what holds together. What makes no sense is left out."""
    if schema is False:
        return IMPOSSIBLE
    if not isinstance(schema, dict) or depth > SCHEMA_DEPTH_MAX:
        return {}
    found = {name: value for name, value in schema.items() if is_sane(name, value)}
    found = modern(found) if not LEFTOVERS.isdisjoint(found) else found
    together = found.pop("allOf", [])
    reference = found.pop("$ref", None)
    groups = [found.pop(name) for name in ("anyOf", "oneOf") if name in found]
    if groups:
        found[ALTERNATIVES] = [*found.get(ALTERNATIVES, []), *(group for group in groups if group)]
    if "if" in found:
        condition = {name: found.pop(name) for name in ("if", "then", "else") if name in found}
        found[CONDITIONS] = [*found.get(CONDITIONS, []), condition]
    for name, needed in found.pop("dependentSchemas", {}).items():
        found[CONDITIONS] = [*found.get(CONDITIONS, []), {"if": {"required": [name]}, "then": needed}]
    if reference is not None:
        found = both(resolved(found_schema(reference, root), root, depth + 1), found)
    for part in together:
        found = both(found, resolved(part, root, depth + 1))
    if "description" in found and (told := conditions(found, types_of(found))):
        found = both(found, resolved(told, root, depth + 1))
    return found


def both(one: Schema, other: Schema) -> Schema:
    """Put two schemas together: a value must fit both."""
    if one is IMPOSSIBLE or other is IMPOSSIBLE:
        return IMPOSSIBLE
    if not one or not other:
        return one or other
    merged = {**one, **other}
    for name in one.keys() & other.keys():
        rule = TOGETHER.get(name)
        if rule is not None:
            merged[name] = rule(one[name], other[name])
        elif name in INNER:
            merged[name] = {"allOf": [one[name], other[name]]}
    if "properties" in merged:
        merged["properties"] = _properties(one, other)
    if "prefixItems" in one and "prefixItems" in other:
        longer = sorted((one["prefixItems"], other["prefixItems"]), key=len)
        merged["prefixItems"] = [{"allOf": list(pair)} for pair in zip(*longer, strict=False)] + longer[1][len(longer[0]) :]
    if "type" in one and "type" in other and not merged["type"]:
        return IMPOSSIBLE
    listed = [schema["enum"] if "enum" in schema else [schema["const"]] for schema in (one, other) if _is_listed(schema)]
    if len(listed) == 2:
        merged.pop("const", None)
        merged["enum"] = [member for member in listed[0] if member in listed[1]]
        return merged if merged["enum"] else IMPOSSIBLE
    return merged


def _is_listed(schema: Schema) -> bool:
    return "enum" in schema or "const" in schema


def _properties(one: Schema, other: Schema) -> dict[str, Any]:
    """Put properties together; one that only one side names must suit what the other says of unnamed ones."""
    first: dict[str, Any] = one.get("properties", {})
    second: dict[str, Any] = other.get("properties", {})
    if (not first and "additionalProperties" not in one) or (not second and "additionalProperties" not in other):
        return first or second
    unnamed_first, unnamed_second = (
        None if "patternProperties" in whole else whole.get("additionalProperties") for whole in (one, other)
    )
    merged: dict[str, Any] = {}
    for name in (*first, *second):
        if name in merged:
            continue
        parts = [side[name] for side in (first, second) if name in side]
        for side, unnamed in ((first, unnamed_first), (second, unnamed_second)):
            if name not in side and unnamed is not None:
                parts.append(unnamed)
        parts = [part for part in parts if part is not True and part != {}]
        merged[name] = False if False in parts else parts[0] if len(parts) == 1 else {"allOf": parts} if parts else {}
    return merged


def _types(one: Any, other: Any) -> list[str]:
    first, second = types_of({"type": one}), types_of({"type": other})
    kept = [kind for kind in first if kind in second or (kind == "integer" and "number" in second)]
    return kept + (["integer"] if "integer" in second and "number" in first and "integer" not in kept else [])


def _multiple(one: float, other: float) -> float:
    return math.lcm(one, other) if isinstance(one, int) and isinstance(other, int) else max(one, other)


def _listed_once(one: list[Any], other: list[Any]) -> list[Any]:
    return [*one, *(item for item in other if item not in one)]


def _joined(one: list[Any], other: list[Any]) -> list[Any]:
    return [*one, *other]


def _lower(one: Any, other: Any) -> Any:
    return min(one, other) if is_number(one) and is_number(other) else other


def _higher(one: Any, other: Any) -> Any:
    return max(one, other) if is_number(one) and is_number(other) else other


def _patterns(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {**one, **other, **{name: {"allOf": [one[name], other[name]]} for name in one.keys() & other.keys()}}


TOGETHER: dict[str, Any] = {
    "type": _types,
    "required": _listed_once,
    NAMES: _listed_once,
    "multipleOf": _multiple,
    "patternProperties": _patterns,
    "dependentRequired": lambda one, other: {**one, **other},
    ALTERNATIVES: _joined,
    CONDITIONS: _joined,
    **dict.fromkeys(("minimum", "exclusiveMinimum", *(name for name in COUNTS if name.startswith("min"))), _higher),
    **dict.fromkeys(("maximum", "exclusiveMaximum", *(name for name in COUNTS if name.startswith("max"))), _lower),
}
"""How the values of one keyword hold together; of others the later one counts."""

INNER = ("items", "additionalProperties", "unevaluatedProperties", "propertyNames", "contains")


def properties_of(declaration: dict[str, Any]) -> dict[str, Any]:
    """Give the fields of a function's arguments."""
    root = declared_schema(declaration)
    found: dict[str, Any] = resolved(root, root).get("properties", {})
    return found


def types_of(schema: Schema) -> list[str]:
    """List the types a value may have; where none is declared, what the other keywords mean."""
    given = schema.get("type")
    if isinstance(given, str):
        return [given]
    if isinstance(given, list):
        return [name for name in given if isinstance(name, str)]
    for name, keywords in KEYWORDS_OF.items():
        if not schema.keys().isdisjoint(keywords):
            return [name]
    return []


KEYWORDS_OF = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "patternProperties", "propertyNames",
               "dependentRequired", "dependentSchemas", "unevaluatedProperties"),
    "array": ("items", "prefixItems", "minItems", "uniqueItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}  # fmt: skip


OBJECTS = ("properties", "$defs", "definitions", "patternProperties", "dependentRequired", "dependentSchemas", "dependencies")
LISTS = ("required", "enum", "anyOf", "oneOf", "allOf", "prefixItems", "propertyOrdering")
NUMBERS = ("minimum", "maximum", "multipleOf")
TEXTS = ("$ref", "pattern", "format", "$dynamicRef", "$recursiveRef", "$id", "$anchor")
"""What values of keywords must be. A schema of a caller may have anything in them."""


def is_sane(name: str, value: Any) -> bool:
    """Tell whether a keyword's value is of the kind that JSON Schema says; else it says nothing."""
    if name in OBJECTS:
        return isinstance(value, dict)
    if name in LISTS:
        return isinstance(value, list)
    if name in TEXTS:
        return isinstance(value, str)
    if name in COUNTS:
        return is_number(value) and value == int(value) and value >= 0
    if name in NUMBERS:
        return is_number(value) and abs(value) < NUMBER_MAX and (name != "multipleOf" or value > 0)
    if name in ("exclusiveMinimum", "exclusiveMaximum"):
        return isinstance(value, bool) or (is_number(value) and abs(value) < NUMBER_MAX)
    return True


def is_number(value: Any) -> bool:
    """Tell whether a value is a number, and no truth."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


NUMBER_MAX = 1e15
"""Limits of numbers that are looked at: beyond, neighbouring numbers are no longer told apart."""

LEFTOVERS = frozenset({"items", "additionalItems", "dependencies", "$dynamicRef", "$recursiveRef"})


def modern(schema: Schema) -> Schema:
    """Write what older drafts said in today's words: a list of `items`, `additionalItems`, `dependencies`."""
    changed = dict(schema)
    if isinstance(changed.get("items"), list):
        changed["prefixItems"] = changed.pop("items")
        if "additionalItems" in changed:
            changed["items"] = changed.pop("additionalItems")
    dependencies = changed.pop("dependencies", {})
    lists = {name: needed for name, needed in dependencies.items() if isinstance(needed, list)}
    others = {name: needed for name, needed in dependencies.items() if isinstance(needed, (dict, bool))}
    if lists:
        changed["dependentRequired"] = lists
    if others:
        changed["dependentSchemas"] = others
    for name in ("$dynamicRef", "$recursiveRef"):
        if name in changed:
            changed.setdefault("$ref", changed.pop(name))
    return changed


def found_schema(reference: str, root: Schema) -> Any:
    """Find what a reference like `#/$defs/Address` means, or `#name` of an anchor; what is not there allows anything."""
    base, _, pointer = reference.partition("#")
    found: Any = root
    if base and base != root.get("$id"):
        found = _named(base, root)
    if pointer and not pointer.startswith("/"):
        return _named(pointer, root)
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~").replace("%25", "%").replace("%24", "$")
        if isinstance(found, list) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, (dict, bool)) else {}


def _named(name: str, root: Schema) -> Any:
    """Find the definition with an `$anchor` or an `$id` of this name."""
    waiting: list[Any] = [root]
    for _ in range(NAMED_LOOKED_AT_MAX):
        if not waiting:
            break
        item = waiting.pop()
        if isinstance(item, dict):
            if name in (item.get("$anchor"), item.get("$dynamicAnchor"), item.get("$id"), item.get("id")):
                return item
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
    return {}


NAMED_LOOKED_AT_MAX = 20_000
"""Values of a schema in which an anchor is looked for."""
