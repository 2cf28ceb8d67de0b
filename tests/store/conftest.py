"""What the tests of the store share: both databases, a clock that tests move."""

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pollux.store.clock import Clock
from pollux.store.store import Store, open_store
from tests.store.postgres_server import PostgresServer, programs

_numbers = itertools.count(1)


@dataclass
class Hands:
    """A clock's hands. `jump` moves the wall clock alone, `pass_by` lets time pass."""

    wall: float = 1_795_000_000.0
    steady: float = 1000.0
    clock: Clock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(lambda: self.wall, lambda: self.steady)

    def pass_by(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.steady += seconds

    def jump(self, seconds: float) -> None:
        """Move the wall clock."""
        self.wall += seconds


@pytest.fixture
def hands() -> Hands:
    """A clock that tests move."""
    return Hands()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL, started for this run."""
    found = programs()
    if found is None:
        pytest.skip("There is no PostgreSQL on this machine; on Debian: apt-get install postgresql")
    with PostgresServer(found) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database: none for SQLite, which has a file in the data folder."""
    if request.param == "sqlite":
        return ""
    server = request.getfixturevalue("postgres")
    assert isinstance(server, PostgresServer)
    return server.create(f"test{next(_numbers)}")


@pytest.fixture
async def store(store_url: str, tmp_path: Path, hands: Hands) -> AsyncIterator[Store]:
    """An open store on either database."""
    opened = await open_store(tmp_path, store_url=store_url, clock=hands.clock)
    yield opened
    await opened.close()
