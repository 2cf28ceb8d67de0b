"""Caches through the server: made and kept by Google's client, used by OpenAI's, in both key modes, against the emulator."""

from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from openai import BadRequestError, OpenAI, PermissionDeniedError

from pollux.emulator import Emulator, EmulatorServer
from tests.server.asking import MODEL, Pollux, ask
from tests.server.sharing import ALICE, BOB, MODES, client, mode

LONG = "All that was said in this meeting is written down here, word by word. " * 600
UNKNOWN = "cachedContents/0000aaaa1111bbbb2222cccc3333dddd4444eeee"


@pytest.fixture(scope="module", params=MODES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pollux]:
    """Run the server before an emulator in one key mode."""
    with EmulatorServer(Emulator()) as emulator, mode(request.param, emulator.url, tmp_path_factory.mktemp("data")) as server:
        yield server


@pytest.fixture(params=["v1", "v1beta"])
def gemini(server: Pollux, request: pytest.FixtureRequest) -> Iterator[genai.Client]:
    """Give Google's client, as Alice, with its default version and with v1beta."""
    with client(server, ALICE, None if request.param == "v1" else request.param) as gemini:
        yield gemini


def made(gemini: genai.Client, **config: Any) -> types.CachedContent:
    """Make a cache."""
    return gemini.caches.create(model=MODEL, config=types.CreateCachedContentConfig(contents=LONG, ttl="600s", **config))


def named(cache: types.CachedContent) -> str:
    """Give a cache's name."""
    assert cache.name is not None
    return cache.name


def test_googles_client_drives_caches(gemini: genai.Client) -> None:
    """Create, get, list, update, use and delete."""
    cache = made(gemini, system_instruction="Be brief.")
    name = named(cache)
    got = gemini.caches.get(name=name)
    listed = [one.name for one in gemini.caches.list()]
    changed = gemini.caches.update(name=name, config=types.UpdateCachedContentConfig(ttl="1200s"))
    answer = gemini.models.generate_content(
        model=MODEL, contents="What was said?", config=types.GenerateContentConfig(cached_content=name)
    )
    gemini.caches.delete(name=name)
    with pytest.raises(errors.ClientError) as gone:
        gemini.caches.get(name=name)

    assert got.model == f"models/{MODEL}"
    assert name in listed
    assert changed.expire_time is not None
    assert cache.expire_time is not None
    assert changed.expire_time > cache.expire_time
    assert answer.usage_metadata is not None
    assert (answer.usage_metadata.cached_content_token_count or 0) > 1000
    assert gone.value.code == 403


@pytest.mark.parametrize("path", ["/v1beta/", "/v1beta/openai/", "/v1/"])
def test_a_cache_is_used_from_chat(server: Pollux, path: str) -> None:
    """The guide's sample 14, streamed on the bare path and elsewhere: the cached tokens are in the usage."""
    with client(server, ALICE) as gemini, OpenAI(api_key=ALICE, base_url=server.url + path, max_retries=0) as openai:
        stream = openai.chat.completions.create(
            model=MODEL,
            n=1,
            messages=[{"role": "user", "content": "Summarize the video"}],
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"extra_body": {"google": {"cached_content": named(made(gemini))}}},
        )
        usages = [chunk.usage for chunk in stream]

    assert usages[-1] is not None
    assert usages[-1].prompt_tokens_details is not None
    assert (usages[-1].prompt_tokens_details.cached_tokens or 0) > 1000
    assert path != "/v1beta/" or all(usage is not None for usage in usages)


@pytest.mark.parametrize(
    "spelled",
    [
        {"extra_body": {"google": {"cached_content": "$"}}},
        {"extra_body": {"google": {"cachedContent": "$"}}},
        {"extra_body": {"cached_content": "$"}},
        {"extra_body": {"cachedContent": "$"}},
        {"google": {"cached_content": "$"}},
        {"google": {"cachedContent": "$"}},
    ],
)
def test_all_spellings_mean_the_cache(server: Pollux, spelled: dict[str, Any]) -> None:
    """Clients nest it as they like."""
    with client(server, ALICE) as gemini:
        name = named(made(gemini))
    outer, inner = next(iter(spelled.items()))
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello?"}], outer: _filled(inner, name)}
    answer = ask(server.url, "/v1/chat/completions", json=body, key=ALICE)

    assert answer.status == 200
    assert answer.json["usage"]["prompt_tokens_details"]["cached_tokens"] > 1000


def test_a_system_message_and_tools_beside_a_cache_are_left_to_it(server: Pollux) -> None:
    """The native API refuses them; the answer comes, without them."""
    with client(server, ALICE) as gemini:
        name = named(made(gemini))
    body = {
        "model": MODEL,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
        "tool_choice": "auto",
        "extra_body": {"google": {"cached_content": name}},
    }
    answer = ask(server.url, "/v1/chat/completions", json=body, key=ALICE)

    assert answer.status == 200


@pytest.mark.parametrize("name", ["abc", "files/abc", "cachedContents/", "cachedContents/../models", 7, ["cachedContents/a"]])
def test_what_is_no_cache_name_is_refused(server: Pollux, name: object) -> None:
    """Before anything is sent."""
    with OpenAI(api_key=ALICE, base_url=server.url + "/v1", max_retries=0) as openai, pytest.raises(BadRequestError) as refused:
        openai.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": "Hello?"}],
            extra_body={"extra_body": {"google": {"cached_content": name}}},
        )

    assert refused.value.param == "extra_body.google.cached_content"


def test_another_callers_cache_is_an_unknown_one_in_chat(server: Pollux) -> None:
    """The same status and the same words, but for nothing."""
    with client(server, ALICE) as gemini:
        name = named(made(gemini))
    told = []
    for asked in (name, UNKNOWN):
        with (
            OpenAI(api_key=BOB, base_url=server.url + "/v1", max_retries=0) as openai,
            pytest.raises(PermissionDeniedError) as refused,
        ):
            openai.chat.completions.create(
                model=MODEL,
                messages=[{"role": "user", "content": "Hello?"}],
                extra_body={"extra_body": {"google": {"cached_content": asked}}},
            )
        told.append((refused.value.status_code, refused.value.body))

    assert told[0] == told[1]


def _filled(value: Any, name: str) -> Any:
    return {key: _filled(inner, name) for key, inner in value.items()} if isinstance(value, dict) else name
