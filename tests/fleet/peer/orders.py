"""Orders for a vehicle at (0, 0) on map "shop", in the JSON of VDA 5050 2.0.0, without header."""

from itertools import pairwise
from typing import Any, Final

__all__ = ["MAP_ID", "action", "edge", "node", "order"]

MAP_ID: Final = "shop"

Json = dict[str, Any]  # Any: JSON


def action(action_id: str, action_type: str) -> Json:
    """Load handling in words that both the library's own vehicle and ours understand."""
    parameters = [{"key": "stationType", "value": "floor"}, {"key": "loadType", "value": "EPAL"}]
    return {
        "actionId": action_id,
        "actionType": action_type,
        "blockingType": "HARD",
        "actionParameters": parameters,
    }


def node(node_id: str, sequence_id: int, x: float, *actions: Json, released: bool = True) -> Json:
    """A node on the x axis."""
    return {
        "nodeId": node_id,
        "sequenceId": sequence_id,
        "released": released,
        "nodePosition": {"x": x, "y": 0.0, "mapId": MAP_ID},
        "actions": list(actions),
    }


def edge(start: Json, end: Json) -> Json:
    """The way between two nodes that follow one another, released when its end is."""
    return {
        "edgeId": f"{start['nodeId']}>{end['nodeId']}",
        "sequenceId": start["sequenceId"] + 1,
        "released": end["released"],
        "startNodeId": start["nodeId"],
        "endNodeId": end["nodeId"],
        "actions": [],
    }


def order(order_id: str, update: int, *nodes: Json) -> Json:
    """An order, or an update of one, over these nodes."""
    edges = [edge(start, end) for start, end in pairwise(nodes)]
    return {"orderId": order_id, "orderUpdateId": update, "nodes": list(nodes), "edges": edges}
