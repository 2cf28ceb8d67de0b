"""Shapes of embedContent and batchEmbedContents.

Source: Gemini API, Embeddings; recorded traffic.
"""

from typing import Any, Generic, TypeVar

import msgspec

from pollux.wire.gemini.generate import Content, Shape


class EmbedContentRequest(Shape):
    """One input: its parts make one vector. `model` is `models/{id}`; batches need it."""

    model: str | None = None
    content: Content | None = None
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: int | None = None


class BatchEmbedContentsRequest(Shape):
    """Up to a hundred inputs."""

    requests: list[EmbedContentRequest]


class ContentEmbedding(Shape):
    """One vector, as the JSON that it came in: who asks for floats gets these very bytes."""

    values: msgspec.Raw = msgspec.Raw(b"[]")


class ReadEmbedding(Shape):
    """One vector, read."""

    values: list[float] = msgspec.field(default_factory=list)


Vector = TypeVar("Vector", ContentEmbedding, ReadEmbedding)


class EmbedUsage(Shape):
    """Tokens of all inputs of one call. Some models do not say them."""

    prompt_token_count: int | None = None
    prompt_token_details: list[dict[str, Any]] | None = None


class BatchEmbedContentsResponse(Shape, Generic[Vector]):
    """The vectors, in the order of the inputs."""

    embeddings: list[Vector] | None = None
    usage_metadata: EmbedUsage | None = None


Vectors = BatchEmbedContentsResponse[ContentEmbedding] | BatchEmbedContentsResponse[ReadEmbedding]


class CountTokensResponse(Shape):
    """What countTokens says."""

    total_tokens: int = 0


decode_embeddings = msgspec.json.Decoder(BatchEmbedContentsResponse[ContentEmbedding]).decode
decode_read_embeddings = msgspec.json.Decoder(BatchEmbedContentsResponse[ReadEmbedding]).decode
decode_count = msgspec.json.Decoder(CountTokensResponse).decode
