"""Stop vehicles: one tap for all of them, past the queue of taps, and never sent later than a person would expect.

A stop is tried for seconds and then given up with a word: one that came minutes later would surprise whoever walks
beside the vehicle by then, and nobody would know why.
"""

from dataclasses import replace
from typing import Final

from kiosk.documents import VehiclePart
from kiosk.effects import Step, StopVehicles
from kiosk.inputs import StopTold, StopUntold
from kiosk.state import Face, State, Stop, StopState, number_id

__all__ = ["ANSWER_S", "STALE_S", "STOPPED_SHOWN_S", "TRIED_S"]
__all__ += ["close_stop", "end_stop", "see_vehicles", "tap_stop", "tick_stop"]

TRIED_S: Final = 5.0
"""How long the agent is told again: a restart takes it about two seconds, and nobody waits longer before walking."""
ANSWER_S: Final = 3.0  # a vehicle answers within a tenth of a second; the rest is for a busy machine
STOPPED_SHOWN_S: Final = 6.0
STALE_S: Final = 1.0  # so long after a stop, an answer may still be from before it


def tap_stop(state: State, now_s: float) -> Step:
    """Every tap stops again, but for one that is still on its way to the agent."""
    if state.face is not Face.STAFF or not state.has_vehicles:
        return state, ()
    if state.stop is not None and state.stop.state is StopState.TELLING:
        return replace(state, stop=replace(state.stop, open=True)), ()
    state, request_id = number_id(state)
    stop = Stop(request_id, StopState.TELLING, now_s)
    return replace(state, stop=stop), (StopVehicles(request_id, now_s + TRIED_S),)


def end_stop(state: State, told: StopTold | StopUntold, now_s: float) -> State:
    """What became of telling the agent; of an older tap's stop, nothing is heard any more."""
    stop = state.stop
    if stop is None or stop.request_id != told.request_id or stop.state is not StopState.TELLING:
        return state
    if isinstance(told, StopUntold):
        return replace(state, stop=replace(stop, state=StopState.UNTOLD, since_s=now_s, open=True, reason=told.reason))
    stopping = replace(stop, state=StopState.STOPPING, since_s=now_s)
    return see_vehicles(replace(state, stop=stopping), told.vehicles, now_s)


def see_vehicles(state: State, vehicles: tuple[VehiclePart, ...], now_s: float) -> State:
    """How the vehicles are now; the stop is over once each has answered."""
    state = replace(state, vehicles=vehicles)
    stop = state.stop
    if stop is None:
        return state
    if not vehicles:
        return replace(state, stop=None)
    all_stand = all(vehicle.stop_acknowledged for vehicle in vehicles)
    none_is_silent = all(vehicle.stop_acknowledged or not vehicle.stopped for vehicle in vehicles)
    match stop.state:
        case StopState.STOPPING | StopState.SILENT if all_stand:
            return replace(state, stop=replace(stop, state=StopState.STOPPED, since_s=now_s))
        case StopState.SILENT if none_is_silent:
            return replace(state, stop=None)  # what is not latched any more, a person has released
        case StopState.STOPPED if not all_stand and now_s - stop.since_s >= STALE_S:
            return replace(state, stop=None)  # that all of them stand is no longer so
    return state


def tick_stop(state: State, now_s: float) -> State:
    """A vehicle that does not answer in time is told; that all have stopped is shown for a while."""
    stop = state.stop
    if stop is None:
        return state
    if stop.state is StopState.STOPPING and now_s - stop.since_s >= ANSWER_S:
        return replace(state, stop=replace(stop, state=StopState.SILENT, since_s=now_s, open=True))
    if stop.state is StopState.STOPPED and (not stop.open or now_s - stop.since_s >= STOPPED_SHOWN_S):
        return replace(state, stop=None)
    return state


def close_stop(state: State) -> State:
    """Away with the panel; it comes back by itself with a bad end that nobody has seen yet."""
    stop = state.stop
    if stop is None or stop.state not in (StopState.TELLING, StopState.STOPPING):
        return replace(state, stop=None)
    return replace(state, stop=replace(stop, open=False))
