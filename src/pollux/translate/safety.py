"""Safety settings: which harm is blocked from which probability on."""

import re
from typing import Any

from pollux.errors import InvalidRequest
from pollux.translate.notes import Note
from pollux.wire.closed import joined
from pollux.wire.gemini.generate import SafetySetting

_CONSTANT = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
"""The spelling of a native constant. Which there are is the service's to say: it adds some without notice."""


def safety_settings(given: Any, path: str, notes: list[Note]) -> list[SafetySetting]:
    """Read safety settings. Raises InvalidRequest, naming the field.

    Source: Gemini API, SafetySetting: one for each category.
    Loses: `method`, and other fields that only Vertex AI has.
    """
    if not isinstance(given, list):
        raise InvalidRequest(f"{path} must be a list of category and threshold.", param=path, code="invalid_type")
    settings: dict[str, SafetySetting] = {}
    for i, entry in enumerate(given):
        place = f"{path}[{i}]"
        if not isinstance(entry, dict):
            raise InvalidRequest(f"{place} must be an object.", param=place, code="invalid_type")
        category = _constant(entry, "category", "HARM_CATEGORY_HARASSMENT", place)
        if category in settings:
            raise InvalidRequest(f"{place}.category: {category} is given twice.", param=f"{place}.category")
        settings[category] = SafetySetting(category, _constant(entry, "threshold", "BLOCK_ONLY_HIGH", place))
        notes.extend(
            Note(joined(place, key), "ignored", "the Gemini API has no such field")
            for key, value in entry.items()
            if key not in {"category", "threshold"} and value is not None
        )
    return list(settings.values())


def _constant(entry: dict[str, Any], name: str, example: str, place: str) -> str:
    value = entry.get(name)
    path = f"{place}.{name}"
    if value is None:
        raise InvalidRequest(f"{path} is missing.", param=path, code="missing_required_parameter")
    if not isinstance(value, str):
        raise InvalidRequest(f"{path} must be a text.", param=path, code="invalid_type")
    if not _CONSTANT.fullmatch(value):
        raise InvalidRequest(f"{path} must be a constant, as in {example}; it is {value[:40]!r}.", param=path)
    return value
