"""Which ratios and sizes each family of image models makes, in pixels and in tokens.

Source: gemini-native.md, section 16; for gemini-2.5-flash-image the same page of Google's documentation of 2025, of which
https://github.com/minimaxir/gemimg/issues/16 (4:3) and https://github.com/langgenius/dify-official-plugins/pull/2108 (9:16)
show pictures.
"""

from dataclasses import dataclass, field

from pollux.emulator.errors import NativeError, invalid

TEN_2_5 = {
    "1:1": (1024, 1024), "2:3": (832, 1248), "3:2": (1248, 832), "3:4": (864, 1184), "4:3": (1184, 864),
    "4:5": (896, 1152), "5:4": (1152, 896), "9:16": (768, 1344), "16:9": (1344, 768), "21:9": (1536, 672),
}  # fmt: skip

TEN = {
    "1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200), "4:3": (1200, 896),
    "4:5": (928, 1152), "5:4": (1152, 928), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672),
}  # fmt: skip

FOURTEEN = TEN | {"1:4": (512, 2048), "4:1": (2048, 512), "1:8": (384, 3072), "8:1": (3072, 384)}

SCALES = {"512": 0.5, "1K": 1, "2K": 2, "4K": 4}


@dataclass(frozen=True, slots=True)
class Sizes:
    """What one family makes."""

    ratios: dict[str, tuple[int, int]]
    """Width and height at 1K."""
    tokens: dict[str, int] = field(default_factory=lambda: {"1K": 1290})
    """Output tokens of a picture, by `imageSize`."""
    mime_type: str = "image/jpeg"
    """Recorded: PNG of 2.5, JPEG of 3.x."""

    def pixels(self, ratio: str, size: str) -> tuple[int, int]:
        """Say width and height, or refuse what this family does not make."""
        if ratio not in self.ratios or size not in self.tokens:
            # https://github.com/QuantumNous/new-api/issues/2543 (4K of gemini-2.5-flash-image); ratios AFTER it.
            raise not_made()
        width, height = self.ratios[ratio]
        return round(width * SCALES[size]), round(height * SCALES[size])

    def nearest(self, width: int, height: int) -> str:
        """Find the ratio that is nearest to an input picture's."""
        return min(self.ratios, key=lambda ratio: abs(self.ratios[ratio][0] * height / (self.ratios[ratio][1] * width) - 1))


SIZES = {
    "2.5-flash-image": Sizes(TEN_2_5, mime_type="image/png"),
    "3-pro-image": Sizes(TEN, {"1K": 1120, "2K": 1120, "4K": 2000}),
    "3.1-flash-image": Sizes(FOURTEEN, {"512": 747, "1K": 1120, "2K": 1680, "4K": 2520}),
    "3.1-flash-lite-image": Sizes(FOURTEEN, {"512": 747, "1K": 1120}),
    "nano-banana-2.1": Sizes(FOURTEEN, {"1K": 1120, "2K": 1680, "4K": 2520}),
}
"""By family. The tokens of nano-banana-2.1 are those of its predecessor: no page tells its own."""


def not_made() -> NativeError:
    """The service's plain refusal."""
    return invalid("Request contains an invalid argument.")
