"""Fleet control of the simulator with two of our vehicles, from the errand down to the firmware."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path

from agent.clock import SystemClock
from agent.fleet import VehicleIdentity
from sim.broker import Broker, running_broker
from sim.fleet_control import MAP_ID, Errand, FleetControl, OrderIssuer, OrderRules, Place, Progress, StoreMap
from sim.fleet_control.store_map import PlaceKind
from sim.vehicle import VehicleOptions
from tests.fleet.whole_vehicle import WholeVehicle
from tests.waiting import until

ONE, TWO = VehicleIdentity("acme", "agv-1"), VehicleIdentity("acme", "agv-2")
STEP_M = 0.15
RULES = OrderRules(base_nodes=2, extend_at_nodes=1)
DEADLINE_S = 30.0
NEAR = VehicleOptions(speed_mm_s=1000, pick_ms=100)
FAR = replace(NEAR, x_mm=round(6 * STEP_M * 1000))


def corridor() -> StoreMap:
    """Places `p0` to `p12` in a line before the vehicles, so near that nobody waits for long ways or turns."""
    names = [f"p{number}" for number in range(13)]
    places = {name: Place(name, PlaceKind.CROSSING, number * STEP_M, 0.0) for number, name in enumerate(names)}
    near: dict[str, set[str]] = {name: set() for name in names}
    for one, other in pairwise(names):
        near[one].add(other)
        near[other].add(one)
    return StoreMap(MAP_ID, places, {name: frozenset(each) for name, each in near.items()}, {})


@asynccontextmanager
async def running_issuer(broker: Broker) -> AsyncIterator[OrderIssuer]:
    numbers = count(1)
    control = FleetControl(corridor(), [ONE, TWO], lambda: f"order-{next(numbers)}", RULES)
    issuer = OrderIssuer(control, broker.host, broker.port, SystemClock())
    running = asyncio.create_task(issuer.run(), name="issuer")
    try:
        yield issuer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_two_vehicles_share_the_errands_and_lift_each_load_once(tmp_path: Path) -> None:
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        running_issuer(broker) as issuer,
        WholeVehicle.beside(broker, ONE, tmp_path / "one", NEAR, map_id=MAP_ID) as one,
        WholeVehicle.beside(broker, TWO, tmp_path / "two", FAR, map_id=MAP_ID) as two,
        one.released_for_ever(),
        two.released_for_ever(),
        asyncio.timeout(DEADLINE_S),
    ):

        async def both_free() -> bool:
            return set(issuer.control.free) == {ONE, TWO}

        await until(both_free)
        issuer.request(Errand("bread", "sku-1", "p2", "p4"))
        issuer.request(Errand("milk", "sku-2", "p8", "p10"))
        reports = [await issuer.settled(errand_id) for errand_id in ("bread", "milk")]
        assert [(each.progress, each.reason) for each in reports] == [(Progress.FINISHED, "")] * 2
        assert {each.vehicle for each in reports} == {ONE, TWO}
        assert one.moved() == two.moved() == ["pick", "drop"]


async def test_a_vehicle_whose_order_was_cancelled_takes_the_next(tmp_path: Path) -> None:
    async with (
        running_broker("iotcore", tmp_path / "broker") as broker,
        running_issuer(broker) as issuer,
        WholeVehicle.beside(broker, ONE, tmp_path / "one", NEAR, map_id=MAP_ID) as one,
        one.released_for_ever(),
        asyncio.timeout(DEADLINE_S),
    ):

        async def driving() -> bool:
            return one.status.driving

        issuer.request(Errand("changed-mind", "sku-1", "p8", "p9"))
        await until(driving)
        issuer.cancel("changed-mind")
        issuer.request(Errand("milk", "sku-2", "p1", "p3"))
        assert (await issuer.settled("changed-mind")).progress is Progress.CANCELLED
        assert (await issuer.settled("milk")).progress is Progress.FINISHED
        assert one.moved() == ["pick", "drop"]
