"""The keywords of JSON Schema and their fates on the way to the native API; the documentation's table is printed from here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

Schema = dict[str, Any]

SHOWN_CHARACTERS_MAX = 300
"""Longest condition that is written out in a description; a longer one would push the caller's own words aside."""


@dataclass(frozen=True, slots=True)
class Keyword:
    """A keyword and its fate: `how` says what becomes of it, for the documentation."""

    names: tuple[str, ...]
    fate: Literal["kept", "rewritten", "told", "dropped"]
    how: str


TABLE: tuple[Keyword, ...] = (
    Keyword(("type",), "kept", "several types beside null become `anyOf`, one branch each"),
    Keyword(("title", "description", "default", "propertyOrdering"), "kept", ""),
    Keyword(("properties", "items", "prefixItems", "minItems", "maxItems", "minimum", "maximum"), "kept", ""),
    Keyword(
        ("required",),
        "kept",
        "names that are no properties are told in the description; a property that leads back to its own definition "
        "becomes optional, since the service unrolls cycles only there",
    ),
    Keyword(("additionalProperties",), "kept", ""),
    Keyword(
        ("enum",),
        "kept",
        "texts and numbers; null becomes a branch of its own, true and false and objects their type, and told",
    ),
    Keyword(
        ("anyOf",), "kept", "constraints beside it are put into every branch; where that grows too large, the branches are told"
    ),
    Keyword(("oneOf",), "kept", "where the branches exclude one another; else it becomes `anyOf`, and told"),
    Keyword(
        ("$ref", "$dynamicRef", "$recursiveRef"),
        "kept",
        "any place in the schema, moved to `$defs`; remote ones are refused, never fetched",
    ),
    Keyword(("$defs", "definitions"), "kept", "as far as they are used"),
    Keyword(("format",), "kept", "`date-time`, `date` and `time`; the others are told"),
    Keyword(("const",), "rewritten", "an `enum` of one value"),
    Keyword(("allOf",), "rewritten", "merged into one schema"),
    Keyword(("nullable",), "rewritten", "`null` beside the type, as OpenAPI means it"),
    Keyword(
        ("exclusiveMinimum", "exclusiveMaximum"),
        "rewritten",
        "for whole numbers the next bound; for others the bound itself, and told. Draft 4's true and false are understood",
    ),
    Keyword(
        ("additionalItems",), "rewritten", "beside a list in `items` (a tuple of the older drafts): `items`, or `maxItems`"
    ),
    Keyword(("patternProperties",), "rewritten", "`additionalProperties` that take what any of the patterns allows, and told"),
    Keyword(
        ("unevaluatedProperties", "unevaluatedItems"), "rewritten", "as `additionalProperties`, where nothing else is beside"
    ),
    Keyword(("pattern",), "told", "Must match the pattern …"),
    Keyword(("minLength", "maxLength"), "told", "Length: … or more."),
    Keyword(("multipleOf",), "told", "A multiple of …"),
    Keyword(("uniqueItems",), "told", "No two items are equal."),
    Keyword(("minProperties", "maxProperties"), "told", "Properties: … or more."),
    Keyword(("contains", "minContains", "maxContains", "propertyNames"), "told", "as JSON"),
    Keyword(("not", "if", "then", "else"), "told", "as JSON"),
    Keyword(("dependencies", "dependentRequired", "dependentSchemas"), "told", "as JSON"),
    Keyword(("contentEncoding", "contentMediaType", "contentSchema"), "told", "as JSON"),
    Keyword(("examples", "example"), "told", "Examples: …; not reported, since it allows and forbids nothing"),
    Keyword(
        (
            *("$schema", "$id", "id", "$anchor", "$dynamicAnchor", "$recursiveAnchor", "$comment", "$vocabulary"),
            *("deprecated", "readOnly", "writeOnly", "discriminator", "xml", "externalDocs"),
        ),
        "dropped",
        "they allow and forbid nothing; as are all keywords that begin with `x-`",
    ),
)

