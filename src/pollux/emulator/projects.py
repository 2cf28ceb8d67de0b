"""Whose things are whose: every key is a project of its own, known by a keyed digest and never by the key."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping


class Projects:
    """Names of projects for callers. The names mean nothing outside this emulator, and nothing after it."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def of(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        """Name the project of a request: of its key, else of the project it names beside a token, else of the token."""
        key = headers.get("x-goog-api-key", "") or query.get("key", "")
        token = headers.get("authorization", "").partition(" ")[2]
        return self.of_key(key) if key else self._name(b"token", headers.get("x-goog-user-project", "") or token)

    def of_key(self, key: str) -> str:
        """Name the project of a key."""
        return self._name(b"key", key)

    def _name(self, kind: bytes, text: str) -> str:
        return hmac.new(self._secret, kind + b":" + text.encode(), hashlib.sha256).hexdigest()[:32]
