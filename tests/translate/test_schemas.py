"""Laws of the schema conversion, bombs and contradictions. What becomes of each keyword is in the golden pairs."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pollux.errors import InvalidRequest
from pollux.translate import schemas
from pollux.translate.notes import Note
from pollux.translate.schema_keywords import SERVICE_KEYWORDS, TYPES
from pollux.translate.schema_places import SchemaFault
from pollux.translate.schema_trimming import trimmed

Json = Any

names = st.sampled_from(["a", "b", "c", "$d", "x y"])
numbers = st.integers(-3, 3) | st.sampled_from([0.5, 2.5])
scalars = st.none() | st.booleans() | numbers | st.sampled_from(["", "a", "bb", "2024-01-01"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)
counts = st.integers(0, 3)
types = st.sampled_from(sorted(TYPES))
REFERENCES = ["#/$defs/a", "#/$defs/b", "#/$defs/x%20y", "#"]


KEYWORDS: dict[str, st.SearchStrategy[Json] | str] = {
    "type": types | st.lists(types, min_size=1, max_size=3, unique=True),
    "description": st.just("Said."),
    "default": scalars,
    "enum": st.lists(values, min_size=1, max_size=4),
    "const": values,
    "properties": "a map",
    "required": st.lists(names, max_size=2, unique=True),
    "additionalProperties": "one",
    "patternProperties": "patterns",
    "propertyNames": st.just({"minLength": 1}),
    "minProperties": counts,
    "items": "one",
    "prefixItems": "a list",
    "minItems": counts,
    "maxItems": counts,
    "uniqueItems": st.booleans(),
    "contains": "one",
    "minimum": numbers,
    "maximum": numbers,
    "exclusiveMinimum": numbers,
    "exclusiveMaximum": numbers,
    "multipleOf": st.sampled_from([1, 2, 0.5]),
    "minLength": counts,
    "pattern": st.just("^a"),
    "format": st.sampled_from(["date", "email"]),
    "not": "one",
    "if": "one",
    "then": "one",
    "dependentRequired": st.just({"a": ["b"]}),
    "unevaluatedProperties": "one",
    "anyOf": "a list",
    "oneOf": "a list",
    "allOf": "a list",
    "$ref": st.sampled_from(REFERENCES),
}
"""Each keyword with its values, or with how many schemas are in it."""

some_keywords = st.lists(st.sampled_from(sorted(KEYWORDS)), min_size=1, max_size=4, unique=True)


@st.composite
def some_schemas(draw: st.DrawFn, depth: int = 0) -> Json:
    """Draw a schema of few keywords, and of few levels."""
    if depth >= 3 or (depth and draw(st.integers(0, 3)) == 0):
        return draw(st.booleans() | types.map(lambda kind: {"type": kind}) | st.sampled_from(REFERENCES).map(_reference))
    schema: Json = {}
    for keyword in draw(some_keywords):
        kind = KEYWORDS[keyword]
        match kind:
            case "one":
                schema[keyword] = draw(some_schemas(depth + 1))
            case "a list":
                schema[keyword] = [draw(some_schemas(depth + 1)) for _ in range(draw(st.integers(1, 2)))]
            case "a map":
                schema[keyword] = {name: draw(some_schemas(depth + 1)) for name in draw(st.sets(names, max_size=2))}
            case "patterns":
                schema[keyword] = {"^a": draw(some_schemas(depth + 1))}
            case _:
                assert not isinstance(kind, str)
                schema[keyword] = draw(kind)
    return schema


def _reference(target: str) -> Json:
    return {"$ref": target}


@st.composite
def whole_schemas(draw: st.DrawFn) -> Json:
    """Draw a schema with definitions."""
    schema = draw(some_schemas())
    return schema | {"$defs": {"a": draw(some_schemas(1)), "b": draw(some_schemas(1)), "x y": {"type": "string"}}}


laws = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))


def converted(schema: Json) -> Json:
    """Convert a schema; what cannot be converted is passed over."""
    try:
        return schemas.convert(schema)[0]
    except SchemaFault:
        assume(False)


def keywords(schema: Json) -> set[str]:
    """Gather all keywords of a native schema."""
    found = set(schema)
    for name in ("properties", "$defs"):
        for inner in schema.get(name, {}).values():
            found |= keywords(inner)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            found |= keywords(schema[name])
    for name in ("anyOf", "oneOf", "prefixItems"):
        for inner in schema.get(name, []):
            found |= keywords(inner)
    return found


@laws
@given(whole_schemas())
def test_a_schema_is_converted_or_refused_by_name(schema: Json) -> None:
    """Nothing else happens, whatever the schema is; and the caller's schema stays as it was."""
    before = msgspec.json.encode(schema)
    notes: list[Note] = []
    refusal = refused_or_none(before, notes)

    assert refusal is not None or keywords(msgspec.json.decode(schemas.native(before, "schema", []))) <= SERVICE_KEYWORDS
    assert refusal is None or (refusal.param or "").startswith("schema")
    assert all(note.param.startswith("schema") for note in notes)
    assert msgspec.json.encode(schema) == before


