"""What a function declares about its arguments, in one form: JSON Schema.

`parameters` is Google's Schema, a part of OpenAPI's: upper-case types, `nullable`, numbers written as strings.
`parametersJsonSchema` is JSON Schema already.
"""

from typing import Any

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


def resolved(schema: Any, root: Schema) -> Schema:
    """Follow `$ref` within the declaration, and put the parts of `allOf` together."""
    if not isinstance(schema, dict):
        return {}
    found: Schema = schema
    seen: set[str] = set()
    while isinstance(found.get("$ref"), str) and found["$ref"] not in seen:
        seen.add(found["$ref"])
        beside = {name: value for name, value in found.items() if name != "$ref"}
        found = {**_found(found["$ref"], root), **beside}
    for part in found.get("allOf", []):
        inner = resolved(part, root)
        merged = {**found, **{name: value for name, value in inner.items() if name not in ("properties", "required")}}
        merged["properties"] = {**found.get("properties", {}), **inner.get("properties", {})}
        merged["required"] = [*found.get("required", []), *inner.get("required", [])]
        found = {name: value for name, value in merged.items() if value or name not in ("properties", "required")}
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


def _found(reference: str, root: Schema) -> Schema:
    """Find what a reference like `#/$defs/Address` means; what is not there allows anything."""
    found: Any = root
    for step in reference.removeprefix("#").split("/"):
        if step:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
