"""What the doctor looks at: one agent's folder, settings and clock, and what the agent says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.clock import Clock
from agent.data_folder import DataFolder
from agent.settings import Settings
from agent.topics import DeviceName

__all__ = ["AgentAnswer", "Patient"]


@dataclass(frozen=True, slots=True)
class AgentAnswer:
    """The running agent's status document; without one, why there is none."""

    status: Mapping[str, Any] | None  # Any: the JSON of GET /v1/status
    absence: str = ""
    runs: bool = False
    """Whether somebody answers at all, or may be there."""
    out_of_reach: bool = False
    """Whether this user may not ask."""


@dataclass(frozen=True, slots=True)
class Patient:
    """Everything that a check may ask."""

    folder: DataFolder
    settings: Settings
    settings_problem: str
    """Why these are the defaults and not the ones of the file; empty when the file was loaded."""
    settings_from: str
    agent: AgentAnswer
    clock: Clock

    @property
    def name(self) -> DeviceName:
        """Who the device says it is."""
        return DeviceName(self.settings.site.id, self.settings.device.id)

    @property
    def log_file(self) -> Path:
        """The event log."""
        return self.folder.log / "events.sqlite"

    @property
    def nearest_folder(self) -> Path:
        """The log's folder, or where it will be made: the nearest one around it that exists."""
        return next(folder for folder in (self.folder.log, *self.folder.log.parents) if folder.is_dir())