KEYWORDS = frozenset(name for row in TABLE for name in row.names)
TOLD = frozenset(name for row in TABLE if row.fate == "told" for name in row.names) - {"examples", "example"}
SILENT = frozenset(name for row in TABLE if row.fate == "dropped" for name in row.names)
ANNOTATIONS = frozenset({"title", "description", "default", "examples", "example"}) | SILENT
"""Keywords that allow and forbid nothing."""

TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})

LEAF = frozenset({"type", "title", "description", "default"})
"""Keywords that are sent as they are; most sub-schemas have no others."""

ACCEPTED = frozenset({"pattern", "minLength", "maxLength", "uniqueItems"})
"""Keywords that are not documented, but accepted. They are sent as well as told: nobody says what the service makes of them.

Source: recorded calls with them (pydantic-ai, test_google_validated_accepts_strict_incompatible_schema, test_google_decimal).
"""

SERVICE_KEYWORDS = ACCEPTED | frozenset(
    {
        *("$defs", "$ref", "type", "format", "title", "description", "enum", "items", "prefixItems", "minItems", "maxItems"),
        *("minimum", "maximum", "anyOf", "oneOf", "properties", "additionalProperties", "required", "propertyOrdering"),
        "default",
    }
)
"""All that is ever sent. Source: Google's discovery document, responseJsonSchema; `default`: recorded as accepted."""

FORMATS = frozenset({"date-time", "date", "time"})
"""Formats that are kept. Source: Gemini API, Structured output; recorded traffic has date-time."""

_BY_TYPE: dict[str, frozenset[str]] = {
    "string": frozenset({"minLength", "maxLength", "pattern", "format", "contentEncoding", "contentMediaType"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"}),
    "array": frozenset(
        {
            *("items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems", "unevaluatedItems"),
            *("contains", "minContains", "maxContains"),
        }
    ),
    "object": frozenset(
        {
            *("properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties"),
            *("maxProperties", "propertyOrdering", "unevaluatedProperties"),
            *("dependencies", "dependentRequired", "dependentSchemas"),
        }
    ),
}
_BY_TYPE["integer"] = _BY_TYPE["number"]
_TYPED = frozenset().union(*_BY_TYPE.values())


def speaks_of(keyword: str, kind: str) -> bool:
    """Say whether a keyword constrains values of a type."""
    return keyword not in _TYPED or keyword in _BY_TYPE.get(kind, ())


def shown(value: Any) -> str:
    """Write a value as JSON, for a description; empty when it is too long to be shown."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN_CHARACTERS_MAX else ""


_WORDS: dict[str, Callable[[Any], str]] = {
    "pattern": lambda value: f"Must match the pattern {value}" if len(str(value)) <= SHOWN_CHARACTERS_MAX else "",
    "minLength": lambda value: f"Length: {value} or more.",
    "maxLength": lambda value: f"Length: {value} or less.",
    "multipleOf": lambda value: f"A multiple of {value}.",
    "uniqueItems": lambda _: "No two items are equal.",
    "minProperties": lambda value: f"Properties: {value} or more.",
    "maxProperties": lambda value: f"Properties: {value} or less.",
}


def words(keyword: str, value: Any) -> str:
    """Say a constraint in words; empty when it is too long to be said."""
    if keyword in _WORDS:
        return _WORDS[keyword](value)
    text = shown(value)
    return f"JSON Schema {keyword}: {text}" if text else ""


ONE_HOLDS = "Exactly one of these holds."
"""What is told where `oneOf` becomes `anyOf`."""


def described(schema: Schema, told: list[str]) -> Schema:
    """Put conditions into the description, below the caller's own words, where these do not say them already."""
    own = schema.get("description", "")
    told = [text for text in told if text not in own]
    return {**schema, "description": "\n".join([*filter(None, [own]), *told])} if told else schema


def says_nothing(keyword: str, value: Any) -> bool:
    """Say whether a constraint is no constraint, as libraries write them out of habit."""
    match keyword:
        case "minLength" | "minProperties" | "minContains":
            return value in (0, None)
        case "uniqueItems":
            return value is not True
        case "propertyNames":
            return value is True or value in ({}, {"type": "string"})
        case "dependencies" | "dependentRequired" | "dependentSchemas":
            return not value
    return value is None
