"""Shapes of films: Veo's long-running operations, and the Interactions API as far as films need it.

Source: Gemini API, Veo (Developer API) and Interactions; recorded traffic of Veo; nothing of Interactions is recorded.
"""

from typing import Any

import msgspec
from msgspec import Struct

from pollux.wire.gemini.errors import Status
from pollux.wire.gemini.generate import Shape


class Picture(Shape):
    """An image of a Veo request."""

    bytes_base64_encoded: str
    mime_type: str


class ReferenceImage(Shape):
    """A picture of what is to be seen; `reference_type` is asset or style."""

    image: Picture
    reference_type: str


class ExtendedVideo(Shape):
    """The film that is to be extended."""

    uri: str


class Instance(Shape):
    """What a Veo film is to show."""

    prompt: str
    image: Picture | None = None
    last_frame: Picture | None = None
    reference_images: list[ReferenceImage] | None = None
    video: ExtendedVideo | None = None


class Parameters(Shape):
    """How a Veo film is to be."""

    aspect_ratio: str | None = None
    resolution: str | None = None
    duration_seconds: int | None = None
    negative_prompt: str | None = None
    person_generation: str | None = None
    seed: int | None = None


class PredictLongRunningRequest(Shape):
    """The body of predictLongRunning."""

    instances: list[Instance]
    parameters: Parameters | None = None


class SampleVideo(Shape):
    """Where a film is."""

    uri: str = ""


class Sample(Shape):
    """One film of an operation."""

    video: SampleVideo | None = None


class GenerateVideoResponse(Shape):
    """The films of an operation, or why there are none."""

    generated_samples: list[Sample] | None = None
    rai_media_filtered_count: int = 0
    rai_media_filtered_reasons: list[str] | None = None


class PredictLongRunningResponse(Shape):
    """What an operation has brought."""

    generate_video_response: GenerateVideoResponse | None = None


class Operation(Shape):
    """A film as the service tells of it: its name alone while it runs (recorded)."""

    name: str = ""
    done: bool = False
    error: Status | None = None
    response: PredictLongRunningResponse | None = None


class Interactive(Struct, omit_defaults=True):
    """A message of the Interactions API: snake case, absent fields left out."""


class InteractionContent(Interactive):
    """A text, a picture or a film; media by `uri` or as base64."""

    type: str
    text: str | None = None
    uri: str | None = None
    data: str | None = None
    mime_type: str | None = None


class VideoFormat(Struct):
    """How a film of Omni is to be."""

    aspect_ratio: str
    duration: str
    resolution: str
    type: str = "video"
    delivery: str = "uri"


class InteractionRequest(Interactive):
    """The body of POST interactions."""

    model: str
    input: list[InteractionContent]
    response_format: VideoFormat
    generation_config: dict[str, Any] | None = None
    previous_interaction_id: str | None = None
    background: bool = False


class InteractionStep(Interactive):
    """A step of an interaction; the model's output has content."""

    type: str = ""
    content: list[InteractionContent] | None = None


class InteractionError(Interactive):
    """Why an interaction failed."""

    code: str | int | None = None
    message: str | None = None


class Interaction(Interactive):
    """An interaction as the service tells of it."""

    id: str = ""
    status: str = ""
    steps: list[InteractionStep] | None = None
    errors: list[InteractionError] | None = None
    error: InteractionError | None = None


decode_operation = msgspec.json.Decoder(Operation).decode
decode_interaction = msgspec.json.Decoder(Interaction).decode
