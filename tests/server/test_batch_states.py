"""How batches end: as the native jobs do, in part, late, or not at all; and what waits for better times."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import Batch

from pollux.emulator import Emulator, EmulatorServer
from pollux.emulator.matching import Match
from pollux.emulator.rules import Rule
from pollux.store.store import open_store
from tests.server.asking import Pollux, pollux
from tests.server.reaping import PATIENCE_SECONDS, patient
from tests.server.test_batches import OVER, asked, created, lines_of

QUOTA = "status=429; retry-after=1; times=1"


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    """The upstream."""
    with EmulatorServer(Emulator()) as running:
        yield running


@pytest.fixture
def server(emulator: EmulatorServer, tmp_path: Path) -> Iterator[Pollux]:
    """A server that looks often."""
    with pollux(emulator.url, upstream="emulator", data_dir=str(tmp_path), batch_poll_seconds=0.1) as running:
        yield running


@pytest.fixture
def client(server: Pollux) -> Iterator[OpenAI]:
    """The official client."""
    with patient(server.url) as made:
        yield made


def rule(emulator: EmulatorServer, fault: str, method: str) -> None:
    """Let a native method go wrong."""
    emulator.emulator.rules.add(Rule(fault=fault, match=Match(method=method)))


def until(client: OpenAI, batch: Batch, emulator: EmulatorServer, *statuses: str, step: float = 2.0) -> Batch:
    """Ask until a batch has one of these statuses; the emulator's clock runs faster."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while batch.status not in (statuses or OVER):
        assert time.monotonic() < deadline, batch
        time.sleep(0.1)
        emulator.emulator.clock.advance(step)
        batch = client.batches.retrieve(batch.id)
    return batch


def codes(client: OpenAI, batch: Batch) -> list[tuple[str, Any]]:
    """Give custom_id and error code of the lines in the error file."""
    return [(line["custom_id"], line["error"]["code"]) for line in lines_of(client, batch.error_file_id)]


def test_a_native_job_that_fails_fails_the_batch(client: OpenAI, emulator: EmulatorServer) -> None:
    """With what the service says of it."""
    rule(emulator, "batch-state=FAILED", "batchGenerateContent")
    batch = until(client, created(client, [asked("a")]), emulator)
    assert batch.errors is not None

    assert batch.status == "failed"
    assert batch.failed_at is not None
    assert [error.code for error in batch.errors.data or []] == ["batch_failed"]


def test_one_failed_job_of_two_fails_its_own_lines_only(client: OpenAI, emulator: EmulatorServer) -> None:
    """The others are told."""
    rule(emulator, "batch-state=FAILED; times=1", "batchGenerateContent")
    batch = until(client, created(client, [asked("a"), asked("b", model="gemini-2.5-flash"), asked("c")]), emulator)

    assert batch.status == "completed"
    assert [line["custom_id"] for line in lines_of(client, batch.output_file_id)] == ["b"]
    assert codes(client, batch) == [("a", "batch_failed"), ("c", "batch_failed")]


def test_a_native_job_that_expires_expires_the_batch(client: OpenAI, emulator: EmulatorServer) -> None:
    """Every line says so."""
    rule(emulator, "batch-state=EXPIRED", "batchGenerateContent")
    batch = until(client, created(client, [asked("a")]), emulator)

    assert batch.status == "expired"
    assert batch.expired_at is not None
    assert codes(client, batch) == [("a", "batch_expired")]


def test_lines_that_fail_have_their_own_status(client: OpenAI, emulator: EmulatorServer) -> None:
    """As the live endpoint would have answered."""
    rule(emulator, "batch-fail-every=2", "batchGenerateContent")
    batch = until(client, created(client, [asked(name) for name in "abcd"]), emulator)
    failed = lines_of(client, batch.error_file_id)
    assert batch.request_counts is not None

    assert batch.status == "completed"
    assert (batch.request_counts.completed, batch.request_counts.failed) == (2, 2)
    assert [(line["custom_id"], line["response"]["status_code"]) for line in failed] == [("b", 500), ("d", 500)]
    assert all(line["response"]["body"]["error"]["type"] == "server_error" for line in failed)


def test_a_quota_that_is_used_up_is_waited_for(client: OpenAI, emulator: EmulatorServer) -> None:
    """The job is created when there is some again, once."""
    rule(emulator, QUOTA, "batchGenerateContent")
    batch = until(client, created(client, [asked("a")]), emulator)

    assert batch.status == "completed"
    assert emulator.emulator.resources.batches.created == 1


def test_what_is_not_done_after_a_day_expires(client: OpenAI, server: Pollux, emulator: EmulatorServer, tmp_path: Path) -> None:
    """The native job is cancelled."""
    rule(emulator, "batch-state=RUNNING", "batchGenerateContent")
    batch = until(client, created(client, [asked("a")]), emulator, "in_progress")
    with closing(sqlite3.connect(tmp_path / "store.sqlite3", timeout=10)) as database, database:
        database.execute("UPDATE batch SET created_us = created_us - 90000000000")
    batch = until(client, batch, emulator, step=0.1)
    native = emulator.emulator.journal.entries()

    assert batch.status == "expired"
    assert codes(client, batch) == [("a", "batch_expired")]
    assert [entry["native_method"] for entry in native].count("batches.cancel") == 1


def test_results_that_are_gone_are_missed_line_by_line(client: OpenAI, emulator: EmulatorServer) -> None:
    """The batch ends, and says why."""
    rule(emulator, "status=403", "files.download")
    batch = until(client, created(client, [asked("a")]), emulator)
    assert batch.errors is not None

    assert batch.status == "completed"
    assert codes(client, batch) == [("a", "result_missing")]
    assert [error.code for error in batch.errors.data or []] == ["results_gone"]


def test_a_running_batch_is_cancelled_with_its_native_job(client: OpenAI, emulator: EmulatorServer) -> None:
    """Its lines say so; what has ended stays."""
    rule(emulator, "batch-state=RUNNING", "batchGenerateContent")
    batch = until(client, created(client, [asked("a"), asked("b")]), emulator, "in_progress")
    batch = until(client, client.batches.cancel(batch.id), emulator, step=0.1)

    assert batch.status == "cancelled"
    assert batch.cancelling_at is not None
    assert codes(client, batch) == [("a", "batch_cancelled"), ("b", "batch_cancelled")]


def test_lists_go_on_after_a_batch(client: OpenAI, emulator: EmulatorServer) -> None:
    """Newest first."""
    made = [created(client, [asked("a")]).id for _ in range(3)]
    page = client.batches.list(limit=1, after=made[2])

    assert [batch.id for batch in page.data] == [made[1]]
    assert page.has_more
    with pytest.raises(openai.NotFoundError):
        client.batches.list(after="batch_000000000000000000000000")


async def test_erasing_an_owner_takes_the_batches(emulator: EmulatorServer, tmp_path: Path) -> None:
    """And their files."""
    with (
        pollux(emulator.url, upstream="emulator", data_dir=str(tmp_path), batch_poll_seconds=60.0) as server,
        patient(server.url) as client,
    ):
        batch = await asyncio.to_thread(created, client, [asked("a")])
        store = await open_store(tmp_path)
        [owner] = await store.owners("")
        erased = await store.erase(owner)
        await store.close()
        with pytest.raises(openai.NotFoundError):
            await asyncio.to_thread(client.batches.retrieve, batch.id)

    assert erased["batch"] == 1
