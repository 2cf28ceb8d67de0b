"""Input files of batches that are not over: who deletes one takes it out of sight, and its bytes last as long as the batch.

What a batch has paid for can be told only by its input: the custom_ids, and what each line asked for.
"""

from typing import TYPE_CHECKING

from pollux.server import batch_state

if TYPE_CHECKING:
    from pollux.store.files import File
    from pollux.store.store import Store

HIDDEN = "deleted "
"""Before the id of a file that its owner has deleted and a batch still reads. No id that can be asked for begins so."""


async def find(store: "Store", owner: str, file_id: str) -> "File | None":
    """Give the input of a batch, also when its owner has deleted it, or its time has passed."""
    for name in (file_id, HIDDEN + file_id):
        file = await store.files.get(owner, name, ended=True)
        if file is not None:
            return file
    return None


async def remove(store: "Store", owner: str, file_id: str) -> bool:
    """Delete a file for its owner; false when there is none."""
    if await _in_use(store, owner, file_id):
        return await store.files.hide(owner, file_id, HIDDEN + file_id)
    return await store.files.remove(owner, file_id)


async def let_go(store: "Store", owner: str, file_id: str) -> None:
    """Remove the input of a batch that is over, if its owner has deleted it and no other batch reads it."""
    if not await _in_use(store, owner, file_id):
        await store.files.remove(owner, HIDDEN + file_id)


async def _in_use(store: "Store", owner: str, file_id: str) -> bool:
    return any(batch_state.read(row).input_file_id == file_id for row in await store.batches.running(owner))
