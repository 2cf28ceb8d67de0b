"""Shapes of the models list.

Source: OpenAI API, Models. The fields after `owned_by` are ours, in the native API's words.
"""

from msgspec import UNSET, Struct, UnsetType


class Model(Struct, kw_only=True):
    """A model, with what the native API says of it beyond OpenAI's fields."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "google"
    display_name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    input_token_limit: int | UnsetType = UNSET
    output_token_limit: int | UnsetType = UNSET
    supported_generation_methods: list[str] | UnsetType = UNSET
    thinking: bool | UnsetType = UNSET


class ModelList(Struct, kw_only=True):
    """All models."""

    object: str = "list"
    data: list[Model]
