"""What was asked and what became of it, kept for tests. It never holds a key."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pollux.emulator.clock import elapsed_seconds
from pollux.emulator.limits import JOURNAL_BODY_BYTES_MAX

SECRET_HEADERS = ("x-goog-api-key", "authorization", "proxy-authorization", "cookie", "x-api-key")

SECRET_CHARS_MIN = 8
"""Shorter values are no keys, and would be found inside ordinary words."""

SECRET_QUERY = ("key", "access_token", "api_key", "upload_id")


@dataclass
class Entry:
    """One exchange."""

    id: int
    time: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any = None
    native_method: str = ""
    model: str = ""
    status: int | None = None
    """None until headers were sent; it stays so when the client left before."""
    events: int = 0
    """Stream events sent."""
    fault: str = ""
    """Where the fault that was applied came from."""
    script: str = ""
    """Name of the script entry that answered."""
    finished: bool = False
    """The emulator is done with it."""
    complete: bool = False
    """The whole answer was sent."""
    client_closed_early: bool = False
    """The client left before the end."""
    duration_seconds: float = 0.0
    secrets: list[str] = field(default_factory=list, repr=False)
    began: float = field(default_factory=elapsed_seconds)

    def end(self) -> None:
        """Note that the emulator is done with it."""
        if not self.finished:
            self.duration_seconds = round(elapsed_seconds() - self.began, 6)
            self.finished = True

    def told(self) -> dict[str, Any]:
        """Make the JSON object of it, without anything secret."""
        value = msgspec.to_builtins(self)
        del value["secrets"], value["began"]
        return value if isinstance(value, dict) else {}


class Journal:
    """The last exchanges, oldest first."""

    def __init__(self, length: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=length)
        self._count = 0

    def open(self, time: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str],
             secrets: list[str]) -> Entry:  # fmt: skip
        """Begin an entry."""
        self._count += 1
        entry = Entry(
            self._count,
            time,
            method,
            scrubbed(path, secrets),
            {name: "[secret]" if name in SECRET_QUERY else scrubbed(value, secrets) for name, value in query.items()},
            {name: "[secret]" if name in SECRET_HEADERS else scrubbed(value, secrets) for name, value in headers.items()},
            secrets=secrets,
        )
        self._entries.append(entry)
        return entry

    def keep_body(self, entry: Entry, data: bytes) -> None:
        """Keep a request's body, decoded where it is JSON, or its size where it is large."""
        if len(data) > JOURNAL_BODY_BYTES_MAX:
            entry.body = {"omitted_bytes": len(data)}
        elif data:
            text = scrubbed(data.decode(errors="replace"), entry.secrets)
            try:
                entry.body = msgspec.json.decode(text)
            except (msgspec.MsgspecError, RecursionError):
                entry.body = text

    def entries(self, since: int = 0) -> list[dict[str, Any]]:
        """List the entries after a number."""
        return [entry.told() for entry in list(self._entries) if entry.id > since]

    def clear(self) -> None:
        """Forget all entries; numbers go on."""
        self._entries.clear()


def scrubbed(text: str, secrets: list[str]) -> str:
    """Replace every secret of this request, wherever it stands, if it is long enough to be one."""
    for secret in secrets:
        if len(secret) >= SECRET_CHARS_MIN:
            text = text.replace(secret, "[secret]")
    return text
