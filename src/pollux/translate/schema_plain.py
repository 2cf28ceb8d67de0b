"""Schemas without references and unions: one keyword after the other.

This is where a schema of 200 KB spends its time. So what is kept as it is comes first and is not copied, and places are
chains of pairs, which nobody writes out unless something is lost there.
"""

from abc import ABC, abstractmethod
from typing import Any, Literal

from pollux.translate.schema_checks import LOWER_BOUNDS, check_accepted, check_bounds, count, is_leaf, names, texts
from pollux.translate.schema_definitions import Definitions
from pollux.translate.schema_keywords import (
    ACCEPTED,
    ANNOTATIONS,
    FORMATS,
    KEYWORDS,
    LEAF,
    SILENT,
    TOLD,
    TYPES,
    Schema,
    described,
    says_nothing,
    shown,
    speaks_of,
    words,
)
from pollux.translate.schema_merging import UNSAID
from pollux.translate.schema_places import Contradiction, Place, SchemaFault
from pollux.translate.schema_values import enumerated

_BESIDE_VALUES = ANNOTATIONS | {"type", "enum", "const", "nullable", "$defs", "definitions"}
_AT_THE_END = frozenset({"required", "patternProperties", "additionalItems", "prefixItems"})
"""Keywords that are converted with their neighbours."""

_BOUNDS = frozenset({"minimum", "maximum"})
_NUMBERS = frozenset({int, float})

Loss = tuple[Place, Literal["ignored", "approximated"], str]


