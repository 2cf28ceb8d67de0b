"""A native schema that the service refused as too complex, made simpler.

The service makes an automaton of a schema, and refuses one of too many states: bounds, long enumerations, deep nesting.
There is one more try, so everything of that kind goes at once. As in the conversion, what is lost is told in descriptions.

Source: Gemini API, Structured output; third-party reports of "too many states for serving" and "nesting depth".
"""

from typing import Any

import msgspec

from pollux.translate.schema_keywords import ACCEPTED, Schema, described, shown
from pollux.wire.gemini.generate import FunctionDeclaration, GenerateContentRequest, GenerationConfig

DEPTH_MAX = 5
"""Levels of sub-schemas that stay; OpenAI allows five in its strict mode, and real answers have fewer."""

ENUM_MAX = 100
"""Longest enumeration that stays; longer ones are the second cause in the reports."""

_BOUNDS = {
    "minItems": "Items: {} or more.",
    "maxItems": "Items: {} or less.",
    "minimum": "{} or more.",
    "maximum": "{} or less.",
}


def with_trimmed_schemas(native: GenerateContentRequest) -> GenerateContentRequest | None:
    """Give the request with simpler schemas; None when they are simple already."""
    config = native.generation_config
    changed = False
    if config is not None and config.response_json_schema is not None:
        schema = _trimmed_raw(config.response_json_schema)
        if schema is not None:
            changed = True
            fields = {name: getattr(config, name) for name in config.__struct_fields__} | {"response_json_schema": schema}
            config = GenerationConfig(**fields)
    tools = []
    for tool in native.tools or ():
        declarations = [_trimmed_declaration(declared) for declared in tool.get("functionDeclarations", ())]
        if any(declared is not None for declared in declarations):
            changed = True
            pairs = zip(declarations, tool["functionDeclarations"], strict=True)
            tools.append({"functionDeclarations": [new if new is not None else old for new, old in pairs]})
        else:
            tools.append(tool)
    if not changed:
        return None
    return msgspec.structs.replace(native, generation_config=config, tools=tools or None)


def _trimmed_declaration(declared: FunctionDeclaration) -> FunctionDeclaration | None:
    schema = _trimmed_raw(declared.parameters_json_schema)
    return None if schema is None else msgspec.structs.replace(declared, parameters_json_schema=schema)


def _trimmed_raw(raw: Any) -> msgspec.Raw | None:
    schema = msgspec.json.decode(msgspec.json.encode(raw))
    simpler = trimmed(schema)
    return None if simpler == schema else msgspec.Raw(msgspec.json.encode(simpler))


def trimmed(schema: Schema, depth: int = 0) -> Schema:
    """Give a simpler schema, which allows no less."""
    if depth >= DEPTH_MAX and not {"properties", "items", "prefixItems", "anyOf", "oneOf"}.isdisjoint(schema):
        text = shown({name: value for name, value in schema.items() if name not in ("type", "title", "description")})
        rest: Schema = {name: schema[name] for name in ("type", "title", "description") if name in schema}
        return described(rest, [f"JSON Schema: {text}"] if text else [])
    out: Schema = {}
    told: list[str] = []
    for keyword, value in schema.items():
        match keyword:
            case "minItems" | "maxItems" | "minimum" | "maximum":
                told.append(_BOUNDS[keyword].format(value))
            case _ if keyword in ACCEPTED:
                pass  # the description tells it already
            case "enum" if len(value) > ENUM_MAX:
                told.append(f"One of {text}" if (text := shown(value)) else "")
            case "properties" | "$defs":
                deeper = depth + 1 if keyword == "properties" else depth
                out[keyword] = {name: trimmed(inner, deeper) for name, inner in value.items()}
            case "items" | "additionalProperties" if isinstance(value, dict):
                out[keyword] = trimmed(value, depth + 1)
            case "anyOf" | "oneOf" | "prefixItems":
                out[keyword] = [trimmed(inner, depth + (keyword == "prefixItems")) for inner in value]
            case _:
                out[keyword] = value
    return described(out, [text for text in told if text])
