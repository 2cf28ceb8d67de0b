"""How much a model thinks: reasoning_effort → each family's own control."""

import msgspec

from pollux.errors import InvalidRequest, Unsupported
from pollux.translate.notes import Note
from pollux.translate.profiles import Level, Profile
from pollux.wire.gemini.generate import ThinkingConfig

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

EFFORT_BUDGET = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
"""Thinking budget of Gemini 2.5 per reasoning_effort. Source: the guide, "Thinking"; xhigh and max are ours."""

EFFORT_LEVELS: dict[str, tuple[Level, ...]] = {
    "minimal": ("MINIMAL", "LOW"),
    "low": ("LOW", "MINIMAL"),
    "medium": ("MEDIUM", "HIGH"),
    "high": ("HIGH",),
    "xhigh": ("XHIGH", "HIGH"),
    "max": ("XHIGH", "HIGH"),
}
"""Thinking levels of Gemini 3 and later per reasoning_effort, the first that the family has.

Source: OpenAI compatibility guide, "Thinking"; xhigh and max are ours.
"""


def thinking_config(
    effort: str | None, given: ThinkingConfig | None, profile: Profile, notes: list[Note]
) -> ThinkingConfig | None:
    """Join an effort and Gemini's own configuration. Raises InvalidRequest where they overlap.

    Source: OpenAI compatibility guide, "Thinking", "Thought summaries".
    """
    if given is None:
        return None if effort is None else _of_effort(effort, profile, notes)
    if given.thinking_level is not None:
        given = msgspec.structs.replace(given, thinking_level=given.thinking_level.upper())  # callers write it either way
    place = "extra_body.google.thinking_config"
    if given.thinking_level is not None and given.thinking_budget is not None:
        raise InvalidRequest(f"{place}: thinking_level and thinking_budget exclude each other; give one.", param=place)
    if effort is None:
        if given.thinking_budget == 0 and not profile.thinking_can_be_off and (profile.budgets or profile.levels):
            raise _cannot_be_off(f"{place}.thinking_budget 0", place, profile)
        return given
    if given.thinking_level is not None or given.thinking_budget is not None:
        own = "thinking_level" if given.thinking_level is not None else "thinking_budget"
        raise InvalidRequest(
            f"reasoning_effort and {place}.{own} say the same thing; give one of them.", param="reasoning_effort"
        )
    config = _of_effort(effort, profile, notes) or ThinkingConfig()
    return msgspec.structs.replace(config, include_thoughts=given.include_thoughts)


def _of_effort(effort: str, profile: Profile, notes: list[Note]) -> ThinkingConfig | None:
    """Say an effort in the family's own terms; None where the family has no control.

    Source: OpenAI compatibility guide, "Thinking"; Gemini API, Thinking.
    Loses: levels that the family does not have (the next one is taken, and noted).
    """
    if effort not in EFFORTS:
        raise InvalidRequest(
            f"reasoning_effort must be one of {', '.join(EFFORTS)}; it is {effort[:40]!r}.", param="reasoning_effort"
        )
    if effort == "none":
        return _off(profile, notes)
    if profile.budgets:
        return ThinkingConfig(thinking_budget=min(max(EFFORT_BUDGET[effort], profile.budgets[0]), profile.budgets[1]))
    for level in EFFORT_LEVELS[effort]:
        if level in profile.levels:
            if level.lower() != effort:
                notes.append(Note("reasoning_effort", "approximated", f"{level.lower()} is the nearest that the model has"))
            return ThinkingConfig(thinking_level=level)
    notes.append(Note("reasoning_effort", "ignored", "the model's thinking cannot be controlled"))
    return None


def _off(profile: Profile, notes: list[Note]) -> ThinkingConfig | None:
    if profile.thinking_can_be_off:
        return ThinkingConfig(thinking_budget=0)
    if profile.budgets or profile.levels:
        raise _cannot_be_off('reasoning_effort "none"', "reasoning_effort", profile)
    notes.append(Note("reasoning_effort", "ignored", "the model's thinking cannot be controlled"))
    return None


def _cannot_be_off(what: str, param: str, profile: Profile) -> Unsupported:
    least = "minimal" if "MINIMAL" in profile.levels else "low"
    return Unsupported(
        f"{what} is not possible: {profile.family} models always think. Use {least} for the least, or leave it out.",
        param=param,
        code="unsupported_value",
    )
