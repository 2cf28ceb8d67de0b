"""How much the server takes on at once, fairly per caller."""

from pollux.errors import Overloaded

RETRY_AFTER_SECONDS = 1.0
"""What a refused caller is told to wait; requests take seconds."""


class InFlight:
    """Counts requests in flight and the bytes of their bodies.

    When the server is more than half full, one caller may hold no more than an equal share, and never the last tenth of all
    places, so that the first to come cannot shut out the rest.
    """

    __slots__ = ("_bytes", "_bytes_max", "_of", "_total", "_total_max")

    def __init__(self, *, requests_max: int, bytes_max: int) -> None:
        self._total_max = requests_max
        self._bytes_max = bytes_max
        self._total = 0
        self._bytes = 0
        self._of: dict[str, int] = {}

    def enter(self, owner: str) -> None:
        """Count a request in. Raises Overloaded."""
        own = self._of.get(owner, 0)
        if self._total >= self._total_max or (2 * self._total >= self._total_max and own >= self._share()):
            raise Overloaded("The server has as many requests in flight as it may.", retry_after_seconds=RETRY_AFTER_SECONDS)
        self._total += 1
        self._of[owner] = own + 1

    def leave(self, owner: str, places: int = 1) -> None:
        """Count a request out, and the places that it took."""
        self._total -= places
        left = self._of.pop(owner, 0) - places
        if left:
            self._of[owner] = left

    def hold(self, size: int) -> None:
        """Count bytes in. Raises Overloaded."""
        if self._bytes + size > self._bytes_max:
            raise Overloaded("The server holds as many request bytes as it may.", retry_after_seconds=RETRY_AFTER_SECONDS)
        self._bytes += size

    def release(self, size: int) -> None:
        """Count bytes out."""
        self._bytes -= size

    def _share(self) -> int:
        return min(self._total_max // len(self._of), self._total_max - self._total_max // 10)

    @property
    def total(self) -> int:
        """Requests in flight."""
        return self._total
