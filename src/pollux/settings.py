"""The settings: one frozen dataclass, read once from flags, environment and file, and passed down.

A setting is documented where it is declared; `docs/settings.md` and the help of `pollux serve` are printed from here.
Flags win over the environment (`POLLUX_<NAME>`), the environment over the file (TOML, the same names in snake case).
"""

import dataclasses
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

RETIRED_MODELS: Mapping[str, str] = MappingProxyType(
    {
        "gemini-2.0-flash": "gemini-3.6-flash",
        "gemini-2.0-flash-lite": "gemini-3.1-flash-lite",
        "gemini-2.5-flash": "gemini-3.6-flash",
        "gemini-2.5-flash-lite": "gemini-3.1-flash-lite",
        "gemini-2.5-pro": "gemini-3.1-pro-preview",
        "gemini-3-pro-preview": "gemini-3.1-pro-preview",
        "gemini-3-flash-preview": "gemini-3.6-flash",
        "gemini-2.5-flash-image": "gemini-nano-banana-2.1",
        "gemini-3-pro-image-preview": "gemini-3-pro-image",
        "gemini-3.1-flash-image-preview": "gemini-nano-banana-2.1",
        "gemini-embedding-2-preview": "gemini-embedding-2",
        "text-embedding-004": "gemini-embedding-001",
        "veo-3.1-generate-preview": "gemini-omni-1.1-flash",
    }
)
"""The guide's and other retired names, and what replaces them. Source: the deprecation calendar of the Gemini API."""


