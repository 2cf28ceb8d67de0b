"""Google's own tools: traces, grounding in bytes over any script, web pages, arithmetic that is really worked out."""

from typing import Any

import pytest

from pollux.emulator.arithmetic import found_expression, worked_out
from pollux.emulator.signatures import is_valid
from tests.emulator.functions import GEMINI_2, GEMINI_3, TIME, answered, ask, asking, parts_of, user

TRACED = {"toolConfig": {"includeServerSideToolInvocations": True}}

PROMPTS = ["weather in กรุงเทพ 🌧 today?", "מה מזג האוויר בתל אביב?", "Wie wird das Wetter in Zürich? 👩‍👩‍👧", "plain text"]


def with_tool(text: str, tool: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"contents": [user(text)], "tools": [tool], **more}


def text_of(candidates: list[dict[str, Any]]) -> str:
    parts = [part for one in candidates for part in one["content"].get("parts", []) if not part.get("thought")]
    return "".join(part.get("text", "") for part in parts)


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("model", [GEMINI_3, GEMINI_2])
async def test_segments_are_bytes_of_the_text(prompt: str, streamed: bool, model: str) -> None:
    """Whatever the script, the bytes between the offsets are the segment's text; a start of 0 is left out."""
    reply = await ask(with_tool(prompt, {"google_search": {}}), model, streamed=streamed)
    candidates = [event["candidates"][0] for event in reply.events] if streamed else [reply.json["candidates"][0]]
    text, grounding = text_of(candidates).encode(), candidates[-1]["groundingMetadata"]
    segments = [support["segment"] for support in grounding["groundingSupports"]]

    assert "startIndex" not in segments[0]
    assert len(segments) >= 3
    for segment in segments:
        assert text[segment.get("startIndex", 0) : segment["endIndex"]].decode() == segment["text"]
    assert any(prompt in segment["text"] for segment in segments) or prompt.count("?") == 1
    chunks = len(grounding["groundingChunks"])
    assert all(index < chunks for support in grounding["groundingSupports"] for index in support["groundingChunkIndices"])
    assert grounding["webSearchQueries"] == [prompt]
    assert "chip" in grounding["searchEntryPoint"]["renderedContent"]


async def test_gemini_3_traces_a_search_in_parts_on_request() -> None:
    """Call and response with one id, each signed, before the text; the trace can be sent back."""
    body = with_tool("news of today", {"googleSearch": {}}, **TRACED)
    parts = await parts_of(body)
    events = (await ask(body, streamed=True)).events
    again = {**body, "contents": [*body["contents"], {"role": "model", "parts": parts}, user("And of yesterday?")]}
    forged = [{**parts[0], "thoughtSignature": parts[1]["thoughtSignature"]}, *parts[1:]]
    wrong = {**body, "contents": [*body["contents"], {"role": "model", "parts": forged}, user("And of yesterday?")]}

    assert [sorted(part) for part in parts] == [
        ["thoughtSignature", "toolCall"], ["thoughtSignature", "toolResponse"], ["text", "thoughtSignature"]]  # fmt: skip
    assert parts[0]["toolCall"]["toolType"] == parts[1]["toolResponse"]["toolType"] == "GOOGLE_SEARCH_WEB"
    assert parts[0]["toolCall"]["id"] == parts[1]["toolResponse"]["id"]
    assert parts[0]["toolCall"]["args"] == {"queries": ["news of today"]}
    assert all(is_valid(part["thoughtSignature"], "3-flash", part) for part in parts)
    assert [event["candidates"][0]["content"]["parts"] for event in events[:2]] == [[parts[0]], [parts[1]]]
    assert (await ask(again)).status == 200
    assert (await ask(wrong)).message == "Corrupted thought signature."


async def test_usage_falls_at_a_trace_as_recorded() -> None:
    """The event with the tool's answer knows only the prompt; the last event counts all."""
    events = (await ask(with_tool("news", {"googleSearch": {}}, **TRACED), streamed=True)).events
    usages = [event["usageMetadata"] for event in events]

    assert usages[1]["totalTokenCount"] == usages[1]["promptTokenCount"] < usages[0]["totalTokenCount"]
    assert usages[-1] == max(usages, key=lambda usage: usage["totalTokenCount"])


async def test_gemini_2_5_streams_empty_grounding_until_the_end() -> None:
    """And counts what the search fed back."""
    events = (await ask(with_tool("news " * 60, {"googleSearch": {}}), GEMINI_2, streamed=True)).events

    assert all(event["candidates"][0]["groundingMetadata"] == {} for event in events[:-1])
    assert events[-1]["candidates"][0]["groundingMetadata"]["groundingChunks"]
    usage = events[-1]["usageMetadata"]
    kinds = ("prompt", "candidates", "thoughts", "toolUsePrompt")
    assert usage["totalTokenCount"] == sum(usage[f"{kind}TokenCount"] for kind in kinds)
    assert usage["toolUsePromptTokensDetails"] == [{"modality": "TEXT", "tokenCount": usage["toolUsePromptTokenCount"]}]


