"""The order issuer on a real broker, with a vehicle of another maker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import get_args

import pytest

from agent.clock import SystemClock
from agent.fleet.topics import FleetTopic, VehicleIdentity
from sim.broker import Broker, BrokerKind, running_broker
from sim.cloud.connection import mqtt_client
from sim.fleet_control import Errand, FleetControl, OrderIssuer, OrderRules, Progress
from tests.fleet.peer.processes import running_virtual_vehicle
from tests.sim.fleet_control.small_store import STORE

VEHICLE = VehicleIdentity("acme", "agv-1")
DEADLINE_S = 20.0


@asynccontextmanager
async def running_issuer(broker: Broker, rules: OrderRules | None = None) -> AsyncIterator[OrderIssuer]:
    numbers = count(1)
    control = FleetControl(STORE, [VEHICLE], lambda: f"order-{next(numbers)}", rules)
    issuer = OrderIssuer(control, broker.host, broker.port, SystemClock())
    running = asyncio.create_task(issuer.run(), name="issuer")
    try:
        async with asyncio.timeout(DEADLINE_S):
            await issuer.connected.wait()
        yield issuer
    finally:
        running.cancel()
        ended = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(ended[0], asyncio.CancelledError)


def errand(number: int) -> Errand:
    """The library's vehicle lifts nothing but EPAL pallets."""
    return Errand(f"errand-{number}", "sku-1", "shelf-1-3", "till-2", load_type="EPAL")


@pytest.mark.parametrize("kind", get_args(BrokerKind))
async def test_errands_are_carried_out_one_after_the_other(kind: BrokerKind, tmp_path: Path) -> None:
    rules = OrderRules(base_nodes=2, extend_at_nodes=1)  # no update begins where something is picked
    async with running_broker(kind, tmp_path) as broker, running_issuer(broker, rules) as issuer:
        issuer.request(errand(1))
        issuer.request(errand(2))
        async with running_virtual_vehicle(broker, VEHICLE, time_lapse=40), asyncio.timeout(DEADLINE_S):
            reports = [await issuer.settled(f"errand-{number}") for number in (1, 2)]
    assert [(each.progress, each.reason) for each in reports] == [(Progress.FINISHED, "")] * 2
    assert [each.order_id for each in reports] == ["order-1", "order-2"]


async def test_the_issuer_comes_back_after_its_broker(tmp_path: Path) -> None:
    async with running_broker("iotcore", tmp_path) as broker, running_issuer(broker) as issuer:
        broker.kill()
        async with asyncio.timeout(DEADLINE_S):
            while issuer.connected.is_set():
                await asyncio.sleep(0.01)
        issuer.request(errand(1))
        await broker.start()
        async with running_virtual_vehicle(broker, VEHICLE, time_lapse=40), asyncio.timeout(DEADLINE_S):
            report = await issuer.settled("errand-1")
    assert report.progress is Progress.FINISHED


async def test_an_unreadable_message_is_told_once_and_does_no_harm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_broker("iotcore", tmp_path) as broker, running_issuer(broker) as issuer:
        async with mqtt_client(broker.host, broker.port, "careless") as careless:
            await careless.publish(VEHICLE.topic(FleetTopic.STATE), b"{", qos=0)
        issuer.request(errand(1))
        async with running_virtual_vehicle(broker, VEHICLE, time_lapse=40), asyncio.timeout(DEADLINE_S):
            assert (await issuer.settled("errand-1")).progress is Progress.FINISHED
    assert [record.message for record in caplog.records if record.name == "sim.fleet_control.issuer"] == [
        "uagv/v2/acme/agv-1/state: whole message: Invalid JSON: EOF while parsing an object at line 1 column 1"
    ]


async def test_an_errand_without_a_vehicle_waits_and_can_be_cancelled(tmp_path: Path) -> None:
    async with running_broker("iotcore", tmp_path) as broker, running_issuer(broker) as issuer:
        issuer.request(errand(1))
        assert issuer.control.report("errand-1").progress is Progress.WAITING
        issuer.cancel("errand-1")
        async with asyncio.timeout(DEADLINE_S):
            assert (await issuer.settled("errand-1")).progress is Progress.CANCELLED
