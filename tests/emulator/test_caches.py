"""cachedContents: what is kept, for how long, and what a request that uses one is told."""

from typing import Any

import pytest

from pollux.emulator import Emulator, ManualClock
from tests.emulator.in_process import PATH, STREAM, Reply, call, say
from tests.emulator.samples import pdf
from tests.emulator.uploading import get, names, uploaded

CACHES = "/v1beta/cachedContents"

FLASH = "/v1beta/models/gemini-2.5-flash:generateContent"

NOT_FOUND = {"code": 403, "message": "CachedContent not found (or permission denied)", "status": "PERMISSION_DENIED"}


def long(words: int = 1200, **more: Any) -> dict[str, Any]:
    return {"model": "models/gemini-2.5-flash", **say("word " * words), **more}


async def create(emulator: Emulator, body: Any = None, **more: Any) -> Reply:
    return await call(emulator, CACHES, body or long(), **more)


async def use(emulator: Emulator, name: str, target: str = FLASH, **more: Any) -> Reply:
    key = more.pop("key", "test-key-of-the-emulator")
    return await call(emulator, target, say("And now?", cachedContent=name, **more), key=key)


async def test_a_cache_is_told_without_its_contents() -> None:
    """In the recorded order, with an empty display name; one hour by default; nine digits of a second."""
    emulator = Emulator(clock=ManualClock())
    made = (await create(emulator)).json
    got = (await get(emulator, "/v1/" + made["name"])).json

    assert list(made) == ["name", "model", "createTime", "updateTime", "expireTime", "displayName", "usageMetadata"]
    assert len(made["name"]) == len("cachedContents/") + 40
    assert made["createTime"] == "2026-11-22T00:00:00.000000Z"
    assert made["expireTime"].startswith("2026-11-22T01:00:00.000000")
    assert len(made["expireTime"]) == len("2026-11-22T01:00:00.000000000Z")
    assert made["usageMetadata"] == {"totalTokenCount": 1202}
    assert got == made


@pytest.mark.parametrize(
    ("given", "expires"),
    [
        ({"ttl": "120s"}, "2026-11-22T00:02:00"),
        ({"ttl": "0.5s"}, "2026-11-22T00:00:00.5"),
        ({"expireTime": "2026-11-22T05:00:00Z"}, "2026-11-22T05:00:00.000000Z"),
        ({"expire_time": "2026-11-22T05:00:00.250+02:00"}, "2026-11-22T03:00:00.250000Z"),
        ({"expireTime": "2026-11-22T05:00:00.123456789-01:30"}, "2026-11-22T06:30:00.123457Z"),
    ],
)
async def test_its_end_is_given_as_a_time_or_a_duration(given: Any, expires: str) -> None:
    """Until then it is there, afterwards not."""
    clock = ManualClock()
    emulator = Emulator(clock=clock)
    made = (await create(emulator, long(**given))).json
    clock.advance(0.4)
    before = await get(emulator, "/v1beta/" + made["name"])
    clock.advance(7 * 3600)
    after = await get(emulator, "/v1beta/" + made["name"])

    assert made["expireTime"].startswith(expires)
    assert before.status == 200
    assert (after.status, after.json["error"]) == (403, NOT_FOUND)
    assert (await get(emulator, CACHES)).json == {}


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (long(5), 400, "Cached content is too small. total_token_count=7, min_total_token_count=1024"),
        (long(model="models/gemini-3.6-flash"), 400, "total_token_count=1202, min_total_token_count=4096"),
        (long(model="models/gemini-3.1-flash-lite"), 400, "min_total_token_count=2048"),
        (long(model="models/gemini-4-argon"), 404,
         "models/gemini-4-argon is not found for API version v1beta, or is not supported for createCachedContent."),
        (long(model="models/nothing"), 404, "or is not supported for createCachedContent."),
        (long(model="models/gemini-2.0-flash"), 404, "no longer available"),
        (say("word " * 1200), 400, "model is not specified"),
        ({"model": "models/gemini-2.5-flash"}, 400, "total_token_count=0"),
        (long(ttl="60s", expireTime="2030-01-01T00:00:00Z"), 400, "oneof field 'expiration' is already set"),
        (long(ttl="-5s"), 400, "in the future"),
        (long(ttl="999999999999s"), 400, "at most 3650 days"),
        (long(expireTime="2020-01-01T00:00:00Z"), 400, "in the future"),
        (long(expireTime="2030-02-31T00:00:00Z"), 400, "Invalid value at 'expire_time'"),
        (long(ttl="an hour"), 400, "Invalid value at 'ttl'"),
        (long(displayName="d" * 129), 400, "cannot be more than 128 characters"),
        (long(unknown=1), 400, 'Unknown name "unknown"'),
        ({**long(), "contents": [{"role": "user", "parts": []}]}, 400, "contents.parts must not be empty"),
    ],
    ids=str,
)  # fmt: skip
async def test_wrong_caches_are_refused(body: Any, status: int, message: str) -> None:
    """With the size by family, as live refusals told it."""
    reply = await create(Emulator(clock=ManualClock()), body)

    assert reply.status == status
    assert message in reply.message


