"""The models that the emulator lists: the guide's, and those of November 2026.

Sources: gemini-native.md, section 27 (today's ids, limits, methods); the recorded lists of 2026-02 and 2026-09 for names,
versions, descriptions and sampling defaults; the guide for its six names. A `-latest` alias lives on v1beta alone.
"""

from dataclasses import dataclass
from typing import Any

from pollux.emulator.families import FAMILIES, Family
from pollux.emulator.pictures.sizes import SIZES

TEXT = ("generateContent", "countTokens", "createCachedContent", "batchGenerateContent")
TEXT_ONLY = ("generateContent", "countTokens")
IMAGE = ("generateContent", "countTokens", "batchGenerateContent")
EMBED = ("embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent")
VIDEO = ("predictLongRunning",)
LIVE = ("bidiGenerateContent",)

MILLION = 1_048_576

OCTOBER = "2026-10-16T00:00:00Z"
"""The announced earliest end of the 2.5 models."""


@dataclass(frozen=True, slots=True)
class Model:
    """One line of the list, and the family it behaves like."""

    name: str
    family_name: str
    version: str
    input_token_limit: int = MILLION
    output_token_limit: int = 65_536
    methods: tuple[str, ...] = TEXT
    title: str = ""
    max_temperature: float | None = 2
    thinking: bool = True
    target: str = ""
    """The model behind an alias: it shows as `modelVersion`."""
    listed: bool = True
    """False: it answers, but is not in the list (a preview's name that leads to its successor)."""
    retirement: str = ""
    """When it is to end; then its answers carry `modelStatus`. Source: gemini-native.md, sections 6 and 27."""

    @property
    def is_latest(self) -> bool:
        """Tell whether it is a `-latest` alias, which v1beta alone has."""
        return self.name.endswith("-latest")

    @property
    def draws(self) -> bool:
        """Tell whether it answers in pictures."""
        return self.family_name in SIZES

    @property
    def speaks(self) -> bool:
        """Tell whether it answers in sound: the TTS models."""
        return "-tts" in self.name

    @property
    def transcribes(self) -> bool:
        """Tell whether it writes down sound and does nothing else."""
        return "-transcribe" in self.name

    @property
    def family(self) -> Family:
        """What is known of its family."""
        return FAMILIES[self.family_name]

    def resource(self) -> dict[str, Any]:
        """Make the Model object of the list, keys in the recorded order."""
        title = self.title or _title(self.name)
        resource: dict[str, Any] = {
            "name": f"models/{self.name}",
            "version": self.version,
            "displayName": title,
            "description": f"Latest release of {title.removesuffix(' Latest')}" if self.is_latest else title,
            "inputTokenLimit": self.input_token_limit,
            "outputTokenLimit": self.output_token_limit,
            "supportedGenerationMethods": list(self.methods),
        }
        if self.max_temperature is not None:
            resource |= {"temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": self.max_temperature}
        if self.thinking:
            resource["thinking"] = True
        return resource


def _title(name: str) -> str:
    words = name.replace("flash-lite", "flash_lite").split("-")
    return " ".join(word.capitalize() for word in words).replace("Flash_lite", "Flash-Lite").replace("Tts", "TTS")


def _image(name: str, family: str, version: str, tokens: tuple[int, int], title: str, *, thinking: bool = True) -> Model:
    return Model(name, family, version, *tokens, methods=IMAGE, title=title, max_temperature=1, thinking=thinking)


def _plain(name: str, version: str, tokens: tuple[int, int], methods: tuple[str, ...], title: str = "") -> Model:
    """A model without sampling settings: embeddings, videos."""
    return Model(name, "media", version, *tokens, methods=methods, title=title, max_temperature=None, thinking=False)


def _speech(name: str, version: str, tokens: tuple[int, int] = (8_192, 16_384)) -> Model:
    return Model(name, "media", version, *tokens, methods=TEXT_ONLY, thinking=False)


