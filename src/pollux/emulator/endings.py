"""How an answer ends when it does not end well: what a fault or the prompt itself asks for, and what is judged harmful.

    Please tell a story. [emulator: finish=RECITATION]
    Hello [emulator: harmful-prompt=HATE_SPEECH:MEDIUM]

The brackets in the last user text speak the language of faults, as far as it is about the answer. Nothing is judged by its
words: whether something harmful is blocked follows from `safetySettings`, as documented.
"""

import re
from dataclasses import replace
from typing import Any

import msgspec

from pollux.emulator import faults
from pollux.emulator.calling import asking_text
from pollux.emulator.errors import invalid
from pollux.emulator.faults import Fault
from pollux.emulator.settle import Draft

MARK = "[emulator:"

TRIGGER = re.compile(r"\[emulator:([^\]\n]{1,400})\]")

RANKS = ("NEGLIGIBLE", "LOW", "MEDIUM", "HIGH")

BLOCKED_FROM = {"BLOCK_LOW_AND_ABOVE": 1, "BLOCK_MEDIUM_AND_ABOVE": 2, "BLOCK_ONLY_HIGH": 3}
"""From which rank a threshold blocks; the others never do, nor does no setting: OFF is the default since 2.5 (published)."""

CATEGORIES = ("HATE_SPEECH", "DANGEROUS_CONTENT", "HARASSMENT", "SEXUALLY_EXPLICIT")
"""In the recorded order of ratings."""

DEFAULT_HARM = ("HATE_SPEECH", "HIGH")
"""What is blocked where only the ending was asked for. Recorded with gemini-1.5-flash, the one real SAFETY."""

CITED = {"citationSources": [{"endIndex": 100, "uri": "https://example.com/recited", "license": ""}]}


def asked_for(request: dict[str, Any], fault: Fault) -> Fault:
    """Add what the last user text asks for to a request's fault."""
    text = asking_text(request)[0]
    found = TRIGGER.search(text) if MARK in text else None
    if found is None:
        return fault
    try:
        asked = faults.parse(found.group(1), only=faults.OF_THE_ANSWER)
    except ValueError as error:
        raise invalid(f"The emulator does not understand what the prompt asks for: {error}.") from None
    changed = {name: value for name, value in msgspec.structs.asdict(asked).items() if value != getattr(NO_FAULT, name)}
    return msgspec.structs.replace(fault, **changed)


NO_FAULT = Fault()


def ended(draft: Draft, fault: Fault, request: dict[str, Any]) -> Draft:
    """Let a fault end the answer, and judge what is harmful."""
    if fault == NO_FAULT and draft.finish == "STOP" and not draft.blocked:
        return draft
    finish, blocked = fault.finish or draft.finish, fault.blocked or draft.blocked
    draft = replace(
        draft,
        finish=finish,
        finish_message=draft.finish_message or odd_message(finish, draft),
        blocked=blocked,
        empty=fault.empty or draft.empty,
        partial=fault.partial,
        no_candidates=fault.no_candidates,
        thinking=fault.thinking,
        partial_args=fault.partial_args or draft.partial_args,
    )
    if fault.harmful_prompt and not blocked:
        return _judged_prompt(draft, fault.harmful_prompt, request)
    if fault.harmful_answer and finish == "STOP":
        return _judged_answer(draft, fault.harmful_answer, request)
    if blocked == "SAFETY":
        return replace(draft, ratings=_ratings(*DEFAULT_HARM))
    if finish == "SAFETY":
        return replace(draft, ratings=_ratings(*DEFAULT_HARM, blocked=True))
    if finish == "RECITATION":
        return replace(draft, told={"citationMetadata": CITED} if draft.partial else {})
    return draft


def odd_message(finish: str, draft: Draft) -> str:
    """Say what the service says when a call went wrong; it names the call that was meant."""
    calls = [part["functionCall"] for part in draft.calls if "functionCall" in part]
    call: dict[str, Any] = calls[0] if calls else {"name": "undeclared_function", "args": {}}
    if finish == "MALFORMED_FUNCTION_CALL":
        told = ", ".join(f"{name}={value!r}" for name, value in call["args"].items())
        return f"Malformed function call: print(default_api.{call['name']}({told}))"
    if finish == "UNEXPECTED_TOOL_CALL":
        return f"Unexpected tool call: Model tried to call an undeclared function: {call['name']}"
    if finish == "MISSING_THOUGHT_SIGNATURE":
        return f"Function call `default_api:{call['name']}` is missing a thought_signature."
    return ""


def _judged_prompt(draft: Draft, harm: str, request: dict[str, Any]) -> Draft:
    category, _, probability = harm.partition(":")
    threshold = _threshold(category, request)
    if RANKS.index(probability) >= BLOCKED_FROM.get(threshold, len(RANKS)):
        return replace(draft, blocked="SAFETY", ratings=_ratings(category, probability))
    return draft


def _judged_answer(draft: Draft, harm: str, request: dict[str, Any]) -> Draft:
    """Stop an answer in its middle, its text so far kept; below the threshold only tell the rating."""
    category, _, probability = harm.partition(":")
    threshold = _threshold(category, request)
    if RANKS.index(probability) >= BLOCKED_FROM.get(threshold, len(RANKS)):
        return replace(draft, finish="SAFETY", partial=True, ratings=_ratings(category, probability, blocked=True))
    return draft if threshold == "OFF" else replace(draft, ratings=_ratings(category, probability))


def _threshold(category: str, request: dict[str, Any]) -> str:
    settings = request.get("safetySettings", [])
    found = [one.get("threshold", "OFF") for one in settings if one.get("category") == f"HARM_CATEGORY_{category}"]
    return found[0] if found and found[0] != "HARM_BLOCK_THRESHOLD_UNSPECIFIED" else "OFF"


def _ratings(category: str, probability: str, *, blocked: bool = False) -> tuple[dict[str, Any], ...]:
    """Rate all categories; one of them stands out."""
    names = CATEGORIES if category in CATEGORIES else (*CATEGORIES, category)
    rated: list[dict[str, Any]] = []
    for name in names:
        one: dict[str, Any] = {"category": f"HARM_CATEGORY_{name}", "probability": "NEGLIGIBLE"}
        if name == category:
            one |= {"probability": probability} | ({"blocked": True} if blocked else {})
        rated.append(one)
    return tuple(rated)