async def test_caches_are_listed_newest_first_in_pages() -> None:
    """Each project its own."""
    emulator = Emulator()
    made = [(await create(emulator)).json["name"] for _ in range(3)]
    first = (await get(emulator, CACHES + "?pageSize=2")).json
    rest = (await get(emulator, f"{CACHES}?pageToken={first['nextPageToken']}")).json

    assert names(first, "cachedContents") == made[:0:-1]
    assert names(rest, "cachedContents") == made[:1]
    assert (await get(emulator, CACHES, key="another-key")).json == {}


@pytest.mark.parametrize(
    ("body", "query", "expires"),
    [
        ({"ttl": "600s"}, "", "2026-11-22T00:11:40"),
        ({"expireTime": "2026-11-23T00:00:00Z"}, "", "2026-11-23T00:00:00.000000Z"),
        ({"ttl": "600s"}, "?updateMask=ttl", "2026-11-22T00:11:40"),
        ({"ttl": "600s", "expireTime": "2026-11-23T00:00:00Z"}, "?updateMask=expire_time", "2026-11-23T00:00:00.000000Z"),
    ],
)
async def test_the_end_of_a_cache_can_be_changed(body: Any, query: str, expires: str) -> None:
    """With and without a mask; it then lives so long."""
    clock = ManualClock()
    emulator = Emulator(clock=clock)
    made = (await create(emulator, long(ttl="300s"))).json
    clock.advance(100)
    changed = await call(emulator, f"/v1beta/{made['name']}{query}", body, method="PATCH")
    clock.advance(500)
    got = await get(emulator, "/v1beta/" + made["name"])

    assert changed.json["expireTime"].startswith(expires)
    assert changed.json["updateTime"] == "2026-11-22T00:01:40.000000Z"
    assert changed.json["createTime"] == made["createTime"]
    assert got.json == changed.json


@pytest.mark.parametrize(
    ("body", "query", "message"),
    [
        ({}, "", "Either ttl or expire_time"),
        ({"displayName": "new"}, "", "not displayName"),
        ({"ttl": "60s"}, "?updateMask=model", "not model"),
        ({"ttl": "0s"}, "", "in the future"),
        ({"ttl": "60s"}, "?mask=ttl", "Cannot bind query parameter"),
    ],
)
async def test_nothing_else_of_a_cache_can_be_changed(body: Any, query: str, message: str) -> None:
    """And it stays as it is."""
    emulator = Emulator()
    made = (await create(emulator)).json
    reply = await call(emulator, f"/v1beta/{made['name']}{query}", body, method="PATCH")

    assert reply.status == 400
    assert message in reply.message
    assert (await get(emulator, "/v1beta/" + made["name"])).json == made


async def test_missing_deleted_and_foreign_caches_are_told_in_the_same_words() -> None:
    """On every method and in a request: 403, never 404."""
    emulator = Emulator()
    name = (await create(emulator)).json["name"]
    foreign = [await get(emulator, "/v1beta/" + name, key="another-key", method=method) for method in ("GET", "DELETE")]
    foreign.append(await call(emulator, "/v1beta/" + name, {"ttl": "5s"}, method="PATCH", key="another-key"))
    foreign.append(await use(emulator, name, key="another-key"))
    deleted = await get(emulator, "/v1beta/" + name, method="DELETE")
    gone = [await get(emulator, "/v1beta/" + name, method=method) for method in ("GET", "DELETE")]
    gone += [await use(emulator, name), await use(emulator, "files/a")]

    assert (deleted.status, deleted.json) == (200, {})
    for reply in foreign + gone:
        assert (reply.status, reply.json["error"]) == (403, NOT_FOUND)


