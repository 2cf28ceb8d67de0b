"""What several processes agree on through the database: leases, copies, names."""

import asyncio

import pytest

from pollux.store.copies import Copy, CopyKey
from pollux.store.shared_names import SharedNames
from pollux.store.store import Store
from tests.store.conftest import Hands

KEY = CopyKey("ann", "project", "ab" * 32, "image/png")


async def test_one_of_many_takes_a_lease(store: Store) -> None:
    """The others find it taken; it is free when it is given back."""
    taken = await asyncio.gather(*(store.leases.take("ann", "work", f"holder {number}", 60) for number in range(10)))
    winner = f"holder {taken.index(True)}"
    again = await store.leases.take("ann", "work", winner, 60)
    await store.leases.give_back("ann", "work", "somebody else")
    still = await store.leases.take("ann", "work", "next", 60)
    await store.leases.give_back("ann", "work", winner)

    assert taken.count(True) == 1
    assert again
    assert not still
    assert await store.leases.take("ann", "work", "next", 60)
    assert await store.leases.take("bob", "work", "bob's", 60)


async def test_the_lease_of_one_who_died_ends(store: Store, hands: Hands) -> None:
    """When its time has passed."""
    await store.leases.take("ann", "work", "dead", 60)
    hands.pass_by(61)

    assert await store.leases.take("ann", "work", "next", 60)


@pytest.mark.parametrize(
    "other", [CopyKey("bob", *("project", "ab" * 32, "image/png")), CopyKey("ann", "p2", "ab" * 32, "image/png")]
)
async def test_a_copy_is_found_until_its_time_and_by_its_owner(store: Store, hands: Hands, other: CopyKey) -> None:
    """In its project; a new copy takes the place of the old."""
    end_us = hands.clock.now_us() + 48 * 3600 * 1_000_000
    await store.copies.put(KEY, Copy("files/a", "https://x/files/a", end_us))
    found = await store.copies.get(KEY, lasting_seconds=3600)
    foreign = await store.copies.get(other, lasting_seconds=3600)
    hands.pass_by(47 * 3600)
    late = await store.copies.get(KEY, lasting_seconds=3600)
    renewed = Copy("files/b", "https://x/files/b", end_us + 48 * 3600 * 1_000_000)
    await store.copies.put(KEY, renewed)
    after = await store.copies.get(KEY, lasting_seconds=3600)
    await store.copies.forget("ann", renewed.uri)

    assert found == Copy("files/a", "https://x/files/a", end_us)
    assert foreign is None
    assert late is None
    assert after == renewed
    assert await store.copies.get(KEY, lasting_seconds=0) is None


async def test_names_belong_to_who_made_them(store: Store, hands: Hands) -> None:
    """A name that is made anew changes hands, one that is only seen does not; what is below a name goes with it."""
    names = SharedNames(store.database, hands.clock)
    await names.add("ann", ["files/a", "fileSearchStores/s", "fileSearchStores/s/documents/d", "fileSearchStores/sx"])
    await names.add("bob", ["files/a"], made=False)
    seen = await names.owner_of(["files/a", "files/none"])
    await names.add("bob", ["files/a"])
    made = await names.owner_of(["files/a"])
    await names.remove("bob", "fileSearchStores/s")
    kept = await names.owner_of(["fileSearchStores/s"])
    await names.remove("ann", "fileSearchStores/s")
    left = await names.owner_of(["fileSearchStores/s", "fileSearchStores/s/documents/d", "fileSearchStores/sx"])
    hands.pass_by(8 * 86_400)
    await names.sweep()
    swept = await names.owner_of(["files/a", "fileSearchStores/sx"])

    assert seen == {"files/a": "ann"}
    assert made == {"files/a": "bob"}
    assert kept == {"fileSearchStores/s": "ann"}
    assert left == {"fileSearchStores/sx": "ann"}
    assert swept == {"fileSearchStores/sx": "ann"}
