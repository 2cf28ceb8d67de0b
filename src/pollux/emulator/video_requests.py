"""What a request for a film means, and what the service refuses of it, by model.

Sources of the words: QUOTED is read in several public programs and notes of 2025 and 2026 that say they had it from the live
service; AFTER means that no wording is known. Rules: gemini-native.md, section 17.1.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pollux.emulator import errors
from pollux.emulator.errors import NativeError, invalid
from pollux.emulator.models import Model
from pollux.emulator.tokens import count_text

INSTANCE = ("prompt", "image", "lastFrame", "referenceImages", "video")

PARAMETERS = ("sampleCount", "aspectRatio", "resolution", "durationSeconds", "negativePrompt", "personGeneration",
              "enhancePrompt", "seed")  # fmt: skip

SECONDS, SECONDS_DEFAULT = (4, 6, 8), 8

SHAPES = ("16:9", "9:16")

HEIGHTS = {"720p": 720, "1080p": 1080, "4k": 2160}

PERSONS = ("allow_all", "allow_adult", "dont_allow")

SAMPLES_MAX, REFERENCES_MAX = 4, 3

SEED_MAX = 2**32 - 1

EXTENSION_SECONDS, EXTENDED_SECONDS_MAX = 7, 141
"""What an extension adds, and how long the film before may be."""

FILE_URI = re.compile(r"(?:https?://[^/]+/(?:download/)?v\w+/)?files/(?P<id>[a-z0-9-]+)(?::download)?(?:\?.*)?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A film that is to be made."""

    prompt: str
    negative: str = ""
    width: int = 1280
    height: int = 720
    seconds: int = SECONDS_DEFAULT
    seed: int = 0
    first: bytes = b""
    """The picture that it begins with; none: empty."""
    last: bytes = b""
    """The picture that it ends with."""
    references: tuple[bytes, ...] = ()
    before: bytes = b""
    """The film that it continues."""
    before_seconds: int = 0
    """How long that one is."""


@dataclass(frozen=True, slots=True)
class Order:
    """What one request asks for: a film in so many samples, or what it refers to."""

    film: Wanted
    samples: int
    extends: str = ""
    """The id of the file that is to be extended."""