MODELS = (
    Model("gemini-2.5-flash", "2.5-flash", "001", retirement=OCTOBER),
    Model("gemini-2.5-pro", "2.5-pro", "2.5", retirement=OCTOBER),
    Model("gemini-2.5-flash-lite", "2.5-flash-lite", "001", retirement=OCTOBER),
    Model("gemini-3-flash-preview", "3-flash", "3-flash-preview-12-2025"),
    Model("gemini-3.1-pro-preview", "3.1-pro", "3.1-pro-preview-01-2026"),
    Model("gemini-3.1-pro-preview-customtools", "3.1-pro", "3.1-pro-preview-01-2026"),
    Model("gemini-3.1-flash-lite", "3.1-flash-lite", "001"),
    Model("gemini-3.5-flash", "3.5-flash", "3.5-flash-05-2026"),
    Model("gemini-3.5-flash-lite", "3.5-flash-lite", "3.5-flash-lite-07-2026"),
    Model("gemini-3.6-flash", "3.6-flash", "3.6-flash-07-2026"),
    Model("gemini-3.7-flash", "3.7-flash", "3.7-flash-08-2026"),
    Model("gemini-3.8-flash", "3.7-flash", "3.8-flash-09-2026"),
    Model("gemini-4-argon", "4-argon", "4-argon-10-2026", MILLION, MILLION, IMAGE),
    Model("gemini-4-hydrogen", "4-hydrogen", "4-hydrogen-11-2026", MILLION, MILLION, IMAGE),
    Model("gemini-4-carbon", "4-carbon", "4-carbon-11-2026", MILLION, MILLION, IMAGE),
    Model("gemini-flash-latest", "3.7-flash", "Gemini Flash Latest", target="gemini-3.8-flash"),
    Model("gemini-flash-lite-latest", "3.5-flash-lite", "Gemini Flash-Lite Latest", target="gemini-3.5-flash-lite"),
    Model("gemini-pro-latest", "3.1-pro", "Gemini Pro Latest", target="gemini-3.1-pro-preview"),
    Model("gemini-3-pro-preview", "3.1-pro", "3-pro-preview-11-2025", target="gemini-3.1-pro-preview", listed=False),
    Model("gemma-4-26b-a4b-it", "gemma-4", "001", 262_144, 32_768, TEXT_ONLY, "Gemma 4 26B A4B IT"),
    Model("gemma-4-31b-it", "gemma-4", "001", 262_144, 32_768, TEXT_ONLY, "Gemma 4 31B IT"),
    Model("gemini-robotics-er-2-preview", "robotics", "2-preview", 131_072, 65_536, TEXT_ONLY, "Gemini Robotics-ER 2 Preview"),
    _image("gemini-2.5-flash-image", "2.5-flash-image", "2.0", (32_768, 32_768), "Nano Banana", thinking=False),
    _image("gemini-3-pro-image", "3-pro-image", "3.0", (131_072, 32_768), "Nano Banana Pro"),
    _image("gemini-3-pro-image-preview", "3-pro-image", "3.0", (131_072, 32_768), "Nano Banana Pro"),
    _image("nano-banana-pro-preview", "3-pro-image", "3.0", (131_072, 32_768), "Nano Banana Pro"),
    _image("gemini-3.1-flash-image", "3.1-flash-image", "3.0", (65_536, 65_536), "Nano Banana 2"),
    _image("gemini-3.1-flash-lite-image", "3.1-flash-lite-image", "3.0", (65_536, 65_536), "Nano Banana 2 Lite"),
    _image("gemini-nano-banana-2.1", "nano-banana-2.1", "2.1", (65_536, 32_768), "Nano Banana 2.1"),
    _speech("gemini-3.8-flash-tts", "3.8-flash-tts-10-2026"),
    _speech("gemini-3.8-flash-lite-tts", "3.8-flash-lite-tts-10-2026"),
    _speech("gemini-3.1-flash-tts-preview", "3.1-flash-tts-preview"),
    _speech("gemini-3.5-transcribe", "3.5-transcribe-08-2026", (131_072, 65_536)),
    _plain("gemini-embedding-001", "001", (2_048, 1), EMBED),
    _plain("gemini-embedding-2", "2", (8_192, 1), EMBED),
    _plain("gemini-embedding-2-preview", "2", (8_192, 1), EMBED),
    _plain("veo-3.1-generate-preview", "3.1", (480, 8_192), VIDEO, "Veo 3.1"),
    _plain("veo-3.1-fast-generate-preview", "3.1", (480, 8_192), VIDEO, "Veo 3.1 fast"),
    _plain("veo-3.1-lite-generate-preview", "3.1", (480, 8_192), VIDEO, "Veo 3.1 lite"),
    _plain("gemini-omni-1.1-flash", "1.1", (131_072, 65_536), (), "Gemini Omni 1.1 Flash"),
    _plain("gemini-omni-1.2-flash", "1.2", (131_072, 65_536), (), "Gemini Omni 1.2 Flash"),
    Model("gemini-3.8-live", "media", "3.1-flash-live-03-2026", 131_072, 65_536, LIVE, thinking=False),
    Model("gemini-3.8-live-extended-thinking", "media", "3.1-flash-live-03-2026", 131_072, 65_536, LIVE),
    Model("gemini-3.1-flash-live-preview", "media", "3.1-flash-live-03-2026", 131_072, 65_536, LIVE, thinking=False),
    Model("gemini-3.5-live-translate-preview", "media", "3.5-live-translate-06-2026", 16_384, 32_768, LIVE, thinking=False),
    _plain("lyria-3.5", "3.5", (MILLION, 65_536), TEXT_ONLY, "Lyria 3.5"),
    _plain("lyria-3-pro-preview", "3", (MILLION, 65_536), TEXT_ONLY, "Lyria 3 Pro Preview"),
    _plain("lyria-3-clip-preview", "3", (MILLION, 65_536), TEXT_ONLY, "Lyria 3 Clip Preview"),
)  # fmt: skip

BY_NAME = {model.name: model for model in MODELS}

RETIRED = {
    "gemini-1.5-flash": "gemini-3.8-flash",
    "gemini-1.5-flash-latest": "gemini-3.8-flash",
    "gemini-1.5-pro": "gemini-3.1-pro-preview",
    "gemini-2.0-flash": "gemini-3.8-flash",
    "gemini-2.0-flash-001": "gemini-3.8-flash",
    "gemini-2.0-flash-exp": "gemini-3.8-flash",
    "gemini-2.0-flash-lite": "gemini-3.5-flash-lite",
    "gemini-3.1-flash-lite-preview": "gemini-3.1-flash-lite",
    "gemini-3.1-flash-image-preview": "gemini-nano-banana-2.1",
    "text-embedding-004": "gemini-embedding-2",
    "imagen-4.0-generate-001": "gemini-nano-banana-2.1",
    "veo-2.0-generate-001": "gemini-omni-1.1-flash",
    "veo-3.0-generate-001": "gemini-omni-1.1-flash",
}
"""Models that were shut down, with the one that Google names in their place. Source: gemini-native.md, section 27."""


def known(name: str, version: str) -> Model | None:
    """Find a model that this API version lists."""
    model = BY_NAME.get(name)
    return None if model is None or (model.is_latest and version != "v1beta") else model


def listed(version: str) -> list[Model]:
    """All models that this API version lists, in order."""
    return [model for model in MODELS if model.listed and (not model.is_latest or version == "v1beta")]
