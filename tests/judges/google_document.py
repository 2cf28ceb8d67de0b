"""Google's own description of the native API, as a judge of what we send: every field named, unknown ones forbidden.

What is real and newer than the document stands in `overlay.toml`, each entry with its source.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.judges.shared import REFERENCE

URI = "urn:google"
OVERLAY_FILE = Path(__file__).with_name("overlay.toml")

DANGLING = {"MediaResolution": {"type": "object"}}
"""Schemas that the document refers to and does not hold, in every revision seen."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something real that the document lacks: a field of a schema, or one more value of a field."""

    schema: str
    field: str
    source: str
    is_a: dict[str, Any] | None = None
    value: str = ""

    @property
    def name(self) -> str:
        """Name the entry, as in `ThinkingConfig.thinkingLevel=XHIGH`."""
        return f"{self.schema}.{self.field}" + (f"={self.value}" if self.value else "")


def plain(native: Any) -> Any:
    """Give a native message as plain JSON, as it goes over the wire; it may hold raw JSON, such as a converted schema."""
    return msgspec.json.decode(msgspec.json.encode(native))


@cache
def overlay() -> tuple[Entry, ...]:
    """Read the overlay file."""
    entries = tomllib.loads(OVERLAY_FILE.read_text("utf-8")).get("entry", [])
    return tuple(Entry(**entry) for entry in entries)


class GoogleDocument:
    """The document, with an overlay."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        schemas: dict[str, Any] = {name: _closed(schema) for name, schema in _discovery().items()} | DANGLING
        for entry in entries:
            properties = schemas[entry.schema]["properties"]
            if entry.value:
                properties[entry.field]["enum"].append(entry.value)
            else:
                assert entry.field not in properties, f"the document has {entry.name}: the overlay does not need it"
                properties[entry.field] = entry.is_a
        self._registry = Registry[Any]().with_resource(URI, DRAFT202012.create_resource({"$defs": schemas}))
        self._validators: dict[str, Draft202012Validator] = {}

    def validate(self, schema: str, value: Any) -> list[str]:
        """Give what is wrong with a native message."""
        validator = self._validators.get(schema)
        if validator is None:
            validator = Draft202012Validator({"$ref": f"{URI}#/$defs/{schema}"}, registry=self._registry)
            self._validators[schema] = validator
        return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(value)]


@cache
def document(without: str = "") -> GoogleDocument:
    """Give the document with the whole overlay, or with all of it but one entry."""
    return GoogleDocument(entry for entry in overlay() if entry.name != without)


@cache
def _discovery() -> dict[str, Any]:
    read: dict[str, Any] = msgspec.json.decode((REFERENCE / "gemini-v1beta-discovery.json").read_bytes())["schemas"]
    return read


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Say a schema of the discovery document in JSON Schema, without room for unknown fields."""
    if "$ref" in schema:
        return {"$ref": f"{URI}#/$defs/{schema['$ref']}"}
    match schema.get("type"):
        case "object" if "properties" in schema:
            properties = {name: _closed(inner) for name, inner in schema["properties"].items()}
            return {"type": "object", "properties": properties, "additionalProperties": False}
        case "object" if "additionalProperties" in schema:
            return {"type": "object", "additionalProperties": _closed(schema["additionalProperties"])}
        case "array":
            return {"type": "array", "items": _closed(schema["items"])}
        case "any":
            return {}
        case "string" if "enum" in schema:
            return {"type": "string", "enum": list(schema["enum"])}
        case "string" if schema.get("format") in ("int64", "uint64"):
            return {"type": ["string", "integer"]}
        case "integer" if schema.get("format") == "int32":
            return {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
        case kind:
            return {"type": kind}
