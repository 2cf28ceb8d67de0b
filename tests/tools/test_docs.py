"""The generated pages."""

import dataclasses
from pathlib import Path

import pytest

from pollux.cli.main import COMMANDS
from pollux.settings import Settings
from tools import docs


def test_check_finds_a_stale_page_and_writing_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed page and a missing one are named."""
    monkeypatch.setattr(docs, "DOCS", tmp_path)

    assert docs.main(["--check"]) == 1
    assert "docs/cli.md is stale; `make docs` writes it anew." in capsys.readouterr().err
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    (tmp_path / "cli.md").write_text("old")
    assert docs.main(["--check"]) == 1


def test_every_command_and_every_setting_has_its_place() -> None:
    """Nothing of the command line or the settings is left out."""
    assert all(f"## pollux {name}\n" in docs.cli() for name in COMMANDS)
    assert "`--upstream-url URL`" in docs.cli()
    assert docs.settings().count("| `POLLUX_") == len(dataclasses.fields(Settings))
