"""Laws of the translation: what holds for any request, any reply, and any way in which the network cuts it."""

import re
from copy import deepcopy
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pollux.emulator import Emulator
from pollux.errors import ApiError, Unsupported
from pollux.translate import chat, chat_answer, endings
from pollux.translate.chat_choice import ThoughtsForm
from pollux.translate.profiles import profile
from pollux.translate.reader import ReplyReader
from pollux.upstream.client import ContentStream
from pollux.wire.gemini.generate import GenerateContentResponse, decode_reply
from pollux.wire.openai.chat import ChatCompletionRequest
from tests.judges import folding, generating, playing
from tests.judges.google_document import plain

STAMP = chat_answer.Stamp("0123456789abcdef01234567", 1_784_000_000)
MODEL = "gemini-3.6-flash"

thoughts_forms = st.sampled_from(["reasoning_content", "google"])
usage_modes = st.sampled_from(["none", "last", "each"])
line_ends = st.sampled_from([b"\r\n", b"\n", b"\r"])

emulator = Emulator()

laws = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def replies(events: list[generating.Json]) -> list[GenerateContentResponse]:
    """Decode native messages."""
    return [decode_reply(msgspec.json.encode(event)) for event in events]


def completion(events: list[generating.Json], thoughts: ThoughtsForm = "reasoning_content") -> Any:
    """Tell native messages as one whole answer."""
    reader = ReplyReader()
    told = [event for reply in replies(events) for event in reader.feed(reply)]
    telling = chat_answer.ChatTelling(STAMP, MODEL, thoughts=thoughts)
    for event in [*told, *reader.close()]:
        telling.feed(event)
    return msgspec.to_builtins(telling.completion())


def chunks(
    events: list[generating.Json], usage: chat_answer.UsageMode, thoughts: ThoughtsForm = "reasoning_content"
) -> list[Any]:
    """Tell native messages as chunks."""
    reader, form = ReplyReader(), chat_answer.ChatTelling(STAMP, MODEL, usage=usage, thoughts=thoughts)
    said = [chunk for reply in replies(events) for event in reader.feed(reply) for chunk in form.feed(event)]
    said += [chunk for event in reader.close() for chunk in form.feed(event)]
    said += form.close()
    return [msgspec.to_builtins(chunk) for chunk in said]


def decoded(request: generating.Json) -> ChatCompletionRequest:
    """Read a request as the server does."""
    return msgspec.json.decode(msgspec.json.encode(request), type=ChatCompletionRequest)


def translated(request: generating.Json) -> Any:
    """Give the native body of a request whose effort the model has."""
    try:
        native = chat.to_gemini(decoded(request), profile(request["model"])).native
    except Unsupported as error:
        assume(error.param != "reasoning_effort")
        raise
    return native


async def read_in(reads: tuple[bytes, ...]) -> list[GenerateContentResponse] | ApiError:
    """Read a streamed body that came in these reads."""
    stream = ContentStream(playing.FakeStream(playing.Played(b"".join(reads), reads=reads)), MODEL)
    seen: list[GenerateContentResponse] = []
    try:
        async for brought in stream.replies():
            assert brought, "a read that brought nothing is not told"
            seen += brought
    except ApiError as error:
        return error
    return seen


@laws
@given(st.data(), generating.answers(), line_ends)
async def test_any_split_of_the_bytes_gives_the_same_replies(
    data: st.DataObject, answer: generating.Streamed, end: bytes
) -> None:
    """However the network cuts a stream, and whatever line ends it has, the same replies are read."""
    body = b"".join(b"data: " + msgspec.json.encode(event) + end * 2 for event in answer.events)
    reads = data.draw(generating.cuts(body))

    assert await read_in(reads) == replies(answer.events)


@laws
@given(st.data(), generating.answers())
async def test_any_split_of_a_broken_stream_gives_the_same_error(data: st.DataObject, answer: generating.Streamed) -> None:
    """An error that breaks into a stream as raw JSON over several lines is read however it is cut, with its meaning."""
    broken = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
    body = b"".join(b"data: " + msgspec.json.encode(event) + b"\r\n\r\n" for event in answer.events)
    body += msgspec.json.format(msgspec.json.encode(broken), indent=2)
    error = await read_in(data.draw(generating.cuts(body)))

    assert isinstance(error, ApiError)
    assert (error.status, error.code, error.message) == (503, "overloaded", "The model is overloaded.")


@laws
@given(generating.answers(), usage_modes, thoughts_forms)
def test_folding_the_chunks_gives_the_whole_answer(
    answer: generating.Streamed, usage: chat_answer.UsageMode, thoughts: ThoughtsForm
) -> None:
    """Chunks of an answer that came in events add up to what the same answer is when it comes whole."""
    whole = completion([answer.whole], thoughts)
    folded = folding.fold(chunks(answer.events, usage, thoughts))
    if usage == "none":
        del whole["usage"]

    assert folding.alike(folded) == folding.alike(whole)