@laws
@given(whole_schemas())
def test_conversion_is_idempotent(schema: Json) -> None:
    """What the service takes is taken as it is."""
    once = converted(schema)

    assert converted(once) == once


@laws
@given(whole_schemas())
def test_a_native_schema_is_a_schema(schema: Json) -> None:
    """It is valid JSON Schema, nothing beside `$ref` but `$defs`, and every reference leads somewhere."""
    native = converted(schema)
    Draft202012Validator.check_schema(native)
    text = msgspec.json.encode(native).decode()

    for part in text.split('"$ref":"#/$defs/')[1:]:
        assert part.split('"')[0] in native["$defs"]
    assert '"$ref":' not in text.replace('{"$ref":', "")


@laws
@given(whole_schemas(), st.lists(values, min_size=1, max_size=12))
def test_what_the_caller_allows_is_allowed(schema: Json, instances: list[Json]) -> None:
    """No answer that is valid for the caller is made impossible: not by the conversion, nor by the trimming."""
    native = converted(schema)
    simpler = trimmed(native)
    callers, services, simplest = (Draft202012Validator(one) for one in (schema, native, simpler))
    for instance in instances:
        try:
            valid = callers.is_valid(instance)
        except BaseException as error:  # the validator's own recursion without end, in Python or below it
            assume(not isinstance(error, RecursionError) and type(error).__name__ != "PanicException")
            raise
        if valid:
            assert services.is_valid(instance), (instance, native)
            assert simplest.is_valid(instance), (instance, simpler)


def refused(schema: Json | bytes) -> InvalidRequest:
    """Give the refusal of a schema."""
    raw = schema if isinstance(schema, bytes) else msgspec.json.encode(schema)
    with pytest.raises(InvalidRequest) as caught:
        schemas.native(raw, "schema", [])
    return caught.value


def refused_or_none(raw: bytes, notes: list[Note]) -> InvalidRequest | None:
    """Give the refusal of a schema, if it is refused."""
    try:
        schemas.native(raw, "schema", notes)
    except InvalidRequest as error:
        return error
    return None


def _chain(keyword: str, length: int) -> Json:
    """Each definition says the next one twice."""
    steps = {
        f"d{i}": {"type": "object", keyword: [{"$ref": f"#/$defs/d{i + 1}"}, {"$ref": f"#/$defs/d{i + 1}"}]}
        for i in range(length)
    }
    return {"$defs": steps | {f"d{length}": {"type": "object"}}, "$ref": "#/$defs/d0"}


def test_ten_megabytes_are_refused_unread() -> None:
    """By their length."""
    assert refused(b'{"a":"' + b"x" * 10_000_000 + b'"}').code == "schema_too_large"


