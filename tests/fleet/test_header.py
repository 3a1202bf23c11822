"""Headers, out and in."""

from datetime import datetime, timedelta, timezone

import pytest

from agent.fleet import FleetTopic, HeaderCounters, ProtocolVersion, VehicleIdentity
from agent.fleet.header import timestamp_text
from agent.fleet.model import UINT32_MAX
from tests.fleet.moments import NOON


def test_rule_5_header_ids_count_per_topic_from_zero() -> None:
    counters = HeaderCounters(VehicleIdentity("acme", "agv-1"))
    states = [counters.header(FleetTopic.STATE, NOON)["headerId"] for _ in range(3)]
    assert states == [0, 1, 2]
    assert counters.header(FleetTopic.CONNECTION, NOON)["headerId"] == 0


def test_rule_5_header_ids_wrap_at_32_bits() -> None:
    counters = HeaderCounters(VehicleIdentity("acme", "agv-1"), {FleetTopic.STATE: UINT32_MAX})
    assert [counters.header(FleetTopic.STATE, NOON)["headerId"] for _ in range(2)] == [UINT32_MAX, 0]


def test_rule_6_timestamps_are_utc_in_hundredths_of_a_second() -> None:
    assert timestamp_text(NOON) == "2026-04-15T12:00:03.12Z"  # cut, not rounded: never in the future
    in_berlin = NOON.astimezone(timezone(timedelta(hours=2)))
    assert timestamp_text(in_berlin) == timestamp_text(NOON)
    assert timestamp_text(datetime.fromisoformat("0999-01-01T00:00:00+00:00")) == "0999-01-01T00:00:00.00Z"


@pytest.mark.parametrize("version", ProtocolVersion)
def test_rule_7_the_version_is_written_in_full(version: ProtocolVersion) -> None:
    header = HeaderCounters(VehicleIdentity("acme", "agv-1", version)).header(FleetTopic.STATE, NOON)
    assert header == {
        "headerId": 0,
        "timestamp": "2026-04-15T12:00:03.12Z",
        "version": version.value,
        "manufacturer": "acme",
        "serialNumber": "agv-1",
    }
