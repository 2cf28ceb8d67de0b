"""Shapes of the models list.

Source: OpenAI API, Models. The fields after `owned_by` are ours, in the native API's words.
"""

from msgspec import UNSET, Struct, UnsetType


class Model(Struct):
    """A model, with what the native API says of it beyond OpenAI's fields."""

    id: str
    created: int
    owned_by: str = "google"
    object: str = "model"
    display_name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    input_token_limit: int | UnsetType = UNSET
    output_token_limit: int | UnsetType = UNSET
    supported_generation_methods: list[str] | UnsetType = UNSET
    thinking: bool | UnsetType = UNSET


class ModelList(Struct):
    """All models."""

    data: list[Model]
    object: str = "list"