def read(request: dict[str, Any], model: Model) -> Order:
    """Read `instances` and `parameters`, or refuse them."""
    instances = request.get("instances", [])
    if len(instances) != 1 or not isinstance(instances[0], dict):
        # AFTER: no wording is known.
        raise invalid("Exactly one instance must be provided.")
    instance, given = instances[0], request.get("parameters") or {}
    if not isinstance(given, dict):
        raise invalid("`parameters` needs to be an object.")
    _check_known(instance, INSTANCE)
    _check_known(given, PARAMETERS)
    prompt = _text(instance, "prompt")
    if not prompt.strip() and not instance.get("image"):
        # AFTER: no wording is known.
        raise invalid("The prompt is empty. Please provide a value for `prompt`.")
    if count_text(prompt) > model.input_token_limit:
        raise errors.context_overflow(model.input_token_limit)
    first, last = _picture(instance, "image"), _picture(instance, "lastFrame")
    references = _references(instance)
    extends = _extended(instance)
    shape = _choice(given, "aspectRatio", SHAPES)
    heights = tuple(name for name in HEIGHTS if name != "4k" or "lite" not in model.name)
    resolution = _choice(given, "resolution", heights)
    seconds = _seconds(given, resolution, first=first, last=last, references=references, extends=extends)
    if last and not first:
        # AFTER: no wording is known. Source of the rule: gemini-native.md, section 17.1 (interpolation).
        raise invalid("`lastFrame` can only be used together with `image`. Please provide a value for `image`.")
    if extends and (resolution != "720p" or first or references):
        # AFTER: no wording is known. Source of the rule: gemini-native.md, section 17.1 (extension adds 7 s, 720p).
        raise invalid("Extending a video is supported with resolution 720p and without images only.")
    _check_persons(given, with_picture=bool(first or last or references))
    height = HEIGHTS[resolution]
    width, height = (height * 16 // 9, height) if shape == "16:9" else (height, height * 16 // 9)
    samples = _number(given, "sampleCount", 1, 1, SAMPLES_MAX)
    if not isinstance(given.get("enhancePrompt", True), bool):
        raise invalid("The value type for `enhancePrompt` needs to be a boolean.")
    seed = _number(given, "seed", 0, 0, SEED_MAX)
    negative = _text(given, "negativePrompt")
    film = Wanted(prompt, negative, width, height, EXTENSION_SECONDS if extends else seconds, seed, first, last, references)
    return Order(film, samples, extends)


def prompt_of(request: dict[str, Any]) -> str:
    """Find the prompt of a request for a film, of either API, however wrong the rest of it is."""
    listed = request.get("instances") or request.get("input") or []
    words = [listed] if isinstance(listed, str) else listed if isinstance(listed, list) else [listed]
    texts = [one.get("prompt") or one.get("text") if isinstance(one, dict) else one for one in words]
    return "\n".join(text for text in texts if isinstance(text, str))


def not_extendable() -> NativeError:
    """QUOTED: another film than one of Veo's, or one that is still PROCESSING."""
    return invalid("Input video must be a video that was generated by VEO that has been processed.")


def _check_known(given: dict[str, Any], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise _unsupported(name)


def _unsupported(name: str) -> NativeError:
    """QUOTED for `encoding`, `generateAudio`, `numberOfVideos`, `imageBytes`, `data` and `resolution` (of Veo 2)."""
    return invalid(
        f"`{name}` isn't supported by this model. "
        "Please remove it or refer to the Gemini API documentation for supported usage."
    )


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        # AFTER the number.
        raise invalid(f"The value type for `{name}` needs to be a string.")
    return value


def _picture(given: dict[str, Any], name: str) -> bytes:
    """Read an image: `bytesBase64Encoded` and `mimeType`, nothing else."""
    value = given.get(name)
    if value is None:
        return b""
    if not isinstance(value, dict):
        raise invalid(f"The value type for `{name}` needs to be an object.")
    _check_known(value, ("bytesBase64Encoded", "mimeType"))
    try:
        data = base64.b64decode(value.get("bytesBase64Encoded", ""), validate=True)
    except (binascii.Error, ValueError, TypeError):
        data = b""
    if not data or not value.get("mimeType"):
        # AFTER: no wording is known.
        raise invalid(f"`{name}` needs `bytesBase64Encoded` and `mimeType`.")
    return data


def _references(instance: dict[str, Any]) -> tuple[bytes, ...]:
    listed = instance.get("referenceImages") or []
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise invalid("The value type for `referenceImages` needs to be a list.")
    if len(listed) > REFERENCES_MAX:
        # AFTER the duration.
        raise invalid(f"The number of `referenceImages` is out of bound. Please provide at most {REFERENCES_MAX}.")
    for one in listed:
        _check_known(one, ("image", "referenceType"))
        # Case: google-genai sends ASSET, others asset; both are taken here (gemini-native.md, 17.1, UNCONFIRMED).
        if str(one.get("referenceType", "asset")).lower() not in ("asset", "style"):
            raise _bad_string("referenceType", one["referenceType"])
    return tuple(_picture(one, "image") for one in listed)


def _extended(instance: dict[str, Any]) -> str:
    video = instance.get("video")
    if video is None:
        return ""
    if not isinstance(video, dict):
        raise invalid("The value type for `video` needs to be an object.")
    _check_known(video, ("uri",))
    found = FILE_URI.fullmatch(str(video.get("uri", "")))
    if found is None:
        raise not_extendable()
    return found["id"]


def _choice(given: dict[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = given.get(name, allowed[0])
    if value not in allowed:
        raise _bad_string(name, value)
    return str(value)


def _bad_string(name: str, value: object) -> NativeError:
    """QUOTED for `resolution`."""
    return invalid(f"The string value `{value}` for `{name}` is invalid.")


def _number(given: dict[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        # AFTER what public notes say of a duration that is sent as a text.
        raise invalid(f"The value type for `{name}` needs to be a number.")
    if not least <= value <= most:
        raise _out_of_bound(name, least, most)
    return int(value)


def _out_of_bound(name: str, least: int, most: int) -> NativeError:
    """QUOTED for `durationSeconds`, 5 included, which lies between."""
    return invalid(
        f"The number value for `{name}` is out of bound. Please provide a value between {least} and {most}, inclusive."
    )


def _seconds(given: dict[str, Any], resolution: str, **inputs: object) -> int:
    seconds = _number(given, "durationSeconds", SECONDS_DEFAULT, SECONDS[0], SECONDS[-1])
    if seconds not in SECONDS:
        raise _out_of_bound("durationSeconds", SECONDS[0], SECONDS[-1])
    if resolution != "720p" and seconds != SECONDS_DEFAULT:
        # QUOTED for 1080p.
        raise invalid(f"Resolution {resolution} requires duration seconds to be {SECONDS_DEFAULT} seconds, but got {seconds}.")
    needs: dict[str, Callable[[], bool]] = {
        "Reference images": lambda: bool(inputs["references"]),
        "Interpolation": lambda: bool(inputs["first"] and inputs["last"]),
        "Extension": lambda: bool(inputs["extends"]),
    }
    for what, is_wanted in needs.items():
        if seconds != SECONDS_DEFAULT and is_wanted():
            # AFTER the resolution.
            raise invalid(f"{what} requires duration seconds to be {SECONDS_DEFAULT} seconds, but got {seconds}.")
    return seconds


def _check_persons(given: dict[str, Any], *, with_picture: bool) -> None:
    value = given.get("personGeneration")
    if value is not None and (value not in PERSONS or (with_picture and value == "allow_all")):
        # QUOTED, with each of the three values, depending on time and place; the rule here is gemini-native.md's, 17.1.
        raise invalid(f"{value} for personGeneration is currently not supported.")
