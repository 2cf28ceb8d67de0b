"""Log probabilities: Gemini's decoding steps → OpenAI's tokens.

Source: Gemini API, LogprobsResult: two lists that run over the steps in parallel; OpenAI API, chat completion object, logprobs.
Loses: the tokens' native ids, and the sum of the log probabilities, which is the caller's to add.
"""

from typing import Any

from pollux.wire.openai.chat import TokenLogprob, TopLogprob


def content(result: dict[str, Any]) -> list[TokenLogprob]:
    """Say each step: the token that was chosen, and the likeliest ones, most likely first, as the native lists are."""
    top = result.get("topCandidates") or []
    steps = []
    for i, chosen in enumerate(result.get("chosenCandidates") or []):
        token, logprob, spelled = _token(chosen)
        others = top[i].get("candidates") or [] if i < len(top) else []
        steps.append(TokenLogprob(token, logprob, spelled, [TopLogprob(*_token(other)) for other in others]))
    return steps


def _token(native: dict[str, Any]) -> tuple[str, float, list[int]]:
    """Read a token. A probability of one is a logarithm of zero, which the native API leaves out."""
    token = str(native.get("token", ""))
    return token, float(native.get("logProbability", 0.0)), list(token.encode())
