"""JSON bodies of VDA 5050 2.0.0 and 2.1.0, to and from the model: the only place that knows how they are spelt.

Both versions spell orders alike; 2.0.0 has no `errorHint`, and the library most used with it sends instant actions
under another key than its text (6.9) does. What a body must keep beyond its fields' types is the matter of `rules`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from agent.errors import EventRefused
from agent.fleet.errors import ErrorLevel, ErrorType, MessageRefused, VehicleError, references
from agent.fleet.header import Header, HeaderCounters, header_problem
from agent.fleet.model import WIRE, Action, Order
from agent.fleet.topics import FleetTopic, ProtocolVersion, VehicleIdentity
from agent.fleet.vehicle_state import ConnectionState, Facts, VehicleState
from agent.strict_json import parse_strictly

__all__ = ["decode_instant_actions", "decode_order", "encode_connection", "encode_state", "encode_visualization"]

CHARGE_UNKNOWN: Final = 20.0
"""Per cent. The field is mandatory and has no word for "not known"; a vehicle that cannot measure says 20 for "low"
(2.1: 6.10.6): nobody counts on it, and nobody takes the vehicle for one that is flat."""

_UNMODELLED_OF_EDGES: Final = frozenset(
    {
        *("corridor", "direction", "maxHeight", "maxRotationSpeed", "minHeight", "orientation", "orientationType"),
        *("rotationAllowed", "trajectory"),
    }
)
_UNMODELLED_OF_ORDERS: Final = frozenset({"zoneSetId"})
_ACTIONS_KEYS: Final = {
    ProtocolVersion.V2_0_0: ("actions", "instantActions"),  # the second: npm's vda-5050-lib
    ProtocolVersion.V2_1_0: ("actions",),
}


@dataclass(frozen=True, slots=True)
class _InstantActions:
    __pydantic_config__ = WIRE

    actions: Annotated[tuple[Action, ...], Field(min_length=1)]


_Decoded = TypeVar("_Decoded")
_HEADER: Final = TypeAdapter(Header)
_ORDER: Final = TypeAdapter(Order)
_INSTANT_ACTIONS: Final = TypeAdapter(_InstantActions)


def decode_order(body: bytes, vehicle: VehicleIdentity, *, bytes_max: int) -> tuple[Header, Order]:
    """An order message; its optional fields that the model lacks are listed in `Order.unmodelled`.

    Raises:
        MessageRefused: with the path of the first offence, such as `nodes[3].released`.
    """
    value, header = _parsed(body, FleetTopic.ORDER, vehicle, bytes_max)
    order = _validated(_ORDER, value, FleetTopic.ORDER)
    return header, replace(order, unmodelled=tuple(_unmodelled(value)))


def decode_instant_actions(
    body: bytes, vehicle: VehicleIdentity, *, bytes_max: int
) -> tuple[Header, tuple[Action, ...]]:
    """An instant actions message: at least one action.

    Raises:
        MessageRefused: as `decode_order`.
    """
    value, header = _parsed(body, FleetTopic.INSTANT_ACTIONS, vehicle, bytes_max)
    keys = [key for key in _ACTIONS_KEYS[vehicle.version] if key in value]
    if len(keys) > 1:
        raise _refused(FleetTopic.INSTANT_ACTIONS, value, keys[1], f"stands beside {keys[0]!r}: one of the two")
    body_of_actions = {"actions": value[keys[0]]} if keys else {}
    return header, _validated(_INSTANT_ACTIONS, body_of_actions, FleetTopic.INSTANT_ACTIONS, value).actions


def encode_state(counters: HeaderCounters, state: VehicleState, now: datetime) -> bytes:
    """A state message (2.1: 6.10.6)."""
    facts = state.facts
    body = counters.header(FleetTopic.STATE, now) | {
        "orderId": state.order_id,
        "orderUpdateId": state.order_update_id,
        "lastNodeId": state.last_node_id,
        "lastNodeSequenceId": state.last_node_sequence_id,
        "nodeStates": [
            {"nodeId": node.node_id, "sequenceId": node.sequence_id, "released": node.released} for node in state.nodes
        ],
        "edgeStates": [
            {"edgeId": edge.edge_id, "sequenceId": edge.sequence_id, "released": edge.released} for edge in state.edges
        ],
        "actionStates": [
            {
                "actionId": action.action_id,
                "actionType": action.action_type,
                "actionStatus": action.status,
                **({"resultDescription": action.result} if action.result else {}),
            }
            for action in state.action_states
        ],
        "driving": facts.driving,
        "paused": state.paused,
        "newBaseRequest": state.new_base_request,
        "operatingMode": facts.mode,
        "batteryState": {
            "batteryCharge": CHARGE_UNKNOWN if facts.battery.charge is None else facts.battery.charge,
            "charging": facts.battery.charging,
        },
        "errors": [_error(error, counters.vehicle.version) for error in state.errors],
        "safetyState": {"eStop": state.emergency_stop, "fieldViolation": facts.field_violation},
    }
    return _text(body | _where(facts) | _loads(facts))


def encode_connection(counters: HeaderCounters, connection: ConnectionState, now: datetime) -> bytes:
    """A connection message, also the will (2.1: 6.14)."""
    return _text(counters.header(FleetTopic.CONNECTION, now) | {"connectionState": connection})


def encode_visualization(counters: HeaderCounters, facts: Facts, now: datetime) -> bytes:
    """A visualization message (2.1: 6.13)."""
    return _text(counters.header(FleetTopic.VISUALIZATION, now) | _where(facts))


def _parsed(
    body: bytes, topic: FleetTopic, vehicle: VehicleIdentity, bytes_max: int
) -> tuple[dict[str, Any], Header]:  # Any: what JSON holds
    try:
        value = parse_strictly(body, bytes_max=bytes_max)
    except EventRefused as refused:
        problem = refused.problems[0]
        raise _refused(topic, {}, problem.path, f"{problem.problem}; expected {problem.expected}") from None
    if not isinstance(value, dict):
        raise _refused(topic, {}, "", "expected a JSON object")
    header = _validated(_HEADER, value, topic)
    problem_of_header = header_problem(header, vehicle)
    if problem_of_header:
        raise _refused(topic, value, *problem_of_header)
    return value, header


def _validated(
    adapter: TypeAdapter[_Decoded], part: dict[str, Any], topic: FleetTopic, whole: dict[str, Any] | None = None
) -> _Decoded:
    try:
        return adapter.validate_python(part)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise _refused(topic, whole or part, _path(first["loc"]), first["msg"]) from None


def _refused(topic: FleetTopic, value: dict[str, Any], path: str, problem: str) -> MessageRefused:
    """References name the message as far as its own ids can be read (2.1: 7.1)."""
    readable = ("headerId", "orderId", "orderUpdateId") if topic == FleetTopic.ORDER else ("headerId",)
    ids = [(key, value[key]) for key in readable if isinstance(value.get(key), str | int)]
    shown = f"{path}: {problem}" if path else problem
    return MessageRefused(
        VehicleError(
            ErrorType.VALIDATION,
            ErrorLevel.WARNING,
            references(("topic", topic.value), *ids, fields=[path][: bool(path)]),
            f"malformed {topic} message: {shown}",
        )
    )


def _path(steps: tuple[int | str, ...]) -> str:
    """`("nodes", 3, "released")` is `nodes[3].released`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _unmodelled(value: dict[str, Any]) -> Iterator[str]:
    yield from sorted(_UNMODELLED_OF_ORDERS & value.keys())
    for index, edge in enumerate(value["edges"]):
        yield from (f"edges[{index}].{name}" for name in sorted(_UNMODELLED_OF_EDGES & edge.keys()))


