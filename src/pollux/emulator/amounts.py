"""Numbers that a schema allows: read from a text, then moved into the declared limits."""

import math
from typing import Any

from pollux.emulator.schemas import NUMBER_MAX, Schema

Limit = tuple[float, bool] | None
"""A limit, and whether it is outside itself."""


def within(number: float, schema: Schema, *, whole: bool) -> int | float:
    """Move a number into the declared limits."""
    step = schema.get("multipleOf") or (1 if whole else 0)
    low, high = _limit(schema, "minimum", "exclusiveMinimum"), _limit(schema, "maximum", "exclusiveMaximum")
    if whole:
        number = round(number)
    if low is not None and (number < low[0] or (low[1] and number == low[0])):
        number = low[0] + (_inside(low, high, step) if low[1] else 0)
    if high is not None and (number > high[0] or (high[1] and number == high[0])):
        number = high[0] - (_inside(low, high, step) if high[1] else 0)
    if step:
        number = _on_grid(number, step, low, high)
    return int(number) if whole else number


def _limit(schema: Schema, plain: str, exclusive: str) -> Limit:
    """Read a limit, with whether it is outside itself; older schemas write the latter as a boolean."""
    value, outside = schema.get(plain), schema.get(exclusive)
    if isinstance(outside, bool) or outside is None:
        return (value, bool(outside)) if isinstance(value, (int, float)) else None
    if isinstance(value, (int, float)) and (value > outside if "inimum" in plain else value < outside):
        return value, False
    return outside, True


def _inside(low: Limit, high: Limit, step: float) -> float:
    if step:
        return step
    return (high[0] - low[0]) / 2 if low is not None and high is not None else 1


def _on_grid(number: float, step: float, low: Limit, high: Limit) -> float:
    """Find the next multiple of a step within the limits."""
    count = round(number / step)
    if low is not None and (count * step < low[0] or (low[1] and count * step == low[0])):
        count = math.floor(low[0] / step) + 1 if low[1] else math.ceil(low[0] / step)
    if high is not None and (count * step > high[0] or (high[1] and count * step == high[0])):
        count = math.ceil(high[0] / step) - 1 if high[1] else math.floor(high[0] / step)
    return count * step


def read_number(text: Any) -> float | int | None:
    """Read a number, if the text is one."""
    try:
        number = float(text)
    except (TypeError, ValueError):
        return None
    if not abs(number) < NUMBER_MAX:
        return None
    return int(number) if number.is_integer() and "." not in str(text) else number
