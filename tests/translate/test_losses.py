"""The loss report: what a code may hold, how long a header may be, and that every note has a code."""

import ast
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.translate import losses
from pollux.translate.notes import Note
from pollux.translate.parameters import ROWS
from tests.judges import pairs

FATES = ("ignored", "approximated", "added", "mismatch")
CODE = re.compile(r"[a-z_.]+=(ignored|approximated|added|mismatch)")

NOTES = st.lists(st.builds(Note, param=st.text(max_size=200), fate=st.sampled_from(FATES), why=st.text(max_size=50)))


@pytest.mark.parametrize(
    ("param", "code"),
    [
        ("seed", "seed=ignored"),
        ("messages[3].tool_calls[0].function.arguments", "messages=ignored"),
        ("tools[0].function.parameters.properties.password", "tools=ignored"),
        ("extra_body.google.my_secret", "extra_body=ignored"),
        ("my_secret", "unknown=ignored"),
        ("my_secret.seed", "unknown=ignored"),
        ("", "unknown=ignored"),
    ],
)
def test_a_code_names_the_parameter_and_nothing_of_the_caller(param: str, code: str) -> None:
    """The longest beginning of the path that a table has; a caller's own key never stands in it."""
    assert losses.code(Note(param, "ignored", "")) == code


@given(NOTES)
def test_the_header_is_short_ascii_from_the_tables(notes: list[Note]) -> None:
    """Whatever the notes hold, the header is at most 1 KB of codes whose names are the tables'."""
    header = losses.header(notes).decode("ascii")
    names = {entry.partition("=")[0] for entry in header.split(", ")} if header else set()

    assert len(header) <= 1024
    assert names <= losses.NAMES | {losses.UNKNOWN}


def test_a_header_that_is_cut_says_how_many_are_left_out() -> None:
    """As many codes as fit, and the number of the others."""
    notes = [Note(row.name, fate, "") for row in ROWS for fate in ("ignored", "approximated", "added", "mismatch")]
    shown = losses.header(notes).decode().split(", ")

    assert shown[:-1] == losses.codes(notes)[: len(shown) - 1]
    assert shown[-1] == f"more={len(notes) - len(shown) + 1}"


def heads_of_notes() -> list[tuple[str, str]]:
    """Find every note that the code makes with a name that stands there, and its name up to what is put in."""
    found: list[tuple[str, str]] = []
    for file in sorted(Path(losses.__file__).parents[1].rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Note":
                first = node.args[0] if node.args else None
                text = first.values[0] if isinstance(first, ast.JoinedStr) else first
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found.append((f"{file.name}:{node.lineno}", text.value))
    return found


@pytest.mark.parametrize(("place", "param"), heads_of_notes())
def test_every_note_of_the_code_has_a_code(place: str, param: str) -> None:
    """Where the name stands in the code, it is a parameter's: no loss of ours is told as unknown."""
    assert losses.code(Note(param, "ignored", "")) != "unknown=ignored", place


def test_a_loss_is_told_once() -> None:
    """The same code once in the header, the same loss once in the sheet; others of its name stay."""
    notes = [
        Note("messages[0].name", "ignored", "a"),
        Note("messages[0].name", "ignored", "a"),
        Note("messages[1].name", "ignored", "a"),
    ]

    assert losses.header(notes) == b"messages=ignored"
    assert losses.sheet(notes)["losses"] == [
        {"code": "messages=ignored", "param": "messages[0].name", "fate": "ignored", "why": "a"},
        {"code": "messages=ignored", "param": "messages[1].name", "fate": "ignored", "why": "a"},
    ]


def test_a_long_list_is_bounded() -> None:
    """A body and a refusal spell out a hundred, and say how many there are beside."""
    notes = [Note(f"messages[{i}].name", "ignored", "a") for i in range(250)]
    told = losses.sheet(notes)

    assert len(told["losses"]) == losses.LISTED_MAX
    assert told["losses_left_out"] == 150
    assert losses.refusal(notes).message.endswith("; and 150 more.")


@pytest.mark.parametrize(
    "case", [case for case in pairs.cases("chat/requests") if (case.folder / "notes.json").exists()], ids=str
)
def test_every_note_of_the_pairs_has_a_code(case: pairs.Case) -> None:
    """Each note of a golden pair makes a code of a name from the tables."""
    notes = msgspec.json.decode(case.given("notes.json"), type=list[Note])

    assert all(CODE.fullmatch(code) for code in losses.codes(notes))
    assert all(code.partition("=")[0] in losses.NAMES or case.name.startswith("unknown") for code in losses.codes(notes))
