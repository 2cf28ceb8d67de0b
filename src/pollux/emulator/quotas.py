"""The 429 answers: Help, QuotaFailure and RetryInfo, as recorded; the real service sends no `Retry-After` header."""

from dataclasses import dataclass

from pollux.emulator.errors import RPC, NativeError


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit that can be exceeded."""

    metric: str
    quota_id: str
    value: str


HOST = "generativelanguage.googleapis.com/"

QUOTAS = {
    "tokens": Quota(
        HOST + "generate_content_paid_tier_input_token_count",
        "GenerateContentPaidTierInputTokensPerModelPerMinute",
        "1000000",
    ),
    "per-minute": Quota(
        HOST + "generate_content_free_tier_requests",
        "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
        "10",
    ),
    "per-day": Quota(
        HOST + "generate_content_free_tier_requests",
        "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
        "20",
    ),
    "paid-per-minute": Quota(HOST + "generate_requests_per_model", "GenerateRequestsPerMinutePerProjectPerModel", "1000"),
    "paid-per-day": Quota(HOST + "generate_requests_per_model_per_day", "GenerateRequestsPerDayPerProjectPerModel", "10000"),
}
"""Limits by the name that a fault gives them. `tokens` is recorded; the ids of the others are in gemini-native.md,
section 25, their values are the ones that public reports of 2026 quote."""


def exceeded(model: str, quota_name: str, retry_seconds: float) -> NativeError:
    """A 429 for one limit. Source: recorded (ruby_llm, context length scenarios of gemini-2.5-flash)."""
    quota = QUOTAS[quota_name]
    text = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this error, "
        "head to: https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your current usage, head to: "
        f"https://ai.dev/rate-limit. \n* Quota exceeded for metric: {quota.metric}, limit: {quota.value}, model: {model}\n"
        f"Please retry in {retry_seconds:.9f}s."
    )
    violation = {
        "quotaMetric": quota.metric,
        "quotaId": quota.quota_id,
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": quota.value,
    }
    links = [{"description": "Learn more about Gemini API quotas", "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}]
    return NativeError(
        429,
        text,
        details=[
            {"@type": RPC + "Help", "links": links},
            {"@type": RPC + "QuotaFailure", "violations": [violation]},
            {"@type": RPC + "RetryInfo", "retryDelay": f"{retry_seconds:g}s"},
        ],
    )
