"""Sad endings, several choices, long answers and log probabilities, as the official `openai` packages meet them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam
from pydantic import BaseModel

from pollux.emulator import Emulator, EmulatorServer
from pollux.settings import Settings
from tests.clients.conftest import Service
from tests.judges import pairs
from tests.serving import running
from tools import node

MODEL = "gemini-3.6-flash"
LONG = "gemini-4-hydrogen"
OLD = "gemini-2.5-flash"


class Colour(BaseModel):
    """A structured answer."""

    name: str


def user(text: str) -> list[ChatCompletionMessageParam]:
    """Ask something."""
    return [{"role": "user", "content": text}]


@pytest.fixture
def client(service: Service) -> Iterator[OpenAI]:
    """The client."""
    with OpenAI(api_key="any-key-of-a-user", base_url=service.url + "/v1") as made:
        yield made


def test_several_choices(client: OpenAI, service: Service) -> None:
    """Whole, streamed, and by the helper: as many choices as were asked for, in order, and the tokens of all calls."""
    one = client.chat.completions.create(model=MODEL, messages=user("Why is the sky blue?"))
    whole = client.chat.completions.create(model=MODEL, messages=user("Why is the sky blue?"), n=3)
    with client.chat.completions.stream(
        model=MODEL, messages=user("Why is the sky blue?"), n=3, stream_options={"include_usage": True}
    ) as stream:
        final = stream.until_done().get_final_completion()

    assert [choice.index for choice in whole.choices] == [0, 1, 2]
    assert [choice.message.content for choice in whole.choices] == ["The sky is blue."] * 3
    assert [choice.message.content for choice in final.choices] == ["The sky is blue."] * 3
    assert [choice.finish_reason for choice in final.choices] == ["stop"] * 3
    assert whole.usage is not None
    assert one.usage is not None
    assert whole.usage.prompt_tokens == 3 * one.usage.prompt_tokens
    assert final.usage == whole.usage
    assert service.calls == 7


def test_several_parsed_choices(client: OpenAI) -> None:
    """`.parse()` makes an object of every choice."""
    parsed = client.chat.completions.parse(model=MODEL, messages=user("Name a colour."), n=2, response_format=Colour)

    assert len(parsed.choices) == 2
    assert all(isinstance(choice.message.parsed, Colour) for choice in parsed.choices)


def test_too_many_choices(client: OpenAI) -> None:
    """Nine are one too many; the error names the parameter."""
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=user("Hello"), n=9)

    assert caught.value.param == "n"


def test_a_blocked_prompt_is_a_refusal(client: OpenAI) -> None:
    """The client reads why, whole and streamed."""
    whole = client.chat.completions.create(model=MODEL, messages=user("Something forbidden"))
    chunks = list(client.chat.completions.create(model=MODEL, messages=user("Something forbidden"), stream=True))
    [choice] = whole.choices

    assert choice.message.content is None
    assert choice.message.refusal is not None
    assert "SAFETY" in choice.message.refusal
    assert chunks[-1].choices[0].delta.refusal == choice.message.refusal


def test_a_long_answer_is_one_answer(client: OpenAI, service: Service) -> None:
    """Gemini 4 ends at one call's limit; the client sees one answer, whole and streamed, and the tokens of both calls."""
    limited = user("Please write 300 words. [emulator: continue-after=100]")
    whole = client.chat.completions.create(model=LONG, messages=limited)
    calls = service.calls
    with client.chat.completions.stream(model=LONG, messages=limited, stream_options={"include_usage": True}) as stream:
        final = stream.until_done().get_final_completion()
    [choice] = whole.choices

    assert calls > 2
    assert choice.finish_reason == "stop"
    assert choice.message.content is not None
    assert len(choice.message.content.split()) >= 300
    assert final.choices[0].message.content == choice.message.content
    assert final.usage == whole.usage
    assert whole.usage is not None
    assert whole.usage.prompt_tokens > 2 * calls


