"""Which facts a mission's journal entries are to the rest of the shop: the events of the stream `agv`. No I/O."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from agent.event_model import EventData
from agent.event_types import AgvAction, AgvLoad, AgvOrder
from agent.fleet.entries import (
    ActionEnded,
    ActionIssued,
    CommandDone,
    CommandFailed,
    DriveIssued,
    Entry,
    InstantReceived,
    OrderAccepted,
    OrderCleared,
    OutcomeResolved,
    OutcomeUnknown,
    UpdateAccepted,
)
from agent.fleet.mission_state import MissionState, TrackedAction
from agent.fleet.model import Order
from agent.fleet.rules import Rejected, Verdict
from agent.fleet.transitions import apply
from agent.fleet.vehicle_state import ActionStatus

__all__ = ["event_key", "event_text", "events_of", "order_rejected"]

_ENDS: Final = {ActionStatus.FINISHED: "finished", ActionStatus.FAILED: "failed"}
_LOADS: Final = {"pick": "picked", "drop": "dropped"}
_NO_KEY: Final = re.compile(r"[^\w.:@-]")


def events_of(vehicle_id: str, state: MissionState, entries: Iterable[Entry]) -> Iterator[EventData]:
    """The events that entries mean; `state` is that before the first of them."""
    for entry in entries:
        after = apply(state, entry)
        yield from _orders(vehicle_id, state, entry)
        yield from _actions(vehicle_id, state, entry, after)
        yield from _ended_orders(vehicle_id, state, entry, after)
        state = after


def order_rejected(vehicle_id: str, order: Order, verdict: Verdict | None) -> Iterator[AgvOrder]:
    """The event of a refused order, with the first reason; nothing for any other verdict."""
    if isinstance(verdict, Rejected):
        yield _order(vehicle_id, order, "rejected", verdict.errors[0].description)


def event_key(text: str) -> str:
    """An id of fleet control as events can hold it: it may be any text there."""
    return _NO_KEY.sub("_", text)[:80] or "_"


def event_text(text: str) -> str | None:
    """Free text as events can hold it."""
    return text[:400] or None


def _orders(vehicle_id: str, before: MissionState, entry: Entry) -> Iterator[AgvOrder]:
    match entry:
        case OrderAccepted(order=order) | UpdateAccepted(order=order):
            yield _order(vehicle_id, order, "accepted")
        case DriveIssued() | ActionIssued() if before.received and _is_untouched(before):
            yield _order(vehicle_id, before.received, "started")
        case OrderCleared() if before.received:
            yield _order(vehicle_id, before.received, "cancelled")


def _ended_orders(vehicle_id: str, before: MissionState, entry: Entry, after: MissionState) -> Iterator[AgvOrder]:
    if after.received and after.idle and not before.idle and not isinstance(entry, OrderCleared):
        failed = any(each.status is ActionStatus.FAILED for each in after.order_actions)
        yield _order(vehicle_id, after.received, "failed" if failed else "finished")


def _is_untouched(state: MissionState) -> bool:
    """Whether nothing of the order has been commanded yet."""
    assert state.received
    at_start = state.on_node and state.last_node == state.received.nodes[0].ref
    return at_start and all(each.status is ActionStatus.WAITING for each in state.order_actions)


def _actions(vehicle_id: str, before: MissionState, entry: Entry, after: MissionState) -> Iterator[EventData]:
    match entry:
        case ActionIssued(action_id=action_id):
            yield _action(vehicle_id, after, action_id, "running")
        case InstantReceived(action=action):
            yield _action(vehicle_id, after, action.action_id, "running")
        case OutcomeUnknown(action_id=action_id):
            yield _action(vehicle_id, after, action_id, "unknown")
        case ActionEnded(action_id=action_id) | OutcomeResolved(action_id=action_id):
            yield from _ended(vehicle_id, after, action_id)
        case CommandDone(command_id=command_id) | CommandFailed(command_id=command_id):
            tracked = before.action_of(command_id)
            if tracked:
                yield from _ended(vehicle_id, after, tracked.action.action_id)


def _ended(vehicle_id: str, state: MissionState, action_id: str) -> Iterator[EventData]:
    tracked = state.actions[action_id]
    yield _action(vehicle_id, state, action_id, _ENDS[tracked.status])
    moved = _LOADS.get(tracked.action.action_type)
    if moved and tracked.status is ActionStatus.FINISHED:
        yield AgvLoad.model_validate(
            {
                "vehicle_id": vehicle_id,
                "action": moved,
                "load_id": _parameter(tracked, "loadId"),
                "position": event_key(tracked.node.node_id) if tracked.node else None,
            }
        )


def _parameter(tracked: TrackedAction, key: str) -> str | None:
    found = next((each.value for each in tracked.action.action_parameters if each.key == key), None)
    return event_key(str(found)) if found else None


def _action(vehicle_id: str, state: MissionState, action_id: str, status: str) -> AgvAction:
    tracked = state.actions[action_id]
    return AgvAction.model_validate(
        {
            "vehicle_id": vehicle_id,
            "order_id": event_key(state.order_id) if tracked.node else None,
            "action_id": event_key(action_id),
            "action_type": event_key(tracked.action.action_type),
            "status": status,
            "result": event_text(tracked.result),
        }
    )


def _order(vehicle_id: str, order: Order, status: str, reason: str = "") -> AgvOrder:
    return AgvOrder.model_validate(
        {
            "vehicle_id": vehicle_id,
            "order_id": event_key(order.order_id),
            "order_update_id": order.order_update_id,
            "status": status,
            "reason": event_text(reason),
        }
    )
