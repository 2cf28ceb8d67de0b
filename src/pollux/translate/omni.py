"""An order → an interaction of Omni, and what that says.

Source: Gemini API, Interactions, video output (gemini-native, sections 17.2 and 24); nothing of it is recorded.
Loses: seed, frame rate, person generation; the negative prompt is told in the prompt.
"""

from pollux.translate.media import Found
from pollux.translate.notes import Note
from pollux.translate.veo import text
from pollux.translate.video_outcome import Outcome, failed, filtered
from pollux.translate.videos import SECONDS_DEFAULT, Order
from pollux.wire.gemini.videos import Interaction, InteractionContent, InteractionRequest, VideoFormat

ENDED = ("failed", "cancelled", "incomplete", "budget_exceeded", "requires_action", "requires_continuation")
"""States of which no film comes any more. Source: gemini-native, section 24."""


def to_gemini(order: Order, found: dict[str, Found], notes: list[Note]) -> InteractionRequest:
    """Say an order natively; `found` are its media by their place."""
    contents = [InteractionContent("text", text=_prompt(order, notes))]
    contents += [_content(found[each.path], "image") for each in (order.image, order.last_frame) if each]
    contents += [_content(found[each.path], "image") for each, _ in order.references]
    if order.video is not None:
        contents.append(_content(found[order.video.path], "video"))
    previous = order.before.interaction if order.before and order.before.engine == "omni" else ""
    if order.before is not None and not previous:
        contents.append(InteractionContent("video", uri=order.before.uri, mime_type="video/mp4"))
    if any(kind == "style" for _, kind in order.references):
        notes.append(Note("reference_images", "approximated", "Omni knows no kinds of reference images"))
    return InteractionRequest(
        model=order.model,
        input=contents,
        response_format=VideoFormat(
            aspect_ratio=order.aspect_ratio or "16:9",
            duration=f"{order.seconds or SECONDS_DEFAULT}s",
            resolution=order.resolution or "720p",
        ),
        generation_config={"video_config": {"task": _task(order)}},
        previous_interaction_id=previous or None,
        background=True,
    )


def outcome(interaction: Interaction) -> Outcome:
    """Say how a film stands. One that is completed without a film was filtered."""
    match interaction.status:
        case "queued":
            return Outcome("queued")
        case "completed":
            film = film_of(interaction)
            return Outcome("completed", uri=film.uri or "") if film else filtered("")
        case status if status not in ENDED:  # also one of tomorrow: what is paid for is not given up
            return Outcome("in_progress")
    told = interaction.error or next(iter(interaction.errors or []), None)
    why = (told.message if told else None) or f"The Gemini API says: {interaction.status}."
    return failed("video_generation_failed", why)


def film_of(interaction: Interaction) -> InteractionContent | None:
    """Give the film of an interaction: its address, or, though that was not asked for, the film itself as base64."""
    films = [
        content
        for step in interaction.steps or []
        for content in step.content or []
        if content.type == "video" and (content.uri or content.data) and step.type != "user_input"
    ]
    return films[-1] if films else None


def _prompt(order: Order, notes: list[Note]) -> str:
    """Give the prompt, with what has no field of its own, and the roles of pictures where their order does not say them."""
    prompt = order.prompt
    if order.negative_prompt:
        notes.append(Note("negative_prompt", "approximated", "it is told in the prompt"))
        prompt += f"\n\nDo not show: {order.negative_prompt}"
    if not order.references or order.image is None:
        return prompt
    tags = ["<FIRST_FRAME>"] + (["<LAST_FRAME>"] if order.last_frame else [])
    tags += [f"<IMAGE_REF_{i}>" for i in range(len(order.references))]
    return f"{' '.join(tags)}\n{prompt}"


def _task(order: Order) -> str:
    if order.task != "create":
        return order.task
    if order.references:
        return "reference_to_video"
    return "image_to_video" if order.image else "text_to_video"


def _content(found: Found, kind: str) -> InteractionContent:
    if found.data is not None:
        return InteractionContent(kind, data=text(found.data), mime_type=found.mime_type)
    return InteractionContent(kind, uri=found.uri, mime_type=found.mime_type or None)