async def test_a_request_that_uses_a_cache_counts_it() -> None:
    """In the answer, in every event, and in countTokens alike; the cached texts are part of the conversation."""
    emulator = Emulator()
    name = (await create(emulator, long(systemInstruction={"parts": [{"text": "Be brief."}]}))).json["name"]
    usage = (await use(emulator, name)).json["usageMetadata"]
    text = (await use(emulator, name)).json["candidates"][0]["content"]["parts"][0]["text"]
    stream = await use(emulator, name, STREAM.replace("gemini-3-flash-preview", "gemini-2.5-flash"))
    request = {"model": "models/gemini-2.5-flash", **say("And now?", cachedContent=name)}
    counted = (await call(emulator, FLASH.replace("generate", "count").replace("Content", "Tokens"),
                          {"generateContentRequest": request})).json  # fmt: skip

    cached = 1202 + 4
    assert list(usage)[:6] == ["promptTokenCount", "candidatesTokenCount", "totalTokenCount", "cachedContentTokenCount",
                               "promptTokensDetails", "cacheTokensDetails"]  # fmt: skip
    assert usage["cachedContentTokenCount"] == cached
    assert usage["cacheTokensDetails"] == [{"modality": "TEXT", "tokenCount": cached}]
    assert usage["promptTokenCount"] == cached + 4
    assert usage["totalTokenCount"] == sum(usage[k + "TokenCount"] for k in ("prompt", "candidates", "thoughts") if
                                           k != "thoughts") + usage["thoughtsTokenCount"]  # fmt: skip
    assert f"{cached} cached tokens of {name} were used." in text
    assert "The system instruction is “Be brief.”." in text
    assert {event["usageMetadata"]["cachedContentTokenCount"] for event in stream.events} == {cached}
    assert counted == {
        "totalTokens": cached + 4,
        "cachedContentTokenCount": cached,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": cached + 4}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": cached}],
    }


async def test_a_cache_of_a_file_counts_it_by_its_kind() -> None:
    """The file may be deleted afterwards."""
    emulator = Emulator()
    file = await uploaded(emulator, pdf(1), "application/pdf")
    body = long()
    body["contents"][0]["parts"].append({"fileData": {"fileUri": file["uri"], "mimeType": "application/pdf"}})
    made = (await create(emulator, body)).json
    await get(emulator, "/v1beta/" + file["name"], method="DELETE")
    usage = (await use(emulator, made["name"])).json["usageMetadata"]
    again = await create(emulator, body)

    assert made["usageMetadata"] == {"totalTokenCount": 1202 + 258}
    assert usage["cacheTokensDetails"][1] == {"modality": "DOCUMENT", "tokenCount": 258}
    assert again.status == 403


async def test_a_cache_is_for_its_own_model() -> None:
    """In the words of live answers, with both names."""
    emulator = Emulator()
    name = (await create(emulator)).json["name"]
    reply = await use(emulator, name, PATH)

    assert reply.status == 400
    assert reply.message == (
        "Model used by GenerateContent request (models/gemini-3-flash-preview) and CachedContent (models/gemini-2.5-flash) "
        "has to be the same."
    )


@pytest.mark.parametrize(
    "beside",
    [
        {"systemInstruction": {"parts": [{"text": "Be brief."}]}},
        {"tools": [{"functionDeclarations": [{"name": "f"}]}]},
        {"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
    ],
)
async def test_what_belongs_into_a_cache_cannot_stand_beside_it(beside: Any) -> None:
    """All three are named, whichever was sent."""
    emulator = Emulator()
    name = (await create(emulator)).json["name"]
    reply = await use(emulator, name, **beside)

    assert reply.status == 400
    assert reply.message == (
        "CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.\n\n"
        "Proposed fix: move those values to CachedContent from GenerateContent request."
    )


async def test_a_request_still_needs_contents_of_its_own() -> None:
    """As without a cache."""
    emulator = Emulator()
    name = (await create(emulator)).json["name"]
    reply = await call(emulator, FLASH, {"cachedContent": name})

    assert reply.status == 400
    assert "contents is not specified" in reply.message


async def test_faults_and_rules_work_on_caches() -> None:
    """By the methods' names."""
    emulator = Emulator(rules=[{"fault": "status=429; times=1", "match": {"method": "cachedContents.create"}}])
    first, second = await create(emulator), await create(emulator)
    third = await get(emulator, CACHES, x_emulator_fault="status=503")

    assert (first.status, second.status, third.status) == (429, 200, 503)
    assert emulator.journal.entries()[-1]["native_method"] == "cachedContents.list"
