"""How each journal entry changes a mission's state: the one place where it changes, live and on restoring alike."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from agent.fleet.commands import Control
from agent.fleet.entries import (
    ActionEnded,
    ActionIssued,
    CancelBegun,
    CommandDone,
    CommandFailed,
    CommandVoided,
    ControlIssued,
    DriveIssued,
    Entry,
    ErrorsRaised,
    InstantReceived,
    InstantRepeated,
    OrderAccepted,
    OrderCleared,
    OutcomeResolved,
    OutcomeUnknown,
    PauseAsked,
    PlaceForgotten,
    Retried,
    Snapshot,
    StopLatched,
    StopReleased,
    UpdateAccepted,
)
from agent.fleet.errors import ERRORS_MAX, ErrorLevel, ErrorType, VehicleError, references
from agent.fleet.mission_state import MissionState, OpenControl, OpenDrive, TrackedAction
from agent.fleet.model import UINT32_MAX, Action, Order
from agent.fleet.vehicle_state import ActionStatus, EmergencyStop

__all__ = ["apply"]

ENDED_INSTANTS_MAX: Final = 50
"""Ended instant actions that a state reports; older ones are only remembered."""
PAST_INSTANTS_MAX: Final = 1_000
"""Ids remembered: far more than the re-sends of QoS 0 ever reach back."""
CANCELLED: Final = "the order was cancelled"

Actions = Mapping[str, TrackedAction]


def apply(state: MissionState, entry: Entry) -> MissionState:  # noqa: C901, PLR0911, PLR0912 - one table, a line an entry
    """The state after an entry."""
    match entry:
        case Snapshot(state=snapshot):
            return snapshot
        case OrderAccepted(order=order):
            return _begin_order(state, order)
        case UpdateAccepted(order=order):
            return _stitch(state, order)
        case ErrorsRaised(errors=errors):
            return replace(state, errors=_with_errors(state, *errors))
        case InstantReceived(action=action, refused=refused):
            tracked = _track_instant(state, action)
            return tracked if refused else replace(tracked, errors=_without(state, ErrorType.INSTANT_ACTION))
        case InstantRepeated(action_id=action_id):
            return _report_again(state, action_id)
        case ActionEnded(action_id=action_id, status=status, result=result):
            return _with_action(state, action_id, status=status, result=result)
        case DriveIssued(command_id=command_id, node=node):
            return _issued(replace(state, drive=OpenDrive(command_id, node), on_node=False))
        case ActionIssued(command_id=command_id, action_id=action_id):
            return _issued(_with_action(state, action_id, status=ActionStatus.RUNNING, command_id=command_id))
        case ControlIssued(command_id=command_id, control=control):
            cancel_sent = state.cancel_sent or control is Control.CANCEL
            return _issued(replace(state, control=OpenControl(command_id, control), cancel_sent=cancel_sent))
        case CommandDone(command_id=command_id, result=result):
            return _done(state, command_id, result)
        case CommandFailed(command_id=command_id, reason=reason):
            return _failed(state, command_id, reason)
        case CommandVoided(command_id=command_id, expired=expired):
            return _voided(state, command_id, expired=expired)
        case OutcomeUnknown(action_id=action_id):
            return _lose_sight(state, action_id)
        case OutcomeResolved(action_id=action_id, done=done, by=by):
            status = ActionStatus.FINISHED if done else ActionStatus.FAILED
            return _end_action(state, action_id, status, f"said by {by}")
        case PauseAsked(wanted=wanted):
            return replace(state, pause_wanted=wanted)
        case CancelBegun():
            return _begin_cancel(state)
        case OrderCleared():
            return _clear_order(state)
        case PlaceForgotten():
            return replace(state, last_node=None, on_node=False, decision_point=None)
        case StopLatched(stop=stop):
            return replace(state, stop=stop)
        case StopReleased():
            return replace(state, stop=EmergencyStop.NONE, drive=None)  # a stopped drive is commanded anew
        case Retried():
            return replace(state, held=False, drives_expired=0, errors=_without(state, ErrorType.DRIVE_FAILED))


def _begin_order(state: MissionState, order: Order) -> MissionState:
    ended = {key: each for key, each in state.actions.items() if not each.node and each.status.ended}
    still_open = {each.action.action_id: each for each in state.open_instants}
    first = order.nodes[0].ref
    return replace(
        state,
        received=order,
        nodes=order.nodes[1:],
        edges=order.edges,
        decision_point=order.base[-1].ref,
        last_node=first,
        on_node=True,
        actions=still_open | _tracked(order),
        past_instants=_newest(state.past_instants, ended),
        drive=None,
        drives_expired=0,
        cancelling=False,
        cancel_sent=False,
        cancelled=False,
        held=False,
        errors=(),
    )


def _stitch(state: MissionState, order: Order) -> MissionState:
    """The base stays with all that was begun in it, the horizon goes with its actions (2.1: 6.6.2).

    The stitch node comes again with its actions: those known already go on as they are, new ones follow them.
    """
    horizon = {node.ref for node in state.nodes if not node.released}
    kept = {key: each for key, each in state.actions.items() if each.node not in horizon}
    sent = _tracked(order)
    return replace(
        state,
        received=order,
        nodes=tuple(node for node in state.nodes if node.released) + order.nodes[1:],
        edges=tuple(edge for edge in state.edges if edge.released) + order.edges,
        decision_point=order.base[-1].ref,
        actions=kept | {key: each for key, each in sent.items() if key not in kept},
    )


def _tracked(order: Order) -> dict[str, TrackedAction]:
    return {
        action.action_id: TrackedAction(action, node.ref, ActionStatus.WAITING)
        for node in order.nodes
        for action in node.actions
    }


def _track_instant(state: MissionState, action: Action) -> MissionState:
    ended = [key for key, each in state.actions.items() if not each.node and each.status.ended]
    surplus = {key: state.actions[key] for key in ended[: max(0, len(ended) - ENDED_INSTANTS_MAX + 1)]}
    kept = {key: each for key, each in state.actions.items() if key not in surplus}
    tracked = TrackedAction(action, None, ActionStatus.RUNNING)
    return replace(
        state,
        actions=kept | {action.action_id: tracked},
        past_instants=_newest(state.past_instants, surplus),
    )


def _report_again(state: MissionState, action_id: str) -> MissionState:
    past = dict(state.past_instants)
    repeated = past.pop(action_id)
    return replace(state, actions={**state.actions, action_id: repeated}, past_instants=past)


def _newest(past: Actions, ended: Actions) -> dict[str, TrackedAction]:
    return dict([*{**past, **ended}.items()][-PAST_INSTANTS_MAX:])


def _issued(state: MissionState) -> MissionState:
    following = 1 if state.next_command_id == UINT32_MAX else state.next_command_id + 1
    return replace(state, next_command_id=following)


def _done(state: MissionState, command_id: int, result: str) -> MissionState:
    tracked = state.action_of(command_id)
    if tracked:
        return _end_action(state, tracked.action.action_id, ActionStatus.FINISHED, result)
    if state.drive and state.drive.command_id == command_id:
        return _reach(state, state.drive)
    assert state.control, f"command {command_id} is not open"
    match state.control.control:
        case Control.PAUSE:
            return replace(state, control=None, paused=True)
        case Control.RESUME:
            return replace(state, control=None, paused=False)
        case Control.CANCEL:
            return replace(state, control=None, drive=None)


def _reach(state: MissionState, drive: OpenDrive) -> MissionState:
    """A node was passed: it and the edge before it are behind (2.1: 6.10.2)."""
    return replace(
        state,
        drive=None,
        drives_expired=0,
        last_node=drive.node,
        on_node=True,
        nodes=state.nodes[1:],
        edges=state.edges[1:],
    )


def _failed(state: MissionState, command_id: int, reason: str) -> MissionState:
    tracked = state.action_of(command_id)
    if tracked:
        return _fail_action(state, tracked, reason)
    if state.drive and state.drive.command_id == command_id:
        return _fail_drive(state, state.drive, reason)
    assert state.control, f"command {command_id} is not open"
    if state.control.control is Control.CANCEL:
        return replace(state, control=None)  # what runs is let run out
    return replace(state, control=None, pause_wanted=state.paused)


def _fail_action(state: MissionState, tracked: TrackedAction, reason: str) -> MissionState:
    action_id = tracked.action.action_id
    ended = _end_action(state, action_id, ActionStatus.FAILED, reason)
    if state.cancelling:
        return ended
    error = VehicleError(
        ErrorType.ACTION_FAILED,
        ErrorLevel.WARNING,
        references(("topic", "order"), ("actionId", action_id)),
        f"{tracked.action.action_type} failed: {reason or 'the vehicle gave no reason'}",
    )
    return replace(ended, errors=_with_errors(ended, error))


def _fail_drive(state: MissionState, drive: OpenDrive, reason: str) -> MissionState:
    """Stopped or being cancelled, a drive is expected to end; else the mission is held for a person."""
    if state.cancelling or state.stop is not EmergencyStop.NONE:
        return replace(state, drive=None)
    error = VehicleError(
        ErrorType.DRIVE_FAILED,
        ErrorLevel.FATAL,
        references(("nodeId", drive.node.node_id), ("sequenceId", drive.node.sequence_id)),
        f"node {drive.node.node_id} was not reached: {reason or 'the vehicle gave no reason'}",
        "clear the way and let it retry, or cancel the order",
    )
    return replace(state, drive=None, held=True, errors=_with_errors(state, error))


def _voided(state: MissionState, command_id: int, *, expired: bool) -> MissionState:
    tracked = state.action_of(command_id)
    if tracked and state.cancelling:
        return _end_action(state, tracked.action.action_id, ActionStatus.FAILED, CANCELLED)
    if tracked:
        # Still RUNNING in the state: a status never goes back. That it holds no command says that it may be begun.
        expiries = tracked.expired + expired
        return _with_action(state, tracked.action.action_id, command_id=None, expired=expiries)
    if state.drive and state.drive.command_id == command_id:
        return replace(state, drive=None, drives_expired=state.drives_expired + expired)
    return replace(state, control=None, cancel_sent=False)


def _lose_sight(state: MissionState, action_id: str) -> MissionState:
    tracked = state.actions[action_id]
    error = VehicleError(
        ErrorType.OUTCOME_UNKNOWN,
        ErrorLevel.FATAL,
        references(("actionId", action_id)),
        f"nobody can tell whether this {tracked.action.action_type} was done",
        "look at the vehicle and its load, then say whether the action was done or failed",
    )
    return replace(_with_action(state, action_id, unknown=True), errors=_with_errors(state, error))


def _end_action(state: MissionState, action_id: str, status: ActionStatus, result: str) -> MissionState:
    ended = _with_action(state, action_id, status=status, result=result, command_id=None, unknown=False)
    return replace(ended, errors=_without(state, ErrorType.OUTCOME_UNKNOWN, action_id))


def _begin_cancel(state: MissionState) -> MissionState:
    """What waits is failed at once; what runs is asked to end (2.1: 6.6.3)."""
    actions = {
        key: replace(each, status=ActionStatus.FAILED, result=CANCELLED) if _not_begun(each) else each
        for key, each in state.actions.items()
    }
    return replace(state, actions=actions, cancelling=True, cancel_sent=False)


def _not_begun(tracked: TrackedAction) -> bool:
    return tracked.node is not None and not tracked.status.ended and tracked.command_id is None


def _clear_order(state: MissionState) -> MissionState:
    return replace(
        state,
        nodes=(),
        edges=(),
        cancelling=False,
        cancel_sent=False,
        cancelled=True,
        held=False,
        drive=None,
        errors=_without(state, ErrorType.DRIVE_FAILED),
    )


def _with_action(state: MissionState, action_id: str, **changes: object) -> MissionState:
    changed = replace(state.actions[action_id], **changes)  # type: ignore[arg-type]  # keywords of one dataclass
    return replace(state, actions={**state.actions, action_id: changed})


def _with_errors(state: MissionState, *errors: VehicleError) -> tuple[VehicleError, ...]:
    """The same error twice is one; the oldest warnings make room."""
    known = (*(each for each in state.errors if each not in errors), *errors)
    surplus = max(0, len(known) - ERRORS_MAX)
    oldest = [each for each in known if each.level is ErrorLevel.WARNING][:surplus]
    return tuple(each for each in known if each not in oldest)


def _without(state: MissionState, error_type: ErrorType, action_id: str = "") -> tuple[VehicleError, ...]:
    return tuple(
        each
        for each in state.errors
        if each.error_type is not error_type or (action_id and not each.refers_to("actionId", action_id))
    )
