"""Whether this vehicle can do and bear what a well-formed order asks: nothing it lacks is ignored (2.1: 6.1.1)."""

from collections.abc import Iterator

from agent.fleet.errors import ErrorType
from agent.fleet.mission_state import MissionState
from agent.fleet.model import Action, NodeRef, Order
from agent.fleet.order_problem import OrderProblem
from agent.fleet.vehicle_type import ActionScope, ProtocolLimits, VehicleType

__all__ = ["ability_problems", "action_problem", "limit_problems_of_action"]


def ability_problems(order: Order, state: MissionState, vehicle: VehicleType) -> Iterator[OrderProblem]:
    """What this vehicle, in this mission, cannot do or bear."""
    for path in order.unmodelled:
        yield _unable(f"the vehicle does not support {path.rpartition('.')[2]}", path)
    yield from _size_problems(order, state, vehicle.limits)
    yield from _text_problems(order, vehicle.limits)
    yield from _place_problems(order, vehicle)
    yield from _action_problems(order, state, vehicle)


def action_problem(action: Action, scope: ActionScope, vehicle: VehicleType) -> str:
    """Why the vehicle cannot do an action there, or an empty text."""
    ability = vehicle.ability(action.action_type, scope)
    if ability is None:
        return f"the vehicle does no {action.action_type[:60]!r} as {scope} action"
    if action.blocking_type not in ability.blocking_types:
        return f"{action.action_type} cannot be done with blockingType {action.blocking_type}"
    given = {each.key: each.value for each in action.action_parameters}
    if len(given) < len(action.action_parameters):
        return "a parameter is given twice"
    known = {each.key: each for each in ability.parameters}
    for key, value in given.items():
        if key not in known:
            return f"{action.action_type} has no parameter {key[:60]!r}"
        if not known[key].value_type.holds(value):
            return f"parameter {key} is a {known[key].value_type}"
    missing = next((each.key for each in ability.parameters if not each.optional and each.key not in given), "")
    return f"parameter {missing} is missing" if missing else ""


def limit_problems_of_action(action: Action, limits: ProtocolLimits) -> Iterator[str]:
    """What of an action is longer than the vehicle's factsheet allows."""
    if len(action.action_id) > limits.id_chars:
        yield f"an actionId has at most {limits.id_chars} characters"
    if len(action.action_type) > limits.enum_chars:
        yield f"an actionType has at most {limits.enum_chars} characters"
    if len(action.action_parameters) > limits.action_parameters:
        yield f"an action has at most {limits.action_parameters} parameters"
    if any(len(each.key) > limits.enum_chars for each in action.action_parameters):
        yield f"a parameter's key has at most {limits.enum_chars} characters"


def _size_problems(order: Order, state: MissionState, limits: ProtocolLimits) -> Iterator[OrderProblem]:
    base_ahead = sum(node.released for node in state.nodes)
    kept_actions = len(state.actions)
    for count, most, what in (
        (len(order.nodes), limits.nodes, "nodes"),
        (len(order.edges), limits.edges, "edges"),
        (base_ahead + len(order.nodes), limits.node_states, "nodes, with those still ahead,"),
        (kept_actions + len(order.actions), limits.action_states, "actions, with those still reported,"),
    ):
        if count > most:
            yield OrderProblem(ErrorType.ORDER, f"too big: {count} {what} where the vehicle takes {most}")
    for index, node in enumerate(order.nodes):
        if len(node.actions) > limits.node_actions:
            yield _unable(f"a node has at most {limits.node_actions} actions", f"nodes[{index}].actions")


def _text_problems(order: Order, limits: ProtocolLimits) -> Iterator[OrderProblem]:
    ids = [("orderId", order.order_id)]
    for index, node in enumerate(order.nodes):
        ids.append((f"nodes[{index}].nodeId", node.node_id))
        if node.node_position:
            ids.append((f"nodes[{index}].nodePosition.mapId", node.node_position.map_id))
    ids += [(f"edges[{index}].edgeId", edge.edge_id) for index, edge in enumerate(order.edges)]
    for path, text in ids:
        if len(text) > limits.id_chars:
            yield _unable(f"an id has at most {limits.id_chars} characters", path)


def _place_problems(order: Order, vehicle: VehicleType) -> Iterator[OrderProblem]:
    """It finds its way by positions on maps it knows; on edges it does nothing but drive."""
    for index, node in enumerate(order.nodes):
        position, path = node.node_position, f"nodes[{index}].nodePosition"
        if position is None:
            if index:
                yield _unable("the vehicle needs a nodePosition to drive to", path)
        elif vehicle.map_ids and position.map_id not in vehicle.map_ids:
            yield _unable(f"the vehicle has no map {position.map_id[:60]!r}", f"{path}.mapId")
    for index, edge in enumerate(order.edges):
        if edge.actions:
            yield _unable("the vehicle does no actions on edges", f"edges[{index}].actions")


def _action_problems(order: Order, state: MissionState, vehicle: VehicleType) -> Iterator[OrderProblem]:
    """The actions that a stitch node had are known already and are not looked at again (2.1: 6.6.2)."""
    is_update = order.order_id == state.order_id
    taken = _taken_ids(state, is_update=is_update)
    for index, node in enumerate(order.nodes):
        for place, action in enumerate(node.actions):
            if is_update and _stands_at(state, node.ref, action.action_id):
                continue
            about = (("nodeId", node.node_id), ("sequenceId", node.sequence_id), ("actionId", action.action_id))
            path = (f"nodes[{index}].actions[{place}]",)
            problem = action_problem(action, ActionScope.NODE, vehicle)
            if action.action_id in taken:
                problem = "this actionId stands for another action"
            for text in filter(None, (problem, *limit_problems_of_action(action, vehicle.limits))):
                yield OrderProblem(ErrorType.ORDER, text, about, path)


def _stands_at(state: MissionState, place: NodeRef, action_id: str) -> bool:
    """Whether an action is one of the stitch node's as it was sent before."""
    tracked = state.actions.get(action_id)
    return tracked is not None and tracked.node == place == state.decision_point


def _taken_ids(state: MissionState, *, is_update: bool) -> set[str]:
    """Ids of actions that stay reported beside the order's: of the base, and of open instant actions."""
    horizon = {node.ref for node in state.nodes if not node.released}
    kept = state.actions.items() if is_update else ((each.action.action_id, each) for each in state.open_instants)
    return {action_id for action_id, each in kept if each.node not in horizon}


def _unable(description: str, path: str) -> OrderProblem:
    return OrderProblem(ErrorType.ORDER, description, fields=(path,))
