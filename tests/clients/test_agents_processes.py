"""Tool loops over several worker processes, and over a restart of the server: what one process told, another knows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pollux.emulator import Emulator, EmulatorServer
from tests.clients.agents import GEMINI_2, GEMINI_3, Agent, Keeping, client_of, first_calls, task
from tests.clients.processes import Served, served

ROUNDS = 10


@pytest.fixture(scope="module")
def upstream() -> Iterator[EmulatorServer]:
    """The emulator, in this process: its journal says what arrived."""
    with EmulatorServer(Emulator(journal_length=2_000)) as running:
        yield running


def step(agents: dict[str, Agent], server: Served, worker: int) -> list[bool]:
    """Let each agent ask once, of one worker; each request comes on a connection of its own."""
    with server.answered_by(worker), client_of(server.url, connection="close") as client:
        return [agent.step(client) for agent in agents.values()]


KINDS: list[tuple[str, str, Keeping, bool]] = [
    ("Paris", GEMINI_3, "drops", False),
    ("Tokyo", GEMINI_3, "drops", True),
    ("Oslo", GEMINI_3, "keeps", False),
    ("Lima", GEMINI_3, "keeps", True),
    ("Rome", GEMINI_2, "drops", False),
    ("Seoul", GEMINI_2, "drops", True),
    ("Cairo", GEMINI_3, "rewrites", False),
    ("Quito", GEMINI_3, "rewrites", True),
]
"""Those that replace the ids come last: their turns have the least time to be written before another worker must know them."""


def test_loops_go_on_in_another_worker_and_after_a_restart(upstream: EmulatorServer, tmp_path: Path) -> None:
    """Workers take turns, the server is stopped after five steps and started anew, and every signature is in its place."""
    agents = {city: Agent(task(ROUNDS, city), model, keeping, streamed) for city, model, keeping, streamed in KINDS}
    upstream.emulator.reset()
    with served(upstream.url, tmp_path / "data") as server:
        first = [step(agents, server, turn % 2) for turn in range(5)]
    with served(upstream.url, tmp_path / "data") as server:
        second = [step(agents, server, turn % 2) for turn in range(5, ROUNDS + 1)]
    bodies = upstream_bodies(upstream)

    assert first + second == [[True] * len(agents)] * ROUNDS + [[False] * len(agents)]
    assert len(bodies) == len(agents) * (ROUNDS + 1)
    for city, agent in agents.items():
        found = first_calls([body for body in bodies if city in body["contents"][0]["parts"][0]["text"]])
        assert f'get_time gave {{"city":"{city}","step":{ROUNDS - 1}}}' in agent.text
        assert len(agent.signatures) == ROUNDS
        assert len(found) == ROUNDS * (ROUNDS + 1) // 2
        assert found == [(call_id, agent.signatures[call_id]) for call_id, _ in found]


def upstream_bodies(upstream: EmulatorServer) -> list[Any]:
    """Give the bodies of the native calls, each of which was taken."""
    entries = [entry for entry in upstream.emulator.journal.entries() if entry["method"] == "POST"]
    assert {entry["status"] for entry in entries} == {200}
    return [entry["body"] for entry in entries]
