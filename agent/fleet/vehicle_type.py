"""What a type of vehicle can do and bear: one value that its factsheet is written from and orders are held against."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import JsonValue

from agent.fleet.model import BlockingType

__all__ = [
    "PICK_AND_DROP",
    "STANDARD_INSTANT_ACTIONS",
    "ActionAbility",
    "ActionScope",
    "ParameterAbility",
    "ProtocolLimits",
    "ValueType",
    "VehicleType",
]


class ActionScope(StrEnum):
    """Where an action may stand. On edges no vehicle of ours does anything but drive."""

    INSTANT = "INSTANT"
    NODE = "NODE"


class ValueType(StrEnum):
    """The JSON type of an action parameter."""

    BOOL = "BOOL"
    INTEGER = "INTEGER"
    NUMBER = "NUMBER"
    STRING = "STRING"

    def holds(self, value: JsonValue) -> bool:
        """Whether a value is of this type."""
        match self:
            case ValueType.BOOL:
                return isinstance(value, bool)
            case ValueType.INTEGER:
                return isinstance(value, int) and not isinstance(value, bool)
            case ValueType.NUMBER:
                return isinstance(value, int | float) and not isinstance(value, bool)
            case ValueType.STRING:
                return isinstance(value, str)


@dataclass(frozen=True, slots=True)
class ParameterAbility:
    """A parameter that an action understands."""

    key: str
    value_type: ValueType
    optional: bool = True


@dataclass(frozen=True, slots=True)
class ActionAbility:
    """An action that the vehicle can do: where, beside what, and told by which parameters."""

    action_type: str
    scopes: frozenset[ActionScope]
    blocking_types: frozenset[BlockingType]
    parameters: tuple[ParameterAbility, ...] = ()


@dataclass(frozen=True, slots=True)
class ProtocolLimits:
    """The largest messages that are taken; what the factsheet says under `protocolLimits`."""

    message_bytes: int = 262_144
    id_chars: int = 128
    enum_chars: int = 64
    nodes: int = 100
    edges: int = 99
    node_actions: int = 10
    action_parameters: int = 20
    instant_actions: int = 10
    node_states: int = 200
    action_states: int = 500


_ANY_BLOCKING: Final = frozenset(BlockingType)
_STANDING: Final = frozenset({BlockingType.SOFT, BlockingType.HARD})
_LOAD_PARAMETERS: Final = (
    *(ParameterAbility(key, ValueType.STRING) for key in ("lhd", "stationType", "stationName", "loadType", "loadId")),
    *(ParameterAbility(key, ValueType.NUMBER) for key in ("height", "depth")),
    ParameterAbility("side", ValueType.STRING),
)

STANDARD_INSTANT_ACTIONS: Final = tuple(
    ActionAbility(name, frozenset({ActionScope.INSTANT}), _ANY_BLOCKING)
    for name in ("cancelOrder", "startPause", "stopPause", "stateRequest", "factsheetRequest")
)
"""What the agent itself answers for every vehicle."""

PICK_AND_DROP: Final = tuple(
    ActionAbility(name, frozenset({ActionScope.NODE}), _STANDING, _LOAD_PARAMETERS) for name in ("pick", "drop")
)
"""Load handling as the standard names it (2.1: 6.8.1), standing."""


@dataclass(frozen=True, slots=True)
class VehicleType:
    """A type series: metres, kilograms, seconds."""

    series_name: str
    max_load_mass_kg: float = 30.0
    speed_max: float = 1.0
    acceleration_max: float = 0.5
    deceleration_max: float = 1.0
    length: float = 0.8
    width: float = 0.6
    height: float = 1.2
    kinematic: str = "DIFF"
    vehicle_class: str = "CARRIER"
    actions: tuple[ActionAbility, ...] = PICK_AND_DROP
    load_positions: tuple[str, ...] = ()
    map_ids: frozenset[str] = frozenset()
    """The maps that it knows; none listed: whichever map it stands on."""
    start_tolerance: float = 0.5
    """How far from an order's first node it may stand when the order allows no deviation of its own."""
    limits: ProtocolLimits = ProtocolLimits()

    def ability(self, action_type: str, scope: ActionScope) -> ActionAbility | None:
        """How it does an action there, or `None` when it cannot."""
        known = (*self.actions, *STANDARD_INSTANT_ACTIONS)
        return next((each for each in known if each.action_type == action_type and scope in each.scopes), None)