@laws
@given(generating.answers(), usage_modes)
def test_chunks_keep_the_rules_of_accumulating_clients(answer: generating.Streamed, usage: chat_answer.UsageMode) -> None:
    """One role and one ending a choice, choices and calls counted from 0, ids of their own, a stable head, usage as asked."""
    said = chunks(answer.events, usage)

    assert folding.breaches(said) == []
    assert folding.usage_breaches(said, usage) == []


@laws
@given(generating.answers())
def test_every_call_is_told_with_its_arguments(answer: generating.Streamed) -> None:
    """The calls have the native names, arguments and signatures in order, whole or in pieces; the arguments are valid JSON."""
    whole = completion(answer.events)
    for choice, candidate in zip(whole["choices"], answer.whole["candidates"], strict=True):
        native = [part for part in candidate["content"]["parts"] if "functionCall" in part]
        told = choice["message"].get("tool_calls", [])

        assert [call["function"]["name"] for call in told] == [part["functionCall"]["name"] for part in native]
        assert [msgspec.json.decode(call["function"]["arguments"]) for call in told] == [
            part["functionCall"]["args"] for part in native
        ]
        assert [call.get("extra_content", {}).get("google", {}).get("thought_signature") for call in told] == [
            part.get("thoughtSignature") for part in native
        ]


@laws
@given(generating.answers())
def test_a_whole_reply_is_a_stream_of_one(answer: generating.Streamed) -> None:
    """The whole answer is the same, whether the native reply came whole or in events."""
    assert folding.alike(completion(answer.events)) == folding.alike(completion([answer.whole]))


@laws
@given(generating.answers(), thoughts_forms)
def test_every_ending_is_legal(answer: generating.Streamed, thoughts: ThoughtsForm) -> None:
    """A finish reason of OpenAI's; a content that is a text, or null beside calls or a refusal; a refusal only of a filter."""
    for choice in completion(answer.events, thoughts)["choices"]:
        message = choice["message"]
        called, refused = bool(message.get("tool_calls")), message["refusal"] is not None

        assert choice["finish_reason"] in {"stop", "length", "tool_calls", "content_filter"}
        assert isinstance(message["content"], str) or (message["content"] is None and (called or refused))
        assert not refused or (choice["finish_reason"] == "content_filter" and message["refusal"] and not called)
        assert called or choice["finish_reason"] != "tool_calls"


def test_the_table_of_endings_has_every_reason() -> None:
    """No finish reason of the reference is missing, and each stands once."""
    listed = [ending.reason for ending in endings.ENDINGS]

    assert sorted(listed) == sorted(generating.FINISH_REASONS)


