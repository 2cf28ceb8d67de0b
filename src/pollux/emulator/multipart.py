"""Reading a `multipart/related` body of two parts while it comes: first the metadata as JSON, then the bytes of a file."""

from collections.abc import AsyncIterator
from email.message import Message

from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.limits import FILE_PART_BYTES_MAX


def boundary(content_type: str) -> bytes:
    """Find the boundary in a header, or refuse."""
    message = Message()
    message["content-type"] = content_type
    found = message.get_param("boundary")
    if not isinstance(found, str) or not found or len(found) > 200:
        raise _malformed("the content type names no boundary")
    return found.encode("latin-1", "replace")


class Related:
    """A body of two parts."""

    def __init__(self, pieces: AsyncIterator[bytes], mark: bytes) -> None:
        self._pieces = pieces
        self._mark = b"\r\n--" + mark
        self._buffer = b"\r\n"
        """What was read and not yet given; it begins as if a line had ended, because the first mark has none before it."""

    async def metadata(self) -> bytes:
        """Read the first part."""
        await self._until(self._mark)
        await self._head()
        return await self._until(self._mark)

    async def media_type(self) -> str:
        """Read the second part's head and say its content type, after `metadata`."""
        head = await self._head()
        lines = (line.decode("latin-1").partition(":") for line in head.split(b"\r\n"))
        return next((value.strip() for name, _, value in lines if name.strip().lower() == "content-type"), "")

    async def media(self) -> AsyncIterator[bytes]:
        """Read the second part's bytes, after `media_type`."""
        while (at := self._buffer.find(self._mark)) < 0:
            safe = len(self._buffer) - len(self._mark)
            if safe > 0:
                piece, self._buffer = self._buffer[:safe], self._buffer[safe:]
                yield piece
            await self._more()
        yield self._buffer[:at]
        async for _ in self._pieces:  # what stands after the last mark says nothing
            pass

    async def _head(self) -> bytes:
        """Read the rest of a mark's line and the header lines up to the empty one."""
        rest = await self._until(b"\r\n")
        if rest.strip(b" \t"):
            raise _malformed("a part is missing")
        self._buffer = b"\r\n" + self._buffer
        return await self._until(b"\r\n\r\n")

    async def _until(self, mark: bytes) -> bytes:
        while (at := self._buffer.find(mark)) < 0:
            if len(self._buffer) > FILE_PART_BYTES_MAX:
                raise _malformed("the metadata is too large")
            await self._more()
        found, self._buffer = self._buffer[:at], self._buffer[at + len(mark) :]
        return found

    async def _more(self) -> None:
        try:
            self._buffer += await anext(self._pieces)
        except StopAsyncIteration:
            raise _malformed("it ends too early") from None


def _malformed(why: str) -> NativeError:
    """No wording is known: the emulator's own."""
    return invalid(f"Malformed multipart body: {why}.")
