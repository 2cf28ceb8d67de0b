"""Conditions that a schema's description says in words, as keywords: a model reads descriptions, and mostly keeps to them.

Plain words and common notations are read, whoever wrote them: "greater than 3", "at least 2 items", "a multiple of 5", "a valid
email", "must match the pattern ^a", "always give the property x", "JSON Schema not: {…}". README.md lists them. What the
schema itself says outranks its description.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

Schema = dict[str, Any]

READ_CHARS_MAX = 4_000
"""The part of a description that is read."""

NAMES = "@names"
"""Patterns of the names of properties that are not declared."""

ONE = "@one"
"""That one alone of several schemas holds."""

JOINED = ("required", NAMES, "allOf")
"""What several sentences say together."""

NUMBER = r"(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w]|\.\d)"

UNITS = {
    "item": "Items", "element": "Items", "character": "Length", "letter": "Length", "propert": "Properties",
    "field": "Properties", "key": "Properties", "items:": "Items", "length:": "Length", "properties:": "Properties",
}  # fmt: skip
"""Counted words, by their beginning, and what they count."""

TYPE_OF_UNIT = {"Items": "array", "Length": "string", "Properties": "object"}

UNIT = r"(\s+(?:item|element|character|letter|propert|field|key))?"

BOUNDS: tuple[tuple[re.Pattern[str], str, int], ...] = tuple(
    (re.compile(rf"(\b(?:items|length|properties):\s*)?{words}", re.IGNORECASE), keyword, outside)
    for words, keyword, outside in (
        (rf"\b(?:more|greater|larger|higher) than {NUMBER}{UNIT}", "exclusiveMinimum", 1),
        (rf"\b(?:less|lower|smaller|fewer) than {NUMBER}{UNIT}", "exclusiveMaximum", -1),
        (rf"\b(?:at least|no less than|not less than) {NUMBER}{UNIT}", "minimum", 0),
        (rf"\b(?:at most|no more than|not more than) {NUMBER}{UNIT}", "maximum", 0),
        (rf"(?<![\w.-]){NUMBER}{UNIT}?\w* or more\b", "minimum", 0),
        (rf"(?<![\w.-]){NUMBER}{UNIT}?\w* or (?:less|fewer)\b", "maximum", 0),
    )
)
"""Words of a bound, its keyword for numbers, and how far from it the first count inside is."""

CROSSING = (("inimum", "aximum"), ("minItems", "maxItems"), ("minLength", "maxLength"), ("minProperties", "maxProperties"))

FORMATS = (
    "date-time|date|time|duration|idn-email|email|idn-hostname|hostname|ipv4|ipv6|uri-reference|uri-template|uri|url|"
    "iri-reference|iri|uuid|json-pointer|relative-json-pointer|regex|byte"
)

NOTED = re.compile(
    r"\bJSON Schema(?: (not|if|then|else|contains|minContains|maxContains|propertyNames|dependentRequired|dependentSchemas|"
    r"dependencies|anyOf|oneOf|allOf|unevaluatedProperties|additionalProperties|minimum|maximum|const|enum))?: (.+)"
)
"""A condition that is written as JSON, or a whole schema."""

Found = tuple[str, str, Any]
"""A type of values (`any` for all), a keyword, and its value."""


def conditions(schema: Schema, kinds: list[str]) -> Schema:
    """Give what a schema's description adds for values of its types, as far as the schema leaves it open."""
    text = schema.get("description")
    found = said(text[:READ_CHARS_MAX]) if isinstance(text, str) else None
    if not found:
        return {}
    added: Schema = dict(found.get("any", {}))
    for kind in kinds if len(kinds) <= 2 else ():
        added |= found.get("number" if kind == "integer" else kind, {})
    if ONE in added:
        added = {**added, "oneOf": schema["anyOf"]} if "anyOf" in schema else added
        del added[ONE]
    if "required" in added and schema.get("additionalProperties") is False:
        added["required"] = [name for name in added["required"] if name in schema.get("properties", {})]
    return {
        keyword: value
        for keyword, value in added.items()
        if (keyword not in schema or keyword in JOINED) and not _crosses(keyword, value, schema)
    }


@lru_cache(maxsize=512)
def said(text: str) -> dict[str, Schema]:
    """Give the conditions that a text says, by the type of value that they speak of."""
    found: dict[str, Schema] = {}
    for kind, keyword, value in (*_bounds(text), *_sentences(text), *_noted(text)):
        known = found.setdefault(kind, {})
        known[keyword] = [*known.get(keyword, ()), *value] if keyword in JOINED else known.get(keyword, value)
    return found


