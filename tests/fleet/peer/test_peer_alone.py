"""The other maker's fleet control against its own vehicle: what is red here is no fault of ours."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args

import pytest

from agent.fleet.topics import FleetTopic, VehicleIdentity
from sim.broker import Broker, BrokerKind, running_broker
from sim.cloud.connection import mqtt_client
from tests.fleet.peer import exchanges
from tests.fleet.peer.orders import node, order
from tests.fleet.peer.processes import Master, running_master, running_virtual_vehicle

VEHICLE = VehicleIdentity("acme", "agv-1")
KEY = "instantActions"  # the library's own vehicle knows no other


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    async with running_broker("iotcore", tmp_path) as broker:
        yield broker


@pytest.fixture
async def master(broker: Broker) -> AsyncIterator[Master]:
    async with running_master(broker, VEHICLE, KEY) as master, running_virtual_vehicle(broker, VEHICLE):
        await master.heard("connection", connectionState="ONLINE")
        await master.heard("state")
        yield master
    assert master.complaints() == []


@pytest.mark.parametrize("kind", get_args(BrokerKind))
async def test_an_order_is_carried_out_over_each_broker(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path) as broker,
        running_master(broker, VEHICLE, KEY) as master,
        running_virtual_vehicle(broker, VEHICLE, time_lapse=30),
    ):
        await master.heard("connection", connectionState="ONLINE")
        await master.heard("state")
        await exchanges.fetched_and_brought(master)
    assert master.complaints() == []


async def test_an_order_waits_at_its_decision_point_and_goes_on_when_extended(master: Master) -> None:
    await exchanges.extended_at_the_decision_point(master, repeats_actions=False)


async def test_a_paused_order_goes_on_later(master: Master) -> None:
    await exchanges.paused_and_resumed(master, way_m=30.0)


async def test_a_cancelled_order_ends_where_the_vehicle_is(master: Master) -> None:
    await exchanges.state_requested(master)
    await exchanges.cancelled_on_the_way(master)


async def test_a_message_that_breaks_the_schemas_is_reported(broker: Broker) -> None:
    async with running_master(broker, VEHICLE) as master, mqtt_client(broker.host, broker.port, "careless") as careless:
        await careless.publish(VEHICLE.topic(FleetTopic.STATE), b'{"version": "2.0.0"}', qos=0)
        dropped = await master.heard("dropped")
    assert "headerId" in dropped["reason"]
    assert dropped["body"] == {"version": "2.0.0"}
    assert master.complaints() == [dropped]


async def test_an_order_that_breaks_the_schemas_is_not_sent(broker: Broker) -> None:
    async with running_master(broker, VEHICLE) as master:
        await master.tell({"do": "assign", "order": order("bad", -1, node("start", 0, 0.0))})
        refused = await master.heard("refused")
    assert "orderUpdateId" in refused["reason"]
    assert master.complaints() == [refused]
