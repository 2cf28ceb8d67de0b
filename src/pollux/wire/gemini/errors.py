"""Shape of a native error.

Source: Gemini API, errors; recorded traffic. The body may also be a list of one such object.
"""

from typing import Any

from msgspec import Struct


class Status(Struct):
    """The inside of an error body."""

    code: int | None = None
    message: str | None = None
    status: str | None = None
    details: list[dict[str, Any]] | None = None


class ErrorBody(Struct):
    """An error body."""

    error: Status


class Wording(Struct):
    """The inside of an error body of the Interactions API, whose code is a word."""

    code: str
    message: str


class WordedBody(Struct):
    """An error body of the Interactions API."""

    error: Wording