def _crosses(keyword: str, value: Any, schema: Schema) -> bool:
    """Tell whether a bound would leave nothing of what the schema allows."""
    for pair in CROSSING:
        for here, there, sign in ((*pair, 1), (*pair[::-1], -1)):
            if not keyword.endswith(here):
                continue
            others = [schema.get(name) for name in schema if name.endswith(there)]
            if any(isinstance(other, (int, float)) and (value - other) * sign >= 0 for other in others):
                return True
    return False


def _bounds(text: str) -> Iterator[Found]:
    for pattern, keyword, outside in BOUNDS:
        for match in pattern.finditer(text):
            before, number, after = match.groups()
            unit = UNITS.get((before or after or "").strip().lower())
            value = _number(number)
            if unit is None:
                yield "number", keyword, value
            elif value >= 0:
                least = "min" if keyword.endswith("inimum") else "max"
                yield TYPE_OF_UNIT[unit], f"{least}{unit}", max(int(value) + outside, 0)


def _sentences(text: str) -> Iterator[Found]:
    for pattern, read in SENTENCES:
        for match in pattern.finditer(text):
            yield from read(next(filter(None, match.groups()), ""))


def _noted(text: str) -> Iterator[Found]:
    found = [(match.group(1), _json(match.group(2))) for match in NOTED.finditer(text)]
    conditions = sum(1 for keyword, _ in found if keyword == "if")
    for keyword, value in found:
        if keyword is None:
            yield from [("any", "allOf", [value])] if isinstance(value, dict) else []
        elif value is not None and (conditions == 1 or keyword not in ("if", "then", "else")):
            yield "any", keyword, value


def _number(text: str) -> int | float:
    return float(text) if any(sign in text for sign in ".eE") else int(text)


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text.strip())
    except (msgspec.DecodeError, RecursionError):
        return None


def _multiple(text: str) -> Iterator[Found]:
    if (step := _number(text)) > 0:
        yield "number", "multipleOf", step


def _listed(text: str) -> list[str]:
    names = (name.strip(" `'\".") for name in re.split(r",| and ", text))
    return [name for name in names if name]


def _names(text: str) -> Iterator[Found]:
    listed = _json(text)
    patterns = listed if isinstance(listed, list) else [text.strip(" `.")]
    yield "object", NAMES, [pattern for pattern in patterns if isinstance(pattern, str)]


def _one_of(values: Any) -> Iterator[Found]:
    """Read values that an enumeration of the schema cannot hold: truths, lists and objects."""
    for kind, known in (("boolean", bool), ("array", list), ("object", dict)):
        if isinstance(values, list) and values and all(type(value) is known for value in values):
            yield kind, "enum", values


def _sentence(pattern: str, read: Callable[[str], Iterator[Found]]) -> tuple[re.Pattern[str], Callable[[str], Iterator[Found]]]:
    return re.compile(pattern, re.IGNORECASE), read


SENTENCES = (
    _sentence(
        rf"\bformat(?: is)?:? [`'\"]?({FORMATS})(?![\w-])|\b(?:in|of) (?:the )?({FORMATS}) format\b"
        r"|\ba valid (email|url|uri|uuid|ipv4|ipv6|hostname)\b",
        lambda text: iter([("string", "format", text.lower())]),
    ),
    _sentence(
        r"\bmatch(?:es|ing)?(?: the)? (?:pattern|regular expression|regex):? (?:`([^`]+)`|/(.+)/|(\^.+))",
        lambda text: iter([("string", "pattern", text)]),
    ),
    _sentence(rf"\b(?:multiples? of|divisible by) {NUMBER}", _multiple),
    _sentence(
        r"\b(?:no two items are equal|unique items|items (?:are|must be) unique|no duplicates)\b",
        lambda _: iter([("array", "uniqueItems", True)]),
    ),
    _sentence(
        r"\b(?:always|must) (?:give|include|have|contain) the (?:property|field) ([^\s,;]+)",
        lambda text: iter([("object", "required", _listed(text))]),
    ),
    _sentence(
        r"\b(?:give|include) these (?:properties|fields)(?: too| also)?: (.+)",
        lambda text: iter([("object", "required", _listed(text))]),
    ),
    _sentence(r"\bnames of (?:further |other )?properties match(?: the pattern)?:? (.+)", _names),
    _sentence(r"\bexactly one of (?:these|them|the)\b", lambda _: iter([("any", ONE, True)])),
    _sentence(r"\bmust be (true|false|\{.*\}|\[.*\])", lambda text: _one_of([_json(text)])),
    _sentence(r"\bone of (\[.*\])", lambda text: _one_of(_json(text))),
)
"""Sentences, and what they mean; what a sentence names stands in its first group that matches."""
