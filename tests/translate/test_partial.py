"""Streamed arguments: places and values → one JSON text."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pollux.translate.partial import ArgumentsWriter, OutOfOrder
from tests.judges import generating

laws = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])


@laws
@given(st.data(), generating.arguments)
def test_arguments_in_pieces_are_the_arguments(data: st.DataObject, arguments: generating.Json) -> None:
    """In whatever pieces arguments come, the pieces that are told make the same JSON, and end it once."""
    part = {"functionCall": {"name": "f", "args": arguments}}
    writer = ArgumentsWriter()
    told = "{"
    for piece in data.draw(generating.streamed_call(part)):
        told += "".join([writer.add(partial) for partial in piece["functionCall"].get("partialArgs", [])])
    told += writer.end()

    assert msgspec.json.decode(told) == arguments
    assert "".join(writer.written) == told


@pytest.mark.parametrize(
    "places",
    [
        ["$.a.b", "$.c", "$.a.d"],
        ["$.a[0].b", "$.a[1].b", "$.a[0].c"],
        ["$.a", "$.a"],
        ["$.a", "$.a.b"],
        ["$[0]"],
        ["$"],
        [""],
        ["a.b"],
        ["$.a["],
        ["$..a"],
    ],
    ids=str,
)
def test_a_place_that_cannot_be_written_is_an_error(places: list[str]) -> None:
    """A place that goes back, comes twice, or is none raises, since what was told cannot be taken back."""
    *earlier, last = places
    writer = ArgumentsWriter()
    for place in earlier:
        writer.add({"jsonPath": place, "numberValue": 1})

    with pytest.raises(OutOfOrder):
        writer.add({"jsonPath": last, "numberValue": 1})
