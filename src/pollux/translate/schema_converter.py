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

from itertools import product
from typing import Any

from pollux.translate import schema_cycles
from pollux.translate.schema_checks import constants, is_leaf, texts
from pollux.translate.schema_keywords import ANNOTATIONS, ONE_HOLDS, Schema, described
from pollux.translate.schema_merging import UNSAID, both
from pollux.translate.schema_places import Contradiction, Place, SchemaFault
from pollux.translate.schema_plain import PlainConverter
from pollux.translate.schema_references import REFERENCES

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
_ANY_OF = frozenset({"anyOf", "title", "description", "default"})
_REFERENCE = frozenset({"$ref", "title", "description", "default"})
_OLD_DRAFTS = ("draft-04", "draft-06", "draft-07", "draft4", "draft6", "draft7")


class Converter(PlainConverter):
    """Converts one schema; afterwards `losses` says what it lost."""

    def __init__(self, root: Schema) -> None:
        super().__init__(root)
        self._root = root
        self._steps = 0
        self._origins: dict[int, tuple[Schema, Place]] = {}
        """Where merged schemas come from, by their place in memory; they are kept for that."""
        draft = root.get("$schema")
        self._beside_references = not (isinstance(draft, str) and any(old in draft for old in _OLD_DRAFTS))

    def convert(self) -> Schema:
        """Give the native schema. Raises SchemaFault."""
        converted = self._sub(self._root, (), 0)
        definitions = {name: self._sub(schema, place, 1) for name, schema, place in self._named.to_convert()}
        if not definitions:
            return converted
        edges = self._named.edges
        schema_cycles.loosen(definitions, edges, self._lose, self._properties_places, self._named.places)
        if "$ref" in converted:
            name = converted["$ref"][8:]
            converted, edges[""] = definitions[name], edges[name]
        used = schema_cycles.reachable(edges)
        kept = {name: schema for name, schema in definitions.items() if name in used}
        return {**converted, "$defs": kept} if kept else converted

    def _sub(self, schema: Any, place: Place, depth: int) -> Schema:
        """Convert a schema or sub-schema; `true` is the empty one, and `false` is for the callers to handle."""
        if type(schema) is not dict:
            if schema is True:
                return {}
            raise SchemaFault(place, "allows nothing" if schema is False else "must be a schema: an object, true or false")
        self._count(1)
        return schema if is_leaf(schema) else self._larger(schema, place, depth)

    def _larger(self, schema: Schema, place: Place, depth: int) -> Schema:
        if depth > DEPTH_MAX:
            raise SchemaFault(place, f"is nested more than {DEPTH_MAX} sub-schemas deep")
        if self._origins and id(schema) in self._origins:
            place = self._origins[id(schema)][1]
        if _COMPOSING.isdisjoint(schema):
            return self._plain(schema, place, depth)
        if schema.keys() <= _ANY_OF and texts(schema) and schema["anyOf"] is not None:
            return {**schema, "anyOf": self._branches((place, "anyOf"), schema["anyOf"], depth)}
        if schema.keys() <= _REFERENCE and texts(schema) and type(schema["$ref"]) is str:
            notes = dict(schema)
            return self._reference(notes.pop("$ref"), (place, "$ref"), notes, place, depth)
        return self._composed(schema, place, depth)

    def _count(self, steps: int) -> None:
        self._steps += steps
        if self._steps > STEPS_MAX:
            raise SchemaFault((), f"has, or expands to, more than {STEPS_MAX} sub-schemas")

    def _annotations(self, beside: Schema, place: Place, depth: int) -> Schema:
        return beside if is_leaf(beside) else self._plain(beside, place, depth)

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
                return self._union(only, schema[only], self._annotations(beside, place, depth), place, depth)
            if only == "allOf" and isinstance(schema["allOf"], list) and len(schema["allOf"]) == 1:
                inner = schema["allOf"][0]
                if isinstance(inner, dict) and not (inner.keys() & beside.keys()):
                    return self._sub({**beside, **inner}, place, depth + 1)
        return self._flattened(schema, place, depth)

    def _reference(self, reference: Any, at: Place, beside: Schema, place: Place, depth: int) -> Schema:
        """Refer to the definition; what stands beside a `$ref` would be refused, so it stands around it."""
        named, where = self._named.link(reference, at)
        if where is not None:
            return self._sub(named, where, depth + 1)
        notes = self._annotations(beside, place, depth) if beside else beside
        return {**notes, "anyOf": [named]} if notes else named

    def _union(self, keyword: str, branches: Any, notes: Schema, place: Place, depth: int) -> Schema:
        at = (place, keyword)
        converted = self._branches(at, branches, depth)
        if keyword == "oneOf" and len(converted) > 1 and not self._exclude_one_another(branches):
            self._lose(at, "read as anyOf: that only one branch holds is told to the model, not enforced")
            return described({**notes, "anyOf": converted}, [ONE_HOLDS])
        return {**notes, keyword: converted}

    def _branches(self, at: Place, branches: Any, depth: int) -> list[Schema]:
        if not isinstance(branches, list) or not branches:
            raise SchemaFault(at, "must be a list of schemas")
        self._count(len(branches))
        converted = []
        for i, branch in enumerate(branches):
            if type(branch) is dict:
                converted.append(branch if is_leaf(branch) else self._larger(branch, (at, i), depth + 1))
            elif branch is not False:
                converted.append(self._sub(branch, (at, i), depth + 1))
        if not converted:
            raise Contradiction(at, "allows nothing")
        return converted

    def _exclude_one_another(self, branches: list[Any]) -> bool:
        """Say whether no value can satisfy two branches: by type, or by a property that tells them apart."""
        resolved: list[Any] = []
        for branch in branches:
            reference = branch.get("$ref") if isinstance(branch, dict) else None
            resolved.append(self._named.followed(reference, ())[0] if reference else branch)
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
        self._choosing += 1
        for combination in product(*(found for _, found in chosen)):
            mark = self._named.mark()
            try:
                converted.append(self._branch(rest, combination, [at for at, _ in chosen], place, depth))
            except Contradiction as fault:
                self._named.forget(mark)
                contradiction = fault
        self._choosing -= 1
        if not converted:
            raise contradiction or Contradiction(place, "allows nothing")
        told = []
        if any(at[1] == "oneOf" and len(found) > 1 and not self._exclude_one_another(found) for at, found in chosen):
            self._lose(place, "oneOf is read as anyOf: that only one branch holds is told to the model, not enforced")
            told = [ONE_HOLDS] if all(at[1] == "oneOf" for at, _ in chosen) else []
        return described({**self._annotations(beside, place, depth), "anyOf": converted}, told)

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
                target, where = self._named.followed(schema[keyword], (place, keyword))
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
            self._count(sum(len(value) for value in base.values() if isinstance(value, (dict, list))) // COPIED_A_STEP)
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
            self._origins[id(schema)] = schema, place
