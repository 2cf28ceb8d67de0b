"""Nothing is billed twice and nothing is lost: servers that are killed, and answers that never came.

The emulator counts the jobs that were ever created: what a caller would pay for.
"""

import signal
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.clients.processes import served
from tests.server.asking import KEY, pollux
from tests.server.reaping import is_create, patient, reaping, waited_for
from tests.server.test_batches import asked, created, lines_of

SETTINGS = {"batch_poll_seconds": "0.2", "batch_lease_seconds": "1", "batch_unsure_seconds": "3", "secret": "of the tests"}
QUICK: dict[str, Any] = {"batch_poll_seconds": 0.1, "batch_lease_seconds": 5.0}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_server_that_dies_at_any_call_makes_each_job_once(tmp_path: Path, when: str) -> None:
    """Before a call is served, or when its answer is on its way; another takes up the work, and nothing is missing."""
    with reaping() as (reaper, upstream):
        with served(upstream, tmp_path / "data", workers=1, **SETTINGS) as server, patient(server.url) as client:
            waited_for(client, created(client, [asked("a"), asked("b")]).id)
        calls = list(reaper.calls)
        # An answer that is on its way has changed something only where something was sent.
        deaths = [number for number, call in enumerate(calls) if when == "before" or call.startswith("POST")]
        for number in deaths:
            already = reaper.created
            with served(upstream, tmp_path / "data", workers=1, **SETTINGS) as server, patient(server.url) as client:
                begun = len(reaper.calls)
                kill = reaper.signal(server.process.pid, signal.SIGKILL)
                reaper.before, reaper.after = (kill, None) if when == "before" else (None, kill)
                reaper.at = lambda at, _, number=number, begun=begun: at == begun + number  # type: ignore[misc]
                batch = created(client, [asked("a"), asked("b")])
                server.process.wait(60)
            with served(upstream, tmp_path / "data", workers=1, **SETTINGS) as server, patient(server.url) as client:
                over = waited_for(client, batch.id)
                output = lines_of(client, over.output_file_id)
                files = [file.filename for file in client.files.list() if batch.id in file.filename]

            assert over.status == "completed", (calls[number], over)
            assert [line["custom_id"] for line in output] == ["a", "b"]
            assert files == [f"{batch.id}_output.jsonl"]
            assert reaper.created - already == 1, calls[number]

    assert {"POST", "GET"} == {call.split()[0] for call in calls}
    assert len(deaths) >= 3


@pytest.mark.parametrize("outcome", ["cut", "silence", "500"])
def test_a_job_whose_creation_was_not_heard_of_is_found(tmp_path: Path, outcome: str) -> None:
    """By its name; it is not created again."""
    with reaping() as (reaper, upstream):
        reaper.at, reaper.lost = is_create, outcome == "cut"
        if outcome == "silence":
            reaper.after = lambda: time.sleep(1.5)
        elif outcome == "500":
            reaper.status = 500
        with pollux(upstream, data_dir=str(tmp_path), first_byte_seconds=1.0, **QUICK) as server, patient(server.url) as client:
            over = waited_for(client, created(client, [asked("a")]).id)
            output = lines_of(client, over.output_file_id)

    assert over.status == "completed"
    assert [line["custom_id"] for line in output] == ["a"]
    assert reaper.created == 1
    assert "GET /v1beta/batches" in reaper.calls


def test_a_job_that_did_not_come_about_is_created_when_that_is_sure(tmp_path: Path) -> None:
    """After it has been looked for as long as the setting says."""
    with reaping() as (reaper, upstream):
        reaper.at = lambda number, call: not reaper.hits and is_create(number, call)
        reaper.refused = True
        with (
            pollux(upstream, data_dir=str(tmp_path), batch_unsure_seconds=3.0, **QUICK) as server,
            patient(server.url) as client,
        ):
            over = waited_for(client, created(client, [asked("a")]).id)

    assert over.status == "completed"
    assert reaper.created == 1
    assert sum(is_create(0, call) for call in reaper.calls) == 2


def test_with_callers_keys_a_batch_moves_when_its_owner_asks(tmp_path: Path) -> None:
    """After a restart too; else nothing is sent, and the key is nowhere in what is stored."""
    with reaping() as (reaper, upstream):
        with pollux(upstream, data_dir=str(tmp_path), **QUICK) as server, patient(server.url) as client:
            batch = created(client, [asked("a")])
            while client.batches.retrieve(batch.id).status == "validating":
                time.sleep(0.05)
        with pollux(upstream, data_dir=str(tmp_path), **QUICK) as server, patient(server.url) as client:
            time.sleep(0.5)
            list(client.files.list())
            calls = len(reaper.calls)
            time.sleep(1.5)
            later = len(reaper.calls)
            over = waited_for(client, batch.id)
        stored = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())

    assert later == calls
    assert over.status == "completed"
    assert reaper.created == 1
    assert batch.id.encode() in stored
    assert KEY.encode() not in stored
    assert msgspec.json.encode(KEY)[5:-5] not in stored
