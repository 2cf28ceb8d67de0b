"""Long answers of Gemini 4 in several requests: CONTINUATION and its token (gemini-native.md, section 8).

The same request brings the same text, so a token only says how much of it was said. It is bound to the time at which it was
given and to the request, in which empty messages do not count: Google's client adds a `generationConfig` of that kind when it
goes on. What is in a token is the emulator's own; how a wrong or an old one is refused is not known.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pollux.emulator.errors import invalid
from pollux.emulator.limits import CONTINUATION_HOURS_MAX
from pollux.emulator.models import Model
from pollux.emulator.settle import Answer
from pollux.emulator.tokens import split_text

KEY = b"Pollux emulator: continuation tokens are no secret"

MARK = b"pollux-continuation:"

CHECKPOINT_EVENTS = 16
"""Events of a stream after which it gives a token, from which a dropped connection can be resumed."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One request of a long answer: where it begins, how much it may say, and what its tokens are bound to."""

    start: int
    """Characters of the whole text that were said before."""
    tokens_max: int
    digest: bytes
    now: int

    def token(self, said: int) -> str:
        """Make the token that goes on after so many characters of the whole text."""
        told = said.to_bytes(8, "big") + self.now.to_bytes(8, "big")
        return base64.b64encode(MARK + told + _seal(told, self.digest)).decode()


def hop(request: dict[str, Any], model: Model, digest: bytes, now: datetime, cap: int | None, *, streamed: bool) -> Hop | None:
    """Read the request's token; None for a family whose answers are never continued."""
    token = request.get("continuationToken", "")
    caps = model.family.continues_after
    if not caps:
        if token:
            # AFTER "Thinking level is not supported for this model."
            raise invalid("Continuation token is not supported for this model.")
        return None
    seconds = int(now.timestamp())
    tokens_max = cap or caps[1 if streamed else 0]
    return Hop(_start(token, digest, seconds) if token else 0, tokens_max, digest, seconds)


def continued(answer: Answer, here: Hop | None) -> Answer:
    """Keep what this request says of the whole answer."""
    if here is None or answer.blocked or not answer.texts:
        return answer
    answer = replace(answer, thoughts=(), thought_tokens=0, lead=(), tool_tokens=0) if here.start else answer
    left = max(here.tokens_max - answer.thought_tokens, 1)
    texts: list[str] = []
    counts: list[int] = []
    tokens: list[str] = []
    at = 0
    for text in answer.texts:
        begin, at = at, at + len(text)
        rest = text[max(here.start - begin, 0) :]
        kept = split_text(rest)[:left] if rest else []
        left -= len(kept)
        if kept:
            texts.append("".join(kept))
            counts.append(len(kept))
            said = at - len(rest) + len(texts[-1])
            tokens.append(here.token(said) if len(texts) % CHECKPOINT_EVENTS == 0 else "")
        if "".join(kept) != rest:
            told = {"continuationToken": here.token(at - len(rest) + len("".join(kept)))}
            return replace(answer, texts=tuple(texts), text_tokens=tuple(counts), checkpoints=tuple(tokens), calls=(),
                           metadata=told, finish="CONTINUATION")  # fmt: skip
    return replace(answer, texts=tuple(texts), text_tokens=tuple(counts), checkpoints=tuple(tokens))


def _start(token: str, digest: bytes, now: int) -> int:
    plain = token.replace("-", "+").replace("_", "/").rstrip("=\r\n")
    data = base64.b64decode(plain + "=" * (-len(plain) % 4))
    told, seal = data[len(MARK) : len(MARK) + 16], data[len(MARK) + 16 :]
    if not data.startswith(MARK) or not hmac.compare_digest(seal, _seal(told, digest)):
        # AFTER "Corrupted thought signature."
        raise invalid("Corrupted continuation token.")
    if now - int.from_bytes(told[8:], "big") > CONTINUATION_HOURS_MAX * 3_600:
        # AFTER.
        raise invalid("The continuation token has expired.")
    return int.from_bytes(told[:8], "big")


def _seal(told: bytes, digest: bytes) -> bytes:
    return hmac.digest(KEY, told + hashlib.sha256(digest).digest(), "sha256")[:16]
