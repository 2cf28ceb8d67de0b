"""What was made of a content, kept for when the same content comes again: bounded by bytes and count, the oldest go first."""

import hashlib
from collections import OrderedDict
from typing import Generic, TypeVar

Made = TypeVar("Made")

KEY_BYTES = 32
"""Bytes of a digest: with fewer, somebody could look for two contents that share one, and meet what is another's."""


def key(content: bytes | memoryview, *sorts: str) -> bytes:
    """Give the key of a content, and of what is made of it: `sorts` are part of it."""
    digest = hashlib.blake2b(content, digest_size=KEY_BYTES)
    for sort in sorts:
        digest.update(b"\0%d\0" % len(sort))
        digest.update(sort.encode())
    return digest.digest()


class Kept(Generic[Made]):
    """A bounded memory; what is used again stays."""

    def __init__(self, *, bytes_max: int, count_max: int) -> None:
        self._bytes_max = bytes_max
        self._count_max = count_max
        self._bytes = 0
        self._made: OrderedDict[bytes, tuple[Made, int]] = OrderedDict()

    def get(self, key: bytes) -> Made | None:
        """Give what was made, if it is still kept."""
        found = self._made.get(key)
        if found is None:
            return None
        self._made.move_to_end(key)
        return found[0]

    def put(self, key: bytes, made: Made, size: int) -> None:
        """Keep what was made; what is larger than all the room is not kept."""
        if size > self._bytes_max or key in self._made:
            return
        self._made[key] = (made, size)
        self._bytes += size
        while self._bytes > self._bytes_max or len(self._made) > self._count_max:
            _, (_, gone) = self._made.popitem(last=False)
            self._bytes -= gone

    def __len__(self) -> int:
        return len(self._made)