class PlainConverter(ABC):
    """Converts schemas whose keywords can be taken one by one; what stands within them is for `_sub`."""

    def __init__(self, root: Schema) -> None:
        self.losses: list[Loss] = []
        self._named = Definitions(root)
        self._choosing = 0
        """Unions that are being taken apart: a branch that allows nothing is left out there, not a fault of the caller's."""
        self._properties_places: dict[int, tuple[Schema, Place]] = {}
        """Where converted properties stand in the caller's schema, by their place in memory; they are kept for that."""

    @abstractmethod
    def _sub(self, schema: Any, place: Place, depth: int) -> Schema:
        """Convert a schema or sub-schema."""

    @abstractmethod
    def _count(self, steps: int) -> None:
        """Count sub-schemas that are looked at. Raises SchemaFault when they are too many."""

    @abstractmethod
    def _annotations(self, beside: Schema, place: Place, depth: int) -> Schema:
        """Convert what stands beside a reference or union."""

    @abstractmethod
    def _larger(self, schema: Schema, place: Place, depth: int) -> Schema:
        """Convert a sub-schema that is counted, and no leaf."""

    def _lose(self, place: Place, why: str, fate: Literal["ignored", "approximated"] = "approximated") -> None:
        self.losses.append((place, fate, why))

    def _plain(self, schema: Schema, place: Place, depth: int) -> Schema:
        """Convert a schema without references and unions, and which is no leaf."""
        kind = schema.get("type")
        if type(kind) is not str or kind not in TYPES:
            if type(kind) is list and len(kind) == 1:
                schema = schema | {"type": kind[0]}
                kind = kind[0]
            if type(kind) is list:
                if len(kind) != 2 or "null" not in kind or "enum" in schema or "const" in schema:
                    return self._split(schema, kind, place, depth)
                self._check_types(kind, place)
            elif kind is not None:
                self._check_types([kind], place)
        if "const" in schema or schema.get("enum") is not None:
            return self._enumerated(schema, kind, place)
        if "nullable" in schema and schema["nullable"] is True and type(kind) is str and kind != "null":
            self._lose((place, "nullable"), "taken as OpenAPI means it: null is allowed too")
            schema = schema | {"type": [kind, "null"]}
        out: Schema = {}
        told: list[str] = []
        for keyword, value in schema.items():
            if keyword in LEAF:
                if value is not None or keyword == "default":
                    out[keyword] = value
            elif value is None or keyword in _AT_THE_END:
                pass
            elif keyword == "properties":
                self._properties(value, schema, out, place, depth)
            elif keyword == "items" and type(value) is dict and is_leaf(value) and "prefixItems" not in schema:
                out["items"] = value
            elif keyword in _BOUNDS and type(value) in _NUMBERS and keyword not in out:
                out[keyword] = value
            elif keyword in TOLD:
                if keyword in ACCEPTED:
                    check_accepted((place, keyword), value)
                    out[keyword] = value
                self._tell(keyword, value, told, place)
            elif value is False and keyword == "additionalProperties":
                out[keyword] = False
            else:
                self._keyword(keyword, value, schema, out, told, place, depth)
        if not texts(out):
            wrong = "title" if not isinstance(out.get("title", ""), str) else "description"
            raise SchemaFault((place, wrong), "must be a text")
        if "prefixItems" in schema and "items" not in schema:
            self._items(schema, out, place, depth)
        if schema.get("patternProperties"):
            self._pattern_properties(schema, out, told, place, depth)
        if "required" in schema and schema["required"] is not None:
            self._required(schema, out, told, place)
        if not LOWER_BOUNDS.isdisjoint(out):
            check_bounds(out, place)
        return described(out, told) if told else out

    def _enumerated(self, schema: Schema, kind: Any, place: Place) -> Schema:
        """Convert `enum` and `const`; what constrains the values further is told."""
        out = enumerated(schema, kind, place, self._lose)
        if schema.keys() <= _BESIDE_VALUES:
            return out
        told: list[str] = []
        for keyword, value in schema.items():
            if keyword == UNSAID:
                for lost, condition in value:
                    self._tell(lost, condition, told, place)
            elif keyword in KEYWORDS and keyword not in _BESIDE_VALUES:
                self._tell(keyword, value, told, place)
            elif keyword not in _BESIDE_VALUES and not keyword.startswith("x-"):
                self._lose((place, keyword), "JSON Schema has no such keyword", "ignored")
        return described(out, told)

    def _keyword(
        self, keyword: str, value: Any, schema: Schema, out: Schema, told: list[str], place: Place, depth: int
    ) -> None:
        match keyword:
            case "items":
                self._items(schema, out, place, depth)
            case "additionalProperties":
                out["additionalProperties"] = (
                    value if isinstance(value, bool) else self._optional(value, (place, keyword), depth + 1)
                )
            case "minItems" | "maxItems":
                out[keyword] = count((place, keyword), value)
            case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
                self._bound(keyword, value, schema, out, told, place)
            case "format":
                if value in FORMATS and isinstance(value, str):
                    out["format"] = value
                else:
                    told.append(f"Format: {str(value)[:100]}.")
                    self._lose((place, keyword), "the format is told to the model, not enforced")
            case "examples" | "example":
                if text := shown(value):
                    told.append(f"Examples: {text}" if keyword == "examples" else f"Example: {text}")
            case "propertyOrdering":
                out[keyword] = names((place, keyword), value)
            case "unevaluatedProperties" | "unevaluatedItems":
                self._unevaluated(keyword, value, schema, out, told, place, depth)
            case _ if keyword == UNSAID:
                for lost, condition in value:
                    self._tell(lost, condition, told, place)
            case _ if keyword in SILENT or keyword in ("$defs", "definitions", "nullable") or keyword.startswith("x-"):
                pass
            case _:
                self._lose((place, keyword), "JSON Schema has no such keyword", "ignored")

    def _tell(self, keyword: str, value: Any, told: list[str], place: Place) -> None:
        """Say a constraint that the service does not know in words."""
        if says_nothing(keyword, value):
            return
        if isinstance(value, dict) and [*value] == ["$ref"]:  # the words stand alone: what is referred to is said in them
            value, _ = self._named.followed(value["$ref"], ((place, keyword), "$ref"))
        text = words(keyword, value)
        if text:
            told.append(text)
        self._lose((place, keyword), "told to the model, not enforced" if text else "too long to be told to the model")

    def _properties(self, value: Any, schema: Schema, out: Schema, place: Place, depth: int) -> None:
        if not isinstance(value, dict):
            raise SchemaFault((place, "properties"), "must be an object of schemas")
        inner = (place, "properties")
        converted: Schema = {}
        self._count(len(value))
        for name, sub in value.items():
            if type(sub) is dict:
                if is_leaf(sub):
                    converted[name] = sub
                    continue
                if not self._choosing or name in (schema.get("required") or ()):
                    converted[name] = self._larger(sub, (inner, name), depth + 1)
                    continue
                sub = self._optional(sub, (inner, name), depth + 1)  # noqa: PLW2901 - what it comes to
                if sub is not False:
                    converted[name] = sub
                    continue
            if sub is False:
                if name in (schema.get("required") or ()):
                    raise Contradiction((inner, name), "is required, and nothing is allowed there")
                if schema.get("additionalProperties") is not False:
                    self._lose((inner, name), "that there is no such property is not enforced")
                continue
            converted[name] = self._sub(sub, (inner, name), depth + 1)
        out["properties"] = converted
        self._properties_places[id(converted)] = converted, inner

    def _required(self, schema: Schema, out: Schema, told: list[str], place: Place) -> None:
        at = (place, "required")
        wanted = names(at, schema["required"])
        properties = out.get("properties", {})
        distinct = set(wanted)
        if distinct and len(distinct) == len(wanted) and distinct <= properties.keys():
            out["required"] = wanted
            return
        absent = [name for name in dict.fromkeys(wanted) if name not in properties]
        if absent:
            if schema.get("additionalProperties") is False and not schema.get("patternProperties"):
                raise Contradiction(at, f"names {absent[0][:80]!r}, which additionalProperties forbids")
            told.append(f"Give these properties too: {', '.join(absent)[:300]}")
            self._lose(at, "told to the model where it names what is not among the properties")
        kept = [name for name in dict.fromkeys(wanted) if name in properties]
        if kept:
            out["required"] = kept

    def _pattern_properties(self, schema: Schema, out: Schema, told: list[str], place: Place, depth: int) -> None:
        at = (place, "patternProperties")
        patterns = schema["patternProperties"]
        if not isinstance(patterns, dict):
            raise SchemaFault(at, "must be an object of schemas")
        others = schema.get("additionalProperties")
        if others is False or (isinstance(others, dict) and others):  # else anything is allowed there
            allowed = [self._sub(sub, (at, pattern), depth + 1) for pattern, sub in patterns.items() if sub is not False]
            allowed = [out["additionalProperties"], *allowed] if others else allowed
            if allowed:
                out["additionalProperties"] = allowed[0] if len(allowed) == 1 else {"anyOf": allowed}
        if text := shown([*patterns]):
            told.append(f"Names of further properties match: {text}")
        self._lose(at, "the patterns of names are told to the model, not enforced")

    def _items(self, schema: Schema, out: Schema, place: Place, depth: int) -> None:
        """Convert items, tuples of all drafts included."""
        items, first = schema.get("items"), schema.get("prefixItems")
        at = (place, "prefixItems")
        if isinstance(items, list):
            first, items, at = items, schema.get("additionalItems"), (place, "items")
        if first is not None:
            if not isinstance(first, list):
                raise SchemaFault(at, "must be a list of schemas")
            if first:
                out["prefixItems"] = [self._sub(sub, (at, i), depth + 1) for i, sub in enumerate(first)]
        if items is not None and not isinstance(items, bool):
            out["items"] = items = self._optional(items, (place, "items"), depth + 1)
        if items is False:
            out.pop("items", None)
            longest = len(first or ())
            out["maxItems"] = min(longest, schema["maxItems"]) if type(schema.get("maxItems")) is int else longest
            if count((place, "minItems"), schema.get("minItems") or 0) > longest:
                raise Contradiction((place, "minItems"), f"is more than {longest}, the most items that are allowed")

    def _optional(self, schema: Any, place: Place, depth: int) -> Schema | Literal[False]:
        """Convert what need not be there: in a branch of a union it is false where nothing is allowed."""
        if not self._choosing:
            return self._sub(schema, place, depth)
        mark = self._named.mark()
        try:
            return self._sub(schema, place, depth)
        except Contradiction:
            self._named.forget(mark)
            return False

    def _bound(self, keyword: str, value: Any, schema: Schema, out: Schema, told: list[str], place: Place) -> None:
        lower = keyword in ("minimum", "exclusiveMinimum")
        name = "minimum" if lower else "maximum"
        exclusive = keyword.startswith("exclusive")
        if exclusive and isinstance(value, bool):  # draft 4: it speaks of the bound beside it
            if value and name in schema:
                self._bound(keyword, schema[name], schema, out, told, place)
            return
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise SchemaFault((place, keyword), "must be a number")
        if exclusive and schema.get("type") == "integer" and abs(value) < 2**53:
            value = value // 1 + 1 if lower else -(-value // 1) - 1
            value = int(value)
        elif exclusive:
            told.append(f"{'More' if lower else 'Less'} than {value}.")
            self._lose((place, keyword), "told to the model; enforced is the bound itself")
        out[name] = value if name not in out else max(out[name], value) if lower else min(out[name], value)

    def _unevaluated(
        self, keyword: str, value: Any, schema: Schema, out: Schema, told: list[str], place: Place, depth: int
    ) -> None:
        """Take what no other keyword looks at as additional, where no other keyword could have looked."""
        additional, others = (
            ("additionalProperties", ("if", "dependentSchemas", "patternProperties", UNSAID))
            if keyword == "unevaluatedProperties"
            else ("items", ("if", "contains", UNSAID))
        )
        if additional in schema or value is True or value == {}:
            return
        if any(name in schema for name in others):
            self._tell(keyword, value, told, place)
        elif additional == "items":
            self._items({"prefixItems": schema.get("prefixItems"), "items": value}, out, place, depth)
        else:
            out[additional] = value if value is False else self._sub(value, (place, keyword), depth + 1)

    # Lists of types

    def _split(self, schema: Schema, kinds: list[Any], place: Place, depth: int) -> Schema:
        """Make a branch of each type, with the keywords that speak of it."""
        if not kinds:
            raise SchemaFault((place, "type"), "must not be empty")
        self._check_types(kinds, place)
        if "const" in schema or schema.get("enum") is not None:
            return self._enumerated(schema, kinds, place)
        beside = {name: value for name, value in schema.items() if name in ANNOTATIONS}
        rest = {name: value for name, value in schema.items() if name not in ANNOTATIONS and name != "type"}
        branches = [
            self._sub({"type": kind} | {name: value for name, value in rest.items() if speaks_of(name, kind)}, place, depth + 1)
            for kind in dict.fromkeys(kinds)
        ]
        return {**self._annotations(beside, place, depth), "anyOf": branches}

    def _check_types(self, kinds: list[Any], place: Place) -> None:
        if not all(type(kind) is str and kind in TYPES for kind in kinds):
            raise SchemaFault((place, "type"), f"must be one of {', '.join(sorted(TYPES))}, or a list of these")
