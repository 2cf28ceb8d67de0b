"""The parameter table against what is really done: every parameter has a row, and every row a pair that shows its fate."""

from functools import cache
from typing import Any

import msgspec
import pytest

from pollux.translate.parameters import ROWS
from pollux.wire.openai.chat import ChatCompletionRequest
from tests.judges import pairs

CARRIED_BY_THE_CALL = ("model", "messages", "stream", "stream_options", "parallel_tool_calls")
"""Mapped parameters that choose the path, the contents, the chunks or the answer rather than a native field."""


@cache
def shown() -> dict[str, tuple[dict[str, Any], pairs.Case]]:
    """Give the requests of the pairs, and their cases."""
    return {str(case): (msgspec.json.decode(case.given("openai.json")), case) for case in pairs.cases("chat/requests")}


def test_every_parameter_has_one_row() -> None:
    """The rows name the fields of the request, each once."""
    assert sorted(row.name for row in ROWS) == sorted(ChatCompletionRequest.__struct_fields__)


@pytest.mark.parametrize("row", [row for row in ROWS if row.fate == "mapped"], ids=lambda row: row.name)
def test_a_mapped_parameter_reaches_the_field_that_its_row_names(row: Any) -> None:
    """Every field that the row names stands on the native side of a pair that gives the parameter."""
    to = next(other.to for other in ROWS if other.name == "extra_body") if row.to == "as extra_body.google" else row.to
    fields = [place.rpartition(".")[2] for place in to.split(", ")]
    names = (
        {"extra_body", "google"} if "extra_body" in (row.name, row.to.rpartition(".")[0].removeprefix("as ")) else {row.name}
    )
    golden = [case.golden()["gemini.json"] for request, case in shown().values() if names & request.keys() and _is_built(case)]

    assert golden
    assert row.name in CARRIED_BY_THE_CALL or all(any(f'"{field}"'.encode() in text for text in golden) for field in fields)


@pytest.mark.parametrize("row", [row for row in ROWS if row.fate == "ignored"], ids=lambda row: row.name)
def test_an_ignored_parameter_is_noted_in_the_words_of_its_row(row: Any) -> None:
    """A pair gives the parameter, and its notes say why it is ignored."""
    notes = [
        note
        for _, case in shown().values()
        if "notes.json" in case.golden()
        for note in msgspec.json.decode(case.golden()["notes.json"])
    ]

    assert {"param": row.name, "fate": "ignored", "why": row.why} in notes


@pytest.mark.parametrize("row", [row for row in ROWS if row.fate == "refused"], ids=lambda row: row.name)
def test_a_refused_parameter_is_refused_by_name(row: Any) -> None:
    """A pair gives the parameter, and the error names it and says why."""
    errors = [
        msgspec.json.decode(case.golden()["refused.json"])["body"]["error"]
        for request, case in shown().values()
        if row.name in request and not _is_built(case)
    ]

    assert any(error["param"] == row.name and row.why in error["message"] for error in errors)


def _is_built(case: pairs.Case) -> bool:
    return "gemini.json" in case.golden()
