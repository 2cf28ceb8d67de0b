"""An answer in the native form: one GenerateContentResponse, or the events of a stream, as each family ends them.

Recorded, and held here (ground-truth.md, section 1.1):
- `usageMetadata` is in every event and cumulative; `candidatesTokenCount` is missing until visible text was sent.
- While it thinks, 2.5 counts `thoughtsTokenCount`; 3.x tells it with the first text.
- 2.5 ends with its last text event, and now and then with one more that has no parts.
- 3.x sends one more, an empty text with `thoughtSignature` and the finish reason.
- `responseId` and `modelVersion` are the same throughout.

`modelStatus`, for models on the way out, is in no recording: its form is the discovery document's.
"""

import base64
import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from pollux.emulator.models import Model
from pollux.emulator.settle import Answer
from pollux.emulator.tokens import details

WITH_TEXT = ("STOP", "MAX_TOKENS", "CONTINUATION")
"""Finish reasons that keep what was said. With the others a whole answer has no parts, a stream ends early."""

CATEGORIES = ("HATE_SPEECH", "DANGEROUS_CONTENT", "HARASSMENT", "SEXUALLY_EXPLICIT")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What all events of one answer share."""

    model: Model
    digest: bytes
    prompt_tokens: int
    service_tier: str
    prompt_details: dict[str, int] = field(default_factory=dict)
    """The prompt by modality; empty: all of it is text."""
    cached: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    """What the usage tells of a cached part (see `tokens.cached_usage`)."""

    @property
    def response_id(self) -> str:
        """Make an id of 22 or 23 url-safe characters (recorded), from the content."""
        length = 16 + self.digest[6] % 2
        return base64.urlsafe_b64encode(hashlib.sha256(b"id" + self.digest).digest()[:length]).decode().rstrip("=")

    @property
    def ends_without_parts(self) -> bool:
        """Tell whether this stream of an unsigned family ends with an event of its own: about one in sixteen (recorded: 9)."""
        return self.digest[7] % 16 == 0

    def signature(self, label: str) -> str:
        """Make an opaque thought signature that belongs to this answer."""
        seal = hashlib.sha256(self.digest + label.encode()).digest()
        return base64.b64encode(
            b"\x12\x60\x0a\x5epollux-emulator:" + self.model.family.name.encode() + b":" + seal * 2
        ).decode()


def whole(answers: list[Answer], stamp: Stamp) -> dict[str, Any]:
    """Say all candidates in one reply."""
    if answers[0].blocked:
        return _reply([], stamp, answers, blocked=answers[0].blocked)
    candidates = [_whole_candidate(answer, stamp, i) for i, answer in enumerate(answers)]
    return _reply(candidates, stamp, [a if a.finish in WITH_TEXT else replace(a, text_tokens=()) for a in answers])


def events(answers: list[Answer], stamp: Stamp) -> list[dict[str, Any]]:
    """Say the candidates in events, one candidate after the other."""
    if answers[0].blocked:
        return [_reply([], stamp, answers, blocked=answers[0].blocked)]
    listed = []
    for index, answer in enumerate(answers):
        before = answers[:index]
        listed += [
            _reply([candidate], stamp, [*before, so_far]) for candidate, so_far in _candidate_events(answer, stamp, index)
        ]
    return listed


def _whole_candidate(answer: Answer, stamp: Stamp, index: int) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if answer.finish in WITH_TEXT:
        if answer.thoughts:
            parts.append({"text": "".join(answer.thoughts), "thought": True})
        if answer.texts:
            parts.append({"text": "".join(answer.texts)})
            if stamp.model.family.signs_text:
                parts[-1]["thoughtSignature"] = stamp.signature(f"text {index}")
    return _candidate(parts, answer, index)


def _candidate_events(answer: Answer, stamp: Stamp, index: int) -> list[tuple[dict[str, Any], Answer]]:
    """Make each event's candidate, with the part of the answer that was said up to it."""
    family = stamp.model.family
    listed: list[tuple[dict[str, Any], Answer]] = []
    for number, thought in enumerate(answer.thoughts, 1):
        spent = answer.thought_tokens * number // len(answer.thoughts) if family.counts_thoughts_early else 0
        candidate = _unfinished([{"text": thought, "thought": True}], index)
        listed.append((candidate, Answer((), (), (), spent, "")))
    texts = answer.texts if answer.finish in WITH_TEXT else answer.texts[: len(answer.texts) // 2]
    for number, text in enumerate(texts, 1):
        so_far = Answer((), (), answer.text_tokens[:number], answer.thought_tokens, "")
        listed.append((_unfinished([{"text": text}], index), so_far))
    total = Answer((), (), answer.text_tokens[: len(texts)], answer.thought_tokens, "")
    if texts and answer.finish in WITH_TEXT and not family.signs_text and not stamp.ends_without_parts:
        last, _ = listed.pop()
        listed.append((_candidate(last["content"]["parts"], answer, index), total))
    elif texts and answer.finish in WITH_TEXT and family.signs_text:
        signed = {"text": "", "thoughtSignature": stamp.signature(f"text {index}")}
        listed.append((_candidate([signed], answer, index), total))
    else:
        listed.append((_candidate([], answer, index), total))
    return listed


def _unfinished(parts: list[dict[str, Any]], index: int) -> dict[str, Any]:
    return {"content": {"parts": parts, "role": "model"}, "index": index}


def _candidate(parts: list[dict[str, Any]], answer: Answer, index: int) -> dict[str, Any]:
    """Make a finished candidate. Without parts: `{"role": "model"}` (MAX_TOKENS), `{}` (SAFETY), else no content at all."""
    candidate: dict[str, Any] = {}
    if parts:
        candidate["content"] = {"parts": parts, "role": "model"}
    elif answer.finish in WITH_TEXT:
        candidate["content"] = {"role": "model"}
    elif answer.finish in ("SAFETY", "MALFORMED_FUNCTION_CALL"):
        candidate["content"] = {}
    candidate["finishReason"] = answer.finish
    candidate["index"] = index
    if answer.finish == "SAFETY":
        candidate["safetyRatings"] = _ratings()
    if answer.finish_message:
        candidate["finishMessage"] = answer.finish_message
    return candidate


def _reply(candidates: list[dict[str, Any]], stamp: Stamp, said: list[Answer], *, blocked: str = "") -> dict[str, Any]:
    reply: dict[str, Any] = {"candidates": candidates} if candidates else {}
    if blocked:
        reply["promptFeedback"] = {"blockReason": blocked}
        if blocked == "SAFETY":
            reply["promptFeedback"]["safetyRatings"] = _ratings()
    text_tokens = sum(sum(answer.text_tokens) for answer in said)
    thought_tokens = sum(answer.thought_tokens for answer in said)
    usage: dict[str, Any] = {"promptTokenCount": stamp.prompt_tokens}
    if text_tokens:
        usage["candidatesTokenCount"] = text_tokens
    usage["totalTokenCount"] = stamp.prompt_tokens + text_tokens + thought_tokens
    usage |= stamp.cached[0]
    usage["promptTokensDetails"] = details(stamp.prompt_details or {"TEXT": stamp.prompt_tokens})
    usage |= stamp.cached[1]
    if thought_tokens:
        usage["thoughtsTokenCount"] = thought_tokens
    usage["serviceTier"] = stamp.service_tier
    reply["usageMetadata"] = usage
    reply["modelVersion"] = stamp.model.target or stamp.model.name
    reply["responseId"] = stamp.response_id
    if stamp.model.retirement:
        reply["modelStatus"] = {"modelStage": "LEGACY", "retirementTime": stamp.model.retirement}
    return reply


def _ratings() -> list[dict[str, Any]]:
    """Recorded with gemini-1.5-flash, the one real SAFETY of the recordings."""
    ratings: list[dict[str, Any]] = [{"category": f"HARM_CATEGORY_{name}", "probability": "NEGLIGIBLE"} for name in CATEGORIES]
    ratings[0] = {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "HIGH", "blocked": True}
    return ratings
