"""What is known of each model family, and where it is written.

Sources: the recordings (ground-truth.md, section 1.1), gemini-native.md sections 4, 7, 9, 10 and 27, and for refusals the
public threads named in `refusals.py`.
"""

from dataclasses import dataclass
from typing import Literal

Thinking = Literal["none", "budget", "level"]


@dataclass(frozen=True, slots=True)
class Family:
    """The behaviour that models of one family share."""

    name: str
    thinking: Thinking = "none"
    levels: tuple[str, ...] = ()
    """Allowed `thinkingLevel`s, from little to much."""
    level_default: str = "MEDIUM"
    levels_refused_plainly: bool = False
    """True: another level is refused with "Thinking level is not supported for this model." (Gemma 4)."""
    budget_min: int = 0
    budget_max: int = 24_576
    budget_zero: bool = True
    """Whether thinking can be turned off with budget 0."""
    thinks_by_default: bool = True
    signs_text: bool = False
    """Gemini 3 and later: whole answers sign their text part, streams end with an empty, signed text."""
    needs_signatures: bool = False
    """Gemini 3 and later: calls of the current turn must bring their signatures back."""
    signs_calls: bool = False
    """Whether the first call of a step is signed; 2.5 does it while it thinks (recorded)."""
    call_ids: bool = False
    """Whether calls, code and results have ids: 3.x and Gemma 4 (recorded)."""
    mixes_tools: bool = False
    """Whether Google's own tools may stand beside functions."""
    first_event_tokens: int = 32
    event_tokens: int = 48
    """Size of stream events: the recorded median of 2.5 is 48 tokens, of 3.x 24."""
    counts_thoughts_early: bool = False
    """2.5 tells `thoughtsTokenCount` while it still thinks, 3.x only with the first text."""
    prefill: bool = True
    """Whether a conversation may end with a model turn."""
    samples: bool = True
    """Whether temperature, topP and topK have an effect; later families ignore them."""
    candidates_max: int = 1
    continues_after: tuple[int, int] | None = None
    """Tokens of a whole answer and of a stream, after which it is to be continued. Source: gemini-native.md, section 8."""
    counts_media_by_grid: bool = False
    """Gemini 3 and later: an image counts as a grid of its own shape; earlier in tiles (see `media.counting`)."""
    media_in_results: bool = False
    """Whether results of functions may carry media: Gemini 3 and later."""
    blind_to: tuple[str, ...] = ()
    """Kinds of media that it does not read."""


def _gemini_3(name: str, *levels: str, default: str = "MEDIUM", continues: int = 0, **more: bool) -> Family:
    prefill, samples, zero = more.get("prefill", True), more.get("samples", True), more.get("budget_zero", True)
    return Family(
        name,
        thinking="level",
        levels=levels,
        level_default=default,
        budget_max=65_536,
        budget_zero=zero,
        signs_text=True,
        needs_signatures=True,
        signs_calls=True,
        call_ids=True,
        mixes_tools=True,
        counts_media_by_grid=True,
        media_in_results=True,
        first_event_tokens=16,
        event_tokens=24,
        prefill=prefill,
        samples=samples,
        continues_after=(continues, 65_536) if continues else None,
    )


def _image(name: str, *levels: str, thinks: bool = False, video: bool = False) -> Family:
    """Make a family of image models: they sign texts and pictures; Pro alone tells that it thought (recorded)."""
    return Family(
        name,
        thinking="level" if levels else "none",
        levels=levels,
        level_default="HIGH" if thinks else "MINIMAL",
        signs_text=True,
        counts_media_by_grid=True,
        blind_to=("audio",) if video else ("audio", "video"),
        first_event_tokens=16,
        event_tokens=24,
    )


ALL_LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH")

FAMILIES = {
    family.name: family
    for family in (
        Family("2.5-pro", thinking="budget", budget_min=128, budget_max=32_768, budget_zero=False,
               counts_thoughts_early=True, candidates_max=8, signs_calls=True),
        Family("2.5-flash", thinking="budget", budget_min=1, counts_thoughts_early=True, candidates_max=8,
               signs_calls=True),
        Family("2.5-flash-lite", thinking="budget", budget_min=512, thinks_by_default=False, counts_thoughts_early=True,
               candidates_max=8, signs_calls=True),
        _gemini_3("3-flash", *ALL_LEVELS, default="HIGH"),
        _gemini_3("3.1-pro", "LOW", "MEDIUM", "HIGH", default="HIGH", budget_zero=False),
        _gemini_3("3.1-flash-lite", *ALL_LEVELS, default="MINIMAL"),
        _gemini_3("3.5-flash", *ALL_LEVELS),
        _gemini_3("3.5-flash-lite", *ALL_LEVELS, default="MINIMAL", prefill=False, samples=False),
        _gemini_3("3.6-flash", *ALL_LEVELS, prefill=False, samples=False),
        _gemini_3("3.7-flash", "LOW", "MEDIUM", "HIGH", prefill=False, samples=False),
        _gemini_3("4-argon", "LOW", "MEDIUM", "HIGH", prefill=False, samples=False, budget_zero=False, continues=32_768),
        _gemini_3("4-hydrogen", "LOW", "MEDIUM", "HIGH", "XHIGH", default="HIGH", prefill=False, samples=False,
                  budget_zero=False, continues=65_536),
        _gemini_3("4-carbon", "LOW", "MEDIUM", "HIGH", prefill=False, samples=False, budget_zero=False, continues=32_768),
        _gemini_3("robotics", *ALL_LEVELS, default="HIGH"),
        Family("gemma-4", thinking="level", levels=("MINIMAL", "HIGH"), level_default="HIGH", levels_refused_plainly=True,
               call_ids=True, first_event_tokens=16, event_tokens=24),
        Family("2.5-flash-image", blind_to=("audio", "video")),
        _image("3-pro-image", "LOW", "HIGH", thinks=True),
        _image("3.1-flash-image", "MINIMAL", "HIGH", video=True),
        _image("3.1-flash-lite-image"),
        _image("nano-banana-2.1", "MINIMAL", "HIGH"),
        Family("media"),
    )
}  # fmt: skip
"""Families by name. `media` stands for all models whose answers are no text: they are listed and counted, not answered."""
