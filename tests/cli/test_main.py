"""The command `pollux` as a whole."""

import subprocess
import sys

import pytest

from pollux import __version__
from pollux.cli.main import COMMANDS, command, main


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`pollux --version` says the version of the package."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"pollux {__version__}\n"


def test_help_lists_every_command_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    """A stranger sees what there is."""
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out

    assert all(name in shown for name in COMMANDS)
    assert "pollux serve --upstream emulator" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And the examples name the command."""
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    shown = capsys.readouterr().out

    assert ended.value.code == 0
    assert f"examples:\n  pollux {name}" in shown or f"| pollux {name}" in shown
    assert command(name).EXAMPLES in shown


def test_a_mistake_in_the_settings_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, exit code 2."""
    code = main(["serve", "--port", "http"])
    captured = capsys.readouterr()

    assert code == 2
    assert captured.err == "pollux: The setting port (in the command line) must be a whole number.\n"
    assert captured.out == ""


def test_an_unknown_command_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """argparse's own exit code for it is 2, too."""
    with pytest.raises(SystemExit) as ended:
        main(["sreve"])

    assert ended.value.code == 2
    assert "sreve" in capsys.readouterr().err


def test_help_loads_no_server_and_no_client() -> None:
    """Version and help come at once, since they load nothing else."""
    code = "import sys; from pollux.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("\n\n")[2].split())

    assert "argparse" in loaded
    assert not loaded & {"uvicorn", "aiohttp", "asyncio", "msgspec", "pollux.settings"}


def test_a_reader_that_leaves_is_no_error(base_url: str) -> None:
    """As in `pollux models | head -1`: no traceback."""
    pollux = f'"{sys.executable}" -c "import sys; from pollux.cli.main import main; sys.exit(main())"'
    done = subprocess.run(f"{pollux} models --base-url {base_url} | true", shell=True, capture_output=True, text=True)

    assert done.stderr == ""
