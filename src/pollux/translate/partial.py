"""Streamed arguments: `partialArgs` → pieces of one JSON text.

The backend names a place (`$.recipe.steps[0].text`) and gives a value for it, strings in pieces. Places come in the order
of the document, so the text can be written as they come: containers that the next place is not inside are closed, new ones
opened. A place that goes back into a closed container cannot be written any more; that is an error, since what was sent
cannot be taken back.

Source: Gemini API (Vertex), streamFunctionCallArguments; recorded streams.
"""

import re
from typing import Any

import msgspec

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]")

Step = str | int


class OutOfOrder(ValueError):
    """A place lies in a container that is closed already, or cannot be read."""


class ArgumentsWriter:
    """Writes one call's arguments, after the brace that opens them; `written` is all of it."""

    __slots__ = ("_done", "_filled", "_place", "_string_open", "written")

    def __init__(self) -> None:
        self.written = ["{"]
        self._filled = [False]  # for the root and every open container below it: whether it has members
        self._place: list[Step] = []  # the last place that was written
        self._done: set[tuple[Step, ...]] = set()  # containers that are closed, and places that hold a value
        self._string_open = False

    def add(self, partial: dict[str, Any]) -> str:
        """Give the text that one partial argument adds. Raises OutOfOrder."""
        place = _steps(str(partial.get("jsonPath", "")))
        text = ""
        if not (self._string_open and place == self._place):
            text += self._end_string() + self._move_to(place)
        value, is_string = _value(partial)
        if is_string:
            piece = msgspec.json.encode(value).decode()[1:-1]
            text += piece if self._string_open else f'"{piece}'
            self._string_open = True
            if not partial.get("willContinue"):
                text += self._end_string()
        else:
            text += msgspec.json.encode(value).decode()
        self.written.append(text)
        return text

    def end(self) -> str:
        """Close what is open, and the arguments."""
        text = self._end_string() + self._close_below(0) + "}"
        self.written.append(text)
        return text

    def _end_string(self) -> str:
        was_open, self._string_open = self._string_open, False
        return '"' if was_open else ""

    def _move_to(self, place: list[Step]) -> str:
        """Close and open containers so that the value of a place can be written."""
        if not place or not isinstance(place[0], str):
            raise OutOfOrder("arguments are an object")
        shared = 0
        while shared < min(len(self._place), len(place)) - 1 and self._place[shared] == place[shared]:
            shared += 1
        text = self._close_below(shared)
        for depth in range(shared, len(place)):
            step = place[depth]
            if tuple(place[: depth + 1]) in self._done:
                raise OutOfOrder("a place is written twice")
            if self._filled[-1]:
                text += ","
            self._filled[-1] = True
            if isinstance(step, str):
                text += msgspec.json.encode(step).decode() + ":"
            if depth < len(place) - 1:
                text += "[" if isinstance(place[depth + 1], int) else "{"
                self._filled.append(False)
        self._done.add(tuple(place))
        self._place = place
        return text

    def _close_below(self, shared: int) -> str:
        """Close the containers of the last place that lie below its first `shared` steps, the innermost first."""
        text = ""
        for depth in range(len(self._place) - 1, shared, -1):
            text += "]" if isinstance(self._place[depth], int) else "}"
            self._filled.pop()
            self._done.add(tuple(self._place[:depth]))
        return text


def _steps(path: str) -> list[Step]:
    if not path.startswith("$"):
        raise OutOfOrder(f"{path[:80]!r} is no place")
    steps: list[Step] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None:
            raise OutOfOrder(f"{path[:80]!r} is no place")
        name, number, single, double = found.groups()
        quoted = single if single is not None else double
        steps.append(int(number) if number is not None else name if name is not None else re.sub(r"\\(.)", r"\1", quoted))
        at = found.end()
    return steps


def _value(partial: dict[str, Any]) -> tuple[Any, bool]:
    if "stringValue" in partial:
        return str(partial["stringValue"]), True
    for key in ("numberValue", "boolValue"):
        if key in partial:
            return partial[key], False
    return None, False