def _error(error: VehicleError, version: ProtocolVersion) -> dict[str, Any]:
    hint = {"errorHint": error.hint} if error.hint and version is not ProtocolVersion.V2_0_0 else {}
    return {
        "errorType": error.error_type,
        "errorLevel": error.level,
        "errorReferences": [{"referenceKey": each.key, "referenceValue": each.value} for each in error.references],
        "errorDescription": error.description,
        **hint,
    }


def _where(facts: Facts) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if facts.pose:
        body["agvPosition"] = {
            "x": facts.pose.x,
            "y": facts.pose.y,
            "theta": facts.pose.theta,
            "mapId": facts.pose.map_id,
            "positionInitialized": facts.pose.initialized,
        }
    if facts.velocity:
        body["velocity"] = {"vx": facts.velocity.vx, "vy": facts.velocity.vy, "omega": facts.velocity.omega}
    return body


def _loads(facts: Facts) -> dict[str, Any]:
    """No key at all when the vehicle cannot tell; an empty list when it carries nothing (2.1: 6.10.6)."""
    if facts.loads is None:
        return {}
    names = (("loadId", "load_id"), ("loadType", "load_type"), ("loadPosition", "load_position"))
    return {"loads": [{key: text for key, name in names if (text := getattr(load, name))} for load in facts.loads]}


def _text(body: dict[str, Any]) -> bytes:
    return json.dumps(body, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
