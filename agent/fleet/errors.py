"""What a vehicle reports as wrong: entries of the state's `errors`, and the refusal of an unreadable message."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent.errors import PeerError

__all__ = ["ErrorLevel", "ErrorType", "MessageRefused", "Reference", "VehicleError", "references"]

ERRORS_MAX: Final = 50
"""Entries that a state carries at most; the oldest make room."""

REFERENCE_CHARS_MAX: Final = 128
"""Of a value that a peer sent, so that an error does not grow with what it complains of."""


class ErrorLevel(StrEnum):
    """How far an error reaches (2.1: 6.10.5)."""

    WARNING = "WARNING"
    """The vehicle goes on."""
    FATAL = "FATAL"
    """A person is needed."""


class ErrorType(StrEnum):
    """The 2.x names: of the standard where it has one, of its practice else."""

    VALIDATION = "validationError"
    ORDER = "orderError"
    ORDER_UPDATE = "orderUpdateError"
    NO_ROUTE = "noRouteError"
    NO_ORDER_TO_CANCEL = "noOrderToCancel"
    INSTANT_ACTION = "instantActionError"
    ACTION_FAILED = "orderActionError"
    OUTCOME_UNKNOWN = "actionOutcomeUnknown"
    DRIVE_FAILED = "driveError"
    LINK_LOST = "vehicleLinkLost"
    MISSION_UNREADABLE = "missionUnreadable"
    DRIVE_FAULT = "driveFault"
    LIFT_FAULT = "liftFault"
    LOCALIZATION = "localizationError"
    BATTERY_FAULT = "batteryFault"
    VEHICLE_FAULT = "vehicleFault"


@dataclass(frozen=True, slots=True)
class Reference:
    """What an error is about: `orderId`, `nodeId`, `actionId`, `field` …, and its value as text."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class VehicleError:
    """One entry of the state's `errors`."""

    error_type: ErrorType
    level: ErrorLevel
    references: tuple[Reference, ...]
    description: str
    hint: str = ""

    def refers_to(self, key: str, value: str) -> bool:
        """Whether one of its references is this one."""
        return Reference(key, value) in self.references


class MessageRefused(PeerError):
    """A message that is malformed or not for this vehicle; `error` is what the state has to say about it."""

    def __init__(self, error: VehicleError) -> None:
        super().__init__(error.description)
        self.error = error


def references(*pairs: tuple[str, object], fields: Iterable[str] = ()) -> tuple[Reference, ...]:
    """References in the order given, then one `field` for each path."""
    named = tuple(Reference(key, str(value)[:REFERENCE_CHARS_MAX]) for key, value in pairs)
    return named + tuple(Reference("field", path) for path in fields)
