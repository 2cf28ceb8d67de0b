"""Structured answers: JSON that satisfies the schema, from the prompt where it can be, the same for the same request."""

import re
from pathlib import Path
from typing import Any

import check_jsonschema  # type: ignore[import-untyped]  # it ships no types
import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pollux.emulator import Emulator
from pollux.emulator.arguments import Drawing
from pollux.emulator.words import Prompt
from tests.emulator.in_process import PATH, STREAM, call, config, say
from tests.emulator.test_arguments import THING, prompts, schemas

SALT = b"any salt of the request's digest"

FLASH_2 = "/v1beta/models/gemini-2.5-flash:generateContent"

TEXT = {"type": "string"}

EVENT = {
    "type": "object",
    "properties": {"name": TEXT, "date": TEXT, "participants": {"type": "array", "items": TEXT}},
    "required": ["name", "date", "participants"],
}


def wanting(schema: Any, text: str = "Hello", **fields: Any) -> dict[str, Any]:
    """Make a request for JSON of this schema."""
    return say(text, generationConfig={"responseMimeType": "application/json", "responseJsonSchema": schema, **fields})


async def answer(body: Any, path: str = PATH, *, seed: int = 0) -> str:
    """Send a request and give the text of the answer."""
    reply = await call(Emulator(seed=seed), path, body)
    assert reply.status == 200, reply.body
    return str(reply.json["candidates"][0]["content"]["parts"][-1]["text"])


async def test_the_guides_event_is_taken_from_the_prompt() -> None:
    """Sample 11: the event's name, its date, its participants."""
    text = await answer(wanting(EVENT, "John and Susan are going to an AI conference on Friday."))

    assert text == '{"name":"AI conference","date":"Friday","participants":["John","Susan"]}'


async def test_another_prompt_or_seed_brings_another_answer_and_the_same_request_the_same() -> None:
    """Where the prompt has nothing, values follow from the whole request and the seed."""
    schema = {"type": "object", "properties": {"score": {"type": "integer"}, "label": {"enum": ["a", "b", "c", "d", "e"]}}}
    asked = [await answer(wanting(schema, f"Make something up, take {word}")) for word in ("one", "two", "three", "four")]
    seeds = [await answer(wanting(schema, "Make something up"), seed=seed) for seed in range(4)]

    assert len(set(asked)) >= 3
    assert len(set(seeds)) >= 3
    assert await answer(wanting(schema, "Make something up, take one")) == asked[0]


