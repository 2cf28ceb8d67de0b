"""How native answers look as bytes: pretty for people where the real service is, spaced after colons in streams."""

from typing import Any

import msgspec

JSON_TYPE = "application/json; charset=UTF-8"


def pretty(value: Any) -> bytes:
    """Write an object as unary answers are: two spaces of indentation, a line break at the end."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def spaced(value: Any) -> str:
    """Write an object as stream events are: on one line, with `": "` after keys and `,` between members."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{spaced(key)}: {spaced(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(spaced, value)) + "]"
    return msgspec.json.encode(value).decode()


class SSE:
    """Server-sent events: `data: {json}` and CRLF CRLF; no `[DONE]`."""

    content_type = "text/event-stream"

    def event(self, value: Any) -> bytes:
        """Frame one event."""
        return f"data: {spaced(value)}\r\n\r\n".encode()

    def broken(self, value: Any) -> bytes:
        """Frame an event whose JSON breaks off."""
        text = spaced(value)
        return f"data: {text[: len(text) * 2 // 3]}\r\n\r\n".encode()

    def bare(self, value: Any) -> bytes:
        """Write an object over several lines without a frame, as errors in streams have been seen."""
        return pretty(value)

    def end(self) -> bytes:
        """End a stream: nothing."""
        return b""


class JSONArray:
    """The answer without `alt=sse`: one JSON array of the same events, sent as they come."""

    content_type = JSON_TYPE

    def __init__(self) -> None:
        self._started = False

    def event(self, value: Any) -> bytes:
        """Frame one element."""
        return self._before() + pretty(value).rstrip(b"\n")

    def broken(self, value: Any) -> bytes:
        """Frame an element whose JSON breaks off."""
        text = pretty(value)
        return self._before() + text[: len(text) * 2 // 3]

    def bare(self, value: Any) -> bytes:
        """Frame an element: in an array there is no other form."""
        return self.event(value)

    def end(self) -> bytes:
        """Close the array."""
        return b"\n]\n" if self._started else b"[]\n"

    def _before(self) -> bytes:
        mark, self._started = b"\n,\r\n" if self._started else b"[", True
        return mark
