"""`response_format` → the native settings of an answer's form.

OpenAI's own spelling is `{"type": "json_schema", "json_schema": {"name", "schema", "strict", "description"}}`. Others are in
use and mean one thing only, so they are taken too: the schema beside the type (`schema`, `response_schema`), as Responses and
other services have it; a bare schema in `json_schema`; the type as a text.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from pollux.errors import InvalidRequest
from pollux.translate import schemas
from pollux.translate.notes import Note
from pollux.translate.profiles import Profile
from pollux.translate.raw import decoded
from pollux.translate.schemas import AskedSchema
from pollux.wire.closed import Decoders, unknown_fields
from pollux.wire.openai.chat import NULL

JSON = "application/json"

PARAM = "response_format"

TEXT_CHARACTERS_MAX = 4096
"""Longest name or description of a schema; OpenAI's names have at most 64 characters."""


class Form(Struct, frozen=True):
    """The form of an answer: the native settings, the schema that it is held against, and what the model is told."""

    mime_type: str | None = None
    json_schema: msgspec.Raw | None = None
    asked: AskedSchema | None = None
    instruction: str | None = None


TEXT = Form()


class _Format(Struct):
    type: str | None = None
    json_schema: msgspec.Raw = NULL
    schema: msgspec.Raw = NULL
    response_schema: msgspec.Raw = NULL
    name: Any = None
    description: Any = None
    strict: Any = None


class _JsonSchema(Struct):
    name: Any = None
    description: Any = None
    strict: Any = None
    schema: msgspec.Raw = NULL
    type: Any = None
    properties: msgspec.Raw = NULL
    any_of: msgspec.Raw = msgspec.field(name="anyOf", default=NULL)
    reference: msgspec.Raw = msgspec.field(name="$ref", default=NULL)

    def is_bare(self) -> bool:
        """Say whether the schema itself stands where its envelope should."""
        return self.type is not None or any(_given(raw) for raw in (self.properties, self.any_of, self.reference))


_formats = Decoders(_Format)
_json_schemas = Decoders(_JsonSchema)


def form(raw: msgspec.Raw, profile: Profile, notes: list[Note], *, beside_tools: bool) -> Form:
    """Give the form that is asked for. Raises InvalidRequest, which names the field.

    `strict` needs no counterpart: the service follows the schema either way.
    Source: OpenAI API, response_format; Gemini API, GenerationConfig.responseMimeType, responseJsonSchema.
    Loses: what the schema loses (`schemas`); beside tools on families before Gemini 3, the enforcement.
    """
    if not _given(raw):
        return TEXT
    asked, title, description = _asked(raw, notes)
    if asked is None:
        return TEXT
    told = beside_tools and not profile.mixes_tools
    if told:
        why = f"{profile.family} models refuse a JSON format beside tools; it is told to the model instead"
        notes.append(Note(PARAM, "approximated", why))
    if asked == "json_object":
        return Form(instruction=_TELL_OBJECT) if told else Form(mime_type=JSON)
    assert isinstance(asked, AskedSchema)
    if told:
        native = schemas.native(asked.raw, asked.path, [], title=title, description=description)
        return Form(asked=asked, instruction=_TELL_SCHEMA + bytes(native).decode())
    native = schemas.native(asked.raw, asked.path, notes, title=title, description=description)
    return Form(mime_type=JSON, json_schema=native, asked=asked)


_TELL_OBJECT = "Answer with one JSON object and nothing else: no code fence, no text around it."
_TELL_SCHEMA = (
    "Answer with one JSON value and nothing else: no code fence, no text around it. It must satisfy this JSON Schema:\n"
)

_Asked = tuple[AskedSchema | Literal["json_object"] | None, str | None, str | None]
"""What is asked for (None is text), and the schema's name and description."""


def _asked(raw: msgspec.Raw, notes: list[Note]) -> _Asked:
    is_text = memoryview(raw)[0] == ord('"')
    found = _Format(type=decoded(raw, PARAM)) if is_text else _decoded(raw, _formats, PARAM, notes)
    beside = next((name for name in ("schema", "response_schema") if _given(getattr(found, name))), None)
    match found.type:
        case "text":
            return None, None, None
        case "json_object" if beside is None and not _given(found.json_schema):
            return "json_object", None, None
        case "json_schema" | "json_object":
            if _given(found.json_schema):
                return _enveloped(found.json_schema, notes)
            if beside is not None:
                return AskedSchema(getattr(found, beside), f"{PARAM}.{beside}"), *_said(found, PARAM)
            where = f"{PARAM}.json_schema"
            raise InvalidRequest(f"{where} is missing.", param=where, code="missing_required_parameter")
        case None:
            raise InvalidRequest(f"{PARAM}.type is missing.", param=f"{PARAM}.type", code="missing_required_parameter")
    raise InvalidRequest(
        f"{PARAM}.type must be text, json_object or json_schema; it is {found.type[:40]!r}.", param=f"{PARAM}.type"
    )


def _enveloped(raw: msgspec.Raw, notes: list[Note]) -> _Asked:
    where = f"{PARAM}.json_schema"
    unknown: list[Note] = []
    envelope = _decoded(raw, _json_schemas, where, unknown)
    if not _given(envelope.schema):
        if envelope.is_bare():
            return AskedSchema(raw, where), None, None
        raise InvalidRequest(f"{where}.schema is missing.", param=f"{where}.schema", code="missing_required_parameter")
    if envelope.strict is not None and not isinstance(envelope.strict, bool):
        raise InvalidRequest(f"{where}.strict must be true or false.", param=f"{where}.strict", code="invalid_type")
    notes += unknown
    return AskedSchema(envelope.schema, f"{where}.schema"), *_said(envelope, where)


def _said(found: _Format | _JsonSchema, path: str) -> tuple[str | None, str | None]:
    return _text(found.name, f"{path}.name"), _text(found.description, f"{path}.description")


def _text(value: Any, path: str) -> str | None:
    if value is None or (isinstance(value, str) and len(value) <= TEXT_CHARACTERS_MAX):
        return value
    if isinstance(value, str):
        raise InvalidRequest(f"{path} is longer than {TEXT_CHARACTERS_MAX} characters.", param=path)
    raise InvalidRequest(f"{path} must be a text.", param=path, code="invalid_type")


def _given(raw: msgspec.Raw) -> bool:
    return raw is not NULL and bytes(memoryview(raw)[:5]) != b"null"


def _decoded(raw: msgspec.Raw, decoders: Decoders[Any], path: str, notes: list[Note]) -> Any:
    """Decode a shape, and note the fields that it does not have. Only with such a field is it read twice."""
    try:
        return decoders.closed.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    found = decoded(raw, path, decoders.open.decode)
    notes += [Note(field, "ignored", "there is no such field") for field in unknown_fields(raw, decoders.shape, path)]
    return found
