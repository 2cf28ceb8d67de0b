"""What a function declares about its arguments, in one form: JSON Schema.

`parameters` is Google's Schema, a part of OpenAPI's: upper-case types, `nullable`, numbers written as strings.
`parametersJsonSchema` is JSON Schema already.
"""

from typing import Any

from pollux.emulator.limits import SCHEMA_DEPTH_MAX

Schema = dict[str, Any]

COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")


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
            case _ if name not in ("nullable", "propertyOrdering", "example"):
                schema[name] = value
    if given.get("nullable") and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    return schema


def resolved(schema: Any, root: Schema, depth: int = 0) -> Schema:
    """Follow `$ref` within the declaration, and put the parts of `allOf` together. What makes no sense is left out."""
    if not isinstance(schema, dict) or depth > SCHEMA_DEPTH_MAX:
        return {}
    found: Schema = _sane(schema)
    seen: set[str] = set()
    while "$ref" in found and found["$ref"] not in seen:
        seen.add(found["$ref"])
        beside = {name: value for name, value in found.items() if name != "$ref"}
        found = {**_sane(_found(found["$ref"], root)), **beside}
    for part in found.pop("allOf", []):
        inner = resolved(part, root, depth + 1)
        properties = {**found.get("properties", {}), **inner.get("properties", {})}
        required = [*found.get("required", []), *inner.get("required", [])]
        found |= inner
        found |= {"properties": properties} if properties else {}
        found |= {"required": required} if required else {}
    return found


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
    "object": ("properties", "required", "additionalProperties", "minProperties", "patternProperties"),
    "array": ("items", "prefixItems", "minItems", "uniqueItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


OBJECTS = ("properties", "$defs", "definitions")
LISTS = ("required", "enum", "anyOf", "oneOf", "allOf", "prefixItems")
NUMBERS = ("minimum", "maximum", "multipleOf")
TEXTS = ("$ref", "pattern", "format")
"""What values of keywords must be. A schema of a caller may have anything in them."""


def _sane(schema: Schema) -> Schema:
    """Leave out keywords whose value is of another kind than JSON Schema's: they say nothing."""
    return {name: value for name, value in schema.items() if _is_sane(name, value)}


def _is_sane(name: str, value: Any) -> bool:
    if name in OBJECTS:
        return isinstance(value, dict)
    if name in LISTS:
        return isinstance(value, list)
    if name in TEXTS:
        return isinstance(value, str)
    if name in COUNTS:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if name in NUMBERS:
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < NUMBER_MAX
        return number and (name != "multipleOf" or value > 0)
    if name in ("exclusiveMinimum", "exclusiveMaximum"):
        return isinstance(value, bool) or (isinstance(value, (int, float)) and abs(value) < NUMBER_MAX)
    return True


NUMBER_MAX = 1e15
"""Limits of numbers that are looked at: beyond, neighbouring numbers are no longer told apart."""


def _found(reference: str, root: Schema) -> Schema:
    """Find what a reference like `#/$defs/Address` means; what is not there allows anything."""
    found: Any = root
    for step in reference.removeprefix("#").split("/"):
        if step:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
