"""Server-sent events: bytes in any split become events, and events become bytes.

The reading follows the HTML standard (a stream of lines that end with CRLF, LF or CR; `data` fields collect, joined by LF; an
empty line ends the event; comments and other fields are passed over; a BOM at the head is dropped; no data, no event), with
two additions for what Gemini really sends:

- A line that starts with `{` or `[` begins a **raw payload**: JSON without a `data:` prefix, as it comes when a stream breaks
  off with `{"error": …}` over several lines. No field starts so. It runs up to the next line that starts with `data:`, or to
  the end of the body; it is an event like the others, its lines joined by LF, without the empty lines at its end.
- The last event counts even when no empty line follows it: `finish` gives it.

Nothing else that carries data is passed over, and the events are the same for any split of the bytes.
Source: HTML standard, "Server-sent events"; Gemini API, streamGenerateContent.
"""

from typing import Final

EVENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""An image answer is one event of 20 MB; three times that is not an answer any more."""

DONE: Final = b"data: [DONE]\n\n"
"""The message that ends OpenAI's streams."""


class EventTooLarge(ValueError):
    """One event of a stream is larger than the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"One event of the stream is larger than {limit} bytes.")
        self.limit = limit


def encode(payload: bytes) -> bytes:
    """Frame one payload, which holds no line break, as an event."""
    return b"".join((b"data: ", payload, b"\n\n"))  # not by +, which makes a copy more of what may have 20 MB


def comment(text: bytes) -> bytes:
    """Frame a text without line breaks as a comment: it keeps the connection busy, and readers pass over it."""
    return b": " + text + b"\n\n"


class SseDecoder:
    """Bytes to the payloads of events. One decoder reads one body."""

    __slots__ = ("_after_cr", "_data", "_data_bytes", "_is_raw", "_is_too_large", "_limit", "_line", "_line_bytes", "_started")

    def __init__(self, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._limit = event_bytes_max
        self._started = False  # the first line is read: no BOM can follow
        self._after_cr = False  # the last read ended with CR: an LF at the head of the next belongs to it
        self._line: list[bytes] = []  # the pieces of the line that has not ended yet
        self._line_bytes = 0
        self._data: list[bytes] = []  # the data lines of the open event, or the lines of the raw payload
        self._data_bytes = 0
        self._is_raw = False
        self._is_too_large = False

    def feed(self, data: bytes) -> list[bytes]:
        """Read some bytes of the body and give the payloads of the events that end in them, none of them empty.

        Raises EventTooLarge when an event passes the limit, and from then on; events before it are given first.
        """
        if data.startswith(b"data: ") and not (self._line or self._data or self._is_too_large) and len(data) <= self._limit:
            events = _whole_events(data)
            if events is not None:
                self._started, self._after_cr = True, False
                return events
        return self._feed_lines(data)

    def finish(self) -> list[bytes]:
        """Say that the body has ended, and give what was open, if anything: Gemini may leave out the last empty line.

        Raises EventTooLarge like `feed`.
        """
        events: list[bytes] = []
        if self._line and not self._is_too_large:
            self._take_collected_line(b"", events)
        if self._is_too_large:
            raise EventTooLarge(self._limit)
        self._end_event(events)
        return events

    def close(self) -> bytes:
        """Give up a stream that broke, and return what was read of the open event: for a log, not to be parsed."""
        unread = b"\n".join([*self._data, b"".join(self._line)] if self._line else self._data)
        self._line, self._line_bytes = [], 0
        self._data, self._data_bytes, self._is_raw = [], 0, False
        return unread

    def _feed_lines(self, data: bytes) -> list[bytes]:
        """Read any bytes, line by line."""
        events: list[bytes] = []
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if data and not self._is_too_large:
            if b"\n" in data or b"\r" in data:
                lines = data.splitlines()  # of bytes: at CRLF, LF and CR, and nowhere else
                self._after_cr = data.endswith(b"\r")
                unfinished = b"" if self._after_cr or data.endswith(b"\n") else lines.pop()
                self._take_lines(lines, events)
            else:
                unfinished = data
            if unfinished:
                self._line.append(unfinished)
                self._line_bytes += len(unfinished)
                self._is_too_large |= self._line_bytes > self._limit + len(b"\xef\xbb\xbfdata: ")
        if self._is_too_large and not events:
            self.close()
            raise EventTooLarge(self._limit)
        return events

    def _take_lines(self, lines: list[bytes], events: list[bytes]) -> None:
        rest = iter(lines)
        if self._line:
            self._take_collected_line(next(rest), events)
        for line in rest:
            if self._is_too_large:
                return
            self._take_line(line, events)

    def _take_collected_line(self, end: bytes, events: list[bytes]) -> None:
        """Take the line whose pieces were collected, now that its end is here."""
        pieces, self._line, self._line_bytes = [*self._line, end], [], 0
        if pieces[0].startswith(b"data: ") and not self._is_raw:
            pieces[0] = pieces[0][6:]  # before joining: one copy of 20 MB less
            self._started = True
            self._add(b"".join(pieces))
        else:
            self._take_line(b"".join(pieces), events)

    def _take_line(self, line: bytes, events: list[bytes]) -> None:
        """Take one line, without its end."""
        if not self._started:
            self._started = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.startswith(b"data:"):
            if self._is_raw:
                self._end_event(events)
            self._add(line[6:] if line.startswith(b" ", 5) else line[5:])
        elif self._is_raw:
            self._add(line)
        elif not line:
            self._end_event(events)
        elif line.startswith((b"{", b"[")):
            self._end_event(events)
            self._is_raw = True
            self._add(line)
        elif line == b"data":
            self._add(b"")
        elif len(line) > self._limit:
            self._is_too_large = True

    def _add(self, line: bytes) -> None:
        """Add a line to the open event."""
        self._data.append(line)
        self._data_bytes += len(line) + 1
        self._is_too_large = self._data_bytes - 1 > self._limit

    def _end_event(self, events: list[bytes]) -> None:
        """Give the open event, if it has data."""
        if self._data:
            payload = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            if self._is_raw:
                payload = payload.rstrip(b"\n")
            if payload:
                events.append(payload)
            self._data, self._data_bytes, self._is_raw = [], 0, False


def _whole_events(data: bytes) -> list[bytes] | None:
    """Split what is nothing but whole events of one line each, all with the same line ends; None when it is anything else."""
    if data.endswith(b"\r\n\r\n"):
        if data.find(b"\n") == len(data) - 3 and data.find(b"\r") == len(data) - 4 > 6:
            return [data[6:-4]]
        payloads = data[6:-4].split(b"\r\n\r\ndata: ")
        ends = 2 * len(payloads)
        return payloads if data.count(b"\n") == ends and data.count(b"\r") == ends and all(payloads) else None
    if data.endswith(b"\n\n"):
        payloads = data[6:-2].split(b"\n\ndata: ")
        return payloads if data.count(b"\n") == 2 * len(payloads) and b"\r" not in data and all(payloads) else None
    return None
