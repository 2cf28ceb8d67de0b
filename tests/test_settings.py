"""The settings: where they come from, which wins, and what is said of a mistake."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pollux.settings import MODEL_FACTS, RETIRED_MODELS, Settings, SettingsError, load
from pollux.translate.profiles import TAKEN, profile

HASH = "sha256:" + hashlib.sha256(b"key").hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of a settings file."""
    return tmp_path / "pollux.toml"


def test_everything_has_a_default() -> None:
    """Without flags, environment and file the settings are the defaults."""
    assert load({}, {}) == Settings()


def test_flags_win_over_the_environment_and_the_environment_over_the_file(file: Path) -> None:
    """Each source gives what the ones before it left open."""
    file.write_text('port = 1\nworkers = 2\nlog_format = "json"\n')
    settings = load({"port": "3"}, {"POLLUX_PORT": "4", "POLLUX_WORKERS": "5"}, file)

    assert (settings.port, settings.workers, settings.log_format) == (3, 5, "json")


def test_the_environment_may_name_the_file(file: Path) -> None:
    """POLLUX_CONFIG is the file when no flag names one."""
    file.write_text("port = 7\n")

    assert load({}, {"POLLUX_CONFIG": str(file)}).port == 7


def test_text_becomes_the_type_of_the_setting() -> None:
    """The environment knows texts only."""
    settings = load({}, {"POLLUX_ACCESS_LOG": "false", "POLLUX_HEAD_SECONDS": "2.5", "POLLUX_ALIASES": "a=b, c=d"})

    assert settings.access_log is False
    assert settings.head_seconds == 2.5
    assert settings.aliases["a"] == "b"
    assert settings.aliases["c"] == "d"


def test_the_gemini_key_comes_from_the_usual_variable() -> None:
    """GEMINI_API_KEY is what Google's own clients read."""
    settings = load({}, {"GEMINI_API_KEY": " key \n"})

    assert settings.gemini_api_key == "key"
    assert settings.spends_server_key
    assert settings.local_only


def test_the_gemini_key_may_stand_in_a_file(tmp_path: Path) -> None:
    """As secrets are mounted into containers."""
    (tmp_path / "key").write_text("key\n")

    assert load({}, {"GEMINI_API_KEY_FILE": str(tmp_path / "key")}).gemini_api_key == "key"


def test_aliases_are_added_to_the_retired_names(file: Path) -> None:
    """An operator adds names, replaces a target, and removes a name with an empty text."""
    removed, replaced, *_ = RETIRED_MODELS
    file.write_text(f'[aliases]\n"gpt-4o-mini" = "gemini-3.6-flash"\n"{removed}" = ""\n"{replaced}" = "other"\n')
    aliases = load({}, {}, file).aliases

    assert aliases["gpt-4o-mini"] == "gemini-3.6-flash"
    assert removed not in aliases
    assert aliases[replaced] == "other"
    assert len(aliases) == len(RETIRED_MODELS)


def test_secrets_are_not_shown() -> None:
    """Neither `repr` nor what doctor prints holds a key or a hash."""
    settings = load(
        {}, {"GEMINI_API_KEY": "very-secret", "POLLUX_KEYS": f"alice={HASH}", "POLLUX_SECRET": "hidden", "POLLUX_PORT": "9"}
    )

    assert "very-secret" not in repr(settings)
    assert HASH not in repr(settings)
    assert "hidden" not in repr(settings)
    assert settings.shown() == {"port": 9, "gemini_api_key": "…", "keys": "…", "secret": "…"}


def test_the_data_folder_follows_the_usual_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A setting, else XDG_DATA_HOME, else the home folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    assert Settings().data_path == tmp_path / "pollux"
    assert Settings(data_dir="~/data").data_path == Path.home() / "data"


@pytest.mark.parametrize(
    ("flags", "environment", "said"),
    [
        ({"port": "http"}, {}, "The setting port (in the command line) must be a whole number."),
        ({"port": "70000"}, {}, "The setting port must be between 0 and 65535."),
        ({"upstream": "openai"}, {}, "must be gemini or emulator"),
        ({"upstream_url": "ftp://host"}, {}, "The setting upstream_url must look like"),
        ({"upstream_url": "https://user:secret@host"}, {}, "The setting upstream_url must look like"),
        ({}, {"POLLUX_WORKERS": "0"}, "The setting workers must be above zero, and not endless."),
        ({}, {"POLLUX_HEAD_SECONDS": "nan"}, "The setting head_seconds must be above zero, and not endless."),
        ({}, {"POLLUX_DRAIN_SECONDS": "inf"}, "not endless"),
        ({}, {"POLLUX_SHUTDOWN_GRACE_SECONDS": "-1"}, "must not be below zero"),
        ({}, {"POLLUX_ACCESS_LOG": "maybe"}, "must be true or false"),
        ({}, {"POLLUX_ALIASES": "one"}, "must be a table of texts"),
        ({}, {"POLLUX_KEYS": "alice=secret", "GEMINI_API_KEY": "k"}, "`pollux key alice` makes one"),
        ({}, {"POLLUX_KEYS": f"alice={HASH}"}, "there is no Gemini key that they could use"),
        ({"host": "0.0.0.0"}, {"GEMINI_API_KEY": "k"}, "listens on this machine only"),
        ({}, {"GEMINI_API_KEY_FILE": "missing"}, "GEMINI_API_KEY_FILE names missing, which cannot be read"),
        ({}, {"POLLUX_CONFIG": "missing.toml"}, "The settings file missing.toml cannot be read"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_name_and_place(flags: Mapping[str, Any], environment: Mapping[str, str], said: str) -> None:
    """The message names the setting, and no secret."""
    with pytest.raises(SettingsError) as caught:
        load(flags, environment)

    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "There is no setting 'prot'"),
        ("port = ", "is not TOML"),
        ("port = true", "must be a whole number"),
        ("port = 80.5", "must be a whole number"),
        ("host = 1", "The setting host"),
        ("keys = [1]", "must be a table of texts"),
    ],
)
def test_a_mistake_in_the_file_is_told(file: Path, text: str, said: str) -> None:
    """Also a misspelt name: it would else be a setting that does nothing."""
    file.write_text(text)

    with pytest.raises(SettingsError, match=said):
        load({}, {}, file)


@pytest.mark.parametrize(
    ("name", "value"), [("store_url", "mysql://host/name"), ("store_url", "store.sqlite3"), ("bytes_url", "/var/lib/bytes")]
)
def test_a_place_of_the_store_that_is_none_is_refused(name: str, value: str) -> None:
    """With what it should look like, and without a password that may be in it."""
    with pytest.raises(SettingsError, match=f"{name} must look like"):
        load({}, {f"POLLUX_{name.upper()}": value})


def test_the_address_of_the_database_is_a_secret() -> None:
    """It may hold a password."""
    settings = load({}, {"POLLUX_STORE_URL": "postgresql://pollux:secret-password@db/pollux"})

    assert "secret-password" not in repr(settings)


def test_a_fact_of_a_model_is_one_that_is_known() -> None:
    """Each word names a fact of the profile; another is told."""
    assert profile("gemini-4-argon", " ".join(MODEL_FACTS)).samples
    assert TAKEN.keys() == MODEL_FACTS
    with pytest.raises(SettingsError, match="must be of log_probabilities, penalties, sampling"):
        load({}, {"POLLUX_MODEL_FACTS": "gemini-4-argon=penalties tea"})
