"""Request bodies: bytes → shapes, once, with errors that name the place.

JSON is strict. When strict parsing fails, a second pass forgives exactly two things that the guide's own curl samples contain:
a trailing comma, and raw line breaks inside strings (`base64 -i` wraps its lines on Linux). CONTRACT, section 5.
"""

import re
from collections.abc import Callable
from itertools import islice
from typing import Any, NoReturn, TypeVar

import msgspec

from pollux.errors import InvalidRequest
from pollux.translate.notes import Note
from pollux.wire.closed import Decoders, unknown_fields

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)

_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_MISMATCH = re.compile(r"Expected `(?P<expected>[^`]*)`, got `(?P<got>[^`]*)`")
_PLAIN = re.compile(rb'(?:[^",]++|"[^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+"|,(?!\s*+[}\]]))++')
"""What stays as it is, up to the next slip. Each byte is looked at a bounded number of times, whatever the body holds."""
_TEXT = re.compile(rb'"[^"\\]*+(?:\\[^\r\n][^"\\]*+)*+"')
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

UNKNOWN_FIELDS_MAX = 100
"""Most unknown fields of a body that are noted; one in each of 10,000 messages says no more."""

SLIPS_MAX = 1000
"""Slips that are forgiven in one body; a script that writes them makes a few. More would cost time without end."""

PLACE_BYTES_MAX = 1_048_576
"""Largest body in which the place of a NUL or of half a surrogate pair is looked for: the search costs a second for 5 MB."""

COUNTED_BYTES_MAX = 1_048_576
"""Largest body whose brackets are counted before its depth is looked at: to count costs a millisecond a megabyte."""

BACKSLASHES_MAX = 1000
"""So many are looked at one by one; then the whole body is searched, at a millisecond a megabyte."""

