"""What a request says about the form of its answer: type, schema, modalities; and what of it the service refuses.

Sources of the words as in `refusals.py`: a link is a public thread that quotes the live answer, AFTER means that none is known.
"""

from typing import Any

from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.limits import SCHEMA_DEPTH_MAX
from pollux.emulator.models import Model
from pollux.emulator.schemas import Schema, json_schema

JSON, ENUM, TEXT = "application/json", "text/x.enum", "text/plain"

FORMAT_TYPES = {"APPLICATION_JSON": JSON, "TEXT_PLAIN": TEXT}
"""The values of `responseFormat.text.mimeType`. Source: the discovery document, TextResponseFormat."""


def mime_type(config: dict[str, Any]) -> str:
    """Say which type the answer's text has."""
    text = config.get("responseFormat", {}).get("text", {})
    told: str = config.get("responseMimeType") or FORMAT_TYPES.get(text.get("mimeType", ""), TEXT)
    return told


def wanted_schema(config: dict[str, Any]) -> Schema | None:
    """Give the schema of the answer, in one form."""
    if "responseSchema" in config:
        return json_schema(config["responseSchema"])
    found = config.get("responseJsonSchema", config.get("_responseJsonSchema"))
    if found is None:
        found = config.get("responseFormat", {}).get("text", {}).get("schema")
    return found if isinstance(found, dict) else None


def check(request: dict[str, Any], model: Model) -> None:
    """Refuse what the family does not take of types, schemas, modalities and safety settings."""
    config = request.get("generationConfig", {})
    modalities = [name for name in config.get("responseModalities", []) if name != "MODALITY_UNSPECIFIED"]
    if model.family_name != "media" and not model.draws and any(name not in ("TEXT", "AUDIO") for name in modalities):
        raise wrong_modalities(modalities, model, "TEXT")
    _check_safety(request.get("safetySettings", []))
    if mime_type(config) not in (TEXT, ENUM):
        _check_beside_tools(request.get("tools", []), mime_type(config), model)
    _check_schemas(config)
    given = [config[name] for name in ("responseJsonSchema", "_responseJsonSchema") if name in config]
    given += [one["parametersJsonSchema"] for tool in request.get("tools", []) for one in tool.get(FUNCTIONS, [])
              if "parametersJsonSchema" in one]  # fmt: skip
    bounded = 0
    for schema in given:
        if alone := _beside_reference(schema, "", is_root=True):
            # https://github.com/google-gemini/gemini-cli/issues/4758; that a root may have a title is recorded.
            raise invalid(f"schema at {alone} can only contain properties starting with '$' when $ref is present")
        bounded += _bounded(schema, 0)
    if bounded > BOUNDED_ITEMS_MAX or any(_text_length(schema) > SCHEMA_TEXT_CHARS_MAX for schema in given):
        # 2.5 says why (https://github.com/bethington/ghidra-mcp/issues/440), later models do not
        # (https://github.com/vercel/ai/issues/21192).
        raise invalid(INVALID if model.family.signs_text else TOO_MANY_STATES)


def wrong_modalities(modalities: list[str], model: Model, accepted: str) -> NativeError:
    """Quoted in danielmiessler/Fabric#1607 and BerriAI/litellm#11118."""
    return invalid(
        f"The requested combination of response modalities ({', '.join(modalities)}) is not supported by the model. "
        f"models/{model.name} accepts the following combination of response modalities:\n* {accepted}\n"
    )


INVALID = "Request contains an invalid argument."

TOO_MANY_STATES = (
    "The specified schema produces a constraint that has too many states for serving. Typical causes of this error are "
    "schemas with lots of text (for example, very long property or enum names), schemas with long array length limits "
    "(especially when nested), or schemas using complex value matchers (for example, integers or numbers with "
    "minimum/maximum bounds or strings with complex formats like date-time)"
)
"""Quoted in many places, whole in https://github.com/googleapis/python-genai/issues/660."""

BOUNDED_ITEMS_MAX = 960
"""Sum of all `maxItems` of a request, each multiplied by those inside it. Source: googleapis/python-genai#2170 (about 960)."""

SCHEMA_TEXT_CHARS_MAX = 100_000
"""Names of properties and members of enumerations in one schema. A limit is quoted; its number is the emulator's."""

FUNCTIONS = "functionDeclarations"

