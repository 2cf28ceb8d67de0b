"""`n`: several native calls answer together, one for each choice; whole and streamed, failing and leaving as one."""

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from tests.judges import folding
from tests.server.asking import Pollux, Stream, chat, pollux
from tests.server.calling import ASKED, SIGNATURE, function, native_call, reply, result
from tests.server.fake import PATIENCE_SECONDS, Conversation, FakeUpstream, error_reply, text_reply

OVERLOADED = error_reply(503, "The model is overloaded.", "UNAVAILABLE")


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """The upstream, which each test scripts."""
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _forget(upstream: FakeUpstream) -> None:
    upstream.reset()


@pytest.fixture(scope="module")
def server(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollux]:
    """The server."""
    with pollux(upstream, data_dir=str(tmp_path_factory.mktemp("data"))) as running:
        yield running


def numbered(*scripts: Callable[[Conversation], None]) -> Callable[[Conversation], None]:
    """Give each native call, in the order of their arrival, the next script; none is answered before all are here."""
    numbers = itertools.count()
    all_here = threading.Barrier(len(scripts))

    def answer(conversation: Conversation) -> None:
        number = next(numbers)
        all_here.wait(PATIENCE_SECONDS)
        scripts[number](conversation)

    return answer


def saying(*replies: Any) -> Callable[[Conversation], None]:
    """Answer with these replies: as a stream, or with the last one."""

    def answer(conversation: Conversation) -> None:
        if "error" in replies[0]:
            conversation.answer(replies[0]["error"]["code"], replies[0])
        elif conversation.request.verb == "streamGenerateContent":
            conversation.start()
            for one in replies:
                conversation.send(one)
            conversation.end()
        else:
            conversation.answer(200, replies[-1])

    return answer


def told(server: Pollux, *, stream: bool, **parameters: Any) -> Any:
    """Ask, and give the whole answer; chunks are added up as a client does, after a look at their rules."""
    if not stream:
        answer = chat(server.url, **parameters)
        assert answer.status == 200, answer.body
        return answer.json
    with Stream(server.url, stream_options={"include_usage": True}, **parameters) as streamed:
        chunks = streamed.whole().messages
    assert folding.breaches(chunks) == []
    assert folding.usage_breaches(chunks, "last") == []
    return folding.fold(chunks)


def named(name: str, **more: Any) -> Any:
    """Make a text reply with an id of its own."""
    return text_reply(f"I am {name}.", **more) | {"responseId": name}


@pytest.mark.parametrize("stream", [False, True])
def test_every_choice_is_a_native_call_of_its_own(server: Pollux, upstream: FakeUpstream, *, stream: bool) -> None:
    """Three at the same time, the same body; three choices in order, the tokens of all, each native id with its choice."""
    upstream.then(numbered(*(saying(named(name)) for name in ("a", "b", "c"))))
    answer = told(server, stream=stream, n=3)
    choices = answer["choices"]

    assert [choice["index"] for choice in choices] == [0, 1, 2]
    assert {choice["message"]["content"] for choice in choices} == {"I am a.", "I am b.", "I am c."}
    assert [choice["finish_reason"] for choice in choices] == ["stop"] * 3
    for choice in choices:
        assert choice["message"]["content"] == f"I am {choice['message']['extra_content']['google']['response_id']}."
    assert answer["usage"]["prompt_tokens"] == 9
    assert answer["usage"]["total_tokens"] == 24
    assert len({sent.body for sent in upstream.paid()}) == 1


def test_chunks_of_all_choices_come_as_their_streams_bring_them(server: Pollux, upstream: FakeUpstream) -> None:
    """A choice that is slow holds no other up; its role was told all the same, in order."""
    go_on = threading.Event()

    def slow(conversation: Conversation) -> None:
        conversation.start()
        assert go_on.wait(PATIENCE_SECONDS)
        conversation.send(text_reply("slow"))
        conversation.end()

    upstream.then(numbered(saying(text_reply("quick")), slow))
    with Stream(server.url, n=2) as stream:
        stream.head()
        first = next(stream.sends())
        go_on.set()
        rest = list(stream.sends())
    chunks = [msgspec.json.decode(line[6:]) for line in b"".join([first, *rest]).split(b"\n\n")[:-2]]

    assert b"quick" in first
    assert folding.breaches(chunks) == []
    assert {choice["message"]["content"] for choice in folding.fold(chunks)["choices"]} == {"quick", "slow"}


@pytest.mark.parametrize("stream", [False, True])
def test_one_refused_call_refuses_all(server: Pollux, upstream: FakeUpstream, *, stream: bool) -> None:
    """The caller gets its error with its status, though the other call was answered."""
    upstream.then(numbered(saying(named("a")), saying(OVERLOADED)))
    answer = chat(server.url, n=2, stream=stream)

    assert answer.status == 503
    assert answer.error["code"] == "overloaded"


