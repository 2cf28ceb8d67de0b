"""The result of a row, the table of all, and the same as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass

DETAIL_CHARACTERS_MAX = 160


@dataclass(frozen=True, slots=True)
class Result:
    """One sample in one language and way. `due`: must be green now. `detail`: what was checked, or why it is red."""

    sample: str
    language: str
    issue: int | None
    due: bool
    green: bool
    detail: str
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """The word of the table: green and red, and for rows of later issues the present outcome behind the issue."""
        if self.due:
            return "green" if self.green else "RED"
        return f"later (issue {self.issue}): {'green already' if self.green else 'red'}"


def table(results: Sequence[Result]) -> str:
    """Return the results as aligned lines under a heading, and a last line that counts them."""
    rows = [("sample", "language", "result", "what was checked, or why it is red")]
    rows += [(result.sample, result.language, result.verdict, _one_line(result.detail)) for result in results]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows]
    lines.insert(1, "  ".join("-" * len(name) for name in (*("x" * width for width in widths), rows[0][3])))
    return "\n".join([*lines, "", summary(results)])


def summary(results: Sequence[Result]) -> str:
    """Return one line: how many rows are due and green, and how many later ones."""
    due = [result for result in results if result.due]
    later = [result for result in results if not result.due]
    counted = f"{sum(result.green for result in due)} of {len(due)} due rows are green"
    return (
        f"{counted}; {len(later)} rows belong to later issues, {sum(result.green for result in later)} of them green already."
    )


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= DETAIL_CHARACTERS_MAX else line[: DETAIL_CHARACTERS_MAX - 1] + "…"
