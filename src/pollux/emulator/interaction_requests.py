"""What an interaction asks for: a film of Omni, from words, pictures and a film before.

Source: gemini-native.md, sections 17.2 and 24 (from Google's SDK and documentation; nothing is recorded). Errors have codes
that are words, in `error.code`; their messages are the emulator's own, since none is known.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from pollux.emulator.errors import NativeError
from pollux.emulator.video_requests import Wanted

FIELDS = (
    "model", "agent", "input", "system_instruction", "tools", "generation_config", "response_format", "response_modalities",
    "previous_interaction_id", "store", "background", "stream", "service_tier", "safety_settings", "labels", "webhook_config",
    "continuation_token", "cached_content", "response_mime_type", "agent_config", "environment",
)  # fmt: skip
"""Of a request. Source: section 24, and the SDK's CreateModelInteraction."""

FORMAT_FIELDS = ("type", "aspect_ratio", "duration", "resolution", "delivery")

TASKS = ("text_to_video", "image_to_video", "reference_to_video", "edit", "extend", "upscale")

HEIGHTS = {"360p": 360, "720p": 720, "1080p": 1080, "4k": 2160}

SHAPES, DELIVERIES = ("16:9", "9:16"), ("inline", "uri")

SECONDS_MIN, SECONDS_MAX, SECONDS_DEFAULT = 3, 10, 8
"""Of a film; the default is the emulator's own."""

DURATION = re.compile(r"(\d{1,2})(?:\.0*)?s")

TAG = re.compile(r"<(FIRST_FRAME|LAST_FRAME|IMAGE_REF_(\d))>")
"""Which picture a prompt means for what."""


class InteractionError(NativeError):
    """An error as the Interactions API tells it: its code is a word."""

    def __init__(self, status: int, word: str, message: str) -> None:
        """Make it of a status, a code and a message."""
        super().__init__(status, message)
        self.word = word

    def body(self) -> dict[str, Any]:
        """Make the JSON object of it."""
        return {"error": {"code": self.word, "message": self.message}}


@dataclass(frozen=True, slots=True)
class Medium:
    """A picture or a film of the input: its bytes in base64, or its address."""

    kind: str
    data: str
    uri: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was read; media are still to be fetched."""

    model: str
    prompt: str
    task: str
    width: int
    height: int
    seconds: int
    delivery: str
    background: bool
    store: bool
    previous: str
    media: tuple[Medium, ...] = ()
    roles: tuple[str, ...] = ()
    """Of the pictures in their order: first, last, reference."""
    echoed: dict[str, Any] = field(default_factory=dict)
    """What the answer repeats of the request."""


def read(request: Any) -> Asked:
    """Read a request, or refuse it."""
    if not isinstance(request, dict):
        raise wrong("The request body must be a JSON object.")
    for name in request:
        if name not in FIELDS:
            raise InteractionError(400, "parameter_unknown", f"Unknown parameter '{name}'.")
    model = str(request.get("model", "")).removeprefix("models/")
    if not model:
        raise wrong("One of 'model' and 'agent' is required.")
    form = _format(request)
    task = _of(
        TASKS, _object(_object(request, "generation_config"), "video_config"), "task", "generation_config.video_config.task"
    )
    shape = _of(SHAPES, form, "aspect_ratio", "response_format.aspect_ratio") or SHAPES[0]
    height = HEIGHTS[_of(tuple(HEIGHTS), form, "resolution", "response_format.resolution") or "720p"]
    width = height * 16 // 9
    background, store = request.get("background", False), request.get("store", True)
    if not isinstance(background, bool) or not isinstance(store, bool):
        raise wrong("'background' and 'store' must be booleans.")
    if background and not store:
        raise wrong("'background' requires 'store' to be true.")
    prompt, media = _input(request.get("input"))
    return Asked(
        model,
        TAG.sub("", prompt).strip(),
        task,
        *((width, height) if shape == "16:9" else (height, width)),
        _seconds(form),
        _of(DELIVERIES, form, "delivery", "response_format.delivery") or "inline",
        background,
        store,
        str(request.get("previous_interaction_id") or ""),
        media,
        _roles(prompt, task, sum(medium.kind == "image" for medium in media)),
        {name: request[name] for name in ("previous_interaction_id", "service_tier", "labels") if request.get(name)},
    )


def film(asked: Asked, pictures: list[bytes]) -> Wanted:
    """Make the film's order of what was asked for and its pictures."""
    by_role: dict[str, list[bytes]] = {"first": [], "last": [], "reference": []}
    for role, data in zip(asked.roles, pictures, strict=True):
        by_role[role].append(data)
    first, last = (by_role[role][0] if by_role[role] else b"" for role in ("first", "last"))
    references = tuple(by_role["reference"])
    return Wanted(asked.prompt, "", asked.width, asked.height, asked.seconds, 0, first, last, references)


