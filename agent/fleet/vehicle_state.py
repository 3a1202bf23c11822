"""What a vehicle says of itself, as frozen values: the content of the state message, without header and text form."""

from dataclasses import dataclass, field, fields
from enum import StrEnum

from agent.fleet.errors import VehicleError
from agent.fleet.model import Edge, Node

__all__ = [
    "ActionState",
    "ActionStatus",
    "Battery",
    "ConnectionState",
    "EmergencyStop",
    "Facts",
    "Load",
    "OperatingMode",
    "Pose",
    "VehicleState",
    "Velocity",
    "changed_fields",
]


class ActionStatus(StrEnum):
    """How far an action is (2.1: 6.11, figure 16)."""

    WAITING = "WAITING"
    INITIALIZING = "INITIALIZING"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"

    @property
    def ended(self) -> bool:
        """Whether nothing follows."""
        return self in (ActionStatus.FINISHED, ActionStatus.FAILED)


class OperatingMode(StrEnum):
    """Who is in control (2.1: table 1)."""

    AUTOMATIC = "AUTOMATIC"
    SEMIAUTOMATIC = "SEMIAUTOMATIC"
    MANUAL = "MANUAL"
    SERVICE = "SERVICE"
    TEACHIN = "TEACHIN"

    @property
    def takes_orders(self) -> bool:
        """Whether fleet control is in control."""
        return self in (OperatingMode.AUTOMATIC, OperatingMode.SEMIAUTOMATIC)

    @property
    def loses_place(self) -> bool:
        """Whether the vehicle may be elsewhere afterwards (3.0: 6.6.7); driven by hand, it keeps its last node."""
        return self in (OperatingMode.SERVICE, OperatingMode.TEACHIN)


class EmergencyStop(StrEnum):
    """How a stop has to be acknowledged, or that there is none."""

    MANUAL = "MANUAL"
    """At the vehicle."""
    REMOTE = "REMOTE"
    """From elsewhere: kiosk, command line."""
    NONE = "NONE"


class ConnectionState(StrEnum):
    """What the `connection` topic says; the last one is the will."""

    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"
    BROKEN = "CONNECTIONBROKEN"


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the vehicle is, in metres and radians on a map."""

    x: float
    y: float
    theta: float
    map_id: str
    initialized: bool = True


@dataclass(frozen=True, slots=True)
class Velocity:
    """In vehicle coordinates: metres and radians per second."""

    vx: float
    vy: float
    omega: float


@dataclass(frozen=True, slots=True)
class Battery:
    """State of charge in per cent, `None` before the vehicle said it, and whether it is being charged."""

    charge: float | None = None
    charging: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """Something that the vehicle carries."""

    load_id: str = ""
    load_type: str = ""
    load_position: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the vehicle's telemetry says right now; never journalled."""

    driving: bool = False
    pose: Pose | None = None
    velocity: Velocity | None = None
    battery: Battery = Battery()
    loads: tuple[Load, ...] | None = None
    mode: OperatingMode = OperatingMode.AUTOMATIC
    field_violation: bool = False
    faults: tuple[VehicleError, ...] = ()
    """The vehicle's own: errors as long as it says so."""


@dataclass(frozen=True, slots=True)
class ActionState:
    """One entry of the state's `actionStates`."""

    action_id: str
    action_type: str
    status: ActionStatus
    result: str = ""


@dataclass(frozen=True, slots=True)
class VehicleState:
    """The whole state message but its header. `nodes` and `edges` are those still to be passed."""

    order_id: str
    order_update_id: int
    last_node_id: str
    last_node_sequence_id: int
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    action_states: tuple[ActionState, ...]
    errors: tuple[VehicleError, ...]
    paused: bool
    new_base_request: bool
    emergency_stop: EmergencyStop
    facts: Facts = field(default_factory=Facts)


_SILENT = frozenset({"pose", "velocity", "faults"})
"""Changes that are no reason for a state message: they would be one every time (2.1: 6.10), or count as errors."""


def changed_fields(before: VehicleState, after: VehicleState) -> frozenset[str]:
    """The fields whose change fleet control has to hear of (2.1: 6.10); a battery counts by `charging` alone."""
    changed = _differing(before, after) - {"facts"}
    in_facts = _differing(before.facts, after.facts) - _SILENT
    if before.facts.battery.charging == after.facts.battery.charging:
        in_facts -= {"battery"}
    return changed | in_facts


def _differing(before: VehicleState | Facts, after: VehicleState | Facts) -> frozenset[str]:
    names = (each.name for each in fields(before))
    return frozenset(name for name in names if getattr(before, name) != getattr(after, name))
