"""Closed shapes: a shape that refuses fields which it does not name, and the search for such fields in a body.

A request is decoded by its closed shape, which costs what the open one does. Only a body that holds an unknown field is looked
at again: decoded by the open shape, and searched for the names. The search decodes keys alone, not what stands under them.
"""

import re
import types
from collections.abc import Iterator
from functools import cache
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Raw, Struct

T = TypeVar("T", bound=Struct)

NAME_CHARACTERS_MAX = 64
"""Longest beginning of an unknown field's name that is told; a name is the caller's text."""

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_NULL = Raw(b"null")
_keys = msgspec.json.Decoder(dict[str, Raw]).decode
_items = msgspec.json.Decoder(list[Raw]).decode


class Decoders(Generic[T]):
    """The two decoders of one shape. Not `strict`, they take numbers and booleans as texts too, as forms have them."""

    __slots__ = ("closed", "open", "shape")

    def __init__(self, shape: type[T], *, strict: bool = True) -> None:
        self.shape = shape
        self.open: msgspec.json.Decoder[T] = msgspec.json.Decoder(shape, strict=strict)
        self.closed: msgspec.json.Decoder[T] = msgspec.json.Decoder(_closed(shape), strict=strict)


def unknown_fields(body: bytes | bytearray | Raw, shape: type[Struct], path: str = "") -> Iterator[str]:
    """Give the paths of the fields that a shape does not name, in their order; explicit null is absence.

    The body must be one that the shape's open decoder takes.
    """
    known = _fields(shape)
    for key, value in _keys(body).items():
        if key not in known:
            if value != _NULL:
                yield joined(path, key)
        elif known[key]:
            yield from _unknown_within(value, known[key], joined(path, key))


def joined(path: str, key: str) -> str:
    """Add a key to a path; an odd one in brackets and quotes, cut to what may be told."""
    if _PLAIN_NAME.fullmatch(key):
        return f"{path}.{key}" if path else key
    return f"{path}[{msgspec.json.encode(key[:NAME_CHARACTERS_MAX]).decode()}]"


def _closed(kind: Any) -> Any:
    """Close a shape and those inside it. The closed one is a subclass with the same fields."""
    if _is_shape(kind):
        return _closed_struct(kind)
    origin = get_origin(kind)
    if origin is None or origin is Literal:
        return kind
    inner = tuple(_closed(each) for each in get_args(kind))
    return Union[inner] if origin in (Union, types.UnionType) else origin[inner]  # noqa: UP007 - made at run time


@cache
def _closed_struct(shape: type[Struct]) -> type[Struct]:
    fields: list[tuple[str, Any, Any] | tuple[str, Any]] = []
    for field in msgspec.structs.fields(shape):
        kind = _closed(field.type)
        if field.default is not NODEFAULT:
            fields.append((field.name, kind, field.default))
        elif field.default_factory is not NODEFAULT:
            fields.append((field.name, kind, msgspec.field(default_factory=field.default_factory)))
        else:
            fields.append((field.name, kind))
    return msgspec.defstruct(
        shape.__name__, fields, bases=(shape,), forbid_unknown_fields=True, kw_only=True, gc=shape.__struct_config__.gc
    )


def _unknown_within(value: Raw, kinds: tuple[Any, ...], path: str) -> Iterator[str]:
    """Search a field's value: an object by the shape among its kinds, a list by the list among them."""
    match bytes(memoryview(value)[:1]):
        case b"{":
            for shape in filter(_is_shape, kinds):
                yield from unknown_fields(value, shape, path)
        case b"[":
            for listed in (kind for kind in kinds if not _is_shape(kind)):
                inner = _kinds(get_args(listed)[0])
                for i, item in enumerate(_items(value)):
                    yield from _unknown_within(item, inner, f"{path}[{i}]")


@cache
def _fields(shape: type[Struct]) -> dict[str, tuple[Any, ...]]:
    """Give the names of a shape's fields, and of each the kinds that may hold unknown ones."""
    return {field.encode_name: _kinds(field.type) for field in msgspec.structs.fields(shape)}


@cache
def _kinds(kind: Any) -> tuple[Any, ...]:
    """Give the shapes among the kinds of a field, and the lists of shapes."""
    kinds = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
    return tuple(each for each in kinds if _is_shape(each) or (get_origin(each) is list and _kinds(get_args(each)[0])))


def _is_shape(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)
