"""The golden pairs: each given side makes the committed other side. `pytest --update-pairs` writes it anew."""

import re

import msgspec
import pytest

from tests.judges import folding, pairs

CASES = {str(case): case for case in pairs.cases()}
STREAMS = {str(case): case for case in pairs.cases("chat/streams")} | {
    str(case): case for case in pairs.cases("chat/exchanges") if b"chat.completion.chunk" in case.given("answer.json")
}


@pytest.mark.parametrize("name", CASES, ids=str)
async def test_pair(name: str, request: pytest.FixtureRequest) -> None:
    """The given side makes the committed other side."""
    case = CASES[name]
    if request.config.getoption("update_pairs"):
        await case.update()
    computed = {name: text.decode() for name, text in (await case.computed()).items()}

    assert computed == {name: text.decode() for name, text in case.golden().items()}


@pytest.mark.parametrize("name", CASES, ids=str)
def test_a_pair_says_what_it_shows(name: str) -> None:
    """about.md has a sentence, where it is written, and where the case comes from."""
    text = (CASES[name].folder / "about.md").read_text("utf-8")

    assert re.fullmatch(
        r"[A-Z`][^\n]+\.\n\nSource: [^\n]+\.\nOrigin: [^\n]+\.\n((Model|Usage|Thoughts|Drops|Seconds|Task): [^\n]+\n)*", text
    ), "a sentence, an empty line, Source:, Origin:, then Model:, Usage:, Thoughts:, Drops:, Seconds: or Task:"


@pytest.mark.parametrize("name", STREAMS, ids=str)
def test_the_chunks_of_a_pair_keep_the_rules(name: str) -> None:
    """The committed chunks can be added up by every caller; those before an error too."""
    case = STREAMS[name]
    if case.family == "chat/exchanges":
        chunks, usage = msgspec.json.decode(case.given("answer.json")), "last"
    else:
        chunks = [msgspec.json.decode(line) for line in case.given("openai.jsonl").splitlines()]
        usage = case.about("Usage", "none")
    failed = "error" in chunks[-1]
    if failed or chunks[-1] == "[DONE]":
        chunks.pop()

    assert failed or folding.breaches(chunks) == []
    assert failed or folding.usage_breaches(chunks, usage) == []
    assert not chunks or folding.fold(chunks)["choices"]
