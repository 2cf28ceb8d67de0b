"""Tool loops with the `openai` client: signatures find their calls again, whatever the client keeps."""

from typing import Any

import pytest

import pollux.emulator.journal
from tests.clients.agents import CITY, GEMINI_2, GEMINI_3, TOOLS, Agent, Keeping, client_of, first_calls, folded, task
from tests.clients.conftest import Service

ROUNDS = 10
FIRST_CALLS = ROUNDS * (ROUNDS + 1) // 2
"""Each request repeats the steps before it."""

THINKING = {"google": {"thinking_config": {"include_thoughts": True}}}

BOTH = [("get_weather", '{"city":"Paris"}'), ("get_time", '{"city":"Paris"}')]


def sent_to_gemini(service: Service) -> list[Any]:
    """Give the bodies of the native calls, each of which was taken."""
    entries = [entry for entry in service.emulator.journal.entries() if entry["method"] == "POST"]
    assert {entry["status"] for entry in entries} == {200}
    return [entry["body"] for entry in entries]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("keeping", ["drops", "keeps", "rewrites"])
@pytest.mark.parametrize("model", [GEMINI_3, GEMINI_2])
def test_ten_turns_of_parallel_calls(service: Service, model: str, keeping: Keeping, streamed: bool) -> None:
    """Every first call of a step goes back with the signature that came with it, and never with the dummy."""
    agent = Agent(task(ROUNDS), model, keeping, streamed).run(service.url, ROUNDS + 1)
    bodies = sent_to_gemini(service)
    found = first_calls(bodies)

    assert agent.ran == [BOTH] * ROUNDS
    assert f'get_weather gave {{"city":"Paris","step":{ROUNDS - 1}}}' in agent.text
    assert f'get_time gave {{"city":"Paris","step":{ROUNDS - 1}}}' in agent.text
    assert len(bodies) == ROUNDS + 1
    assert len(found) == FIRST_CALLS
    assert found == [(call_id, agent.signatures.get(call_id)) for call_id, _ in found]
    assert len(agent.signatures) == ROUNDS


@pytest.mark.parametrize("form", ["reasoning_content", "google"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("keeping", ["drops", "keeps"])
def test_thought_summaries_do_not_disturb_a_loop(service: Service, keeping: Keeping, streamed: bool, form: str) -> None:
    """They come beside or inside the content, come back or not, and never reach the model as its own words."""
    headers = {"x-pollux-thoughts": form}
    agent = Agent(task(3), keeping=keeping, streamed=streamed, extra_body=THINKING, headers=headers).run(service.url, 4)
    bodies = sent_to_gemini(service)
    found = first_calls(bodies)
    contents = [message["content"] or "" for message in agent.messages if message["role"] == "assistant"]
    parts = [part for body in bodies for content in body["contents"] for part in content["parts"]]

    assert len(agent.ran) == 3
    assert [content.startswith("<thought>**Reading the request**") for content in contents] == [form == "google"] * 4
    assert len(agent.thoughts) == (4 if form == "reasoning_content" else 0)
    assert all(body["generationConfig"]["thinkingConfig"]["includeThoughts"] for body in bodies)
    assert not [part for part in parts if "Reading the request" in part.get("text", "") or part.get("thought")]
    assert found == [(call_id, agent.signatures[call_id]) for call_id, _ in found]
    assert len(found) == 6


def test_a_question_after_a_loop_finds_the_signature_of_the_text(service: Service) -> None:
    """The answer in words is signed too; the next turn sends it back, although the client knows nothing of it."""
    agent = Agent(task(2)).run(service.url, 3)
    agent.messages.append({"role": "user", "content": "Thank you. Call get_time for Oslo."})
    agent.run(service.url, 2)
    last = sent_to_gemini(service)[-1]["contents"]
    answer = next(content for content in last if "no model was asked" in content["parts"][0].get("text", ""))

    assert agent.ran[-1] == [("get_time", '{"city":"Oslo"}')]
    assert answer["role"] == "model"
    assert answer["parts"][-1]["thoughtSignature"]


def test_a_hundred_turns_of_tools(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long conversation stays whole: two hundred calls, a hundred signatures, all in their places."""
    monkeypatch.setattr(pollux.emulator.journal, "JOURNAL_BODY_BYTES_MAX", 10_000_000)
    agent = Agent(task(100), bare=True).run(service.url, 101)
    found = first_calls(sent_to_gemini(service)[-1:])

    assert agent.ran == [BOTH] * 100
    assert found == list(agent.signatures.items())
    assert len(found) == 100


def test_the_stream_helper_reads_calls_of_strict_tools(service: Service) -> None:
    """It joins the deltas itself, reads the arguments, and tells each call when it is whole."""
    strict: Any = [
        {
            "type": "function",
            "function": each["function"] | {"strict": True, "parameters": CITY | {"additionalProperties": False}},
        }
        for each in TOOLS
    ]
    done: list[tuple[int, str, object]] = []
    with (
        client_of(service.url) as client,
        client.chat.completions.stream(model=GEMINI_3, messages=[{"role": "user", "content": task(1)}], tools=strict) as stream,
    ):
        done = [
            (event.index, event.name, event.parsed_arguments)
            for event in stream
            if event.type == "tool_calls.function.arguments.done"
        ]
        [choice] = stream.get_final_completion().choices
    [body] = sent_to_gemini(service)

    assert done == [(0, "get_weather", {"city": "Paris"}), (1, "get_time", {"city": "Paris"})]
    assert choice.finish_reason == "tool_calls"
    assert [call.function.arguments for call in choice.message.tool_calls or []] == ['{"city":"Paris"}'] * 2
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("keeps", [False, True], ids=["drops", "keeps"])
def test_what_googles_tools_did_goes_back_in_its_place(service: Service, keeps: bool, streamed: bool) -> None:
    """Code and its output stand before the text in the next turn too, signed; the client may know nothing of them.

    The signature of a streamed text comes in an empty one after it, and stays there.
    """
    messages: list[Any] = [{"role": "user", "content": "Compute 12*(3+4) with code."}]
    tools: Any = [{"type": "code_execution"}]
    with client_of(service.url) as client:
        if streamed:
            answer, _ = folded(client.chat.completions.create(model=GEMINI_3, messages=messages, tools=tools, stream=True))
        else:
            [choice] = client.chat.completions.create(model=GEMINI_3, messages=messages, tools=tools).choices
            answer = choice.message.model_dump(exclude_unset=True)
        messages.append(answer if keeps else {"role": "assistant", "content": answer["content"]})
        messages.append({"role": "user", "content": "And twice that?"})
        client.chat.completions.create(model=GEMINI_3, messages=messages, tools=tools)
    [_, body] = sent_to_gemini(service)
    parts = body["contents"][1]["parts"]
    kinds = [next(kind for kind in part if kind != "thoughtSignature") for part in parts]

    assert kinds == ["executableCode", "codeExecutionResult", "text"] + (["text"] if streamed else [])
    assert ["thoughtSignature" in part for part in parts] == [True, False, *([False] if streamed else []), True]
    assert parts == answer["extra_content"]["google"]["parts"]
