"""Whether an order is taken: the decision of VDA 5050 (2.1: 6.6.2, figure 8), without side effects.

A refused order changes nothing but the errors. Rule numbers are those of the project's conformance tests.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from math import hypot, pi, remainder
from typing import Final

from agent.fleet.ability_rules import ability_problems
from agent.fleet.errors import ErrorLevel, ErrorType, VehicleError, references
from agent.fleet.graph_rules import graph_problems
from agent.fleet.mission_state import MissionState
from agent.fleet.model import NodePosition, Order
from agent.fleet.order_problem import OrderProblem
from agent.fleet.vehicle_state import Facts, Pose
from agent.fleet.vehicle_type import VehicleType

__all__ = ["Accepted", "Ignored", "Rejected", "Verdict", "Why", "accept"]

PROBLEMS_MAX: Final = 10
"""Errors reported for one order: an order that is all wrong need not fill the state."""


class Why(StrEnum):
    """Why an order is silently left alone."""

    SAME = "the same order was received before"
    SAME_UPDATE_ID = "another content came under an update id that was received before"


@dataclass(frozen=True, slots=True)
class Accepted:
    """Taken over: a new order, or the continuation of the current one."""

    is_update: bool


@dataclass(frozen=True, slots=True)
class Ignored:
    """Neither taken nor complained of."""

    why: Why


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not taken; these errors are reported until a new order is accepted."""

    errors: tuple[VehicleError, ...]


Verdict = Accepted | Ignored | Rejected


def accept(order: Order, header_id: int, state: MissionState, facts: Facts, vehicle: VehicleType) -> Verdict:
    """What becomes of an order that is well-formed as JSON; `header_id` only identifies it in the errors."""
    malformed = tuple(islice(graph_problems(order), PROBLEMS_MAX))
    if malformed:
        return _rejected(malformed, order, header_id)
    is_update = order.order_id == state.order_id
    if is_update and order.order_update_id == state.order_update_id:
        return Ignored(Why.SAME if order == state.received else Why.SAME_UPDATE_ID)
    questions = (
        _update_problems(order, state, facts) if is_update else _new_order_problems(order, state, facts, vehicle)
    )
    problems = tuple(islice(questions, 1)) or tuple(islice(ability_problems(order, state, vehicle), PROBLEMS_MAX))
    return _rejected(problems, order, header_id) if problems else Accepted(is_update)


def _rejected(problems: tuple[OrderProblem, ...], order: Order, header_id: int) -> Rejected:
    about = (
        ("topic", "order"),
        ("headerId", header_id),
        ("orderId", order.order_id),
        ("orderUpdateId", order.order_update_id),
    )
    return Rejected(
        tuple(
            VehicleError(
                each.error_type,
                ErrorLevel.WARNING,
                references(*about, *each.about, fields=each.fields),
                each.description,
            )
            for each in problems
        )
    )


def _update_problems(order: Order, state: MissionState, facts: Facts) -> Iterator[OrderProblem]:
    if order.order_update_id < state.order_update_id:
        yield OrderProblem(
            ErrorType.ORDER_UPDATE,
            f"update {order.order_update_id} is outdated: {state.order_update_id} was accepted before",
        )
    yield from _mode_problems(facts)
    if state.cancelled or state.cancelling:
        yield OrderProblem(ErrorType.ORDER_UPDATE, "the order was cancelled: only a new order can follow")
    first = order.nodes[0]
    if first.ref != state.decision_point:  # of a completed order, that is the last node
        expected = state.decision_point
        at = f"node {expected.node_id}, sequenceId {expected.sequence_id}" if expected else "nowhere"
        yield OrderProblem(
            ErrorType.ORDER_UPDATE,
            f"an update has to begin at the last released node: {at}",
            about=(("nodeId", first.node_id), ("sequenceId", first.sequence_id)),
            fields=("nodes[0]",),
        )


def _new_order_problems(
    order: Order, state: MissionState, facts: Facts, vehicle: VehicleType
) -> Iterator[OrderProblem]:
    if order.nodes[0].sequence_id != 0:
        yield OrderProblem(
            ErrorType.VALIDATION, "a new order begins with sequenceId 0", fields=("nodes[0].sequenceId",)
        )
    yield from _mode_problems(facts)
    if not state.idle:
        yield OrderProblem(
            ErrorType.ORDER, f"order {state.order_id} is still active: cancel it, or wait until it is done"
        )
    yield from _start_problems(order, state, facts, vehicle)


def _mode_problems(facts: Facts) -> Iterator[OrderProblem]:
    if not facts.mode.takes_orders:
        yield OrderProblem(ErrorType.ORDER, f"the vehicle is in mode {facts.mode} and takes no orders")


def _start_problems(order: Order, state: MissionState, facts: Facts, vehicle: VehicleType) -> Iterator[OrderProblem]:
    """The first node has to be where the vehicle stands, or its deviation range has to reach that far (2.1: 6.6.1)."""
    node = order.nodes[0]
    if node.node_position is None:
        stands_there = state.on_node and state.last_node is not None and state.last_node.node_id == node.node_id
        why = "" if stands_there else "the vehicle does not stand on it, and it has no nodePosition"
    elif facts.pose is None or not facts.pose.initialized:
        why = "the vehicle does not know where it is"
    else:
        why = _distance_problem(node.node_position, facts.pose, vehicle.start_tolerance)
    if why:
        yield OrderProblem(
            ErrorType.NO_ROUTE,
            f"the first node is out of reach: {why}",
            about=(("nodeId", node.node_id), ("sequenceId", node.sequence_id)),
        )


def _distance_problem(position: NodePosition, pose: Pose, tolerance: float) -> str:
    if position.map_id != pose.map_id:
        return f"it is on map {position.map_id[:60]!r}, the vehicle on {pose.map_id!r}"
    distance = hypot(position.x - pose.x, position.y - pose.y)
    allowed = max(position.allowed_deviation_xy or 0.0, tolerance)
    if distance > allowed:
        return f"it is {distance:.2f} m away, of which {allowed:.2f} m are allowed"
    if position.theta is None or position.allowed_deviation_theta is None:
        return ""
    turned = abs(remainder(position.theta - pose.theta, 2 * pi))
    if position.allowed_deviation_theta and turned > position.allowed_deviation_theta:
        return f"the vehicle is turned by {turned:.2f} rad, of which {position.allowed_deviation_theta:.2f} are allowed"
    return ""
