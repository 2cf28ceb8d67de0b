"""The table of fields of a video: OpenAI's and the guide's, and what becomes of each on each engine.

A field may stand at the top level, in `extra_body.google`, `extra_body` or `google`, in snake or camel case, in JSON or in a
form. The guide's rules hold on both engines, so that a request that an alias takes from Veo to Omni stays as right as it was.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

from pollux.translate import extras
from pollux.translate.notes import Note
from pollux.wire.closed import joined

Fate = Literal["mapped", "approximated", "ignored"]

GUIDE: Final = "guide, extra_body"
OPENAI: Final = "OpenAI, Create video"
NO_FIELD: Final = "Omni has no such field"


@dataclass(frozen=True, slots=True)
class Row:
    """A field: its rule, and on each engine its fate and where it goes, or why it goes nowhere. Fates that depend on the value
    are the worst there is.
    """

    name: str
    rule: str
    veo: Fate
    to_veo: str
    omni: Fate
    to_omni: str
    source: str


ROWS: Final[tuple[Row, ...]] = (
    Row("prompt", "1 to 32,000 characters", "mapped", "instances[0].prompt", "mapped", "input, a text", OPENAI),
    Row(
        "model",
        "absent: the setting `video_model`",
        "mapped",
        "the path, models/{model}",
        "mapped",
        "model",
        OPENAI,
    ),
    Row(
        "seconds",
        "a whole number; the nearest that the engine makes",
        "approximated",
        "parameters.durationSeconds: 4, 6, 8",
        "approximated",
        "response_format.duration: 3 to 10",
        OPENAI,
    ),
    Row(
        "size",
        "WIDTHxHEIGHT; the nearest that the engine makes",
        "approximated",
        "parameters.aspectRatio, parameters.resolution",
        "approximated",
        "response_format.aspect_ratio, .resolution",
        OPENAI,
    ),
    Row(
        "input_reference",
        "an image, not beside `image`",
        "mapped",
        "instances[0].image",
        "mapped",
        "input, an image: the first frame",
        f"{OPENAI}; {GUIDE}",
    ),
    Row(
        "aspect_ratio",
        "16:9, 9:16; absent: from `size`",
        "mapped",
        "parameters.aspectRatio",
        "mapped",
        "response_format.aspect_ratio",
        GUIDE,
    ),
    Row(
        "resolution",
        "720p, 1080p, 4k; Omni also 360p",
        "mapped",
        "parameters.resolution",
        "mapped",
        "response_format.resolution",
        GUIDE,
    ),
    Row(
        "duration_seconds",
        "4, 6, 8; 8 with `reference_images`, `last_frame` or `extend_video_id`, and on Veo with 1080p and 4k",
        "mapped",
        "parameters.durationSeconds",
        "mapped",
        "response_format.duration",
        GUIDE,
    ),
    Row(
        "frame_rate",
        "1 to 120",
        "ignored",
        "Veo makes 24 frames a second, and its Developer API has no such field",
        "ignored",
        NO_FIELD,
        GUIDE,
    ),
    Row(
        "extend_video_id",
        "a video of yours; not beside images",
        "mapped",
        "instances[0].video.uri",
        "mapped",
        "previous_interaction_id or input, and the task extend",
        GUIDE,
    ),
    Row(
        "negative_prompt",
        "a text",
        "mapped",
        "parameters.negativePrompt",
        "approximated",
        "Omni has no such field; it is told in the prompt",
        GUIDE,
    ),
    Row(
        "seed",
        "0 to 4,294,967,295",
        "mapped",
        "parameters.seed, unless the setting `video_seed` says ignore",
        "ignored",
        NO_FIELD,
        GUIDE,
    ),
    Row(
        "style",
        "cinematic (the default), creative",
        "approximated",
        "creative is told in the prompt; the native API has no such field",
        "approximated",
        "creative is told in the prompt; the native API has no such field",
        GUIDE,
    ),
    Row(
        "person_generation",
        "allow_adult, allow_all, dont_allow",
        "mapped",
        "parameters.personGeneration",
        "ignored",
        NO_FIELD,
        GUIDE,
    ),
    Row(
        "reference_images",
        "a list of at most 3 images, each with `reference_type` style, character or asset",
        "mapped",
        "instances[0].referenceImages; a character is an asset",
        "approximated",
        "input, images of the task reference_to_video; a style is a reference like any other",
        GUIDE,
    ),
    Row("image", "an image", "mapped", "instances[0].image", "mapped", "input, an image: the first frame", GUIDE),
    Row(
        "last_frame",
        "an image; only beside `image`",
        "mapped",
        "instances[0].lastFrame",
        "mapped",
        "input, an image: the last frame",
        GUIDE,
    ),
    Row(
        "video",
        "of edits and extensions: the id of a video, or a file",
        "mapped",
        "extensions: instances[0].video.uri; Veo cannot edit",
        "mapped",
        "previous_interaction_id or input, and the task edit or extend",
        "OpenAI, Edit video, Extend video",
    ),
    Row("user", "", "ignored", "the native API has no such field", "ignored", "the native API has no such field", OPENAI),
)
"""Every field that is known."""

BY_NAME: Final = {row.name: row for row in ROWS}

Fields = dict[str, tuple[Any, str]]
"""Values by the name of their field, each with the place where it stood."""


def gather(body: dict[str, Any], notes: list[Note]) -> Fields:
    """Gather the fields of a body, wherever they stand; the innermost place wins. Unknown ones are dropped and noted.

    Raises InvalidRequest where `extra_body` or `google` holds no object.
    """
    places: Fields = {
        extras.snake(key): (value, joined("", key))
        for key, value in body.items()
        if key not in ("extra_body", "google") and value is not None
    }
    places |= extras.fields(body.get("extra_body"), body.get("google"))
    fields: Fields = {}
    for name, (value, path) in places.items():
        if name in BY_NAME:
            fields[name] = (value, path)
        else:
            notes.append(Note(path, "ignored", "there is no such field for videos"))
    return fields
