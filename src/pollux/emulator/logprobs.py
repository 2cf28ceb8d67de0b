"""Log probabilities of an answer's tokens: chosen ones that join to the text, and candidates beside each.

The form is the discovery document's; what gemini-native.md, section 13, tells of live lists is kept: those of candidates are
sorted, and now and then do not contain the chosen token. The numbers follow from the text alone.
"""

import hashlib
from typing import Any

from pollux.emulator.tokens import split_text

TOKEN_IDS = 262_144
"""Size of the vocabulary from which ids are made up."""

OTHERS = (" the", " a", " and", " of", " to", " in", " is", " it", " that", " for", " on", " with", " as", " this", " was",
          " at", " by", " an", " be", " from", " or")  # fmt: skip
"""Tokens beside the chosen one."""


def result(text: str, top: int) -> dict[str, Any]:
    """Make the `logprobsResult` of a text, with so many candidates for each token."""
    chosen, candidates = [], []
    for number, token in enumerate(split_text(text)):
        drawn = hashlib.sha256(f"{number} {token}".encode()).digest()
        value = -drawn[0] / 256 if drawn[1] % 8 else -1 - drawn[0] / 64
        one = _entry(token, value)
        chosen.append(one)
        others = [_entry(other, -1.5 - i / 2 - drawn[2] / 512) for i, other in enumerate(OTHERS) if other != token]
        listed = sorted([*others[: max(top - 1, 0)], one], key=lambda entry: -entry["logProbability"])
        if top and not drawn[3] % 16:
            listed = others[:top]
        candidates.append({"candidates": listed[:top]})
    made: dict[str, Any] = {"topCandidates": candidates} if top else {}
    return made | {"chosenCandidates": chosen, "logProbabilitySum": round(sum(one["logProbability"] for one in chosen), 6)}


def average(told: dict[str, Any]) -> float:
    """Average the log probabilities of a result."""
    return round(float(told["logProbabilitySum"]) / max(len(told["chosenCandidates"]), 1), 6)


def _entry(token: str, value: float) -> dict[str, Any]:
    drawn = int.from_bytes(hashlib.sha256(token.encode()).digest()[:4], "big")
    return {"token": token, "tokenId": drawn % TOKEN_IDS, "logProbability": round(value, 6)}
