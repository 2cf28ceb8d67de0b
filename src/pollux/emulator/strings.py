"""Texts that a schema allows: of a format, of a length, of a pattern."""

import hashlib
import re
from typing import Any

SAMPLES = {
    "date": "2026-11-22",
    "date-time": "2026-11-22T10:00:00Z",
    "time": "10:00:00Z",
    "duration": "PT1H",
    "email": "user@example.com",
    "idn-email": "user@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "iri": "https://example.com/",
    "uri-reference": "/example",
    "json-pointer": "/example",
    "regex": ".*",
    "byte": "UG9sbHV4",
}
"""A text of each format."""

SHAPES = {
    "date": r"\d{4}-\d\d-\d\d",
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "time": r"\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "email": r"[^@\s]+@[^@\s]+\.[^@\s]+",
    "uri": r"[a-z][a-z0-9+.-]*://\S+",
    "url": r"[a-z][a-z0-9+.-]*://\S+",
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}
"""What a drawn text must look like to be taken for a format."""

FILLING = "abcdefghijklmnopqrstuvwxyz"

TEXT_CHARS_MAX = 100_000
"""Length of a text that `minLength` may demand."""

TRIED = ("a", "A", "1", "abc", "ABC", "abc1", "ABC-123", "123", "12345", "1234567890", "a1b2c3d4", "#a1b2c3", "1.0.0", "en-US",
         "+15550100", "10:00", "2026-11-22", "example", "Example", "user@example.com", "https://example.com/")  # fmt: skip
"""Texts that are tried when a pattern refuses the drawn one."""


def fitting_string(drawn: str, schema: dict[str, Any]) -> str:
    """Give the drawn text if the schema allows it, else one that it does."""
    kind = schema.get("format")
    if kind == "date-time" and re.fullmatch(SHAPES["date"], drawn):
        drawn += "T00:00:00Z"
    if kind in SHAPES and not re.fullmatch(SHAPES[kind], drawn):
        drawn = _uuid(drawn) if kind == "uuid" else SAMPLES[kind]
    elif kind in SAMPLES and kind not in SHAPES:
        drawn = SAMPLES[kind]
    text = _of_length(drawn, schema)
    pattern = schema.get("pattern")
    if pattern is not None and _is_quick(pattern) and not _matches(pattern, text):
        words = re.findall(r"\w[\w.-]*", drawn)[:20]
        tried = (_of_length(other, schema) for other in (*words, *TRIED))
        text = next((other for other in tried if _matches(pattern, other)), text)
    return text


def _of_length(text: str, schema: dict[str, Any]) -> str:
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    while len(text) < min(least, TEXT_CHARS_MAX):
        text += FILLING[: least - len(text)]
    return text if most is None else text[: int(most)]


def _is_quick(pattern: str) -> bool:
    """Tell whether a pattern of a caller can be tried without taking for ever: no repeated groups, few repetitions."""
    return len(pattern) <= PATTERN_CHARS_MAX and not REPEATED_GROUP.search(pattern) and len(REPEATED.findall(pattern)) <= 4


REPEATED_GROUP = re.compile(r"\)[*+{]")
REPEATED = re.compile(r"[*+]|\{\d*,")

PATTERN_CHARS_MAX = 200
"""Length of a pattern that is tried."""

PATTERN_TEXT_CHARS_MAX = 40
"""Length of a text that a pattern is tried on."""


def _matches(pattern: str, text: str) -> bool:
    try:
        return len(text) <= PATTERN_TEXT_CHARS_MAX and re.search(pattern, text) is not None
    except re.error:
        return True


def _uuid(text: str) -> str:
    found = re.search(SHAPES["uuid"], text)
    if found:
        return found.group()
    digits = hashlib.sha256(text.encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"
