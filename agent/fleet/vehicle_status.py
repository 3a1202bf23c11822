"""What the agent says about one of its vehicles: at /v1/agvs, on the command line and in the kiosk."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from agent.fleet.vehicle_state import ActionStatus

__all__ = ["ActionReport", "FleetControlStatus", "LineState", "LineStatus", "PositionStatus", "VehicleStatus"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LineState(StrEnum):
    """How the serial line to the vehicle stands."""

    UP = "up"
    DOWN = "down"
    REFUSED = "refused"
    """Another version of the protocol: nothing moves, but a stop goes through."""


class LineStatus(_Part):
    """The serial line: its state, and when it is not up, why."""

    port: str
    state: LineState
    reason: str
    firmware: str
    boot_count: int
    losses: int
    """How often the line broke since the agent started."""


class FleetControlStatus(_Part):
    """The MQTT connection to fleet control, and the vehicle's topics there."""

    online: bool
    since: datetime
    reason: str
    topics: str
    messages_dropped: int
    """Orders and instant actions that came faster than they could be stored, since the agent started."""


class ActionReport(_Part):
    """One action of the order. `unknown`: a person has to say what became of it."""

    action_id: str
    action_type: str
    status: ActionStatus
    result: str
    unknown: bool


class PositionStatus(_Part):
    """Where it is, in metres and radians."""

    x: float
    y: float
    theta: float
    map_id: str


class VehicleStatus(_Part):
    """One vehicle, now."""

    id: str
    manufacturer: str
    serial_number: str
    vda5050: str
    line: LineStatus
    fleet_control: FleetControlStatus
    stopped: bool
    """It stands, and stays so until a person releases it."""
    stop_cause: str
    """Why, in a word: `person`, `boot`, `lease`, `fault`; empty when it is not stopped or the cause is not known."""
    stop_acknowledged: bool
    """The vehicle itself has said that it stands and is latched, also for the latest stop that was asked of it."""
    driving: bool
    paused: bool
    order_id: str
    order_update_id: int
    last_node_id: str
    nodes_left: int
    actions: list[ActionReport]
    position: PositionStatus | None
    charge_percent: float | None
    loaded: bool | None
    picks: int
    """Loads picked since the vehicle's controller started, as it counts them itself."""
    drops: int
    stalls: int
    """How often the agent was more than 150 ms late to say that it lives; at 250 ms that stops the vehicle."""
    stall_ms_max: int
    problems: list[str]
    """What needs somebody, in plain words."""