@laws
@given(st.lists(generating.answers(), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_answers_of_several_calls_are_the_answers_of_each(answers: list[generating.Streamed], chance: Any) -> None:
    """However their events mix, each choice says what its call alone says; the tokens add up; the chunks keep the rules."""
    readers = [ReplyReader(choice=i) for i in range(len(answers))]
    only = [[first_candidate(event) for event in answer.events] for answer in answers]
    waiting = {i: replies(events) for i, events in enumerate(only)}
    form = chat_answer.ChatTelling(STAMP, MODEL, usage="last")
    said: list[Any] = []
    while waiting:
        i = chance.choice(sorted(waiting))
        events = readers[i].feed(waiting[i].pop(0))
        if not waiting[i]:
            del waiting[i]
            events += readers[i].close()
        said += [chunk for event in events for chunk in form.feed(event)]
    said = [msgspec.to_builtins(chunk) for chunk in [*said, *form.close()]]
    alone = [folding.alike(completion(events)) for events in only]
    folded = folding.alike(folding.fold(said))

    assert folding.breaches(said) == []
    for i, choice in enumerate(folded["choices"]):
        assert placeless(choice) == placeless(alone[i]["choices"][0])
    assert folded["usage"]["total_tokens"] == sum(answer["usage"]["total_tokens"] for answer in alone)


def first_candidate(event: generating.Json) -> generating.Json:
    """Keep of an event what it says of the first candidate: a call of its own has one only."""
    return event | {"candidates": [one for one in event["candidates"] if not one.get("index")]}


def placeless(choice: generating.Json) -> generating.Json:
    """Take off a choice what tells it from the same choice of another place: indexes, ids, the native response's id."""
    text = msgspec.json.encode(choice).decode()
    spelled: generating.Json = msgspec.json.decode(re.sub('"call_[0-9a-z]+"', '"call"', text)) | {"index": 0}
    extra = spelled["message"].get("extra_content", {}).get("google", {})
    extra.pop("response_id", None)
    if not extra:
        spelled["message"].pop("extra_content", None)
    return spelled


@laws
@given(generating.answers())
def test_reading_changes_no_reply(answer: generating.Streamed) -> None:
    """The native replies are after reading what they were before."""
    read = replies(answer.events)
    reader = ReplyReader()
    for reply in read:
        reader.feed(reply)

    assert read == replies(answer.events)


@laws
@given(generating.usages())
def test_the_parts_of_usage_make_the_total(native: generating.Json) -> None:
    """The total is prompt plus completion, is what the service counted, and no detail is larger than its part."""
    usage = completion([{"candidates": [{"finishReason": "STOP"}], "usageMetadata": native}])["usage"]

    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] == native.get("totalTokenCount", 0)
    assert usage["completion_tokens_details"]["reasoning_tokens"] <= usage["completion_tokens"]
    assert usage["prompt_tokens_details"]["cached_tokens"] <= usage["prompt_tokens"]


@laws
@given(generating.answers())
def test_no_text_is_lost_or_made_up(answer: generating.Streamed) -> None:
    """The content is the texts joined, and nothing else; the thoughts likewise."""
    whole = completion(answer.events)

    for choice, candidate in zip(whole["choices"], answer.whole["candidates"], strict=True):
        parts = candidate["content"]["parts"]
        texts = "".join(part.get("text", "") for part in parts if not part.get("thought"))
        assert (choice["message"]["content"] or "") == texts
        assert choice["message"].get("reasoning_content", "") == "".join(
            part.get("text", "") for part in parts if part.get("thought")
        )


@laws
@given(generating.requests)
def test_translating_changes_no_argument_and_is_the_same_each_time(request: generating.Json) -> None:
    """The request is as it was, and the same request makes the same native body and notes."""
    asked = decoded(request)
    before = deepcopy(asked)
    try:
        first = chat.to_gemini(asked, profile(asked.model))
    except Unsupported:
        assume(False)

    assert asked == before
    assert chat.to_gemini(asked, profile(asked.model)) == first


@laws
@given(generating.requests)
def test_null_is_absence(request: generating.Json) -> None:
    """A request with explicit nulls is the request without those keys."""
    without = {key: value for key, value in request.items() if value is not None}

    assert translated(without) == translated(request)


@laws
@given(generating.requests)
def test_every_text_of_the_conversation_is_sent(request: generating.Json) -> None:
    """Every text of every message stands in the native body, in its order; system texts at the head come first there too."""
    native = translated(request)
    said = [
        text
        for message in request["messages"]
        for text in ([message["content"]] if isinstance(message["content"], str) else _texts(message["content"]))
        if text
    ]
    turns = [*([native.system_instruction] if native.system_instruction else []), *native.contents]
    sent = [part.text.removeprefix("<system>\n").removesuffix("\n</system>") for turn in turns for part in turn.parts]

    assert [text for text in sent if text in said] == said
    assert set(sent) - set(said) <= {"Begin.", "Continue."}


@laws
@given(generating.requests)
def test_turns_alternate_and_none_is_empty(request: generating.Json) -> None:
    """No native turn is without parts, and neighbours have different roles: the native API wants both."""
    turns = translated(request).contents
    roles = [turn.role for turn in turns]

    assert turns
    assert all(turn.parts for turn in turns)
    assert all(one != next_one for one, next_one in pairwise(roles))


@settings(laws, max_examples=60)
@given(generating.requests)
async def test_the_emulator_accepts_what_is_sent(request: generating.Json) -> None:
    """The emulator, which is as strict as the service, takes every native body that is built."""
    body = plain(translated(request))
    path = f"/v1beta/models/{request['model']}:generateContent"
    answer = await playing.ask(emulator, "POST", path, body, headers={"x-goog-api-key": "some-key-for-tests"})

    assert answer.status == 200, answer.body


@settings(laws, max_examples=60)
@given(generating.agent_requests())
async def test_the_emulator_accepts_what_is_sent_of_an_agent(request: generating.Json) -> None:
    """Calls and results, however messy the caller's conversation is: the emulator takes what is built of it.

    Made-up signatures are left out, since the emulator knows its own.
    """
    for message in request["messages"]:
        for call in message.get("tool_calls", []):
            call.pop("extra_content", None)
    asked = decoded(request)
    body = plain(chat.to_gemini(asked, profile(asked.model)).native)
    path = f"/v1beta/models/{request['model']}:generateContent"
    answer = await playing.ask(emulator, "POST", path, body, headers={"x-goog-api-key": "some-key-for-tests"})

    assert answer.status == 200, answer.body


def _texts(content: list[generating.Json] | None) -> list[str]:
    return [part["text"] for part in content or []]
