"""Whether an order is taken: one test per rule of the standard's decision (2.1: figure 8)."""

from dataclasses import replace
from math import pi

import pytest

from agent.fleet import (
    Accepted,
    ErrorLevel,
    ErrorType,
    Facts,
    Ignored,
    MissionState,
    NodePosition,
    OperatingMode,
    Order,
    Pose,
    Reference,
    Rejected,
    Verdict,
    accept,
)
from agent.fleet.entries import CancelBegun, CommandDone, DriveIssued, InstantReceived, OrderAccepted, OrderCleared
from agent.fleet.rules import PROBLEMS_MAX, Why
from agent.fleet.transitions import apply
from tests.fleet.orders import AT_START, TYPE, act, node, order, with_node

FRESH = MissionState(1)
UNDER_WAY = apply(FRESH, OrderAccepted(order(4, released=2)))
AT_DECISION_POINT = apply(apply(UNDER_WAY, DriveIssued(1, UNDER_WAY.nodes[0].ref)), CommandDone(1))


def completed(whole: Order) -> MissionState:
    state = apply(FRESH, OrderAccepted(whole))
    for command_id, each in enumerate(whole.nodes[1:], 1):
        state = apply(apply(state, DriveIssued(command_id, each.ref)), CommandDone(command_id))
    return state


COMPLETED = completed(order(2))
CANCELLED = apply(apply(UNDER_WAY, CancelBegun()), OrderCleared())


def judged(whole: Order, state: MissionState = FRESH, facts: Facts = AT_START) -> Verdict:
    return accept(whole, 7, state, facts, TYPE)


def rejected(whole: Order, state: MissionState = FRESH, facts: Facts = AT_START) -> ErrorType:
    """The type of the first error."""
    verdict = judged(whole, state, facts)
    assert isinstance(verdict, Rejected)
    return verdict.errors[0].error_type


def update(count: int = 2, first: int = 1, update_id: int = 1) -> Order:
    return order(count, first=first, update_id=update_id)


# --- new orders -------------------------------------------------------------------------------------------


def test_a_new_order_is_accepted_by_an_idle_vehicle() -> None:
    assert judged(order(3)) == Accepted(is_update=False)
    assert judged(order(3, order_id="o2"), COMPLETED, replace(AT_START, pose=Pose(0, 0, 0, "hall"))) == Accepted(False)


def test_rule_18_another_order_is_rejected_while_one_is_active() -> None:
    assert rejected(order(1, order_id="o2"), UNDER_WAY) is ErrorType.ORDER


def test_rule_18_a_horizon_ahead_is_an_active_order() -> None:
    assert rejected(order(1, order_id="o2"), AT_DECISION_POINT) is ErrorType.ORDER


def test_rule_18_an_action_without_an_end_is_an_active_order() -> None:
    waiting = apply(FRESH, OrderAccepted(order(1, actions={0: (act("a1"),)})))
    assert rejected(order(1, order_id="o2"), waiting) is ErrorType.ORDER


def test_rule_19_2x_takes_a_new_order_with_any_update_id() -> None:
    assert judged(order(1, update_id=5)) == Accepted(is_update=False)


def test_rule_14_a_new_order_begins_with_sequence_id_zero() -> None:
    assert rejected(order(2, first=1)) is ErrorType.VALIDATION


@pytest.mark.parametrize("mode", [mode for mode in OperatingMode if not mode.takes_orders])
def test_rule_48_no_orders_while_fleet_control_is_not_in_control(mode: OperatingMode) -> None:
    assert rejected(order(1), facts=replace(AT_START, mode=mode)) is ErrorType.ORDER


def start(**changes: object) -> Order:
    position = replace(NodePosition(0.0, 0.0, "hall"), **changes)  # type: ignore[arg-type]  # keywords of one dataclass
    return with_node(order(1), 0, node_position=position)


