"""Opaque ids of upload sessions: the upstream's URL and its owner, sealed with the server's secret.

Nothing of a session is kept here, so an id works in every worker and replica that has the secret, and after a restart. The
holder of an id may send pieces of one upload and nothing else, as with the native API, whose upload URLs need no key.
Links to pictures are sealed so too: owner and file id in place of the URL.

The seal is a synthetic initialization vector: the tag of the text is also the nonce of its encryption, so that no chance is
needed and nothing can repeat. HMAC-SHA-256 is the one function, under two keys. See docs/decisions.
"""

import base64
import binascii
import hashlib
import hmac

TAG_BYTES = 16


class Sealer:
    """Seals and opens (owner, URL) pairs. What is sealed for one purpose is not opened for another."""

    def __init__(self, secret: str, purpose: str = "upload url") -> None:
        self._tag_key = _derived(secret, f"pollux {purpose}, tag".encode())
        self._stream_key = _derived(secret, f"pollux {purpose}, stream".encode())

    def seal(self, owner: str, url: str) -> str:
        """Give the id of an upload session, of characters that stand in a query or a path as they are."""
        text = f"{owner}\n{url}".encode()
        tag = self._tag(text)
        return base64.urlsafe_b64encode(tag + self._mixed(tag, text)).rstrip(b"=").decode()

    def open(self, sealed: str) -> tuple[str, str] | None:
        """Give the owner and the URL, or None for what this server has not sealed."""
        try:
            data = base64.b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
        except (UnicodeEncodeError, binascii.Error):
            return None
        tag = data[:TAG_BYTES]
        text = self._mixed(tag, data[TAG_BYTES:])
        if not hmac.compare_digest(tag, self._tag(text)):
            return None
        owner, _, url = text.decode().partition("\n")
        return owner, url

    def _tag(self, text: bytes) -> bytes:
        return hmac.digest(self._tag_key, text, hashlib.sha256)[:TAG_BYTES]

    def _mixed(self, nonce: bytes, text: bytes) -> bytes:
        blocks = range((len(text) + 31) // 32)
        stream = b"".join(hmac.digest(self._stream_key, nonce + block.to_bytes(4, "big"), hashlib.sha256) for block in blocks)
        return bytes(one ^ other for one, other in zip(text, stream, strict=False))


def _derived(secret: str, purpose: bytes) -> bytes:
    return hmac.digest(secret.encode(), purpose, hashlib.sha256)
