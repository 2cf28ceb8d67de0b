"""What is known of each family, against the reference's own table of thinking."""

from typing import get_args

import pytest

from pollux.errors import Unsupported
from pollux.translate.profiles import NEWEST, Level, profile
from pollux.translate.thinking import EFFORTS, thinking_config

MINIMAL_UP = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
LOW_UP = ("LOW", "MEDIUM", "HIGH")

LEVELS: dict[str, tuple[str, ...]] = {
    "gemini-3-pro-preview": ("LOW", "HIGH"),
    "gemini-3.1-pro-preview": LOW_UP,
    "gemini-3.1-pro-preview-customtools": LOW_UP,
    "gemini-3-flash-preview": MINIMAL_UP,
    "gemini-3.1-flash-lite": MINIMAL_UP,
    "gemini-3.1-flash-lite-preview": MINIMAL_UP,
    "gemini-3.5-flash": MINIMAL_UP,
    "gemini-3.5-flash-lite": MINIMAL_UP,
    "gemini-3.6-flash": MINIMAL_UP,
    "gemini-3.7-flash": LOW_UP,
    "gemini-3.8-flash": LOW_UP,
    "gemini-4-argon": LOW_UP,
    "gemini-4-hydrogen": (*LOW_UP, "XHIGH"),
    "gemini-4-carbon": LOW_UP,
    "gemini-3.1-flash-image": ("MINIMAL", "HIGH"),
    "gemini-3.1-flash-lite-image": ("MINIMAL", "HIGH"),
    "gemini-nano-banana-2.1": ("MINIMAL", "MEDIUM", "HIGH"),
    "gemini-robotics-er-2-preview": MINIMAL_UP,
    "gemini-3-pro-image": (),
    "gemini-2.5-flash-image": (),
    "gemini-2.0-flash": (),
    "gemma-4-31b-it": (),
    "gemini-3.8-flash-tts": (),
    "gemini-3.1-flash-tts-preview": (),
}
"""The levels that each model takes. Source: Gemini API, Thinking, table of 25 September 2026."""

BUDGETS = {
    "gemini-2.5-pro": (128, 32_768, False),
    "gemini-2.5-flash": (1, 24_576, True),
    "gemini-2.5-flash-preview-09-2025": (1, 24_576, True),
    "gemini-2.5-flash-lite": (512, 24_576, True),
}
"""The budgets that each model takes, and whether it can be told not to think. Source: as above."""


@pytest.mark.parametrize("model", LEVELS)
def test_a_family_has_the_levels_of_the_table(model: str) -> None:
    """Levels are the table's; such a family has no budget and cannot be told not to think."""
    known = profile(model)

    assert set(known.levels) == set(LEVELS[model])
    assert known.budgets is None
    assert not known.thinking_can_be_off


@pytest.mark.parametrize("model", BUDGETS)
def test_a_family_has_the_budget_of_the_table(model: str) -> None:
    """The Gemini 2.5 models take budgets, and refuse levels."""
    known = profile(model)

    assert known.levels == ()
    assert known.budgets is not None
    assert (*known.budgets, known.thinking_can_be_off) == BUDGETS[model]


@pytest.mark.parametrize("model", ["gemini-5-neon", "gemini-flash-latest", "gpt-4o-mini", "anything"])
def test_an_unknown_name_inherits_the_newest_family(model: str) -> None:
    """A name that no row knows is taken for the newest family."""
    assert profile(model) == NEWEST


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("model", [*LEVELS, *BUDGETS])
def test_an_effort_is_said_in_what_the_family_takes(model: str, effort: str) -> None:
    """A level is one that the model has, a budget is within its bounds, never both; else it is refused or noted."""
    notes: list[object] = []
    try:
        config = thinking_config(effort, None, profile(model), notes)  # type: ignore[arg-type]  # any list takes notes
    except Unsupported:
        config = None
        notes.append("refused")

    if config is None:
        assert notes
    elif config.thinking_level is not None:
        assert config.thinking_level in LEVELS[model]
        assert config.thinking_budget is None
    else:
        smallest, largest, can_be_off = BUDGETS[model]
        assert config.thinking_budget is not None
        assert smallest <= config.thinking_budget <= largest or (config.thinking_budget == 0 and can_be_off)


@pytest.mark.parametrize("model", [model for model, levels in LEVELS.items() if len(levels) > 2])
def test_more_effort_is_never_less_thinking(model: str) -> None:
    """Over the efforts in their order, the levels do not go down."""
    order = get_args(Level)
    levels = [thinking_config(effort, None, profile(model), []) for effort in EFFORTS[1:]]
    places = [order.index(config.thinking_level) for config in levels if config is not None and config.thinking_level]

    assert places == sorted(places)
    assert len(places) == len(EFFORTS) - 1
