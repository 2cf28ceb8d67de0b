"""Log probabilities and candidates, by family: refused where the service refuses them, told where they are enabled."""

from typing import Any

import pytest
from google import genai

from pollux.emulator import Emulator, EmulatorServer
from tests.emulator.in_process import PATH, STREAM, call, config, say

ENABLED = {"x-emulator-fault": "enable=logprobs,candidates,penalties"}


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3-flash-preview", "gemini-4-argon"])
async def test_every_current_family_refuses_log_probabilities(model: str) -> None:
    """Third parties report it of 2.5 and 3.x; of Gemini 4 nothing is known."""
    reply = await call(Emulator(), f"/v1beta/models/{model}:generateContent", config(responseLogprobs=True))

    assert (reply.status, reply.message) == (400, "Logprobs is not enabled for this model")


async def test_chosen_tokens_join_to_the_text() -> None:
    """Sorted candidates beside each, as many as asked for; the average and the sum agree."""
    reply = await call(Emulator(), PATH, config(responseLogprobs=True, logprobs=3), headers=ENABLED)
    candidate = reply.json["candidates"][0]
    told = candidate["logprobsResult"]
    chosen = [one["logProbability"] for one in told["chosenCandidates"]]

    assert "".join(one["token"] for one in told["chosenCandidates"]) == candidate["content"]["parts"][0]["text"]
    assert len(chosen) == len(told["topCandidates"]) == reply.json["usageMetadata"]["candidatesTokenCount"]
    assert all(value <= 0 for value in chosen)
    assert told["logProbabilitySum"] == pytest.approx(sum(chosen))
    assert candidate["avgLogprobs"] == pytest.approx(sum(chosen) / len(chosen), abs=1e-5)
    for entry in told["topCandidates"]:
        values = [one["logProbability"] for one in entry["candidates"]]
        assert len(values) == 3
        assert values == sorted(values, reverse=True)
    assert any(one["token"] not in [c["token"] for c in top["candidates"]] for one, top in zip(
        told["chosenCandidates"], told["topCandidates"], strict=True))  # fmt: skip


@pytest.mark.parametrize("model", ["3-flash-preview", "2.5-flash"])
async def test_streams_tell_the_tokens_of_each_event(model: str) -> None:
    """So joined they are the text as well; 2.5 ends with the event of the last text."""
    path = STREAM.replace("3-flash-preview", model)
    reply = await call(Emulator(), path, config(responseLogprobs=True), headers=ENABLED)
    tokens = [one["token"] for event in reply.events for one in
              event["candidates"][0].get("logprobsResult", {}).get("chosenCandidates", [])]  # fmt: skip
    texts = [part["text"] for event in reply.events for part in event["candidates"][0]["content"]["parts"]]

    assert "".join(tokens) == "".join(texts)


async def test_candidates_differ_and_are_counted_together() -> None:
    """2.5 takes several, 3.x refuses them; structured ones differ too."""
    several: dict[str, Any] = {"candidateCount": 3, "responseMimeType": "application/json",
                               "responseJsonSchema": {"type": "object", "properties": {"n": {"type": "integer"}}}}  # fmt: skip
    path = PATH.replace("3-flash-preview", "2.5-flash")
    plain = await call(Emulator(), path, config(candidateCount=3))
    made = await call(Emulator(), path, say("Make up a number", generationConfig=several))
    refused = await call(Emulator(), PATH, config(candidateCount=2))
    enabled = await call(Emulator(), PATH, config(candidateCount=2, presencePenalty=0.5), headers=ENABLED)

    for reply in (plain, made):
        candidates = reply.json["candidates"]
        assert [one["index"] for one in candidates] == [0, 1, 2]
        assert len({one["content"]["parts"][0]["text"] for one in candidates}) == 3
    assert refused.message == "Multiple candidates is not enabled for this model"
    assert len(enabled.json["candidates"]) == 2


def test_googles_client_reads_them() -> None:
    """Typed, as `logprobs_result` and `avg_logprobs`."""
    with EmulatorServer(Emulator(rules=[{"fault": "enable=logprobs"}])) as server:
        client = genai.Client(api_key="any", http_options={"base_url": server.url})
        answer = client.models.generate_content(
            model="gemini-3.8-flash", contents="Hello", config={"response_logprobs": True, "logprobs": 2}
        )
        client.close()
    (candidate,) = answer.candidates or []

    assert candidate.avg_logprobs is not None
    assert candidate.avg_logprobs < 0
    assert candidate.logprobs_result is not None
    assert "".join(one.token or "" for one in candidate.logprobs_result.chosen_candidates or []) == answer.text
