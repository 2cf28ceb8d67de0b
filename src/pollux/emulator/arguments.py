"""Arguments of a call: they satisfy the declared schema, and are drawn from the prompt where they can be.

For each field, in this order: `const` and `enum` (a member that the prompt names), a value written beside the field's name
("status: open", `city=Rome`, with status "open"), a value of the field's kind (a place, a date, a number, an address),
a quoted text, a name, the default, and at last a value that only satisfies the schema.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from pollux.emulator.amounts import read_number, within
from pollux.emulator.limits import ARGUMENT_ITEMS_MAX, ARGUMENT_VALUES_MAX, SCHEMA_DEPTH_MAX
from pollux.emulator.schemas import NUMBER_MAX, Schema, resolved, types_of
from pollux.emulator.strings import fitting_string
from pollux.emulator.words import WORD, Prompt, word_set

ABSENT: Any = object()


@dataclass
class Drawing:
    """Draws the arguments of one call from a prompt; what was drawn is not drawn again."""

    prompt: Prompt
    root: Schema
    number: int = 0
    """Which call of the turn it is: of several names or numbers, each call draws another first."""
    not_names: frozenset[str] = frozenset()
    taken: set[tuple[str, str]] = field(default_factory=set)
    found: dict[str, Any] = field(default_factory=dict)
    """Values beside fields' names, as far as they were looked for."""
    values_left: int = ARGUMENT_VALUES_MAX

    def arguments(self) -> dict[str, Any]:
        """Draw all arguments."""
        drawn = self.value("", {"type": "object", **self.root}, 0)
        return drawn if isinstance(drawn, dict) else {}

    def value(self, name: str, given: Any, depth: int) -> Any:
        """Draw a value for a field. A schema that can have no end gets null in the depth."""
        self.values_left -= 1
        if self.values_left < 0 or depth > SCHEMA_DEPTH_MAX * 3:
            return None
        schema = resolved(given, self.root)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self.member(name, schema["enum"])
        for kind in ("anyOf", "oneOf"):
            if schema.get(kind):
                beside = {key: value for key, value in schema.items() if key != kind}
                return self.value(name, {**beside, **self.option(schema[kind], depth)}, depth + 1)
        types = types_of(schema)
        kind = next((kind for kind in types if kind != "null"), types[0] if types else "string")
        match kind:
            case "object":
                return self.object(schema, depth)
            case "array":
                return self.array(name, schema, depth)
            case "integer" | "number":
                return self.numeric(name, schema, whole=kind == "integer")
            case "boolean":
                return self.boolean(name, schema)
            case "null":
                return None
        return self.string(name, schema)

    def option(self, options: list[Any], depth: int) -> Schema:
        """Choose one of several schemas: the first that is not null, or, in the depth, the plainest."""
        known = [resolved(option, self.root) for option in options]
        if depth >= SCHEMA_DEPTH_MAX:
            known.sort(key=lambda schema: "object" in types_of(schema) or "array" in types_of(schema))
        else:
            known.sort(key=lambda schema: types_of(schema) == ["null"])
        return known[0]

    def member(self, name: str, members: list[Any]) -> Any:
        """Choose a member of an enumeration: one beside the field's name, one that the prompt has, else the first."""
        beside = self.beside(name)
        for member in members:
            if beside is not ABSENT and str(member).lower() == str(beside).lower():
                return member
        longest_first = sorted(members, key=lambda member: -len(str(member)))
        return next((member for member in longest_first if _occurs(str(member), self.prompt.read)), members[0])

    def object(self, schema: Schema, depth: int) -> dict[str, Any]:
        """Fill an object: what is required, and optional parts for which the prompt has something."""
        properties = schema.get("properties", {})
        required = [name for name in schema.get("required", []) if isinstance(name, str)]
        drawn: dict[str, Any] = {}
        for name, inner in properties.items():
            if name in required or (depth < SCHEMA_DEPTH_MAX and self.is_named(name, inner)):
                drawn[name] = self.value(name, inner, depth + 1)
        for name in required:
            if name not in drawn:
                extra = schema.get("additionalProperties")
                drawn[name] = self.value(name, extra if isinstance(extra, dict) else {"type": "string"}, depth + 1)
        for name, inner in properties.items():
            if len(drawn) < int(schema.get("minProperties", 0)) and name not in drawn:
                drawn[name] = self.value(name, inner, depth + 1)
        extra = schema.get("additionalProperties", True)
        while extra is not False and len(drawn) < min(int(schema.get("minProperties", 0)), ARGUMENT_ITEMS_MAX):
            name = f"key{len(drawn) + 1}"
            drawn[name] = self.value(name, extra if isinstance(extra, dict) else {"type": "string"}, depth + 1)
        return drawn

    def array(self, name: str, schema: Schema, depth: int) -> list[Any]:
        """Fill a list: as many items as the prompt names, within the limits."""
        least = min(int(schema.get("minItems", 0)), ARGUMENT_ITEMS_MAX)
        most = min(int(schema.get("maxItems", ARGUMENT_ITEMS_MAX)), ARGUMENT_ITEMS_MAX)
        if depth >= SCHEMA_DEPTH_MAX:
            most = min(most, least)
        first = [self.value(name, item, depth + 1) for item in schema.get("prefixItems", [])[:most]]
        items = schema.get("items", {"type": "string"} if not first else False)
        count = max(least, min(most, max(len(first), 1, self.named_items(name, items))))
        if items is False:
            return first[: max(least, len(first))]
        drawn = first + [self.value(name, items, depth + 1) for _ in range(count - len(first))]
        return self.different(drawn, resolved(items, self.root), least) if schema.get("uniqueItems") else drawn

    def different(self, items: list[Any], schema: Schema, least: int) -> list[Any]:
        """Leave out repeated items; where that makes too few, take other members, numbers or texts."""
        kept: list[Any] = []
        spare = iter(schema.get("enum", []))
        for number, given in enumerate(items):
            item = given
            if item in kept and isinstance(item, str) and "enum" not in schema:
                item = fitting_string(f"{item} {number + 1}", schema)
            elif item in kept and isinstance(item, (int, float)) and not isinstance(item, bool):
                item = within(max(x for x in kept if isinstance(x, (int, float))) + 1, schema, whole=isinstance(item, int))
            while item in kept and (other := next(spare, ABSENT)) is not ABSENT:
                item = other
            if item not in kept:
                kept.append(item)
        return kept if len(kept) >= least else items

    def numeric(self, name: str, schema: Schema, *, whole: bool) -> int | float:
        """Draw a number."""
        beside = self.beside(name)
        drawn = read_number(beside) if beside is not ABSENT else None
        if drawn is None:
            drawn = next((n for text in self.left("number", self.prompt.numbers) if (n := read_number(text)) is not None), None)
            if drawn is not None:
                self.taken.add(("number", str(drawn)))
        if drawn is None and isinstance(schema.get("default"), (int, float)) and abs(schema["default"]) < NUMBER_MAX:
            drawn = schema["default"]
        return within(drawn if drawn is not None else 1, schema, whole=whole)

    def boolean(self, name: str, schema: Schema) -> bool:
        """Draw a truth: false after "no", "not" or "without" before the field's name."""
        words = _spoken(name)
        if re.search(rf"\b(?:no|not|without|disable)\s+(?:\w+\s)?{re.escape(words)}", self.prompt.read, re.IGNORECASE):
            return False
        beside = self.beside(name)
        if isinstance(beside, str) and beside.lower() in ("false", "no", "off", "true", "yes", "on"):
            return beside.lower() in ("true", "yes", "on")
        default = schema.get("default")
        return default if isinstance(default, bool) else True

    def string(self, name: str, schema: Schema) -> str:
        """Draw a text."""
        drawn = self.beside(name)
        if drawn is ABSENT:
            drawn = self.of_kind(name, schema)
        if drawn is ABSENT and isinstance(schema.get("default"), str):
            drawn = schema["default"]
        return fitting_string(drawn if drawn is not ABSENT else _spoken(name) or "text", schema)

    def of_kind(self, name: str, schema: Schema) -> Any:
        """Draw a text of the field's kind, as its name and format tell it."""
        words = {word.lower() for word in WORD.findall(_spoken(name))}
        kind = str(schema.get("format", ""))
        prompt = self.prompt
        if words & URLS or kind in ("uri", "url"):
            return self.first("url", prompt.urls)
        if words & EMAILS or kind == "email":
            return self.first("email", prompt.emails)
        if words & DATES or kind in ("date", "date-time"):
            return self.first("date", prompt.dates)
        if kind:
            return ABSENT
        if words & EXPRESSIONS:
            found = re.search(r"[\d(][\d\s.()+*/\u00d7÷^%-]{0,199}[\d)]", prompt.read)
            return found.group().strip() if found else prompt.read[:200]
        if words & COORDINATES:
            return self.first("number", prompt.numbers)
        names = [name for name in prompt.names if name not in self.not_names]
        if words & TEXTS:
            quoted = self.first("text", prompt.quoted)
            return prompt.text.strip()[:1_000] if quoted is ABSENT else quoted
        if words & CODES:
            code = self.first("text", [word for word in prompt.identifiers if word not in self.not_names])
            if code is not ABSENT:
                return code
        if words & PLACES:
            place = self.first("text", names)
            return place if place is not ABSENT else self.first("text", prompt.quoted)
        quoted = self.first("text", prompt.quoted)
        return quoted if quoted is not ABSENT else self.first("text", names)

    def beside(self, name: str) -> Any:
        """Find a value that the prompt writes beside a field's name."""
        if name not in self.found:
            self.found[name] = self.looked_up(name) if len(name) > 1 else ABSENT
        return self.found[name]

    def looked_up(self, name: str) -> Any:
        """Look for a value beside a name: in quotes, after a sign, or a number."""
        words = re.escape(_spoken(name)).replace(r"\ ", r"[\s_-]?")
        text = self.prompt.read
        for pattern in (
            rf"\b{words}\b\s*(?:is|to|of|as)?\s*[=:]?\s*[\"“'\u2018`]([^\"”'\u2019`\n]{{1,400}})[\"”'\u2019`]",
            rf"\b{words}\s*[=:]\s*([^\s,;\"']+)",
            rf"\b{words}\b\s+(?:is|to|of)?\s*(-?\d+(?:\.\d+)?)(?![\w-])",
        ):
            if found := re.search(pattern, text, re.IGNORECASE):
                return found.group(1).rstrip(".?!")
        return ABSENT

    def is_named(self, name: str, given: Any) -> bool:
        """Tell whether the prompt has something for an optional field."""
        schema = resolved(given, self.root)
        if self.beside(name) is not ABSENT:
            return True
        if members := schema.get("enum"):
            return any(_occurs(str(member), self.prompt.read) for member in members)
        words = {word.lower() for word in WORD.findall(_spoken(name))}
        if types_of(schema)[:1] == ["string"]:
            pools = (
                (PLACES, "text", self.prompt.names),
                (URLS, "url", self.prompt.urls),
                (EMAILS, "email", self.prompt.emails),
                (DATES, "date", self.prompt.dates),
            )
            return any(words & kinds and self.left(pool, values) for kinds, pool, values in pools)
        return False

    def named_items(self, name: str, items: Any) -> int:
        """Count the items that the prompt names for a list of texts or numbers."""
        schema = resolved(items, self.root)
        kinds = types_of(schema)
        if "enum" in schema or not kinds:
            return 1
        if kinds[0] in ("integer", "number"):
            return len(self.left("number", self.prompt.numbers))
        if kinds[0] != "string" or {word.lower() for word in WORD.findall(_spoken(name))} & (TEXTS | EXPRESSIONS):
            return 1
        return len(self.left("text", self.prompt.quoted)) or len(self.left("text", self.prompt.names))

    def left(self, pool: str, values: list[str]) -> list[str]:
        """List what was not drawn yet; the first call begins with the first, the second with the second."""
        turned = values[self.number % len(values) :] + values[: self.number % len(values)] if values else []
        return [value for value in turned if (pool, value) not in self.taken]

    def first(self, pool: str, values: list[str]) -> Any:
        """Take the first that was not drawn yet."""
        left = self.left(pool, values)
        if not left:
            return ABSENT
        self.taken.add((pool, left[0]))
        return left[0]


PLACES = word_set(
    "city cities location locations place town country state region destination origin from to where address area "
    "capital airport station street departure arrival currency currencies"
)
TEXTS = word_set(
    "query queries question prompt text message input search content body summary description request task note "
    "keywords sentence topic instruction instructions"
)
CODES = word_set("id ids identifier symbol ticker code sku order number key ref reference")
URLS = word_set("url urls uri link href website homepage")
EMAILS = word_set("email emails mail recipient")
DATES = word_set("date day when deadline due")
EXPRESSIONS = word_set("expression formula equation calculation")
COORDINATES = word_set("latitude longitude lat lng lon amount price")
"""Words of a field's name that tell its kind."""


def _spoken(name: str) -> str:
    """Write a field's name in words: `maxTokens` and `max_tokens` are "max tokens"."""
    return re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).replace("_", " ").replace("-", " ").lower().strip()


def _occurs(member: str, text: str) -> bool:
    words = member.replace("_", " ").strip()
    return bool(words) and re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) is not None