async def test_googles_schema_orders_its_properties() -> None:
    """`propertyOrdering` first, then the order of the declaration; `nullable` and numbers as strings are read."""
    schema = {
        "type": "OBJECT",
        "properties": {
            "b": {"type": "STRING", "minLength": "30"},
            "a": {"type": "INTEGER", "minimum": 7, "maximum": 9},
            "c": {"type": "ARRAY", "items": {"type": "STRING", "format": "enum", "enum": ["x", "y"]}, "minItems": "2"},
            "d": {"type": "STRING", "format": "date-time", "nullable": True},
        },
        "required": ["a", "b", "c", "d"],
        "propertyOrdering": ["d", "a"],
    }
    made = msgspec.json.decode(await answer(config(responseMimeType="application/json", responseSchema=schema)))

    assert list(made) == ["d", "a", "b", "c"]
    assert 7 <= made["a"] <= 9
    assert len(made["b"]) >= 30
    assert len(made["c"]) >= 2
    assert set(made["c"]) <= {"x", "y"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", made["d"])


async def test_an_enumeration_is_answered_bare() -> None:
    """`text/x.enum`: the member that the prompt names, without quotes."""
    schema = {"type": "STRING", "enum": ["Percussion", "String", "Woodwind"]}
    body = say("Is an oboe a woodwind?", generationConfig={"responseMimeType": "text/x.enum", "responseSchema": schema})

    assert await answer(body) == "Woodwind"


async def test_the_other_spellings_of_a_schema_are_read() -> None:
    """`_responseJsonSchema` and `responseFormat.text`."""
    schema = {"type": "object", "properties": {"city": TEXT}, "required": ["city"]}
    asked = "A city such as Oslo"
    other = say(asked, generationConfig={"responseMimeType": "application/json", "_responseJsonSchema": schema})
    text = {"mimeType": "APPLICATION_JSON", "schema": schema}

    assert await answer(other) == '{"city":"Oslo"}'
    assert await answer(say(asked, generationConfig={"responseFormat": {"text": text}})) == '{"city":"Oslo"}'


async def test_json_without_a_schema_tells_what_arrived_or_follows_one_in_the_text() -> None:
    """JSON mode: an object; a schema in the instructions is found, as libraries write it there."""
    plain = msgspec.json.decode(await answer(config(responseMimeType="application/json")))
    told = f"Answer as JSON of this schema: {msgspec.json.encode(EVENT).decode()}"
    body = config(responseMimeType="application/json") | {"systemInstruction": {"parts": [{"text": told}]}}

    assert plain["answer"].startswith("This is the Pollux emulator")
    assert list(msgspec.json.decode(await answer(body))) == ["name", "date", "participants"]


async def test_structured_answers_are_streamed_in_pieces() -> None:
    """Joined, the pieces are the whole answer; a limit cuts it, and says so."""
    schema = {"type": "object", "properties": {f"field_{i}": TEXT for i in range(12)}}
    body = wanting({**schema, "required": list(schema["properties"])}, "Tell about rivers, lakes and mountains")
    events = (await call(Emulator(), STREAM, body)).events
    texts = [part["text"] for event in events for part in event["candidates"][0]["content"]["parts"]]
    cut = await call(Emulator(), FLASH_2, wanting(schema, maxOutputTokens=20, thinkingConfig={"thinkingBudget": 0}))

    assert len(texts) > 2
    assert "".join(texts) == await answer(body)
    assert cut.json["candidates"][0]["finishReason"] == "MAX_TOKENS"


@given(schemas, prompts, st.binary(min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_an_answer_satisfies_any_schema(schema: Any, prompt: str, salt: bytes) -> None:
    """The schemas of the arguments' test, with every optional field filled."""
    root = {**schema, "$defs": {"Thing": THING}}
    drawn = Drawing(Prompt(prompt), root, salt=SALT + salt).value("", root, 0)

    Draft202012Validator(root, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(drawn)


HARD: dict[str, Any] = {
    "a tree": {"$defs": {"Node": {"type": "object", "properties": {"value": TEXT, "children": {"type": "array", "items":
               {"$ref": "#/$defs/Node"}}}, "required": ["value", "children"]}}, "$ref": "#/$defs/Node"},
    "a list of links": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
                        "required": ["next"]},
    "allOf": {"allOf": [{"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "required": ["a"]},
                        {"properties": {"a": {"maximum": 4}, "b": TEXT}, "required": ["b"]}]},
    "oneOf by a tag": {"oneOf": [{"properties": {"kind": {"const": kind}, kind: {"type": "number"}}, "required": ["kind", kind],
                                  "type": "object"} for kind in ("cat", "dog", "owl")]},
    "oneOf that overlaps": {"oneOf": [{"type": "integer", "multipleOf": 3}, {"type": "integer", "multipleOf": 5}]},
    "not": {"type": "string", "enum": ["a", "b", "c"], "not": {"enum": ["a", "c"]}},
    "not required": {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["b"], "not": {"required": ["a"]}},
    "if": {"type": "object", "properties": {"kind": {"enum": ["x", "y"]}, "x": TEXT, "y": TEXT}, "required": ["kind"],
           "if": {"properties": {"kind": {"const": "x"}}}, "then": {"required": ["x"]}, "else": {"required": ["y"]}},
    "two conditions": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 2}}, "required":
                       ["n"], "allOf": [{"if": {"properties": {"n": {"const": n}}}, "then":
                       {"required": [f"p{n}"]}} for n in (1, 2)]},
    "contains": {"type": "array", "items": {"type": "integer"}, "contains": {"minimum": 100}, "minContains": 2, "minItems": 3},
    "a map": {"type": "object", "propertyNames": {"pattern": "^[a-z]{3}_[0-9]+$"}, "additionalProperties": {"type": "integer"},
              "minProperties": 3},
    "patterns of names": {"type": "object", "patternProperties": {"^x-": {"type": "boolean"}}, "additionalProperties": False,
                          "minProperties": 2},
    "dependencies": {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["a"],
                     "dependentRequired": {"a": ["b"]}, "dependentSchemas": {"b": {"required": ["c"]}}},
    "draft 7": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "array", "items": [TEXT, {"type": "integer"}],
                "additionalItems": False, "minItems": 2},
    "unique": {"type": "array", "uniqueItems": True, "minItems": 4, "items": {"type": "object", "properties": {"id":
               {"type": "integer"}}, "required": ["id"]}},
    "formats": {"type": "object", "properties": {kind: {"type": "string", "format": kind} for kind in (
                "date", "date-time", "time", "uuid", "email", "ipv4", "ipv6", "uri", "hostname", "duration", "regex")}},
    "patterns": {"type": "object", "properties": {"hex": {"type": "string", "pattern": "^#(?:[0-9a-f]{3}){1,2}$"},
                 "decimal": {"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"},
                 "long": {"type": "string", "pattern": "^[a-z]+(-[a-z]+)*$", "minLength": 40, "maxLength": 60}},
                 "required": ["hex", "decimal", "long"]},
    "anchor": {"$defs": {"one": {"$anchor": "here", "type": "integer", "minimum": 5}}, "type": "array",
               "items": {"$ref": "#here"}, "minItems": 1},
    "numbers": {"type": "array", "prefixItems": [{"multipleOf": 0.5, "exclusiveMinimum": 1, "exclusiveMaximum": 2},
                {"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 60}], "minItems": 2, "items": False},
    "a type list": {"type": "object", "properties": {"a": {"type": ["integer", "null"]}, "b": {"type": ["string", "array"],
                    "items": TEXT, "minItems": 1}}, "required": ["a", "b"]},
    "numeric enumeration": {"type": "integer", "enum": [10, 20, 30], "minimum": 15},
    "one side closed": {"allOf": [{"properties": {"a": TEXT}, "required": ["a"], "additionalProperties": False},
                                  {"properties": {"a": {"minLength": 5}, "b": TEXT}}]},
}  # fmt: skip


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("text", ["Tell me of a dog, 17 years old, in Oslo", "x", ""])
def test_what_is_hard_to_satisfy_is_satisfied(name: str, text: str) -> None:
    """Keywords that the service does not look at too: an answer that breaks them would be of no use to a test."""
    schema = HARD[name]
    validator = jsonschema.validators.validator_for(schema, Draft202012Validator)
    for salt in (SALT, SALT + b"1", SALT + b"2"):
        drawn = Drawing(Prompt(text), schema, salt=salt).value("", schema, 0)

        validator(schema, format_checker=validator.FORMAT_CHECKER).validate(drawn)


SHIPPED = sorted((Path(check_jsonschema.__file__).parent / "builtin_schemas").rglob("*.json"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_configuration_schemas_of_a_package_are_satisfied(path: Path) -> None:
    """The schemas that check-jsonschema ships: drafts 4 to 2020-12, two megabytes the largest."""
    schema = msgspec.json.decode(path.read_bytes())
    validator = jsonschema.validators.validator_for(schema, Draft202012Validator)
    for text in ("Make a plan for Ada in Oslo, 3 steps", "Build and test on main"):
        drawn = Drawing(Prompt(text), schema, salt=SALT).value("", schema, 0)

        validator(schema).validate(drawn)


def test_shipped_schemas_are_many() -> None:
    """The test above has something to try."""
    assert len(SHIPPED) >= 20
