"""The models list: Gemini's models → OpenAI's.

Source: OpenAI API, Models; Gemini API, models.
Loses: the default sampling settings.
"""

import re
from calendar import timegm
from typing import TypeVar

from msgspec import UNSET, UnsetType

from pollux.errors import NotFound
from pollux.wire.gemini import models as native
from pollux.wire.openai import models as wire

FIRST_GEMINI = timegm((2023, 12, 13, 0, 0, 0))
"""`created` of a model whose version names no month: the day of the first Gemini API. The native list has no time."""

_MONTH = re.compile(r"(?:^|-)(\d{2})-(20\d{2})$")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")
_PREFIXES = ("models/", "google/")

T = TypeVar("T")


def bare_id(model: str) -> str:
    """Give the id of a model without `models/` or `google/`. Raises NotFound when it cannot be a model's name."""
    name = model
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    if not _NAME.fullmatch(name):
        raise NotFound(
            f"There is no model {model[:80]!r}. GET /models lists the models.", param="model", code="model_not_found"
        )
    return name


def from_gemini(model: native.Model) -> wire.Model:
    """Say what the native list says of a model in OpenAI's form, its limits and methods kept."""
    return wire.Model(
        id=model.name.removeprefix("models/"),
        created=_created(model.version),
        display_name=_present(model.display_name),
        description=_present(model.description),
        input_token_limit=_present(model.input_token_limit),
        output_token_limit=_present(model.output_token_limit),
        supported_generation_methods=_present(model.supported_generation_methods),
        thinking=_present(model.thinking),
    )


def _present(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value


def _created(version: str | None) -> int:
    """Read the month out of a version such as `3.6-flash-07-2026`."""
    month = _MONTH.search(version or "")
    if month is None or not 1 <= int(month[1]) <= 12:
        return FIRST_GEMINI
    return timegm((int(month[2]), int(month[1]), 1, 0, 0, 0))
