"""What image models refuse, and which prompts bring words or no picture.

Sources: RECORDED is a fixture of ../shared; a link is a public thread that quotes the live answer; AFTER means that no
wording is known, and this one is formed after its neighbours.
"""

import re
from typing import Any

from pollux.emulator.errors import invalid
from pollux.emulator.models import Model
from pollux.emulator.pictures.sizes import SIZES, not_made
from pollux.emulator.response_rules import wrong_modalities

SAID = {
    "IMAGE_SAFETY": "Unable to show the generated image. The image was filtered out because it violated Google's policies.",
}
"""`finishMessage`, AFTER the documentation; NO_IMAGE has none (RECORDED)."""

QUESTION = re.compile(
    r"\s*(?:what|why|who|when|where|how|which|should|is|are|do|does|can)\b.*\?\s*"
    r"|\s*(?:tell me|explain|summari[sz]e|translate)\b.*",
    re.IGNORECASE | re.DOTALL,
)

DEPICTION = re.compile(
    r"\b(?:image|picture|photo|draw|paint|sketch|illustrat|portrait|logo|poster|icon|visuali[sz]|generate|create|show|render)",
    re.IGNORECASE,
)

WORDS_TOO = re.compile(
    r"\b(?:story|stories|explain|describe|caption|recipe|text|poem|tell|write|sentences?|steps?)\b", re.IGNORECASE
)

SIZE_WORDS = {"FIVE_TWELVE": "512", "ONE_K": "1K", "TWO_K": "2K", "FOUR_K": "4K"}

NUMBER_WORDS = {"ONE": 1, "TWO": 2, "THREE": 3, "FOUR": 4, "FIVE": 5, "EIGHT": 8, "NINE": 9, "SIXTEEN": 16, "TWENTY_ONE": 21}
"""The discovery document's words for sizes and ratios: ImageResponseFormat."""

SEARCHES = ("3-pro-image", "3.1-flash-image", "nano-banana-2.1")
"""Families that take googleSearch. Source: gemini-native.md, section 16."""


def check(request: dict[str, Any], model: Model) -> None:
    """Refuse what concerns pictures, for every model."""
    config = request.get("generationConfig", {})
    modalities = asked_modalities(config)
    if not model.draws:
        if model.family_name != "media" and config.get("imageConfig"):
            # AFTER the refusal of a size that a model does not make.
            raise not_made()
        return
    if not set(modalities) <= {"TEXT", "IMAGE"}:
        raise wrong_modalities(modalities, model, "IMAGE\n* TEXT, IMAGE")
    if any("functionDeclarations" in tool for tool in request.get("tools", [])):
        # AFTER the same sentence about Gemma.
        raise invalid(f"Function calling is not enabled for models/{model.name}")
    if any("googleSearch" in tool for tool in request.get("tools", [])) and model.family_name not in SEARCHES:
        # Quoted in public threads, of other models.
        raise invalid(f"Search as tool is not enabled for models/{model.name}")
    if config.get("responseMimeType", "text/plain") != "text/plain" or "responseSchema" in config:
        # Quoted in many public threads, of gemini-2.5-flash-image too.
        raise invalid(f"JSON mode is not enabled for models/{model.name}")
    wanted = image_config(config)
    SIZES[model.family_name].pixels(wanted.get("aspectRatio") or "1:1", wanted.get("imageSize") or "1K")


def image_config(config: dict[str, Any]) -> dict[str, str]:
    """Read what is asked of a picture, in either form: `imageConfig`, else the newer `responseFormat.image`."""
    if config.get("imageConfig"):
        return dict(config["imageConfig"])
    given = config.get("responseFormat", {}).get("image", {})
    wide, _, high = str(given.get("aspectRatio", "")).removeprefix("ASPECT_RATIO_").partition("_BY_")
    told = {"imageSize": SIZE_WORDS.get(str(given.get("imageSize", "")).removeprefix("IMAGE_SIZE_"), "")}
    if high:
        told["aspectRatio"] = f"{NUMBER_WORDS[wide]}:{NUMBER_WORDS[high]}"
    if given.get("mimeType") == "IMAGE_JPEG":
        told["mimeType"] = "image/jpeg"
    return told


def asked_modalities(config: dict[str, Any]) -> list[str]:
    """List what an answer may have; empty: the model's default, which is text and image."""
    return [name for name in config.get("responseModalities", []) if name != "MODALITY_UNSPECIFIED"]


def ending(prompt: str, *, may_write: bool) -> str:
    """Say how an answer to this prompt ends: a question to a model that may only draw brings NO_IMAGE (RECORDED)."""
    return "NO_IMAGE" if not may_write and is_question(prompt) else "STOP"


def is_question(prompt: str) -> bool:
    """Tell whether a prompt wants words and no picture. RECORDED: "Tell me a two-sentence story", "What should I do next?"."""
    return QUESTION.fullmatch(prompt) is not None and DEPICTION.search(prompt) is None


def wants_words(prompt: str, model: Model) -> bool:
    """Tell whether words stand beside the picture: with 2.5 always, with 3.x where the prompt asks for some (RECORDED)."""
    return model.family_name == "2.5-flash-image" or WORDS_TOO.search(prompt) is not None
