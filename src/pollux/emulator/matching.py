"""Which requests a scripted answer or a rule is meant for. All conditions that are given must hold."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from pollux.emulator.answers import last_user_text, system_text, user_turns
from pollux.emulator.limits import REGEX_TEXT_CHARS_MAX


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a condition may look at."""

    method: str
    """generateContent, streamGenerateContent, countTokens, models.list, models.get."""
    model: str
    headers: Mapping[str, str]
    request: dict[str, Any] = field(default_factory=dict)


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Conditions on a request. None given: every request matches."""

    model: str | None = None
    """The model id, with `*` and `?` as wildcards."""
    method: str | None = None
    """The native method, with wildcards."""
    text: str | None = None
    """The last user text contains this, in any case."""
    text_regex: str | None = None
    """The last user text contains something that this regular expression finds."""
    system: str | None = None
    """The system instruction contains this, in any case."""
    system_regex: str | None = None
    turn: int | None = None
    """The number of user turns in the conversation."""
    result: str | None = None
    """The last content has a result of this function, with wildcards."""
    header: dict[str, str] = {}
    """Request headers with these values (wildcards); for isolation by test, for example."""

    def __post_init__(self) -> None:
        for pattern in (self.text_regex, self.system_regex):
            if pattern is not None:
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise ValueError(f"not a regular expression: {pattern!r} ({error})") from None

    def misses(self, incoming: Incoming) -> list[str]:
        """Name the conditions that do not hold; an empty list means that it matches."""
        last, system = last_user_text(incoming.request), system_text(incoming.request)
        missed = []
        if self.model is not None and not fnmatchcase(incoming.model, self.model):
            missed.append(f"model {incoming.model!r} is not {self.model!r}")
        if self.method is not None and not fnmatchcase(incoming.method, self.method):
            missed.append(f"method {incoming.method!r} is not {self.method!r}")
        if self.text is not None and self.text.lower() not in last.lower():
            missed.append(f"the last user text does not contain {self.text!r}")
        if self.text_regex is not None and not re.search(self.text_regex, last[:REGEX_TEXT_CHARS_MAX]):
            missed.append(f"the last user text does not match {self.text_regex!r}")
        if self.system is not None and self.system.lower() not in system.lower():
            missed.append(f"the system instruction does not contain {self.system!r}")
        if self.system_regex is not None and not re.search(self.system_regex, system[:REGEX_TEXT_CHARS_MAX]):
            missed.append(f"the system instruction does not match {self.system_regex!r}")
        if self.turn is not None and user_turns(incoming.request) != self.turn:
            missed.append(f"it is user turn {user_turns(incoming.request)}, not {self.turn}")
        results = _last_results(incoming.request)
        if self.result is not None and not any(fnmatchcase(name, self.result) for name in results):
            missed.append(f"the last content has no result of {self.result!r}")
        for name, value in self.header.items():
            if not fnmatchcase(incoming.headers.get(name.lower(), ""), value):
                missed.append(f"header {name!r} is not {value!r}")
        return missed


def _last_results(request: dict[str, Any]) -> list[str]:
    """Name the functions whose results stand in the last content."""
    parts = request["contents"][-1].get("parts", []) if request.get("contents") else []
    return [part["functionResponse"].get("name", "") for part in parts if "functionResponse" in part]
