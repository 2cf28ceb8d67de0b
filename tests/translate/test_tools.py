"""Names of functions, and how many of them a request may have."""

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pollux.errors import InvalidRequest
from pollux.translate import chat, tools
from pollux.translate.profiles import profile
from pollux.wire.openai.chat import ChatCompletionRequest
from tests.judges import generating

GEMINI_S = r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}"
"""Names that Gemini takes. Source: Google's discovery document, FunctionDeclaration.name."""

any_names = st.lists(
    st.sampled_from(generating.NAMES)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=300),
    min_size=1,
    max_size=8,
    unique=True,
)


def plan(names: list[str]) -> chat.Plan:
    """Build the request that has these functions."""
    functions = [{"type": "function", "function": {"name": name}} for name in names]
    request = {"model": "gemini-3.6-flash", "messages": [{"role": "user", "content": "Hi"}], "tools": functions}
    return chat.to_gemini(
        msgspec.json.decode(msgspec.json.encode(request), type=ChatCompletionRequest), profile("gemini-3.6-flash")
    )


@settings(deadline=None)
@given(any_names)
def test_names_fit_gemini_and_come_back(names: list[str]) -> None:
    """Every native name is one that Gemini takes, no two are the same, and each leads back to the caller's name."""
    built = plan(names)
    assert built.native.tools is not None
    natives = [declared.name for declared in built.native.tools[0]["functionDeclarations"]]

    assert all(re.fullmatch(GEMINI_S, native) for native in natives)
    assert len(set(natives)) == len(names)
    assert [built.toolbox.true_name(native) for native in natives] == names
    assert [built.toolbox.true_name(f"default_api:{native}") for native in natives] == names


@given(st.from_regex(GEMINI_S, fullmatch=True))
def test_a_name_that_gemini_takes_stays_as_it_is(name: str) -> None:
    """Only what Gemini does not take is written in another way."""
    assert tools.native_name(name) == name


def test_a_thousand_tools_are_too_many() -> None:
    """More functions than the limit are refused by name; as many as it are taken."""
    many = [f"f{i}" for i in range(1000)]

    assert plan(many[: tools.FUNCTIONS_MAX]).native.tools
    with pytest.raises(InvalidRequest, match="more than 512 functions") as refused:
        plan(many)
    assert refused.value.param == "tools"
