"""An answer in the native form: one GenerateContentResponse, or the events of a stream, as each family ends them.

Recorded, and held here (ground-truth.md, section 1.1):
- `usageMetadata` is in every event and cumulative; `candidatesTokenCount` is missing until visible text was sent.
- While it thinks, 2.5 counts `thoughtsTokenCount`; 3.x tells it with the first text.
- 2.5 ends with its last text event, and now and then with one more that has no parts.
- 3.x sends one more, an empty text with `thoughtSignature` and the finish reason.
- 2.5 says its calls in the event that ends; 3.x says each in an event of its own, then an empty, unsigned text with STOP.
- 2.5 signs its first text, if it thought and functions could have been called.
- The first call of an answer is signed, the others are not. `finishMessage` comes with calls, but not in streams of 3.x.
- `responseId` and `modelVersion` are the same throughout.

`modelStatus`, for models on the way out, is in no recording: its form is the discovery document's.
"""

import base64
import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

from pollux.emulator import logprobs, partial_args
from pollux.emulator.models import Model
from pollux.emulator.settle import WITH_TEXT, Answer, Part, nothing_said
from pollux.emulator.signatures import sign
from pollux.emulator.tokens import details

CALLED = "Model generated function call(s)."
"""Recorded 267 times."""

ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


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
    top_logprobs: int | None = None
    """How many candidates each token has beside it; None: no log probabilities are told."""

    @property
    def response_id(self) -> str:
        """Make an id of 22 or 23 url-safe characters (recorded), from the content."""
        length = 16 + self.digest[6] % 2
        return base64.urlsafe_b64encode(hashlib.sha256(b"id" + self.digest).digest()[:length]).decode().rstrip("=")

    @property
    def ends_empty(self) -> bool:
        """Tell whether this stream of an unsigned family ends with an event of its own: about one in sixteen (recorded: 9)."""
        return self.digest[7] % 16 == 0

    def signature(self, part: Part, label: str) -> str:
        """Make the thought signature of a part of this answer."""
        return sign(self.model.family.name, part, hashlib.sha256(self.digest + label.encode()).digest())

    def part_id(self, label: str) -> str:
        """Make an id of eight letters and digits, now and then `call_` and six digits (recorded since August 2026)."""
        drawn = hashlib.sha256(b"part id" + self.digest + label.encode()).digest()
        if self.digest[8] % 4 == 0:
            return f"call_{int.from_bytes(drawn[:4], 'big') % 900_000 + 100_000}"
        return "".join(ID_LETTERS[byte % len(ID_LETTERS)] for byte in drawn[:8])


def whole(answers: list[Answer], stamp: Stamp) -> dict[str, Any]:
    """Say all candidates in one reply."""
    if answers[0].blocked or answers[0].no_candidates:
        return _reply([], stamp, [nothing_said(answers[0])], blocked=answers[0].blocked)
    candidates = [_whole_candidate(answer, stamp, i) for i, answer in enumerate(answers)]
    return _reply(candidates, stamp, [a if a.keeps_text else nothing_said(a) for a in answers])


def events(answers: list[Answer], stamp: Stamp) -> list[dict[str, Any]]:
    """Say the candidates in events, one candidate after the other."""
    if answers[0].blocked or answers[0].no_candidates:
        return [_reply([], stamp, [nothing_said(answers[0])], blocked=answers[0].blocked)]
    listed = []
    for index, answer in enumerate(answers):
        before = answers[:index]
        listed += [
            _reply([candidate], stamp, [*before, so_far]) for candidate, so_far in _candidate_events(answer, stamp, index)
        ]
    return listed


def _whole_candidate(answer: Answer, stamp: Stamp, index: int) -> dict[str, Any]:
    parts: list[Part] = []
    if answer.keeps_text:
        if answer.thoughts:
            parts.append({"text": "".join(answer.thoughts), "thought": True})
        parts += _signed(answer.lead, stamp, f"lead {index}")
        if answer.texts:
            parts.append({"text": "".join(answer.texts)})
            if _signs_text(answer, stamp):
                parts[-1]["thoughtSignature"] = stamp.signature(parts[-1], f"text {index}")
        parts += _said_calls(answer, stamp, index)
    candidate = _candidate(parts, answer, index)
    if stamp.top_logprobs is not None and answer.texts and answer.keeps_text:
        told = logprobs.result("".join(answer.texts), stamp.top_logprobs)
        candidate |= {"avgLogprobs": logprobs.average(told), "logprobsResult": told}
    return candidate


