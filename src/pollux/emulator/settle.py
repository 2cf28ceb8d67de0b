"""From a text to an answer: thinking, stop sequences, the limit on output, as each family treats them."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from pollux.emulator.answers import thought_texts
from pollux.emulator.grounding import NO_SOURCES, Sources
from pollux.emulator.limits import OUTPUT_TOKENS_MAX
from pollux.emulator.models import Model
from pollux.emulator.tokens import count_part, count_prompt, split_text

THINKING = {"MINIMAL": (0, 1), "LOW": (30, 60), "MEDIUM": (90, 170), "HIGH": (180, 320), "XHIGH": (600, 600)}
"""Thinking tokens by level: the least, and how many more there may be. In the range of short recorded prompts."""


WITH_TEXT = ("STOP", "MAX_TOKENS", "CONTINUATION")
"""Finish reasons that keep what was said. With the others a whole answer has no parts, a stream ends early."""

Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be said, before the settings of the request are applied."""

    text: str
    events: tuple[str, ...] = ()
    """Texts of stream events, where a script gives them; else the text is cut as the family does."""
    thoughts: tuple[str, ...] = ()
    """Summaries of thoughts, where a script gives them."""
    finish: str = "STOP"
    finish_message: str = ""
    blocked: str = ""
    """Block reason of the prompt: then nothing is said."""
    empty: bool = False
    lead: tuple[Part, ...] = ()
    """Parts before the text: code and its result, traces of Google's own tools."""
    calls: tuple[Part, ...] = ()
    """Function calls after the text."""
    sources: Sources = NO_SOURCES
    """Where it says that it comes from."""
    tool_tokens: int = 0
    """What Google's own tools fed back to the model."""
    partial_args: bool = False
    """Whether a stream gives the arguments of calls in pieces."""
    may_call: bool = False
    """Whether functions could have been called: then 2.5 signs its text."""
    partial: bool = False
    """With an odd finish reason, the text so far is kept."""
    no_candidates: bool = False
    thinking: int | None = None
    """How many tokens it thinks; None: as the family does."""
    ratings: tuple[dict[str, Any], ...] = ()
    """Safety ratings of the blocked prompt or of the candidate."""
    told: dict[str, Any] = field(default_factory=dict)
    """Fields of the candidate beside those of its sources."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One candidate, ready to be said whole or in events."""

    texts: tuple[str, ...]
    thoughts: tuple[str, ...]
    text_tokens: tuple[int, ...]
    """Tokens of each text event."""
    thought_tokens: int
    finish: str
    finish_message: str = ""
    blocked: str = ""
    lead: tuple[Part, ...] = ()
    calls: tuple[Part, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    """Fields of the finished candidate: grounding, web pages."""
    tool_tokens: int = 0
    partial_args: bool = False
    may_call: bool = False
    partial: bool = False
    no_candidates: bool = False
    ratings: tuple[dict[str, Any], ...] = ()
    checkpoints: tuple[str, ...] = ()
    """Continuation tokens of the text events, empty where there is none."""

    @property
    def keeps_text(self) -> bool:
        """Tell whether what was said is kept, as the finish reason wants it."""
        return self.partial or self.finish in WITH_TEXT

    @property
    def output_tokens(self) -> int:
        """Count what is visible: texts, code, calls."""
        return sum(self.text_tokens) + sum(map(count_part, self.lead)) + sum(map(count_part, self.calls))


def digest_of(request: dict[str, Any], model: Model, seed: int) -> bytes:
    """Make the bytes from which ids and all that looks like chance derive."""
    body = msgspec.json.encode([seed, model.target or model.name, request], order="deterministic")
    return hashlib.sha256(body).digest()


def settle(draft: Draft, request: dict[str, Any], model: Model, digest: bytes) -> Answer:
    """Apply the request's settings to a draft."""
    config = request.get("generationConfig", {})
    if draft.blocked:
        return Answer((), (), (), 0, "", blocked=draft.blocked, ratings=draft.ratings)
    thinking = thinking_tokens(request, model, digest)
    if draft.thinking is not None and model.family.thinking != "none":
        thinking = draft.thinking
    thoughts: tuple[str, ...] = ()
    if config.get("thinkingConfig", {}).get("includeThoughts") and (thinking or draft.thoughts):
        thoughts = draft.thoughts or tuple(thought_texts(request, model, thinking))
    pieces = [piece for piece in _pieces(draft, model, digest) if piece]
    answer = Answer(
        tuple("".join(piece) for piece in pieces),
        thoughts,
        tuple(map(len, pieces)),
        thinking,
        draft.finish,
        draft.finish_message,
        lead=draft.lead,
        calls=draft.calls,
        tool_tokens=draft.tool_tokens,
        partial_args=draft.partial_args,
        may_call=draft.may_call,
        no_candidates=draft.no_candidates,
        ratings=draft.ratings,
    )
    if draft.empty:
        return nothing_said(answer)
    answer = _stopped(answer, config.get("stopSequences", []), pieces)
    most = model.output_token_limit if model.family.continues_after else OUTPUT_TOKENS_MAX
    answer = _limited(answer, min(config.get("maxOutputTokens", most), model.output_token_limit), digest)
    if draft.partial and answer.finish not in WITH_TEXT:
        kept = max(len(answer.texts) // 2, 1)
        answer = replace(answer, texts=answer.texts[:kept], text_tokens=answer.text_tokens[:kept], calls=(), partial=True)
    told = draft.sources.metadata("".join(answer.texts)) if answer.texts and answer.finish == "STOP" else {}
    return replace(answer, metadata=told | draft.told)


def nothing_said(answer: Answer) -> Answer:
    """Leave only the thinking of an answer."""
    return replace(answer, texts=(), text_tokens=(), lead=(), calls=(), metadata={})


def thinking_tokens(request: dict[str, Any], model: Model, digest: bytes) -> int:
    """Say how long this family thinks about this request with these settings."""
    family = model.family
    given = request.get("generationConfig", {}).get("thinkingConfig", {})
    level, budget = given.get("thinkingLevel", family.level_default), given.get("thinkingBudget")
    if family.thinking == "none" or budget == 0 or (budget is None and not family.thinks_by_default):
        return 0
    if budget is not None or family.thinking == "budget" or level not in THINKING:
        level = "MEDIUM"
    least, span = THINKING[level]
    tokens = least + int.from_bytes(digest[:4], "big") % span
    tokens += min(count_prompt(request) // 8, tokens)
    return min(tokens, budget) if budget is not None and budget > 0 else tokens


def _pieces(draft: Draft, model: Model, digest: bytes) -> list[list[str]]:
    """Cut the text into stream events, each a list of tokens."""
    if draft.events:
        return [split_text(event) for event in draft.events if event]
    tokens = split_text(draft.text)
    family = model.family
    first = family.first_event_tokens - digest[4] % (family.first_event_tokens // 2)
    return [tokens[:first], *(tokens[i : i + family.event_tokens] for i in range(first, len(tokens), family.event_tokens))]


def _stopped(answer: Answer, stop_sequences: list[str], pieces: list[list[str]]) -> Answer:
    """End before the first stop sequence. The finish reason stays STOP."""
    text = "".join(answer.texts)
    ends = [at for sequence in stop_sequences if sequence and (at := text.find(sequence)) >= 0]
    if not ends:
        return answer
    left, kept = min(ends), []
    for piece in pieces:
        joined = "".join(piece)[:left]
        left -= len(joined)
        if joined:
            kept.append(joined)
    return replace(answer, texts=tuple(kept), text_tokens=tuple(len(split_text(text)) for text in kept))


def _limited(answer: Answer, tokens_max: int, digest: bytes) -> Answer:
    """Keep to maxOutputTokens, which thinking counts against. When thinking eats it, no part is left (recorded)."""
    left = tokens_max - answer.thought_tokens
    if left <= 0:
        spent = max(tokens_max - digest[5] % 4, 0)
        return replace(nothing_said(answer), thought_tokens=spent, finish="MAX_TOKENS")
    if answer.output_tokens <= left:
        return answer
    lead = _fitting(answer.lead, left)
    left -= sum(map(count_part, lead))
    texts, counts = [], []
    for text, count in zip(answer.texts, answer.text_tokens, strict=True):
        kept = split_text(text)[:left] if lead == answer.lead else []
        left -= len(kept)
        if kept:
            texts.append("".join(kept))
            counts.append(len(kept))
        if len(kept) < count:
            break
    whole = lead == answer.lead and sum(counts) == sum(answer.text_tokens)
    return replace(
        answer,
        texts=tuple(texts),
        text_tokens=tuple(counts),
        lead=lead,
        calls=_fitting(answer.calls, left) if whole else (),
        metadata={},
        finish="MAX_TOKENS",
    )


def _fitting(parts: tuple[Part, ...], tokens_max: int) -> tuple[Part, ...]:
    """Keep the parts that fit as a whole: a cut call is not said."""
    kept: list[Part] = []
    for part in parts:
        tokens_max -= count_part(part)
        if tokens_max < 0:
            break
        kept.append(part)
    return tuple(kept)