@pytest.mark.parametrize(
    ("whole", "pose"),
    [
        (start(), Pose(0.3, 0.4, 3.0, "hall")),
        (start(allowed_deviation_xy=0.0), Pose(0.5, 0.0, 0.0, "hall")),
        (start(allowed_deviation_xy=10.0), Pose(6.0, 8.0, 0.0, "hall")),
        (start(theta=pi, allowed_deviation_theta=0.2), Pose(0.0, 0.0, -pi + 0.1, "hall")),
        (start(theta=1.0, allowed_deviation_theta=0.0), Pose(0.0, 0.0, -1.0, "hall")),
        (start(theta=1.0), Pose(0.0, 0.0, -1.0, "hall")),
    ],
)
def test_rule_17_a_start_node_within_its_deviation_range_is_reached(whole: Order, pose: Pose) -> None:
    assert judged(whole, facts=Facts(pose=pose)) == Accepted(is_update=False)


@pytest.mark.parametrize(
    ("whole", "pose"),
    [
        (start(), Pose(0.6, 0.0, 0.0, "hall")),
        (start(allowed_deviation_xy=1.0), Pose(0.8, 0.8, 0.0, "hall")),
        (start(), Pose(0.0, 0.0, 0.0, "cellar")),
        (start(theta=0.0, allowed_deviation_theta=0.2), Pose(0.0, 0.0, 0.3, "hall")),
        (start(), Pose(0.0, 0.0, 0.0, "hall", initialized=False)),
        (start(), None),
    ],
)
def test_rule_17_a_start_node_out_of_reach_is_rejected(whole: Order, pose: Pose | None) -> None:
    assert rejected(whole, facts=Facts(pose=pose)) is ErrorType.NO_ROUTE


def test_rule_17_a_start_node_without_position_is_where_the_vehicle_stands() -> None:
    somewhere = with_node(order(1, order_id="o2"), 0, node_position=None, node_id="n1")
    assert judged(somewhere, COMPLETED) == Accepted(is_update=False)
    assert rejected(with_node(somewhere, 0, node_id="n0"), COMPLETED) is ErrorType.NO_ROUTE
    assert rejected(somewhere) is ErrorType.NO_ROUTE
    left = replace(COMPLETED, on_node=False)
    assert rejected(somewhere, left) is ErrorType.NO_ROUTE


# --- updates ----------------------------------------------------------------------------------------------


def test_rule_20_a_lower_update_id_is_rejected() -> None:
    state = replace(UNDER_WAY, received=order(4, released=2, update_id=3))
    assert rejected(update(update_id=2), state) is ErrorType.ORDER_UPDATE


def test_rule_21_the_same_order_again_is_ignored() -> None:
    assert judged(order(4, released=2), UNDER_WAY) == Ignored(Why.SAME)


def test_rule_21_the_same_order_again_is_ignored_when_it_is_done_or_cancelled() -> None:
    assert judged(order(2), COMPLETED) == Ignored(Why.SAME)
    assert judged(order(4, released=2), CANCELLED) == Ignored(Why.SAME)


def test_rule_22_an_equal_update_id_with_another_content_is_ignored_in_2x() -> None:
    assert judged(order(4, released=3), UNDER_WAY) == Ignored(Why.SAME_UPDATE_ID)


def test_rule_23_an_update_is_stitched_on_the_last_released_node() -> None:
    assert judged(update(), UNDER_WAY) == Accepted(is_update=True)


def test_rule_23_not_on_the_last_node_passed() -> None:
    assert rejected(update(first=0), UNDER_WAY) is ErrorType.ORDER_UPDATE


def test_rule_23_not_on_the_horizon() -> None:
    assert rejected(update(first=2), UNDER_WAY) is ErrorType.ORDER_UPDATE


def test_rule_23_the_same_node_id_under_another_sequence_id_is_another_node() -> None:
    whole = with_node(update(1, first=2), 0, node_id="n1")
    assert rejected(whole, UNDER_WAY) is ErrorType.ORDER_UPDATE


def test_rule_23_the_same_sequence_id_with_another_node_id_is_another_node() -> None:
    assert rejected(with_node(update(1), 0, node_id="n9"), UNDER_WAY) is ErrorType.ORDER_UPDATE


def test_rule_24_a_completed_order_is_continued_at_its_last_node() -> None:
    assert judged(update(), COMPLETED) == Accepted(is_update=True)
    assert rejected(update(first=0), COMPLETED) is ErrorType.ORDER_UPDATE
    assert rejected(update(first=2), COMPLETED) is ErrorType.ORDER_UPDATE