def _candidate_events(answer: Answer, stamp: Stamp, index: int) -> list[tuple[dict[str, Any], Answer]]:
    """Make each event's candidate, with the part of the answer that was said up to it."""
    family = stamp.model.family
    total = answer if answer.keeps_text else replace(nothing_said(answer), **_half(answer))
    listed: list[tuple[dict[str, Any], Answer]] = []
    for number, thought in enumerate(answer.thoughts, 1):
        spent = answer.thought_tokens * number // len(answer.thoughts) if family.counts_thoughts_early else 0
        candidate = _unfinished([{"text": thought, "thought": True}], index)
        listed.append((candidate, Answer((), (), (), spent, "")))
    so_far = replace(nothing_said(answer), tool_tokens=0)
    for number, part in enumerate(_signed(total.lead, stamp, f"lead {index}"), 1):
        so_far = replace(so_far, lead=total.lead[:number])
        listed.append(_lead_event(part, index, so_far))
    so_far = replace(so_far, tool_tokens=answer.tool_tokens)
    for number, text in enumerate(total.texts, 1):
        so_far = replace(so_far, text_tokens=total.text_tokens[:number])
        early = {} if family.signs_text else _early_metadata(answer.metadata, first=number == 1)
        said: Part = {"text": text}
        if number == 1 and not family.signs_text and _signs_text(answer, stamp):
            said["thoughtSignature"] = stamp.signature(said, f"text {index}")
        if stamp.top_logprobs is not None:
            early["logprobsResult"] = logprobs.result(text, stamp.top_logprobs)
        if number <= len(answer.checkpoints) and answer.checkpoints[number - 1]:
            early["continuationToken"] = answer.checkpoints[number - 1]
        listed.append((_unfinished([said], index) | early, so_far))
    calls = _said_calls(total, stamp, index)
    for number, pieces in enumerate(_call_events(calls, answer, together=not family.signs_text), 1):
        so_far = replace(so_far, calls=total.calls[: number if family.signs_text else len(calls)])
        listed += [(_unfinished(piece, index), so_far) for piece in pieces]
    return _ended(listed, answer, total, stamp, index)


def _ended(
    listed: list[tuple[dict[str, Any], Answer]], answer: Answer, total: Answer, stamp: Stamp, index: int
) -> list[tuple[dict[str, Any], Answer]]:
    """End a stream as the family does."""
    family = stamp.model.family
    if answer.finish not in WITH_TEXT or not (total.texts or total.calls):
        return [*listed, (_candidate([], answer, index), total)]
    if family.signs_text:
        last: Part = {"text": ""}
        if not total.calls:
            last["thoughtSignature"] = stamp.signature(last, f"text {index}")
        return [*listed, (_candidate([last], answer, index, streamed=True), total)]
    if stamp.ends_empty and not total.calls:
        return [*listed, (_candidate([], answer, index), total)]
    last_event = listed[-1][0]
    told = {"urlContextMetadata": last_event["urlContextMetadata"]} if "urlContextMetadata" in last_event else {}
    late = replace(
        answer, metadata={name: value for name, value in answer.metadata.items() if name == "groundingMetadata"} | told
    )
    ended = _candidate(last_event["content"]["parts"], late, index)
    if "logprobsResult" in last_event:
        ended["logprobsResult"] = last_event["logprobsResult"]
    return [*listed[:-1], (ended, total)]


def _lead_event(part: Part, index: int, so_far: Answer) -> tuple[dict[str, Any], Answer]:
    """Say a part before the text. A tool's answer comes without an index, and its usage knows only the prompt (recorded)."""
    if "toolResponse" in part:
        return {"content": {"parts": [part], "role": "model"}}, Answer((), (), (), 0, "")
    return _unfinished([part], index), so_far


def _signs_text(answer: Answer, stamp: Stamp) -> bool:
    """Tell whether the text is signed: by 3.x at its end, by 2.5 at its beginning, if it thought and might have called."""
    family = stamp.model.family
    if family.signs_text:
        return not answer.calls
    return family.signs_calls and answer.may_call and not answer.calls and answer.thought_tokens > 0


def _early_metadata(metadata: dict[str, Any], *, first: bool) -> dict[str, Any]:
    """Say what 2.5 puts on every event: empty grounding, and the web pages on the first (recorded)."""
    early: dict[str, Any] = {}
    if "groundingMetadata" in metadata and "retrievedContext" not in str(metadata["groundingMetadata"])[:400]:
        early["groundingMetadata"] = {}
    if first and "urlContextMetadata" in metadata:
        early["urlContextMetadata"] = metadata["urlContextMetadata"]
    return early


