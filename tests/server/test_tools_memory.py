"""Signatures outlive the server: written before their ids are sent, in one file; without that file, in memory."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.clients.processes import served
from tests.server.asking import Stream, chat, pollux
from tests.server.calling import ASKED, DUMMY, SIGNATURE, called, function, in_turn, native_call, reply, result
from tests.server.fake import Conversation, FakeUpstream, plainly

CALLING = reply(native_call(n=1))


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """The upstream, which each test scripts."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _forget(upstream: FakeUpstream) -> None:
    upstream.reset()


def ask_for_call(url: str) -> dict[str, Any]:
    """Ask for a whole answer, and give its call without the signature."""
    [made] = chat(url, messages=[ASKED], tools=[function()]).json["choices"][0]["message"]["tool_calls"]
    return {"id": made["id"], "type": "function", "function": made["function"]}


def signature_of(url: str, upstream: FakeUpstream, made: dict[str, Any]) -> str:
    """Send a call back after other words, so that only its id can find the signature; give what went to Gemini."""
    upstream.then(plainly)
    asked = {"role": "user", "content": "(shortened)"}
    answer = chat(url, messages=[asked, called(made), result(made["id"])], tools=[function()])
    assert answer.status == 200, answer.body
    signature: str = upstream.paid()[-1].json["contents"][1]["parts"][0]["thoughtSignature"]
    return signature


def test_a_call_whose_id_was_seen_survives_kill_9(upstream: FakeUpstream, tmp_path: Path) -> None:
    """The server dies in the middle of the stream, the moment after the id arrived."""

    def call_and_wait(conversation: Conversation) -> None:
        conversation.start()
        conversation.send(reply(native_call(n=1), finish=None))
        conversation.left_within()

    upstream.then(call_and_wait)
    with (
        served(upstream.url, tmp_path / "data", workers=1) as server,
        Stream(server.url, messages=[ASKED], tools=[function()]) as stream,
    ):
        status, _ = stream.head()
        received = next(data for data in stream.sends() if b"call_" in data)
        server.kill()
    chunks = [
        msgspec.json.decode(line.removeprefix(b"data: ")) for line in received.split(b"\n\n") if line.startswith(b"data: ")
    ]
    [made] = [each for chunk in chunks for each in chunk["choices"][0]["delta"].get("tool_calls", [])]
    with served(upstream.url, tmp_path / "data", workers=1) as server:
        signature = signature_of(server.url, upstream, {key: made[key] for key in ("id", "type", "function")})

    assert status == 200
    assert signature == SIGNATURE


def test_a_whole_answer_survives_kill_9(upstream: FakeUpstream, tmp_path: Path) -> None:
    """The same for an answer in one piece."""
    upstream.then(in_turn([CALLING]))
    with served(upstream.url, tmp_path / "data", workers=1) as server:
        made = ask_for_call(server.url)
        server.kill()
    with served(upstream.url, tmp_path / "data", workers=1) as server:
        signature = signature_of(server.url, upstream, made)

    assert signature == SIGNATURE


def a_file_in_place_of_the_folder(folder: Path) -> None:
    """Nothing can be made in it."""
    folder.write_text("no folder")


def a_folder_in_place_of_the_file(folder: Path) -> None:
    """It cannot be opened."""
    (folder / "turns.sqlite3").mkdir(parents=True)


def no_database(folder: Path) -> None:
    """It is not what it should be, and is left alone."""
    folder.mkdir()
    (folder / "turns.sqlite3").write_bytes(b"no database at all, but of some length" * 100)


@pytest.mark.parametrize("spoil", [a_file_in_place_of_the_folder, a_folder_in_place_of_the_file, no_database])
def test_without_a_usable_folder_signatures_are_kept_in_memory(
    upstream: FakeUpstream, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """The server says so once, and serves."""
    spoil(tmp_path / "data")
    upstream.then(in_turn([CALLING]))
    with pollux(upstream, data_dir=str(tmp_path / "data")) as server:
        signature = signature_of(server.url, upstream, ask_for_call(server.url))
        said = [line for line in server.logged if "thought signatures are kept in memory only" in line]

    assert signature == SIGNATURE
    assert len(said) == 1
    assert str(tmp_path / "data") in said[0]


def test_a_folder_that_cannot_be_written_any_more_does_not_stop_the_answers(
    upstream: FakeUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is told all the same; the log says what is lost, and later calls are kept again."""
    monkeypatch.setattr("pollux.store.turns.BUSY_SECONDS", 0.1)
    upstream.then(in_turn([CALLING, CALLING]))
    with pollux(upstream, data_dir=str(tmp_path)) as server:
        with closing(sqlite3.connect(tmp_path / "turns.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            lost = ask_for_call(server.url)
        kept = ask_for_call(server.url)
        signatures = [signature_of(server.url, upstream, made) for made in (lost, kept)]
        said = [line for line in server.logged if "could not be kept" in line]

    assert signatures == [DUMMY, SIGNATURE]
    assert len(said) == 1


def test_the_file_is_for_its_owner_alone_and_holds_no_key(upstream: FakeUpstream, tmp_path: Path) -> None:
    """Words of conversations are in it; the caller's key is not."""
    upstream.then(in_turn([CALLING]))
    with pollux(upstream, data_dir=str(tmp_path / "data")) as server:
        ask_for_call(server.url)
        files = {file.name: file for file in (tmp_path / "data").iterdir()}
        contents = b"".join(file.read_bytes() for file in files.values())
        modes = {name: file.stat().st_mode & 0o777 for name, file in files.items()}

    assert SIGNATURE.encode() in contents
    assert b"AIza" not in contents
    assert set(modes.values()) == {0o600}
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_nothing_is_kept_of_plain_chat(upstream: FakeUpstream, tmp_path: Path) -> None:
    """A turn without calls, signatures and traces is the caller's own business."""
    with pollux(upstream, data_dir=str(tmp_path)) as server:
        text = chat(server.url).json["choices"][0]["message"]["content"]
    with closing(sqlite3.connect(tmp_path / "turns.sqlite3")) as kept:
        [[count]] = kept.execute("SELECT count(*) FROM turn")

    assert text == "Hello there."
    assert count == 0
