"""Thought signatures: made so that this emulator, in any process and after any restart, knows its own again.

A signature says which family made it and for what: a call with this name and these arguments, a code, a tool's trace, or a
text. It carries a keyed digest of that, so nothing needs to be remembered. The key is no secret: it protects against
mistakes, not against people.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Any

import msgspec

KEY = b"thought signatures of the Pollux emulator"

MARK = b"\x12\x60\x0a\x5epollux-emulator:"

NONCE_BYTES = 16

DUMMIES = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")
"""What Google documents for calls that no Gemini model made. Source: gemini-native.md, section 10."""


def sign(family: str, part: dict[str, Any], nonce: bytes) -> str:
    """Make the signature of a part."""
    return base64.b64encode(_built(family, part, nonce[:NONCE_BYTES])).decode()


def is_valid(signature: str, family: str, part: dict[str, Any]) -> bool:
    """Tell whether this family made the signature for this very part, or whether it is a documented dummy."""
    data = _decoded(signature)
    if is_dummy(signature):
        return True
    start = len(MARK) + len(family.encode()) + 1
    return hmac.compare_digest(data, _built(family, part, data[start : start + NONCE_BYTES]))


def is_dummy(signature: str) -> bool:
    """Tell whether it is a dummy: the words themselves, or their base64, which clients with typed bytes send."""
    return signature in DUMMIES or _decoded(signature) in [dummy.encode() for dummy in DUMMIES]


def _built(family: str, part: dict[str, Any], nonce: bytes) -> bytes:
    told = msgspec.json.encode([family, nonce, _subject(part)], order="deterministic")
    seal = hmac.digest(KEY, told, "sha256")
    return MARK + family.encode() + b":" + nonce + seal + hashlib.sha256(seal).digest() * 2


def _subject(part: dict[str, Any]) -> list[Any]:
    """Say what a signature is bound to. A text's signature holds for any text: clients join and split texts."""
    match part:
        case {"functionCall": call}:
            return ["functionCall", call.get("name", ""), _plain(call.get("args", {}))]
        case {"executableCode": code}:
            return ["executableCode", code.get("code", "")]
        case {"toolCall": trace}:
            return ["toolCall", trace.get("toolType", ""), trace.get("id", "")]
        case {"toolResponse": trace}:
            return ["toolResponse", trace.get("toolType", ""), trace.get("id", "")]
    return ["text"]


def _plain(value: Any) -> Any:
    """Make numbers alike that JSON writers spell differently: 1.0 is 1."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _decoded(signature: str) -> bytes:
    plain = signature.replace("-", "+").replace("_", "/").rstrip("=\r\n")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
