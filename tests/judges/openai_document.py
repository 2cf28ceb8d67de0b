"""OpenAI's own description of its API, as a judge of what we answer.

False alarms and deliberate differences stand in `exceptions.toml`, each with its reason.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.judges.shared import REFERENCE

URI = "urn:openai"
EXCEPTIONS_FILE = Path(__file__).with_name("exceptions.toml")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What the document finds wrong with a value: where, by which keyword, and in which words."""

    schema: str
    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.schema} {self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Exemption:
    """A complaint that is not one: `place` has `*` for any index, `message` is a pattern."""

    name: str
    schemas: tuple[str, ...]
    place: str
    message: str
    reason: str

    def covers(self, complaint: Complaint) -> bool:
        """Say whether the complaint is this one."""
        place = re.escape(self.place).replace(r"\*", r"\d+")
        return (
            complaint.schema in self.schemas
            and re.fullmatch(place, complaint.place) is not None
            and re.search(self.message, complaint.message) is not None
        )


@cache
def exemptions() -> tuple[Exemption, ...]:
    """Read the list of exceptions."""
    entries = tomllib.loads(EXCEPTIONS_FILE.read_text("utf-8")).get("exception", [])
    return tuple(
        Exemption(entry["name"], tuple(entry["schemas"]), entry["place"], entry["message"], entry["reason"])
        for entry in entries
    )


def validate(schema: str, value: Any) -> list[Complaint]:
    """Give what is wrong with a value by OpenAI's document, without the exceptions."""
    return [
        complaint
        for complaint in complaints(schema, value)
        if not any(exemption.covers(complaint) for exemption in exemptions())
    ]


def properties(schema: str) -> frozenset[str]:
    """Give the names of a schema's properties, of the schemas that it is made of too."""
    registry, _ = _document()
    contents = registry.resolver().lookup(f"{URI}#/components/schemas/{schema}").contents
    named = frozenset(contents.get("properties", {}))
    return named.union(
        *(
            properties(part["$ref"].rpartition("/")[2]) if "$ref" in part else part.get("properties", {})
            for part in contents.get("allOf", [])
        )
    )


def complaints(schema: str, value: Any) -> Iterator[Complaint]:
    """Give everything that the document finds wrong with a value."""
    for error in _validator(schema).iter_errors(value):
        for leaf in _leaves(error):
            place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in leaf.absolute_path)
            yield Complaint(schema, place.removeprefix("."), leaf.message[:200])


def _leaves(error: ValidationError) -> Iterator[ValidationError]:
    """Look below an `anyOf` at the branch that fits best, so that a complaint names its place."""
    if error.validator not in ("anyOf", "oneOf") or not error.context:
        yield error
        return
    branches: dict[int, list[ValidationError]] = {}
    for inner in error.context:
        branches.setdefault(int(inner.schema_path[0]), []).append(inner)
    for inner in min(branches.values(), key=lambda errors: (any(e.validator == "type" for e in errors), len(errors))):
        yield from _leaves(inner)


@cache
def _validator(schema: str) -> Draft202012Validator:
    registry, names = _document()
    assert schema in names, f"OpenAI's document has no schema {schema}"
    return Draft202012Validator({"$ref": f"{URI}#/components/schemas/{schema}"}, registry=registry)


@cache
def _document() -> tuple[Registry[Any], frozenset[str]]:
    text = (REFERENCE / "openai-openapi.yaml").read_bytes()
    document = yaml.load(text, Loader=yaml.CSafeLoader)
    schemas = _with_null_types({"components": {"schemas": document["components"]["schemas"]}})
    return Registry[Any]().with_resource(URI, DRAFT202012.create_resource(schemas)), frozenset(schemas["components"]["schemas"])


def _with_null_types(schema: Any) -> Any:
    """Say OpenAPI 3.0's leftover `nullable: true` in JSON Schema."""
    if isinstance(schema, list):
        return [_with_null_types(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _with_null_types(inner) for key, inner in schema.items() if key != "nullable" or inner is not True}
    return {"anyOf": [plain, {"type": "null"}]} if len(plain) < len(schema) else plain
