"""What the other maker's fleet control says to a vehicle and must hear from it, the same for every vehicle.

Each exchange expects an idle vehicle on node "start" and leaves an idle one, wherever that is.
"""

from typing import Any, Final

from tests.fleet.peer.orders import action, node, order
from tests.fleet.peer.processes import Master

__all__ = [
    "cancelled_on_the_way",
    "extended_at_the_decision_point",
    "fetched_and_brought",
    "paused_and_resumed",
    "paused_while_picking",
    "refused_an_instant_action",
    "state_requested",
    "told_more_at_the_decision_point",
]

STEP_M: Final = 0.15  # a vehicle takes about a second
FAR_M: Final = 90.0  # nobody arrives there during a test

Json = dict[str, Any]  # Any: JSON


async def fetched_and_brought(master: Master, order_id: str = "fetch") -> None:
    """Drive, pick, drive, drop."""
    pick, drop = action(f"{order_id}-pick", "pick"), action(f"{order_id}-drop", "drop")
    nodes = node("start", 0, 0.0), node("shelf", 2, STEP_M, pick), node("till", 4, 2 * STEP_M, drop)
    await master.assign(order(order_id, 0, *nodes))
    processed = await master.heard("order processed", orderId=order_id)
    assert (processed["error"], processed["cancelled"], processed["active"]) == (None, False, False)
    assert [report["nodeId"] for report in master.said("node traversed")] == ["start", "shelf", "till"]
    assert [report["edgeId"] for report in master.said("edge traversed")] == ["start>shelf", "shelf>till"]
    for action_id in (pick["actionId"], drop["actionId"]):
        statuses = [report["actionStatus"] for report in master.said("action", actionId=action_id)]
        assert statuses[0] == "WAITING"
        assert statuses[-1] == "FINISHED"
        assert statuses.count("FINISHED") == 1


async def extended_at_the_decision_point(
    master: Master, order_id: str = "extend", *, repeats_actions: bool = True
) -> None:
    """Waits at the end of its base with a horizon before it; an update releases that, and it goes on.

    The standard (2.0: 6.6.2) repeats the actions of the node that an update starts from. The library's own vehicle
    would do them again: it expects new ones only.
    """
    pick = action(f"{order_id}-pick", "pick")
    start, shelf = node("start", 0, 0.0), node("shelf", 2, STEP_M, pick)
    await master.assign(order(order_id, 0, start, shelf, node("till", 4, 2 * STEP_M, released=False)))
    processed = await master.heard("order processed", orderId=order_id, orderUpdateId=0)
    assert (processed["error"], processed["active"]) == (None, True)
    waiting = await master.saw_state(lambda state: bool(state["orderId"] == order_id and not state["driving"]))
    assert waiting["lastNodeId"] == "shelf"
    assert [(each["nodeId"], each["released"]) for each in waiting["nodeStates"]] == [("till", False)]
    shelf_again = shelf if repeats_actions else node("shelf", 2, STEP_M)
    await master.assign(order(order_id, 1, shelf_again, node("till", 4, 2 * STEP_M)))
    processed = await master.heard("order processed", orderId=order_id, orderUpdateId=1)
    assert (processed["error"], processed["active"]) == (None, False)
    assert len(master.said("action", actionId=pick["actionId"], actionStatus="RUNNING")) == 1


async def told_more_at_the_decision_point(master: Master, order_id: str = "more") -> None:
    """Waits at the end of its base; an update has a new action for the very node that it stands on."""
    start, till = node("start", 0, 0.0), node("till", 4, 2 * STEP_M, released=False)
    await master.assign(order(order_id, 0, start, node("shelf", 2, STEP_M), till))
    await master.heard("order processed", orderId=order_id, orderUpdateId=0)
    pick = action(f"{order_id}-pick", "pick")
    await master.assign(order(order_id, 1, node("shelf", 2, STEP_M, pick), node("till", 4, 2 * STEP_M)))
    processed = await master.heard("order processed", orderId=order_id, orderUpdateId=1)
    assert (processed["error"], processed["active"]) == (None, False)
    assert [report["actionStatus"] for report in master.said("action", actionId=pick["actionId"])][-1] == "FINISHED"


async def paused_while_picking(master: Master, order_id: str = "hold") -> None:
    """A pick that a pause catches is PAUSED until the vehicle is resumed, and done once."""
    pick = action(f"{order_id}-pick", "pick")
    await master.assign(order(order_id, 0, node("start", 0, 0.0, pick)))
    await master.heard("action", actionId=pick["actionId"], actionStatus="RUNNING")
    await _done(master, f"{order_id}-on", "startPause")
    await master.heard("action", actionId=pick["actionId"], actionStatus="PAUSED")
    assert master.said("action", actionId=pick["actionId"], actionStatus="FINISHED") == []
    await _done(master, f"{order_id}-off", "stopPause")
    processed = await master.heard("order processed", orderId=order_id)
    assert (processed["error"], processed["cancelled"], processed["active"]) == (None, False, False)


async def refused_an_instant_action(master: Master, action_id: str = "dance-please") -> None:
    """What a vehicle cannot do is FAILED, and an error that names it says why."""
    await master.act(action_id, "dance")
    failed = await master.heard("instant action", actionId=action_id, actionStatus="FAILED")
    assert failed["error"]["errorType"] == "instantActionError"
    assert {"referenceKey": "actionId", "referenceValue": action_id} in failed["error"]["errorReferences"]


async def paused_and_resumed(master: Master, order_id: str = "pause", *, way_m: float) -> None:
    """startPause stops it on its way and keeps the order; stopPause lets it arrive."""
    await master.assign(order(order_id, 0, node("start", 0, 0.0), node("till", 2, way_m)))
    await master.saw_state(lambda state: _driving(state, order_id))
    await _done(master, f"{order_id}-on", "startPause")
    paused = await master.saw_state(lambda state: state.get("paused") is True)
    assert (paused["orderId"], paused["driving"]) == (order_id, False)
    assert [each["nodeId"] for each in paused["nodeStates"]] == ["till"]
    await _done(master, f"{order_id}-off", "stopPause")
    processed = await master.heard("order processed", orderId=order_id)
    assert (processed["error"], processed["cancelled"], processed["active"]) == (None, False, False)


async def cancelled_on_the_way(master: Master, order_id: str = "cancel") -> None:
    """cancelOrder stops it, fails what it had not begun, and leaves it idle."""
    pick = action(f"{order_id}-pick", "pick")
    await master.assign(order(order_id, 0, node("start", 0, 0.0), node("far", 2, FAR_M, pick)))
    await master.saw_state(lambda state: _driving(state, order_id))
    await _done(master, f"{order_id}-now", "cancelOrder")
    processed = await master.heard("order processed", orderId=order_id)
    assert (processed["error"], processed["cancelled"], processed["active"]) == (None, True, False)
    last = await master.saw_state(lambda state: not state["nodeStates"] and not state["driving"])
    assert (last["orderId"], last["orderUpdateId"], last["edgeStates"]) == (order_id, 0, [])
    assert [report["actionStatus"] for report in master.said("action", actionId=pick["actionId"])][-1] == "FAILED"


async def state_requested(master: Master) -> None:
    """stateRequest is finished, in a state that it brought."""
    await _done(master, "state-please", "stateRequest")


async def _done(master: Master, action_id: str, action_type: str) -> None:
    await master.act(action_id, action_type)
    await master.heard("instant action", actionId=action_id, actionStatus="FINISHED")


def _driving(state: Json, order_id: str) -> bool:
    return bool(state["orderId"] == order_id and state["driving"])