async def test_web_pages_are_told_and_never_fetched() -> None:
    """With the status that the host's name asks for."""
    body = with_tool("Compare https://example.com/a and https://paywall.example/b.", {"urlContext": {}})
    candidate = (await ask(body, GEMINI_2)).json["candidates"][0]
    first = (await ask(body, GEMINI_2, streamed=True)).events[0]["candidates"][0]

    assert candidate["urlContextMetadata"] == {"urlMetadata": [
        {"retrievedUrl": "https://example.com/a", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"},
        {"retrievedUrl": "https://paywall.example/b", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_PAYWALL"}]}  # fmt: skip
    assert first["urlContextMetadata"] == candidate["urlContextMetadata"]
    assert [chunk["web"]["uri"] for chunk in candidate["groundingMetadata"]["groundingChunks"]] == ["https://example.com/a"]
    assert "nothing was fetched" in candidate["content"]["parts"][0]["text"]


@pytest.mark.parametrize("model", [GEMINI_3, GEMINI_2])
async def test_code_execution_works_out_arithmetic(model: str) -> None:
    """Code, result and text; ids and a signature on the code alone in 3.x."""
    code, result, text = await parts_of(with_tool("How much is 3 * 12390?", {"codeExecution": {}}), model)

    assert code["executableCode"]["code"] == "print(3 * 12390)\n"
    assert (result["codeExecutionResult"]["outcome"], result["codeExecutionResult"]["output"]) == ("OUTCOME_OK", "37170\n")
    assert "The code gave 37170" in text["text"]
    assert ("id" in code["executableCode"]) is (model == GEMINI_3)
    assert code["executableCode"].get("id") == result["codeExecutionResult"].get("id")
    assert ("thoughtSignature" in code, "thoughtSignature" in result) == (model == GEMINI_3, False)


@pytest.mark.parametrize(
    ("text", "expression", "output"),
    [
        ("what is 65465-6544 * 65464-6+1.02255", "65465-6544 * 65464-6+1.02255", "-428330955.97745\n"),
        ("2 ^ 10 please", "2 ** 10", "1024\n"),
        ("(1,200 + 3) \u00d7 4 \u00f7 2", "(1200 + 3) * 4 / 2", "2406.0\n"),
        ("7 / 0", "7 / 0", "ZeroDivisionError: division by zero\n"),
        ("9**9**9", "9**9**9", "OverflowError: the number is too large for the emulator\n"),
        ("on 2026-11-22 at https://example.com/1-2", "", ""),
        ("call 555 now", "", ""),
        ("(" * 3000, "", ""),
        ("1+" * 3000 + "1", "", ""),
    ],
)
def test_expressions_are_found_and_worked_out(text: str, expression: str, output: str) -> None:
    """Bounded: nothing that takes long, and nothing but arithmetic."""
    found = found_expression(text)

    assert found == expression
    assert not found or worked_out(found)[1] == output


async def test_a_failed_code_says_so() -> None:
    """With the outcome of a program that failed."""
    parts = await parts_of(with_tool("Work out 7 / 0", {"codeExecution": {}}))

    assert parts[1]["codeExecutionResult"]["outcome"] == "OUTCOME_FAILED"


async def test_maps_and_stored_files_ground_an_answer() -> None:
    """Places of the prompt, and the stores of the request; their traces as of the others."""
    maps = (await ask(with_tool("Cafes in Lisbon", {"googleMaps": {}}, **TRACED))).json["candidates"][0]
    store = {"fileSearch": {"fileSearchStoreNames": ["fileSearchStores/a"]}}
    files = (await ask(with_tool("What is in it?", store, **TRACED))).json["candidates"][0]

    assert [chunk["maps"]["title"] for chunk in maps["groundingMetadata"]["groundingChunks"]] == ["Lisbon"]
    assert maps["content"]["parts"][0]["toolCall"]["toolType"] == "GOOGLE_MAPS"
    assert files["groundingMetadata"]["groundingChunks"][0]["retrievedContext"]["fileSearchStore"] == "fileSearchStores/a"
    assert files["content"]["parts"][0]["toolCall"].keys() == {"toolType", "id"}


async def test_beside_functions_both_come() -> None:
    """A call alone; with traces after it when the prompt asks for a search too (recorded); search in the text otherwise."""
    tools = [{"googleSearch": {}}, {"functionDeclarations": [TIME]}]

    async def kinds(text: str) -> list[str]:
        parts = await parts_of({**asking(text), "tools": tools, **TRACED})
        return [next(kind for kind in part if kind != "thoughtSignature") for part in parts]

    assert await kinds("Call get_time for Oslo") == ["functionCall"]
    assert await kinds("Call get_time for Oslo. Also search for the weather") == ["functionCall", "toolCall", "toolResponse"]
    assert await kinds("What is new?") == ["toolCall", "toolResponse", "text"]
    assert await kinds("Answer without searching") == ["text"]


async def test_a_search_of_the_current_turn_is_not_repeated() -> None:
    """After results that stand beside its trace, the text alone comes, still grounded (recorded)."""
    tools = [{"googleSearch": {}}, {"functionDeclarations": [TIME]}]
    body = {**asking("Call get_time for Oslo. Also search for the weather"), "tools": tools, **TRACED}
    last = (await ask(answered(body, await parts_of(body)))).json["candidates"][0]

    assert [sorted(part) for part in last["content"]["parts"]] == [["text", "thoughtSignature"]]
    assert last["groundingMetadata"]["webSearchQueries"]
