"""`pollux serve`: the server."""

import argparse
import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

from pollux import __version__
from pollux.cli.options import add_settings, settings_of
from pollux.settings import Settings

EXAMPLES = """\
examples:
  pollux serve --upstream emulator          no key and no network: answers come from the built-in emulator
  pollux serve                              each caller brings a Gemini key of their own
  GEMINI_API_KEY=… pollux serve             the server's key, for programs on this machine only
  pollux serve --config pollux.toml --host 0.0.0.0 --workers 4

Every setting can also stand in the settings file or in the environment (POLLUX_PORT=8080): see docs/settings.md.
"""

GEMINI_URL = "https://generativelanguage.googleapis.com"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags: those of the settings."""
    add_settings(parser)


def run(given: argparse.Namespace) -> int:
    """Serve until a signal says stop."""
    settings = settings_of(given)
    from pollux.server.serving import serve  # after the settings: a mistake in them is told at once

    with _upstream(settings) as (settings, upstream):
        return serve(settings, announce=lambda url: print(_welcome(settings, url, upstream), flush=True))


@contextmanager
def _upstream(settings: Settings) -> Iterator[tuple[Settings, str]]:
    """Start the emulator where one is wanted and none is named; give the settings with its address, and its description."""
    if settings.upstream == "gemini":
        yield settings, f"Gemini API at {settings.upstream_url or GEMINI_URL}"
    elif settings.upstream_url:
        yield settings, f"emulator at {settings.upstream_url}"
    else:
        from pollux.emulator.serving import EmulatorServer  # costs start-up time and memory only where it answers

        emulator = EmulatorServer()
        url = emulator.start()
        try:
            yield dataclasses.replace(settings, upstream_url=url), "built-in emulator (no key, no network; its answers say so)"
        finally:
            emulator.stop()


def _welcome(settings: Settings, url: str, upstream: str) -> str:
    key, whose = _keys(settings)
    workers = f", {settings.workers} workers" if settings.workers > 1 else ""
    return f"""\
Pollux {__version__} on {url}{workers}
  answers from  {upstream}
  keys          {whose}
In your OpenAI client change three lines:
  api_key  = "{key}"
  base_url = "{url}/v1"
  model    = "gemini-3.6-flash"
Stop with Ctrl-C."""


def _keys(settings: Settings) -> tuple[str, str]:
    """Say which key a caller sends, and whose key is spent."""
    if settings.local_only:
        return "any text", "the server's Gemini key, for programs on this machine only (`pollux key NAME` lets others in)"
    if settings.spends_server_key:
        return "YOUR_POLLUX_KEY", f"the server's Gemini key, for callers with a Pollux key ({', '.join(settings.keys)})"
    if settings.keys:
        return "YOUR_POLLUX_KEY", f"Pollux keys ({', '.join(settings.keys)})"
    if settings.upstream == "emulator":
        return "any text", "any; the emulator asks for one and believes it"
    return "YOUR_GEMINI_KEY", "callers bring their own Gemini keys; none is stored"
