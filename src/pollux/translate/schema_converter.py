"""One JSON Schema of a caller → what the native API takes, keyword by keyword.

The theory. Every rewrite errs to one side: what the caller's schema allows, the native one allows. It may allow more; then
the lost condition stands in the nearest `description`, so that the model reads it, and a loss names its place. So no right
answer is made impossible, and a wrong one is found by the check of the answer against the caller's own schema.

A schema is either *plain* (its keywords can be taken one by one), a *reference*, a *union* (`anyOf` or `oneOf` with nothing but
annotations beside it), or none of these: then it is *flattened* first. References within it are followed, `allOf` is merged,
and what stands beside a union goes into every branch.

Definitions that are referred to are converted once, each on its own, so that references cost nothing and cycles end.
Expansion (merging, distributing over branches) is counted in steps; a schema that needs too many is refused.
"""

from collections import deque
from itertools import product
from typing import Any, Literal

from pollux.translate import schema_cycles
from pollux.translate.schema_checks import check_accepted, check_bounds, constants, count, names, texts
from pollux.translate.schema_keywords import (
    ACCEPTED,
    ANNOTATIONS,
    FORMATS,
    KEYWORDS,
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
from pollux.translate.schema_merging import UNSAID, both
from pollux.translate.schema_places import Contradiction, Place, SchemaFault
from pollux.translate.schema_references import CHAIN_MAX, REFERENCES, References
from pollux.translate.schema_values import enumerated

STEPS_MAX = 50_000
"""Sub-schemas that one schema may have after expansion. A dense schema of 200 KB has 9,000; this many cost some 0.2 s."""

DEPTH_MAX = 45
"""Deepest nesting of sub-schemas. The native API takes JSON nested 100 deep, and a level of a schema takes two."""

BRANCHES_MAX = 64
"""Most branches that are made by putting what stands beside a union into it."""

COPIED_A_STEP = 30
"""Merged keywords and properties that are copied in the time of a step."""

DISTRIBUTED_MAX = 2000
"""Most keywords and properties that are repeated for that."""

_COMPOSING = frozenset({"allOf", "anyOf", "oneOf", *REFERENCES})
_UNIONS = ("anyOf", "oneOf")
_BARE = {name: {"type": name} for name in TYPES}
_LEAF = frozenset({"type", "title", "description"})
_BESIDE_VALUES = ANNOTATIONS | {"type", "enum", "const", "nullable", "$defs", "definitions"}
_OLD_DRAFTS = ("draft-04", "draft-06", "draft-07", "draft4", "draft6", "draft7")

Loss = tuple[Place, Literal["ignored", "approximated"], str]


class Converter:
    """Converts one schema; afterwards `losses` says what it lost."""

    def __init__(self, root: Schema) -> None:
        self.losses: list[Loss] = []
        self._root = root
        self._references = References(root)
        self._steps = 0
        self._origins: dict[int, Place] = {}
        self._kept_alive: list[Any] = []
        self._names: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._waiting: deque[tuple[str, Any, Place]] = deque()
        self._definitions: dict[str, Schema] = {}
        self._definition_places: dict[str, Place] = {}
        draft = root.get("$schema")
        self._beside_references = not (isinstance(draft, str) and any(old in draft for old in _OLD_DRAFTS))

    def convert(self) -> Schema:
        """Give the native schema. Raises SchemaFault."""
        converted = self._sub(self._root, (), 0)
        while self._waiting:
            name, schema, place = self._waiting.popleft()
            self._definitions[name] = self._sub(schema, place, 1)
        schema_cycles.loosen(self._definitions, self._lose, self._origins, self._definition_places)
        if "$ref" in converted:
            converted = self._definitions[converted["$ref"].removeprefix("#/$defs/")]
        used = schema_cycles.reachable(converted, self._definitions)
        return {**converted, "$defs": used} if used else converted

    def _lose(self, place: Place, why: str, fate: Literal["ignored", "approximated"] = "approximated") -> None:
        self.losses.append((place, fate, why))

    def _sub(self, schema: Any, place: Place, depth: int) -> Schema:
        """Convert a schema or sub-schema; `true` is the empty one, and `false` is for the callers to handle."""
        if type(schema) is not dict:
            if schema is True:
                return {}
            raise SchemaFault(place, "allows nothing" if schema is False else "must be a schema: an object, true or false")
        self._steps += 1
        if self._steps > STEPS_MAX:
            raise SchemaFault((), f"has, or expands to, more than {STEPS_MAX} sub-schemas")
        kind = schema.get("type")
        if len(schema) == 1 and type(kind) is str and kind in _BARE:
            return _BARE[kind]
        if depth > DEPTH_MAX:
            raise SchemaFault(place, f"is nested more than {DEPTH_MAX} sub-schemas deep")
        if self._origins:
            place = self._origins.get(id(schema), place)
        if _COMPOSING.isdisjoint(schema):
            return self._plain(schema, place, depth)
        return self._composed(schema, place, depth)

    # Plain schemas

    def _plain(self, schema: Schema, place: Place, depth: int) -> Schema:
        """Convert a schema without references and unions."""
        kind = schema.get("type")
        if type(kind) is list:
            if len(kind) == 0:
                raise SchemaFault((place, "type"), "must not be empty")
            if len(kind) == 1:
                schema = schema | {"type": kind[0]}
                kind = kind[0]
            elif not (len(kind) == 2 and "null" in kind and "enum" not in schema and "const" not in schema):
                return self._split(schema, kind, place, depth)
        if kind is not None and not (type(kind) is str and kind in TYPES) and type(kind) is not list:
            raise SchemaFault((place, "type"), f"must be one of {', '.join(sorted(TYPES))}, or a list of these")
        if schema.keys() <= _LEAF and texts(schema):
            return schema
        if "const" in schema or schema.get("enum") is not None:
            return self._enumerated(schema, kind, place)
        if schema.get("nullable") is True and type(kind) is str and kind != "null":
            self._lose((place, "nullable"), "taken as OpenAPI means it: null is allowed too")
            kind = [kind, "null"]
        out: Schema = {}
        told: list[str] = []
        for keyword, value in schema.items():
            if value is None and keyword != "default":
                continue
            match keyword:
                case "type":
                    out["type"] = kind
                case "title" | "description":
                    if not isinstance(value, str):
                        raise SchemaFault((place, keyword), "must be a text")
                    out[keyword] = value
                case "default":
                    out["default"] = value
                case "properties":
                    self._properties(value, schema, out, place, depth)
                case "required" | "patternProperties" | "additionalItems" | "prefixItems":
                    pass  # with their neighbours, below
                case "items":
                    self._items(schema, out, place, depth)
                case "additionalProperties":
                    out["additionalProperties"] = (
                        value if isinstance(value, bool) else self._sub(value, (place, keyword), depth + 1)
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
                case _ if keyword in TOLD:
                    if keyword in ACCEPTED:
                        check_accepted((place, keyword), value)
                        out[keyword] = value
                    self._tell(keyword, value, told, place)
                case _ if keyword in SILENT or keyword in ("$defs", "definitions", "nullable") or keyword.startswith("x-"):
                    pass
                case _:
                    self._lose((place, keyword), "JSON Schema has no such keyword", "ignored")
        if "prefixItems" in schema and "items" not in schema:
            self._items(schema, out, place, depth)
        if schema.get("patternProperties"):
            self._pattern_properties(schema, out, told, place, depth)
        if schema.get("required") is not None:
            self._required(schema, out, told, place)
        check_bounds(out, schema, place)
        return described(out, told)

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

    def _tell(self, keyword: str, value: Any, told: list[str], place: Place) -> None:
        """Say a constraint that the service does not know in words."""
        if says_nothing(keyword, value):
            return
        text = words(keyword, value)
        if text:
            told.append(text)
        self._lose((place, keyword), "told to the model, not enforced" if text else "too long to be told to the model")

    def _properties(self, value: Any, schema: Schema, out: Schema, place: Place, depth: int) -> None:
        if not isinstance(value, dict):
            raise SchemaFault((place, "properties"), "must be an object of schemas")
        inner = (place, "properties")
        converted: Schema = {}
        for name, sub in value.items():
            if sub is False:
                if name in (schema.get("required") or ()):
                    raise Contradiction((inner, name), "is required, and nothing is allowed there")
                if schema.get("additionalProperties") is not False:
                    self._lose((inner, name), "that there is no such property is not enforced")
                continue
            converted[name] = self._sub(sub, (inner, name), depth + 1)
        out["properties"] = converted
        self._origins_of(out["properties"], inner)

    def _origins_of(self, converted: Schema, place: Place) -> None:
        """Remember where converted properties stand, for `schema_cycles`."""
        self._kept_alive.append(converted)
        self._origins[id(converted)] = place

    def _required(self, schema: Schema, out: Schema, told: list[str], place: Place) -> None:
        at = (place, "required")
        wanted = names(at, schema["required"])
        properties = out.get("properties", {})
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
        allowed = [self._sub(sub, (at, pattern), depth + 1) for pattern, sub in patterns.items() if sub is not False]
        if others is False and allowed:
            out["additionalProperties"] = allowed[0] if len(allowed) == 1 else {"anyOf": allowed}
        elif isinstance(others, dict) and others:
            out["additionalProperties"] = {"anyOf": [out["additionalProperties"], *allowed]}
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
        if items is False:
            longest = len(first or ())
            out["maxItems"] = min(longest, schema["maxItems"]) if type(schema.get("maxItems")) is int else longest
            if count((place, "minItems"), schema.get("minItems") or 0) > longest:
                raise Contradiction((place, "minItems"), f"is more than {longest}, the most items that are allowed")
        elif items is not None and items is not True:
            out["items"] = self._sub(items, (place, "items"), depth + 1)

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
        for kind in kinds:
            if not isinstance(kind, str) or kind not in TYPES:
                raise SchemaFault((place, "type"), f"must hold nothing but {', '.join(sorted(TYPES))}")
        if "const" in schema or schema.get("enum") is not None:
            return self._enumerated(schema, kinds, place)
        beside = {name: value for name, value in schema.items() if name in ANNOTATIONS}
        rest = {name: value for name, value in schema.items() if name not in ANNOTATIONS and name != "type"}
        branches = [
            self._sub({"type": kind} | {name: value for name, value in rest.items() if speaks_of(name, kind)}, place, depth + 1)
            for kind in dict.fromkeys(kinds)
        ]
        return {**self._annotations(beside, place, depth), "anyOf": branches}

    def _annotations(self, beside: Schema, place: Place, depth: int) -> Schema:
        return self._plain(beside, place, depth) if beside else {}

    # References, unions, and everything together

    def _composed(self, schema: Schema, place: Place, depth: int) -> Schema:
        beside = {
            name: value for name, value in schema.items() if name not in _COMPOSING and name not in ("$defs", "definitions")
        }
        composing = [name for name in schema if name in _COMPOSING and schema[name] is not None]
        if not composing:
            return self._plain(beside, place, depth)
        only = composing[0] if len(composing) == 1 else ""
        if only in REFERENCES and not self._beside_references:
            beside = {name: value for name, value in beside.items() if name in ANNOTATIONS}
        if beside.keys() <= ANNOTATIONS:
            if only in REFERENCES:
                return self._reference(schema[only], (place, only), beside, place, depth)
            if only in _UNIONS:
                return {**self._annotations(beside, place, depth), **self._union(only, schema[only], place, depth)}
            if only == "allOf" and isinstance(schema["allOf"], list) and len(schema["allOf"]) == 1:
                inner = schema["allOf"][0]
                if isinstance(inner, dict) and not (inner.keys() & beside.keys()):
                    return self._sub({**beside, **inner}, place, depth + 1)
        return self._flattened(schema, place, depth)

    def _reference(self, reference: Any, at: Place, beside: Schema, place: Place, depth: int) -> Schema:
        """Refer to the definition; what stands beside a `$ref` would be refused, so it stands around it."""
        target, where = self._followed(reference, at)
        if not isinstance(target, dict):
            return self._sub(target, where, depth + 1)
        named = {"$ref": f"#/$defs/{self._name(target, where)}"}
        notes = self._annotations(beside, place, depth)
        return {**notes, "anyOf": [named]} if notes else named

    def _followed(self, reference: Any, at: Place) -> tuple[Any, Place]:
        """Follow a reference through references that say nothing else."""
        target, where = self._references.target(reference, at)
        for _ in range(CHAIN_MAX):
            found = [name for name in REFERENCES if isinstance(target, dict) and name in target]
            if len(found) != 1 or target.keys() - {found[0], "$defs", "definitions"} - SILENT:
                return target, where
            target, where = self._references.target(target[found[0]], (where, found[0]))
        raise SchemaFault(at, "leads to itself, or through too many references")

    def _name(self, target: Schema, where: Place) -> str:
        """Give a definition its name below `$defs`, and see to it that it is converted. Names that clash are numbered."""
        name = self._names.get(id(target))
        if name is None:
            step = str(where[1]) if where else "root"
            wanted = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in step)[:64] or "_"
            name = wanted
            while name in self._definition_places:
                self._numbers[wanted] = self._numbers.get(wanted, 1) + 1
                name = f"{wanted}_{self._numbers[wanted]}"
            self._names[id(target)] = name
            self._definition_places[name] = where
            self._waiting.append((name, target, where))
        return name

    def _union(self, keyword: str, branches: Any, place: Place, depth: int) -> Schema:
        at = (place, keyword)
        if not isinstance(branches, list) or not branches:
            raise SchemaFault(at, "must be a list of schemas")
        converted = [self._sub(branch, (at, i), depth + 1) for i, branch in enumerate(branches) if branch is not False]
        if not converted:
            raise Contradiction(at, "allows nothing")
        if keyword == "oneOf" and len(converted) > 1 and not self._exclude_one_another(branches):
            self._lose(at, "read as anyOf: that only one branch holds is not enforced")
            keyword = "anyOf"  # as the service reads it: a branch may allow more than the caller's, and so meet another
        return {keyword: converted}

    def _exclude_one_another(self, branches: list[Any]) -> bool:
        """Say whether no value can satisfy two branches: by type, or by a property that tells them apart."""
        resolved: list[Any] = []
        for branch in branches:
            reference = branch.get("$ref") if isinstance(branch, dict) else None
            resolved.append(self._followed(reference, ())[0] if reference else branch)
        if not all(isinstance(branch, dict) for branch in resolved):
            return False
        kinds = [branch.get("type") for branch in resolved]
        if (
            all(isinstance(kind, str) for kind in kinds)
            and len({*kinds}) == len(kinds)
            and not {"integer", "number"} <= {*kinds}
        ):
            return True
        few = [constants(branch) for branch in resolved]
        shared = set.intersection(*({*found} for found in few))
        return any(len({value for found in few for value in found[name]}) == sum(len(f[name]) for f in few) for name in shared)

    def _flattened(self, schema: Schema, place: Place, depth: int) -> Schema:
        """Convert a schema in which everything stands beside everything."""
        base, unions = self._flat(schema, place, depth, frozenset())
        beside = {name: value for name, value in base.items() if name in ANNOTATIONS}
        size = len(base) + sum(len(value) for value in base.values() if isinstance(value, (dict, list)))
        chosen: list[tuple[Place, list[Any]]] = []
        branches = 1
        for at, found in unions:
            branches *= len(found)
            if branches > BRANCHES_MAX or branches * size > DISTRIBUTED_MAX:
                branches //= len(found)
                base[UNSAID] = [*base.get(UNSAID, ()), (at[1], found)]
            else:
                chosen.append((at, found))
        if not chosen:
            return self._plain(base, place, depth)
        rest = {name: value for name, value in base.items() if name not in ANNOTATIONS}
        converted, contradiction = [], None
        for combination in product(*(found for _, found in chosen)):
            try:
                converted.append(self._branch(rest, combination, [at for at, _ in chosen], place, depth))
            except Contradiction as fault:
                contradiction = fault
        if not converted:
            raise contradiction or Contradiction(place, "allows nothing")
        if any(at[1] == "oneOf" and len(found) > 1 and not self._exclude_one_another(found) for at, found in chosen):
            self._lose(place, "oneOf is read as anyOf: that only one branch holds is not enforced")
        return {**self._annotations(beside, place, depth), "anyOf": converted}

    def _branch(self, rest: Schema, combination: tuple[Any, ...], places: list[Place], place: Place, depth: int) -> Schema:
        if len(combination) == 1 and not rest:
            return self._sub(combination[0], places[0], depth + 1)
        if any(branch is False for branch in combination):
            raise Contradiction(place, "allows nothing")
        together = {"allOf": [rest, *(branch for branch in combination if branch is not True)]}
        return self._sub(together, place, depth + 1)

    def _flat(
        self, schema: Any, place: Place, depth: int, following: frozenset[int]
    ) -> tuple[Schema, list[tuple[Place, list[Any]]]]:
        """Give a schema without references and `allOf`, and its unions apart. Raises Contradiction."""
        if schema is True:
            return {}, []
        if schema is False:
            raise Contradiction(place, "allows nothing")
        if not isinstance(schema, dict):
            raise SchemaFault(place, "must be a schema: an object, true or false")
        self._steps += 1
        if self._steps > STEPS_MAX or len(following) > DEPTH_MAX:
            raise SchemaFault(place, f"expands to more than {STEPS_MAX} sub-schemas, or leads to itself")
        base = {
            name: value for name, value in schema.items() if name not in _COMPOSING and name not in ("$defs", "definitions")
        }
        self._remember_places(base, place)
        unions: list[tuple[Place, list[Any]]] = []
        parts: list[tuple[Any, Place]] = []
        for keyword in REFERENCES:
            if schema.get(keyword) is not None:
                target, where = self._followed(schema[keyword], (place, keyword))
                if id(target) in following:
                    raise SchemaFault((place, keyword), "leads to itself")
                parts.append((target, where))
                following |= {id(target)}
                if not self._beside_references:
                    base = {name: value for name, value in base.items() if name in ANNOTATIONS}
        every = schema.get("allOf")
        if every is not None:
            if not isinstance(every, list):
                raise SchemaFault((place, "allOf"), "must be a list of schemas")
            parts += [(part, ((place, "allOf"), i)) for i, part in enumerate(every)]
        for keyword in _UNIONS:
            found = schema.get(keyword)
            if found is not None:
                if not isinstance(found, list) or not found:
                    raise SchemaFault((place, keyword), "must be a list of schemas")
                for i, branch in enumerate(found):
                    self._remember(branch, ((place, keyword), i))
                unions.append(((place, keyword), found))
        for part, where in parts:
            other, more = self._flat(part, where, depth, following)
            base = both(base, other, where)
            unions += more
            self._steps += sum(len(value) for value in base.values() if isinstance(value, (dict, list))) // COPIED_A_STEP
        return base, unions

    def _remember_places(self, base: Schema, place: Place) -> None:
        """Remember where the sub-schemas of what is merged come from, so that losses name their true place."""
        for name in ("properties", "patternProperties"):
            inner = base.get(name)
            if isinstance(inner, dict):
                for key, sub in inner.items():
                    self._remember(sub, ((place, name), key))
        for name in ("items", "additionalProperties"):
            self._remember(base.get(name), (place, name))

    def _remember(self, schema: Any, place: Place) -> None:
        if isinstance(schema, dict) and id(schema) not in self._origins:
            self._kept_alive.append(schema)
            self._origins[id(schema)] = place
