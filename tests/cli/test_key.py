"""`pollux key`."""

import hashlib
import re

import pytest

from pollux.cli.main import main
from pollux.settings import load


def test_a_key_is_shown_once_with_the_lines_that_let_it_in(capsys: pytest.CaptureFixture[str]) -> None:
    """The hash in both lines is the key's, and the settings take it."""
    code = main(["key", "alice"])
    shown = capsys.readouterr().out
    keys = re.findall(r"pollux-[\w-]{43}\b", shown)
    (line,) = re.findall(r"POLLUX_KEYS=(.*)", shown)

    assert code == 0
    assert len(keys) == 1
    assert dict(load({}, {"POLLUX_KEYS": line, "GEMINI_API_KEY": "k"}).keys) == {
        "alice": f"sha256:{hashlib.sha256(keys[0].encode()).hexdigest()}"
    }
    assert f'alice = "{line.partition("=")[2]}"' in shown


def test_every_key_is_another(capsys: pytest.CaptureFixture[str]) -> None:
    """Chance comes from the system."""
    main(["key", "alice"])
    first = capsys.readouterr().out
    main(["key", "alice"])

    assert capsys.readouterr().out != first


@pytest.mark.parametrize("name", ["", "two words", "a=b", "a,b", "ä", "x" * 65])
def test_a_name_that_the_settings_could_not_hold_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Names stand in TOML keys and in the environment."""
    assert main(["key", name]) == 2
    assert "A key's name" in capsys.readouterr().err
