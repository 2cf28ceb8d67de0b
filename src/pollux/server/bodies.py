"""Request bodies: bytes → shapes, once, with errors that name the place.

JSON is strict. When strict parsing fails, a second pass forgives exactly two things that the guide's own curl samples contain:
a trailing comma, and raw line breaks inside strings (`base64 -i` wraps its lines on Linux). CONTRACT, section 5.
"""

import re
from typing import Any, NoReturn, TypeVar

import msgspec

from pollux.errors import InvalidRequest

T = TypeVar("T")

_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_MISMATCH = re.compile(r"Expected `(?P<expected>[^`]*)`, got `(?P<got>[^`]*)`")
_FORGIVEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|,(?=\s*+[}\]])', re.DOTALL)
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

TYPE_NAMES = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def read(body: bytes, decoder: "msgspec.json.Decoder[T]", *, nesting_max: int) -> T:
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
    if b"\\u0000" in body:
        _refuse_nul(decoded)
    return decoded


def depth_within(value: Any, levels: int) -> bool:
    """Say whether plain JSON is nested at most so many levels; walks no deeper."""
    if levels < 0:
        return False
    if isinstance(value, dict):
        return all(depth_within(inner, levels - 1) for inner in value.values())
    if isinstance(value, list):
        return all(depth_within(inner, levels - 1) for inner in value)
    return True


def _second_pass(body: bytes, decoder: "msgspec.json.Decoder[T]", error: Exception, nesting_max: int) -> T:
    forgiven = _FORGIVEN.sub(lambda found: b"" if found[0] == b"," else _with_escapes(found[0]), body)
    if forgiven != body:
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


def _near(reason: str, body: bytes) -> str:
    """Quote the body around the place that the parser names."""
    place = re.search(r"\(byte (\d+)\)", reason)
    if place is None:
        return ""
    at = int(place[1])
    return ", near " + repr(body[max(0, at - 40) : at + 20].decode(errors="replace"))


def _with_escapes(text: bytes) -> bytes:
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
    raise InvalidRequest(f"{path or 'The body'} {what}.", param=path or None, code="invalid_type") from None


def _too_deep(nesting_max: int) -> NoReturn:
    raise InvalidRequest(f"The body is nested too deeply; {nesting_max} levels are allowed.", code="nesting_too_deep") from None


def _refuse_nul(decoded: Any) -> None:
    path = _path_of(msgspec.to_builtins(decoded), "\x00")
    if path is not None:
        raise InvalidRequest(f"{path} holds the character NUL (\\u0000), which is not text.", param=path)


def _refuse_lone_surrogates(body: bytes) -> None:
    import json  # noqa: TID251 - msgspec refuses lone surrogates without a place; the standard library reads them

    try:
        path = _path_of(json.loads(body), None)
    except (ValueError, RecursionError):
        return
    if path is not None:
        raise InvalidRequest(
            f"{path} holds half of a surrogate pair (\\ud800 to \\udfff alone), which is not text.",
            param=path,
            code="invalid_json",
        ) from None


def _path_of(value: Any, needle: str | None, path: str = "") -> str | None:
    """Find the first text that holds `needle`, or, for None, that cannot be written as UTF-8."""
    match value:
        case str():
            if needle is not None:
                return (path or "The body") if needle in value else None
            try:
                value.encode()
            except UnicodeEncodeError:
                return path or "The body"
            return None
        case dict():
            inner = ((f"{path}.{key}" if path else str(key), item) for key, item in value.items())
        case list():
            inner = ((f"{path}[{i}]", item) for i, item in enumerate(value))
        case _:
            return None
    return next((found for place, item in inner if (found := _path_of(item, needle, place)) is not None), None)
