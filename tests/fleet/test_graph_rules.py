"""What makes an order malformed although every schema calls it valid."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.fleet import ErrorType, Order
from agent.fleet.graph_rules import graph_problems
from tests.fleet.orders import act, node, order, with_edge, with_node


def offences(whole: Order) -> list[tuple[str, str]]:
    """Path and description of each problem; all of them are validation errors."""
    problems = list(graph_problems(whole))
    assert {problem.error_type for problem in problems} <= {ErrorType.VALIDATION}
    return [("".join(problem.fields), problem.description) for problem in problems]


def paths(whole: Order) -> list[str]:
    return [path for path, _ in offences(whole)]


@given(count=st.integers(1, 8), released=st.integers(1, 8), first=st.integers(0, 1000))
def test_every_straight_way_is_well_formed(count: int, released: int, first: int) -> None:
    assert offences(order(count, released=min(count, released), first=first)) == []


def test_rule_13_an_order_has_at_least_one_node() -> None:
    assert paths(replace(order(1), nodes=())) == ["nodes"]


def test_rule_13_no_nodes_and_an_edge_is_refused_as_well() -> None:
    assert paths(replace(order(2), nodes=())) == ["nodes"]


@pytest.mark.parametrize("edges", [0, 1, 3])
def test_rule_13_there_is_one_edge_fewer_than_nodes(edges: int) -> None:
    whole = replace(order(3), edges=order(5).edges[:edges])
    assert paths(whole) == ["edges"]
    assert f"3 nodes and {edges} edges" in offences(whole)[0][1]


def test_rule_14_all_sequence_ids_equal_is_refused() -> None:
    whole = order(3)
    same = replace(
        whole,
        nodes=tuple(replace(each, sequence_id=7) for each in whole.nodes),
        edges=tuple(replace(each, sequence_id=7) for each in whole.edges),
    )
    assert paths(same)[0] == "nodes[0].sequenceId"
    assert len(paths(same)) == 5


def test_rule_14_a_gap_is_refused() -> None:
    assert paths(with_node(order(3), 2, sequence_id=6)) == ["nodes[2].sequenceId"]
    assert paths(with_edge(order(2), 0, sequence_id=3)) == ["edges[0].sequenceId", "nodes[1].sequenceId"]


def test_rule_14_nodes_are_even() -> None:
    assert paths(Order("o1", 0, (replace(node(0), sequence_id=1),), ())) == ["nodes[0].sequenceId"]


def test_rule_15_nothing_is_released_after_what_is_not() -> None:
    assert paths(with_node(order(4, released=2), 3, released=True)) == ["nodes[3].released"]
    assert paths(with_edge(order(4, released=2), 2, released=True)) == ["edges[2].released", "nodes[3].released"]


def test_rule_16_a_released_edge_has_two_released_ends() -> None:
    assert paths(with_edge(order(3, released=2), 1, released=True)) == ["nodes[2].released"]
    assert "nodes[1].released" in paths(with_node(order(3), 1, released=False))


def test_rule_17_the_first_node_is_released() -> None:
    assert paths(order(2, released=0)) == ["nodes[0].released"]


def test_edges_connect_their_nodes() -> None:
    assert paths(with_edge(order(3), 1, start_node_id="n0")) == ["edges[1].startNodeId"]
    assert paths(with_edge(order(3), 1, end_node_id="n9")) == ["edges[1].endNodeId"]


def test_a_node_may_be_passed_twice() -> None:
    whole = with_node(order(3), 2, node_id="n0")
    assert offences(with_edge(whole, 1, end_node_id="n0")) == []


TWINS = [
    order(1, actions={0: (act("a"), act("a", "drop"))}),
    order(3, actions={0: (act("a"),), 2: (act("a"),)}),
    with_edge(order(2, actions={0: (act("a"),)}), 0, actions=(act("a"),)),
]


@pytest.mark.parametrize("whole", TWINS)
def test_an_action_id_stands_for_one_action(whole: Order) -> None:
    (problem,) = graph_problems(whole)
    assert problem.about == (("actionId", "a"),)
