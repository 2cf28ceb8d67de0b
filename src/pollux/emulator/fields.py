"""What a prompt has for a field: values beside its name, of its kind (a place, a date, a number), in quotes, names.

What was taken once is not taken again. Where the prompt has nothing, `made_up` values differ by what was asked.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from pollux.emulator.amounts import read_number, within
from pollux.emulator.schemas import NUMBER_MAX, Schema
from pollux.emulator.strings import fitting_string
from pollux.emulator.words import WORD, Prompt, word_set

ABSENT: Any = object()


@dataclass
class Fields:
    """Takes values for fields from one prompt."""

    prompt: Prompt
    number: int = 0
    """Which call of the turn it is: of several names or numbers, each call draws another first."""
    not_names: frozenset[str] = frozenset()
    taken: set[tuple[str, str]] = field(default_factory=set)
    found: dict[str, Any] = field(default_factory=dict)
    """Values beside fields' names, as far as they were looked for."""

    def numeric(self, name: str, schema: Schema, *, whole: bool, otherwise: float) -> int | float:
        """Take a number that the schema allows; `otherwise` where the prompt has none."""
        beside = self.beside(name)
        drawn = read_number(beside) if beside is not ABSENT else None
        if drawn is None:
            drawn = next((n for text in self.left("number", self.prompt.numbers) if (n := read_number(text)) is not None), None)
            if drawn is not None:
                self.taken.add(("number", str(drawn)))
        if drawn is None and isinstance(schema.get("default"), (int, float)) and abs(schema["default"]) < NUMBER_MAX:
            drawn = schema["default"]
        return within(drawn if drawn is not None else otherwise, schema, whole=whole)

    def boolean(self, name: str, schema: Schema, *, otherwise: bool) -> bool:
        """Take a truth: false after "no", "not" or "without" before the field's name."""
        words = re.escape(spoken(name))
        if words and re.search(rf"\b(?:no|not|without|disable)\s+(?:\w+\s)?{words}", self.prompt.read, re.IGNORECASE):
            return False
        beside = self.beside(name)
        if isinstance(beside, str) and beside.lower() in ("false", "no", "off", "true", "yes", "on"):
            return beside.lower() in ("true", "yes", "on")
        default = schema.get("default")
        return default if isinstance(default, bool) else otherwise

    def string(self, name: str, schema: Schema, otherwise: str, variant: int = 0, salt: bytes = b"") -> str:
        """Take a text that the schema allows; `otherwise` where the prompt has none."""
        drawn = self.beside(name)
        if drawn is ABSENT:
            drawn = self.of_kind(name, schema)
        if drawn is ABSENT and isinstance(schema.get("default"), str):
            drawn = schema["default"]
        return fitting_string(drawn if drawn is not ABSENT else otherwise, schema, variant, salt)

    def of_kind(self, name: str, schema: Schema) -> Any:
        """Take a text of the field's kind, as its name and format tell it."""
        words = {word.lower() for word in WORD.findall(spoken(name))}
        kind = str(schema.get("format", ""))
        prompt = self.prompt
        if words & URLS or kind in ("uri", "url"):
            return self.first("url", prompt.urls)
        if words & EMAILS or kind == "email":
            return self.first("email", prompt.emails)
        if words & DATES or kind in ("date", "date-time"):
            return self.first("date", prompt.dates or prompt.days)
        if kind:
            return ABSENT
        if words & EXPRESSIONS:
            found = re.search(r"[\d(][\d\s.()+*/\u00d7÷^%-]{0,199}[\d)]", prompt.read)
            return found.group().strip() if found else prompt.read[:200]
        if words & COORDINATES:
            return self.first("number", prompt.numbers)
        topics = " ".join(text for pool, text in self.taken if pool == "topic")
        names = [name for name in prompt.names if name not in self.not_names and not occurs(name, topics)]
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
        if words & TOPICS:
            topic = self.first("topic", prompt.quoted or prompt.topics)
            if topic is not ABSENT:
                return topic
        quoted = self.first("text", prompt.quoted)
        return quoted if quoted is not ABSENT else self.first("text", names)

    def beside(self, name: str) -> Any:
        """Find a value that the prompt writes beside a field's name."""
        if name not in self.found:
            self.found[name] = self.looked_up(name) if len(name) > 1 else ABSENT
        return self.found[name]

    def looked_up(self, name: str) -> Any:
        """Look for a value beside a name: in quotes, after a sign, or a number."""
        words = re.escape(spoken(name)[:100]).replace(r"\ ", r"[\s_-]?")
        text = self.prompt.read
        for pattern in (
            rf"\b{words}\b\s*(?:is|to|of|as)?\s*[=:]?\s*[\"“'\u2018`]([^\"”'\u2019`\n]{{1,400}})[\"”'\u2019`]",
            rf"\b{words}\s*[=:]\s*([^\s,;\"']+)",
            rf"\b{words}\b\s+(?:is|to|of)?\s*(-?\d+(?:\.\d+)?)(?![\w-])",
        ):
            if found := re.search(pattern, text, re.IGNORECASE):
                return found.group(1).rstrip(".?!")
        return ABSENT

    def has(self, name: str, kinds: list[str], members: list[Any]) -> bool:
        """Tell whether the prompt has something for an optional field."""
        if self.beside(name) is not ABSENT:
            return True
        if members:
            return any(occurs(str(member), self.prompt.read) for member in members)
        words = {word.lower() for word in WORD.findall(spoken(name))}
        if kinds[:1] == ["string"]:
            pools = (
                (PLACES, "text", self.prompt.names),
                (URLS, "url", self.prompt.urls),
                (EMAILS, "email", self.prompt.emails),
                (DATES, "date", self.prompt.dates),
            )
            return any(words & kinds and self.left(pool, values) for kinds, pool, values in pools)
        return False

    def count(self, name: str, kinds: list[str]) -> int:
        """Count the items that the prompt names for a list of texts or numbers; 1 where it names none."""
        if not kinds:
            return 1
        if kinds[0] in ("integer", "number"):
            return len(self.left("number", self.prompt.numbers))
        if kinds[0] != "string" or {word.lower() for word in WORD.findall(spoken(name))} & (TEXTS | EXPRESSIONS):
            return 1
        topics = " ".join(text for pool, text in self.taken if pool == "topic")
        names = [one for one in self.prompt.names if not occurs(one, topics)]
        return len(self.left("text", self.prompt.quoted)) or len(self.left("text", names))

    def left(self, pool: str, values: list[str]) -> list[str]:
        """List what was not taken yet; the first call begins with the first, the second with the second."""
        turned = values[self.number % len(values) :] + values[: self.number % len(values)] if values else []
        return [value for value in turned if (pool, value) not in self.taken]

    def first(self, pool: str, values: list[str]) -> Any:
        """Take the first that was not taken yet."""
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
TOPICS = word_set("event title subject topic meeting occasion headline activity")
PEOPLE = word_set("participants attendees guests members people invitees players authors speakers")
"""Words of a field's name that tell its kind."""


def spoken(name: str) -> str:
    """Write a field's name in words: `maxTokens` and `max_tokens` are "max tokens"."""
    return re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).replace("_", " ").replace("-", " ").lower().strip()


def occurs(member: str, text: str) -> bool:
    """Tell whether a word stands in a text."""
    words = member.replace("_", " ").strip()
    return bool(words) and re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text, re.IGNORECASE) is not None
