"""`pollux models`: what a running server offers."""

import argparse
import asyncio
import sys
from typing import Any

import msgspec

from pollux.cli.calls import CallFailed, add_server, client, failure, request

EXAMPLES = """\
examples:
  pollux models                         # every model, its limits in tokens and its methods
  pollux models gemini-3                # those whose name holds this text
  pollux models --base-url https://pollux.example/v1
"""

HEADINGS = ("MODEL", "INPUT", "OUTPUT", "METHODS")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("text", nargs="?", default="", metavar="TEXT", help="Show only models whose name holds this text.")
    add_server(parser)


def run(given: argparse.Namespace) -> int:
    """Print the table."""
    try:
        listed = asyncio.run(_listed(given.base_url))
    except CallFailed as error:
        print(f"pollux: {error}", file=sys.stderr)
        return 1
    rows = [_row(model) for model in listed if given.text in model["id"]]
    if not rows:
        print(f"pollux: none of {len(listed)} models has {given.text!r} in its name.", file=sys.stderr)
        return 1
    print(_table([HEADINGS, *rows]))
    return 0


async def _listed(base_url: str) -> list[dict[str, Any]]:
    async with client(base_url) as http:
        reply = await http.call(request(base_url, "/models"))
    if reply.status != 200:
        raise failure(reply.status, reply.body)
    try:
        listed: list[dict[str, Any]] = msgspec.json.decode(reply.body)["data"]
    except (msgspec.DecodeError, TypeError, KeyError):
        raise failure(reply.status, reply.body) from None
    return listed


def _row(model: dict[str, Any]) -> tuple[str, ...]:
    limits = (f"{model[name]:,}" if model.get(name) else "" for name in ("input_token_limit", "output_token_limit"))
    return (model["id"], *limits, " ".join(model.get("supported_generation_methods") or []))


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        f"{name:<{widths[0]}}  {taken:>{widths[1]}}  {given:>{widths[2]}}  {methods}".rstrip()
        for name, taken, given, methods in rows
    )
