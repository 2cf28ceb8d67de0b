"""What a sample printed, as the checks see it, and the exception by which a check refuses it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from guide.scene import Scene

Language = Literal["python", "javascript", "curl"]

LANGUAGES: dict[str, Language] = {".py": "python", ".mjs": "javascript", ".sh": "curl"}
"""Language by the sample file's suffix."""


class SampleError(Exception):
    """A sample's output is not what the guide promises; the message says in one line what is wrong."""


@dataclass(frozen=True, slots=True)
class Output:
    """What one run of a sample left: text on both streams, exit code, pictures it opened, and the scene it ran in."""

    language: Language
    stdout: str
    stderr: str
    exit_code: int
    scene: Scene
    shown: Path | None = None


Check = Callable[[Output], str]
"""Looks at an output: returns in a few words what it found right there, or raises SampleError."""
