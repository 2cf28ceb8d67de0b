"""The emulator against the recorded films of Veo: begun, polled, done, downloaded."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pollux.emulator import Emulator, ManualClock
from tests.emulator.in_process import Reply, call

FIXTURES = Path(__file__).resolve().parents[3] / "shared/fixtures/gemini-native"

if not FIXTURES.is_dir():
    pytest.skip("the recordings of ../shared are not here", allow_module_level=True)

FLOW = "ruby_llm--video_basic_functionality_gemini_veo-3_1-lite-generate-preview_can_animate_videos"

HOST = "https://generativelanguage.googleapis.com"


def recorded(step: int) -> list[Any]:
    """All recordings of one step; the flow was recorded twice."""
    return [msgspec.json.decode(path.read_bytes()) for path in sorted(FIXTURES.glob(f"{FLOW}--{step}--*.json"))]


def unnamed(value: Any) -> str:
    """Write a value with its ids and its host left out."""
    text = msgspec.json.encode(value, order="sorted").decode()
    text = text.replace("http://emulator.test", HOST)
    return re.sub(r"(operations|files)/[a-z0-9]{12}\b", r"\1/ID", text)


async def play(emulator: Emulator, exchange: Any, address: str) -> Reply:
    return await call(emulator, address.removeprefix(HOST), exchange["request"], method=exchange["method"])


async def test_the_recorded_flow_is_repeated() -> None:
    """Each answer has the recorded status, type and words, ids apart; the film has its four seconds."""
    begun, running, done, redirect, film = (recorded(step) for step in (0, 1, 5, 6, 7))
    emulator = Emulator(clock=ManualClock())
    first = await play(emulator, begun[0], begun[0]["url"])
    address = f"{HOST}/v1beta/{first.json['name']}"
    second = await play(emulator, running[0], address)
    emulator.clock.advance(27)
    third = await play(emulator, done[0], address)
    uri = third.json["response"]["generateVideoResponse"]["generatedSamples"][0]["video"]["uri"]
    fourth = await play(emulator, redirect[0], uri.replace("http://emulator.test", HOST))
    fifth = await play(emulator, film[0], fourth.headers["location"].replace("http://emulator.test", HOST))
    emulator.close()

    for reply, theirs in ((first, begun), (second, running), (third, done), (fourth, redirect)):
        assert {unnamed(reply.json)} == {unnamed(one["response"]) for one in theirs}
    for reply, theirs in ((first, begun), (second, running), (third, done), (fourth, redirect), (fifth, film)):
        assert {reply.status} == {one["status"] for one in theirs}
        assert {reply.headers["content-type"]} == {one["response_headers"]["content-type"] for one in theirs}
    assert unnamed(fourth.headers["location"]) == unnamed(redirect[0]["response_headers"]["location"])
    assert fifth.body[4:8] == b"ftyp"
