"""The closed world of requests: every field that the native API knows, and what its parser makes of a body.

The parser is lenient and strict in its own ways, and so is this one (ground-truth.md, section 1.1). It takes camelCase and
snake_case, enumeration values in any case, one value where a list is declared, explicit nulls, numbers as strings. It
refuses names that it does not know, and values of another kind, all of them in one answer. What comes out is canonical:
camelCase, lists where lists are declared, no nulls, enumeration values as in the document.

The tables come from `fields.json` (generated, see `tools/emulator_fields.py`) and `newer_fields.py`.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from pollux.emulator.errors import NativeError, bad_request, invalid
from pollux.emulator.limits import DEPTH_MAX, VIOLATIONS_MAX
from pollux.emulator.newer_fields import NEWER_FIELDS

PACKAGE = "type.googleapis.com/google.ai.generativelanguage.v1beta."

ABSENT: Any = object()
"""What a refused value becomes."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message: its name in the answer, in error paths, and its kind."""

    name: str
    snake: str
    kind: str


@dataclass(frozen=True, slots=True)
class Shapes:
    """All messages, by name and by either spelling of a field; all enumerations, by upper-case value."""

    messages: dict[str, dict[str, Field]]
    enums: dict[str, dict[str, str]]


@cache
def shapes(*, newer: bool = True) -> Shapes:
    """Load the tables once; without the newer fields only for the test that asks whether they are needed."""
    table = msgspec.json.decode(files("pollux.emulator").joinpath("fields.json").read_bytes())
    messages: dict[str, dict[str, str]] = table["messages"]
    enums: dict[str, list[str]] = table["enums"]
    for entry in NEWER_FIELDS if newer else ():
        if entry.owner.startswith("enum:"):
            enums.setdefault(entry.owner.removeprefix("enum:"), []).append(entry.name)
        else:
            messages.setdefault(entry.owner, {})[entry.name] = entry.kind
    known: dict[str, dict[str, Field]] = {}
    for message, fields in messages.items():
        known[message] = {}
        for name, kind in fields.items():
            snake = re.sub("([A-Z])", r"_\1", name).lower()
            known[message][name] = known[message][snake] = Field(name, snake, kind)
    return Shapes(known, {name: {value.upper(): value for value in values} for name, values in enums.items()})


def canonical(body: Any, message: str, *, newer: bool = True) -> dict[str, Any]:
    """Read a body as this message, or say everything that is wrong with its shape."""
    if not isinstance(body, dict):
        raise bad_request([("", 'Invalid JSON payload received. Unknown name "": Root element must be a message.')])
    reading = Reading(shapes(newer=newer))
    result = reading.message(body, message, "", 1)
    if reading.violations:
        raise bad_request(reading.violations)
    return result


