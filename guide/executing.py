"""Runs one sample's text in its language, within a time, apart from the developer's shell."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from guide.output import Language, Output, SampleError
from guide.scene import Scene
from tools import node

SAMPLE_SECONDS_MAX = 60
"""A sample takes a second or two; videos and batches are waited for."""

VIEWER = """#!/bin/sh
cp "$1" "$0.part" && mv "$0.part" "$0.shown"
"""
"""Stands in for the desktop's picture viewer, which 07 opens: keeps the picture."""


def execute(text: str, language: Language, scene: Scene) -> Output:
    """Run a sample's text and return what it left. Raises SampleError when it runs too long."""
    viewer = _viewer(scene.folder)
    environment = {name: os.environ[name] for name in node.PASSED_ON if name in os.environ}
    environment |= {"GEMINI_API_KEY": scene.key, "GOOGLE_GEMINI_BASE_URL": scene.base_url, "TMPDIR": str(scene.folder)}
    environment["PATH"] = f"{viewer.parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    try:
        done = _run(text, language, environment, scene.folder)
    except subprocess.TimeoutExpired as error:
        raise SampleError(f"did not end within {SAMPLE_SECONDS_MAX} s") from error
    return Output(language, done.stdout, done.stderr, done.returncode, scene, viewer.with_suffix(".shown"))


def _run(text: str, language: Language, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    match language:
        case "javascript":
            return node.run_script(text, env=environment, timeout_seconds=SAMPLE_SECONDS_MAX, cwd=folder)
        case "python":
            return _bounded([sys.executable, _written(folder / "sample.py", text)], environment, folder)
        case "curl":
            return _bounded(["sh", _written(folder / "sample.sh", text)], environment, folder)


def _bounded(command: list[str], environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(timeout=SAMPLE_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the shell and the curl that it waits for
            raise
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def _written(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def _viewer(folder: Path) -> Path:
    viewer = folder / "bin" / "xdg-open"
    viewer.parent.mkdir(exist_ok=True)
    viewer.with_suffix(".shown").unlink(missing_ok=True)
    _written(viewer, VIEWER)
    viewer.chmod(0o755)
    return viewer
