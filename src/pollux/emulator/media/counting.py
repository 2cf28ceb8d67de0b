"""How many tokens a medium counts, by family and resolution.

Recorded (tests/recorded): on 2.5 a small image 258, a page 258, a second of sound 32, a frame of film 263, one a second, its
sound beside it as AUDIO. On Gemini 3 and later pictures and pages are laid on a grid of at most so many cells, of their own
shape: 1120 for an image (recorded 1088, 1092, 1102), 560 for a page (520, 532; told as IMAGE), 70 for a frame (66); a second of
sound 25 (113 for 4.5 s, 80 for 3.2 s), and a film's sound is told as VIDEO (910 for ten seconds). Tiles of larger images,
the other resolutions: documented (media resolution, token counting), recorded nowhere.
"""

import math
from dataclasses import dataclass
from typing import Any

from pollux.emulator.media.facts import Facts

IMAGE_TOKENS = {"LOW": 280, "MEDIUM": 560, "HIGH": 1120, "ULTRA_HIGH": 2240}
"""Cells of the grid on Gemini 3 and later; without a resolution 1120 for images, 560 for pages. Source: media resolution."""

FRAME_TOKENS = {"LOW": 70, "MEDIUM": 70, "HIGH": 280, "ULTRA_HIGH": 280}

TILE, TILE_LOW = 258, 66
"""On 2.5: two more than the documented 256 and 64."""

FRAME_STAMP = 5
"""A frame on 2.5 counts 263: the image and its time (recorded)."""

TILE_SIDE_MIN, TILE_SIDE_MAX, SMALL_SIDE = 256, 768, 384
"""An image of at most 384 pixels either way is one tile; a larger one is cut into tiles. Source: token counting, images."""

SOUND_TILES, SOUND_GRID = 32, 25
"""Tokens of a second of sound."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What a part's `videoMetadata`, `audioMetadata`, `documentMetadata` and `mediaResolution` ask for."""

    start: float = 0
    end: float | None = None
    frames_a_second: float = 1
    resolution: str = ""
    """LOW, MEDIUM, HIGH, ULTRA_HIGH; empty: the default."""
    in_result: bool = False
    """In a function's result, where a page counts as an image does (recorded)."""

    def seconds(self, facts: Facts) -> float:
        """Say how much of a sound or a film is taken."""
        end = facts.seconds if self.end is None else min(self.end, facts.seconds)
        return max(end - self.start, 0)


def clip_of(part: dict[str, Any], config: dict[str, Any], *, in_result: bool = False) -> Clip:
    """Read what a part asks for; the request's `mediaResolution` counts where the part has none."""
    about = {**part.get("audioMetadata", {}), **part.get("videoMetadata", {})}
    level = str(part.get("mediaResolution", {}).get("level") or config.get("mediaResolution") or "")
    level = level.removeprefix("MEDIA_RESOLUTION_")
    return Clip(
        _seconds(about.get("startOffset")) or 0,
        _seconds(about.get("endOffset")),
        float(about.get("fps", 1)),
        "" if level == "UNSPECIFIED" else level,
        in_result,
    )


def count(facts: Facts, clip: Clip, *, grid: bool) -> dict[str, int]:
    """Count a medium's tokens by modality; `grid` for Gemini 3 and later."""
    match facts.kind:
        case "image":
            return {"IMAGE": _cells(IMAGE_TOKENS, clip, 1120, facts.height / facts.width) if grid else _tiles(facts, clip)}
        case "document":
            if not grid:
                return {"DOCUMENT": facts.pages * (TILE_LOW if clip.resolution == "LOW" else TILE)}
            page = _cells(IMAGE_TOKENS, clip, 1120 if clip.in_result else 560, facts.page_ratio)
            return {"IMAGE": facts.pages * page}
        case "audio":
            return {"AUDIO": math.ceil(clip.seconds(facts) * (SOUND_GRID if grid else SOUND_TILES))}
        case "video":
            return _film(facts, clip, grid=grid)
        case "text":
            return {"TEXT": facts.tokens}


def _film(facts: Facts, clip: Clip, *, grid: bool) -> dict[str, int]:
    seconds = clip.seconds(facts)
    if grid:
        frames = max(1, math.floor(seconds * clip.frames_a_second))
        sound = math.ceil(seconds * SOUND_GRID) if facts.sound else 0
        return {"VIDEO": frames * _cells(FRAME_TOKENS, clip, 70, facts.height / facts.width) + sound}
    frames = max(1, math.ceil(seconds * clip.frames_a_second))
    counted = {"VIDEO": frames * ((TILE_LOW if clip.resolution == "LOW" else TILE) + FRAME_STAMP)}
    return counted | ({"AUDIO": math.ceil(seconds * SOUND_TILES)} if facts.sound else {})


def _cells(table: dict[str, int], clip: Clip, default: int, ratio: float) -> int:
    """Lay a picture on a grid of its own shape with at most so many cells, rows and columns rounded down."""
    most = table.get(clip.resolution, default)
    rows = min(max(1, math.floor(math.sqrt(most * ratio))), most)
    columns = min(max(1, math.floor(math.sqrt(most / ratio))), most)
    return min(rows * columns, most)


def _tiles(facts: Facts, clip: Clip) -> int:
    if clip.resolution == "LOW":
        return TILE_LOW
    if clip.resolution == "MEDIUM" or max(facts.width, facts.height) <= SMALL_SIDE:
        return TILE
    side = min(max(math.floor(min(facts.width, facts.height) / 1.5), TILE_SIDE_MIN), TILE_SIDE_MAX)
    return TILE * math.ceil(facts.width / side) * math.ceil(facts.height / side)


def _seconds(duration: Any) -> float | None:
    """Read a duration such as "12.5s"; its form has been checked."""
    return float(str(duration).removesuffix("s")) if duration else None
