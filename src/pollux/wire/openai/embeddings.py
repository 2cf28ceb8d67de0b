"""Shapes of embeddings.

Source: OpenAI API, Create embeddings.
"""

from typing import Any

import msgspec
from msgspec import Struct

from pollux.wire.openai.chat import NULL, ContentPart

EmbeddingInput = str | ContentPart | list[str | int | ContentPart | list[int | ContentPart]]
"""A text, or a list of inputs. Beside OpenAI's: an input may be a content part, or a list of content parts for one vector."""


class EmbeddingsRequest(Struct, gc=False):
    """The body of POST /embeddings."""

    model: str
    input: EmbeddingInput
    dimensions: int | None = None
    encoding_format: str | None = None
    user: msgspec.Raw = NULL
    extra_body: Any = None
    google: Any = None


class Embedding(Struct, gc=False):
    """One vector: a list of floats as JSON, or the base64 of its little-endian 32-bit floats."""

    index: int
    embedding: msgspec.Raw
    object: str = "embedding"


class EmbeddingsUsage(Struct, gc=False):
    """Tokens of all inputs."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingList(Struct, gc=False, kw_only=True):
    """The answer: a vector for each input, in the order of the inputs."""

    object: str = "list"
    model: str
    data: list[Embedding]
    usage: EmbeddingsUsage
    extra_content: dict[str, Any]
