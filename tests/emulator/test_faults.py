"""Errors, delays and broken streams on request."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pollux.emulator import Emulator, Latency, ManualClock
from pollux.emulator import faults as fault_language
from pollux.emulator.quotas import QUOTAS
from tests.emulator.in_process import PATH, STREAM, Reply, call, say

LONG = say("write 200 words")


async def faulty(fault: str, target: str = STREAM, body: Any = None, **more: Any) -> Reply:
    return await call(Emulator(), target, body or LONG, headers={"x-emulator-fault": fault}, **more)


@pytest.mark.parametrize(
    ("fault", "status", "word", "begins"),
    [
        ("status=400", 400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
        ("status=400; reason=context", 400, "INVALID_ARGUMENT", "The input token count exceeds the maximum number of tokens"),
        ("status=400; reason=invalid-key", 400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
        ("status=400; reason=location", 400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        ("status=401", 401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
        ("status=402", 402, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."),
        ("status=403", 403, "PERMISSION_DENIED", "Your project has been denied access."),
        ("status=403; reason=disabled", 403, "PERMISSION_DENIED", "Generative Language API has not been used"),
        ("status=404", 404, "NOT_FOUND", "models/gemini-3-flash-preview is not found for API version v1beta"),
        ("status=404; reason=retired", 404, "NOT_FOUND", "This model models/gemini-3-flash-preview is no longer available"),
        ("status=500", 500, "INTERNAL", "An internal error has occurred. Please retry or report in"),
        ("status=503", 503, "UNAVAILABLE", "This model is currently experiencing high demand."),
        ("status=503; reason=overloaded", 503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        ("status=504", 504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
        ("status=418", 418, "UNKNOWN", "The emulator was asked for an error with status 418"),
        ("status=500; message=Teapot", 500, "INTERNAL", "Teapot"),
    ],
)
async def test_any_error_comes_in_its_recorded_words(fault: str, status: int, word: str, begins: str) -> None:
    """The same for whole answers and streams, before the first event."""
    for target in (PATH, STREAM):
        reply = await faulty(fault, target)

        assert reply.status == status
        assert reply.json["error"]["status"] == word
        assert reply.message.startswith(begins)


@pytest.mark.parametrize("quota", QUOTAS)
async def test_a_429_carries_help_quota_and_retry_delay(quota: str) -> None:
    """As recorded: the delay in RetryInfo alone, no Retry-After header."""
    reply = await faulty(f"status=429; retry-after=34.4; quota={quota}")
    helps, failure, retry = reply.json["error"]["details"]

    assert reply.status == 429
    assert "retry-after" not in reply.headers
    assert helps["@type"].endswith("google.rpc.Help")
    assert retry == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s"}
    assert ("PerDay" in failure["violations"][0]["quotaId"]) is ("day" in quota)
    assert failure["violations"][0]["quotaDimensions"]["model"] == "gemini-3-flash-preview"
    assert "Please retry in 34.4" in reply.message


async def test_a_front_end_error_is_html() -> None:
    """Status and content type of a proxy that knows no JSON."""
    reply = await faulty("status=502; html")

    assert reply.status == 502
    assert reply.headers["content-type"].startswith("text/html")
    assert reply.body.startswith(b"<html>")


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_stream_breaks_after_so_many_events(count: int) -> None:
    """Cut: the answer is never finished. Malformed and error: one more frame, then the end."""
    cut = await faulty(f"cut-after={count}")
    malformed = await faulty(f"malformed-after={count}")
    error = await faulty(f"error-after={count}; status=503")
    raw = await faulty(f"error-after={count}; raw")

    assert not cut.finished
    assert len(cut.events) == count
    assert malformed.body.count(b"data: ") == count + 1
    with pytest.raises(ValueError, match="truncated"):
        _ = malformed.events
    assert error.events[count]["error"]["code"] == 503
    assert len(error.events) == count + 1
    assert raw.body.count(b"data: ") == count
    assert raw.body.endswith(b'    "status": "INTERNAL"\n  }\n}\n')


async def test_an_error_inside_an_array_is_its_last_element() -> None:
    """The array is closed after it."""
    reply = await faulty("error-after=2; status=500", STREAM.removesuffix("?alt=sse"))

    assert len(reply.json) == 3
    assert reply.json[2]["error"]["status"] == "INTERNAL"


async def test_whole_answers_break_too() -> None:
    """Half a body: cut, or complete as HTTP and broken as JSON."""
    cut = await faulty("cut-after=1", PATH)
    malformed = await faulty("malformed-after=1", PATH)

    assert not cut.finished
    assert malformed.finished
    for reply in (cut, malformed):
        assert reply.status == 200
        with pytest.raises(ValueError, match="truncated"):
            _ = reply.json


@pytest.mark.parametrize("reason", ["SAFETY", "PROHIBITED_CONTENT", "OTHER"])
async def test_a_blocked_prompt_has_feedback_and_no_candidate(reason: str) -> None:
    """Whole and streamed the same object."""
    whole = (await faulty(f"blocked={reason}", PATH)).json
    events = (await faulty(f"blocked={reason}")).events

    assert whole["promptFeedback"]["blockReason"] == reason
    assert "candidates" not in whole
    assert events == [whole]
    assert "candidatesTokenCount" not in whole["usageMetadata"]


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "MALFORMED_FUNCTION_CALL", "A_NEW_REASON"])
async def test_another_finish_reason_ends_the_answer_early(reason: str) -> None:
    """A whole answer has no text; a stream sends some and stops."""
    whole = (await faulty(f"finish={reason}", PATH)).json["candidates"][0]
    events = [event["candidates"][0] for event in (await faulty(f"finish={reason}")).events]

    assert whole["finishReason"] == events[-1]["finishReason"] == reason
    assert "parts" not in whole.get("content", {})
    assert "parts" not in events[-1].get("content", {})
    assert all(event["content"]["parts"] for event in events[:-1])
    assert ("safetyRatings" in whole) is (reason == "SAFETY")


async def test_an_empty_answer_stops_without_parts() -> None:
    """STOP and nothing said."""
    whole = (await faulty("empty", PATH)).json

    assert whole["candidates"][0] == {"content": {"role": "model"}, "finishReason": "STOP", "index": 0}


@pytest.mark.parametrize(
    "fault",
    ["nonsense", "nonsense=1", "status=200", "status=abc", "status=503; status=503", "quota=weekly", "reason=unknown",
     "status=503; reason=context", "first-token-delay=601", "event-delay=-1", "cut-after=-1", "probability=2", "empty=no",
     "retry-after=inf", "x" * 3000],
)  # fmt: skip
async def test_a_fault_that_is_not_understood_is_an_error(fault: str) -> None:
    """Never ignored: a misspelt fault must not make a test pass."""
    reply = await faulty(fault)

    assert reply.status == 400
    assert reply.message.startswith("The emulator does not understand the fault that was asked for: ")


@given(st.text(max_size=80))
def test_any_text_is_a_fault_or_a_value_error(text: str) -> None:
    """The language has no third outcome."""
    try:
        fault = fault_language.parse(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(fault, fault_language.Fault)


async def test_a_fault_with_times_is_over_after_them() -> None:
    """So that a retry succeeds; another id counts anew."""
    emulator = Emulator()
    headers = {"x-emulator-fault": "status=503; times=2"}
    statuses = [(await call(emulator, PATH, say(), headers=headers)).status for _ in range(4)]
    other = await call(emulator, PATH, say(), headers={"x-emulator-fault": "status=503; times=2; id=b"})

    assert statuses == [503, 503, 200, 200]
    assert other.status == 503


async def test_delays_follow_the_clock() -> None:
    """With a manual clock nothing comes before its time, whole or streamed."""
    for fault, target in (("first-token-delay=5", STREAM), ("first-token-delay=5", PATH), ("headers-delay=5", STREAM)):
        clock = ManualClock()
        task = asyncio.create_task(call(Emulator(clock=clock), target, say(), headers={"x-emulator-fault": fault}))
        await asyncio.sleep(0.02)
        clock.advance(4.9)
        await asyncio.sleep(0.02)
        assert not task.done()
        clock.advance(0.2)

        assert (await task).status == 200


async def test_a_latency_profile_delays_every_event() -> None:
    """First event and events between have their own; an hour of it passes at once with a manual clock."""
    clock = ManualClock()
    emulator = Emulator(clock=clock, latency=Latency(first_event_seconds=60, event_seconds=10, jitter=0.5))
    began = clock.now()
    task = asyncio.create_task(call(emulator, STREAM, LONG))
    while not task.done():
        clock.advance(1)
        await asyncio.sleep(0)
    events = (await task).events
    passed = (clock.now() - began).total_seconds()

    assert 30 + 5 * (len(events) - 1) <= passed <= 95 + 16 * len(events)
    with pytest.raises(ValueError, match="between 0 and 600"):
        Latency(event_seconds=601)


async def test_a_stalled_stream_ends_when_the_client_leaves() -> None:
    """It waits neither for its ten minutes nor for anything else."""
    emulator = Emulator()
    headers = {"x-emulator-fault": "stall-after=2"}
    reply = await asyncio.wait_for(call(emulator, STREAM, LONG, headers=headers, leave_after=2), 5)
    entry = emulator.journal.entries()[0]

    assert len(reply.events) == 2
    assert not reply.finished
    assert entry["client_closed_early"]
    assert entry["events"] == 2
    assert entry["finished"]
    assert not entry["complete"]


async def test_a_client_that_leaves_a_stream_without_delays_is_noticed() -> None:
    """No event follows the one that it saw last by more than a few."""
    emulator = Emulator()
    reply = await call(emulator, STREAM, say("write 5000 words"), leave_after=3)

    assert len(reply.chunks) < 10
    assert emulator.journal.entries()[0]["client_closed_early"]


async def test_the_clients_own_deadline_is_kept() -> None:
    """`X-Server-Timeout`, which Google's clients send: a 504 at that time."""
    clock = ManualClock()
    headers = {"x-emulator-fault": "headers-delay=30", "x-server-timeout": "10"}
    task = asyncio.create_task(call(Emulator(clock=clock), STREAM, say(), headers=headers))
    await asyncio.sleep(0.02)
    clock.advance(10)
    reply = await task

    assert reply.status == 504
    assert reply.json["error"]["status"] == "DEADLINE_EXCEEDED"


async def test_faults_concern_models_and_counting_too() -> None:
    """Every native method obeys them."""
    headers = {"x-emulator-fault": "status=500"}
    listed = await call(Emulator(), "/v1/models", method="GET", headers=headers)
    counted = await call(Emulator(), PATH.replace("generateContent", "countTokens"), say(), headers=headers)

    assert listed.status == counted.status == 500
