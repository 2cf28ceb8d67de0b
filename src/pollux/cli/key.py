"""`pollux key`: a new key for a caller."""

import argparse
import hashlib
import re
import secrets

from pollux.settings import SettingsError

EXAMPLES = """\
examples:
  pollux key alice                      # a key for alice, and the line for the settings file

A server with its own Gemini key asks its callers for such a key. It keeps the hash only; the key itself is shown once, here.
"""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "name", metavar="NAME", help="Whose key it is: letters, digits, - and _. Stored things belong to this name."
    )


def run(given: argparse.Namespace) -> int:
    """Make a key and say where to put it."""
    if not NAME.fullmatch(given.name):
        raise SettingsError(
            "A key's name is made of letters, digits, - and _, at most 64 of them, and begins with a letter or digit."
        )
    key = f"pollux-{secrets.token_urlsafe(32)}"  # 256 bits: a plain hash of it cannot be searched
    digest = hashlib.sha256(key.encode()).hexdigest()
    print(f"""\
The key of {given.name}, shown only now:
  {key}
In the settings file (pollux serve --config FILE):
  [keys]
  {given.name} = "sha256:{digest}"
Or in the environment:
  POLLUX_KEYS={given.name}=sha256:{digest}""")
    return 0
