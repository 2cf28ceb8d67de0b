"""Arguments of calls: they satisfy any declared schema, and are drawn from the prompt."""

import re
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pollux.emulator.arguments import Drawing
from pollux.emulator.schemas import declared_schema
from pollux.emulator.words import Prompt
from tests.emulator.functions import asking, calls_of

NAMES = st.sampled_from(["location", "count", "unit", "query", "email", "when", "note", "maxItems", "from_city", "price", "id"])

WORDS = st.sampled_from(["red", "green", "Paris", "high speed", "x"])


def limits(least: str, most: str, numbers: Any) -> Any:
    """Two limits in order, or one, or none."""
    both = st.tuples(numbers, numbers).map(lambda pair: {least: min(pair), most: max(pair)})
    return st.one_of(st.just({}), both, numbers.map(lambda n: {least: n}), numbers.map(lambda n: {most: n}))


small = st.integers(0, 4)

strings = st.one_of(
    limits("minLength", "maxLength", st.integers(0, 30)).map(lambda limit: {"type": "string", **limit}),
    st.lists(WORDS, min_size=1, unique=True).map(lambda words: {"type": "string", "enum": words}),
    st.sampled_from(["date", "date-time", "email", "uri", "uuid", "ipv4"]).map(lambda kind: {"type": "string", "format": kind}),
    WORDS.map(lambda word: {"const": word}),
)

numbers = st.one_of(
    limits("minimum", "maximum", st.integers(-50, 50)).map(lambda limit: {"type": "integer", **limit}),
    limits("minimum", "maximum", st.floats(-50, 50)).map(lambda limit: {"type": "number", **limit}),
    st.integers(-9, 9).map(lambda n: {"type": "integer", "exclusiveMinimum": n, "exclusiveMaximum": n + 3}),
    st.integers(1, 9).map(lambda n: {"type": "integer", "multipleOf": n, "minimum": 5}),
)

leaves = st.one_of(strings, numbers, st.just({"type": "boolean"}), st.just({"type": "null"}), st.just({}),
                   st.just({"type": ["string", "null"]}), st.just({"$ref": "#/$defs/Thing"}))  # fmt: skip


def objects(inner: Any) -> Any:
    def made(properties: dict[str, Any]) -> Any:
        required = st.lists(st.sampled_from(sorted(properties)), unique=True) if properties else st.just([])
        return required.map(lambda names: {
            "type": "object", "properties": properties, "required": names, "additionalProperties": False})  # fmt: skip

    return st.dictionaries(NAMES, inner, max_size=4).flatmap(made)


def grown(inner: Any) -> Any:
    return st.one_of(
        objects(inner),
        st.builds(
            lambda items, limit: {"type": "array", "items": items, **limit}, inner, limits("minItems", "maxItems", small)
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda kinds: {"anyOf": kinds}),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda kinds: {"type": "array", "prefixItems": kinds, "minItems": len(kinds), "items": False}
        ),
        st.builds(
            lambda least, limit: {
                "type": "array",
                "uniqueItems": True,
                "minItems": least,
                "items": {"type": "integer", **limit},
            },
            small,
            st.sampled_from([{}, {"minimum": 3}]),
        ),
    )


schemas = objects(st.recursive(leaves, grown, max_leaves=8))

prompts = st.one_of(
    st.text(max_size=80),
    st.lists(
        st.sampled_from(
            ["weather in", "Paris", "Rome,", "-7", "12.5", "count: 3", 'note "hello"', "green", "on 2026-01-02", "a@b.example",
             "https://example.com/x", "order-12", "3 times", "in parallel", "กรุงเทพ", "no price", "unit=red"]
        ),
        max_size=8,
    ).map(" ".join),
)  # fmt: skip

THING = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "parts": {"type": "array", "items": {"$ref": "#/$defs/Thing"}}},
    "required": ["name"],
}


