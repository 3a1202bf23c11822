"""The floor of the running demo: fleet control in the cloud, the vehicles' errands, and the person beside them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from agent.clock import IdFactory, SystemClock
from sim.demo.album import Album
from sim.demo.dispatcher import Dispatcher
from sim.demo.floor_person import FloorPerson
from sim.demo.kiosk_stop import KioskStop
from sim.demo.shop_floor import ShopFloor
from sim.demo.summary import VehicleView
from sim.demo.vehicles import DemoVehicle
from sim.demo.world import DEVICE, World
from sim.fleet_control import ErrandReport, FleetControl, OrderIssuer, Progress
from sim.store.randomness import seeded

__all__ = ["Floor", "open_floor"]


class Floor:
    """Errands and stops of one day; without vehicles there are none."""

    def __init__(
        self, vehicles: Sequence[DemoVehicle], dispatcher: Dispatcher, person: FloorPerson, button: KioskStop
    ) -> None:
        self.dispatcher: Final = dispatcher
        self.person: Final = person
        self.closed_s = float("inf")
        """When everything was over, by the machine's monotonic clock."""
        self._vehicles = vehicles
        self._button = button
        self._stops: asyncio.Task[None] | None = None

    @property
    def views(self) -> tuple[VehicleView, ...]:
        """Each vehicle as it is now."""
        return tuple(_views(self._vehicles, self.dispatcher.reports, self.person))

    async def open(self, selling_s: float) -> None:
        """The shop opens: shelves are restocked, and two vehicles are stopped, one after the other."""
        if not self._vehicles:
            return
        self._stops = asyncio.create_task(self._stop_both(), name="stops")
        await self.dispatcher.restock(selling_s)

    async def close(self) -> None:
        """The shop has closed: return when every errand is over and nobody stands in a vehicle's way."""
        self.person.goes_home = True
        if self._stops is not None:
            await self._stops
        await self.dispatcher.close()
        self.closed_s = SystemClock().monotonic_s()

    async def _stop_both(self) -> None:
        await self.person.stop_with_command()
        await self.person.stop_at_kiosk(self._button)


@asynccontextmanager
async def open_floor(world: World, floor: ShopFloor, *, seed: int) -> AsyncIterator[Floor]:
    """The floor of a world, with fleet control at the broker; the person looks after the vehicles from now on."""
    clock, vehicles = SystemClock(), world.vehicles.running
    control = FleetControl(floor.map, [one.identity for one in vehicles], _order_ids(seed))
    issuer = OrderIssuer(control, *world.broker_address, clock)
    dispatcher = Dispatcher(issuer, floor, clock, seeded(seed, "restocking"))
    person = FloorPerson(world, clock)
    async with world.cloud_client("storeforward-dispatcher") as client, asyncio.TaskGroup() as tasks:
        running = []
        if vehicles:
            running = [
                tasks.create_task(issuer.run(), name="fleet control"),
                tasks.create_task(dispatcher.hear(client, DEVICE), name="dispatcher"),
                tasks.create_task(person.watch(), name="person on the floor"),
            ]
        yield Floor(vehicles, dispatcher, person, KioskStop(world.kiosks.running, Album(world.out)))
        for task in running:
            task.cancel()


def _order_ids(seed: int) -> Callable[[], str]:
    return IdFactory(SystemClock().wall, seeded(seed, "orders"))


def _views(
    vehicles: Sequence[DemoVehicle], reports: Sequence[ErrandReport], person: FloorPerson
) -> Iterator[VehicleView]:
    done = Counter(report.vehicle for report in reports if report.progress is Progress.FINISHED)
    about = {report.vehicle: report.errand for report in reports if report.vehicle and not report.progress.final}
    for one in vehicles:
        errand = about.get(one.identity)
        words = f"{errand.fetch_from} → {errand.bring_to}" if errand else ""
        yield VehicleView(one.vehicle_id, person.doing(one.vehicle_id), words, done[one.identity])
