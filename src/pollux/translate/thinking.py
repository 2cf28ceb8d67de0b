"""How much a model thinks: reasoning_effort → each family's own control."""

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


def thinking_config(effort: str, profile: Profile, notes: list[Note]) -> ThinkingConfig | None:
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
        raise Unsupported(
            f'reasoning_effort "none" is not possible: {profile.family} models always think. '
            f'Use "{"low" if "MINIMAL" not in profile.levels else "minimal"}" for the least, or leave it out.',
            param="reasoning_effort",
            code="unsupported_value",
        )
    notes.append(Note("reasoning_effort", "ignored", "the model's thinking cannot be controlled"))
    return None
