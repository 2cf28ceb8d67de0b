"""Two replicas on one PostgreSQL: one is stopped past its lease and woken again, and every job is made exactly once."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.processes import Served, served
from tests.server.reaping import Reaper, is_create, patient, reaping, waited_for
from tests.server.test_batches import asked, created, lines_of
from tests.store.postgres_server import PostgresServer

SETTINGS = {"batch_poll_seconds": "0.2", "batch_lease_seconds": "1", "batch_unsure_seconds": "2", "secret": "of the tests"}
WAKING_SECONDS = 2.5
"""More than two leases: what a woken process does, it has done then."""


@contextmanager
def replica(upstream: str, folder: Path, store_url: str) -> Iterator[Served]:
    """Run a replica."""
    with served(upstream, folder, workers=1, store_url=store_url, **SETTINGS) as server:
        yield server


@pytest.mark.parametrize("stopped_at", ["POST /upload", "create", "GET /v1beta/batches/", ":download"])
def test_a_replica_that_is_stopped_and_woken_does_nothing_twice(
    postgres: PostgresServer, tmp_path: Path, stopped_at: str
) -> None:
    """While it uploads, creates, looks, or downloads: the other finishes, and the woken one finds itself overtaken."""
    store_url = postgres.create("stopped_" + "".join(filter(str.isalpha, stopped_at)).lower())
    with reaping() as (reaper, upstream), replica(upstream, tmp_path / "data", store_url) as one:
        reaper.at = lambda number, call: (
            not reaper.hits and (is_create(number, call) if stopped_at == "create" else stopped_at in call)
        )
        reaper.before = reaper.signal(one.process.pid, signal.SIGSTOP)
        with patient(one.url) as client:
            batch = created(client, [asked("a"), asked("b", model="gemini-2.5-flash")])
        _until(lambda: reaper.hits > 0, reaper)
        with replica(upstream, tmp_path / "data", store_url) as other, patient(other.url) as client:
            over = waited_for(client, batch.id)
            one.process.send_signal(signal.SIGCONT)
            time.sleep(WAKING_SECONDS)
            again = client.batches.retrieve(batch.id)
            output = lines_of(client, over.output_file_id)
            outputs = [file.filename for file in client.files.list() if batch.id in file.filename]

    assert over.status == "completed"
    assert again == over
    assert [line["custom_id"] for line in output] == ["a", "b"]
    assert outputs == [f"{batch.id}_output.jsonl"]
    assert reaper.created == 2  # one for each model


def test_a_job_that_was_created_too_late_is_cancelled(postgres: PostgresServer, tmp_path: Path) -> None:
    """What no fence can hinder: the process slept between its last look at the lease and the create, for long.

    The job is then there twice; whoever made the second finds itself overtaken and cancels it, and the results are told once.
    """
    store_url = postgres.create("too_late")
    with reaping() as (reaper, upstream), replica(upstream, tmp_path / "data", store_url) as one:
        reaper.at = lambda number, call: not reaper.hits and is_create(number, call)
        reaper.before = reaper.signal(one.process.pid, signal.SIGSTOP)
        reaper.hold = lambda: reaper.created > 0
        with patient(one.url) as client:
            batch = created(client, [asked("a")])
        _until(lambda: reaper.hits > 0, reaper)
        with replica(upstream, tmp_path / "data", store_url) as other, patient(other.url) as client:
            over = waited_for(client, batch.id)
            one.process.send_signal(signal.SIGCONT)
            _until(lambda: any(call.endswith(":cancel") for call in reaper.calls), reaper)
            outputs = [file.filename for file in client.files.list() if batch.id in file.filename]

    assert over.status == "completed"
    assert reaper.created == 2
    assert outputs == [f"{batch.id}_output.jsonl"]


def _until(holds: Callable[[], bool], reaper: Reaper) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, reaper.calls
        time.sleep(0.05)
