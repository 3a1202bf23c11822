"""All vehicles of this box by their ids, as the API, the status and the kiosk know them."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final, Protocol

from agent.fleet.refusals import VehicleUnknown
from agent.fleet.vehicle_status import VehicleStatus

__all__ = ["Fleet", "FleetVehicle"]

REQUESTS_MAX: Final = 64  # a kiosk tries a stop for seconds: far more than can be under way


class FleetVehicle(Protocol):
    """What a fleet knows of a vehicle; agents without one never load the serial bridge."""

    @property
    def id(self) -> str:
        """Its name in this shop."""
        ...

    async def run(self) -> None:
        """Serve it until cancelled."""

    def status(self) -> VehicleStatus:
        """How it is now."""
        ...

    def stop(self, by: str, reason: str) -> None:
        """Stop it now."""

    async def release(self, by: str) -> None:
        """A person lets it move again."""

    def resolve(self, action_id: str, *, done: bool, by: str) -> None:
        """A person says what became of an action."""


class Fleet:
    """Every vehicle of the settings, served or not."""

    def __init__(self, vehicles: Sequence[FleetVehicle] = ()) -> None:
        self._vehicles = {vehicle.id: vehicle for vehicle in vehicles}
        self._requests: deque[str] = deque(maxlen=REQUESTS_MAX)

    def statuses(self) -> list[VehicleStatus]:
        """All vehicles now, in the order of the settings."""
        return [vehicle.status() for vehicle in self._vehicles.values()]

    def vehicle(self, vehicle_id: str) -> FleetVehicle:
        """One vehicle.

        Raises:
            VehicleUnknown: there is none of that name.
        """
        if vehicle_id not in self._vehicles:
            raise VehicleUnknown(vehicle_id, list(self._vehicles))
        return self._vehicles[vehicle_id]

    def stop_all(self, by: str, reason: str, request_id: str | None = None) -> None:
        """Stop every vehicle now; waits for nothing. A request that comes again stops nothing again."""
        if request_id is not None and request_id in self._requests:
            return
        with ExitStack() as every:  # it calls them all, also when one of them raises
            for vehicle in self._vehicles.values():
                every.callback(vehicle.stop, by, reason)
        if request_id is not None:
            self._requests.append(request_id)  # only now: one that failed is to be tried again

    async def run(self) -> None:
        """Serves all of them until cancelled."""
        if not self._vehicles:
            await asyncio.Event().wait()
        async with asyncio.TaskGroup() as tasks:
            for vehicle in self._vehicles.values():
                tasks.create_task(vehicle.run(), name=vehicle.id)
