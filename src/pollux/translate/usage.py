"""Tokens: Gemini's counts → one event, of all calls of a request → OpenAI's usage. The parts always make the total.

Source: CONTRACT, section 3; Gemini API, UsageMetadata; OpenAI API, usage.
"""

from typing import Any

from msgspec import UNSET

from pollux.translate.events import Usage
from pollux.wire.gemini.generate import ModalityTokenCount, UsageMetadata
from pollux.wire.openai import chat as wire

TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}
"""Gemini's service tiers in OpenAI's words. Source: OpenAI compatibility guide of 21 September 2026."""

NO_PLACE = {
    "prompt_tokens_details": frozenset({"TEXT", "IMAGE", "AUDIO"}),
    "candidates_tokens_details": frozenset({"TEXT", "AUDIO"}),
    "cache_tokens_details": frozenset({"TEXT"}),
    "tool_use_prompt_tokens_details": frozenset({"TEXT"}),
}
"""The native details, and the modalities of each for which OpenAI has a place, or whose number stands elsewhere already."""


def latest(usages: list[UsageMetadata]) -> UsageMetadata:
    """Give for each field the latest value that came."""
    if len(usages) == 1:
        return usages[0]
    found = UsageMetadata()
    for name in UsageMetadata.__struct_fields__:
        setattr(found, name, next((value for usage in reversed(usages) if (value := getattr(usage, name)) is not None), None))
    return found


def counted(native: UsageMetadata) -> Usage:
    """Add up the tokens of one call so that the parts make the total.

    Source: recorded totals: prompt + candidates + thoughts + toolUsePrompt. Where the total shows that the thoughts are inside
    the candidates already, they are not counted twice.
    """
    tool_use = native.tool_use_prompt_token_count or 0
    prompt = (native.prompt_token_count or 0) + tool_use
    candidates = native.candidates_token_count or 0
    thoughts = native.thoughts_token_count or 0
    inside = thoughts > 0 and candidates >= thoughts and native.total_token_count == prompt + candidates
    return Usage(
        prompt=prompt,
        completion=candidates if inside else candidates + thoughts,
        cached=native.cached_content_token_count or 0,
        reasoning=thoughts,
        tool_use=tool_use,
        prompt_by_modality=_by_modality(native.prompt_tokens_details),
        completion_by_modality=_by_modality(native.candidates_tokens_details),
        cached_by_modality=_by_modality(native.cache_tokens_details),
        tool_use_by_modality=_by_modality(native.tool_use_prompt_tokens_details),
        service_tier=native.service_tier,
        traffic_type=native.traffic_type,
    )


def add(one: Usage, other: Usage) -> Usage:
    """Add the tokens of two calls that answer one request."""
    return Usage(
        prompt=one.prompt + other.prompt,
        completion=one.completion + other.completion,
        cached=one.cached + other.cached,
        reasoning=one.reasoning + other.reasoning,
        tool_use=one.tool_use + other.tool_use,
        prompt_by_modality=_sum(one.prompt_by_modality, other.prompt_by_modality),
        completion_by_modality=_sum(one.completion_by_modality, other.completion_by_modality),
        cached_by_modality=_sum(one.cached_by_modality, other.cached_by_modality),
        tool_use_by_modality=_sum(one.tool_use_by_modality, other.tool_use_by_modality),
        service_tier=other.service_tier or one.service_tier,
        traffic_type=other.traffic_type or one.traffic_type,
    )


def chat_usage(event: Usage) -> wire.Usage:
    """Say the tokens in OpenAI's form: by modality where there is more than text; what has no place there, under `google`."""
    prompt, completed = event.prompt_by_modality, event.completion_by_modality
    details = wire.PromptTokensDetails(cached_tokens=event.cached, audio_tokens=prompt.get("AUDIO", 0))
    if len(prompt) > 1:
        details.text_tokens = prompt.get("TEXT", 0)
    if "IMAGE" in prompt:
        details.image_tokens = prompt["IMAGE"]
    completion_details = wire.CompletionTokensDetails(reasoning_tokens=event.reasoning, audio_tokens=completed.get("AUDIO", 0))
    if len(completed) > 1:
        completion_details.text_tokens = completed.get("TEXT", 0)
    google = _without_place(event)
    return wire.Usage(
        prompt_tokens=event.prompt,
        completion_tokens=event.completion,
        total_tokens=event.prompt + event.completion,
        prompt_tokens_details=details,
        completion_tokens_details=completion_details,
        extra_content={"google": google} if google else UNSET,
    )


def service_tier(native: str) -> str | None:
    """Say which tier answered, in OpenAI's word; None for one that OpenAI does not have."""
    return TIERS.get(native.lower())


def _without_place(event: Usage) -> dict[str, Any]:
    """Give what OpenAI's usage has no place for, by its native name."""
    by_modality = (
        event.prompt_by_modality,
        event.completion_by_modality,
        event.cached_by_modality,
        event.tool_use_by_modality,
    )
    google: dict[str, Any] = {
        name: [{"modality": modality, "tokenCount": count} for modality, count in counts.items()]
        for (name, placed), counts in zip(NO_PLACE.items(), by_modality, strict=True)
        if counts and not counts.keys() <= placed
    }
    if event.tool_use:
        google["tool_use_prompt_token_count"] = event.tool_use
    if event.service_tier and service_tier(event.service_tier) is None:
        google["service_tier"] = event.service_tier
    if event.traffic_type:
        google["traffic_type"] = event.traffic_type
    return google


def _sum(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def _by_modality(details: list[ModalityTokenCount] | None) -> dict[str, int]:
    counts: dict[str, int] = {}
    for detail in details or ():
        modality = detail.modality or "UNKNOWN"
        counts[modality] = counts.get(modality, 0) + (detail.token_count or 0)
    return counts
