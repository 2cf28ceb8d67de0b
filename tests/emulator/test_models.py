"""The list of models."""

from typing import Any

import pytest

from pollux.emulator import Emulator
from pollux.emulator.models import MODELS, RETIRED
from tests.emulator.in_process import call, say

GUIDE = (
    "gemini-3-flash-preview",
    "gemini-2.5-flash-image",
    "gemini-3-pro-image-preview",
    "gemini-embedding-001",
    "gemini-embedding-2-preview",
    "veo-3.1-generate-preview",
)


async def names(version: str, query: str = "?pageSize=1000") -> list[str]:
    reply = await call(Emulator(), f"/{version}/models{query}", method="GET")
    return [model["name"] for model in reply.json["models"]]


async def test_pages_follow_one_another_to_the_end() -> None:
    """Any page size brings all models, once each; the last page has no token."""
    everything = await names("v1beta")
    seen: list[str] = []
    token = ""
    while True:
        page = (await call(Emulator(), f"/v1beta/models?pageSize=7&pageToken={token}", method="GET")).json
        seen += [model["name"] for model in page["models"]]
        token = page.get("nextPageToken", "")
        if not token:
            break

    assert seen == everything
    assert len(set(seen)) == len(seen)


async def test_page_sizes_have_a_default_and_a_maximum() -> None:
    """50 by default, above 1000 is 1000, nonsense is a 400."""
    negative = await call(Emulator(), "/v1beta/models?pageSize=-1", method="GET")
    word = await call(Emulator(), "/v1beta/models?pageSize=many", method="GET")
    token = await call(Emulator(), "/v1beta/models?pageToken=%25", method="GET")

    assert len(await names("v1beta", "")) == min(50, len(await names("v1beta")))
    assert await names("v1beta", "?page_size=5000") == await names("v1beta")
    assert [negative.status, word.status, token.status] == [400, 400, 400]
    assert word.message == "Invalid value at 'page_size' (TYPE_INT32), \"many\""


async def test_latest_aliases_live_on_v1beta_alone() -> None:
    """Source: gemini-native.md, section 1."""
    aliases = {name for name in await names("v1beta") if name.endswith("-latest")}

    assert aliases == {"models/gemini-flash-latest", "models/gemini-flash-lite-latest", "models/gemini-pro-latest"}
    assert not aliases.intersection(await names("v1") + await names("v1alpha"))
    answered = await call(Emulator(), "/v1/models/gemini-flash-latest:generateContent", say())
    assert answered.message.startswith("models/gemini-flash-latest is not found for API version v1, or is not supported")


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_a_previews_name_leads_to_its_successor(version: str) -> None:
    """Recorded: gemini-3-pro-preview answers as gemini-3.1-pro-preview; it is not listed any more."""
    reply = await call(Emulator(), f"/{version}/models/gemini-3-pro-preview:generateContent", say())

    assert reply.json["modelVersion"] == "gemini-3.1-pro-preview"
    assert "models/gemini-3-pro-preview" not in await names(version)


async def test_the_guides_models_are_all_listed() -> None:
    """So that no alias of ours hides them."""
    assert {f"models/{name}" for name in GUIDE} <= set(await names("v1beta"))


@pytest.mark.parametrize("model", [model for model in MODELS if not model.target], ids=lambda model: model.name)
async def test_a_model_can_be_got_by_its_name(model: Any) -> None:
    """The same object as in the list, with the recorded keys."""
    got = (await call(Emulator(), f"/v1/models/{model.name}", method="GET")).json

    assert got["name"] == f"models/{model.name}"
    assert list(got)[:7] == [
        "name", "version", "displayName", "description", "inputTokenLimit", "outputTokenLimit", "supportedGenerationMethods",
    ]  # fmt: skip
    assert got.get("thinking", True) is True


async def test_unknown_models_are_told_in_three_ways() -> None:
    """By get, by a method, and by a method that the model has not."""
    got = await call(Emulator(), "/v1beta/models/gpt-5", method="GET")
    asked = await call(Emulator(), "/v1beta/models/gpt-5:generateContent", say())
    other = await call(Emulator(), "/v1beta/models/gemini-embedding-2:generateContent", say())

    assert got.message == "Model is not found: models/gpt-5 for api version v1beta"
    assert asked.message == (
        "models/gpt-5 is not found for API version v1beta, or is not supported for generateContent. "
        "Call ModelService.ListModels to see the list of available models and their supported methods."
    )
    assert other.message.startswith("models/gemini-embedding-2 is not found for API version v1beta, or is not supported")
    assert {reply.status for reply in (got, asked, other)} == {404}


@pytest.mark.parametrize("name", RETIRED)
async def test_retired_models_name_their_successor(name: str) -> None:
    """404, and the successor is one that is listed."""
    reply = await call(Emulator(), f"/v1beta/models/{name}:generateContent", say())

    assert reply.status == 404
    assert reply.message == (
        f"This model models/{name} is no longer available. Please update your code to use models/{RETIRED[name]}."
    )
    assert f"models/{RETIRED[name]}" in await names("v1beta")


async def test_music_models_are_counted_but_not_answered() -> None:
    """The list has them; the emulator makes no music."""
    counted = await call(Emulator(), "/v1beta/models/lyria-3.5:countTokens", say())
    answered = await call(Emulator(), "/v1beta/models/lyria-3.5:generateContent", say())

    assert counted.json["totalTokens"] == 2
    assert answered.status == 501
    assert "answers of lyria-3.5" in answered.message
