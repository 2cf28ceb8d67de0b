"""Embeddings of the emulator, driven by Google's client."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from pollux.emulator import Emulator, EmulatorServer

FIRST, SECOND, PREVIEW = "gemini-embedding-001", "gemini-embedding-2", "gemini-embedding-2-preview"


@pytest.fixture(scope="module")
def client() -> Iterator[genai.Client]:
    options = types.HttpOptions(api_version="v1beta")
    with EmulatorServer(Emulator()) as server:
        options.base_url = server.url
        with genai.Client(api_key="any-key", http_options=options) as opened:
            yield opened


def embed(client: genai.Client, model: str, contents: Any, **config: Any) -> types.EmbedContentResponse:
    return client.models.embed_content(model=model, contents=contents, config=types.EmbedContentConfig(**config))


def numbers(answer: types.EmbedContentResponse) -> list[list[float]]:
    return [one.values or [] for one in answer.embeddings or []]


@pytest.mark.parametrize(
    ("model", "size", "length"), [(FIRST, None, 1), (FIRST, 768, 0.574), (SECOND, None, 1), (SECOND, 768, 1), (PREVIEW, 768, 1)]
)
def test_sizes_and_lengths_are_those_of_the_recordings(
    client: genai.Client, model: str, size: int | None, length: float
) -> None:
    [vector] = numbers(embed(client, model, "Hello", output_dimensionality=size))

    assert len(vector) == size or (size is None and len(vector) == 3072)
    assert math.hypot(*vector) == pytest.approx(length, abs=1e-3)


def test_a_shorter_vector_is_the_head_of_the_longer(client: genai.Client) -> None:
    [short], [long] = (numbers(embed(client, FIRST, "Hello there", output_dimensionality=size)) for size in (256, 3072))

    assert short == long[:256]


def test_the_same_text_has_the_same_vector_and_another_has_another(client: genai.Client) -> None:
    same, again, other, empty_like = numbers(embed(client, FIRST, ["one thing", "one thing", "another", "?!"]))

    assert same == again != other
    assert math.hypot(*empty_like) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("model", "contents", "config", "message"),
    [
        (FIRST, ["x"] * 101, {}, "at most 100 requests can be in one batch"),
        (FIRST, "x", {"output_dimensionality": 4000}, "output_dimensionality must be in the range"),
        (FIRST, "x", {"task_type": "RANKING"}, "RANKING"),
        (FIRST, "x", {"title": "A title"}, "title is only supported"),
        (FIRST, "word " * 3000, {}, "token"),
        ("gemini-3.6-flash", "x", {}, "not supported for batchEmbedContents"),
    ],
    ids=["101 inputs", "too many dimensions", "unknown task", "title without a document", "too long", "a chat model"],
)
def test_it_refuses_what_the_service_refuses(
    client: genai.Client, model: str, contents: Any, config: dict[str, Any], message: str
) -> None:
    with pytest.raises(errors.ClientError, match=message):
        embed(client, model, contents, **config)


def test_media_are_near_themselves_only(client: genai.Client) -> None:
    """Several parts in one content make one vector."""
    picture, other = (types.Part.from_bytes(data=data, mime_type="image/png") for data in (b"\x89PNG one", b"\x89PNG two"))
    both = types.Content(parts=[types.Part(text="a kiwi"), picture])
    first, again, different, mixed = numbers(
        embed(client, SECOND, [types.Content(parts=[one]) for one in (picture, picture, other)] + [both])
    )

    assert first == again != different
    assert mixed not in (first, different)
