"""What the screen says about a stop of the vehicles: a headline, and each vehicle with a sign and words of its own."""

from dataclasses import dataclass
from enum import StrEnum

from kiosk.documents import VehiclePart
from kiosk.state import State, Stop, StopState
from kiosk.stops import TRIED_S
from kiosk.words import Words

__all__ = ["StopPicture", "VehicleKind", "VehiclePicture", "stop_picture"]


class VehicleKind(StrEnum):
    """How a vehicle looks in the panel of a stop."""

    TELLING = "telling"
    STOPPING = "stopping"
    STOPPED = "stopped"
    SILENT = "silent"
    UNTOLD = "untold"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class VehiclePicture:
    """One vehicle."""

    name: str
    kind: VehicleKind
    text: str


@dataclass(frozen=True, slots=True)
class StopPicture:
    """The panel; `bad` when somebody has to walk to a vehicle."""

    state: StopState
    headline: str
    hint: str
    bad: bool
    vehicles: tuple[VehiclePicture, ...]


def stop_picture(state: State, words: Words) -> StopPicture | None:
    """The panel of a state, if it is open."""
    stop = state.stop
    if stop is None or not stop.open:
        return None
    headline, hint = _sentences(stop, words)
    vehicles = tuple(_vehicle(vehicle, stop.state, words) for vehicle in state.vehicles)
    bad = stop.state in (StopState.SILENT, StopState.UNTOLD)
    return StopPicture(stop.state, headline, hint, bad, vehicles)


def _sentences(stop: Stop, words: Words) -> tuple[str, str]:
    match stop.state:
        case StopState.TELLING:
            tried = words.count("Tried for {number} second", "Tried for {number} seconds", round(TRIED_S))
            return words.text("Telling the agent to stop all vehicles…"), tried
        case StopState.STOPPING:
            return words.text("Stopping the vehicles…"), ""
        case StopState.STOPPED:
            hint = words.text("They stand until a person who sees them and their way releases them.")
            return words.text("All vehicles have stopped"), hint
        case StopState.SILENT:
            return words.text("Not every vehicle answers. Use the button on the vehicle."), ""
        case StopState.UNTOLD:
            hint = words.text("This stop is not kept and not sent later. To try again, tap Stop vehicles.")
            if not stop.reason:
                return words.text("Not stopped: the agent does not answer. Use the button on the vehicle."), hint
            return _refused(stop.reason, words), hint


def _refused(reason: str, words: Words) -> str:
    return words.text("Not stopped: the agent says: {reason}. Use the button on the vehicle.", reason=reason)


def _vehicle(vehicle: VehiclePart, state: StopState, words: Words) -> VehiclePicture:
    kind = _kind(vehicle, state)
    text = {
        VehicleKind.TELLING: words.text("not told yet"),
        VehicleKind.STOPPING: words.text("stopping…"),
        VehicleKind.STOPPED: words.text("has stopped"),
        VehicleKind.SILENT: words.text("did not answer"),
        VehicleKind.UNTOLD: words.text("not told"),
        VehicleKind.RELEASED: words.text("released"),
    }[kind]
    return VehiclePicture(vehicle.id, kind, text)


def _kind(vehicle: VehiclePart, state: StopState) -> VehicleKind:
    """While the agent does not answer, what it said of a vehicle before is not repeated: it may be otherwise by now."""
    if state is StopState.TELLING:
        return VehicleKind.TELLING
    if state is StopState.UNTOLD:
        return VehicleKind.UNTOLD
    if vehicle.stop_acknowledged:
        return VehicleKind.STOPPED
    if state is StopState.STOPPING:
        return VehicleKind.STOPPING
    return VehicleKind.SILENT if vehicle.stopped else VehicleKind.RELEASED