MODEL_FACTS = frozenset({"sampling", "penalties", "log_probabilities"})
"""What `model_facts` may name."""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""The names of this machine: no proxy leads to them, and nobody else can call them."""


class SettingsError(Exception):
    """A setting that cannot be used; the message names it and where it came from."""


def setting(default: Any, text: str, *, flag: bool = False, secret: bool = False) -> Any:
    """Declare a setting: its default, what it is for and why the default is what it is."""
    metadata = {"help": text, "flag": flag, "secret": secret}
    if isinstance(default, (Mapping, list)):
        return field(default_factory=lambda: MappingProxyType(dict(default)), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a server; every one has a default. Secrets are left out of `repr`."""

    host: str = setting("127.0.0.1", "Address to listen on.", flag=True)
    port: int = setting(8080, "Port to listen on; 0 takes a free one.", flag=True)
    workers: int = setting(1, "Worker processes. One uses one core.", flag=True)

    upstream: Literal["gemini", "emulator"] = setting(
        "gemini", "Where answers come from: Google's Gemini API, or the built-in emulator (no key, no network).", flag=True
    )
    upstream_url: str = setting(
        "",
        "Another address of the upstream, as https://host[:port]. Default: https://generativelanguage.googleapis.com, "
        "or an emulator that the server starts itself.",
        flag=True,
    )
    api_version: str = setting("v1beta", "Version of the native API; v1beta has the widest surface.")

    gemini_api_key: str = setting(
        "",
        "The server's own Gemini key; also read from GEMINI_API_KEY, or from the file that GEMINI_API_KEY_FILE names. "
        "With it, callers need a Pollux key (see keys).",
        secret=True,
    )
    keys: Mapping[str, str] = setting(
        {},
        'Pollux keys: name = "sha256:<hex>". `pollux key NAME` makes one. Environment: name=sha256:…,name=sha256:…',
        secret=True,
    )
    secret: str = setting(
        "",
        "Secret from which owner ids are made. Default: a file in data_dir, made at first start. Replicas share it.",
        secret=True,
    )
    data_dir: str = setting("", "Folder for what the server keeps. Default: $XDG_DATA_HOME/pollux or ~/.local/share/pollux.")
    aliases: Mapping[str, str] = setting(
        RETIRED_MODELS,
        "Other names of models, e.g. gpt-4o-mini = gemini-3.6-flash. They apply only where the upstream does not list the name "
        "itself. Your entries are added to the retired names; an empty value removes one.",
    )
    model_facts: Mapping[str, str] = setting(
        {},
        'What models take beyond what is known of them: gemini-4-argon = "penalties log_probabilities"; also sampling. '
        "Whether Gemini 4 takes them is not confirmed. What a model is not known to take is ignored, and reported.",
    )
    thoughts: Literal["reasoning_content", "google"] = setting(
        "reasoning_content",
        "Form of thought summaries: reasoning_content, or Google's, between <thought> tags in the content. "
        "The header x-pollux-thoughts chooses for one request.",
    )
    strict: bool = setting(
        False,
        "Refuse a request that would lose something (a parameter ignored, approximated, a turn added) instead of answering it. "
        "The header x-pollux-strict chooses for one request.",
    )
    report: Literal["header", "body"] = setting(
        "header",
        "Where an answer says what its request lost: codes in the header x-pollux-losses, or the whole list in the body's "
        "extra_content too. The header x-pollux-report chooses for one request.",
    )
    video_model: str = setting(
        "gemini-omni-1.1-flash",
        "Model of a video whose request names none, and of edits and remixes of videos of Veo, which cannot edit.",
    )
    video_seed: Literal["send", "ignore"] = setting(
        "send",
        "What becomes of the seed of a video on Veo. Other clients send it, Google's own does not; whether the service takes "
        "it is not confirmed. What is ignored is reported.",
    )
    video_poll_seconds: float = setting(
        5.0, "How long a client is told to wait before it asks again how a video is (openai-poll-after-ms); one takes minutes."
    )
    embedding_usage: Literal["count", "estimate"] = setting(
        "count",
        "Tokens of embeddings, where the model does not say them: counted by countTokens beside the call (it costs no money, "
        "but requests), or estimated from the length. The answer says which.",
    )
    image_model: str = setting(
        "gemini-nano-banana-2.1",
        "Model of an image request that names none, as OpenAI's clients may; it is in the loss report.",
    )
    public_url: str = setting(
        "",
        "Address under which callers reach this server, as https://host, for the links in its answers. "
        "Default: the request's Host header, with https where a proxy says so in X-Forwarded-Proto.",
    )
    link_seconds: float = setting(
        3600.0, "How long a link to a picture (response_format url) is good; then the picture is removed. An hour is OpenAI's."
    )
    batch_lines_max: int = setting(1_000_000, "Lines of one batch; a million pass through in some hundred megabytes.")
    batch_poll_seconds: float = setting(
        10.0,
        "Time between looks at a native batch job. With callers' own keys it is looked at when its owner asks, not more often "
        "than every second.",
    )
    batch_lease_seconds: float = setting(
        30.0,
        "How long a batch waits for another worker when the process that worked on it died. A living one renews its hold three "
        "times as often.",
    )
    batch_unsure_seconds: float = setting(
        300.0,
        "How long a batch job is looked for whose creation has no known outcome, before it is created again. Too short, and it "
        "may be paid for twice.",
    )
    memory_days: float = setting(
        7.0, "How long turns of the model are remembered, so that thought signatures survive clients that drop them."
    )
    memory_bytes_max: int = setting(268_435_456, "How much is remembered; the oldest turns go first. Some 50,000 turns.")
    store_url: str = setting(
        "",
        "Database of what is kept: postgresql://user:password@host/name. Replicas share it. "
        "Default: a SQLite file in data_dir, for one machine.",
        secret=True,
    )
    bytes_url: str = setting(
        "",
        "Where the bytes of files are kept: s3://bucket/prefix or gs://bucket/prefix, with credentials from the environment. "
        "Default: a folder in data_dir.",
    )
    cors_origins: str = setting(
        "*",
        "Origins of web pages that may call, separated by commas; * is any. None may while no key guards the server's key.",
    )

    body_bytes_max: int = setting(104_857_600, "Largest request body. 100 MiB is what the native API takes inline.")
    file_bytes_max: int = setting(
        2_147_483_648, "Largest file; body_bytes_max does not apply to files. 2 GiB is what the native Files API takes."
    )
    part_bytes_max: int = setting(67_108_864, "Largest part of an upload. 64 MiB is OpenAI's, and what its clients send.")
    owner_bytes_max: int = setting(
        21_474_836_480, "What the files of one owner may add up to. 20 GiB is what the native Files API keeps for a project."
    )
    reply_bytes_max: int = setting(268_435_456, "Largest whole answer taken from the upstream; a 4K image is some 20 MB.")
    buffered_bytes_max: int = setting(1_073_741_824, "Request bodies held at once in one worker; more get a 503.")
    inline_bytes_max: int = setting(
        99_000_000,
        "Media inside one native request, as base64; what is more goes through the Files API, once for each owner and content. "
        "The native API takes 100 MB as a whole; for models that still take 20 MB, set 19000000.",
    )
    remote_media: Literal["fetch", "reference", "off"] = setting(
        "fetch",
        "What becomes of media behind http and https URLs: fetched by this server; passed on, so that Google fetches them "
        "(https, public or signed); or refused.",
    )
    remote_media_internal_hosts: str = setting(
        "",
        "Hosts that may be fetched from although they are inside your network, as in files.corp,minio.corp:9000. "
        "Every caller may read them through this server.",
    )
    remote_media_bytes_max: int = setting(104_857_600, "Largest file that is fetched for a request, and most for all of it.")
    remote_media_seconds: float = setting(30.0, "Time from the look-up of a URL's name to the last byte of its file.")
    header_bytes_max: int = setting(65_536, "Largest request head; more get a 431.")
    header_count_max: int = setting(128, "Most header fields in a request; more get a 431.")
    nesting_max: int = setting(100, "Deepest nesting of JSON; the native API takes 100.")
    head_seconds: float = setting(10.0, "Time from a request's first byte to the end of its head; then a 408.")
    receive_seconds: float = setting(300.0, "Time from a request's first byte to its last; then a 408. 100 MiB at 3 Mbit/s.")
    upload_receive_seconds: float = setting(
        3600.0, "The same for a file or a part of an upload. An hour: 2 GiB at 5 Mbit/s, and as long as an upload is open."
    )
    in_flight_max: int = setting(1000, "Requests in flight in one worker; more get a 503 with Retry-After, fairly per caller.")

    media_processes: int = setting(
        1,
        "Processes in one worker that convert pictures, sound and video; each takes up to one core, and some 60 MB when used.",
    )
    media_waiting_max: int = setting(32, "Conversions that wait for a process; more get a 503.")
    media_seconds: float = setting(60.0, "Time of one conversion; then its process is killed, and the request gets a 400.")

    upstream_client: Literal["plain", "aiohttp"] = setting(
        "plain", "The HTTP client: Pollux's own, or the one over aiohttp, which costs more for every request and event."
    )
    connect_seconds: float = setting(10.0, "Time to connect to the upstream.")
    first_byte_seconds: float = setting(
        600.0, "Time from sending a request to the upstream's first byte; models may think long."
    )
    silence_seconds: float = setting(300.0, "Longest silence of the upstream inside an answer.")
    total_seconds: float = setting(3600.0, "Longest time of one request as a whole.")
    commit_seconds: float = setting(
        10.0, "Silence of the upstream after which a stream's status is sent with a comment, so that nothing between gives up."
    )
    continuations_max: int = setting(
        31,
        "Most calls that continue an answer which is longer than one call gives (Gemini 4); 0 continues none. The longest "
        "answer, 1,048,576 tokens, takes 32 calls where a call gives 32,768.",
    )
    keep_alive_seconds: float = setting(15.0, "Time between comment lines in a silent stream.")
    shutdown_grace_seconds: float = setting(
        1.0,
        "Time after SIGTERM in which /readyz already says no and connections are still taken, so that a load balancer sees it. "
        "Longer than its interval of checks is right behind one; 0 without one.",
    )
    drain_seconds: float = setting(30.0, "Time that requests in flight have to end after SIGTERM.")

    access_log: bool = setting(True, "Write a line for every request.")
    log_format: Literal["text", "json"] = setting("text", "Form of the access log.")

    def __repr__(self) -> str:
        """Name the settings that differ from their defaults; secrets are masked."""
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.shown().items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to worker processes; read-only mappings cannot be pickled as such."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return _restored, ({name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()},)

    def shown(self) -> dict[str, Any]:
        """Give what differs from the defaults, secrets masked."""
        defaults = Settings()
        changed = {
            f: getattr(self, f.name) for f in dataclasses.fields(self) if getattr(self, f.name) != getattr(defaults, f.name)
        }
        return {f.name: "…" if f.metadata["secret"] else value for f, value in changed.items()}

    @property
    def data_path(self) -> Path:
        """The folder for what the server keeps; it need not exist yet."""
        if self.data_dir:
            return Path(self.data_dir).expanduser()
        return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "pollux"

    @property
    def spends_server_key(self) -> bool:
        """Whether callers spend the server's Gemini key instead of their own."""
        return bool(self.gemini_api_key) and self.upstream == "gemini"

    @property
    def local_only(self) -> bool:
        """Whether only this machine may call: the server's key is set, and no Pollux key guards it."""
        return self.spends_server_key and not self.keys