def test_the_status_waits_for_the_last_call(server: Pollux, upstream: FakeUpstream) -> None:
    """One call streams already, another is refused later: the caller gets the refusal's status, and the first is let go."""
    left: list[float | None] = []
    streaming = threading.Event()

    def early(conversation: Conversation) -> None:
        conversation.start()
        conversation.send(text_reply("early", finish=None))
        streaming.set()
        left.append(conversation.left_within())

    def late(conversation: Conversation) -> None:
        assert streaming.wait(PATIENCE_SECONDS)
        conversation.answer(429, error_reply(429, "Too many.", "RESOURCE_EXHAUSTED"))

    upstream.then(numbered(early, late))
    answer = chat(server.url, n=2, stream=True)

    assert answer.status == 429
    assert left_in_time(left, 1)


def left_in_time(left: list[float | None], count: int) -> bool:
    """Wait until so many upstream connections say when they were closed, and say whether each was."""
    for _ in range(200):
        if len(left) == count:
            break
        threading.Event().wait(PATIENCE_SECONDS / 200)
    return len(left) == count and None not in left


def test_one_stream_that_fails_ends_all_with_one_error(server: Pollux, upstream: FakeUpstream) -> None:
    """After content it is one error message and the end; the streams that go on are closed."""
    left: list[float | None] = []

    def endless(conversation: Conversation) -> None:
        conversation.start()
        conversation.send(text_reply("on and on", finish=None))
        left.append(conversation.left_within())

    def failing(conversation: Conversation) -> None:
        conversation.start()
        conversation.send(text_reply("Hal", finish=None))
        conversation.send(OVERLOADED)
        conversation.end()

    upstream.then(numbered(endless, failing, endless))
    with Stream(server.url, n=3) as stream:
        answer = stream.whole()

    assert answer.status == 200
    assert answer.error["code"] == "overloaded"
    assert left_in_time(left, 2)


def test_a_caller_who_leaves_stops_every_call(server: Pollux, upstream: FakeUpstream) -> None:
    """All upstream connections are closed, and nothing stays in flight."""
    left: list[float | None] = []

    def endless(conversation: Conversation) -> None:
        conversation.start()
        conversation.send(text_reply("on and on", finish=None))
        left.append(conversation.left_within())

    upstream.then(numbered(endless, endless, endless))
    with Stream(server.url, n=3) as stream:
        stream.head()
        next(stream.sends())

    assert left_in_time(left, 3)
    assert server.app.in_flight.total == 0


@pytest.mark.parametrize("stream", [False, True])
def test_each_call_is_repaired_on_its_own(server: Pollux, upstream: FakeUpstream, *, stream: bool) -> None:
    """One of two ends empty and is asked again once; the tokens of all three calls are counted."""
    upstream.then(numbered(saying(named("a")), saying(reply(finish="MALFORMED_FUNCTION_CALL", prompt=3, candidates=0))))
    later = [named("again")]

    def answer(conversation: Conversation, first: Any = upstream._handler) -> None:
        if len(upstream.paid()) > 2:
            saying(*later)(conversation)
        else:
            first(conversation)

    upstream.then(answer)
    whole = told(server, stream=stream, n=2)

    assert sorted(choice["message"]["content"] for choice in whole["choices"]) == ["I am a.", "I am again."]
    assert whole["usage"]["prompt_tokens"] == 9
    assert len(upstream.paid()) == 3


@pytest.mark.parametrize("stream", [False, True])
def test_every_choice_leads_to_its_own_signature(server: Pollux, upstream: FakeUpstream, *, stream: bool) -> None:
    """A client that drops unknown fields continues with any of the choices, and its true signature goes back."""
    signatures = [SIGNATURE, "YW5vdGhlciBzaWduYXR1cmU=", "YSB0aGlyZCBvbmU="]
    upstream.then(numbered(*(saying(reply(native_call(number=i, signature=one))) for i, one in enumerate(signatures))))
    choices = told(server, stream=stream, n=3, messages=[ASKED], tools=[function()])["choices"]
    ids = [choice["message"]["tool_calls"][0]["id"] for choice in choices]
    assert len(set(ids)) == 3
    for choice in choices:
        [call] = choice["message"]["tool_calls"]
        known = {"role": "assistant", "content": None, "tool_calls": [{key: call[key] for key in ("id", "type", "function")}]}
        upstream.reset()
        upstream.then(saying(named("done")))
        chat(server.url, messages=[ASKED, known, result(call["id"])], tools=[function()])
        [sent] = upstream.paid()
        part = sent.json["contents"][1]["parts"][0]

        assert part["thoughtSignature"] == signatures[part["functionCall"]["args"]["number"]]


def test_native_calls_count_as_requests_in_flight(upstream: FakeUpstream) -> None:
    """Who asks for eight answers takes eight places; where they are not there, the request is refused, and none stays."""
    with pollux(upstream, in_flight_max=4) as small:
        refused = chat(small.url, n=8)
        taken = small.app.in_flight.total
        served = chat(small.url, n=2)

    assert (refused.status, refused.error["code"], taken) == (503, "overloaded", 0)
    assert len(served.json["choices"]) == 2
    assert len(upstream.paid()) == 2
