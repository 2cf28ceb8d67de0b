"""Blobs that nothing refers to any more: removed at once where that works, else by the next sweep."""

import logging
from collections.abc import Sequence

from pollux.errors import ApiError
from pollux.store.blobs import Blobs
from pollux.store.database import Database

log = logging.getLogger("pollux.store")


class Garbage:
    """Removes given-up blobs. Their rows in `garbage` go after them, so that none is forgotten."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    async def collect(self, blobs: Sequence[str]) -> None:
        """Remove these blobs; what fails is left to the sweep."""
        removed: list[str] = []
        try:
            for blob in blobs:
                await self._blobs.remove(blob)
                removed.append(blob)
        except ApiError as error:
            log.warning("Bytes of removed files are removed later: %s", error.message)
        if not removed:
            return
        try:
            async with self._database.transaction() as transaction:
                await transaction.many("DELETE FROM garbage WHERE blob = $1", [(blob,) for blob in removed])
        except ApiError as error:
            log.warning("The store is cleaned later: %s", error.message)
