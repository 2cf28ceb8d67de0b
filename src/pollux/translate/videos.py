"""A request for a video → an order: what the film is to be, checked by the rules of the fields, whatever engine makes it.

    gather (video_fields)   the fields, wherever they stand
    order                   checks them; nothing is fetched and nothing paid for yet
    veo.to_gemini, omni.to_gemini    the order and its media → the native request

Source: the guide, sections 8 and extra_body; OpenAI API, Videos; Gemini API, Veo and Interactions.
"""

import math
import re
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

import msgspec

from pollux.errors import InvalidRequest
from pollux.translate.media import Source
from pollux.translate.notes import Note
from pollux.translate.profiles import Filmer, Resolution
from pollux.translate.video_fields import BY_NAME, Fields
from pollux.translate.video_media import image_sources, source

PROMPT_CHARACTERS_MAX: Final = 32_000
"""Source: OpenAI API, Create video."""

SECONDS: Final = (4, 6, 8)
SECONDS_DEFAULT: Final = 8
OMNI_SECONDS: Final = (3, 10)
ASKED_SECONDS_MAX: Final = 600

EXTENSION_SECONDS: Final = 7
"""What an extension adds to a film of Veo. Source: gemini-native, section 17.1."""

HEIGHTS: Final[dict[Resolution, int]] = {"360p": 360, "720p": 720, "1080p": 1080, "4k": 2160}

SEED_MAX: Final = 2**32 - 1

AspectRatio = Literal["16:9", "9:16"]
Task = Literal["create", "extend", "edit"]

_SIZE: Final = re.compile(r"([1-9]\d{0,4})[xX]([1-9]\d{0,4})")


@dataclass(frozen=True, slots=True)
class Before:
    """A film that an order goes on from: where it is, and how it was made."""

    uri: str
    interaction: str = ""
    engine: Literal["veo", "omni", ""] = ""
    aspect_ratio: AspectRatio = "16:9"
    resolution: Resolution = "720p"
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """A film that is wanted."""

    model: str
    filmer: Filmer
    task: Task
    prompt: str
    aspect_ratio: AspectRatio | None
    resolution: Resolution | None
    seconds: int | None
    """As asked for; None: as long as the engine makes them by itself."""
    negative_prompt: str = ""
    person_generation: str | None = None
    seed: int | None = None
    image: Source | None = None
    last_frame: Source | None = None
    references: tuple[tuple[Source, str], ...] = ()
    before: Before | None = None
    video: Source | None = None
    """A film that the caller sent, to go on from."""

    @property
    def sources(self) -> list[Source]:
        """All pictures, and the film that the caller sent."""
        single = (self.image, self.last_frame, self.video)
        return [each for each in single if each is not None] + [each for each, _ in self.references]

    @property
    def size(self) -> tuple[int, int]:
        """How large the film will be."""
        return pixels(self.aspect_ratio or "16:9", self.resolution or "720p")

    @property
    def length(self) -> int:
        """How long the film will be, in seconds."""
        added = self.seconds or SECONDS_DEFAULT
        if self.task == "extend" and self.before is not None:
            return self.before.seconds + (EXTENSION_SECONDS if self.filmer.engine == "veo" else added)
        return added


def order(model: str, filmer: Filmer, fields: Fields, notes: list[Note], *, task: Task, before: Before | None = None) -> Order:
    """Check the fields and make an order of them. Raises InvalidRequest, naming the field."""
    prompt = prompt_of(fields)
    image, last_frame, references = _pictures(fields)
    video = source(*fields["video"]) if "video" in fields and before is None and task != "create" else None
    if "video" in fields and task == "create":
        notes.append(
            Note(fields["video"][1], "ignored", "a new video goes on from none; see /videos/edits, /videos/extensions")
        )
    extends = task == "extend"
    if extends and (image or references):
        path = fields["image" if "image" in fields else "input_reference" if image else "reference_images"][1]
        _refuse(path, f"{path} cannot be given together with a video that is extended.")
    needs_eight = [
        name
        for name, is_wanted in (("reference_images", references), ("last_frame", last_frame), ("extend_video_id", extends))
        if is_wanted
    ]
    aspect_ratio, resolution = _shape(fields, filmer, before if extends else None)
    seconds = _seconds(fields, filmer, needs_eight, notes, extends=extends)
    if filmer.engine == "veo" and resolution in ("1080p", "4k"):
        resolution, seconds = _eight_for(resolution, seconds, fields, notes)
    if task == "edit" and before is not None:  # what is not asked for stays as it was
        aspect_ratio, resolution = aspect_ratio or before.aspect_ratio, resolution or before.resolution
        seconds = seconds or min(max(before.seconds, OMNI_SECONDS[0]), OMNI_SECONDS[1])
    _note_size(fields, aspect_ratio, resolution, notes)
    _check_frame_rate(fields, filmer, notes)
    made = Order(
        model,
        filmer,
        task,
        _styled(prompt, fields, notes),
        aspect_ratio,
        resolution,
        seconds,
        negative_prompt=_text(fields, "negative_prompt"),
        person_generation=_choice(fields, "person_generation", ("allow_adult", "allow_all", "dont_allow")),
        seed=_seed(fields),
        image=image,
        last_frame=last_frame,
        references=references,
        before=before,
        video=video,
    )
    for name in fields:
        row = BY_NAME[name]
        fate, why = (row.veo, row.to_veo) if filmer.engine == "veo" else (row.omni, row.to_omni)
        if fate == "ignored" and name != "frame_rate":
            notes.append(Note(fields[name][1], "ignored", why))
    return made


