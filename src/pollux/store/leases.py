"""Leases: work that only one of all processes does at a time. Whoever dies with one loses it when its time has passed."""

from pollux.store.clock import Clock
from pollux.store.database import Database


class Leases:
    """Gives out leases. Names are an owner's own; `holder` is any text that nobody else uses."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def take(self, owner: str, name: str, holder: str, seconds: float) -> bool:
        """Take a lease, or hold on to one's own for some more time; False while another has it."""
        now_us = self._clock.now_us()
        async with self._database.transaction() as transaction:
            return bool(
                await transaction.run(
                    "INSERT INTO lease (owner, name, holder, until_us) VALUES ($1, $2, $3, $4) ON CONFLICT (owner, name)"
                    " DO UPDATE SET holder = $3, until_us = $4 WHERE lease.holder = $3 OR lease.until_us <= $5",
                    owner,
                    name,
                    holder,
                    now_us + int(seconds * 1e6),
                    now_us,
                )
            )

    async def give_back(self, owner: str, name: str, holder: str) -> None:
        """Give a lease back."""
        async with self._database.transaction() as transaction:
            await transaction.run("DELETE FROM lease WHERE owner = $1 AND name = $2 AND holder = $3", owner, name, holder)
