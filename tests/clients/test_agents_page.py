"""Every sample of docs/agents.md runs as it stands, but for the address."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import Service
from tools import node

PAGE = (Path(__file__).parents[2] / "docs" / "agents.md").read_text(encoding="utf-8")

ADDRESS = "http://127.0.0.1:8080"

SAID = [
    ("agents-sdk", "from agents import", ["get_time gave", "It is noon in Lima."]),
    ("langchain", "from langchain_openai", ["get_time gave", "It is noon in Lima."]),
    ("pydantic-ai", "from pydantic_ai import", ["get_time gave", "It is noon in Lima."]),
    ("loop", "def get_weather", ['"city":"Paris"', '"city":"Oslo"', '"celsius":12']),
    ("summary", "reasoning_effort=", ["**Reading the request**", "thinkingLevel LOW"]),
    ("google-form", "x-pollux-thoughts", ["<thought>**Reading the request**", "</thought>This is the Pollux emulator"]),
    ("search", "web_search_options", ["The last user text is “What is new in Zürich?” https://"]),
    ("code", "code_execution", ["print(12*(3+4))", "It received 3 messages, 2 from the user and 1 from the model."]),
]
"""For each sample: a name, words that are in it alone, and what it prints."""


def blocks(language: str) -> list[str]:
    """Give the page's samples in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_no_sample_is_forgotten() -> None:
    """Each has its row, and each row its sample."""
    found = [[name for name, mark, _ in SAID if mark in sample] for sample in blocks("python")]

    assert sorted(found) == sorted([name] for name, _, _ in SAID)


@pytest.mark.parametrize(("mark", "words"), [row[1:] for row in SAID], ids=[row[0] for row in SAID])
def test_python_samples_run(service: Service, mark: str, words: list[str]) -> None:
    """As programs of their own, without a warning; they print what the page says."""
    [sample] = [sample for sample in blocks("python") if mark in sample]
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", sample.replace(ADDRESS, service.url)],
        env=environment | {"PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [word for word in words if word not in done.stdout] == [], done.stdout


def test_the_javascript_sample_runs(service: Service) -> None:
    """In Node, with the pinned packages."""
    [sample] = blocks("javascript")
    done = node.run_script(sample.replace(ADDRESS, service.url))

    assert done.returncode == 0, done.stderr
    assert "It is noon in Lima." in done.stdout
