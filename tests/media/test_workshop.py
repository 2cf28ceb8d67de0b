"""The workshop: codec work in processes that may be killed."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from pollux.errors import InvalidRequest, Overloaded, UnusableMedia
from pollux.media import audio, images
from pollux.media.workshop import Workshop
from tests.media.studio import picture, tone

PICTURE = picture()


async def test_work_is_done_in_another_process_that_is_kept() -> None:
    """The result has its type again."""
    workshop = Workshop()
    found = await workshop.run(images.header, PICTURE)
    first = [process._child.pid for process in workshop._idle]
    sound = await workshop.run(audio.encode, tone(0.2), audio.PcmForm(), "mp3")
    second = [process._child.pid for process in workshop._idle]
    await workshop.close()

    assert found == images.ImageHeader("image/png", 64, 48, animated=False)
    assert audio.decode(sound)
    assert first == second != [os.getpid()]


async def test_an_error_of_the_work_comes_through() -> None:
    """With its message and code, as a 400."""
    workshop = Workshop()
    with pytest.raises(UnusableMedia, match="none of them") as refused:
        await workshop.run(images.header, b"\x00")
    await workshop.close()

    assert isinstance(refused.value, InvalidRequest)
    assert refused.value.status == 400


def _hang(_data: bytes) -> bytes:
    signal.pause()
    return b""


def _crash(_data: bytes) -> bytes:
    os.kill(os.getpid(), signal.SIGSEGV)
    return b""


def _devour(_data: bytes) -> bytes:
    return bytes(8_000_000_000)


def _write(path: bytes) -> bytes:
    Path(path.decode()).write_bytes(b"x")
    return b""


async def test_work_that_takes_too_long_is_killed() -> None:
    """And the next one is done."""
    workshop = Workshop(seconds_max=1.0)
    with pytest.raises(UnusableMedia, match="longer than 1 seconds"):
        await workshop.run(_hang, b"")
    assert workshop._idle == []
    found = await workshop.run(images.header, PICTURE)
    await workshop.close()

    assert found.width == 64


@pytest.mark.parametrize("work", [_crash, _devour])
async def test_a_crash_or_a_hunger_for_memory_is_an_error_of_one_request(work: object) -> None:
    """The server lives, and the next one is done."""
    workshop = Workshop()
    with pytest.raises(UnusableMedia, match="memory"):
        await workshop.run(work, b"")  # type: ignore[arg-type] # one of the two above
    found = await workshop.run(images.header, PICTURE)
    await workshop.close()

    assert found.width == 64


async def test_a_process_writes_no_file(tmp_path: Path) -> None:
    """Whatever a stranger's bytes make of it."""
    workshop = Workshop()
    with pytest.raises(UnusableMedia):
        await workshop.run(_write, str(tmp_path / "written").encode())
    await workshop.close()

    assert not (tmp_path / "written").exists() or not (tmp_path / "written").read_bytes()


async def test_a_caller_who_leaves_takes_the_work_along() -> None:
    """Its process is killed; the place is free."""
    workshop = Workshop()
    leaving = asyncio.create_task(workshop.run(_hang, b""))
    await asyncio.sleep(0.3)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    found = await workshop.run(images.header, PICTURE)
    await workshop.close()

    assert found.width == 64


async def test_too_many_that_wait_are_sent_away() -> None:
    """With a 503 that says when to come back; those who wait are served."""
    workshop = Workshop(processes=1, waiting_max=1)
    waiting = [asyncio.create_task(workshop.run(images.header, PICTURE)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await workshop.run(images.header, PICTURE)
    found = await asyncio.gather(*waiting)
    await workshop.close()

    assert refused.value.status == 503
    assert refused.value.retry_after_seconds
    assert [one.width for one in found] == [64, 64]


async def test_what_was_paid_for_waits_for_a_place() -> None:
    """It is not sent away, whatever else is worked on."""
    workshop = Workshop(processes=1, waiting_max=0)
    found = await asyncio.gather(*(workshop.run_at_last(images.header, PICTURE) for _ in range(3)))
    await workshop.close()

    assert found == [images.ImageHeader("image/png", 64, 48, animated=False)] * 3


async def test_a_process_has_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment only the search path of modules is there."""
    monkeypatch.setenv("GEMINI_API_KEY", "a secret")
    workshop = Workshop()
    names = await workshop.run(_environment, b"")
    await workshop.close()

    assert "GEMINI_API_KEY" not in names
    assert set(names) <= {"PYTHONPATH", "LD_LIBRARY_PATH", "LC_CTYPE"}


def _environment(_data: bytes) -> list[str]:
    return list(os.environ)