def test_a_long_answer_ends_at_the_callers_limit(client: OpenAI) -> None:
    """`max_completion_tokens` is the budget of all native calls together."""
    limited = user("Please write 300 words. [emulator: continue-after=100]")
    whole = client.chat.completions.create(model=LONG, messages=limited, max_completion_tokens=150)

    assert whole.choices[0].finish_reason == "length"
    assert whole.usage is not None
    assert whole.usage.completion_tokens <= 150


@pytest.fixture
def knowing(tmp_path: Path) -> Iterator[OpenAI]:
    """A client of a server whose operator knows that the model gives log probabilities, and of a service that gives them."""
    rules: list[dict[str, Any]] = [{"fault": "enable=logprobs"}]
    with EmulatorServer(Emulator(rules=rules)) as emulator:
        settings = Settings(upstream_url=emulator.url, model_facts={OLD: "log_probabilities"}, data_dir=str(tmp_path))
        with running(settings) as url, OpenAI(api_key="any-key-of-a-user", base_url=url + "/v1") as made:
            yield made


def test_log_probabilities(knowing: OpenAI) -> None:
    """Whole, of several choices, by the helper for streams, and asked for in Gemini's words: the tokens join to the text."""
    asked = user("Why is the sky blue?")
    whole = knowing.chat.completions.create(model=OLD, messages=asked, logprobs=True, top_logprobs=3, n=2)
    natively = {"google": {"generation_config": {"response_logprobs": True, "logprobs": 2}}}
    native = knowing.chat.completions.create(model=OLD, messages=asked, extra_body=natively)
    with knowing.chat.completions.stream(model=OLD, messages=asked, logprobs=True, n=2) as stream:
        streamed = stream.until_done().get_final_completion()

    for choice in (*whole.choices, *native.choices, *streamed.choices):
        assert choice.logprobs is not None
        assert choice.logprobs.content is not None
        assert "".join(token.token for token in choice.logprobs.content) == choice.message.content
    for answer, most in ((whole, 3), (native, 2), (streamed, 0)):
        tokens = answer.choices[0].logprobs.content if answer.choices[0].logprobs else None
        assert {len(token.top_logprobs) for token in tokens or []} == {most}


@pytest.mark.parametrize("name", ["logprobs", "tokens_of_every_kind", "refusal_after_a_thought", "several_candidates"])
def test_what_no_model_of_today_gives_is_of_the_clients_types(name: str) -> None:
    """The golden answers fit the client's own types, field by field."""
    (case,) = [case for case in pairs.cases("chat/replies") if case.name == name]
    answer = ChatCompletion.model_validate_json(case.given("openai.json"), strict=True)

    assert answer.model_dump(exclude_unset=True) == msgspec.json.decode(case.given("openai.json"))


def test_javascript_folds_choices_and_refusals(service: Service) -> None:
    """The helper of the official package for JavaScript finishes every choice, and tells a refusal as one."""
    done = node.run_script(
        """
        import OpenAI from "openai";
        const client = new OpenAI({ apiKey: "any-key-of-a-user", baseURL: process.env.BASE });
        const model = "gemini-3.6-flash";
        const ask = (text) => [{ role: "user", content: text }];
        const out = {};
        const several = client.chat.completions.stream({ model, messages: ask("Why is the sky blue?"), n: 3 });
        out.several = (await several.finalChatCompletion()).choices;
        const chunks = [];
        for await (const chunk of await client.chat.completions.create(
          { model, messages: ask("Something forbidden"), stream: true })) chunks.push(chunk);
        out.refusal = chunks.at(-1).choices[0];
        out.whole = (await client.chat.completions.create({ model, messages: ask("Something forbidden") })).choices[0];
        console.log(JSON.stringify(out));
        """,
        env={"BASE": service.url + "/v1"},
    )
    assert done.returncode == 0, done.stderr
    out = msgspec.json.decode(done.stdout)

    assert [choice["message"]["content"] for choice in out["several"]] == ["The sky is blue."] * 3
    assert [choice["finish_reason"] for choice in out["several"]] == ["stop"] * 3
    assert out["refusal"]["finish_reason"] == "content_filter"
    assert out["refusal"]["delta"]["refusal"] == out["whole"]["message"]["refusal"]
