"""Bytes of files: small ones in memory, larger ones in a folder that is made when it is needed and goes with the emulator.

Nothing here waits for a network, but a disk can be slow: the event loop calls `append` and `read` in a thread.
"""

import hashlib
import shutil
import tempfile
import weakref
from pathlib import Path

from pollux.emulator.limits import MEMORY_BYTES_MAX, MEMORY_FILE_BYTES_MAX


class Spool:
    """Where the bytes of one emulator's files are."""

    def __init__(self) -> None:
        self.memory_bytes = 0
        self._folder: Path | None = None
        self._count = 0

    def new(self) -> "Bytes":
        """Begin an empty piece of bytes."""
        return Bytes(self)

    def path(self) -> Path:
        """Name a new file in the folder."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="pollux-emulator-"))
            self._end = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._count += 1
        return self._folder / str(self._count)

    def close(self) -> None:
        """Remove the folder; a later file makes a new one."""
        if self._folder is not None:
            self._end()
            self._folder = None


class Bytes:
    """Bytes that grow at their end, with their size and their SHA-256."""

    def __init__(self, spool: Spool) -> None:
        self.size = 0
        self._spool = spool
        self._hash = hashlib.sha256()
        self._memory = bytearray()
        self._path: Path | None = None

    @property
    def sha256(self) -> str:
        """The digest in hexadecimal digits."""
        return self._hash.hexdigest()

    @property
    def on_disk(self) -> bool:
        """Whether reading needs the disk."""
        return self._path is not None

    def append(self, data: bytes) -> None:
        """Add bytes. From a certain size on they are on disk."""
        if self._path is None and (
            self.size + len(data) > MEMORY_FILE_BYTES_MAX or self._spool.memory_bytes + len(data) > MEMORY_BYTES_MAX
        ):
            path = self._spool.path()
            path.write_bytes(self._memory)
            self._path = path
            self._forget()
        if self._path is None:
            self._memory += data
            self._spool.memory_bytes += len(data)
        else:
            with self._path.open("ab") as file:
                file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def read(self, start: int, length: int) -> bytes:
        """Read a part; shorter at the end."""
        if self._path is None:
            return bytes(self._memory[start : start + length])
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(length)

    def source(self) -> bytes | Path:
        """All of it: the bytes in memory, or the path on disk."""
        return bytes(self._memory) if self._path is None else self._path

    def copy(self) -> "Mark":
        """Remember this state."""
        return Mark(self.size, self._hash.copy())

    def restore(self, mark: "Mark") -> None:
        """Forget what was added since."""
        if self._path is None:
            self._spool.memory_bytes -= self.size - mark.size
            del self._memory[mark.size :]
        else:
            with self._path.open("r+b") as file:
                file.truncate(mark.size)
        self.size, self._hash = mark.size, mark.hash

    def discard(self) -> None:
        """Give the place back."""
        self._forget()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _forget(self) -> None:
        self._spool.memory_bytes -= len(self._memory)
        self._memory = bytearray()


class Mark:
    """A state of bytes to go back to."""

    def __init__(self, size: int, digest: "hashlib._Hash") -> None:
        self.size, self.hash = size, digest
