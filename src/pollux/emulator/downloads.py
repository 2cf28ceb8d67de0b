"""Downloads of generated files: the redirect, and the bytes with ranges.

The redirect, its body and the type of the bytes are recorded (`download`). Ranges are HTTP's own (RFC 9110, section 14).
"""

import asyncio
import re
from collections.abc import AsyncIterator

from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.exchange import ConnectionCut, Exchange
from pollux.emulator.files import File, not_generated
from pollux.emulator.framing import JSON_TYPE, pretty
from pollux.emulator.limits import DOWNLOAD_PIECE_BYTES
from pollux.emulator.routes import Route
from pollux.emulator.sending import Delivery
from pollux.emulator.spool import Bytes

RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*")


async def answer(found: Route, file: File, delivery: Delivery) -> None:
    """Answer `files/{id}:download`: on the API's path with the way to the download's path, there with the bytes."""
    exchange = delivery.exchange
    if file.source != "GENERATED":
        raise not_generated(file.id)
    if exchange.query.get("alt") != "media":
        # No wording is known: the emulator's own.
        raise invalid("A download needs alt=media.")
    if found.method == "media.download":
        await _send(file, delivery)
        return
    location = f"{exchange.base_url}/download/{found.version}/files/{file.id}:download?alt=media"
    body = pretty(NativeError(302, "Unknown Error.", "UNKNOWN").body())
    await delivery.content(302, {"content-type": JSON_TYPE, "location": location}, body)


async def _send(file: File, delivery: Delivery) -> None:
    size = file.content.size
    first, last = _range(delivery.exchange, size)
    headers = {"content-type": file.mime_type, "accept-ranges": "bytes"}
    if first > last and size:
        await delivery.content(416, {**headers, "content-range": f"bytes */{size}"})
        return
    whole = last - first + 1 == size
    headers["content-length"] = str(last - first + 1)
    if not whole:
        headers["content-range"] = f"bytes {first}-{last}/{size}"
    await delivery.pieces(200 if whole else 206, headers, _read(file.content, first, last + 1))


def _range(exchange: Exchange, size: int) -> tuple[int, int]:
    """Find the first and the last byte that are asked for; several ranges, or no range, mean all of them."""
    found = RANGE.fullmatch(exchange.headers.get("range", ""))
    if found is None or found.groups() == ("", ""):
        return 0, size - 1
    first, last = found.groups()
    if not first:
        return (max(size - int(last), 0), size - 1) if int(last) else (1, 0)
    return int(first), min(int(last), size - 1) if last else size - 1


async def _read(content: Bytes, start: int, end: int) -> AsyncIterator[bytes]:
    while start < end:
        length = min(DOWNLOAD_PIECE_BYTES, end - start)
        try:
            piece = await asyncio.to_thread(content.read, start, length) if content.on_disk else content.read(start, length)
        except FileNotFoundError:
            piece = b""
        if not piece:
            raise ConnectionCut  # it was deleted meanwhile
        yield piece
        start += len(piece)
