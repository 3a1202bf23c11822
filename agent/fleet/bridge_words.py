"""Between a mission's words and those of the serial bridge: commands one way, outcomes and facts the other. No I/O."""

from collections.abc import Iterator
from math import pi, remainder
from typing import Final
from zlib import crc32

import firmware_bridge as bridge
from agent.fleet.commands import Command, Control, ControlMotion, Drive, Outcome, Perform
from agent.fleet.errors import ErrorLevel, ErrorType, VehicleError
from agent.fleet.model import ActionParameter
from agent.fleet.vehicle_state import Battery, Facts, Load, Pose, Velocity

__all__ = ["boot_of", "bridge_command", "facts_of", "is_motion", "outcome_of", "was_not_moved"]

UINT16_MAX: Final = 65_535
_CONTROLS: Final = {Control.PAUSE: bridge.Pause, Control.RESUME: bridge.Resume, Control.CANCEL: bridge.Cancel}
_LOADS: Final = {"pick": bridge.Pick, "drop": bridge.Drop}
_OUTCOMES: Final = {
    bridge.Outcome.ACCEPTED: Outcome.RUNNING,
    bridge.Outcome.STARTED: Outcome.RUNNING,
    bridge.Outcome.DONE: Outcome.DONE,
    bridge.Outcome.FAILED: Outcome.FAILED,
    bridge.Outcome.EXPIRED: Outcome.EXPIRED,
}
_FAULTS: Final = {
    bridge.Faults.DRIVE: (ErrorType.DRIVE_FAULT, "its drive has a fault"),
    bridge.Faults.LIFT: (ErrorType.LIFT_FAULT, "its lift has a fault"),
    bridge.Faults.POSITION_LOST: (ErrorType.LOCALIZATION, "it has lost its position"),
    bridge.Faults.BATTERY: (ErrorType.BATTERY_FAULT, "its battery is empty or has a fault"),
}
_FAULT_HINT: Final = "mend it at the vehicle, then release it: it has stopped itself"
_NOT_BEGUN: Final = frozenset({bridge.Reason.LATCHED, bridge.Reason.STALE, bridge.Reason.STOPPED})


def boot_of(identity: bridge.Identity) -> int:
    """Which start of which controller it is: another one may have counted as many boots."""
    return crc32(identity.vehicle.encode()) << 32 | identity.boot_count


def is_motion(command: Command) -> bool:
    """Whether a command can make something move: only such ones grow too old."""
    return not (isinstance(command, ControlMotion) and command.control is not Control.RESUME)


def bridge_command(command: Command, station: str, ttl_ms: int) -> bridge.Command:
    """The command for the line; `station` is where the vehicle stands, if an action does not name one.

    Raises:
        ValueError: a number is beyond what the line carries.
    """
    match command:
        case Drive():
            return bridge.Move(
                command_id=command.command_id,
                ttl_ms=ttl_ms,
                node=command.node.sequence_id,
                x_mm=round(command.x * 1000),
                y_mm=round(command.y * 1000),
                theta_mrad=None if command.theta is None else round(remainder(command.theta, 2 * pi) * 1000),
                speed_mm_s=min(UINT16_MAX, max(1, round(command.speed_max * 1000))),
            )
        case Perform():
            name = _parameter(command.parameters, "stationName") or station
            return _LOADS[command.action_type](
                command_id=command.command_id,
                ttl_ms=ttl_ms,
                station=_station_number(str(name)),
                height_mm=_millimetres(_parameter(command.parameters, "height")),
            )
        case ControlMotion():
            return _CONTROLS[command.control](command_id=command.command_id, ttl_ms=ttl_ms)


def outcome_of(result: bridge.Result) -> Outcome:
    """What a result says of its command; a DUPLICATE says what became of it before."""
    said = result.prior if result.outcome is bridge.Outcome.DUPLICATE else result.outcome
    if said is bridge.Outcome.FAILED and result.reason is bridge.Reason.FORGOTTEN:
        return Outcome.UNKNOWN
    return _OUTCOMES.get(said, Outcome.UNKNOWN)


def was_not_moved(result: bridge.Result) -> bool:
    """Whether the vehicle says that a stop came first: nothing was picked or dropped, so it may be told anew."""
    return outcome_of(result) is Outcome.FAILED and result.reason in _NOT_BEGUN


def facts_of(status: bridge.Status, map_id: str, load: Load) -> Facts:
    """Telemetry in metres, radians and per cent; `load` is what it carries when it carries something."""
    flags = status.flags
    return Facts(
        driving=bridge.StatusFlags.MOVING in flags,
        pose=Pose(
            status.x_mm / 1000,
            status.y_mm / 1000,
            max(-pi, min(pi, status.theta_mrad / 1000)),
            map_id,
            bridge.Faults.POSITION_LOST not in status.faults,
        ),
        velocity=Velocity(status.speed_mm_s / 1000, 0.0, status.turn_mrad_s / 1000),
        battery=Battery(min(100.0, status.charge_permille / 10), bridge.StatusFlags.CHARGING in flags),
        loads=(load,) if bridge.StatusFlags.LOADED in flags else (),
        faults=tuple(_faults(status.faults)),
    )


def _faults(faults: bridge.Faults) -> Iterator[VehicleError]:
    """Each latches the vehicle, so it goes no further without a person."""
    told = [words for fault, words in _FAULTS.items() if fault in faults]
    if others := int(faults) & ~sum(_FAULTS):
        told.append((ErrorType.VEHICLE_FAULT, f"it has a fault that this version does not know: {others:#x}"))
    for error_type, words in told:
        yield VehicleError(error_type, ErrorLevel.FATAL, (), f"the vehicle says: {words}", _FAULT_HINT)


def _parameter(parameters: tuple[ActionParameter, ...], key: str) -> object:
    return next((each.value for each in parameters if each.key == key), None)


def _station_number(name: str) -> int:
    """The number in a station's name, or one that is always the same for the same name; never 0, which is none."""
    if name.isascii() and name.isdigit() and 0 < int(name) <= 0xFFFF_FFFF:
        return int(name)
    return crc32(name.encode()) or 1


def _millimetres(metres: object) -> int:
    return min(UINT16_MAX, max(0, round(metres * 1000))) if isinstance(metres, int | float) else 0
