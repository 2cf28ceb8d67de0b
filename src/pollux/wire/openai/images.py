"""Shapes of images: generations, edits, variations, their answer and their stream.

Source: OpenAI API, Images; OpenAI compatibility guide, "Generate an image".
"""

from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from pollux.wire.openai.chat import NULL


class Asked(Struct, gc=False, kw_only=True):
    """The parameters that all three endpoints share.

    The last ones are Gemini's own, which stand in `extra_body.google`, or bare, in either spelling.
    """

    model: str | None = None
    n: int | None = None
    size: str | None = None
    quality: str | None = None
    response_format: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    background: str | None = None
    moderation: str | None = None
    style: str | None = None
    stream: bool | None = None
    partial_images: int | None = None
    input_fidelity: str | None = None
    complexity: msgspec.Raw = NULL
    frame_count: msgspec.Raw = NULL
    frame_duration_ms: msgspec.Raw = NULL
    svg: msgspec.Raw = NULL
    user: msgspec.Raw = NULL
    safety_identifier: msgspec.Raw = NULL
    extra_body: Any = None
    google: Any = None
    aspect_ratio: Any = None
    generation_config: Any = None
    safety_settings: Any = None
    tools: Any = None
    aspectRatio: Any = None  # noqa: N815 - as some callers spell it
    generationConfig: Any = None  # noqa: N815 - as some callers spell it
    safetySettings: Any = None  # noqa: N815 - as some callers spell it


class CreateImageRequest(Asked, gc=False, kw_only=True):
    """The body of POST /images/generations."""

    prompt: str


class ImageRef(Struct, gc=False):
    """A picture by a data URL or an address, or by the id of a file. `image_url` stays as it came: it may be large."""

    image_url: msgspec.Raw = NULL
    file_id: str | None = None


class EditImageRequest(Asked, gc=False, kw_only=True):
    """The body of POST /images/edits. In a form `image` is a file or a list of files, and `mask` a file.

    `image` as JSON, and texts in the place of objects, are other clients'.
    """

    prompt: str
    images: list[ImageRef | str] | None = None
    image: ImageRef | str | list[ImageRef | str] | None = None
    mask: ImageRef | str | None = None


class VariationRequest(Asked, gc=False, kw_only=True):
    """The body of POST /images/variations."""

    image: ImageRef | str | list[ImageRef | str] | None = None


class Image(Struct, gc=False, kw_only=True, omit_defaults=True):
    """One picture: its base64, or a link to it."""

    b64_json: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    extra_content: dict[str, Any] | UnsetType = UNSET


class InputTokensDetails(Struct, gc=False):
    """Tokens of the prompt and of the pictures that came with it."""

    text_tokens: int = 0
    image_tokens: int = 0


class OutputTokensDetails(Struct, gc=False):
    """Tokens of the pictures, and of words and thoughts beside them."""

    text_tokens: int = 0
    image_tokens: int = 0


class ImagesUsage(Struct, gc=False):
    """The tokens of all native calls of a request; of an event, those of its call."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens_details: OutputTokensDetails


NO_TOKENS = ImagesUsage(0, 0, 0, InputTokensDetails(), OutputTokensDetails())
"""The tokens of a further picture of a call that are counted already."""


class ImagesResponse(Struct, gc=False, kw_only=True, omit_defaults=True):
    """The answer of all three endpoints."""

    created: int
    data: list[Image]
    background: str | UnsetType = UNSET
    output_format: str | UnsetType = UNSET
    quality: str | UnsetType = UNSET
    size: str | UnsetType = UNSET
    usage: ImagesUsage | UnsetType = UNSET
    extra_content: dict[str, Any] | UnsetType = UNSET


class CompletedEvent(Struct, gc=False, kw_only=True, omit_defaults=True):
    """One whole picture in a stream; `type` is image_generation.completed or image_edit.completed."""

    type: str
    b64_json: str
    created_at: int
    size: str
    quality: str
    background: str
    output_format: str
    usage: ImagesUsage
    extra_content: dict[str, Any] | UnsetType = UNSET
