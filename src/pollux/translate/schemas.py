"""JSON Schema of callers → the native API's `responseJsonSchema` and `parametersJsonSchema`.

`native` converts raw JSON and keeps what it made, by content: clients send the same schema with every request, and a schema
that was seen is not even decoded. How the conversion errs stands in `schema_converter`; the fate of every keyword in
`schema_keywords.TABLE`.

Source: Google's discovery document, responseJsonSchema, parametersJsonSchema; JSON Schema, drafts 4 to 2020-12.
Loses: constraints that the service does not know; they stand in descriptions, and a note names each.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from pollux.errors import InvalidRequest
from pollux.translate import raw
from pollux.translate.kept import Kept, key
from pollux.translate.notes import Note
from pollux.translate.schema_converter import Converter
from pollux.translate.schema_keywords import Schema
from pollux.translate.schema_objects import as_object
from pollux.translate.schema_places import SchemaFault, written
from pollux.translate.schema_plain import Loss

SCHEMA_BYTES_MAX = 1_048_576
"""Largest schema; real ones have up to 200 KB. Converting that much takes 20 to 250 ms, by its form, in which nothing else is
answered: measured with 20 forms of one megabyte (definitions, branches, enumerations, bounds)."""

NOTES_MAX = 50
"""Most losses of one schema that are listed one by one; how many more there are is said too."""

KEPT_BYTES_MAX = 16_777_216
KEPT_COUNT_MAX = 4096
"""Room for converted schemas: some hundred clients with large tool lists."""

Root = Literal["any", "object"]
"""What the root may be: anything for an answer, an object for a function's parameters."""


class AskedSchema(Struct, frozen=True):
    """A schema as the caller wrote it, and where it stood in the request."""

    raw: msgspec.Raw
    path: str


class Converted(Struct, frozen=True):
    """A native schema as JSON, and what it lost: places, fates and reasons."""

    native: msgspec.Raw
    losses: tuple[tuple[str, Literal["ignored", "approximated"], str], ...]


_kept: Kept[Converted] = Kept(bytes_max=KEPT_BYTES_MAX, count_max=KEPT_COUNT_MAX)


def native(
    raw: msgspec.Raw | bytes,
    path: str,
    notes: list[Note],
    *,
    root: Root = "any",
    title: str | None = None,
    description: str | None = None,
) -> msgspec.Raw:
    """Give the native schema for a caller's, and note what it loses. Raises InvalidRequest, which names the place in it.

    `title` and `description` are said of the schema outside of it; the model reads them in it.
    """
    content = memoryview(raw)
    if len(content) > SCHEMA_BYTES_MAX:
        raise InvalidRequest(f"{path} is larger than {SCHEMA_BYTES_MAX} bytes.", param=path, code="schema_too_large")
    name = key(content, root, title or "", description or "")
    made = _kept.get(name)
    if made is None:
        made = _convert(content, path, root, title, description)
        _kept.put(name, made, len(memoryview(made.native)) + sum(len(place) + len(why) + 200 for place, _, why in made.losses))
    for place, fate, why in made.losses:
        notes.append(Note(path + place, fate, why))
    return made.native


def convert(schema: Schema, *, root: Root = "any") -> tuple[Schema, list[Loss]]:
    """Convert a decoded schema. Raises SchemaFault."""
    converter = Converter(schema)
    converted = converter.convert()
    if root == "object":
        converted = as_object(converted, converter.losses)
    return converted, converter.losses


def decoded(content: bytes | memoryview | msgspec.Raw, path: str) -> Schema:
    """Decode a caller's schema. Raises InvalidRequest when it is no object."""
    schema = raw.decoded(content, path)
    if not isinstance(schema, dict):
        raise InvalidRequest(f"{path} must be a JSON Schema: an object.", param=path, code="invalid_type")
    return schema


def _convert(content: memoryview, path: str, root: Root, title: str | None, description: str | None) -> Converted:
    try:
        converted, losses = convert(decoded(content, path), root=root)
    except SchemaFault as fault:
        fault.refuse(path)
    except RecursionError:
        raise InvalidRequest(f"{path} is nested too deeply.", param=path, code="nesting_too_deep") from None
    if description:
        own = converted.get("description")
        converted = {**converted, "description": f"{description}\n{own}" if own else description}
    if title and "title" not in converted:
        converted = {"title": title, **converted}
    distinct = [*dict.fromkeys(losses)]
    listed = [(written(place), fate, why) for place, fate, why in distinct[:NOTES_MAX]]
    if len(distinct) > NOTES_MAX:
        listed.append(("", "approximated", f"{len(distinct) - NOTES_MAX} further constraints of this schema are not enforced"))
    return Converted(msgspec.Raw(msgspec.json.encode(converted)), tuple(listed))