def _without(fields: dict[str, Any], left_out: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != left_out}


def _half(answer: Answer) -> dict[str, Any]:
    """Say what a stream has sent when it ends early: half of the text."""
    half = len(answer.texts) // 2
    return {"texts": answer.texts[:half], "text_tokens": answer.text_tokens[:half]}


def _said_calls(answer: Answer, stamp: Stamp, index: int) -> list[Part]:
    """Give calls their ids, and the first its signature."""
    family = stamp.model.family
    parts: list[Part] = []
    for number, part in enumerate(answer.calls):
        if "functionCall" not in part:
            continue
        call = dict(part["functionCall"])
        if family.call_ids:
            call.setdefault("id", stamp.part_id(f"call {index} {number}"))
        parts.append({"functionCall": call})
    if parts and family.signs_calls and (family.needs_signatures or answer.thought_tokens):
        parts[0]["thoughtSignature"] = stamp.signature(parts[0], f"call {index}")
    traces = tuple(part for part in answer.calls if "functionCall" not in part)
    return parts + _signed(traces, stamp, f"after {index}")


def _call_events(calls: list[Part], answer: Answer, *, together: bool) -> list[list[list[Part]]]:
    """List the events of calls, each a list of parts: one for each call, all in one, or pieces of their arguments."""
    if answer.partial_args:
        return [partial_args.pieces(call) for call in calls]
    return [[calls]] if together and calls else [[[call]] for call in calls]


def _signed(lead: tuple[Part, ...], stamp: Stamp, label: str) -> list[Part]:
    """Give code and traces ids, two and two the same, and signatures, but for results of code (recorded: 56 parts)."""
    family = stamp.model.family
    parts: list[Part] = []
    for number, part in enumerate(lead):
        ((kind, value),) = part.items()
        made: Part = {kind: {**value, "id": stamp.part_id(f"{label} {number // 2}")} if family.call_ids else value}
        if family.signs_text and kind != "codeExecutionResult":
            made["thoughtSignature"] = stamp.signature(made, f"{label} {number}")
        parts.append(made)
    return parts


def _unfinished(parts: list[dict[str, Any]], index: int) -> dict[str, Any]:
    return {"content": {"parts": parts, "role": "model"}, "index": index}


def _candidate(parts: list[Part], answer: Answer, index: int, *, streamed: bool = False) -> dict[str, Any]:
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
    if answer.ratings:
        candidate["safetyRatings"] = list(answer.ratings)
    if answer.finish_message:
        candidate["finishMessage"] = answer.finish_message
    elif answer.finish == "STOP" and parts and "functionCall" in parts[-1] and not streamed:
        candidate["finishMessage"] = CALLED
    return candidate | answer.metadata


def _reply(candidates: list[dict[str, Any]], stamp: Stamp, said: list[Answer], *, blocked: str = "") -> dict[str, Any]:
    reply: dict[str, Any] = {"candidates": candidates} if candidates else {}
    if blocked:
        reply["promptFeedback"] = {"blockReason": blocked}
        if said[0].ratings:
            reply["promptFeedback"]["safetyRatings"] = list(said[0].ratings)
    text_tokens = sum(answer.output_tokens for answer in said)
    tool_tokens = sum(answer.tool_tokens for answer in said)
    thought_tokens = sum(answer.thought_tokens for answer in said)
    usage: dict[str, Any] = {"promptTokenCount": stamp.prompt_tokens}
    if text_tokens:
        usage["candidatesTokenCount"] = text_tokens
    usage["totalTokenCount"] = stamp.prompt_tokens + text_tokens + thought_tokens + tool_tokens
    usage |= stamp.cached[0]
    usage["promptTokensDetails"] = details(stamp.prompt_details or {"TEXT": stamp.prompt_tokens})
    usage |= stamp.cached[1]
    if tool_tokens:
        usage["toolUsePromptTokenCount"] = tool_tokens
        usage["toolUsePromptTokensDetails"] = [{"modality": "TEXT", "tokenCount": tool_tokens}]
    if thought_tokens:
        usage["thoughtsTokenCount"] = thought_tokens
    usage["serviceTier"] = stamp.service_tier
    reply["usageMetadata"] = usage
    reply["modelVersion"] = stamp.model.target or stamp.model.name
    reply["responseId"] = stamp.response_id
    if stamp.model.retirement:
        reply["modelStatus"] = {"modelStage": "LEGACY", "retirementTime": stamp.model.retirement}
    return reply
