"""Requests that come as JSON or as a form: one object, whichever way. Files of a form are held, within the limit of a body."""

from typing import TYPE_CHECKING, Any

import msgspec

from pollux.errors import InvalidRequest
from pollux.server import bodies
from pollux.server.exchange import Exchange
from pollux.server.multipart import PartsReader
from pollux.wire.forms import Attached, Value, nested

if TYPE_CHECKING:
    from pollux.server.app import App

FIELD_BYTES_MAX = 33_554_432
"""Longest text of a form: images come as base64 in texts too."""

FIELDS_MAX = 256
"""Most parts of a form."""

JSON_FIELDS = ("extra_body", "google")
"""Fields that a form may hold as JSON in one text."""

_decoder: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])


async def read(app: "App", exchange: Exchange) -> dict[str, Any]:
    """Read a body. Raises ApiError, naming the field."""
    content_type = exchange.headers.get(b"content-type", b"")
    if not content_type.lower().startswith(b"multipart/"):
        return bodies.read(await app.body(exchange), _decoder, nesting_max=app.settings.nesting_max)
    exchange.check_length(app.settings.body_bytes_max)
    reader = _FormReader(content_type)
    async for piece in exchange.pieces(app.settings.body_bytes_max):
        app.in_flight.hold(len(piece))
        exchange.held_bytes += len(piece)
        reader.write(piece)
    body = nested(reader.whole())
    for name in JSON_FIELDS:
        if isinstance(body.get(name), str):
            body[name] = _object(body[name], name, app.settings.nesting_max)
    google = body["extra_body"].get("google") if isinstance(body.get("extra_body"), dict) else None
    if isinstance(google, str):
        body["extra_body"]["google"] = _object(google, "extra_body[google]", app.settings.nesting_max)
    return body


def _object(text: str, name: str, nesting_max: int) -> dict[str, Any]:
    try:
        return bodies.read(text.encode(), _decoder, nesting_max=nesting_max)
    except InvalidRequest as error:
        raise InvalidRequest(
            f"The field {name} must hold a JSON object: {error.message}", param=name, code=error.code
        ) from None


class _FormReader(PartsReader):
    """Keeps every part of a form, in order."""

    def __init__(self, content_type: bytes) -> None:
        super().__init__(content_type, "The body must be JSON, or multipart/form-data with a boundary.")
        self._parts: list[tuple[str, Value]] = []
        self._name = ""
        self._file: tuple[str, str] | None = None
        self._value = bytearray()

    def whole(self) -> list[tuple[str, Value]]:
        """Give the parts at the end of the body. Raises InvalidRequest."""
        self.check_ended()
        return self._parts

    def part_begins(self, name: str, filename: str | None, content_type: str) -> None:
        """Note what begins."""
        if len(self._parts) >= FIELDS_MAX:
            raise InvalidRequest(f"The body has more than {FIELDS_MAX} fields.")
        self._name = name
        self._file = None if filename is None else (content_type, filename)
        self._value = bytearray()

    def part_data(self, data: bytes) -> None:
        """Keep data."""
        self._value += data
        if self._file is None and len(self._value) > FIELD_BYTES_MAX:
            raise InvalidRequest(f"A field is longer than {FIELD_BYTES_MAX} bytes.", param=self._name[:100] or None)

    def part_ends(self) -> None:
        """Keep the part."""
        if self._file is not None:
            label, filename = self._file
            self._parts.append((self._name, Attached(bytes(self._value), label, filename)))
            return
        text = bytes(self._value).decode("utf-8", "replace")
        if "\x00" in text:
            raise InvalidRequest(f"{self._name[:100]} holds the character NUL, which is not text.", param=self._name[:100])
        self._parts.append((self._name, text))
