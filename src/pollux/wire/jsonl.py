"""JSON Lines: pieces of a file → its lines, whatever the pieces are. A line is held once, and only until its end has come."""


class LineTooLarge(Exception):
    """A line has more bytes than it may have; `number` counts from 1."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class LineReader:
    """Splits what is fed at line feeds. Lines keep a carriage return, which JSON takes for white space."""

    def __init__(self, line_bytes_max: int) -> None:
        self._line_bytes_max = line_bytes_max
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._number = 1

    def feed(self, piece: bytes) -> list[bytes]:
        """Give the lines that this piece ends. Raises LineTooLarge."""
        first, *lines = piece.split(b"\n")
        self._hold(first)
        if not lines:
            return []
        rest = lines.pop()
        ended = [self.finish(), *lines]
        self._number += len(lines)
        self._hold(rest)
        return ended

    def finish(self) -> bytes:
        """Give the line that is held: at the end of the file its last, which may be empty."""
        line = b"".join(self._held)
        self._held.clear()
        self._held_bytes = 0
        self._number += 1
        return line

    def _hold(self, piece: bytes) -> None:
        self._held_bytes += len(piece)
        if self._held_bytes > self._line_bytes_max:
            raise LineTooLarge(self._number)
        if piece:
            self._held.append(piece)
