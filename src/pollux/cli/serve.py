"""`pollux serve`: the server."""

import argparse
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from pollux import __version__
from pollux.cli.modes import callers_key, keys_of, upstream_of
from pollux.cli.options import add_settings, settings_of
from pollux.settings import Settings

EXAMPLES = """\
examples:
  pollux serve --upstream emulator        # no key and no network: answers come from the built-in emulator
  pollux serve                            # each caller brings a Gemini key of their own
  GEMINI_API_KEY_FILE=key pollux serve    # the server's key, for programs on this machine only
  pollux serve --config pollux.toml --host 0.0.0.0 --workers 4

Every setting can also stand in the settings file or in the environment (POLLUX_PORT=8080): see docs/settings.md.
"""

MODEL = "gemini-3.6-flash"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags: those of the settings."""
    add_settings(parser)


def run(given: argparse.Namespace) -> int:
    """Serve until a signal says stop."""
    settings = settings_of(given)
    from pollux.server.serving import serve  # after the settings: a mistake in them is told at once

    with _with_emulator(settings) as complete:
        return serve(complete, announce=lambda url: print(_welcome(settings, url), flush=True))


@contextmanager
def _with_emulator(settings: Settings) -> Iterator[Settings]:
    """Start the emulator where one is wanted and none is named; give the settings with its address."""
    if settings.upstream == "gemini" or settings.upstream_url:
        yield settings
        return
    from pollux.emulator.serving import EmulatorServer  # costs start-up time and memory only where it answers

    with EmulatorServer() as emulator:
        yield dataclasses.replace(settings, upstream_url=emulator.url)


def _welcome(settings: Settings, url: str) -> str:
    workers = f", {settings.workers} workers" if settings.workers > 1 else ""
    return f"""\
Pollux {__version__} on {url}{workers}
  answers from  {upstream_of(settings)}
  keys          {keys_of(settings)}
In your OpenAI client change three lines:
  api_key  = "{callers_key(settings)}"
  base_url = "{url}/v1"
  model    = "{MODEL}"
Stop with Ctrl-C."""
