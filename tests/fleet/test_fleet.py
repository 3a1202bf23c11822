"""All vehicles of a box together: a stop of all reaches every one of them."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.fleet.fleet import Fleet
from agent.fleet.refusals import NotStopped
from agent.fleet.vehicle_status import VehicleStatus


@dataclass
class Stubborn:
    """A vehicle whose line is closed in the middle of a stop, or not."""

    id: str
    breaks: bool = False
    stopped_by: list[str] = field(default_factory=list)

    async def run(self) -> None:
        raise NotImplementedError

    def status(self) -> VehicleStatus:
        raise NotImplementedError

    def stop(self, by: str, reason: str) -> None:
        assert reason == "glass"
        self.stopped_by.append(by)
        if self.breaks:
            raise OSError(self.id)

    async def release(self, by: str) -> None:
        raise NotStopped(by)

    def resolve(self, action_id: str, *, done: bool, by: str) -> None:
        raise NotImplementedError

    async def forget(self, by: str) -> Path:
        raise NotImplementedError


def test_a_stop_of_all_reaches_the_others_when_one_vehicle_fails() -> None:
    vehicles = [Stubborn("agv-1"), Stubborn("agv-2", breaks=True), Stubborn("agv-3")]
    with pytest.raises(OSError, match="agv-2"):
        Fleet(vehicles).stop_all("ann", "glass")
    assert [vehicle.stopped_by for vehicle in vehicles] == [["ann"]] * 3


def test_a_request_that_failed_stops_again_when_it_comes_again() -> None:
    vehicle = Stubborn("agv-1", breaks=True)
    fleet = Fleet([vehicle])
    with pytest.raises(OSError, match="agv-1"):
        fleet.stop_all("ann", "glass", "s-1")
    vehicle.breaks = False
    fleet.stop_all("ann", "glass", "s-1")
    fleet.stop_all("ann", "glass", "s-1")
    assert len(vehicle.stopped_by) == 2


def test_a_request_counts_once_and_each_new_one_stops_again() -> None:
    vehicle = Stubborn("agv-1")
    fleet = Fleet([vehicle])
    for request_id in ("s-1", "s-1", "s-2", "s-1", None, None):
        fleet.stop_all("ann", "glass", request_id)
    assert len(vehicle.stopped_by) == 4
