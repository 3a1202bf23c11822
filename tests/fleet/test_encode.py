"""Messages as they go out, held against the official schemas where those are at hand."""

import json
from dataclasses import replace
from typing import Any

import pytest

from agent.fleet import (
    PICK_AND_DROP,
    ActionState,
    ActionStatus,
    Battery,
    ConnectionState,
    EmergencyStop,
    ErrorLevel,
    ErrorType,
    Facts,
    HeaderCounters,
    Load,
    OperatingMode,
    Pose,
    ProtocolVersion,
    Reference,
    VehicleError,
    VehicleState,
    VehicleType,
    Velocity,
    encode_connection,
    encode_factsheet,
    encode_state,
    encode_visualization,
)
from tests.fleet.moments import NOON
from tests.fleet.orders import VEHICLE, order
from tests.fleet.schemas import NEEDS_SCHEMAS, problems

FACTS = Facts(
    driving=True,
    pose=Pose(1.5, -2.0, 0.1, "hall"),
    velocity=Velocity(0.5, 0.0, 0.0),
    battery=Battery(80.0, charging=True),
    loads=(Load("box-7", "EPAL", "front"), Load()),
    mode=OperatingMode.SEMIAUTOMATIC,
    field_violation=True,
)
ERROR = VehicleError(ErrorType.ORDER, ErrorLevel.WARNING, (Reference("orderId", "o1"),), "why", "what to do")
STATE = VehicleState(
    order_id="o1",
    order_update_id=3,
    last_node_id="n0",
    last_node_sequence_id=0,
    nodes=order(3, released=2).nodes[1:],
    edges=order(3, released=2).edges,
    action_states=tuple(ActionState(f"a{status}", "pick", status, "a result") for status in ActionStatus),
    errors=(ERROR,),
    paused=True,
    new_base_request=True,
    emergency_stop=EmergencyStop.REMOTE,
    facts=FACTS,
)
BARE = VehicleState("", 0, "", 0, (), (), (), (), False, False, EmergencyStop.NONE, Facts())


def counters(version: ProtocolVersion = ProtocolVersion.V2_1_0) -> HeaderCounters:
    return HeaderCounters(replace(VEHICLE, version=version))


def state_body(state: VehicleState, version: ProtocolVersion = ProtocolVersion.V2_1_0) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode_state(counters(version), state, NOON))
    return body


@NEEDS_SCHEMAS
@pytest.mark.parametrize("version", ProtocolVersion)
@pytest.mark.parametrize("state", [STATE, BARE])
def test_every_state_is_valid(state: VehicleState, version: ProtocolVersion) -> None:
    assert problems("state", encode_state(counters(version), state, NOON)) == []


@NEEDS_SCHEMAS
@pytest.mark.parametrize("mode", OperatingMode)
@pytest.mark.parametrize("stop", EmergencyStop)
def test_every_mode_and_stop_is_valid(mode: OperatingMode, stop: EmergencyStop) -> None:
    state = replace(BARE, emergency_stop=stop, facts=Facts(mode=mode))
    assert problems("state", encode_state(counters(), state, NOON)) == []


@NEEDS_SCHEMAS
@pytest.mark.parametrize("connection", ConnectionState)
def test_every_connection_message_is_valid(connection: ConnectionState) -> None:
    assert problems("connection", encode_connection(counters(), connection, NOON)) == []


@NEEDS_SCHEMAS
@pytest.mark.parametrize("facts", [FACTS, Facts()])
def test_every_visualization_is_valid(facts: Facts) -> None:
    assert problems("visualization", encode_visualization(counters(), facts, NOON)) == []


@NEEDS_SCHEMAS
@pytest.mark.parametrize("version", ProtocolVersion)
def test_the_factsheet_is_valid(version: ProtocolVersion) -> None:
    vehicle = VehicleType("carrier", actions=PICK_AND_DROP, load_positions=("front", "back"))
    assert problems("factsheet", encode_factsheet(counters(version), vehicle, NOON)) == []


def test_a_charge_that_nobody_knows_is_told_as_low() -> None:
    assert state_body(BARE)["batteryState"] == {"batteryCharge": 20.0, "charging": False}


def test_a_state_says_all_it_knows() -> None:
    body = state_body(STATE)
    assert body["nodeStates"] == [
        {"nodeId": "n1", "sequenceId": 2, "released": True},
        {"nodeId": "n2", "sequenceId": 4, "released": False},
    ]
    assert [edge["released"] for edge in body["edgeStates"]] == [True, False]
    assert body["safetyState"] == {"eStop": "REMOTE", "fieldViolation": True}
    assert body["batteryState"] == {"batteryCharge": 80.0, "charging": True}
    assert body["loads"] == [{"loadId": "box-7", "loadType": "EPAL", "loadPosition": "front"}, {}]
    assert body["errors"][0]["errorReferences"] == [{"referenceKey": "orderId", "referenceValue": "o1"}]
    assert (body["paused"], body["newBaseRequest"], body["driving"]) == (True, True, True)


def test_only_2_1_has_hints() -> None:
    assert state_body(STATE)["errors"][0]["errorHint"] == "what to do"
    assert "errorHint" not in state_body(STATE, ProtocolVersion.V2_0_0)["errors"][0]


def test_what_a_vehicle_cannot_tell_is_left_out() -> None:
    assert not {"loads", "agvPosition", "velocity"} & state_body(BARE).keys()
    assert state_body(replace(BARE, facts=Facts(loads=())))["loads"] == []


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_rule_53_nan_and_infinity_are_never_sent(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_visualization(counters(), Facts(pose=Pose(number, 0.0, 0.0, "hall")), NOON)


def test_the_factsheet_names_actions_scopes_and_limits() -> None:
    body = json.loads(encode_factsheet(counters(), VehicleType("carrier"), NOON))
    actions = {each["actionType"]: each for each in body["protocolFeatures"]["agvActions"]}
    assert {"pick", "drop", "cancelOrder", "startPause", "stopPause", "stateRequest", "factsheetRequest"} == set(
        actions
    )
    assert actions["pick"]["actionScopes"] == ["NODE"]
    assert body["protocolLimits"]["maxArrayLens"]["order.nodes"] == 100
