"""Settings as flags of a command: every setting declared with `flag=True`, and the settings file."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from pollux.settings import Settings, load


def add_settings(parser: argparse.ArgumentParser, *, only: tuple[str, ...] = ()) -> None:
    """Add the flags of the settings (of those in `only`, if any are named) and `--config`."""
    for setting in dataclasses.fields(Settings):
        if setting.metadata["flag"] and (not only or setting.name in only):
            parser.add_argument(
                flag(setting.name),
                metavar=setting.name.rpartition("_")[2].upper(),
                default=argparse.SUPPRESS,
                help=f"{setting.metadata['help']}{_default(setting)}".replace("%", "%%"),
            )
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="Settings file (TOML). Default: the one that POLLUX_CONFIG names."
    )


def settings_of(given: argparse.Namespace) -> Settings:
    """Read the settings, the flags that were given among them. Raises SettingsError."""
    names = {setting.name for setting in dataclasses.fields(Settings)}
    return load({name: value for name, value in vars(given).items() if name in names}, file=given.config)


def flag(name: str) -> str:
    """Spell a setting's name as a flag."""
    return "--" + name.replace("_", "-")


def _default(setting: "dataclasses.Field[Any]") -> str:
    if setting.default in {"", dataclasses.MISSING}:
        return ""
    return f" Default: {setting.default}."