def load(
    flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None, file: Path | None = None
) -> Settings:
    """Read the settings. `flags` holds only what was given; `file` is the TOML file, default `POLLUX_CONFIG`, if any.

    Raises SettingsError, which names the setting and its source.
    """
    environment = os.environ if environment is None else environment
    file = file or (Path(environment["POLLUX_CONFIG"]) if environment.get("POLLUX_CONFIG") else None)
    values: dict[str, Any] = {}
    for source, given in (
        (str(file), _from_file(file) if file else {}),
        ("the environment", _from_environment(environment)),
        ("the command line", dict(flags or {})),
    ):
        for name, value in given.items():
            values[name] = _converted(name, value, source)
    if "aliases" in values:
        merged = {**RETIRED_MODELS, **values["aliases"]}
        values["aliases"] = MappingProxyType({name: target for name, target in merged.items() if target})
    return _checked(Settings(**values))


def _restored(values: dict[str, Any]) -> Settings:
    fields: dict[str, Any] = {
        name: MappingProxyType(value) if isinstance(value, dict) else value for name, value in values.items()
    }
    return Settings(**fields)


def _from_file(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"The settings file {file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The settings file {file} is not TOML: {error}.") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for f in dataclasses.fields(Settings):
        text = environment.get(f"POLLUX_{f.name.upper()}")
        if text is not None:
            given[f.name] = text
    if "gemini_api_key" not in given and environment.get("GEMINI_API_KEY"):
        given["gemini_api_key"] = environment["GEMINI_API_KEY"].strip()
    if "gemini_api_key" not in given and environment.get("GEMINI_API_KEY_FILE"):
        name = environment["GEMINI_API_KEY_FILE"]
        try:
            given["gemini_api_key"] = Path(name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"GEMINI_API_KEY_FILE names {name}, which cannot be read: {error.strerror}.") from None
    return given


