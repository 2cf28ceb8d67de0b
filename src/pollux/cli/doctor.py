"""`pollux doctor`: looks at everything that `pollux serve` needs, and says what to do."""

import argparse
import asyncio
import os
import platform
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pollux import __version__
from pollux.cli.calls import is_local
from pollux.cli.modes import GEMINI_URL, keys_of, upstream_of
from pollux.cli.options import add_settings, settings_of
from pollux.errors import PermissionDenied, RateLimited, Unauthenticated
from pollux.settings import Settings, SettingsError
from pollux.translate import failures
from pollux.upstream.http import ConnectFailed, HttpFailed, HttpReply, HttpRequest, Proxies, Timeouts
from pollux.upstream.plain_client import PlainClient

EXAMPLES = """\
examples:
  pollux doctor                         # what `pollux serve` would meet with the same flags
  pollux doctor --config pollux.toml
  pollux doctor --upstream emulator --port 9000

Every line is ok, warn or bad. The exit code is 1 when one is bad.
"""

PACKAGES = ("uvicorn", "httptools", "uvloop", "msgspec", "aiohttp")
CHECK_SECONDS = 10.0
REPLY_BYTES_MAX = 16_777_216
PORT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and what to do about it."""

    level: Literal["ok", "warn", "bad"]
    subject: str
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.level:<4}  {self.subject:<9}  {self.text}"
        return f"{line}\n{'':17}{self.remedy}" if self.remedy else line


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags: those of `serve`."""
    add_settings(parser)


def run(given: argparse.Namespace) -> int:
    """Print a line for each check as it ends."""
    is_bad = False
    for finding in _findings(given):
        print(finding, flush=True)
        is_bad |= finding.level == "bad"
    return 1 if is_bad else 0


def _findings(given: argparse.Namespace) -> Iterator[Finding]:
    yield _versions()
    try:
        settings = settings_of(given)
    except SettingsError as error:
        yield Finding("bad", "settings", str(error), "Every setting is described in docs/settings.md.")
        return
    yield _settings(settings, given)
    yield Finding("ok", "upstream", upstream_of(settings))
    yield Finding("ok", "keys", keys_of(settings))
    yield _data_folder(settings.data_path)
    yield asyncio.run(_port(settings))
    if settings.upstream == "gemini" or settings.upstream_url:
        yield from _network(settings)


def _versions() -> Finding:
    found = {name: _version(name) for name in PACKAGES}
    text = ", ".join(
        [
            f"pollux {__version__}",
            f"Python {platform.python_version()}",
            *(f"{name} {found[name]}" for name in found if found[name]),
        ]
    )
    if not found["uvloop"] and sys.platform != "win32":
        return Finding("warn", "versions", text, "uvloop is missing: the server works, but slower. `make install` installs it.")
    return Finding("ok", "versions", text)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _settings(settings: Settings, given: argparse.Namespace) -> Finding:
    file = given.config or os.environ.get("POLLUX_CONFIG") or "no file"
    changed = ", ".join(f"{name} = {value}" for name, value in settings.shown().items())
    return Finding("ok", "settings", f"from {file}; {changed or 'all are the defaults'}")


def _data_folder(folder: Path) -> Finding:
    """The folder need not exist: then it must be possible to make it."""
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Finding("ok", "data", f"{folder}{'' if nearest == folder else ' (made at first start)'}")
    why = "may not be written" if nearest.is_dir() else "is no folder"
    return Finding(
        "bad",
        "data",
        f"{folder}: {nearest} {why}.",
        "Name another folder with data_dir, in the settings file or as POLLUX_DATA_DIR.",
    )


async def _port(settings: Settings) -> Finding:
    from pollux.server.serving import bind  # the server's own way to open the port, with its sentences

    if settings.port == 0:
        return Finding("ok", "port", "a free one is taken")
    try:
        bind(settings.host, settings.port).close()
    except SettingsError as error:
        if await _is_pollux(settings):
            text = f"A Pollux answers on port {settings.port} already."
            return Finding("warn", "port", text, "Use it, stop it, or choose another port with --port.")
        return Finding("bad", "port", str(error))
    return Finding("ok", "port", f"{settings.port} on {settings.host} is free")


