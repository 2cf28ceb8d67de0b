"""Values that satisfy a schema, drawn from a prompt where they can be: arguments of a call, and structured answers.

For each field, in this order: `const` and `enum` (a member that the prompt names), a value written beside the field's name
("status: open", `city=Rome`, with status "open"), a value of the field's kind (a place, a date, a number, an address),
a quoted text, a name, the default, and at last a value that only satisfies the schema.

What stands together (`$ref`, `allOf`) is put together first, one of each group (`anyOf`, `oneOf`) with it, and branches of
`if` once it is known which. What drawing cannot build in (`not`, `oneOf` in full, `contains` …) is looked at afterwards, and
drawn again in other ways until it fits.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from pollux.emulator.amounts import within
from pollux.emulator.described import NAMES
from pollux.emulator.fields import ABSENT, PEOPLE, Fields, occurs, spoken
from pollux.emulator.fits import fits, same
from pollux.emulator.limits import (
    ARGUMENT_ITEMS_MAX,
    ARGUMENT_OPTIONAL_MAX,
    ARGUMENT_VALUES_MAX,
    DRAWN_AGAIN_MAX,
    SCHEMA_DEPTH_MAX,
)
from pollux.emulator.patterns import matching_text, tries
from pollux.emulator.schemas import (
    ALTERNATIVES,
    CONDITIONS,
    IMPOSSIBLE,
    Schema,
    both,
    is_number,
    resolved,
    types_of,
)
from pollux.emulator.strings import fitting_string
from pollux.emulator.words import Prompt, word_set

LOOKED_AT_AFTERWARDS = frozenset(
    {ALTERNATIVES, CONDITIONS, "not", "contains", "propertyNames", "patternProperties", "dependentRequired",
     "maxProperties", "minProperties", "uniqueItems", "pattern", "unevaluatedProperties", "unevaluatedItems", "multipleOf",
     "enum", "const"}
)  # fmt: skip
"""Keywords for which a drawn value is compared with its schema."""


@dataclass
class Drawing:
    """Draws one value from a prompt."""

    prompt: Prompt
    root: Schema
    number: int = 0
    not_names: frozenset[str] = frozenset()
    salt: bytes = b""
    """Of a structured answer: what is not in the prompt is chosen by it, and optional fields are filled. A call has none."""
    fields: Fields = field(init=False)
    variant: int = 0
    """How often it was drawn again: each time in another way."""
    values_left: int = ARGUMENT_VALUES_MAX
    optional_left: int = ARGUMENT_OPTIONAL_MAX
    picked: int = 0
    known: dict[int, tuple[Any, Schema]] = field(default_factory=dict)
    """Schemas that were resolved, by their place in memory, where they are kept for that."""

    def __post_init__(self) -> None:
        self.fields = Fields(self.prompt, self.number, self.not_names)

    def arguments(self) -> dict[str, Any]:
        """Draw the arguments of a call."""
        drawn = self.value("", {"allOf": [{"type": "object"}, self.root]}, 0)
        return drawn if isinstance(drawn, dict) else {}

    def value(self, name: str, given: Any, depth: int) -> Any:
        """Draw a value for a field; where its schema says more than drawing builds in, until it fits."""
        self.values_left -= 1
        if self.values_left < 0 or depth > SCHEMA_DEPTH_MAX * 3:
            return None
        schema = self.read(given)
        if LOOKED_AT_AFTERWARDS.isdisjoint(schema):
            return self.of_type(name, schema, depth)
        outer, first, before = self.variant, ABSENT, self.state()
        for again in range(DRAWN_AGAIN_MAX):
            self.variant = outer + again
            drawn = self.chosen(name, schema, depth)
            if first is ABSENT:
                first = drawn
            if fits(drawn, given, self.root):
                self.variant = outer
                return drawn
            if self.values_left < ARGUMENT_VALUES_MAX // 2:
                break
            self.restore(before)
        self.variant = outer
        return first

    def read(self, given: Any) -> Schema:
        """Resolve a schema, once."""
        found = self.known.get(id(given))
        if found is None:
            found = self.known[id(given)] = given, resolved(given, self.root)
        return found[1]

    def state(self) -> tuple[Any, ...]:
        """Give what a value that is not kept must not have changed."""
        return set(self.fields.taken), self.optional_left, self.picked

    def restore(self, before: tuple[Any, ...]) -> None:
        """Forget a value that is not kept."""
        self.fields.taken, self.optional_left, self.picked = set(before[0]), before[1], before[2]

    def pick(self, count: int) -> int:
        """Choose one of so many: for a call the first, or, when it is drawn again, another."""
        if count <= 1:
            return 0
        if not self.salt:
            return self.variant % count
        self.picked += 1
        digest = hashlib.sha256(self.salt + self.picked.to_bytes(4, "big")).digest()
        return (int.from_bytes(digest[:6], "big") + self.variant) % count

    def chosen(self, name: str, schema: Schema, depth: int) -> Any:
        """Choose one of each group, and add the branches of conditions that hold."""
        for _ in range(1 + SCHEMA_DEPTH_MAX):
            if not schema.get(ALTERNATIVES):
                break
            groups = schema[ALTERNATIVES]
            schema = {key: value for key, value in schema.items() if key != ALTERNATIVES}
            for options in groups:
                schema = self.option(schema, options, depth)
        conditions = schema.get(CONDITIONS, [])
        schema = {key: value for key, value in schema.items() if key != CONDITIONS} if conditions else schema
        before = self.state()
        drawn = self.of_type(name, schema, depth)
        for _ in range(min(len(conditions), 4)):
            added = schema
            for condition in conditions:
                branch = condition.get("then" if fits(drawn, condition.get("if", True), self.root) else "else", True)
                if not fits(drawn, branch, self.root):
                    added = both(added, self.read(branch))
            if added is schema or added is IMPOSSIBLE:
                break
            self.restore(before)
            schema = added
            drawn = self.chosen(name, added, depth) if ALTERNATIVES in added else self.of_type(name, added, depth)
        return drawn

    def option(self, schema: Schema, options: list[Any], depth: int) -> Schema:
        """Choose one of several schemas: one that the prompt means, one that is not null; in the depth, the plainest."""
        plain = [self.read(option) for option in options]
        known = [merged for one in plain if (merged := both(schema, one)) is not IMPOSSIBLE]
        if not known:
            return schema
        if depth >= SCHEMA_DEPTH_MAX // 2:
            known.sort(key=lambda one: self.height(one, 0))
        else:
            real = [one for one in known if types_of(one) != ["null"]] or known
            start = self.pick(len(real)) if self.salt else self.variant % len(known)
            real = real if self.salt else known[:1] * (types_of(known[0]) != ["null"]) + real if not start else known
            known = real[start % len(real) :] + real[: start % len(real)]
            known.sort(key=lambda one: -self.meant(one))
        return known[self.variant // 2 % len(known)] if depth >= SCHEMA_DEPTH_MAX // 2 else known[0]

    def meant(self, schema: Schema) -> bool:
        """Tell whether the prompt names a schema: a fixed value of its own, or of one of its fields."""
        if not self.salt or self.variant:
            return False
        inner = [one for one in schema.get("properties", {}).values() if isinstance(one, dict)]
        fixed = [one["const"] for one in (schema, *inner) if isinstance(one.get("const"), str)]
        fixed += [one["enum"][0] for one in (schema, *inner) if len(one.get("enum") or ()) == 1]
        return any(occurs(str(word), self.prompt.read) for word in fixed)

    def height(self, given: Any, depth: int) -> int:
        """Estimate how deep a value of this schema must be; what refers to itself has no end."""
        schema = self.read(given)
        if depth > 6 or schema is IMPOSSIBLE:
            return 100
        groups = [min((self.height(one, depth + 1) for one in options), default=0) for options in schema.get(ALTERNATIVES, [])]
        inner = [*groups, 0]
        kinds = types_of(schema)
        if kinds[:1] == ["object"]:
            properties = schema.get("properties", {})
            inner += [1 + self.height(properties.get(name, True), depth + 1) for name in schema.get("required", [])[:20]]
            inner.append(1)
        if kinds[:1] == ["array"]:
            inner.append(1 + self.height(schema.get("items", True), depth + 1) if schema.get("minItems") else 1)
        return max(inner)

    def of_type(self, name: str, schema: Schema, depth: int) -> Any:
        """Draw a value of the declared type."""
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self.member(name, schema)
        types = types_of(schema)
        real = [kind for kind in types if kind != "null"] or types[:1] or ["string"]
        match real[self.variant % len(real)]:
            case "object":
                return self.object(schema, depth)
            case "array":
                return self.array(name, schema, depth)
            case "integer":
                return self.fields.numeric(name, schema, whole=True, otherwise=self.made_up_number(name, schema))
            case "number":
                return self.fields.numeric(name, schema, whole=False, otherwise=self.made_up_number(name, schema))
            case "boolean":
                return self.fields.boolean(name, schema, otherwise=not self.pick(2))
            case "null":
                return None
        otherwise = self.made_up_text(name)
        if self.variant > 2:
            return fitting_string(otherwise, schema, self.variant, self.salt)
        return self.fields.string(name, schema, otherwise, self.variant, self.salt + self.picked.to_bytes(4, "big"))

    def member(self, name: str, schema: Schema) -> Any:
        """Choose a member of an enumeration: one beside the field's name, one that the prompt has, else the first."""
        rest = {key: value for key, value in schema.items() if key not in ("enum", ALTERNATIVES, CONDITIONS)}
        members = [one for one in schema["enum"] if fits(one, rest, self.root)] or schema["enum"]
        beside = self.fields.beside(name)
        for member in members:
            if beside is not ABSENT and str(member).lower() == str(beside).lower() and not self.variant:
                return member
        longest_first = sorted(members, key=lambda member: -len(str(member)))
        named = next((member for member in longest_first if occurs(str(member), self.prompt.read)), ABSENT)
        return named if named is not ABSENT and not self.variant else members[self.pick(len(members))]

    def object(self, schema: Schema, depth: int) -> dict[str, Any]:
        """Fill an object: what is required, and optional parts as far as they are wanted."""
        properties = {name: self.of_property(name, one, schema) for name, one in schema.get("properties", {}).items()}
        names = _ordered(properties, schema.get("propertyOrdering", []))
        required = [name for name in schema.get("required", []) if isinstance(name, str)]
        for name, needed in schema.get("dependentRequired", {}).items():
            if name in required and isinstance(needed, list):
                required += [one for one in needed if isinstance(one, str) and one not in required]
        most = min(int(schema.get("maxProperties", ARGUMENT_ITEMS_MAX)), ARGUMENT_ITEMS_MAX)
        least = min(int(schema.get("minProperties", 0)), most)
        optional = [name for name in names if name not in required and properties[name] is not False]
        wanted = {name for name in optional if self.is_wanted(name, properties[name], depth, len(optional))}
        wanted = set([name for name in optional if name in wanted][: max(most - len(required), 0)])
        for name in optional:
            if len(wanted) + len(required) < least:
                wanted.add(name)
        topic = bool(self.salt) and "name" in properties and any(PEOPLE & {spoken(one)} for one in properties)
        drawn: dict[str, Any] = {}
        for name in names:
            if name in required or name in wanted:
                drawn[name] = self.value("event" if topic and name == "name" else name, properties[name], depth + 1)
        for name in required:
            if name not in drawn:
                drawn[name] = self.value(name, self.unnamed(name, schema), depth + 1)
        self.add_unnamed(drawn, schema, least, most, depth)
        return drawn

    def of_property(self, name: str, given: Any, schema: Schema) -> Any:
        """Give a property's schema, with those of the patterns that its name matches."""
        found = [one for pattern, one in schema.get("patternProperties", {}).items() if tries(pattern, name)]
        return {"allOf": [given, *found]} if found and given is not False else given

    def is_wanted(self, name: str, given: Any, depth: int, count: int) -> bool:
        """Tell whether an optional field is filled: for a call, if the prompt has something; for an answer mostly."""
        if depth >= SCHEMA_DEPTH_MAX or self.variant % 3 == 1 or (self.salt and self.optional_left <= 0):
            return False
        schema = self.read(given)
        if self.fields.has(name, types_of(schema), schema.get("enum", [])):
            return True
        if not self.salt or schema.get("deprecated") is True or schema is IMPOSSIBLE:
            return False
        inner = not {"object", "array"}.isdisjoint(types_of(schema)) or ALTERNATIVES in schema
        if depth > (1 if inner else 4) or (count > 8 and self.pick(count) >= 6):
            return False
        self.optional_left -= 1
        return True

    def unnamed(self, name: str, schema: Schema) -> Any:
        """Give the schema of a property that `properties` does not name."""
        found = [one for pattern, one in schema.get("patternProperties", {}).items() if tries(pattern, name)]
        if found:
            return {"allOf": found}
        extra = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
        return extra if isinstance(extra, dict) and extra else {"type": "string"}

    def add_unnamed(self, drawn: dict[str, Any], schema: Schema, least: int, most: int, depth: int) -> None:
        """Add entries of a map: as many as must be, and for an answer one or two where only entries are declared."""
        extra = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
        patterns = [pattern for pattern, one in schema.get("patternProperties", {}).items() if one is not False]
        is_map = not schema.get("properties") and (isinstance(extra, dict) or patterns)
        if self.salt and is_map and depth < 3 and self.optional_left > 0 and self.variant % 3 != 1:
            least = max(least, min(most, 1 + self.pick(2)))
        for _ in range(least * 2 + 2):
            if len(drawn) >= least or (extra is False and not patterns):
                return
            name = self.entry_name(schema, patterns if extra is False else [], len(drawn))
            if name not in drawn:
                drawn[name] = self.value(name, self.unnamed(name, schema), depth + 1)

    def entry_name(self, schema: Schema, patterns: list[str], number: int) -> str:
        """Make the name of an entry."""
        names = schema.get("propertyNames")
        if isinstance(names, (dict, bool)) and names is not True:
            self.picked += 1
            made = self.value(f"key{number + 1}", both({"type": "string"}, self.read(names)), 1)
            if isinstance(made, str):
                return made if not number or "enum" in self.read(names) else f"{made}{number + 1}"
        patterns = schema.get(NAMES) or patterns
        if patterns:
            pattern = patterns[self.pick(len(patterns))]
            made = matching_text(pattern, self.spread, 1) or f"key{number + 1}"
            longer = f"{made}{number + 1}"
            return longer if number and tries(pattern, longer) else made
        words = [word for word in self.prompt.telling if word.isidentifier()] if self.salt else []
        return words[self.pick(len(words))] if words else f"key{number + 1}"

    def spread(self, count: int) -> int:
        """Choose one of so many, also for a call: names of several entries must differ."""
        self.picked += 1
        return int.from_bytes(hashlib.sha256(self.salt + b"name" + self.picked.to_bytes(4, "big")).digest()[:4], "big") % count

    def array(self, name: str, schema: Schema, depth: int) -> list[Any]:
        """Fill a list: as many items as the prompt names, within the limits."""
        least = min(int(schema.get("minItems", 0)), ARGUMENT_ITEMS_MAX)
        most = min(int(schema.get("maxItems", ARGUMENT_ITEMS_MAX)), ARGUMENT_ITEMS_MAX)
        prefix, contains = schema.get("prefixItems", []), schema.get("contains")
        if contains is not None:
            least = max(least, len(prefix) + int(schema.get("minContains", 1)))
        if depth >= SCHEMA_DEPTH_MAX or (depth > 2 and self.variant) or self.optional_left <= 0:
            most = min(most, least)
        first = [self.value(name, item, depth + 1) for item in prefix[:most]]
        items = schema.get("items", {"type": "string"} if not first else False)
        if contains is not None and items is not True and items is not False:
            items = {"allOf": [items, contains]} if items != {"type": "string"} or "items" in schema else contains
        known = self.read(items)
        if items is False or (known is IMPOSSIBLE and least <= len(first)):
            return first[: max(least, len(first))]
        named = 1 if "enum" in known else self.fields.count(name, types_of(known))
        if self.salt and named <= 1 and depth < 4:
            named = 1 + self.pick(2)
        count = max(least, min(most, max(len(first), 1, named)))
        drawn = first + [self.value(name, items, depth + 1) for _ in range(count - len(first))]
        return self.different(name, drawn, items, least, depth) if schema.get("uniqueItems") is True else drawn

    def different(self, name: str, items: list[Any], given: Any, least: int, depth: int) -> list[Any]:
        """Leave out repeated items; where that makes too few, draw others."""
        schema = self.read(given)
        kept: list[Any] = []
        spare = iter(schema.get("enum", []))
        outer = self.variant
        for number, drawn in enumerate(items):
            item = drawn
            if _is_in(item, kept) and isinstance(item, str) and "enum" not in schema:
                item = fitting_string(f"{item} {number + 1}", schema, number, self.salt)
            elif _is_in(item, kept) and is_number(item) and "enum" not in schema:
                item = within(max(x for x in kept if is_number(x)) + 1, schema, whole=isinstance(item, int))
            while _is_in(item, kept) and (other := next(spare, ABSENT)) is not ABSENT:
                item = other
            for self.variant in range(outer + 1, outer + 5):
                if not _is_in(item, kept) or self.values_left < ARGUMENT_VALUES_MAX // 2:
                    break
                item = self.value(name, given, depth + 1)
            if not _is_in(item, kept):
                kept.append(item)
        self.variant = outer
        return kept if len(kept) >= least else items

    def made_up_number(self, name: str, schema: Schema) -> float:
        """Choose a number that is plausible for a field's name, or lies between the limits."""
        if not self.salt:
            return 1 + self.variant
        if is_number(schema.get("minimum")) and is_number(schema.get("maximum")):
            low, high = float(schema["minimum"]), float(schema["maximum"])
            return low + (high - low) * (1 + self.pick(99)) / 100
        words = set(spoken(name).split())
        least, most, parts = next((kind[1:] for kind in QUANTITIES if words & kind[0]), (1, 100, 1))
        return least + self.pick((most - least) * parts + 1) / parts

    def made_up_text(self, name: str) -> str:
        """Choose words of the prompt, or say the field's name."""
        words = self.prompt.telling if self.salt else []
        if not words:
            return spoken(name) or "text"
        start, count = self.pick(len(words)), 1 + self.pick(3)
        return " ".join(words[start : start + count])


QUANTITIES: tuple[tuple[frozenset[str], int, int, int], ...] = (
    (word_set("year"), 1950, 2026, 1),
    (word_set("age"), 18, 80, 1),
    (word_set("latitude lat"), -80, 80, 100),
    (word_set("longitude lon lng"), -170, 170, 100),
    (word_set("confidence probability score ratio similarity"), 0, 1, 100),
    (word_set("price amount cost total sum"), 1, 500, 100),
    (word_set("population"), 10_000, 9_000_000, 1),
)
"""Words of a field's name, and the least, the most and the parts of one of its numbers."""


def _ordered(properties: dict[str, Any], ordering: list[Any]) -> list[str]:
    """List the properties as `propertyOrdering` says, the others as they are declared."""
    first = [name for name in ordering if isinstance(name, str) and name in properties]
    return list(dict.fromkeys([*first, *properties]))


def _is_in(item: Any, items: list[Any]) -> bool:
    return any(same(item, other) for other in items)
