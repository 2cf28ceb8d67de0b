"""Fields of a form and the JSON that they mean."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pollux.errors import InvalidRequest
from pollux.wire.forms import DEPTH_MAX, nested


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ([("a", "1")], {"a": "1"}),
        ([("a[b][c]", "1"), ("a[b][d]", "2")], {"a": {"b": {"c": "1", "d": "2"}}}),
        ([("extra_body.google.x", "1")], {"extra_body": {"google": {"x": "1"}}}),
        ([("a[]", "1"), ("a[]", "2")], {"a": ["1", "2"]}),
        ([("a[0]", "1"), ("a[1]", "2")], {"a": ["1", "2"]}),
        ([("a[][x]", "1"), ("a[][y]", "2"), ("a[][x]", "3")], {"a": [{"x": "1", "y": "2"}, {"x": "3"}]}),
        ([("a[][x]", "1"), ("a[][x]", "2"), ("a[][y]", "3")], {"a": [{"x": "1", "y": "3"}, {"x": "2"}]}),
        (
            [("a[][x]", "1"), ("a[][x]", "3"), ("a[][y]", "2"), ("a[][y]", "4")],
            {"a": [{"x": "1", "y": "2"}, {"x": "3", "y": "4"}]},
        ),
        ([("a[][x]", "1"), ("a[][x]", "2"), ("a[][y]", "3")][:2], {"a": [{"x": "1"}, {"x": "2"}]}),
        ([("a[][x]", "1"), ("a[][x]", "2"), ("b[][x]", "3")], {"a": [{"x": "1"}, {"x": "2"}], "b": [{"x": "3"}]}),
        ([("a[0][x]", "1"), ("a[1][x]", "2"), ("a[0][y]", "3")], {"a": [{"x": "1", "y": "3"}, {"x": "2"}]}),
        ([("a[b][][c]", "1"), ("a[b][][d]", "2"), ("a[b][][c]", "3")], {"a": {"b": [{"c": "1", "d": "2"}, {"c": "3"}]}}),
        ([("a[][x][y]", "1"), ("a[][x][z]", "2")], {"a": [{"x": {"y": "1", "z": "2"}}]}),
        ([("file.name", "1")], {"file.name": "1"}),
    ],
)
def test_a_form_means_json(fields: list[tuple[str, str]], meant: dict[str, Any]) -> None:
    """Objects, lists and lists of objects are put together, in the order of either official client."""
    assert nested(fields) == meant


@pytest.mark.parametrize(
    "fields",
    [
        [("a", "1"), ("a", "2")],
        [("a", "1"), ("a[b]", "2")],
        [("a[]", "1"), ("a[b]", "2")],
        [("a[b]", "1"), ("a[]", "2")],
        [("a[][][b]", "1")],
        [("a[b", "1")],
        [("a]b[", "1")],
        [("", "1")],
        [("[b]", "1")],
        [("a" + "[b]" * 9, "1")],
        [("a[]", "1")] * 1001,
    ],
)
def test_what_cannot_be_put_together_is_refused(fields: list[tuple[str, str]]) -> None:
    """A name that is there twice, two shapes in one place, brackets that do not close, names without end."""
    with pytest.raises(InvalidRequest):
        nested(fields)


NAMES = st.sampled_from("abcdef")
TEXTS = st.text(max_size=5)


@given(st.dictionaries(NAMES, st.recursive(TEXTS, lambda inner: st.dictionaries(NAMES, inner, min_size=1), max_leaves=6)))
def test_any_object_comes_back_from_its_form(meant: dict[str, Any]) -> None:
    """Brackets spell objects of any depth that is allowed."""
    fields = list(spelled(meant))
    assume(all(name.count("[") < DEPTH_MAX for name, _ in fields))

    assert nested(fields) == meant


@given(st.sampled_from(["in turn", "by key"]), st.lists(NAMES, min_size=1, max_size=3, unique=True), st.integers(1, 4))
def test_lists_of_objects_come_back_in_either_client_s_order(order: str, keys: list[str], count: int) -> None:
    """Objects of the same keys, one after the other or key by key."""
    meant = [{key: f"{key}{number}" for key in keys} for number in range(count)]
    fields = [(f"x[][{key}]", f"{key}{number}") for number in range(count) for key in keys]
    if order == "by key":
        fields.sort(key=lambda field: keys.index(field[0][4]))

    assert nested(fields) == {"x": meant}


def spelled(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Spell an object as the fields of a form."""
    for key, inner in value.items():
        name = f"{prefix}[{key}]" if prefix else key
        if isinstance(inner, dict):
            yield from spelled(inner, name)
        else:
            yield name, inner
