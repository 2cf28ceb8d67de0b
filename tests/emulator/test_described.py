"""What descriptions say in words holds in structured answers, as with a model that reads them."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pollux.emulator.described import conditions
from pollux.emulator.schemas import types_of


@pytest.mark.parametrize(
    ("kind", "description", "said"),
    [
        ("number", "The price. More than 0.", {"exclusiveMinimum": 0}),
        ("integer", "Between friends; lower than 7 and at least 2.", {"exclusiveMaximum": 7, "minimum": 2}),
        ("number", "A multiple of 0.25", {"multipleOf": 0.25}),
        ("array", "At least 2 items, all different; no duplicates.", {"minItems": 2, "uniqueItems": True}),
        ("array", "Fewer than 4 elements", {"maxItems": 3}),
        ("string", "Length: 5 or more.", {"minLength": 5}),
        ("string", "At most 20 characters", {"maxLength": 20}),
        ("string", "How to reach you, a valid email.", {"format": "email"}),
        ("string", "Format: date-time.", {"format": "date-time"}),
        ("string", "Must match the pattern ^[A-Z]{3}$", {"pattern": "^[A-Z]{3}$"}),
        ("object", "Properties: 2 or less.", {"maxProperties": 2}),
        ("object", "Always give the property next.", {"required": ["next"]}),
        ("object", 'JSON Schema propertyNames: {"enum":["a"]}', {"propertyNames": {"enum": ["a"]}}),
        ("boolean", "Must be false", {"enum": [False]}),
        ("string", "At least 3 of them are needed, the date is one.", {}),
        ("string", "The format of the report, more than 3 pages long.", {}),
    ],
)
def test_plain_words_are_conditions(kind: str, description: str, said: dict[str, Any]) -> None:
    """Of the type that they can speak of; what is not understood says nothing."""
    schema = {"type": kind, "description": description}

    assert conditions(schema, types_of(schema)) == said


def test_the_schema_outranks_its_description() -> None:
    """A bound that would leave nothing, or is there already, is not read."""
    schema = {"type": "number", "maximum": 3, "minimum": 1, "description": "More than 5, at least 2. A multiple of 0.5."}

    assert conditions(schema, ["number"]) == {"multipleOf": 0.5}


def test_exactly_one_holds() -> None:
    """Where the words say so, beside schemas to choose from."""
    branches = [{"required": ["a"]}, {"required": ["b"]}]
    told = conditions({"description": "Exactly one of these holds.", "anyOf": branches}, [])

    assert told == {"oneOf": branches}
    assert not Draft202012Validator(told).is_valid({"a": 1, "b": 2})
