"""Orders and instant actions as they come in: what the weak schemas let pass is refused here, with its path."""

import json
from dataclasses import replace
from typing import Any

import pytest

from agent.fleet import (
    Action,
    ErrorLevel,
    ErrorType,
    MessageRefused,
    ProtocolVersion,
    Reference,
    decode_instant_actions,
    decode_order,
)
from tests.fleet.orders import HEADER, VEHICLE, act, action_body, order, order_body, text
from tests.fleet.schemas import NEEDS_SCHEMAS, problems

BYTES_MAX = 100_000
OLDER = replace(VEHICLE, version=ProtocolVersion.V2_0_0)
ORDER = order(3, released=2, actions={0: (act("a1", stationType="floor", height=0.5),), 1: (act("a2", "drop"),)})


def refused(body: bytes) -> MessageRefused:
    with pytest.raises(MessageRefused) as caught:
        decode_order(body, VEHICLE, bytes_max=BYTES_MAX)
    return caught.value


def field_of(refusal: MessageRefused) -> str:
    return "".join(each.value for each in refusal.error.references if each.key == "field")


def changed(path: str, value: Any) -> dict[str, Any]:
    """A good order with one value replaced, or taken out (`...`)."""
    body = order_body(ORDER)
    place: Any = body
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return body


@pytest.mark.parametrize("vehicle", [VEHICLE, OLDER])
def test_an_order_is_read_as_it_was_written(vehicle: Any) -> None:
    header, read = decode_order(text(order_body(ORDER)), vehicle, bytes_max=BYTES_MAX)
    assert read == ORDER
    assert (header.header_id, header.timestamp) == (7, HEADER["timestamp"])


@NEEDS_SCHEMAS
def test_the_orders_of_these_tests_are_valid_by_the_official_schema() -> None:
    assert problems("order", text(order_body(ORDER))) == []


@pytest.mark.parametrize("spelling", ["allowedDeviationXY", "allowedDeviationXy"])
def test_both_spellings_of_the_deviation_are_read(spelling: str) -> None:
    """2.0.0 spells it one way in its text and another way in its schema."""
    body = changed(f"nodes.0.nodePosition.{spelling}", 0.25)
    position = decode_order(text(body), VEHICLE, bytes_max=BYTES_MAX)[1].nodes[0].node_position
    assert position
    assert position.allowed_deviation_xy == 0.25


# path in the body, the value, the path that the error names
MALFORMED: list[tuple[str, Any, str]] = [
    ("headerId", -1, "headerId"),
    ("headerId", 2**32, "headerId"),
    ("headerId", 1.5, "headerId"),
    ("headerId", "1", "headerId"),
    ("headerId", True, "headerId"),
    ("headerId", ..., "headerId"),
    ("timestamp", "yesterday", "timestamp"),
    ("timestamp", "2026-02-31T10:00:00Z", "timestamp"),
    ("timestamp", "2026-04-15T11:40:03.12", "timestamp"),
    ("timestamp", "2026-04-15T11:40:03+02:00", "timestamp"),
    ("timestamp", 0, "timestamp"),
    ("version", "banana", "version"),
    ("version", "2.1", "version"),
    ("version", "3.0.0", "version"),
    ("manufacturer", "other", "manufacturer"),
    ("serialNumber", "agv-2", "serialNumber"),
    ("orderId", "", "orderId"),
    ("orderId", None, "orderId"),
    ("orderId", 5, "orderId"),
    ("orderUpdateId", -1, "orderUpdateId"),
    ("orderUpdateId", 2**32, "orderUpdateId"),
    ("nodes", ..., "nodes"),
    ("nodes", {}, "nodes"),
    ("nodes.1", [], "nodes[1]"),
    ("nodes.1.nodeId", "", "nodes[1].nodeId"),
    ("nodes.1.sequenceId", -2, "nodes[1].sequenceId"),
    ("nodes.1.released", "true", "nodes[1].released"),
    ("nodes.1.released", 1, "nodes[1].released"),
    ("nodes.1.actions", ..., "nodes[1].actions"),
    ("nodes.1.nodePosition.x", "1.0", "nodes[1].nodePosition.x"),
    ("nodes.1.nodePosition.x", True, "nodes[1].nodePosition.x"),
    ("nodes.1.nodePosition.theta", 9, "nodes[1].nodePosition.theta"),
    ("nodes.1.nodePosition.allowedDeviationXY", -0.1, "nodes[1].nodePosition.allowedDeviationXY"),
    ("nodes.1.nodePosition.mapId", ..., "nodes[1].nodePosition.mapId"),
    ("nodes.1.actions.0.blockingType", "SINGLE", "nodes[1].actions[0].blockingType"),
    ("nodes.1.actions.0.blockingType", "hard", "nodes[1].actions[0].blockingType"),
    ("nodes.1.actions.0.actionId", "", "nodes[1].actions[0].actionId"),
    ("nodes.0.actions.0.actionParameters.0.key", 1, "nodes[0].actions[0].actionParameters[0].key"),
    ("edges", None, "edges"),
    ("edges.0.endNodeId", ..., "edges[0].endNodeId"),
    ("edges.0.maxSpeed", 0, "edges[0].maxSpeed"),
    ("edges.0.maxSpeed", -1, "edges[0].maxSpeed"),
]


