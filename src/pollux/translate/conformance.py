"""Does an answer hold to the caller's own schema? It is only reported, never changed.

The service follows what was sent to it, which may allow more than the caller's schema (`schema_converter`); and what it sends
is a model's text in the end. So the whole answer is held against the schema as the caller wrote it, and the arguments of every
call against the function's. Formats are not checked: they are annotations, as in JSON Schema by default.

The library (jsonschema-rs) keeps the interpreter to itself while it works, so everything is bounded: the answer's size, how
often a schema can lead back and forth over one value, and the patterns, which run on an engine of linear time. What is beyond
the bounds is not checked.
"""

from typing import Any

import msgspec

from pollux.translate.chat import Plan
from pollux.translate.chat_answer import ChatTelling
from pollux.translate.formats import JSON, PARAM
from pollux.translate.kept import Kept, key
from pollux.translate.notes import Note
from pollux.translate.schema_keywords import Schema
from pollux.translate.schema_places import SchemaFault, written
from pollux.translate.schema_references import References
from pollux.translate.schemas import AskedSchema

ANSWER_CHARACTERS_MAX = 1_000_000
"""Longest answer that is checked. 65,536 tokens are some 260,000; checking a million characters takes some 10 ms."""

VISITS_MAX = 20_000_000
"""Most visits of a value by a part of the schema, at worst; some 0.2 s."""

PATTERNS_MAX = 200
"""Most patterns of a schema that are checked: compiling one takes up to 0.3 ms."""

PATTERN_BYTES_MAX = 65_536
"""Largest compiled pattern; real ones have a few thousand bytes."""

KEPT_BYTES_MAX = 33_554_432
KEPT_COUNT_MAX = 512
"""Room for compiled schemas; one takes some thirty times its JSON (5.5 MB for one of 183 KB)."""

_CUT = frozenset({"length", "content_filter"})
"""Ends of an answer that is not whole: it says so already."""


class _Checker:
    """A compiled schema; `visits` is how often one value is visited at worst, 0 when it cannot be checked."""

    __slots__ = ("validator", "visits")

    def __init__(self, validator: Any, visits: int) -> None:
        self.validator = validator
        self.visits = visits


_kept: Kept[_Checker] = Kept(bytes_max=KEPT_BYTES_MAX, count_max=KEPT_COUNT_MAX)


def breaches(plan: Plan, telling: ChatTelling) -> list[Note]:
    """Give a note for every choice and call that does not hold to what was asked for."""
    form, toolbox = plan.form, plan.toolbox
    notes: list[Note] = []
    if form.asked is None and form.mime_type is None and not toolbox.schemas:
        return notes
    for index, choice in telling.tellings.items():
        reason = choice.finish_reason
        if reason in _CUT:
            continue
        where = f"choices[{index}] " if len(telling.tellings) > 1 else "the answer "
        if reason == "stop" and (form.asked is not None or form.mime_type == JSON):
            why = breach(form.asked, choice.text)
            if why is not None:
                notes.append(Note(PARAM, "mismatch", where + why))
        for name, arguments in choice.calls:
            asked = toolbox.schemas.get(name)
            why = breach(asked, arguments) if asked is not None and name not in toolbox.custom else None
            if asked is not None and why is not None:
                notes.append(Note(asked.path, "mismatch", f"{where}calls the function with what {why}"))
    return notes


def breach(asked: AskedSchema | None, text: str) -> str | None:
    """Say what is wrong with an answer, or None. Without a schema it must be a JSON object."""
    if len(text) > ANSWER_CHARACTERS_MAX:
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return "is empty" if not text.strip() else "is not valid JSON"
    if asked is None:
        return None if isinstance(value, dict) else "is no JSON object"
    checker = _checker(asked)
    if checker.visits == 0 or checker.visits * len(text) > VISITS_MAX:
        return None
    return _first_error(checker.validator, value)


def _first_error(validator: Any, value: Any) -> str | None:
    """Name the first fault alone: to look for all of them takes most of a second where there are many."""
    from jsonschema_rs import ValidationError  # late, as where it is compiled

    try:
        validator.validate(value)
    except ValidationError as error:
        place: tuple[Any, ...] = ()
        for step in error.instance_path[:50]:
            place = (place, step)
        return f"does not satisfy the schema: {error.kind.name} at {written(place).lstrip('.') or 'the root'}"
    return None


