"""Who calls, with which key, and whether they may.

Two modes (CONTRACT, section 2). With callers' keys, each caller's own Gemini key goes upstream and nothing of it is kept. With
the server's key, callers need a Pollux key; without any Pollux key only this machine may call, and no web page.
"""

import dataclasses
import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from pollux.errors import PermissionDenied, Unauthenticated
from pollux.settings import Settings

log = logging.getLogger("pollux.server")

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

KEY_CHARACTERS_MAX = 512
"""Longest key; Gemini's have some forty characters."""

CALLERS_KEPT_MAX = 1024
"""Callers whose owner id is kept in memory, so that it is not computed for every request."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller: whose stored things they see, and the key that goes upstream."""

    owner: str
    upstream_key: str
    spends_server_key: bool = False


class Access:
    """Decides who may call. One for the server's life."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = {name: bytes.fromhex(text.removeprefix("sha256:")) for name, text in settings.keys.items()}
        self._secret = with_secret(settings).secret.encode()
        self._known: dict[bytes, Caller] = {}
        self._local_only = settings.local_only

    def caller(self, headers: Mapping[bytes, bytes], query: bytes) -> Caller:
        """Give the caller of a request. Raises Unauthenticated or PermissionDenied."""
        if self._local_only:
            refuse_web_pages(headers)
            return Caller("local", self._settings.gemini_api_key, spends_server_key=True)
        key = _key(headers, query)
        known = self._known.get(key)
        if known is None:
            known = self._authenticated(_text(key))
            if len(self._known) >= CALLERS_KEPT_MAX:
                self._known.clear()
            self._known[key] = known
        return known

    def knows(self, owner: str) -> bool:
        """Say whether an owner may still call: with Pollux keys, while there is a key of that name."""
        return not self._keys or owner in self._keys

    def keyless(self, owner: str) -> Caller:
        """Give the caller that an owner is, without a key of their own: for what a sealed id of ours allows."""
        return self._of(owner, "")

    def _authenticated(self, key: str) -> Caller:
        if self._keys:
            digest = hashlib.sha256(key.encode()).digest()
            matches = [name for name, kept in self._keys.items() if hmac.compare_digest(digest, kept)]
            if not matches:
                raise Unauthenticated(
                    "This is not a key of this server. It has its own keys, since it pays with its own Gemini key; "
                    "ask whoever runs it for one."
                )
            owner = matches[0]
        else:
            owner = hmac.new(self._secret, key.encode(), hashlib.sha256).hexdigest()[:32]
        return self._of(owner, key)

    def _of(self, owner: str, key: str) -> Caller:
        settings = self._settings
        if settings.upstream == "emulator":
            return Caller(owner, f"emulator-{owner}")
        if settings.spends_server_key:
            return Caller(owner, settings.gemini_api_key, spends_server_key=True)
        return Caller(owner, key)


def refuse_web_pages(headers: Mapping[bytes, bytes]) -> None:
    """Refuse what is not a program of this machine: other hosts' names, and every web page but our own.

    A page that a browser shows could else spend the server's key: by a form, an image, or a name that resolves to this machine.
    """
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name = host[: host.rindex("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]
    origin = headers.get(b"origin")
    site = headers.get(b"sec-fetch-site")
    if (
        name not in LOCAL_NAMES
        or (origin is not None and origin.decode("latin-1").lower().partition("://")[2] != host)
        or (site is not None and site not in {b"same-origin", b"none"})
    ):
        raise PermissionDenied(
            "This server spends its own Gemini key and has no Pollux keys, so it answers programs of this machine only, "
            "not web pages and not other names. Make a key with `pollux key NAME` to open it.",
            code="local_only",
        )


def _key(headers: Mapping[bytes, bytes], query: bytes) -> bytes:
    authorization = headers.get(b"authorization", b"")
    if authorization[:7].lower() == b"bearer ":
        key = authorization[7:].strip()
    else:
        key = headers.get(b"x-goog-api-key", b"").strip()
        if not key and query:
            key = (parse_qs(query).get(b"key") or [b""])[0]
    if not key:
        raise Unauthenticated(
            "No API key was sent. Send it as `Authorization: Bearer KEY`; in OpenAI's libraries it is the api_key."
        )
    return key


def _text(key: bytes) -> str:
    if len(key) > KEY_CHARACTERS_MAX or not key.isascii() or not all(33 <= byte <= 126 for byte in key):
        raise Unauthenticated("The API key is not one: it is too long, or holds spaces or other odd characters.")
    return key.decode("ascii")


def with_secret(settings: Settings) -> Settings:
    """Fill in the secret from which owner ids are made: the setting's, or the data folder's, made at first start.

    Where the folder cannot be used, the secret lives as long as the server; so it is filled in before workers are started.
    """
    return settings if settings.secret else dataclasses.replace(settings, secret=_secret_of(settings.data_path))


def _secret_of(folder: Path) -> str:
    file = folder / "secret"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not file.exists():
            fresh = folder / f".secret-{secrets.token_hex(8)}"
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as out:
                out.write(secrets.token_hex(32))
            try:
                os.link(fresh, file)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return file.read_text().strip()
    except OSError as error:
        log.warning("The folder %s cannot be used (%s): owner ids are new at every start.", folder, error.strerror)
        return secrets.token_hex(32)