@pytest.mark.parametrize("opening", [b'{"not":', b'{"items":', b'{"properties":{"a":', b'{"anyOf":[', b'{"allOf":['])
def test_deep_schemas_are_refused(opening: bytes) -> None:
    """At any depth, by name."""
    closing = opening.translate(bytes.maketrans(b"{[", b"}]"), delete=bytes(set(range(256)) - set(b"{[")))[::-1]
    for depth in (100, 900, 20_000):
        raw = opening * depth + b"{}" + closing * depth
        notes: list[Note] = []
        refusal = refused_or_none(raw, notes)
        told = opening == b'{"not":' and refusal is None and "too long" in notes[0].why

        assert told or (refusal is not None and ("nested" in refusal.message or "expands" in refusal.message))


def test_wide_schemas_are_refused() -> None:
    """Sixty thousand properties."""
    assert "more than 50000 sub-schemas" in refused({"properties": {f"p{i}": {} for i in range(60_000)}}).message


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf"])
def test_exponential_expansions_end(keyword: str) -> None:
    """Forty definitions that each say the next one twice are 2**40 schemas, if written out."""
    raw = msgspec.json.encode(_chain(keyword, 40))
    refusal = refused_or_none(raw, [])

    assert refusal is not None or len(bytes(schemas.native(raw, "schema", []))) < 100_000


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"type": "object"}]}}, "properties": {"a": {"$ref": "#/$defs/a"}}},
    ],
)
def test_schemas_that_only_lead_to_themselves_are_refused(schema: Json) -> None:
    """They mean nothing."""
    assert "leads to itself" in refused(schema).message