@dataclass
class Reading:
    """One walk through one body."""

    shapes: Shapes
    violations: list[tuple[str, str]] = field(default_factory=list)

    def message(self, value: dict[str, Any], message: str, path: str, depth: int) -> dict[str, Any]:
        """Read an object as a message."""
        if depth > DEPTH_MAX:
            raise _too_deep(path)
        result: dict[str, Any] = {}
        fields = self.shapes.messages.get(message, {})
        for name, given in value.items():
            known = fields.get(name)
            if known is None:
                self.unknown(name, path, "Cannot find field.")
            elif given is not None:
                read = self.field(given, known.kind, name, path, f"{path}.{known.snake}".lstrip("."), depth)
                if read is not ABSENT:
                    if message == "Part" and known.name in PART_DATA and not PART_DATA.isdisjoint(result):
                        why = f"oneof field 'data' is already set. Cannot set '{name}'"
                        self.note(path, f"Invalid value at '{path}' (oneof), {why}")
                    result[known.name] = read
        return result

    def field(self, value: Any, kind: str, name: str, owner: str, path: str, depth: int) -> Any:
        """Read the value of one field, list and map included."""
        if kind.startswith("[]"):
            items = value if isinstance(value, list) else [value]
            read = [self.value(item, kind[2:], name, f"{path}[{i}]", depth) for i, item in enumerate(items) if item is not None]
            return [item for item in read if item is not ABSENT]
        if isinstance(value, list) and kind != "any":
            return self.unknown(name, owner, "Proto field is not repeating, cannot start list.")
        if kind.startswith("{}"):
            if not isinstance(value, dict):
                return self.wrong(path, "Map", value)
            read_map = {
                key: self.value(item, kind[2:], name, f"{path}[{i}].value", depth)
                for i, (key, item) in enumerate(value.items())
            }
            return {key: item for key, item in read_map.items() if item is not ABSENT}
        return self.value(value, kind, name, path, depth)

    def value(self, value: Any, kind: str, name: str, path: str, depth: int) -> Any:
        """Read one value."""
        if kind in ("any", "struct"):
            _check_depth(value, path, depth)
            return value if kind == "any" or isinstance(value, dict) else self.wrong(path, "google.protobuf.Struct", value)
        if kind[0].isupper():
            return (
                self.message(value, kind, path, depth + 1)
                if isinstance(value, dict)
                else self.wrong(path, PACKAGE + kind, value)
            )
        if isinstance(value, dict):
            owner, _, last = path.rpartition(".")
            where = f" at '{owner}' ({last})" if owner else f" ({last})"
            return self.note(owner, f"Invalid value{where}, Starting an object on a scalar field")
        if isinstance(value, list):
            return self.unknown(name, path, "Proto field is not repeating, cannot start list.")
        if kind.startswith("enum:"):
            read = _enum(value, self.shapes.enums[kind[5:]])
            return self.wrong(path, PACKAGE + kind[5:], value) if read is ABSENT else read
        read = SCALARS[kind](value)
        if read is not ABSENT:
            return read
        if kind == "bytes" and isinstance(value, str):
            return self.note(path, f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed for {_quoted(value)}")
        return self.wrong(path, WELL_KNOWN.get(kind, f"TYPE_{kind.upper()}"), value)

    def unknown(self, name: str, path: str, why: str) -> Any:
        """Note a name that has no place here."""
        where = f" at '{path}'" if path else ""
        return self.note(path, f'Invalid JSON payload received. Unknown name "{name}"{where}: {why}')

    def wrong(self, path: str, kind: str, value: Any) -> Any:
        """Note a value of another kind."""
        shown = kind if kind.startswith(("TYPE_", "type.")) else f"type.googleapis.com/{kind}"
        return self.note(path, f"Invalid value at '{path}' ({shown}), {_quoted(value)}")

    def note(self, path: str, description: str) -> Any:
        """Note a violation; with the last one that an error may tell, the reading ends."""
        self.violations.append((path, description))
        if len(self.violations) >= VIOLATIONS_MAX:
            raise bad_request(self.violations)
        return ABSENT


PART_DATA = frozenset(
    {
        "text",
        "inlineData",
        "fileData",
        "functionCall",
        "functionResponse",
        "executableCode",
        "codeExecutionResult",
        "toolCall",
        "toolResponse",
    }
)
"""The fields of a Part of which exactly one is set (the oneof `data`)."""

WELL_KNOWN = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration"}


def _string(value: Any) -> Any:
    return value if isinstance(value, str) else ABSENT


def _bytes(value: Any) -> Any:
    """Both alphabets, with or without padding."""
    if not isinstance(value, str):
        return ABSENT
    plain = value.replace("-", "+").replace("_", "/").rstrip("=\r\n")
    try:
        base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return ABSENT
    return value


def _bool(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value, ABSENT) if isinstance(value, str) else ABSENT


def _integer(low: int, high: int) -> Any:
    def read(value: Any) -> Any:
        if isinstance(value, bool):
            return ABSENT
        try:
            number = float(value) if isinstance(value, str) and not value.lstrip("-").isdigit() else value
            whole = int(number)
        except (TypeError, ValueError, OverflowError):
            return ABSENT
        return whole if whole == (number if isinstance(number, float) else whole) and low <= whole <= high else ABSENT

    return read


def _float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return ABSENT
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return ABSENT
    return number if isinstance(value, str) else value


def _pattern(pattern: str) -> Any:
    def read(value: Any) -> Any:
        return value if isinstance(value, str) and re.fullmatch(pattern, value) else ABSENT

    return read


SCALARS: dict[str, Any] = {
    "string": _string,
    "bytes": _bytes,
    "bool": _bool,
    "int32": _integer(-(2**31), 2**31 - 1),
    "uint32": _integer(0, 2**32 - 1),
    "int64": _integer(-(2**63), 2**63 - 1),
    "uint64": _integer(0, 2**64 - 1),
    "float": _float,
    "double": _float,
    "duration": _pattern(r"-?\d+(\.\d{1,9})?s"),
    "timestamp": _pattern(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)"),
}


def _enum(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        listed = list(values.values())
        return listed[value] if 0 <= value < len(listed) else ABSENT
    return values.get(value.upper().replace("-", "_"), ABSENT) if isinstance(value, str) else ABSENT


def _quoted(value: Any) -> str:
    """Show a value as the service does: strings in quotes, shortened."""
    text = msgspec.json.encode(value).decode() if not isinstance(value, float) else repr(value)
    return text if len(text) <= 200 else text[:200] + "…"


def _check_depth(value: Any, path: str, depth: int) -> None:
    waiting = [(value, depth)]
    while waiting:
        item, level = waiting.pop()
        if level > DEPTH_MAX:
            raise _too_deep(path)
        if isinstance(item, (dict, list)):
            waiting += [(child, level + 1) for child in (item.values() if isinstance(item, dict) else item)]


def _too_deep(path: str) -> NativeError:
    return invalid(f"Message too deep. Max recursion depth reached for key '{path.rpartition('.')[2]}'")