HARMS = ("HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "HARASSMENT", "CIVIC_INTEGRITY")


def _check_safety(settings: list[dict[str, Any]]) -> None:
    known = {f"HARM_CATEGORY_{name}" for name in (*HARMS, "JAILBREAK")}
    listed = ", ".join(f"HarmCategory.HARM_CATEGORY_{name}" for name in HARMS)
    lines = [
        # https://github.com/google-gemini/deprecated-generative-ai-js and many others.
        f"* GenerateContentRequest.safety_settings[{i}]: element predicate failed: $.category in ({listed})\n"
        for i, one in enumerate(settings)
        if one.get("category", "HARM_CATEGORY_UNSPECIFIED") not in known
    ]
    if lines:
        raise invalid("".join(lines[:100]))
    categories = [one["category"] for one in settings]
    if len(set(categories)) < len(categories):
        # AFTER gemini-native.md, section 13: one entry per category.
        raise invalid("* GenerateContentRequest.safety_settings: there must be only one setting per category.\n")


def _check_beside_tools(tools: list[dict[str, Any]], kind: str, model: Model) -> None:
    """Older families take JSON and tools apart only."""
    names = {name for tool in tools for name in tool}
    if model.family.mixes_tools or not names:
        return
    if any(tool.get(FUNCTIONS) for tool in tools):
        # https://github.com/symfony/ai/issues/803
        raise invalid(f"Function calling with a response mime type: '{kind}' is unsupported")
    # https://github.com/snailyp/gemini-balance/issues/264
    raise invalid(f"Tool use with a response mime type: '{kind}' is unsupported")


def _check_schemas(config: dict[str, Any]) -> None:
    if "responseSchema" not in config:
        return
    if "responseJsonSchema" in config or "_responseJsonSchema" in config:
        # https://github.com/flachesis/gemini-rust/pull/64
        raise invalid("response_schema must not be set when response_json_schema is set.")
    path = "* GenerateContentRequest.generation_config.response_schema"
    if lines := google_schema_lines(config["responseSchema"], path, strict=True):
        raise invalid("".join(lines[:100]))


def google_schema_lines(schema: dict[str, Any], path: str, *, strict: bool = False) -> list[str]:
    """List what is wrong with Google's Schema; `strict` for answers, of which more refusals are quoted."""
    lines = []
    kind = schema.get("type")
    if schema.get("enum") and kind != "STRING":
        # https://github.com/directus/directus/issues/27100
        lines.append(f"{path}.enum: only allowed for STRING type\n")
    if kind == "ARRAY" and not schema.get("items"):
        # Quoted since 2024 in many places; no recorded request is without.
        lines.append(f"{path}.items: missing field.\n")
    if strict and schema.get("properties") and kind not in ("OBJECT", None, "TYPE_UNSPECIFIED"):
        # https://github.com/prism-php/prism/issues/334
        lines.append(f"{path}.properties: only allowed for OBJECT type\n")
    if strict and kind == "OBJECT" and not schema.get("properties") and "anyOf" not in schema:
        # https://github.com/browser-use/browser-use/issues/3786
        lines.append(f"{path}.properties: should be non-empty for OBJECT type\n")
    for i, name in enumerate(schema.get("required", [])):
        if name not in schema.get("properties", {}):
            # https://github.com/iBUHub/AIStudioToAPI/issues/154
            lines.append(f"{path}.required[{i}]: property is not defined\n")
    for name, inner in schema.get("properties", {}).items():
        key = f'"{name}"' if strict else name
        lines += google_schema_lines(inner, f"{path}.properties[{key}]", strict=strict)
    if "items" in schema:
        lines += google_schema_lines(schema["items"], f"{path}.items", strict=strict)
    for i, inner in enumerate(schema.get("anyOf", [])):
        lines += google_schema_lines(inner, f"{path}.any_of[{i}]", strict=strict)
    return lines


def _beside_reference(schema: Any, path: str, *, is_root: bool = False) -> str:
    """Find a `$ref` with neighbours that are none of its own kind: the path of the schema, or nothing."""
    if not isinstance(schema, dict):
        return ""
    if "$ref" in schema and not is_root and any(not name.startswith("$") for name in schema):
        return path
    for name, inner in _inner(schema):
        if found := _beside_reference(inner, f"{path}.{name}".lstrip(".")):
            return found
    return ""


def _inner(schema: dict[str, Any]) -> list[tuple[str, Any]]:
    """List the schemas inside a schema, with the name of each place."""
    found = [(name, schema[name]) for name in ("items", "additionalProperties") if isinstance(schema.get(name), dict)]
    for place in ("properties", "$defs"):
        if isinstance(schema.get(place), dict):
            found += [(f"{place}.{name}", inner) for name, inner in schema[place].items()]
    for place in ("anyOf", "oneOf", "prefixItems"):
        if isinstance(schema.get(place), list):
            found += [(f"{place}[{i}]", inner) for i, inner in enumerate(schema[place])]
    return found


def _bounded(schema: Any, depth: int) -> int:
    """Count the items that limits of lists allow, those inside others multiplied."""
    if not isinstance(schema, dict) or depth > SCHEMA_DEPTH_MAX:
        return 0
    inside = sum(_bounded(inner, depth + 1) for _, inner in _inner(schema))
    most = schema.get("maxItems")
    return int(most) * max(inside, 1) if isinstance(most, int) and most > 0 else inside


def _text_length(schema: Any) -> int:
    if not isinstance(schema, dict):
        return 0
    own = sum(len(name) for name in schema["properties"]) if isinstance(schema.get("properties"), dict) else 0
    members = schema.get("enum")
    own += sum(len(str(member)) for member in members) if isinstance(members, list) else 0
    return own + sum(_text_length(inner) for _, inner in _inner(schema))
