"""The control API, the rules, the journal, the clock."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pollux.emulator import Emulator, ManualClock, Rule
from pollux.emulator.matching import Match
from pollux.emulator.rules import Rules
from tests.emulator.in_process import KEY, PATH, STREAM, Reply, call, say


async def control(emulator: Emulator, path: str, body: Any = None, *, method: str = "GET", **more: Any) -> Reply:
    return await call(emulator, "/__emulator/" + path, body, method=method, **more)


async def test_health_needs_no_key() -> None:
    """It says that the emulator is there."""
    reply = await control(Emulator(clock=ManualClock()), "health", key="")

    assert reply.json == {"status": "ok", "emulator": "pollux", "now": "2026-11-22T00:00:00.000000Z"}


async def test_the_journal_tells_what_arrived_and_what_became_of_it() -> None:
    """Method, path, headers, decoded body, status, events, in order."""
    emulator = Emulator()
    await call(emulator, STREAM, say("Hello"), headers={"x-test": "a"})
    await call(emulator, PATH, b"{broken")
    await call(emulator, "/v1/models", method="GET")
    stream, broken, models = (await control(emulator, "journal")).json["entries"]

    assert (stream["id"], stream["method"], stream["status"], stream["native_method"]) == (
        1,
        "POST",
        200,
        "streamGenerateContent",
    )
    assert stream["path"] == "/v1beta/models/gemini-3-flash-preview:streamGenerateContent"
    assert stream["query"] == {"alt": "sse"}
    assert stream["headers"]["x-test"] == "a"
    assert stream["body"] == say("Hello")
    assert stream["complete"]
    assert stream["events"] > 1
    assert (broken["status"], broken["body"]) == (400, "{broken")
    assert models["native_method"] == "models.list"
    assert [e["id"] for e in (await control(emulator, "journal?since=1")).json["entries"]] == [2, 3]


@pytest.mark.parametrize(
    ("headers", "key", "query"),
    [
        ({}, KEY, ""),
        ({}, "", f"?key={KEY}"),
        ({"authorization": f"Bearer ya29.{KEY}"}, "", ""),
        ({"cookie": f"session={KEY}", "x-api-key": KEY}, KEY, ""),
        ({"x-copy-of-it": f"it is {KEY}!"}, KEY, ""),
    ],
)
async def test_the_journal_never_holds_a_key(headers: dict[str, str], key: str, query: str) -> None:
    """Not in headers, not in the URL, not where a caller wrote it into a prompt."""
    emulator = Emulator()
    secret = headers.get("authorization", f"Bearer {KEY}").removeprefix("Bearer ")
    await call(emulator, PATH + query, say(f"my key is {secret}"), headers=headers, key=key)
    told = (await control(emulator, "journal")).body.decode()

    assert KEY not in told
    assert "[secret]" in told


async def test_the_journal_is_bounded() -> None:
    """In entries and in bytes of each."""
    emulator = Emulator(journal_length=3)
    for number in range(5):
        await call(emulator, PATH, say(f"number {number}"))
    await call(emulator, PATH, say("a" * 100_000))
    entries = emulator.journal.entries()

    assert [entry["id"] for entry in entries] == [4, 5, 6]
    assert entries[-1]["body"] == {"omitted_bytes": len(msgspec.json.encode(say("a" * 100_000)))}


async def test_rules_come_and_go_over_http() -> None:
    """With a number, their count of uses, and a clear error for a wrong one."""
    emulator = Emulator()
    rule = {"fault": "status=503; times=1", "match": {"text": "hello"}, "name": "busy"}
    added = await control(emulator, "rules", rule, method="POST")
    statuses = [(await call(emulator, PATH, say(text))).status for text in ("bye", "hello", "hello")]
    listed = (await control(emulator, "rules")).json["rules"]
    wrong = await control(emulator, "rules", {"fault": "stats=503"}, method="POST")
    unknown = await control(emulator, "rules", {"fault": "empty", "sometimes": True}, method="POST")
    gone = await control(emulator, "rules/1", method="DELETE")
    again = await control(emulator, "rules/1", method="DELETE")

    assert added.json == {"id": 1}
    assert statuses == [200, 503, 200]
    assert [(rule["id"], rule["name"], rule["used"]) for rule in listed] == [(1, "busy", 1)]
    assert [wrong.status, unknown.status, gone.status, again.status] == [400, 400, 200, 404]
    assert "unknown field `stats`" in wrong.message
    assert emulator.journal.entries()[1]["fault"] == "busy"


async def test_a_header_goes_before_rules() -> None:
    """The request itself knows best."""
    emulator = Emulator(rules=[{"fault": "status=503"}])

    assert (await call(emulator, PATH, say(), headers={"x-emulator-fault": "status=429"})).status == 429
    assert (await call(emulator, PATH, say())).status == 503


async def test_probability_is_decided_by_the_seed() -> None:
    """About as often as said, the same in every run, another way with another seed."""

    async def run(seed: int) -> list[int]:
        emulator = Emulator(rules=[Rule("status=500; probability=0.3", Match(model="gemini-3*"))], seed=seed)
        return [(await call(emulator, PATH, say())).status for _ in range(200)]

    first = await run(1)

    assert 40 <= first.count(500) <= 80
    assert first == await run(1)
    assert first != await run(2)


async def test_reset_goes_back_to_the_constructor() -> None:
    """Journal, counts, rules, clock."""
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    emulator = Emulator(rules=[{"fault": "status=503; times=1"}], script=[{"say": [{"text": "once"}]}], clock=clock)
    await call(emulator, PATH, say())
    await call(emulator, PATH, say())
    await control(emulator, "rules", {"fault": "status=500"}, method="POST")
    await control(emulator, "clock", {"advance_seconds": 60}, method="POST")
    await control(emulator, "reset", method="POST")

    assert emulator.journal.entries() == []
    assert [rule["used"] for rule in emulator.rules.listed()] == [0]
    assert emulator.script.used == [0]
    assert emulator.clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
    assert (await call(emulator, PATH, say())).status == 503


async def test_the_clock_can_be_read_and_advanced() -> None:
    """Only forward, and not beyond ten years at once."""
    emulator = Emulator(clock=ManualClock())
    moved = await control(emulator, "clock", {"advance_seconds": 90}, method="POST")
    back = await control(emulator, "clock", {"advance_seconds": -1}, method="POST")
    far = await control(emulator, "clock", {"advance_seconds": 1e12}, method="POST")

    assert moved.json == (await control(emulator, "clock")).json == {"now": "2026-11-22T00:01:30.000000Z"}
    assert [back.status, far.status] == [400, 400]


async def test_the_system_clock_can_be_advanced_too() -> None:
    """What expires can be tested without waiting."""
    emulator = Emulator()
    await control(emulator, "clock", {"advance_seconds": 7200}, method="POST")
    ahead = (emulator.clock.now() - datetime.now(UTC)).total_seconds()
    emulator.reset()

    assert 7190 < ahead <= 7200
    assert abs((emulator.clock.now() - datetime.now(UTC)).total_seconds()) < 5


async def test_a_script_can_be_put_read_and_taken_away() -> None:
    """With counts; a wrong one changes nothing."""
    emulator = Emulator()
    put = await control(emulator, "script", {"answers": [{"say": {"text": "scripted"}}]}, method="POST")
    answered = await call(emulator, PATH, say())
    wrong = await control(emulator, "script", {"answers": [{"say": {}}]}, method="POST")
    told = (await control(emulator, "script")).json
    await control(emulator, "script", method="DELETE")

    assert put.status == 200
    assert answered.json["candidates"][0]["content"]["parts"][0]["text"] == "scripted"
    assert wrong.status == 400
    assert "an answer needs one of" in wrong.message
    assert told["answers"][0]["used"] == 1
    assert (await control(emulator, "script")).json == {"strict": False, "answers": []}


async def test_a_script_over_http_reads_no_files() -> None:
    """A path in place of entries is refused: the control API must not open files."""
    reply = await control(Emulator(), "script", "/etc/hostname", method="POST")

    assert reply.status == 400


@pytest.mark.parametrize(("method", "path"), [("GET", "nothing"), ("PUT", "rules"), ("POST", "health"), ("GET", "")])
async def test_unknown_control_requests_are_not_found(method: str, path: str) -> None:
    """And say what was asked."""
    reply = await control(Emulator(), path, method=method)

    assert reply.status == 404
    assert f"has no {method} /__emulator/{path}." in reply.message


async def test_no_web_page_of_another_origin_is_answered() -> None:
    """The journal holds prompts."""
    foreign = await control(Emulator(), "journal", headers={"origin": "https://evil.test"})
    own = await control(Emulator(), "journal", headers={"origin": "http://emulator.test"})

    assert [foreign.status, own.status] == [403, 200]


async def test_there_is_a_limit_to_rules() -> None:
    """Each is tried for each request."""
    rules = Rules([{"fault": "empty"}] * 200)

    with pytest.raises(ValueError, match="at most 200 rules"):
        rules.add(Rule("empty"))


@pytest.mark.parametrize("rule", [{"fault": "stats=503"}, {"fault": 5}, {}, {"fault": "empty", "when": {}}])
def test_a_wrong_rule_is_told_when_the_emulator_is_made(rule: dict[str, Any]) -> None:
    """As a ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"fault|stats|when"):
        Emulator(rules=[rule])
