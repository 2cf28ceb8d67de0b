"""Shapes of the models list.

Source: Gemini API, models; recorded traffic.
"""

import msgspec

from pollux.wire.gemini.generate import Shape


class Model(Shape):
    """What the service says of a model. Streaming is implied by generateContent."""

    name: str
    version: str | None = None
    display_name: str | None = None
    description: str | None = None
    input_token_limit: int | None = None
    output_token_limit: int | None = None
    supported_generation_methods: list[str] | None = None
    temperature: float | None = None
    max_temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    thinking: bool | None = None


class ListModelsResponse(Shape):
    """One page of the models list."""

    models: list[Model] | None = None
    next_page_token: str | None = None


decode_model = msgspec.json.Decoder(Model).decode
decode_models = msgspec.json.Decoder(ListModelsResponse).decode
