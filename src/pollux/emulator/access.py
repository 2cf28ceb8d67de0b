"""Who may call: the emulator knows no accounts, but it insists on a key as the real service does.

Any key is good, except those that begin with a word of KEYS_REFUSED: each stands for one documented refusal.
"""

from collections.abc import Callable, Mapping

from pollux.emulator import errors
from pollux.emulator.errors import NativeError

KEYS_REFUSED: dict[str, Callable[[], NativeError]] = {
    "invalid": errors.invalid_key,
    "expired": errors.expired_key,
    "leaked": errors.leaked_key,
    "denied": errors.denied_project,
    "disabled": errors.disabled_service,
    "location": errors.unsupported_location,
}
"""What a key begins with, and the refusal it gets."""

OAUTH_PREFIX = "ya29."
"""OAuth access tokens of Google begin so; any other Bearer token is refused, an API key too."""


def check(headers: Mapping[str, str], query: Mapping[str, str]) -> None:
    """Refuse a caller without credentials, with wrong ones, or with two."""
    in_header, in_url = headers.get("x-goog-api-key", ""), query.get("key", "")
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if token and (in_header or in_url):
        raise errors.bad_token("OVERLOADED_CREDENTIALS")
    if scheme and (scheme.lower() != "bearer" or not token.startswith(OAUTH_PREFIX)):
        raise errors.bad_token("ACCESS_TOKEN_TYPE_UNSUPPORTED")
    if in_header and in_url:
        raise errors.two_keys()
    key = in_header or in_url
    if not key and not token:
        raise errors.missing_key()
    for word, refusal in KEYS_REFUSED.items():
        if key.lower().startswith(word):
            raise refusal()


def secrets(headers: Mapping[str, str], query: Mapping[str, str]) -> list[str]:
    """List what the journal must never show."""
    values = [headers.get("x-goog-api-key", ""), headers.get("authorization", "").partition(" ")[2], query.get("key", "")]
    return [value for value in values if value]