def wrong(message: str) -> InteractionError:
    """Refuse a request."""
    return InteractionError(400, "invalid_request", message)


def _format(request: dict[str, Any]) -> dict[str, Any]:
    given = request.get("response_format", {"type": "video"})
    listed = given if isinstance(given, list) else [given]
    found = [one for one in listed if isinstance(one, dict) and one.get("type") == "video"]
    if len(listed) != 1 or not found:
        raise wrong("'response_format' must be of type video for this model.")
    for name in found[0]:
        if name not in FORMAT_FIELDS:
            raise InteractionError(400, "parameter_unknown", f"Unknown parameter 'response_format.{name}'.")
    return found[0]


def _object(given: dict[str, Any], name: str) -> dict[str, Any]:
    value = given.get(name) or {}
    if not isinstance(value, dict):
        raise wrong(f"'{name}' must be an object.")
    return value


def _of(allowed: tuple[str, ...], given: dict[str, Any], name: str, path: str) -> str:
    """Read one of a set of words; empty: not given."""
    value = given.get(name)
    if value is not None and value not in allowed:
        raise wrong(f"Invalid value '{value}' for '{path}'. Supported values are: {', '.join(allowed)}.")
    return value or ""


def _seconds(form: dict[str, Any]) -> int:
    value = form.get("duration", f"{SECONDS_DEFAULT}s")
    found = DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or not SECONDS_MIN <= int(found[1]) <= SECONDS_MAX:
        between = f"whole seconds from '{SECONDS_MIN}s' to '{SECONDS_MAX}s'"
        raise wrong(f"Invalid value '{value}' for 'response_format.duration'. Supported values are {between}.")
    return int(found[1])


def _input(given: Any) -> tuple[str, tuple[Medium, ...]]:
    """Read the input: a text, a content, a list of contents, or of steps of the user."""
    if isinstance(given, str):
        return given, ()
    listed = given if isinstance(given, list) else [given]
    contents: list[Any] = []
    for one in listed:
        inner = one.get("content") if isinstance(one, dict) and one.get("type") == "user_input" else one
        contents += inner if isinstance(inner, list) else [inner]
    texts, media = [], []
    for content in contents:
        match content:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": ("image" | "video") as kind}:
                data, uri = content.get("data", ""), content.get("uri", "")
                if not isinstance(data, str) or not isinstance(uri, str) or bool(data) == bool(uri):
                    raise wrong(f"A content of type {kind} needs either 'data' or 'uri'.")
                media.append(Medium(kind, data, uri))
            case str(text):
                texts.append(text)
            case _:
                raise wrong("'input' must be a text, or contents of type text, image or video.")
    if not texts and not media:
        raise wrong("'input' is required.")
    return "\n".join(texts), tuple(media)


def _roles(prompt: str, task: str, pictures: int) -> tuple[str, ...]:
    """Say what each picture is for: by tags of the prompt, by the task, else one is the first frame and two are both ends."""
    tags = [found[1] for found in TAG.finditer(prompt)]
    named = {"FIRST_FRAME": "first", "LAST_FRAME": "last"}
    if tags and len(tags) >= pictures:
        return tuple(named.get(tag, "reference") for tag in tags[:pictures])
    if task == "reference_to_video" or pictures > 2:
        return ("reference",) * pictures
    return ("first", "last")[:pictures]
