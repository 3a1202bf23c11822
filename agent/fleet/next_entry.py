"""What a mission does next: one journal entry at a time, from its state and the facts of the vehicle, without memory.

Drives lead from node to node; only released nodes are driven to. Actions begin in the order of their arrays and as
their blocking types allow (2.1: 6.12, figure 17).
"""

from typing import Final

from agent.fleet.commands import Control
from agent.fleet.entries import (
    ActionEnded,
    ActionIssued,
    ControlIssued,
    DriveIssued,
    Entry,
    OrderCleared,
    PlaceForgotten,
)
from agent.fleet.mission_state import MissionState, TrackedAction
from agent.fleet.model import BlockingType
from agent.fleet.vehicle_state import ActionStatus, EmergencyStop, Facts

__all__ = ["next_entry"]

ACTIONS_AT_ONCE_MAX: Final = 8
"""As many as wait in a vehicle (PROTOCOL.md, section 6): one more would be refused there, and its action failed."""

_PAUSING: Final = {"startPause": True, "stopPause": False}


def next_entry(state: MissionState, facts: Facts, *, linked: bool) -> Entry | None:
    """The entry to record now, or `None` when there is nothing to do until something happens.

    Without a link to the vehicle nothing is commanded; what needs no command is still brought to its end.
    """
    at_rest = _end_of_cancel(state, facts) or _end_of_place(state, facts) or _end_of_instants(state, facts)
    if at_rest or not linked:
        return at_rest
    return _next_control(state) or _next_action(state, facts) or _next_drive(state, facts)


def _end_of_cancel(state: MissionState, facts: Facts) -> Entry | None:
    """All movement and all actions have come to rest (2.1: 6.6.3)."""
    waits = state.drive or state.running or state.control or facts.driving
    return OrderCleared() if state.cancelling and not waits else None


def _end_of_place(state: MissionState, facts: Facts) -> Entry | None:
    """Fleet control has to be told anew where a vehicle is that people serviced or taught (3.0: 6.6.7)."""
    known = state.last_node or state.decision_point
    return PlaceForgotten() if facts.mode.loses_place and state.idle and known else None


def _end_of_instants(state: MissionState, facts: Facts) -> Entry | None:
    for tracked in state.open_instants:
        action_id, action_type = tracked.action.action_id, tracked.action.action_type
        if action_type == "cancelOrder" and not state.cancelling:
            return ActionEnded(action_id, ActionStatus.FINISHED)
        wanted = _PAUSING.get(action_type)
        if wanted is None:
            continue
        if wanted is not state.pause_wanted:
            return ActionEnded(action_id, ActionStatus.FAILED, "overtaken, or refused by the vehicle")
        if wanted is state.paused and not (wanted and facts.driving):
            return ActionEnded(action_id, ActionStatus.FINISHED)
    return None


def _next_control(state: MissionState) -> Entry | None:
    """Cancel and pause are commanded whatever else holds; resume only when no stop is latched."""
    if state.control:
        return None
    if state.cancelling and not state.cancel_sent and state.open_command_ids:
        return ControlIssued(state.next_command_id, Control.CANCEL)
    if state.pause_wanted and not state.paused:
        return ControlIssued(state.next_command_id, Control.PAUSE)
    if state.paused and not state.pause_wanted and state.stop is EmergencyStop.NONE:
        return ControlIssued(state.next_command_id, Control.RESUME)
    return None


def _may_begin(state: MissionState, facts: Facts) -> bool:
    free = not (state.cancelling or state.pause_wanted or state.paused or state.held)
    certain = not any(tracked.unknown for tracked in state.running)
    return free and certain and state.stop is EmergencyStop.NONE and facts.mode.takes_orders


def _next_action(state: MissionState, facts: Facts) -> Entry | None:
    pending = _pending(state)
    if pending and _may_begin(state, facts) and _is_free_for(pending, state, facts):
        return ActionIssued(state.next_command_id, pending.action.action_id)
    return None


def _pending(state: MissionState) -> TrackedAction | None:
    """The first action whose node was reached and that no command does."""
    reached = state.last_node.sequence_id if state.last_node else -1
    for tracked in state.order_actions:
        open_here = not tracked.status.ended and tracked.command_id is None
        if open_here and tracked.node and tracked.node.sequence_id <= reached:
            return tracked
    return None


def _is_free_for(pending: TrackedAction, state: MissionState, facts: Facts) -> bool:
    others = [each.blocking for each in state.running if each is not pending]
    standing = state.drive is None and not facts.driving
    if len(others) >= ACTIONS_AT_ONCE_MAX:
        return False
    match pending.blocking:
        case BlockingType.HARD:
            return standing and not others
        case BlockingType.SOFT:
            return standing and BlockingType.HARD not in others
        case BlockingType.NONE:
            return BlockingType.HARD not in others


def _next_drive(state: MissionState, facts: Facts) -> Entry | None:
    if state.drive or _pending(state) or not _may_begin(state, facts):
        return None
    if any(each.blocking is not BlockingType.NONE for each in state.running):
        return None
    if state.nodes and state.nodes[0].released:
        return DriveIssued(state.next_command_id, state.nodes[0].ref)
    return None
