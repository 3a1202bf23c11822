"""Orders of fleet control: what the schemas of both versions and the standard's own rules ask."""

import json
from datetime import UTC, datetime
from itertools import pairwise, product
from typing import Any

import pytest

from agent.fleet.header import HeaderCounters
from agent.fleet.topics import FleetTopic, ProtocolVersion, VehicleIdentity
from sim.fleet_control.plan import Errand, Plan, instant_actions, plan_errand
from sim.fleet_control.store_map import PlaceUnknown
from tests.fleet.peer.judge import problems_2_0_0
from tests.fleet.schemas import NEEDS_SCHEMAS, problems
from tests.sim.fleet_control.small_store import STORE

NOW = datetime(2026, 4, 15, 11, 40, 3, 120_000, tzinfo=UTC)
GOALS = ("shelf-1-1", "shelf-2-3", "till-1", "till-2", "stock-room")


def plan(start: str = "charger", fetch_from: str = "shelf-2-3", bring_to: str = "till-2") -> Plan:
    errand = Errand("e1", "sku-1", fetch_from, bring_to)
    return plan_errand(errand, "o1", STORE, STORE.place(start), 0.7)


def messages(version: ProtocolVersion) -> list[tuple[str, dict[str, Any]]]:
    """Each message that fleet control may send for errands all over the store."""
    headers = HeaderCounters(VehicleIdentity("acme", "agv-1", version))

    def whole(topic: FleetTopic, body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return topic.value, headers.header(topic, NOW) | body

    found = [
        whole(FleetTopic.INSTANT_ACTIONS, instant_actions("o1-cancel", "cancelOrder")),
    ]
    for start, fetch_from, bring_to in product(GOALS, repeat=3):
        each = plan(start, fetch_from, bring_to)
        middle = each.last // 2
        found.append(whole(FleetTopic.ORDER, each.order(0, 0, middle, version)))
        found.append(whole(FleetTopic.ORDER, each.order(1, middle, each.last, version)))
    return found


@NEEDS_SCHEMAS
def test_every_message_of_2_1_0_keeps_the_official_schemas() -> None:
    assert [
        (body, found)
        for topic, body in messages(ProtocolVersion.V2_1_0)
        if (found := problems(topic, json.dumps(body).encode()))
    ] == []


def test_every_message_of_2_0_0_keeps_the_schemas_of_another_maker() -> None:
    sent = messages(ProtocolVersion.V2_0_0)
    assert problems_2_0_0(sent) == [""] * len(sent)


def test_the_other_makers_schemas_refuse_what_is_wrong() -> None:
    (topic, body), *_ = messages(ProtocolVersion.V2_0_0)[1:]
    problem, *_ = problems_2_0_0([(topic, body | {"orderUpdateId": -1})])
    assert "orderUpdateId" in problem


@pytest.mark.parametrize("released_to", range(plan().last + 1))
def test_a_message_alternates_nodes_and_edges_and_releases_a_prefix(released_to: int) -> None:
    whole = plan()
    order = whole.order(0, 0, released_to, ProtocolVersion.V2_1_0)
    nodes, edges = order["nodes"], order["edges"]
    assert [node["sequenceId"] for node in nodes] == list(range(0, 2 * len(nodes), 2))
    assert [edge["sequenceId"] for edge in edges] == list(range(1, 2 * len(edges), 2))
    assert [node["released"] for node in nodes] == [index <= released_to for index in range(len(nodes))]
    assert [edge["released"] for edge in edges] == [node["released"] for node in nodes[1:]]
    ends = [(edge["startNodeId"], edge["endNodeId"]) for edge in edges]
    ids = [node["nodeId"] for node in nodes]
    assert ends == list(pairwise(ids))


def test_an_update_begins_at_the_last_released_node_with_its_actions() -> None:
    whole = plan()
    pick_at = next(index for index, step in enumerate(whole.steps) if step.action_type == "pick")
    before = whole.order(0, 0, pick_at, ProtocolVersion.V2_0_0)
    update = whole.order(1, pick_at, whole.last, ProtocolVersion.V2_0_0)
    assert update["nodes"][0] == before["nodes"][pick_at]
    assert update["nodes"][0]["actions"][0]["actionType"] == "pick"


def test_an_errand_picks_where_the_product_lies_and_drops_where_it_is_wanted() -> None:
    doing = [(step.place.node_id, step.action_type) for step in plan().steps if step.action_type]
    assert doing == [("shelf-2-3", "pick"), ("till-2", "drop")]
    assert plan().action_ids == ("o1-pick", "o1-drop")


def test_a_vehicle_that_stands_at_the_shelf_picks_on_the_first_node() -> None:
    first = plan(start="shelf-2-3").order(0, 0, 1, ProtocolVersion.V2_0_0)["nodes"][0]
    assert first["nodeId"] == "shelf-2-3"
    assert [action["actionType"] for action in first["actions"]] == ["pick"]


@pytest.mark.parametrize(
    ("version", "key"),
    [(ProtocolVersion.V2_0_0, "allowedDeviationXy"), (ProtocolVersion.V2_1_0, "allowedDeviationXY")],
)
def test_only_the_first_node_of_an_order_allows_for_where_the_vehicle_stands(
    version: ProtocolVersion, key: str
) -> None:
    nodes = plan().order(0, 0, 1, version)["nodes"]
    assert [node["nodePosition"].get(key) for node in nodes] == [0.7] + [None] * (len(nodes) - 1)


def test_an_errand_to_nowhere_is_refused() -> None:
    with pytest.raises(PlaceUnknown, match="till-9"):
        plan(bring_to="till-9")