_TYPES: dict[str, Any] = {}


def _converted(name: str, value: Any, source: str) -> Any:
    if not _TYPES:
        _TYPES.update(get_type_hints(Settings))
    kind = _TYPES.get(name)
    if kind is None:
        raise SettingsError(f"There is no setting {name!r} (in {source}). See docs/settings.md.")
    expected = "text"
    try:
        if get_origin(kind) is Literal:
            expected = " or ".join(get_args(kind))
            if value in get_args(kind):
                return value
        elif kind is bool:
            expected = "true or false"
            if isinstance(value, bool):
                return value
            return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]
        elif kind is int or kind is float:
            expected = "a whole number" if kind is int else "a number"
            if not isinstance(value, bool) and not (kind is int and isinstance(value, float)):
                return kind(value)
        elif kind is str:
            if isinstance(value, str):
                return value
        else:
            expected = "a table of texts (in the environment: name=value,name=value)"
            if isinstance(value, str):
                value = dict(entry.strip().split("=", 1) for entry in value.split(",") if entry.strip())
            if isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values()):
                return MappingProxyType(dict(value))
    except (KeyError, ValueError):
        pass
    raise SettingsError(f"The setting {name} (in {source}) must be {expected}.")


_MAY_BE_ZERO = {"port", "shutdown_grace_seconds"}
_URL = re.compile(r"https?://[^/?#@\s]+/?$")


def _checked(settings: Settings) -> Settings:
    for f in dataclasses.fields(Settings):
        value = getattr(settings, f.name)
        if (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and f.name not in _MAY_BE_ZERO
            and not 0 < value < inf
        ):
            raise SettingsError(f"The setting {f.name} must be above zero, and not endless.")
    if not 0 <= settings.port <= 65_535:
        raise SettingsError("The setting port must be between 0 and 65535.")
    if not 0 <= settings.shutdown_grace_seconds < inf:
        raise SettingsError("The setting shutdown_grace_seconds must not be below zero or endless.")
    if settings.upstream_url and not _URL.match(settings.upstream_url):
        raise SettingsError("The setting upstream_url must look like https://host or http://host:port, without a path.")
    if settings.public_url and not _URL.match(settings.public_url):
        raise SettingsError("The setting public_url must look like https://host or http://host:port, without a path.")
    if settings.store_url and not settings.store_url.startswith(("postgresql://", "postgres://")):
        raise SettingsError("The setting store_url must look like postgresql://user:password@host/name.")
    if settings.bytes_url and "://" not in settings.bytes_url:
        raise SettingsError("The setting bytes_url must look like s3://bucket/prefix or gs://bucket/prefix.")
    for model, facts in settings.model_facts.items():
        if not set(facts.split()) <= MODEL_FACTS:
            raise SettingsError(f"The facts of {model} in model_facts must be of {', '.join(sorted(MODEL_FACTS))}.")
    for name, text in settings.keys.items():
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", text):
            raise SettingsError(
                f'The key {name!r} must be written as "sha256:" and 64 hexadecimal digits; `pollux key {name}` makes one.'
            )
    if settings.keys and settings.upstream == "gemini" and not settings.gemini_api_key:
        raise SettingsError(
            "Pollux keys are set, but there is no Gemini key that they could use. Set GEMINI_API_KEY, "
            "or remove the keys so that callers bring their own."
        )
    if settings.local_only and settings.host not in LOOPBACK:
        raise SettingsError(
            f"GEMINI_API_KEY is set and no Pollux key guards it, so the server listens on this machine only, "
            f"not on {settings.host}. Make a key with `pollux key NAME`, or leave out --host."
        )
    return settings
