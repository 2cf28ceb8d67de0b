"""`pollux models`."""

import pytest

from pollux.cli.main import main


def test_models_are_a_table_with_limits_and_methods(base_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, under headings."""
    code = main(["models", "--base-url", base_url])
    heading, *lines = capsys.readouterr().out.splitlines()

    assert code == 0
    assert heading.split() == ["MODEL", "INPUT", "OUTPUT", "METHODS"]
    assert len(lines) > 10
    assert any(line.split()[:4] == ["gemini-3.6-flash", "1,048,576", "65,536", "generateContent"] for line in lines)


def test_models_can_be_chosen_by_a_part_of_the_name(base_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The heading stays."""
    main(["models", "--base-url", base_url, "3.6"])

    assert len(capsys.readouterr().out.splitlines()) == 2


def test_no_model_of_that_name_is_told(base_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 1, as grep has it."""
    assert main(["models", "--base-url", base_url, "gpt"]) == 1
    assert "'gpt'" in capsys.readouterr().err


def test_no_server_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """As in `pollux ask`."""
    assert main(["models", "--base-url", "http://127.0.0.1:9/v1"]) == 1
    assert "No server answers at http://127.0.0.1:9/v1." in capsys.readouterr().err