TYPE_NAMES = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def read(body: bytes | bytearray, decoder: "msgspec.json.Decoder[T]", *, nesting_max: int) -> T:
    """Decode a body. Raises InvalidRequest, which names the parameter."""
    if not body:
        raise InvalidRequest("The request has no body; send a JSON object.", code="invalid_json")
    try:
        decoded = decoder.decode(body)
    except msgspec.ValidationError as error:
        _mismatch(error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _second_pass(body, decoder, error, nesting_max)
    except RecursionError:
        _too_deep(nesting_max)
    if _may_hold_nul(body):
        _refuse_nul(decoded)
    if len(body) > COUNTED_BYTES_MAX or body.count(b"[") + body.count(b"{") > nesting_max:
        _refuse_depth(decoded, nesting_max)
    return decoded


def _may_hold_nul(body: bytes | bytearray) -> bool:
    """Say whether a NUL may be written in a body. From one backslash to the next, while they are few: images have none."""
    at = body.find(b"\\")
    for _ in range(BACKSLASHES_MAX):
        if at < 0 or body.startswith(b"\\u0000", at):
            return at >= 0
        at = body.find(b"\\", at + 2)
    return b"\\u0000" in body


class UnknownField(InvalidRequest):
    """A closed shape does not name a field of the body."""


def read_request(body: bytes | bytearray, decoders: Decoders[S], notes: list[Note], *, nesting_max: int) -> S:
    """Decode a request's body. A field that its shape does not name is dropped, and noted. Raises InvalidRequest."""
    try:
        return read(body, decoders.closed, nesting_max=nesting_max)
    except UnknownField:
        request = read(body, decoders.open, nesting_max=nesting_max)
    try:
        unknown = [*islice(unknown_fields(body, decoders.shape), UNKNOWN_FIELDS_MAX)]
    except msgspec.DecodeError:  # a slip that was forgiven
        unknown = [*islice(unknown_fields(_forgiven(body) or body, decoders.shape), UNKNOWN_FIELDS_MAX)]
    notes += [Note(path, "ignored", "there is no such field") for path in unknown]
    return request


def depth_within(value: Any, levels: int) -> bool:
    """Say whether plain JSON is nested at most so many levels; walks no deeper."""
    if levels < 0:
        return False
    if isinstance(value, dict):
        return all(depth_within(inner, levels - 1) for inner in value.values())
    if isinstance(value, list):
        return all(depth_within(inner, levels - 1) for inner in value)
    return True


def _refuse_depth(decoded: Any, nesting_max: int) -> None:
    """Refuse plain JSON that is nested too deeply; shapes bound what is in them. A field is one level deep already."""
    if not isinstance(decoded, msgspec.Struct):
        if not depth_within(decoded, nesting_max):
            _too_deep(nesting_max)
        return
    for name in decoded.__struct_fields__:
        value = getattr(decoded, name)
        plain = isinstance(value, dict) or (isinstance(value, list) and not (value and isinstance(value[0], msgspec.Struct)))
        if plain and not depth_within(value, nesting_max - 1):
            raise InvalidRequest(
                f"{name} is nested too deeply; {nesting_max} levels are allowed.", param=name, code="nesting_too_deep"
            )


def _second_pass(body: bytes | bytearray, decoder: "msgspec.json.Decoder[T]", error: Exception, nesting_max: int) -> T:
    forgiven = _forgiven(body)
    if forgiven is not None:
        try:
            return decoder.decode(forgiven)
        except msgspec.ValidationError as mismatch:
            _mismatch(mismatch)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        except RecursionError:
            _too_deep(nesting_max)
    if _ESCAPED_SURROGATE.search(body):
        _refuse_lone_surrogates(body)
    if isinstance(error, UnicodeDecodeError):
        raise InvalidRequest("The body is not UTF-8 text.", code="invalid_json") from None
    reason = str(error).removeprefix("JSON is malformed: ")
    raise InvalidRequest(f"The body is not valid JSON: {reason}{_near(reason, body)}.", code="invalid_json") from None


def _forgiven(body: bytes | bytearray) -> bytes | None:
    """Mend the two slips; None when there are none, too many, or others."""
    pieces: list[bytes | bytearray] = []
    at = 0
    for _ in range(SLIPS_MAX + 1):
        plain = _PLAIN.match(body, at)
        end = plain.end() if plain else at
        pieces.append(body[at:end])
        if end == len(body):
            return b"".join(pieces) if at else None
        if body[end] == ord(","):
            at = end + 1
        elif text := _TEXT.match(body, end):
            pieces.append(_with_escapes(text[0]))
            at = text.end()
        else:
            return None
    return None


def _near(reason: str, body: bytes | bytearray) -> str:
    """Quote the body around the place that the parser names."""
    place = re.search(r"\(byte (\d+)\)", reason)
    if place is None:
        return ""
    at = int(place[1])
    return ", near " + repr(body[max(0, at - 40) : at + 20].decode(errors="replace"))


def _with_escapes(text: bytes | bytearray) -> bytes | bytearray:
    """Write the raw line breaks of a string as JSON wants them; whoever reads base64 passes over them."""
    return text.replace(b"\r", b"\\r").replace(b"\n", b"\\n")


def _mismatch(error: msgspec.ValidationError) -> NoReturn:
    found = _PLACE.match(str(error))
    what, path = (found["what"], found["path"] or "") if found else (str(error), "")
    missing = _MISSING.search(what)
    if missing:
        param = f"{path}.{missing['field']}" if path else missing["field"]
        raise InvalidRequest(f"{param} is missing.", param=param, code="missing_required_parameter") from None
    mismatch = _MISMATCH.search(what)
    if mismatch:
        expected = " or ".join(TYPE_NAMES.get(name, name) for name in mismatch["expected"].split(" | ") if name != "null")
        what = f"must be {expected}, not {TYPE_NAMES.get(mismatch['got'], mismatch['got'])}"
    else:
        what = what[:1].lower() + what[1:]
    kind = UnknownField if what.startswith("object contains unknown field") else InvalidRequest
    raise kind(f"{path or 'The body'} {what}.", param=path or None, code="invalid_type") from None


def _too_deep(nesting_max: int) -> NoReturn:
    raise InvalidRequest(f"The body is nested too deeply; {nesting_max} levels are allowed.", code="nesting_too_deep") from None


def _refuse_nul(decoded: Any) -> None:
    encoded = msgspec.json.encode(decoded)
    if b"\\u0000" not in encoded.replace(b"\\\\", b""):
        return
    path = _path_of(msgspec.json.decode(encoded), _holds_nul) if len(encoded) <= PLACE_BYTES_MAX else None
    raise InvalidRequest(f"{path or 'The body'} holds the character NUL (\\u0000), which is not text.", param=path)


def _refuse_lone_surrogates(body: bytes | bytearray) -> None:
    import json  # noqa: TID251 - msgspec refuses lone surrogates without a place; the standard library reads them

    if len(body) > PLACE_BYTES_MAX:
        return
    try:
        path = _path_of(json.loads(body), _holds_lone_surrogate)
    except (ValueError, RecursionError):
        return
    if path is not None:
        raise InvalidRequest(
            f"{path} holds half of a surrogate pair (\\ud800 to \\udfff alone), which is not text.",
            param=path,
            code="invalid_json",
        ) from None


def _path_of(value: Any, holds: Callable[[str], bool]) -> str | None:
    """Find the first text of which `holds` is true. It keeps its own stack, since the nesting is the caller's choice."""
    to_visit: list[tuple[str, Any]] = [("", value)]
    while to_visit:
        path, item = to_visit.pop()
        match item:
            case str() if holds(item):
                return path or "The body"
            case dict():
                to_visit += [(f"{path}.{key}" if path else str(key), inner) for key, inner in reversed(item.items())]
            case list():
                to_visit += [(f"{path}[{i}]", inner) for i, inner in reversed([*enumerate(item)])]
    return None


def _holds_nul(text: str) -> bool:
    return "\x00" in text


def _holds_lone_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
