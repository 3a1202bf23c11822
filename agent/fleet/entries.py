"""Journal entries of a mission: the single way in which its state changes, and what the shell stores as rows.

They are written before what they announce is done: an entry that issues a command is durable before the command
leaves. Within one format fields are only added, with defaults.
"""

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from agent.fleet.commands import Control
from agent.fleet.errors import VehicleError
from agent.fleet.mission_state import MissionState
from agent.fleet.model import Action, NodeRef, Order
from agent.fleet.vehicle_state import ActionStatus, EmergencyStop

__all__ = [
    "ActionEnded",
    "ActionIssued",
    "CancelBegun",
    "CommandDone",
    "CommandFailed",
    "CommandVoided",
    "ControlIssued",
    "DriveIssued",
    "Entry",
    "ErrorsRaised",
    "InstantReceived",
    "InstantRepeated",
    "OrderAccepted",
    "OrderCleared",
    "OutcomeResolved",
    "OutcomeUnknown",
    "PauseAsked",
    "PlaceForgotten",
    "Retried",
    "Snapshot",
    "StopLatched",
    "StopReleased",
    "UpdateAccepted",
    "entry_from_json",
    "entry_to_json",
]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that was before, so that older entries may be deleted; every journal begins with one."""

    state: MissionState
    kind: Literal["snapshot"] = "snapshot"


@dataclass(frozen=True, slots=True)
class OrderAccepted:
    """A new order replaces the old one."""

    order: Order
    kind: Literal["order_accepted"] = "order_accepted"


@dataclass(frozen=True, slots=True)
class UpdateAccepted:
    """An update continues the base and replaces the horizon."""

    order: Order
    kind: Literal["update_accepted"] = "update_accepted"


@dataclass(frozen=True, slots=True)
class ErrorsRaised:
    """Errors to be reported until a new order is accepted."""

    errors: tuple[VehicleError, ...]
    kind: Literal["errors_raised"] = "errors_raised"


@dataclass(frozen=True, slots=True)
class InstantReceived:
    """An instant action, seen for the first time; `refused`: one that the vehicle cannot do."""

    action: Action
    refused: bool = False
    kind: Literal["instant_received"] = "instant_received"


@dataclass(frozen=True, slots=True)
class InstantRepeated:
    """An instant action of the past came again: its end is reported again, nothing is done."""

    action_id: str
    kind: Literal["instant_repeated"] = "instant_repeated"


@dataclass(frozen=True, slots=True)
class ActionEnded:
    """An instant action came to its end."""

    action_id: str
    status: Literal[ActionStatus.FINISHED, ActionStatus.FAILED]
    result: str = ""
    kind: Literal["action_ended"] = "action_ended"


@dataclass(frozen=True, slots=True)
class DriveIssued:
    """The next command: drive to this node."""

    command_id: int
    node: NodeRef
    kind: Literal["drive_issued"] = "drive_issued"


@dataclass(frozen=True, slots=True)
class ActionIssued:
    """The next command: do this action."""

    command_id: int
    action_id: str
    kind: Literal["action_issued"] = "action_issued"


@dataclass(frozen=True, slots=True)
class ControlIssued:
    """The next command: pause, resume or cancel."""

    command_id: int
    control: Control
    kind: Literal["control_issued"] = "control_issued"


@dataclass(frozen=True, slots=True)
class CommandDone:
    """The vehicle did what a command asked."""

    command_id: int
    result: str = ""
    kind: Literal["command_done"] = "command_done"


@dataclass(frozen=True, slots=True)
class CommandFailed:
    """The vehicle could not do what a command asked, and no longer tries."""

    command_id: int
    reason: str = ""
    kind: Literal["command_failed"] = "command_failed"


@dataclass(frozen=True, slots=True)
class CommandVoided:
    """A command was certainly not begun and never will be: its work may be commanded anew, under a new id."""

    command_id: int
    expired: bool = False
    kind: Literal["command_voided"] = "command_voided"


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """Nobody can tell what became of an action: a person has to."""

    action_id: str
    kind: Literal["outcome_unknown"] = "outcome_unknown"


@dataclass(frozen=True, slots=True)
class OutcomeResolved:
    """A person looked, and says what became of an action."""

    action_id: str
    done: bool
    by: str
    kind: Literal["outcome_resolved"] = "outcome_resolved"


@dataclass(frozen=True, slots=True)
class PauseAsked:
    """Fleet control wants the vehicle paused, or no longer."""

    wanted: bool
    kind: Literal["pause_asked"] = "pause_asked"


@dataclass(frozen=True, slots=True)
class CancelBegun:
    """The order is being cancelled: nothing of it is begun any more."""

    kind: Literal["cancel_begun"] = "cancel_begun"


@dataclass(frozen=True, slots=True)
class OrderCleared:
    """The cancelled order's motion and actions have come to rest."""

    kind: Literal["order_cleared"] = "order_cleared"


@dataclass(frozen=True, slots=True)
class PlaceForgotten:
    """People may have moved the vehicle: its last node is none any more, and no order is continued from there."""

    kind: Literal["place_forgotten"] = "place_forgotten"


@dataclass(frozen=True, slots=True)
class StopLatched:
    """A stop: nothing is commanded until a person releases it."""

    stop: Literal[EmergencyStop.MANUAL, EmergencyStop.REMOTE]
    kind: Literal["stop_latched"] = "stop_latched"


@dataclass(frozen=True, slots=True)
class StopReleased:
    """A person released the stop."""

    by: str
    kind: Literal["stop_released"] = "stop_released"


@dataclass(frozen=True, slots=True)
class Retried:
    """A person lets a failed drive be tried again."""

    by: str
    kind: Literal["retried"] = "retried"


Entry = (
    Snapshot
    | OrderAccepted
    | UpdateAccepted
    | ErrorsRaised
    | InstantReceived
    | InstantRepeated
    | ActionEnded
    | DriveIssued
    | ActionIssued
    | ControlIssued
    | CommandDone
    | CommandFailed
    | CommandVoided
    | OutcomeUnknown
    | OutcomeResolved
    | PauseAsked
    | CancelBegun
    | OrderCleared
    | PlaceForgotten
    | StopLatched
    | StopReleased
    | Retried
)

_ENTRY: Final[TypeAdapter[Entry]] = TypeAdapter(Annotated[Entry, Field(discriminator="kind")])


def entry_to_json(entry: Entry) -> bytes:
    """The row's text; `kind` says which entry it is."""
    return _ENTRY.dump_json(entry, by_alias=True)


def entry_from_json(text: bytes | str) -> Entry:
    """The inverse of `entry_to_json`."""
    return _ENTRY.validate_json(text)
