"""What a vehicle lacks is refused by name, never ignored."""

from dataclasses import replace
from typing import Any

import pytest

from agent.fleet import (
    ActionAbility,
    ActionScope,
    BlockingType,
    ErrorType,
    MissionState,
    Order,
    ParameterAbility,
    ProtocolLimits,
    ValueType,
    VehicleType,
)
from agent.fleet.ability_rules import ability_problems, action_problem
from tests.fleet.orders import TYPE, act, order, with_edge, with_node

FRESH = MissionState(1)
STRICT = VehicleType(
    "strict",
    actions=(
        ActionAbility(
            "pick",
            frozenset({ActionScope.NODE}),
            frozenset({BlockingType.HARD}),
            (
                ParameterAbility("stationType", ValueType.STRING, optional=False),
                ParameterAbility("slot", ValueType.INTEGER),
            ),
        ),
    ),
)


def paths(whole: Order, vehicle: VehicleType = TYPE, state: MissionState = FRESH) -> list[str]:
    problems = list(ability_problems(whole, state, vehicle))
    assert {problem.error_type for problem in problems} <= {ErrorType.ORDER}
    return ["".join(problem.fields) for problem in problems]


def limited(**limits: int) -> VehicleType:
    return replace(TYPE, limits=ProtocolLimits(**limits))


def test_an_order_within_its_abilities_has_no_problem() -> None:
    assert paths(order(3, actions={0: (act("a1", stationType="floor"),), 2: (act("a2", "drop", "SOFT"),)})) == []


def test_rule_54_an_unsupported_optional_field_is_refused_by_its_path() -> None:
    assert paths(replace(order(2), unmodelled=("edges[0].trajectory",))) == ["edges[0].trajectory"]


@pytest.mark.parametrize(
    ("whole", "path"),
    [
        (order(1, actions={0: (act("a1", "dance"),)}), "nodes[0].actions[0]"),
        (order(2, actions={1: (act("a0", "drop"), act("a1", "cancelOrder"))}), "nodes[1].actions[1]"),
        (order(1, actions={0: (act("a1", blocking="NONE"),)}), "nodes[0].actions[0]"),
        (order(1, actions={0: (act("a1", colour="red"),)}), "nodes[0].actions[0]"),
        (order(1, actions={0: (act("a1", height="high"),)}), "nodes[0].actions[0]"),
        (with_edge(order(2), 0, actions=(act("a1"),)), "edges[0].actions"),
        (with_node(order(2), 1, node_position=None), "nodes[1].nodePosition"),
    ],
)
def test_rule_54_what_the_vehicle_cannot_do_is_refused_by_its_path(whole: Order, path: str) -> None:
    assert paths(whole) == [path]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "stationType is missing"),
        ({"stationType": 5}, "stationType is a STRING"),
        ({"stationType": "floor", "slot": 1.5}, "slot is a INTEGER"),
        ({"stationType": "floor", "slot": True}, "slot is a INTEGER"),
        ({"stationType": "floor", "other": 1}, "no parameter 'other'"),
        ({"stationType": "floor", "slot": 1}, ""),
    ],
)
def test_parameters_are_those_that_the_action_has(parameters: dict[str, Any], said: str) -> None:
    problem = action_problem(act("a1", **parameters), ActionScope.NODE, STRICT)
    assert said in problem
    assert bool(problem) == bool(said)


def test_a_parameter_is_given_once() -> None:
    twice = act("a1", stationType="floor")
    twice = replace(twice, action_parameters=twice.action_parameters * 2)
    assert action_problem(twice, ActionScope.NODE, STRICT) == "a parameter is given twice"


@pytest.mark.parametrize(
    ("value_type", "right", "wrong"),
    [
        (ValueType.BOOL, True, 1),
        (ValueType.INTEGER, 1, 1.0),
        (ValueType.NUMBER, 1.5, "1.5"),
        (ValueType.STRING, "", None),
    ],
)
def test_value_types_hold_their_values_only(value_type: ValueType, right: Any, wrong: Any) -> None:
    assert value_type.holds(right)
    assert not value_type.holds(wrong)


def test_an_unknown_map_is_refused() -> None:
    assert paths(order(2), replace(TYPE, map_ids=frozenset({"cellar"}))) == [
        "nodes[0].nodePosition.mapId",
        "nodes[1].nodePosition.mapId",
    ]
    assert paths(order(2), replace(TYPE, map_ids=frozenset({"hall"}))) == []


ACTIONS = {1: (act("a1", stationType="x"), act("a2", "drop"))}


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"nodes": 2}, "3 nodes"),
        ({"edges": 1}, "2 edges"),
        ({"node_states": 2}, "with those still ahead"),
        ({"action_states": 1}, "2 actions"),
        ({"node_actions": 1}, "at most 1 actions"),
        ({"action_parameters": 0}, "at most 0 parameters"),
        ({"id_chars": 1}, "at most 1 characters"),
        ({"enum_chars": 3}, "at most 3 characters"),
    ],
)
def test_rule_55_the_factsheets_limits_are_enforced(limits: dict[str, int], said: str) -> None:
    problems = list(ability_problems(order(3, actions=ACTIONS), FRESH, limited(**limits)))
    assert problems
    assert all(said in problem.description for problem in problems)


def test_rule_55_every_id_is_measured() -> None:
    long = "x" * 129
    whole = order(2, order_id=long)
    whole = with_node(with_edge(whole, 0, edge_id=long), 1, node_id=long)
    position = whole.nodes[0].node_position
    assert position
    whole = with_node(whole, 0, node_position=replace(position, map_id=long))
    assert paths(whole) == ["orderId", "nodes[0].nodePosition.mapId", "nodes[1].nodeId", "edges[0].edgeId"]


def test_rule_55_what_is_still_ahead_counts() -> None:
    ahead = MissionState(1, received=order(3), nodes=order(3).nodes[1:], edges=order(3).edges)
    update = order(3, first=2, update_id=1)
    assert paths(update, limited(node_states=5), ahead) == []
    assert len(paths(update, limited(node_states=4), ahead)) == 1


def test_a_huge_order_is_refused() -> None:
    assert "too big" in next(ability_problems(order(1_000), FRESH, TYPE)).description
