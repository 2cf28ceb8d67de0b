"""What projects keep for a while: found by id, listed newest first in pages, gone when its time is over.

A page token is the number of the last thing on the page before, so that a listing stays whole while things come and go,
and a page costs the same however many things there are.
"""

import base64
import binascii
import heapq
import threading
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from pollux.emulator.errors import invalid


class Kept(Protocol):
    """What can be kept."""

    id: str
    expires: datetime


T = TypeVar("T", bound=Kept)


@dataclass
class _Shelf(Generic[T]):
    by_id: dict[str, tuple[int, T]] = field(default_factory=dict)
    by_number: dict[int, T] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    """In order; the newest is the last."""


class Shelves(Generic[T]):
    """One shelf for each project. It may be used from several threads."""

    def __init__(self, discard: Callable[[str, T], None]) -> None:
        self._discard = discard
        self._shelves: dict[str, _Shelf[T]] = {}
        self._expiring: list[tuple[datetime, int, str, str]] = []
        self._count = 0
        self._lock = threading.RLock()

    def put(self, project: str, item: T) -> None:
        """Keep a new thing."""
        with self._lock:
            self._count += 1
            shelf = self._shelves.setdefault(project, _Shelf())
            shelf.by_id[item.id] = self._count, item
            shelf.by_number[self._count] = item
            shelf.numbers.append(self._count)
            self.watch(project, item)

    def watch(self, project: str, item: T) -> None:
        """Note when a thing expires; again after that time was changed."""
        with self._lock:
            heapq.heappush(self._expiring, (item.expires, self._shelves[project].by_id[item.id][0], project, item.id))

    def find(self, project: str, name: str) -> T | None:
        """Find a thing of this project."""
        with self._lock:
            found = self._shelves[project].by_id.get(name) if project in self._shelves else None
            return found[1] if found else None

    def remove(self, project: str, name: str) -> bool:
        """Take a thing away, if it is there."""
        with self._lock:
            if self.find(project, name) is None:
                return False
            shelf = self._shelves[project]
            number, item = shelf.by_id.pop(name)
            del shelf.by_number[number], shelf.numbers[bisect_left(shelf.numbers, number)]
            if not shelf.numbers:
                del self._shelves[project]
            self._discard(project, item)
            return True

    def everything(self) -> list[tuple[str, T]]:
        """List all things with their projects, in no order."""
        with self._lock:
            return [(project, item) for project, shelf in self._shelves.items() for item in shelf.by_number.values()]

    def page(self, project: str, size: int, token: str) -> tuple[list[T], str]:
        """List a page, newest first, and the token of the next one, if there is more."""
        before = _number(token)
        with self._lock:
            shelf = self._shelves.get(project, _Shelf())
            end = len(shelf.numbers) if before is None else bisect_left(shelf.numbers, before)
            numbers = shelf.numbers[max(end - size, 0) : end][::-1]
            more = end > size
            return [shelf.by_number[number] for number in numbers], _token(numbers[-1]) if more else ""

    def sweep(self, now: datetime) -> None:
        """Take away what has expired."""
        with self._lock:
            while self._expiring and self._expiring[0][0] <= now:
                _, number, project, name = heapq.heappop(self._expiring)
                item = self._shelves[project].by_number.get(number) if project in self._shelves else None
                if item is not None and item.expires <= now:
                    self.remove(project, name)

    def clear(self) -> None:
        """Take everything away."""
        with self._lock:
            for project, shelf in list(self._shelves.items()):
                for name in list(shelf.by_id):
                    self.remove(project, name)
            self._expiring.clear()
            self._count = 0


def _token(number: int) -> str:
    return base64.urlsafe_b64encode(str(number).encode()).decode()


def _number(token: str) -> int | None:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else None
    except (binascii.Error, ValueError):
        raise invalid("Page token is invalid.") from None