def _checker(asked: AskedSchema) -> _Checker:
    name = key(memoryview(asked.raw))
    checker = _kept.get(name)
    if checker is None:
        try:
            schema = msgspec.json.decode(asked.raw)
            checker = _compiled(schema, _visits(schema))
        except (RecursionError, SchemaFault):
            checker = _Checker(None, 0)
        _kept.put(name, checker, 30 * len(memoryview(asked.raw)))
    return checker


def _compiled(schema: Schema, visits: int) -> _Checker:
    import jsonschema_rs  # late: 5 MB and 17 ms, for those who use schemas

    options: dict[str, Any] = {
        "pattern_options": jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES_MAX),
        "validate_formats": False,
        "offline": True,
    }
    patterns = _patterns(schema)
    plain = schema
    if len(patterns) > PATTERNS_MAX or not all(_compiles(jsonschema_rs, pattern, options) for pattern in patterns):
        plain = _without_patterns(schema)
    for validator in (jsonschema_rs.validator_for, jsonschema_rs.Draft7Validator, jsonschema_rs.Draft4Validator):
        try:
            return _Checker(validator(plain, **options), visits)
        except (ValueError, jsonschema_rs.ReferencingError):
            continue
    return _Checker(None, 0)


def _compiles(jsonschema_rs: Any, pattern: str, options: dict[str, Any]) -> bool:
    try:
        jsonschema_rs.validator_for({"pattern": pattern}, **options)
    except ValueError:
        return False
    return True


def _nodes(schema: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    to_visit = [schema]
    while to_visit:
        item = to_visit.pop()
        if isinstance(item, dict):
            found.append(item)
            to_visit += item.values()
        elif isinstance(item, list):
            to_visit += item
    return found


def _patterns(schema: Schema) -> list[str]:
    found: dict[str, None] = {}
    for node in _nodes(schema):
        if isinstance(node.get("pattern"), str):
            found[node["pattern"]] = None
        if isinstance(node.get("patternProperties"), dict):
            found |= dict.fromkeys(node["patternProperties"])
    return [*found]


def _without_patterns(schema: Any) -> Any:
    """Leave the patterns out where the linear engine cannot read one of them (look-around, back-references)."""
    if isinstance(schema, dict):
        kept = {name: _without_patterns(value) for name, value in schema.items() if not _is_pattern(name, value)}
        if "patternProperties" in kept.keys() ^ schema.keys():
            kept.pop("additionalProperties", None)  # it would speak of the names that the patterns spoke of
        return kept
    return [_without_patterns(item) for item in schema] if isinstance(schema, list) else schema


def _is_pattern(name: str, value: Any) -> bool:
    return (name == "pattern" and isinstance(value, str)) or (name == "patternProperties" and isinstance(value, dict))


def _visits(schema: Schema) -> int:
    """Count how often one value is visited at worst, by schemas that hold together or are tried one after another."""
    references = References(schema)
    costs: dict[int, int] = {}
    following: set[int] = set()

    def cost(node: Any) -> int:
        if not isinstance(node, dict):
            return 1
        known = costs.get(id(node))
        if known is not None:
            return known
        if id(node) in following:
            raise RecursionError
        following.add(id(node))
        total = 1
        for keyword in ("allOf", "anyOf", "oneOf"):
            inner = node.get(keyword)
            total += sum(map(cost, inner)) if isinstance(inner, list) else 0
        for keyword in ("if", "then", "else", "not"):
            total += cost(node[keyword]) if keyword in node else 0
        for keyword in ("dependentSchemas", "dependencies"):
            inner = node.get(keyword)
            total += sum(map(cost, inner.values())) if isinstance(inner, dict) else 0
        for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
            if isinstance(node.get(keyword), str):
                total += cost(references.target(node[keyword], ())[0])
        following.discard(id(node))
        costs[id(node)] = total
        return total

    return max(map(cost, _nodes(schema)), default=1)
