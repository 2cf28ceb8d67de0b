"""Shape of an error.

Source: OpenAI API, Error. `extra_content` is ours: what the native API said.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType


class Error(Struct):
    """What is wrong, where, and what to do."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None
    extra_content: dict[str, Any] | UnsetType = UNSET


class ErrorBody(Struct):
    """The body of every error answer, and of the last message of a stream that failed."""

    error: Error
