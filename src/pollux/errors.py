"""The errors of Pollux: few classes, named by kind, known to all layers.

Whoever finds a fault raises one of these with a message for the person who reads it and, where there is one, the parameter's
path. Only `server.failures` makes an HTTP answer of them.
"""

from typing import Any, ClassVar


class ApiError(Exception):
    """A request that ends in an error answer.

    `message` says what is wrong, where, and what to do. `param` is the path of the parameter in the caller's body, as in
    `messages[2].content`. `native` keeps what the Gemini API said of it (`code`, `status`, `details`).
    `should_retry` is told to OpenAI's clients, which else retry 408, 409, 429 and 5xx by themselves.
    """

    status: int = 500
    type: str = "server_error"
    code: str | None = None
    default_code: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int | None = None,
        type: str | None = None,  # noqa: A002 - OpenAI's name of the field
        retry_after_seconds: float | None = None,
        should_retry: bool | None = None,
        native: dict[str, Any] | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code if code is not None else self.default_code
        if status is not None:
            self.status = status
        if type is not None:
            self.type = type
        self.retry_after_seconds = retry_after_seconds
        self.should_retry = should_retry
        self.native = native
        self.headers = headers


class InvalidRequest(ApiError):
    """The request cannot be understood, or a value in it is not allowed."""

    status = 400
    type = "invalid_request_error"
    default_code = "invalid_value"


class Unsupported(InvalidRequest):
    """The request is well formed, but asks for what cannot be had here."""

    default_code = "unsupported_parameter"


class UnusableMedia(InvalidRequest):
    """A picture, sound or video is damaged, of a kind that is not taken, or beyond a limit."""

    default_code = "invalid_media"


class Unauthenticated(ApiError):
    """No key, or a key that is not known."""

    status = 401
    type = "invalid_request_error"
    default_code = "invalid_api_key"


class PermissionDenied(ApiError):
    """The key is known, but not for this."""

    status = 403
    type = "permission_error"
    default_code = "permission_denied"


class NotFound(ApiError):
    """There is no such path, model or stored thing, or it is not the caller's."""

    status = 404
    type = "invalid_request_error"
    default_code = "not_found"


class MethodNotAllowed(ApiError):
    """The path exists, but not with this method."""

    status = 405
    type = "invalid_request_error"
    default_code = "method_not_allowed"


class ReceiveTimeout(ApiError):
    """The caller took too long to send the request."""

    status = 408
    type = "invalid_request_error"
    default_code = "request_timeout"


class TooLarge(ApiError):
    """The request's body is larger than allowed."""

    status = 413
    type = "invalid_request_error"
    default_code = "request_too_large"


class RateLimited(ApiError):
    """A quota is used up."""

    status = 429
    type = "requests"
    default_code = "rate_limit_exceeded"


class Overloaded(ApiError):
    """The server has as much to do as it may take on."""

    status = 503
    type = "server_error"
    default_code = "overloaded"


class UpstreamFailed(ApiError):
    """The Gemini API failed, or could not be reached, or answered with what is not an answer."""

    status = 502
    type = "server_error"
    default_code = "upstream_error"


class StoreUnavailable(ApiError):
    """The database or the bytes behind it cannot be reached now; nothing was kept of this request."""

    status = 503
    type = "server_error"
    default_code = "store_unavailable"


class StorageFull(ApiError):
    """There is no room left where bytes or rows are kept; nothing was kept of this request."""

    status = 500
    type = "server_error"
    default_code = "storage_full"
