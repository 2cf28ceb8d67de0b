"""Fields of a form → the JSON that they mean: `a[b]`, `a.b`, `a[]`, `a[][b]`, `a[0][b]`.

Both official clients flatten nested values into such names, and tell neither texts from numbers nor one object of a list
from the next. JavaScript's sends one object after the other, so one ends where a key of it comes again; Python's sends one
key of all objects after the other, so each value belongs to the object of its number.

Source: OpenAI API surface, section 4; both clients.
"""

import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from pollux.errors import InvalidRequest

DEPTH_MAX: Final = 8
"""Deepest name; the clients make four levels."""

LIST_MAX: Final = 1000
"""Longest list in a form."""

_STEP: Final = re.compile(r"\[([^\[\]]*)\]")
_DOTTED: Final = re.compile(r"(?:extra_body|google)\.[^\[\]]+")


@dataclass(frozen=True, slots=True)
class Attached:
    """A file in a form; `label` is the media type that the caller gives it."""

    data: bytes
    label: str = ""
    filename: str = ""


Value = str | Attached


def nested(fields: Iterable[tuple[str, Value]]) -> dict[str, Any]:
    """Give the object that the fields of a form spell. Raises InvalidRequest, naming the field."""
    whole: dict[str, Any] = {}
    for name, value in _numbered(list(fields)):
        steps = _steps(name)
        if not steps or len(steps) > DEPTH_MAX:
            raise InvalidRequest(f"The field {name[:100]!r} has a name that cannot be read.", param=name[:100] or None)
        _put(whole, steps, value, name[:100])
    return whole


def _numbered(fields: list[tuple[str, Value]]) -> list[tuple[str, Value]]:
    """Put the number of its object into every `a[][b]`."""
    keys: dict[str, list[str]] = {}
    for name, _ in fields:
        prefix, found, key = name.partition("[][")
        if found:
            keys.setdefault(prefix, []).append(key)
    by_key = {prefix for prefix, listed in keys.items() if len(set(listed)) > 1 and any(map(operator.eq, listed, listed[1:]))}
    seen: dict[str, dict[str, int]] = {}
    numbered: list[tuple[str, Value]] = []
    for name, value in fields:
        prefix, found, key = name.partition("[][")
        if found:
            counts = seen.setdefault(prefix, {})
            number = counts[key] = counts.get(key, -1) + 1
            if prefix not in by_key:  # the number of the object that is being told
                number = counts[""] = max(counts.get("", 0), number)
                counts[key] = number
            numbered.append((f"{prefix}[{number}][{key}", value))
        else:
            numbered.append((name, value))
    return numbered


def _steps(name: str) -> list[str]:
    """Take a name apart; an empty step is the end of a list."""
    if _DOTTED.fullmatch(name):
        return name.split(".")
    head, bracket, rest = name.partition("[")
    if not bracket:
        return [name] if name else []
    inner = _STEP.findall(bracket + rest)
    return [head, *inner] if head and "".join(f"[{step}]" for step in inner) == bracket + rest else []


def _put(place: dict[str, Any], steps: list[str], value: Value, name: str) -> None:
    key, *rest = steps
    if not rest:
        if key in place:
            raise InvalidRequest(f"The field {name!r} is there twice.", param=name)
        place[key] = value
    elif _is_index(rest[0]):
        listed = place.setdefault(key, [])
        if not isinstance(listed, list):
            raise _mixed(name)
        _append(listed, rest[0], rest[1:], value, name)
    else:
        inner = place.setdefault(key, {})
        if not isinstance(inner, dict):
            raise _mixed(name)
        _put(inner, rest, value, name)


def _append(listed: list[Any], index: str, rest: list[str], value: Value, name: str) -> None:
    """Put a value into a list: at its number, else into the last object as long as that lacks the key."""
    if rest and _is_index(rest[0]):
        raise InvalidRequest(f"The field {name!r} holds a list of lists.", param=name)
    if not rest:
        listed.append(value)
    elif index and int(index) < len(listed):
        inner = listed[int(index)]
        if not isinstance(inner, dict):
            raise _mixed(name)
        _put(inner, rest, value, name)
    else:
        listed.append({})
        _put(listed[-1], rest, value, name)
    if len(listed) > LIST_MAX:
        raise InvalidRequest(f"The list {name!r} has more than {LIST_MAX} entries.", param=name)


def _is_index(step: str) -> bool:
    return not step or (step.isascii() and step.isdigit() and len(step) <= 4)


def _mixed(name: str) -> InvalidRequest:
    return InvalidRequest(f"The field {name!r} is spelled in two ways that do not fit together.", param=name)
