"""Other names of models: the guide's retired ones, and the operator's.

An alias applies only where the upstream does not list the name itself. The list is asked for only when a request names an
alias, and kept a while for its owner, since what is listed can differ by key.
"""

import time
from collections.abc import Mapping

from pollux.errors import ApiError
from pollux.server.access import Caller
from pollux.translate.models import bare_id
from pollux.translate.notes import Note
from pollux.upstream.client import GeminiClient

KEEP_SECONDS = 600.0
OWNERS_KEPT_MAX = 1024


class Aliases:
    """Resolves the names of models."""

    def __init__(self, table: Mapping[str, str], client: GeminiClient) -> None:
        self._table = table
        self._client = client
        self._listed: dict[str, tuple[float, frozenset[str]]] = {}

    async def resolve(self, model: str, caller: Caller, headers: Mapping[str, str], notes: list[Note]) -> str:
        """Give the id of the model to call. Raises NotFound when it cannot be a model's name."""
        name = bare_id(model)
        target = self._table.get(name)
        if target is None or name in await self._names(caller, headers):
            return name
        notes.append(Note("model", "approximated", f"{target} answers for {name}"))
        return bare_id(target)

    async def _names(self, caller: Caller, headers: Mapping[str, str]) -> frozenset[str]:
        now = time.monotonic()
        kept = self._listed.get(caller.owner)
        if kept is not None and now - kept[0] < KEEP_SECONDS:
            return kept[1]
        try:
            listed = await self._client.list_models(key=caller.upstream_key, headers=headers)
        except ApiError:
            return frozenset(self._table)  # no list: the name is tried as it is
        names = frozenset(model.name.removeprefix("models/") for model in listed)
        if len(self._listed) >= OWNERS_KEPT_MAX:
            self._listed.clear()
        self._listed[caller.owner] = (now, names)
        return names
