"""Structured answers: JSON that satisfies the requested schema, or a bare value of an enumeration.

The words and numbers come from the last user text where a field asks for them; the rest follows from the request and the
emulator's seed, so that the same request brings the same answer and another prompt another one.
"""

import hashlib
import re
from typing import Any

import msgspec

from pollux.emulator.answers import natural_text, system_text
from pollux.emulator.arguments import Drawing
from pollux.emulator.calling import asking_text
from pollux.emulator.limits import PROMPT_READ_CHARS_MAX
from pollux.emulator.models import Model
from pollux.emulator.response_rules import ENUM, JSON, mime_type, wanted_schema
from pollux.emulator.schemas import Schema
from pollux.emulator.words import Prompt


def structured_text(request: dict[str, Any], model: Model, digest: bytes) -> str | None:
    """Write the answer if it is to be structured; None: it is plain text."""
    config = request.get("generationConfig", {})
    kind = mime_type(config)
    if kind not in (JSON, ENUM):
        return None
    schema = wanted_schema(config)
    prompt = Prompt(asking_text(request)[0])
    if kind == ENUM and schema is not None and schema.get("enum"):
        return str(_drawn(prompt, {"enum": schema["enum"]}, digest))
    if schema is None:
        schema = _schema_in(request, prompt) or _told(request, model)
    return msgspec.json.encode(_drawn(prompt, schema, digest)).decode()


def _drawn(prompt: Prompt, schema: Schema, digest: bytes) -> Any:
    return Drawing(prompt, schema, salt=hashlib.sha256(b"structured" + digest).digest()).value("", schema, 0)


def _told(request: dict[str, Any], model: Model) -> Schema:
    """JSON without a schema: an object whose text says what arrived."""
    text = {"const": natural_text(request, model)}
    return {"type": "object", "properties": {"answer": text}, "required": ["answer"]}


def _schema_in(request: dict[str, Any], prompt: Prompt) -> Schema | None:
    """Find a JSON Schema in the instructions or in the last text: JSON mode is often used that way."""
    for text in (system_text(request)[:PROMPT_READ_CHARS_MAX], prompt.read):
        for found in _objects_in(text):
            if "$ref" in found or isinstance(found.get("properties"), dict):
                return found
    return None


BRACE = re.compile(r'[{}]|"(?:[^"\\]|\\.)*"')
"""A brace, or a text of JSON, in which braces mean nothing."""


def _objects_in(text: str) -> list[dict[str, Any]]:
    """List the outermost objects of JSON in a text."""
    found: list[dict[str, Any]] = []
    depth = start = 0
    for match in BRACE.finditer(text):
        sign = match.group()
        if sign == "{":
            start = start if depth else match.start()
            depth += 1
        elif sign == "}" and depth:
            depth -= 1
            if not depth:
                try:
                    value = msgspec.json.decode(text[start : match.end()])
                except (msgspec.DecodeError, RecursionError):
                    continue
                found += [value] if isinstance(value, dict) else []
    return found
