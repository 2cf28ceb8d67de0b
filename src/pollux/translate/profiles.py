"""What is known of a model family, and where it is written. No other file asks what a model is called.

The first row whose pattern begins the model's name is the family. A name that no row knows inherits the newest family.
Source, unless a row says otherwise: Gemini API, Thinking, table of 25 September 2026; changes of 3.6 Flash (prefill,
sampling parameters).
"""

import dataclasses
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

Level = Literal["MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"]

LOW_TO_HIGH: tuple[Level, ...] = ("LOW", "MEDIUM", "HIGH")
MINIMAL_TO_HIGH: tuple[Level, ...] = ("MINIMAL", *LOW_TO_HIGH)


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a model family.

    `levels` and `budgets` (smallest, largest) say how thinking is controlled: by one of them, or not at all.
    `signatures` says what becomes of a function call of the current turn without its thought signature: "required" is a 400.
    `mixes_tools`: Google's own tools beside functions. `media_in_results`: images inside a tool's result.
    `resolution_by_part`: media resolution for each part, else one for the whole request.
    `candidates_max`: how many answers one native call gives; 3.x and all image models refuse more than one. Source: Gemini
    API, GenerationConfig.candidateCount. `draws`: gives pictures. `speaks`: gives sound; "only" takes a text and gives nothing
    else. `transcribes`: takes one sound and nothing else, and writes down what is said. Source: Gemini API, Image generation,
    Speech generation, Audio transcription; lists of models.
    `ignores_sampling`, `penalties`, `log_probabilities`: whether temperature, top_p and top_k have no effect, and whether the
    others are taken; every model since 2.5 refuses these two ("Penalty is not enabled", "Logprobs is not enabled"). Source:
    Gemini API, GenerationConfig; recorded requests of 1.5; unconfirmed for Gemini 4.
    """

    family: str
    levels: tuple[Level, ...] = ()
    budgets: tuple[int, int] | None = None
    thinking_can_be_off: bool = False
    continues_prefill: bool = False
    ignores_sampling: bool = False
    signatures: Literal["none", "optional", "required"] = "none"
    mixes_tools: bool = False
    media_in_results: bool = False
    resolution_by_part: bool = False
    candidates_max: int = 1
    draws: bool = False
    speaks: Literal["no", "only", "perhaps"] = "no"
    transcribes: bool = False
    penalties: bool = False
    log_probabilities: bool = False

    @property
    def samples(self) -> bool:
        """Whether temperature, top_p and top_k have an effect."""
        return not self.ignores_sampling

    @property
    def controls_thinking(self) -> bool:
        """Whether a request can say how much the model thinks."""
        return bool(self.levels or self.budgets)


def _since_3(family: str, **known: Any) -> Profile:
    """Make a profile with what all families since Gemini 3 share."""
    return Profile(family, signatures="required", mixes_tools=True, media_in_results=True, resolution_by_part=True, **known)


def _of_2_5(family: str, **known: Any) -> Profile:
    """Make a profile with what the text models of Gemini 2.5 share."""
    return Profile(family, continues_prefill=True, signatures="optional", candidates_max=8, **known)


NEWEST = _since_3("gemini", levels=LOW_TO_HIGH, ignores_sampling=True, draws=True, speaks="perhaps")
"""What nobody knows may draw and speak: the service says so itself."""

FAMILIES: tuple[tuple[str, Profile], ...] = (
    (r"gemini-2\.5-flash-image", Profile("gemini-2.5-flash-image", continues_prefill=True, draws=True)),
    (r"gemini-2\.5-.*tts", Profile("gemini-2.5-tts", speaks="only")),
    (r"gemini-2\.5-pro", _of_2_5("gemini-2.5-pro", budgets=(128, 32_768))),
    (
        r"gemini-2\.5-flash-lite",
        _of_2_5("gemini-2.5-flash-lite", budgets=(512, 24_576), thinking_can_be_off=True),
    ),
    (
        r"gemini-2\.5-flash",
        _of_2_5("gemini-2.5-flash", budgets=(1, 24_576), thinking_can_be_off=True),
    ),
    (
        r"gemini-(1\.|2\.0)",
        Profile("gemini-2.0", draws=True, continues_prefill=True, candidates_max=8, penalties=True, log_probabilities=True),
    ),
    (r"gemini-3-pro-image|nano-banana-pro", _since_3("gemini-3-pro-image", draws=True, continues_prefill=True)),
    (r"gemini-3-pro", _since_3("gemini-3-pro", levels=("LOW", "HIGH"), continues_prefill=True)),
    (r"gemini-3-flash", _since_3("gemini-3-flash", levels=MINIMAL_TO_HIGH, continues_prefill=True)),
    (r"gemini-3\.1-pro", _since_3("gemini-3.1-pro", levels=LOW_TO_HIGH, continues_prefill=True)),
    (
        r"gemini-3\.1-flash(-lite)?-image",
        _since_3("gemini-3.1-flash-image", draws=True, levels=("MINIMAL", "HIGH"), continues_prefill=True),
    ),
    (r"gemini-[34].*-tts", Profile("gemini-3-tts", speaks="only")),
    (r"gemini-3\.1-flash-lite", _since_3("gemini-3.1-flash-lite", levels=MINIMAL_TO_HIGH, continues_prefill=True)),
    (r"gemini-[\d.]+-transcribe", Profile("gemini-3.5-transcribe", transcribes=True)),
    (r"gemini-3\.5-flash-lite", _since_3("gemini-3.5-flash-lite", levels=MINIMAL_TO_HIGH, ignores_sampling=True)),
    (r"gemini-3\.5-flash", _since_3("gemini-3.5-flash", levels=MINIMAL_TO_HIGH, continues_prefill=True)),
    (r"gemini-3\.6-flash", _since_3("gemini-3.6-flash", levels=MINIMAL_TO_HIGH, ignores_sampling=True)),
    (r"gemini-3\.[78]-flash", _since_3("gemini-3.8-flash", levels=LOW_TO_HIGH, ignores_sampling=True)),
    (r"gemini-4-hydrogen", _since_3("gemini-4-hydrogen", levels=(*LOW_TO_HIGH, "XHIGH"), ignores_sampling=True)),
    (r"gemini-4", _since_3("gemini-4", levels=LOW_TO_HIGH, ignores_sampling=True)),
    # Third-party report: minimal, medium, high.
    (
        r"gemini-nano-banana",
        _since_3("gemini-nano-banana", draws=True, levels=("MINIMAL", "MEDIUM", "HIGH"), ignores_sampling=True),
    ),
    (r"gemini-robotics", _since_3("gemini-robotics", levels=MINIMAL_TO_HIGH, continues_prefill=True)),
    # Gemma thinks, but how it is controlled is not documented: nothing is sent.
    (r"gemma-", Profile("gemma", continues_prefill=True)),
    (r"gemini-embedding|text-embedding|gemini-omni|veo-|lyria-|imagen-", Profile("not-chat")),
)

_FAMILIES = tuple((re.compile(pattern), family) for pattern, family in FAMILIES)


TAKEN: Mapping[str, Mapping[str, bool]] = MappingProxyType(
    {
        "sampling": {"ignores_sampling": False},
        "penalties": {"penalties": True},
        "log_probabilities": {"log_probabilities": True},
    }
)
"""What a model may take beyond what is known of its family, and the facts that say so."""


@functools.lru_cache(maxsize=1024)
def profile(model: str, taken: str = "") -> Profile:
    """Give what is known of a model, by its bare id; `taken` names what it takes beside, in words of `TAKEN`."""
    known = next((family for pattern, family in _FAMILIES if pattern.match(model)), NEWEST)
    facts: dict[str, Any] = {fact: value for word in taken.split() for fact, value in TAKEN[word].items()}
    return dataclasses.replace(known, **facts)


@dataclass(frozen=True, slots=True)
class Embedder:
    """What is known of a family of embedding models.

    `task_field`: the task is said in `taskType`, else as text before the input. `unit_size`: the only size at which vectors
    come with length 1; None where all do. `media`: takes images, sound, video and PDF. `tells_usage`: says the tokens.
    """

    task_field: bool = False
    unit_size: int | None = None
    media: bool = True
    tells_usage: bool = True


NEWEST_EMBEDDER = Embedder()

EMBEDDERS: tuple[tuple[str, Embedder], ...] = (
    # Source: Gemini API, Embeddings; lengths computed from recorded vectors.
    (r"gemini-embedding-001|gemini-embedding-exp|text-embedding-", Embedder(True, 3072, media=False, tells_usage=False)),
    (r"gemini-embedding-2-preview", Embedder(tells_usage=False)),
)

_EMBEDDERS = tuple((re.compile(pattern), embedder) for pattern, embedder in EMBEDDERS)


def embedder(model: str) -> Embedder:
    """Give what is known of an embedding model, by its bare id."""
    return next((embedder for pattern, embedder in _EMBEDDERS if pattern.match(model)), NEWEST_EMBEDDER)


TEN_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
FOURTEEN_RATIOS = (*TEN_RATIOS, "1:4", "4:1", "1:8", "8:1")


@dataclass(frozen=True, slots=True)
class Painter:
    """What is known of a family of image models.

    `ratios`: the aspect ratios that it makes. `sizes`: its image sizes from the smallest; none where it has one size only.
    `pictures_max`: how many pictures it takes. `needs_words`: it draws only where it may write too. `known`: whether these
    lists are the family's own; else the service says itself what it does not make.
    """

    ratios: tuple[str, ...] = FOURTEEN_RATIOS
    sizes: tuple[str, ...] = ("1K", "2K", "4K")
    pictures_max: int = 14
    needs_words: bool = False
    known: bool = True


NEWEST_PAINTER = Painter(known=False)

PAINTERS: tuple[tuple[str, Painter], ...] = (
    # Source: Gemini API, Image generation, aspect ratios and image sizes; limits of input images.
    (r"gemini-2\.5-flash-image", Painter(TEN_RATIOS, (), pictures_max=3)),
    (r"gemini-2\.0", Painter(TEN_RATIOS, (), pictures_max=3, needs_words=True)),
    (r"gemini-3-pro-image|nano-banana-pro", Painter(TEN_RATIOS)),
    (r"gemini-3\.1-flash-lite-image", Painter(sizes=("512", "1K"))),
    (r"gemini-3\.1-flash-image", Painter(sizes=("512", "1K", "2K", "4K"))),
    (r"gemini-nano-banana-2\.1", Painter()),
)

_PAINTERS = tuple((re.compile(pattern), painter) for pattern, painter in PAINTERS)


def painter(model: str) -> Painter:
    """Give what is known of an image model, by its bare id."""
    return next((painter for pattern, painter in _PAINTERS if pattern.match(model)), NEWEST_PAINTER)


Resolution = Literal["360p", "720p", "1080p", "4k"]


@dataclass(frozen=True, slots=True)
class Filmer:
    """What is known of a family that makes films: by which native methods, and how large.

    Source: Gemini API, Veo 3.1; Interactions, video output.
    """

    engine: Literal["veo", "omni"]
    resolutions: tuple[Resolution, ...]


OMNI = Filmer("omni", ("360p", "720p", "1080p", "4k"))

FILMERS: tuple[tuple[str, Filmer], ...] = (
    (r"veo-.*lite", Filmer("veo", ("720p", "1080p"))),
    (r"veo-", Filmer("veo", ("720p", "1080p", "4k"))),
    (r"gemini-(.*-)?omni", OMNI),
)

_FILMERS = tuple((re.compile(pattern), filmer) for pattern, filmer in FILMERS)


def filmer(model: str) -> Filmer | None:
    """Give what is known of a model that makes films, by its bare id; None for one that is known for something else.

    A name that nobody knows is taken for one of the newest kind.
    """
    known = next((filmer for pattern, filmer in _FILMERS if pattern.match(model)), None)
    if known is None and not any(pattern.match(model) for pattern, _ in _FAMILIES):
        return OMNI
    return known
