"""Texts that a schema allows: of a format, of a length, of a pattern."""

import hashlib
import re
from typing import Any

from pollux.emulator.patterns import can_be_tried, matching_text, tries

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
    "iri-reference": "/example",
    "uri-template": "https://example.com/{name}",
    "json-pointer": "/example",
    "relative-json-pointer": "1/example",
    "regex": ".*",
    "byte": "UG9sbHV4",
}
"""A text of each format."""

SHAPES = {
    "date": r"\d{4}-\d\d-\d\d",
    "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "time": r"\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)",
    "email": r"[\w.+-]{1,64}@[\w-]+(\.[\w-]+)+",
    "uri": r"[a-z][a-z0-9+.-]*://[!-~]+",
    "url": r"[a-z][a-z0-9+.-]*://[!-~]+",
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}
"""What a drawn text must look like to be taken for a format."""

DAYS = {"mon": 23, "tue": 24, "wed": 25, "thu": 26, "fri": 27, "sat": 28, "sun": 29, "tomorrow": 23, "today": 22, "tonight": 22}
"""The day of November 2026 that a word means: the emulator has no calendar, so that answers stay the same."""

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

FILLING = "abcdefghijklmnopqrstuvwxyz"

TEXT_CHARS_MAX = 100_000
"""Length of a text that `minLength` may demand."""

TRIED = ("a", "A", "1", "abc", "ABC", "abc1", "ABC-123", "123", "12345", "1234567890", "a1b2c3d4", "#a1b2c3", "1.0.0", "en-US",
         "+15550100", "10:00", "2026-11-22", "example", "Example", "user@example.com", "https://example.com/")  # fmt: skip
"""Texts that are tried when a pattern refuses the drawn one, before one is made of the pattern itself."""


def fitting_string(drawn: str, schema: dict[str, Any], variant: int = 0, salt: bytes = b"") -> str:
    """Give the drawn text if the schema allows it, else one that it does; another one for each variant and salt."""
    kind = schema.get("format")
    digest = hashlib.sha256(salt + bytes((variant % 256,))).digest() if salt or variant else b"\0" * 32
    if isinstance(kind, str) and (kind in SHAPES or kind in SAMPLES):
        drawn = _of_format(drawn, kind, digest)
    text = _of_length(drawn, schema)
    pattern = schema.get("pattern")
    if not isinstance(pattern, str) or (can_be_tried(pattern, text) and tries(pattern, text) and not variant):
        return text
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    words = re.findall(r"\w[\w.-]*", drawn)[:20]
    tried = (_of_length(other, schema) for other in (*words, *TRIED))
    known = next((other for other in tried if can_be_tried(pattern, other) and tries(pattern, other)), None)
    if known is not None and not variant:
        return known
    made = matching_text(pattern, _Picks(digest).pick, min(least, TEXT_CHARS_MAX), None if most is None else int(most))
    if made is None:
        return text if known is None else known
    longer = _of_length(made, schema)
    return longer if can_be_tried(pattern, longer) and tries(pattern, longer) else made


class _Picks:
    """Choices that follow from a digest."""

    def __init__(self, digest: bytes) -> None:
        self.digest, self.count = digest, 0

    def pick(self, count: int) -> int:
        self.count += 1
        drawn = hashlib.sha256(self.digest + self.count.to_bytes(4, "big")).digest()
        return int.from_bytes(drawn[:4], "big") % count


def _of_format(drawn: str, kind: str, digest: bytes) -> str:
    """Give a text of a format: the drawn one, one that it means (Friday), or a usual one."""
    if kind in ("date", "date-time") and not re.fullmatch(SHAPES[kind], drawn, re.ASCII):
        day = drawn if re.fullmatch(SHAPES["date"], drawn, re.ASCII) else _day(drawn) or f"2026-11-{22 - digest[0] % 22:02}"
        drawn = day if kind == "date" else f"{day}T{(10 + digest[1]) % 24:02}:{digest[2] % 60 // 5 * 5:02}:00Z"
    if kind == "date" and not _is_date(drawn):
        return SAMPLES["date"]
    if kind == "date-time" and not _is_date(drawn[:10]):
        return SAMPLES["date-time"]
    if kind in SHAPES and re.fullmatch(SHAPES[kind], drawn, re.ASCII):
        return drawn
    if kind == "uuid":
        return _uuid(drawn + digest.hex() * any(digest))
    if not any(digest):
        return SAMPLES[kind]
    match kind:
        case "time":
            return f"{digest[1] % 24:02}:{digest[2] % 60:02}:00Z"
        case "email" | "idn-email":
            return f"{_slug(drawn)}@example.com"
        case "hostname" | "idn-hostname":
            return f"{_slug(drawn)}.example.com"
        case "ipv4":
            return f"192.0.2.{digest[3] % 254 + 1}"
        case "ipv6":
            return f"2001:db8::{digest[3] + 1:x}"
        case "uri" | "url" | "iri":
            return f"https://example.com/{_slug(drawn)}"
        case "uri-reference" | "iri-reference":
            return f"/{_slug(drawn)}"
    return SAMPLES[kind]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()[:40]).strip("-") or "example"


def _day(text: str) -> str:
    """Find the date that a day in words means."""
    lower = text.lower()
    for word, day in DAYS.items():
        if re.search(rf"\b{word}", lower):
            return f"2026-11-{day}"
    month = next((number for number, name in enumerate(MONTHS, 1) if re.search(rf"\b{name}", lower)), 0)
    found = re.search(r"\b(\d{1,2})(?:st|nd|rd|th)?\b", lower)
    year = re.search(r"\b(\d{4})\b", lower)
    return f"{year.group(1) if year else 2026}-{month:02}-{int(found.group(1)):02}" if month and found else ""


def _is_date(text: str) -> bool:
    year, month, day = (int(part) for part in text.split("-"))
    return year > 0 and 1 <= month <= 12 and 1 <= day <= (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]


def _of_length(text: str, schema: dict[str, Any]) -> str:
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    while len(text) < min(least, TEXT_CHARS_MAX):
        text += FILLING[: least - len(text)]
    return text if most is None else text[: int(most)]


def _uuid(text: str) -> str:
    found = re.search(SHAPES["uuid"], text)
    if found:
        return found.group()
    digits = hashlib.sha256(text.encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"
