"""Options that several commands share, and the one place where a command takes its settings from."""

import os
from pathlib import Path

import click

from agent.data_folder import DataFolder, default_data_folder
from agent.settings_file import Loaded, default_settings_file, load_settings

__all__ = ["config_option", "data_folder", "data_option", "has_display", "json_option", "load"]

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="Settings file, e.g. --config store.toml. Default: /etc/storeforward/storeforward.toml where it exists.",
)
data_option = click.option(
    "--data",
    "data",
    type=click.Path(path_type=Path, file_okay=False, readable=False),  # whoever may not read it is told what is missing
    help="Data folder, e.g. --data ./data. Default: /var/lib/storeforward, else one in your home folder.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, e.g. for --json | jq .")


def load(config_file: Path | None) -> Loaded:
    """The settings of `--config`, or the packaged ones, under this process's environment."""
    return load_settings(config_file or default_settings_file(), os.environ)


def has_display() -> bool:
    """Whether a window of this process could be seen."""
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def data_folder(data: Path | None) -> DataFolder:
    """The folder of `--data`, or the default one."""
    return DataFolder((data or default_data_folder()).absolute())