def pixels(aspect_ratio: AspectRatio, resolution: Resolution) -> tuple[int, int]:
    """Give the size of a film in pixels."""
    short = HEIGHTS[resolution]
    long = short * 16 // 9
    return (long, short) if aspect_ratio == "16:9" else (short, long)


def prompt_of(fields: Fields) -> str:
    """Give the prompt as the caller wrote it. Raises InvalidRequest."""
    if "prompt" not in fields:
        raise InvalidRequest("prompt is missing.", param="prompt", code="missing_required_parameter")
    value, path = fields["prompt"]
    if not isinstance(value, str) or not value.strip():
        _refuse(path, f"{path} must be a text that says what is to be seen.")
    if len(value) > PROMPT_CHARACTERS_MAX:
        raise InvalidRequest(
            f"{path} has {len(value)} characters; {PROMPT_CHARACTERS_MAX} are allowed.",
            param=path,
            code="string_above_max_length",
        )
    return value


def _pictures(fields: Fields) -> tuple[Source | None, Source | None, tuple[tuple[Source, str], ...]]:
    if "image" in fields and "input_reference" in fields:
        path = fields["input_reference"][1]
        _refuse(path, f"{path} and image are both the first frame; give one of them.")
    first = fields.get("image") or fields.get("input_reference")
    if "last_frame" in fields and first is None:
        path = fields["last_frame"][1]
        _refuse(path, f"{path} needs image, the frame that the video begins with.")
    image = source(*first) if first else None
    last_frame = source(*fields["last_frame"]) if "last_frame" in fields else None
    references = image_sources(*fields["reference_images"]) if "reference_images" in fields else ()
    return image, last_frame, references


def _shape(fields: Fields, filmer: Filmer, extended: Before | None) -> tuple[AspectRatio | None, Resolution | None]:
    """Say the shape and the resolution: as given, else by `size`, else of the film that is extended; None where open."""
    aspect_ratio: AspectRatio | None = None
    match _choice(fields, "aspect_ratio", ("16:9", "9:16")):
        case "16:9":
            aspect_ratio = "16:9"
        case "9:16":
            aspect_ratio = "9:16"
    resolution = _resolution(fields, filmer)
    if "size" in fields and fields["size"][0] != "auto":
        width, height = _size(*fields["size"])
        aspect_ratio = aspect_ratio or ("9:16" if height > width else "16:9")
        short = min(width, height)
        if resolution is None:
            resolution = _nearest(short, filmer)
    if extended is not None:
        if aspect_ratio not in (None, extended.aspect_ratio) and "aspect_ratio" in fields:
            path = fields["aspect_ratio"][1]
            _refuse(path, f"{path} must be {extended.aspect_ratio}, that of the video that is extended.")
        if filmer.engine == "veo" and resolution not in (None, "720p") and "resolution" in fields:
            path = fields["resolution"][1]
            _refuse(path, f"{path} must be 720p for a video that is extended.")
        return extended.aspect_ratio, "720p" if filmer.engine == "veo" else resolution or extended.resolution
    return aspect_ratio, resolution


def _nearest(short: int, filmer: Filmer) -> Resolution:
    """Give the resolution whose shorter side is nearest, by their ratio."""

    def distance(name: Resolution) -> float:
        return abs(math.log(HEIGHTS[name] / short))

    return min(filmer.resolutions, key=distance)


def _resolution(fields: Fields, filmer: Filmer) -> Resolution | None:
    if "resolution" not in fields:
        return None
    value, path = fields["resolution"]
    found = next((name for name in filmer.resolutions if isinstance(value, str) and value.lower() == name), None)
    if found is None:
        _refuse(path, f"{path} must be one of {', '.join(filmer.resolutions)}.")
    return found


def _size(value: Any, path: str) -> tuple[int, int]:
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        _refuse(path, f"{path} must be WIDTHxHEIGHT in pixels, as in 1280x720.")
    return int(found[1]), int(found[2])


def _note_size(fields: Fields, aspect_ratio: AspectRatio | None, resolution: Resolution | None, notes: list[Note]) -> None:
    if "size" not in fields or fields["size"][0] == "auto":
        return
    value, path = fields["size"]
    width, height = pixels(aspect_ratio or "16:9", resolution or "720p")
    if (width, height) != _size(value, path):
        notes.append(Note(path, "approximated", f"the video has {width}x{height}"))