@given(schemas, prompts, st.integers(0, 5))
@settings(max_examples=150, deadline=None)
@example({"type": "object", "properties": {"count": {"type": "integer", "maximum": -3}}, "required": ["count"]}, "count 9", 0)
def test_arguments_satisfy_any_schema(schema: Any, prompt: str, number: int) -> None:
    """Types, required fields, limits, enumerations, formats, references to themselves; for every prompt and every call."""
    root = {**schema, "$defs": {"Thing": THING}}
    drawn = Drawing(Prompt(prompt), root, number).arguments()

    Draft202012Validator(root, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(drawn)


GOOGLE = {
    "type": "OBJECT",
    "properties": {
        "label": {"type": "STRING", "minLength": "3", "nullable": True},
        "tags": {"type": "ARRAY", "items": {"type": "STRING", "enum": ["a", "b"]}, "minItems": "2", "maxItems": "2"},
        "size": {"anyOf": [{"type": "INTEGER", "minimum": 10}, {"type": "NULL"}]},
        "deep": {"type": "OBJECT", "properties": {"on": {"type": "BOOLEAN"}}, "required": ["on"]},
    },
    "required": ["label", "tags", "size", "deep"],
}


async def test_googles_schema_is_read_too() -> None:
    """Upper-case types, numbers as strings, nullable."""
    (call,) = await calls_of(asking("Please use set_label", {"name": "set_label", "parameters": GOOGLE}))

    assert set(call[1]) == {"label", "tags", "size", "deep"}
    Draft202012Validator(declared_schema({"parameters": GOOGLE})).validate(call[1])
    assert len(call[1]["tags"]) == 2
    assert call[1]["size"] >= 10


def function(**properties: Any) -> dict[str, Any]:
    return {
        "name": "run",
        "parametersJsonSchema": {"type": "object", "properties": properties, "required": list(properties)},
    }


TEXT, NUMBER = {"type": "string"}, {"type": "number"}


@pytest.mark.parametrize(
    ("text", "properties", "drawn"),
    [
        ("run: Bern to New York", {"origin": TEXT, "destination": TEXT}, {"origin": "Bern", "destination": "New York"}),
        ("run from USD to EUR", {"from_currency": TEXT, "to_currency": TEXT}, {"from_currency": "USD", "to_currency": "EUR"}),
        ("run with 7 and 2.5", {"a": {"type": "integer"}, "b": NUMBER}, {"a": 7, "b": 2.5}),
        ('run: task "Review PR", status "open"', {"status": TEXT, "task": TEXT}, {"status": "open", "task": "Review PR"}),
        ("run, city=Rome, retries: 4", {"city": TEXT, "retries": {"type": "integer"}}, {"city": "Rome", "retries": 4}),
        ("run it on 2026-12-24 for a@b.example", {"date": TEXT, "email": TEXT}, {"date": "2026-12-24", "email": "a@b.example"}),
        ("run https://example.com/a?b=1.", {"url": {"type": "string", "format": "uri"}}, {"url": "https://example.com/a?b=1"}),
        ("run in dark mode", {"mode": {"type": "string", "enum": ["light", "dark"]}}, {"mode": "dark"}),
        ("run without color", {"color": {"type": "boolean"}, "sound": {"type": "boolean"}}, {"color": False, "sound": True}),
        ("run for Paris, Rome and Oslo", {"cities": {"type": "array", "items": TEXT}}, {"cities": ["Paris", "Rome", "Oslo"]}),
        ("run the price of AAPL", {"symbol": TEXT}, {"symbol": "AAPL"}),
        ("run 52.5200, 13.4050", {"latitude": TEXT, "longitude": TEXT}, {"latitude": "52.5200", "longitude": "13.4050"}),
        ("Please run something nice", {"query": TEXT}, {"query": "Please run something nice"}),
        ("run (3 + 4) * 2", {"expression": TEXT}, {"expression": "(3 + 4) * 2"}),
        ("run for Ada Lovelace in London", {"person": {"type": "object", "properties": {"name": TEXT, "city": TEXT},
         "required": ["name", "city"]}}, {"person": {"name": "Ada Lovelace", "city": "London"}}),
    ],
)  # fmt: skip
async def test_arguments_are_drawn_from_the_prompt(text: str, properties: Any, drawn: Any) -> None:
    """Each field takes what its name and kind ask for."""
    assert await calls_of(asking(text, function(**properties))) == [("run", drawn)]


async def test_a_schema_without_an_end_gets_one() -> None:
    """A type that requires itself twice cannot be satisfied; the answer comes all the same."""
    twice = {"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}}, "required": ["a", "b"]}
    ((_, args),) = await calls_of(asking("run", {"name": "run", "parametersJsonSchema": twice}))

    assert set(args) == {"a", "b"}


KEYWORDS = st.sampled_from(
    ["type", "properties", "required", "enum", "items", "prefixItems", "anyOf", "oneOf", "allOf", "$ref", "$defs", "minItems",
     "maxItems", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "multipleOf", "pattern", "format",
     "default", "uniqueItems", "additionalProperties", "minProperties", "const"]
)  # fmt: skip

ODD = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False),
        st.sampled_from(["object", "array", "integer", "string", "#", "#/$defs/a", "(a+)+b", "a", ""]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(KEYWORDS, NAMES), inner, max_size=4)),
    max_leaves=10,
)