async def _is_pollux(settings: Settings) -> bool:
    """Whether what listens on the port answers as Pollux does."""
    host = settings.host if settings.host not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104 - compared, not bound
    http = PlainClient(timeouts=Timeouts(total_seconds=PORT_SECONDS), body_bytes_max=1000, proxy_from_environment=False)
    try:
        reply = await http.call(
            HttpRequest("GET", f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/healthz", {})
        )
    except (HttpFailed, ValueError):
        return False
    finally:
        await http.close()
    return reply.status == 200 and reply.headers.get("x-request-id", "").startswith("req_")


def _network(settings: Settings) -> Iterator[Finding]:
    """Look at the way to the upstream, step by step, up to the first that fails."""
    url = settings.upstream_url or GEMINI_URL
    address = urlsplit(url)
    host = address.hostname or ""
    port = address.port or (443 if address.scheme == "https" else 80)
    proxy = Proxies.from_environment().find(address.scheme, host, port)
    if proxy is not None:
        where = urlsplit(proxy)
        yield Finding("ok", "proxy", f"{where.scheme}://{where.hostname}:{where.port or 80}, from the environment")
        if is_local(url):
            yield Finding("warn", "proxy", f"{host} would be reached through the proxy.", f"Add {host} to NO_PROXY.")
    else:
        yield Finding("ok", "proxy", "none in the environment for this address")
        found = _address(host, port)
        yield found
        if found.level == "bad":
            return
    yield from asyncio.run(_asked(settings, url))


def _address(host: str, port: int) -> Finding:
    start = time.monotonic()
    try:
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return Finding(
            "bad",
            "name",
            f"{host} is not found.",
            "Is this machine online, is its DNS set up, does it need a proxy (HTTPS_PROXY)?",
        )
    milliseconds = (time.monotonic() - start) * 1000
    return Finding("ok", "name", f"{host} was found in {milliseconds:.0f} ms")


async def _asked(settings: Settings, url: str) -> list[Finding]:
    """Ask the upstream for a model, with the key if there is one: that costs nothing."""
    timeouts = Timeouts(connect_seconds=min(settings.connect_seconds, CHECK_SECONDS), total_seconds=CHECK_SECONDS)
    key = settings.gemini_api_key
    headers = {"x-goog-api-key": key} if key else {}
    http = PlainClient(timeouts=timeouts, body_bytes_max=REPLY_BYTES_MAX)
    start = time.monotonic()
    try:
        reply = await http.call(HttpRequest("GET", f"{url.rstrip('/')}/{settings.api_version}/models?pageSize=1", headers))
    except ConnectFailed as error:
        remedy = "Is a firewall in the way? Is a proxy needed (HTTPS_PROXY), or a company's certificate (SSL_CERT_FILE)?"
        return [Finding("bad", "network", str(error), remedy)]
    except HttpFailed as error:
        return [
            Finding("bad", "network", str(error), "The address answers, but not like the Gemini API. Is upstream_url right?")
        ]
    except ValueError:
        return [
            Finding(
                "bad",
                "key",
                "The Gemini key holds characters that cannot be sent.",
                "Look at GEMINI_API_KEY: it is one line of plain text.",
            )
        ]
    finally:
        await http.close()
    milliseconds = (time.monotonic() - start) * 1000
    found = [
        Finding(
            "ok",
            "network",
            f"{url} answered in {milliseconds:.0f} ms, with name, connection{' and TLS' if url.startswith('https') else ''}",
        )
    ]
    return [*found, *_accepted(reply, key)]


def _accepted(reply: HttpReply, key: str) -> list[Finding]:
    """Say what the answer means for the key. The key is never in what is said."""
    if reply.status == 200:
        return [Finding("ok", "key", "the server's Gemini key is accepted")] if key else []
    error = failures.from_gemini(reply.status, reply.body)
    said = (error.message.replace(key, "…") if key else error.message).splitlines()[0]
    match error:
        case Unauthenticated() | PermissionDenied() if not key:
            return [Finding("ok", "key", "none here, as it should be: callers bring theirs")]
        case Unauthenticated():
            return [
                Finding(
                    "bad",
                    "key",
                    f"The Gemini key is not accepted: {said}",
                    "Make one at https://aistudio.google.com/apikey and set GEMINI_API_KEY.",
                )
            ]
        case PermissionDenied():
            return [
                Finding(
                    "bad",
                    "key",
                    f"The Gemini key may not do this: {said}",
                    "Look at the key's restrictions, its project and its region.",
                )
            ]
        case RateLimited():
            return [Finding("warn", "key", f"The Gemini key is accepted, but a quota is used up: {said}")]
        case _ if reply.status >= 500:
            return [Finding("warn", "upstream", f"It answers with status {reply.status} now: {said}", "Try again later.")]
        case _:
            return [
                Finding("bad", "upstream", f"It answers with status {reply.status}: {said}", "Is upstream_url the Gemini API?")
            ]