def _seconds(fields: Fields, filmer: Filmer, needs_eight: list[str], notes: list[Note], *, extends: bool) -> int | None:
    """Give the length that is asked for: the guide's field as it is, OpenAI's at the nearest that there is."""
    if "duration_seconds" in fields:
        value, path = fields["duration_seconds"]
        seconds = _whole(value)
        if seconds not in SECONDS:
            _refuse(path, f"{path} must be 4, 6 or 8.")
        if needs_eight and seconds != SECONDS_DEFAULT:
            _refuse(path, f"{path} must be 8 with {needs_eight[0]}.")
        if "seconds" in fields and _asked_seconds(fields) != seconds:
            notes.append(Note(fields["seconds"][1], "ignored", f"{path} says {seconds}"))
        return seconds
    if "seconds" not in fields:
        return None
    asked = _asked_seconds(fields)
    if filmer.engine == "omni":
        least, most = OMNI_SECONDS
        nearest = min(max(asked, least), most)
    else:
        nearest = SECONDS_DEFAULT if needs_eight else min(SECONDS, key=lambda each: (abs(each - asked), -each))
    told = EXTENSION_SECONDS if extends and filmer.engine == "veo" else nearest
    if told != asked:
        why = f"an extension adds {told} seconds" if extends else f"the video has {told} seconds"
        notes.append(Note(fields["seconds"][1], "approximated", why))
    return nearest


def _asked_seconds(fields: Fields) -> int:
    value, path = fields["seconds"]
    seconds = _whole(value)
    if seconds is None or not 1 <= seconds <= ASKED_SECONDS_MAX:
        _refuse(path, f"{path} must be a whole number of seconds, as in 4 or 8.")
    return seconds


def _eight_for(resolution: Resolution, seconds: int | None, fields: Fields, notes: list[Note]) -> tuple[Resolution, int | None]:
    """Bring together a resolution that Veo makes with 8 seconds only, and another length: what was asked for wins."""
    if seconds in (None, SECONDS_DEFAULT):
        return resolution, seconds
    if "resolution" not in fields:
        return "720p", seconds  # it came from `size`, which is approximated
    if "duration_seconds" in fields:
        path = fields["duration_seconds"][1]
        _refuse(path, f"{path} must be 8 with resolution {resolution}.")
    path = fields["seconds"][1]
    notes.append(Note(path, "approximated", f"resolution {resolution} is made with {SECONDS_DEFAULT} seconds only"))
    return resolution, SECONDS_DEFAULT


def _check_frame_rate(fields: Fields, filmer: Filmer, notes: list[Note]) -> None:
    if "frame_rate" not in fields:
        return
    value, path = fields["frame_rate"]
    rate = _whole(value)
    if rate is None or not 1 <= rate <= 120:
        _refuse(path, f'{path} must be a number of frames a second, as in "24".')
    if filmer.engine == "veo" and rate == 24:
        return  # it is what Veo makes
    row = BY_NAME["frame_rate"]
    notes.append(Note(path, "ignored", row.to_veo if filmer.engine == "veo" else row.to_omni))


def _styled(prompt: str, fields: Fields, notes: list[Note]) -> str:
    if _choice(fields, "style", ("cinematic", "creative")) != "creative":
        return prompt
    notes.append(Note(fields["style"][1], "approximated", "it is told in the prompt"))
    return f"{prompt}\n\nStyle: creative."


def _seed(fields: Fields) -> int | None:
    if "seed" not in fields:
        return None
    value, path = fields["seed"]
    seed = _whole(value)
    if seed is None or not 0 <= seed <= SEED_MAX:
        _refuse(path, f"{path} must be a whole number from 0 to {SEED_MAX}.")
    return seed


def _text(fields: Fields, name: str) -> str:
    value, path = fields.get(name, ("", name))
    if not isinstance(value, str) or len(value) > PROMPT_CHARACTERS_MAX:
        _refuse(path, f"{path} must be a text of at most {PROMPT_CHARACTERS_MAX} characters.")
    return value


def _choice(fields: Fields, name: str, allowed: tuple[str, ...]) -> str | None:
    if name not in fields:
        return None
    value, path = fields[name]
    said = value.lower() if isinstance(value, str) else ""
    if said not in allowed:
        _refuse(path, f"{path} must be one of {', '.join(allowed)}.")
    return said


def _whole(value: Any) -> int | None:
    """Read a whole number; forms and OpenAI's `seconds` write it as a text."""
    try:
        return msgspec.convert(value, int, strict=False) if not isinstance(value, bool) else None
    except msgspec.ValidationError:
        return None


def _refuse(path: str, message: str) -> NoReturn:
    raise InvalidRequest(message, param=path)