@given(st.dictionaries(KEYWORDS, ODD, max_size=6), prompts)
@settings(max_examples=150, deadline=5_000)
def test_any_schema_brings_an_answer(schema: Any, prompt: str) -> None:
    """Whatever a caller declares, arguments come, as an object and in time."""
    assert isinstance(Drawing(Prompt(prompt), schema).arguments(), dict)


@pytest.mark.parametrize(
    ("pattern", "plain"),
    [
        ("(a+)+b", "a+b"),
        ("((a|a)|(a|a))*b", "b"),
        ("a*a*a*a*a*a*a*a*a*b", "b"),
        (r"^\p{Lu}[0-9]{3}(?:-x){2,}$", r"^[A-Z]\d{3}(-x){2,}$"),
        (r"^(?!0)\d{2,4}$", r"^[1-9]\d{1,3}$"),
        (r"^(?<year>[1-2]\d{3})\/[^a-z\d]\u0041$", r"^[12]\d{3}/[^a-z\d]A$"),
        (r"^((25[0-5]|2[0-4]\d|1?\d?\d)(\.(?!$)|$)){4}$", r"^\d+\.\d+\.\d+\.\d+$"),
        ("[", "^a{39}$"),
    ],
)
def test_a_pattern_is_spelled_out_and_never_searched_for_long(pattern: str, plain: str) -> None:
    """Whatever a caller declares; what is no pattern changes nothing."""
    root = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}, "required": ["a"]}
    drawn = Drawing(Prompt('"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"'), root).arguments()

    assert re.search(plain, drawn["a"])


def test_a_plain_pattern_is_met() -> None:
    """By a word of the prompt, or a usual text."""
    root = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^[A-Z]{3}-\\d+$"}}, "required": ["a"]}

    assert Drawing(Prompt("hello"), root).arguments() == {"a": "ABC-123"}
    assert Drawing(Prompt('"see XYZ-9"'), root).arguments() == {"a": "XYZ-9"}


def test_optional_fields_come_only_when_the_prompt_has_them() -> None:
    """Not every field that might be filled is."""
    root = {
        "type": "object",
        "properties": {"unit": {"type": "string", "enum": ["celsius", "kelvin"]}, "note": {"type": "string"}},
    }

    assert Drawing(Prompt("in kelvin please"), root).arguments() == {"unit": "kelvin"}
    assert Drawing(Prompt("hello"), root).arguments() == {}
