"""The command `pollux`: finds the command that was asked for, and loads nothing else."""

import argparse
import os
import sys
from collections.abc import Collection, Sequence
from importlib import import_module
from typing import Protocol

from pollux import __version__

COMMANDS = {
    "serve": "serve the OpenAI-compatible API for Gemini",
    "emulate": "run the emulator of the native Gemini API alone",
    "ask": "ask a model through a running server, and see the answer come",
    "explain": "show what would be sent for a request, and what would be lost",
    "models": "list the models of a running server",
    "doctor": "check settings, key, network and port, and say what to do",
    "key": "make a Pollux key for a caller of the server",
    "erase": "remove everything that is kept of one owner",
}
"""Each command is the file of its name in this folder."""

EXAMPLES = """\
examples:
  pollux serve --upstream emulator      # try it without a key and without a network
  pollux serve                          # callers bring their own Gemini keys
  pollux ask "Why is the sky blue?"     # in another terminal
  pollux serve --help                   # what can be set
"""


class Command(Protocol):
    """What the file of a command provides."""

    EXAMPLES: str

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's arguments."""

    def run(self, given: argparse.Namespace) -> int:
        """Do it, and return the exit code."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 failed, 2 asked wrongly."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    asked_for = next((argument for argument in arguments if not argument.startswith("-")), "")
    given = parser({asked_for} & COMMANDS.keys()).parse_args(arguments)
    from pollux.settings import SettingsError  # after --help and --version, which need no settings

    try:
        return command(given.command).run(given)
    except SettingsError as error:
        print(f"pollux: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has left, as in `pollux models | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def parser(loaded: Collection[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """Build the parser. Only the commands in `loaded` get their arguments, so that the others are not imported."""
    top = argparse.ArgumentParser(
        prog="pollux",
        description="The OpenAI-compatible API for Gemini that you run yourself.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"pollux {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        added = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name in loaded:
            added.epilog = command(name).EXAMPLES
            command(name).arguments(added)
    return top


def command(name: str) -> Command:
    """Load the command of this name."""
    loaded: Command = import_module(f"pollux.cli.{name}")
    return loaded
