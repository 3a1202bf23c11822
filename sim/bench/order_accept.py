"""Orders of 20 nodes from their octets to the verdict, beside the official schema compiled by fastjsonschema."""

import json
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from agent.clock import Clock
from agent.fleet import (
    Accepted,
    Facts,
    MissionState,
    Pose,
    ProtocolVersion,
    VehicleIdentity,
    VehicleType,
    accept,
    decode_order,
)
from sim.bench.figure import Effort, Figure, per_second, rate

__all__ = ["order_accept"]

NODES: Final = 20
VEHICLE: Final = VehicleIdentity("acme", "agv-1", ProtocolVersion.V2_1_0)
TYPE: Final = VehicleType("bench carrier")
FACTS: Final = Facts(pose=Pose(0.0, 0.0, 0.0, "hall"))


def order_accept(effort: Effort, clock: Clock) -> Figure:
    """Orders decoded, validated and accepted a second, by one core."""
    body = json.dumps(_order()).encode()
    state = MissionState(1)

    def ours() -> object:
        return accept(decode_order(body, VEHICLE, bytes_max=len(body))[1], 1, state, FACTS, TYPE)

    assert isinstance(ours(), Accepted)
    oracle, ceiling = _ceiling(body)
    note = f"ceiling: {oracle}; ours also holds the order against the rules; {len(body):,} octets, {NODES} nodes"
    value, best = (per_second(call, clock, effort.run_s) for call in (ours, ceiling))
    return rate("order_accept", value, "orders/s", best, note)


def _ceiling(body: bytes) -> tuple[str, Callable[[], object]]:
    schema = _official_schema()
    if schema is None:
        return "json.loads alone (no fastjsonschema, or no vda5050-sdk)", lambda: json.loads(body)
    validate = import_module("fastjsonschema").compile(schema)
    return "json.loads and fastjsonschema on the official 2.1.0 schema", lambda: validate(json.loads(body))


def _official_schema() -> dict[str, Any] | None:  # Any: JSON
    sdk = find_spec("vda5050")
    if sdk is None or sdk.origin is None or find_spec("fastjsonschema") is None:
        return None
    file = Path(sdk.origin).parent / "validation" / "schemas" / "order.json"
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))  # Any: JSON
    return schema


def _order() -> dict[str, Any]:  # Any: JSON
    header = {"headerId": 7, "timestamp": "2026-04-15T11:40:03.12Z", "version": "2.1.0"}
    names = {"manufacturer": VEHICLE.manufacturer, "serialNumber": VEHICLE.serial_number}
    ways = {"nodes": [_node(place) for place in range(NODES)], "edges": [_edge(place) for place in range(NODES - 1)]}
    return {**header, **names, "orderId": "o1", "orderUpdateId": 0, **ways}


def _node(place: int) -> dict[str, Any]:  # Any: JSON
    action = {
        "actionId": f"a{place}",
        "actionType": "pick",
        "blockingType": "HARD",
        "actionParameters": [{"key": "stationType", "value": "floor"}, {"key": "loadType", "value": "EPAL"}],
    }
    position = {"x": place * 2.0, "y": 0.0, "mapId": "hall"}
    where = {"nodeId": f"n{place}", "sequenceId": 2 * place, "released": True, "nodePosition": position}
    return {**where, "actions": [action]}


def _edge(place: int) -> dict[str, Any]:  # Any: JSON
    ends = {"startNodeId": f"n{place}", "endNodeId": f"n{place + 1}"}
    return {"edgeId": f"e{place}", "sequenceId": 2 * place + 1, "released": True, **ends, "actions": []}
