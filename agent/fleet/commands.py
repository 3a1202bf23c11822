"""What a mission asks of its vehicle, as small values, and what the vehicle can answer; the shell maps both to frames.

Command ids are the mission's own: unsigned 32-bit, plus 1 with each command, journalled before the command is handed
over, and never used for a second command.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agent.fleet.model import ActionParameter, NodeRef
from agent.fleet.vehicle_state import EmergencyStop

__all__ = ["Command", "Control", "ControlMotion", "Drive", "LinkReport", "Outcome", "Perform"]


class Control(StrEnum):
    """Commands that act on the motion as a whole."""

    PAUSE = "PAUSE"
    RESUME = "RESUME"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class Drive:
    """Go to a node: metres and radians on the map, metres per second at most."""

    command_id: int
    node: NodeRef
    x: float
    y: float
    theta: float | None
    speed_max: float


@dataclass(frozen=True, slots=True)
class Perform:
    """Do an action here."""

    command_id: int
    action_id: str
    action_type: str
    parameters: tuple[ActionParameter, ...]


@dataclass(frozen=True, slots=True)
class ControlMotion:
    """Pause, resume or cancel what is going on."""

    command_id: int
    control: Control


Command = Drive | Perform | ControlMotion


class Outcome(StrEnum):
    """What became of a command, as far as the vehicle can tell."""

    RUNNING = "RUNNING"
    """Received; no result yet."""
    DONE = "DONE"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"
    """Refused for its age: it was not begun."""
    NEVER_RECEIVED = "NEVER_RECEIVED"
    """The vehicle has kept its memory and does not know the id: it was not begun, and will not be."""
    UNKNOWN = "UNKNOWN"
    """The vehicle has lost its memory of it."""


@dataclass(frozen=True, slots=True)
class LinkReport:
    """What the vehicle says when the serial line is up again; a command id that is missing is `UNKNOWN`."""

    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    stop: EmergencyStop = EmergencyStop.NONE
