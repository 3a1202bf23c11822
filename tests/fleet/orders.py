"""Orders for tests: straight ways of nodes two metres apart on one map, as values and as JSON."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agent.fleet import (
    Action,
    ActionParameter,
    BlockingType,
    Edge,
    Facts,
    Node,
    NodePosition,
    Order,
    Pose,
    ProtocolVersion,
    VehicleIdentity,
    VehicleType,
)

VEHICLE = VehicleIdentity("acme", "agv-1", ProtocolVersion.V2_1_0)
TYPE = VehicleType("test carrier")
AT_START = Facts(pose=Pose(0.0, 0.0, 0.0, "hall"))
STEP_M = 2.0

HEADER: Mapping[str, Any] = {
    "headerId": 7,
    "timestamp": "2026-04-15T11:40:03.12Z",
    "version": "2.1.0",
    "manufacturer": "acme",
    "serialNumber": "agv-1",
}


def act(action_id: str, action_type: str = "pick", blocking: str = "HARD", **parameters: Any) -> Action:
    given = tuple(ActionParameter(key, value) for key, value in parameters.items())
    return Action(action_id, action_type, BlockingType(blocking), given)


def node(place: int, *actions: Action, released: bool = True, node_id: str = "") -> Node:
    """The node of sequence id `2 * place`, that many steps along the way."""
    position = NodePosition(place * STEP_M, 0.0, "hall")
    return Node(node_id or f"n{place}", 2 * place, released, tuple(actions), position)


def order(
    count: int = 3,
    *,
    released: int | None = None,
    first: int = 0,
    actions: Mapping[int, tuple[Action, ...]] | None = None,
    order_id: str = "o1",
    update_id: int = 0,
) -> Order:
    """A way of `count` nodes from place `first` on, of which `released` are the base."""
    base = count if released is None else released
    given = actions or {}
    places = range(first, first + count)
    nodes = tuple(node(place, *given.get(place, ()), released=place < first + base) for place in places)
    edges = tuple(
        Edge(f"e{place}", 2 * place + 1, place + 1 < first + base, f"n{place}", f"n{place + 1}", ())
        for place in places[:-1]
    )
    return Order(order_id, update_id, nodes, edges)


def with_node(whole: Order, index: int, **changes: Any) -> Order:
    nodes = list(whole.nodes)
    nodes[index] = replace(nodes[index], **changes)
    return replace(whole, nodes=tuple(nodes))


def with_edge(whole: Order, index: int, **changes: Any) -> Order:
    edges = list(whole.edges)
    edges[index] = replace(edges[index], **changes)
    return replace(whole, edges=tuple(edges))


def action_body(action: Action) -> dict[str, Any]:
    return {
        "actionId": action.action_id,
        "actionType": action.action_type,
        "blockingType": action.blocking_type.value,
        "actionParameters": [{"key": each.key, "value": each.value} for each in action.action_parameters],
    }


def order_body(whole: Order, **changes: Any) -> dict[str, Any]:
    """An order as the JSON object that fleet control sends; written here by hand, not by the code under test."""
    nodes = []
    for each in whole.nodes:
        body: dict[str, Any] = {"nodeId": each.node_id, "sequenceId": each.sequence_id, "released": each.released}
        if each.node_position:
            body["nodePosition"] = {"x": each.node_position.x, "y": each.node_position.y, "mapId": "hall"}
        nodes.append(body | {"actions": [action_body(action) for action in each.actions]})
    edges = [
        {
            "edgeId": each.edge_id,
            "sequenceId": each.sequence_id,
            "released": each.released,
            "startNodeId": each.start_node_id,
            "endNodeId": each.end_node_id,
            "actions": [],
        }
        for each in whole.edges
    ]
    ids = {"orderId": whole.order_id, "orderUpdateId": whole.order_update_id}
    return {**HEADER, **ids, "nodes": nodes, "edges": edges, **changes}


def text(body: Any) -> bytes:
    return json.dumps(body).encode()