@pytest.mark.parametrize(("path", "value", "named"), MALFORMED)
def test_a_malformed_order_is_refused_with_the_path_of_the_field(path: str, value: Any, named: str) -> None:
    refusal = refused(text(changed(path, value)))
    assert field_of(refusal) == named
    assert (refusal.error.error_type, refusal.error.level) == (ErrorType.VALIDATION, ErrorLevel.WARNING)
    assert named in refusal.error.description


def test_rule_29_a_refusal_names_the_message_it_is_about() -> None:
    refusal = refused(text(changed("nodes.1.released", 1)))
    assert refusal.error.references[:4] == (
        Reference("topic", "order"),
        Reference("headerId", "7"),
        Reference("orderId", "o1"),
        Reference("orderUpdateId", "0"),
    )


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_rule_53_nan_and_infinity_are_refused(number: str) -> None:
    body = json.dumps(order_body(ORDER)).replace('"x": 2.0', f'"x": {number}')
    refusal = refused(body.encode())
    assert field_of(refusal) == "nodes[1].nodePosition.x"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[1]", "JSON object"),
        (b"null", "JSON object"),
        (b'{"headerId": 1, "headerId": 2}', "twice"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested"),
        (b'"' + b"x" * BYTES_MAX + b'"', "at most 100,000 bytes"),
        (b'{"headerId": 1234567890123456789012}', "digits"),
    ],
)
def test_what_is_not_plain_json_is_refused(body: bytes, said: str) -> None:
    assert said in refused(body).error.description


def test_unknown_fields_are_left_alone() -> None:
    body = order_body(ORDER, vendorField={"x": 1})
    assert decode_order(text(body), VEHICLE, bytes_max=BYTES_MAX)[1] == ORDER


@pytest.mark.parametrize(
    ("path", "value", "listed"),
    [
        ("zoneSetId", "z1", "zoneSetId"),
        ("edges.1.trajectory", {"degree": 1, "knotVector": [], "controlPoints": []}, "edges[1].trajectory"),
        ("edges.0.rotationAllowed", False, "edges[0].rotationAllowed"),
        ("edges.0.corridor", {"leftWidth": 1, "rightWidth": 1}, "edges[0].corridor"),
        ("edges.0.maxHeight", 1.0, "edges[0].maxHeight"),
    ],
)
def test_rule_54_optional_fields_that_the_model_lacks_are_listed(path: str, value: Any, listed: str) -> None:
    assert decode_order(text(changed(path, value)), VEHICLE, bytes_max=BYTES_MAX)[1].unmodelled == (listed,)


def test_nobody_can_claim_fields_away() -> None:
    body = changed("zoneSetId", "z1") | {"unmodelled": []}
    assert decode_order(text(body), VEHICLE, bytes_max=BYTES_MAX)[1].unmodelled == ("zoneSetId",)


PAUSE = act("i1", "startPause", "NONE")


def instant_body(key: str, *actions: Action) -> dict[str, Any]:
    return {**HEADER, key: [action_body(action) for action in actions]}


@pytest.mark.parametrize(
    ("version", "key", "read"),
    [
        (ProtocolVersion.V2_0_0, "actions", True),
        (ProtocolVersion.V2_0_0, "instantActions", True),
        (ProtocolVersion.V2_1_0, "actions", True),
        (ProtocolVersion.V2_1_0, "instantActions", False),
    ],
)
def test_instant_actions_stand_under_the_keys_of_their_version(
    version: ProtocolVersion, key: str, *, read: bool
) -> None:
    vehicle = replace(VEHICLE, version=version)
    body = text(instant_body(key, PAUSE))
    if read:
        assert decode_instant_actions(body, vehicle, bytes_max=BYTES_MAX)[1] == (PAUSE,)
    else:
        with pytest.raises(MessageRefused, match="actions"):
            decode_instant_actions(body, vehicle, bytes_max=BYTES_MAX)


def test_instant_actions_under_both_keys_are_refused() -> None:
    body = instant_body("actions", PAUSE) | {"instantActions": []}
    with pytest.raises(MessageRefused, match="stands beside"):
        decode_instant_actions(text(body), OLDER, bytes_max=BYTES_MAX)


@pytest.mark.parametrize(
    ("actions", "named"),
    [
        ([], "actions"),
        ("startPause", "actions"),
        ([{"actionId": "i1", "actionType": "startPause"}], "actions[0].blockingType"),
    ],
)
def test_malformed_instant_actions_are_refused_with_the_path(actions: Any, named: str) -> None:
    with pytest.raises(MessageRefused) as caught:
        decode_instant_actions(text({**HEADER, "actions": actions}), VEHICLE, bytes_max=BYTES_MAX)
    assert field_of(caught.value) == named
    assert caught.value.error.references[:2] == (Reference("topic", "instantActions"), Reference("headerId", "7"))
