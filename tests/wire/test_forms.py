"""Fields of a form and the JSON that they mean."""

from typing import Any

import pytest

from pollux.errors import InvalidRequest
from pollux.wire.forms import nested


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