@pytest.mark.parametrize(
    ("schema", "param"),
    [
        ({"minimum": 2, "maximum": 1, "type": "number"}, "schema.minimum"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "schema.minItems"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "schema.minLength"),
        ({"type": "array", "prefixItems": [{}], "items": False, "minItems": 2}, "schema.minItems"),
        ({"enum": []}, "schema.enum"),
        ({"type": "string", "enum": [1, 2]}, "schema.enum"),
        ({"type": "string", "const": 1}, "schema.const"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "schema.allOf[1].type"),
        ({"allOf": [{"enum": ["a"]}, {"enum": ["b"]}]}, "schema.allOf[1].enum"),
        ({"allOf": [{"const": "a"}, {"const": "b"}]}, "schema.allOf[1].const"),
        ({"anyOf": [False, False]}, "schema.anyOf"),
        ({"properties": {"a": False}, "required": ["a"]}, "schema.properties.a"),
        ({"properties": {}, "required": ["a"], "additionalProperties": False}, "schema.required"),
        ({"type": "strin"}, "schema.type"),
        ({"type": []}, "schema.type"),
        ({"properties": []}, "schema.properties"),
        ({"properties": {"a": "string"}}, "schema.properties.a"),
        ({"required": True}, "schema.required"),
        ({"items": {"minItems": -1}}, "schema.items.minItems"),
        ({"description": 5}, "schema.description"),
        ({"anyOf": []}, "schema.anyOf"),
        ({"anyOf": {}}, "schema.anyOf"),
        ({"$ref": "#/$defs/none"}, "schema.$ref"),
        ({"$ref": "other.json"}, "schema.$ref"),
        ({"$ref": 5}, "schema.$ref"),
        ({"properties": {"a b": {"type": "x"}}}, 'schema.properties["a b"].type'),
        ([], "schema"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_place(schema: Json, param: str) -> None:
    """Contradictions and what is no JSON Schema: the error names the place in the caller's schema."""
    error = refused(schema)

    assert error.param == param
    assert error.message.startswith(f"{param} ")


def test_definitions_whose_names_clash_are_told_apart() -> None:
    """Two places may have the same last step, or steps that differ in signs only."""
    schema = {
        "$defs": {"a": {"type": "string"}, "x y": {"type": "integer"}, "x/y": {"type": "null"}},
        "definitions": {"a": {"type": "boolean"}},
        "properties": {
            name: {"$ref": reference}
            for name, reference in {"a": "#/$defs/a", "b": "#/definitions/a", "c": "#/$defs/x%20y", "d": "#/$defs/x~1y"}.items()
        },
    }
    native = converted(schema)

    assert native["$defs"] == {
        "a": {"type": "string"},
        "a_2": {"type": "boolean"},
        "x_y": {"type": "integer"},
        "x_y_2": {"type": "null"},
    }


def test_a_schema_is_converted_once() -> None:
    """The same bytes give the same object; other bytes, or another description, another one."""
    raw = msgspec.json.encode({"type": "object", "properties": {"only": {"const": "here"}}})
    first = schemas.native(raw, "schema", [])

    assert schemas.native(bytes(bytearray(raw)), "elsewhere", []) is first
    assert schemas.native(raw, "schema", [], description="Said.") is not first


def test_many_losses_are_listed_in_part() -> None:
    """Fifty one by one, and how many more."""
    notes: list[Note] = []
    schemas.native(
        msgspec.json.encode({"properties": {f"p{i}": {"type": "string", "pattern": "a"} for i in range(80)}}), "s", notes
    )

    assert len(notes) == 51
    assert notes[-1] == Note("s", "approximated", "30 further constraints of this schema are not enforced")


@pytest.mark.parametrize(
    ("schema", "lost"),
    [
        ({"enum": [1, 2, 3], "minimum": 2}, "schema.minimum"),
        ({"type": "string", "enum": ["a", "b"], "pattern": "^a"}, "schema.pattern"),
        ({"const": "a", "enumNames": ["A"]}, "schema.enumNames"),
        (
            {"allOf": [{"properties": {"a": {}}, "additionalProperties": False}, {"properties": {"b": {}}}]},
            "schema.additionalProperties",
        ),
        ({"oneOf": [{"minimum": 1}, {"maximum": 5}]}, "schema.oneOf"),
    ],
)
def test_what_stands_beside_is_not_lost_unsaid(schema: Json, lost: str) -> None:
    """Beside the values of an enumeration, in another part of `allOf`, in another branch."""
    notes: list[Note] = []
    schemas.native(msgspec.json.encode(schema), "schema", notes)

    assert [note.param for note in notes] == [lost]


def test_null_instead_of_values_is_absence() -> None:
    """As with every keyword but `const` and `default`."""
    assert converted({"type": "string", "enum": None, "minLength": None}) == {"type": "string"}


def test_true_is_not_one() -> None:
    """Though Python has them equal: nothing is both."""
    assert refused({"allOf": [{"enum": [1, 2]}, {"enum": [True, False]}]}).param == "schema.allOf[1].enum"
    assert converted({"allOf": [{"enum": [1, {"a": 1}]}, {"enum": [1.0, {"a": 1.0}]}]})["anyOf"][0]["enum"] == [1]


def test_a_function_s_only_object_stays_as_it_is() -> None:
    """An optional model is a union with null; arguments are never null."""
    model = {"type": "object", "description": "Said.", "additionalProperties": {"type": "string"}}
    native, losses = schemas.convert({"anyOf": [model, {"type": "null"}]}, root="object")

    assert native == {**model, "properties": {}}
    assert losses == []


@pytest.mark.parametrize(
    "schema",
    [
        {
            "$defs": {chr(0x4E00 + i): {} for i in range(20_000)},
            "anyOf": [{"$ref": "#/$defs/" + chr(0x4E00 + i)} for i in range(20_000)],
        },
        {"anyOf": [{"type": "object", "properties": {"a": {"const": i}}} for i in range(15_000)]},
        {"properties": {"a": {"allOf": [{"enum": [*range(60_000)]}, {"enum": [*range(59_999, -1, -1)]}]}}},
        {"allOf": [{"required": [f"a{i}" for i in range(30_000)]}, {"required": [f"b{i}" for i in range(30_000)]}]},
    ],
    ids=["names", "branches", "values", "required"],
)
def test_wide_schemas_are_converted(schema: Json) -> None:
    """In the time of their length, not of its square: these take a quarter of a second each, squared they took ten."""
    assert bytes(schemas.native(msgspec.json.encode(schema), "schema", [], root="object"))


def test_many_parts_that_are_merged_are_refused() -> None:
    """Each would copy what all before it said."""
    parts: Json = [{"properties": {f"p{i}": {}}} for i in range(15_000)]

    assert "more than 50000 sub-schemas" in refused({"allOf": parts}).message
