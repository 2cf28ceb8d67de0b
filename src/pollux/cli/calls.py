"""Calls of the command line to a running server, over HTTP like any other client."""

import argparse
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec

from pollux.settings import LOOPBACK
from pollux.upstream.http import ConnectFailed, HttpClient, HttpFailed, HttpRequest, Timeouts
from pollux.upstream.plain_client import PlainClient

BASE_URL = "http://127.0.0.1:8080/v1"
KEY_VARIABLES = ("POLLUX_API_KEY", "GEMINI_API_KEY")
NO_KEY = "none"
"""Sent where there is no key: the emulator and a server for this machine only take any text."""

CONNECT_SECONDS = 5.0
ANSWER_BYTES_MAX = 16_777_216


class CallFailed(Exception):
    """A call that brought no answer; the message is for the person at the terminal."""


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the flag that names the server."""
    parser.add_argument(
        "--base-url", default=BASE_URL, metavar="URL", help=f"The server's base URL, with /v1 at its end. Default: {BASE_URL}."
    )


def key_for(base_url: str, environment: Mapping[str, str]) -> str:
    """Choose the key from the environment. A Gemini key goes to this machine or over https only."""
    pollux_key, gemini_key = (environment.get(name, "").strip() for name in KEY_VARIABLES)
    if not base_url.startswith("https://") and not is_local(base_url):
        gemini_key = ""
    return pollux_key or gemini_key or NO_KEY


@asynccontextmanager
async def client(base_url: str) -> AsyncIterator[HttpClient]:
    """Give a client that is closed at the end of the block, and make sentences of its failures. Raises CallFailed.

    This machine is never asked through a proxy.
    """
    http = PlainClient(
        timeouts=Timeouts(connect_seconds=CONNECT_SECONDS),
        body_bytes_max=ANSWER_BYTES_MAX,
        proxy_from_environment=not is_local(base_url),
    )
    try:
        yield http
    except ConnectFailed as error:
        text = f"No server answers at {base_url}. {error} Start one with `pollux serve`, or name another with --base-url."
        raise CallFailed(text) from None
    except HttpFailed as error:
        raise CallFailed(str(error)) from None
    except ValueError as error:
        raise CallFailed(f"The request cannot be sent. {error}") from None
    finally:
        await http.close()


def is_local(url: str) -> bool:
    """Whether a URL means this machine."""
    return urlsplit(url).hostname in LOOPBACK


def request(base_url: str, path: str, body: object = None) -> HttpRequest:
    """Build a request to the server: GET, or POST when there is a body."""
    headers = {"authorization": f"Bearer {key_for(base_url, os.environ)}"}
    url = base_url.rstrip("/") + path
    if body is None:
        return HttpRequest("GET", url, headers)
    return HttpRequest("POST", url, headers | {"content-type": "application/json"}, msgspec.json.encode(body))


def failure(status: int, body: bytes) -> CallFailed:
    """Say what an error answer says."""
    try:
        answer = msgspec.json.decode(body)
        text = str(answer["error"]["message"])
    except (msgspec.DecodeError, TypeError, KeyError):
        return CallFailed(
            f"The server answered with status {status}, and not in OpenAI's form. Is the base URL right? It ends in /v1."
        )
    if status == 401:
        text += f" The key is read from {' or '.join(KEY_VARIABLES)}."
    return CallFailed(text)
