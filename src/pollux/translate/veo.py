"""An order → a request of Veo, and what its operation says.

Source: Gemini API, Veo (Developer API), predictLongRunning; recorded traffic.
Loses: an operation tells nothing of its progress.
"""

from pollux.translate.media import Found
from pollux.translate.notes import Note
from pollux.translate.video_outcome import Outcome, failed, filtered
from pollux.translate.videos import SECONDS_DEFAULT, Order
from pollux.wire.gemini.generate import Base64
from pollux.wire.gemini.videos import (
    ExtendedVideo,
    Instance,
    Operation,
    Parameters,
    Picture,
    PredictLongRunningRequest,
    ReferenceImage,
)


def to_gemini(order: Order, found: dict[str, Found], notes: list[Note], *, seed: bool) -> PredictLongRunningRequest:
    """Say an order natively; `found` are its media by their place. `seed`: whether the service is given one."""
    if order.seed is not None and not seed:
        notes.append(Note("seed", "ignored", "the setting video_seed says so"))

    def picture(path: str) -> Picture:
        each = found[path]
        assert each.data is not None
        return Picture(bytes_base64_encoded=text(each.data), mime_type=each.mime_type)

    instance = Instance(
        prompt=order.prompt,
        image=picture(order.image.path) if order.image else None,
        last_frame=picture(order.last_frame.path) if order.last_frame else None,
        reference_images=[ReferenceImage(picture(each.path), kind) for each, kind in order.references] or None,
        video=ExtendedVideo(uri=order.before.uri) if order.before else None,
    )
    parameters = Parameters(
        aspect_ratio=order.aspect_ratio,
        resolution=order.resolution,
        duration_seconds=_duration(order),
        negative_prompt=order.negative_prompt or None,
        person_generation=order.person_generation,
        seed=order.seed if seed else None,
    )
    return PredictLongRunningRequest([instance], None if parameters == Parameters() else parameters)


def outcome(operation: Operation) -> Outcome:
    """Say how a film stands. What was filtered has failed, with the service's reasons."""
    if operation.error is not None:
        return failed("video_generation_failed", operation.error.message or "The Gemini API does not say why.")
    if not operation.done:
        return Outcome("in_progress")
    told = operation.response.generate_video_response if operation.response else None
    uris = [sample.video.uri for sample in (told and told.generated_samples) or [] if sample.video and sample.video.uri]
    if uris:
        return Outcome("completed", uri=uris[0])
    if told is not None and (told.rai_media_filtered_count or told.rai_media_filtered_reasons):
        return filtered(" ".join(told.rai_media_filtered_reasons or []))
    return failed("no_video", "The Gemini API ended without a video, and does not say why.")


def text(data: Base64) -> str:
    """Give base64 as a text."""
    return "".join(bytes(piece).decode("ascii") for piece in data.pieces)


def _duration(order: Order) -> int | None:
    """Give the length; what must be 8 is said."""
    if order.references or order.last_frame or order.task == "extend" or order.resolution in ("1080p", "4k"):
        return SECONDS_DEFAULT
    return order.seconds