@pytest.mark.parametrize("state", [CANCELLED, apply(UNDER_WAY, CancelBegun())])
def test_rule_44_a_cancelled_order_takes_no_updates(state: MissionState) -> None:
    assert rejected(update(), state) is ErrorType.ORDER_UPDATE


def test_rule_42_a_new_order_follows_a_cancelled_one() -> None:
    assert judged(order(1, order_id="o2"), CANCELLED) == Accepted(is_update=False)


def test_rule_25_the_stitch_nodes_actions_are_known_already() -> None:
    state = apply(FRESH, OrderAccepted(order(2, actions={1: (act("a1"),)})))
    whole = order(2, first=1, update_id=1, actions={1: (act("a1"),)})
    assert judged(whole, state) == Accepted(is_update=True)


def test_rule_54_a_new_action_of_the_stitch_node_has_to_be_possible() -> None:
    state = apply(FRESH, OrderAccepted(order(2, actions={0: (act("a0"),), 1: (act("a1"),)})))
    for wrong in (act("a9", "dance"), act("a0")):
        whole = order(2, first=1, update_id=1, actions={1: (act("a1"), wrong)})
        assert rejected(whole, state) is ErrorType.ORDER


@pytest.mark.parametrize("mode", [mode for mode in OperatingMode if not mode.takes_orders])
def test_rule_48_no_updates_while_fleet_control_is_not_in_control(mode: OperatingMode) -> None:
    state = apply(FRESH, OrderAccepted(order(2)))
    whole = order(2, first=1, update_id=1)
    assert rejected(whole, state, facts=replace(AT_START, mode=mode)) is ErrorType.ORDER


def test_an_update_cannot_take_an_action_id_of_the_base() -> None:
    state = apply(FRESH, OrderAccepted(order(2, actions={0: (act("a1"),)})))
    assert rejected(order(2, first=1, update_id=1, actions={2: (act("a1"),)}), state) is ErrorType.ORDER


def test_rule_26_an_update_may_take_up_an_action_id_of_the_horizon() -> None:
    state = apply(FRESH, OrderAccepted(order(3, released=2, actions={2: (act("a1"),)})))
    assert judged(order(2, first=1, update_id=1, actions={2: (act("a1"),)}), state) == Accepted(is_update=True)


def test_an_order_cannot_take_the_id_of_an_open_instant_action() -> None:
    state = apply(FRESH, InstantReceived(act("i1", "startPause", "NONE")))
    assert rejected(order(1, actions={0: (act("i1"),)}), state) is ErrorType.ORDER


# --- errors -----------------------------------------------------------------------------------------------


def test_rule_29_every_rejection_names_the_message() -> None:
    verdict = judged(update(first=0), UNDER_WAY)
    assert isinstance(verdict, Rejected)
    (error,) = verdict.errors
    assert error.level is ErrorLevel.WARNING
    assert error.references == (
        Reference("topic", "order"),
        Reference("headerId", "7"),
        Reference("orderId", "o1"),
        Reference("orderUpdateId", "1"),
        Reference("nodeId", "n0"),
        Reference("sequenceId", "0"),
        Reference("field", "nodes[0]"),
    )
    assert error.description == "an update has to begin at the last released node: node n1, sequenceId 2"


def test_an_action_that_cannot_be_done_is_named() -> None:
    verdict = judged(order(1, actions={0: (act("a1", "dance"),)}))
    assert isinstance(verdict, Rejected)
    assert verdict.errors[0].refers_to("actionId", "a1")
    assert verdict.errors[0].refers_to("nodeId", "n0")


def test_an_order_that_is_all_wrong_does_not_fill_the_state() -> None:
    whole = replace(order(40), nodes=tuple(replace(each, sequence_id=7) for each in order(40).nodes))
    verdict = judged(whole)
    assert isinstance(verdict, Rejected)
    assert len(verdict.errors) == PROBLEMS_MAX


def test_long_ids_are_cut_in_errors() -> None:
    verdict = judged(replace(order(1), order_id="x" * 60_000))
    assert isinstance(verdict, Rejected)
    assert all(len(each.value) <= 128 for each in verdict.errors[0].references)


def test_a_single_node_is_an_order() -> None:
    assert judged(Order("o1", 0, (node(0),), ())) == Accepted(is_update=False)
