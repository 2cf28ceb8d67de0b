"""Multipart bodies with one file in them, read as they come: the file's bytes go on at once, the fields are kept.

Fields may stand before or behind the file. The parser is `python-multipart`'s, fed piece by piece; what it finds in a piece is
given on before the next piece is read, so the caller sends no faster than the bytes are taken.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pollux.errors import InvalidRequest, TooLarge

FIELD_BYTES_MAX = 65_536
"""Longest field that is not the file; purposes and numbers have some ten characters. An endpoint may take longer ones."""

FIELDS_MAX = 64
"""Most fields; the endpoints know a handful."""

FORM_BYTES_MAX = 1_048_576
"""How much longer than its file a body may be: fields, boundaries, headers."""


@dataclass(slots=True)
class Form:
    """What a body held besides the bytes of its file. `content_type` is the file's, as declared; empty if it is not.

    `listed` has every field in its order, since some come again and again; `fields` the last of each name.
    """

    fields: dict[str, str] = field(default_factory=dict)
    listed: list[tuple[str, str]] = field(default_factory=list)
    filename: str = ""
    content_type: str = ""
    has_file: bool = False


async def read(
    pieces: AsyncIterator[bytes],
    content_type: bytes,
    *,
    file_field: str,
    file_bytes_max: int,
    take: Callable[[bytes], Awaitable[None]],
    check: Callable[[Form], None] | None = None,
    field_bytes_max: int = FIELD_BYTES_MAX,
) -> Form:
    """Read a body; `take` gets the bytes of its file, `check` may refuse what stands before them.

    Raises InvalidRequest or TooLarge, and whatever `take` and `check` raise.
    """
    reader = _Reader(content_type, file_field, field_bytes_max)
    size = 0
    checked = False
    async for piece in pieces:
        for data in reader.feed(piece):
            if not checked and check is not None:
                check(reader.form)
            checked = True
            size += len(data)
            if size > file_bytes_max:
                raise TooLarge(
                    f"{file_field} is larger than {file_bytes_max} bytes.",
                    param=file_field,
                    headers=(("connection", "close"),),
                )
            await take(data)
    return reader.whole()


class RelatedFile:
    """Finds the file in the body of an upload: the second part of `multipart/related`, or else the body as it is."""

    def __init__(self, content_type: bytes) -> None:
        self._parser: Any = None
        self._parts = 0
        self._found: list[bytes] = []
        if content_type.lower().startswith(b"multipart/related"):
            from python_multipart.multipart import MultipartParser, parse_options_header

            _, options = parse_options_header(content_type.decode("latin-1"))
            callbacks: Any = {"on_part_begin": self._begin, "on_part_data": self._on_data}
            self._parser = MultipartParser(options.get(b"boundary", b""), callbacks)

    def feed(self, piece: bytes) -> list[bytes]:
        """Read on; give what bytes of the file the piece held. Raises InvalidRequest."""
        if self._parser is None:
            return [piece]
        from python_multipart.exceptions import FormParserError

        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _malformed(error) from None
        found, self._found = self._found, []
        return found

    def _begin(self) -> None:
        self._parts += 1

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._parts == 2:
            self._found.append(data[start:end])


class PartsReader(ABC):
    """The parser: whoever inherits it is told of each part as it comes."""

    def __init__(self, content_type: bytes, wanted: str) -> None:
        # Loaded with the first upload: plain chat does not pay for it.
        from python_multipart.exceptions import FormParserError
        from python_multipart.multipart import MultipartParser, parse_options_header

        kind, options = parse_options_header(content_type.decode("latin-1"))
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise InvalidRequest(wanted, code="invalid_multipart")
        self._options_of = parse_options_header
        self._errors = (FormParserError,)
        self._ended = False
        self._header_name = b""
        self._header_value = b""
        self._headers: dict[bytes, str] = {}
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._on_header_name,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers,
                    "on_part_data": self._on_data,
                    "on_part_end": self.part_ends,
                    "on_end": self._on_end,
                },
            )
        except self._errors as error:
            raise _malformed(error) from None

    def write(self, piece: bytes) -> None:
        """Read on. Raises InvalidRequest."""
        try:
            self._parser.write(piece)
        except self._errors as error:
            raise _malformed(error) from None

    def check_ended(self) -> None:
        """Raise InvalidRequest unless the last boundary was read."""
        if not self._ended:
            raise InvalidRequest("The multipart body ends before its last boundary.", code="invalid_multipart")

    @abstractmethod
    def part_begins(self, name: str, filename: str | None, content_type: str) -> None:
        """A part begins; `filename` is None where it has none, and is then a field."""

    @abstractmethod
    def part_data(self, data: bytes) -> None:
        """Some data of the part."""

    @abstractmethod
    def part_ends(self) -> None:
        """The part is whole."""

    def _begin(self) -> None:
        self._headers = {}

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._header_name.lower()] = _text(self._header_value)
        self._header_name = self._header_value = b""

    def _on_headers(self) -> None:
        # The header's text goes through the parser's latin-1 as UTF-8 bytes and back.
        disposition = self._headers.get(b"content-disposition", "").encode().decode("latin-1")
        _, options = self._options_of(disposition)
        filename = _unquoted(options[b"filename"].decode("utf-8", "replace")) if b"filename" in options else None
        self.part_begins(options.get(b"name", b"").decode("utf-8", "replace"), filename, self._headers.get(b"content-type", ""))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self.part_data(data[start:end])

    def _on_end(self) -> None:
        self._ended = True


class _Reader(PartsReader):
    """Takes the file of one field as it comes, and keeps the fields."""

    def __init__(self, content_type: bytes, file_field: str, field_bytes_max: int) -> None:
        super().__init__(
            content_type, f"The body must be multipart/form-data with a boundary, and hold the field {file_field}."
        )
        self.form = Form()
        self._file_field = file_field
        self._field_bytes_max = field_bytes_max
        self._name = ""
        self._in_file = False
        self._value = bytearray()
        self._found: list[bytes] = []

    def feed(self, piece: bytes) -> list[bytes]:
        """Read on; give what bytes of the file the piece held."""
        self.write(piece)
        found, self._found = self._found, []
        return found

    def whole(self) -> Form:
        """Give the form at the end of the body. Raises InvalidRequest."""
        self.check_ended()
        if not self.form.has_file:
            raise InvalidRequest(f"{self._file_field} is missing.", param=self._file_field, code="missing_required_parameter")
        return self.form

    def part_begins(self, name: str, filename: str | None, content_type: str) -> None:
        """Tell the file from the fields, by its name."""
        self._value.clear()
        self._name = name
        self._in_file = name == self._file_field
        if self._in_file:
            if self.form.has_file:
                raise InvalidRequest(f"{self._file_field} is there twice; one file at a time.", param=self._file_field)
            self.form.has_file = True
            self.form.filename = filename or ""
            self.form.content_type = content_type

    def part_data(self, data: bytes) -> None:
        """Give on data of the file, keep that of a field."""
        if self._in_file:
            self._found.append(data)
            return
        self._value += data
        if len(self._value) > self._field_bytes_max:
            raise InvalidRequest(f"A field is longer than {self._field_bytes_max} bytes.", param=self._name[:100] or None)

    def part_ends(self) -> None:
        """Keep a field."""
        if self._in_file:
            return
        if len(self.form.listed) >= FIELDS_MAX:
            raise InvalidRequest(f"The body has more than {FIELDS_MAX} fields.")
        value = _text(bytes(self._value))
        self.form.fields[self._name] = value
        self.form.listed.append((self._name, value))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _unquoted(name: str) -> str:
    """Undo what browsers and the official clients do to quotes and line breaks in names. Source: WHATWG, form data."""
    return name.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _malformed(error: Exception) -> InvalidRequest:
    return InvalidRequest(f"The multipart body cannot be read: {str(error)[:200].rstrip('.')}.", code="invalid_multipart")
