"""Names of a vehicle on the broker."""

import pytest

from agent.fleet import FleetTopic, IdentityRefused, ProtocolVersion, VehicleIdentity

VEHICLE = VehicleIdentity("acme", "agv-1")


@pytest.mark.parametrize("topic", FleetTopic)
def test_a_topic_is_read_as_it_was_written(topic: FleetTopic) -> None:
    assert VEHICLE.topic(topic) == f"uagv/v2/acme/agv-1/{topic}"
    assert VEHICLE.topic_of(VEHICLE.topic(topic)) is topic


@pytest.mark.parametrize("version", ProtocolVersion)
def test_rule_7_the_topic_has_the_major_version(version: ProtocolVersion) -> None:
    assert VehicleIdentity("acme", "agv-1", version).topic(FleetTopic.STATE).split("/")[1] == "v2"


@pytest.mark.parametrize(
    "topic",
    [
        "uagv/v2/acme/agv-2/order",
        "uagv/v2/other/agv-1/order",
        "uagv/v3/acme/agv-1/order",
        "vda5050/v2/acme/agv-1/order",
        "uagv/v2/acme/agv-1",
        "uagv/v2/acme/agv-1/order/more",
        "uagv/v2/acme/agv-1/zoneSet",
        "order",
        "",
    ],
)
def test_rule_8_only_the_exact_own_topics_are_taken(topic: str) -> None:
    assert VEHICLE.topic_of(topic) is None


@pytest.mark.parametrize("name", ["", "a/b", "a+", "#", "$SYS", "a\x00", "x" * 65])
def test_a_name_is_one_topic_level(name: str) -> None:
    with pytest.raises(IdentityRefused, match="topic level"):
        VehicleIdentity(name, "agv-1")
    with pytest.raises(IdentityRefused, match="serial number"):
        VehicleIdentity("acme", name)
    with pytest.raises(IdentityRefused, match="interface name"):
        VehicleIdentity("acme", "agv-1", interface=name)


def test_a_serial_number_has_plain_characters_only() -> None:
    assert VehicleIdentity("acme ltd", "A-z_0.9:1").serial_number == "A-z_0.9:1"
    with pytest.raises(IdentityRefused, match="serial number"):
        VehicleIdentity("acme", "agv 1")
