"""`pollux serve` and `pollux emulate` as processes."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from pollux.cli import modes
from pollux.cli.main import main
from pollux.server.serving import bind
from pollux.settings import Settings

KEYS = {"alice": "sha256:" + "0" * 64}


@contextmanager
def started(*arguments: str, lines: int) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run a command and give it with the first lines that it said."""
    command = [sys.executable, "-c", "import sys; from pollux.cli.main import main; sys.exit(main())", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stdout is not None
        try:
            yield process, "".join(process.stdout.readline() for _ in range(lines))
        finally:
            if process.poll() is None:
                process.kill()


def get(url: str, **headers: str) -> bytes:
    """Ask for a URL."""
    with urlopen(Request(url, headers=headers), timeout=10) as answer:
        body: bytes = answer.read()
        return body


def test_serve_says_what_it_serves_from_and_the_three_lines_to_change(tmp_path: Path) -> None:
    """With two workers, which share the emulator of their parent."""
    with started("serve", "--port", "0", "--upstream", "emulator", "--workers", "2", lines=8) as (process, said):
        found = re.search(r"on (http://127\.0\.0\.1:\d+), 2 workers\n", said)
        assert found, said
        listed = get(f"{found[1]}/v1/models", authorization="Bearer any")
        ready = get(f"{found[1]}/readyz")
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=10)

    assert "answers from  built-in emulator" in said
    assert f'base_url = "{found[1]}/v1"' in said
    assert 'api_key  = "any-text"' in said
    assert 'model    = "gemini-' in said
    assert b'"gemini-3.6-flash"' in listed
    assert ready == b"ready\n"
    assert code == 0


def test_emulate_serves_the_native_api_and_stops_cleanly(tmp_path: Path) -> None:
    """Alone, with a script."""
    script = tmp_path / "script.toml"
    script.write_text('[[answers]]\nsay.text = "scripted"\n')
    with started("emulate", "--port", "0", "--script", str(script), lines=2) as (process, said):
        found = re.search(r"on (http://\S+)", said)
        assert found, said
        listed = get(f"{found[1]}/v1beta/models", **{"x-goog-api-key": "any"})
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=10)

    assert b'"models/gemini-3.6-flash"' in listed
    assert "genai.Client" in said
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--script", "missing.json"], "The script missing.json cannot be read"),
        (["--fault", "nonsense"], "The emulator cannot be set up"),
        (["--event-seconds", "-1"], "The emulator cannot be set up"),
        (["--port", "70000"], "Port 70000"),
    ],
)
def test_emulate_tells_a_mistake_in_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, exit code 2."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    code = main(["emulate", *arguments])
    for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
        signal.signal(number, handler)
    error = capsys.readouterr().err

    assert code == 2
    assert said in error
    assert error.count("\n") == 1


def test_serve_tells_a_taken_port_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With what to do."""
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        code = main(["serve", "--port", str(port)])

    assert code == 2
    assert f"Port {port} on 127.0.0.1 is taken by another program." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "whose", "key"),
    [
        (Settings(), "callers bring their own Gemini keys", "YOUR_GEMINI_KEY"),
        (Settings(gemini_api_key="k"), "for programs on this machine only", "any-text"),
        (Settings(gemini_api_key="k", keys=KEYS), "for callers with a Pollux key (alice)", "YOUR_POLLUX_KEY"),
        (Settings(upstream="emulator"), "believes it", "any-text"),
        (Settings(upstream="emulator", keys=KEYS), "callers need a Pollux key (alice)", "YOUR_POLLUX_KEY"),
    ],
)
def test_the_mode_of_keys_is_said(settings: Settings, whose: str, key: str) -> None:
    """And which key a caller sends."""
    assert whose in modes.keys_of(settings)
    assert modes.callers_key(settings) == key


def test_the_upstream_is_said() -> None:
    """Google's address, another one, or an emulator."""
    assert modes.upstream_of(Settings()) == "Gemini API at https://generativelanguage.googleapis.com"
    assert modes.upstream_of(Settings(upstream_url="https://other")) == "Gemini API at https://other"
    assert modes.upstream_of(Settings(upstream="emulator")).startswith("built-in emulator")
    assert modes.upstream_of(Settings(upstream="emulator", upstream_url="http://e")) == "emulator at http://e"
