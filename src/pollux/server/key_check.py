"""Whether a caller's own key is one: asked of the upstream before anything is kept for it.

Without this anybody could fill the disk with any text as a key. Nothing is asked where callers have Pollux keys, or where the
emulator believes every key.
"""

import time
from collections.abc import Mapping

from pollux.server.access import Caller
from pollux.settings import Settings
from pollux.upstream.client import GeminiClient

BELIEVED_SECONDS = 3600.0
"""How long a key that was good is taken to be good."""

OWNERS_MAX = 10_000


class KeyCheck:
    """Checks callers' keys, each once an hour."""

    def __init__(self, settings: Settings, client: GeminiClient) -> None:
        self._needed = settings.upstream == "gemini" and not settings.spends_server_key
        self._client = client
        self._good_until: dict[str, float] = {}

    async def check(self, caller: Caller, headers: Mapping[str, str]) -> None:
        """Ask the upstream for its models with the caller's key. Raises ApiError, Unauthenticated among them."""
        if not self._needed or self._good_until.get(caller.owner, 0.0) > time.monotonic():
            return
        await self._client.list_models(key=caller.upstream_key, headers=headers)
        if len(self._good_until) >= OWNERS_MAX:
            self._good_until.clear()
        self._good_until[caller.owner] = time.monotonic() + BELIEVED_SECONDS
