"""Who plays in the demo: the tills, two of them with kiosk and staff, the sensors, and the head office in the cloud."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Final

from sim.demo.album import Album
from sim.demo.attended_till import AttendedTill
from sim.demo.players import SensorPlayer, Till, TillPlayer
from sim.demo.price_desk import PriceDesk
from sim.demo.register import Register
from sim.demo.staff import Staff
from sim.demo.world import DEVICE, World
from sim.sensors import sensor_actions
from sim.store.actions import SensorAction
from sim.store.assortment import Assortment
from sim.store.attended import set_apart
from sim.store.backoffice import backoffice_actions
from sim.store.baskets import SalesSource
from sim.store.business_day import local_moment
from sim.store.randomness import seeded
from sim.store.schedule import TillSchedule, schedule_tills

__all__ = ["KIOSK_TILLS", "TILLS", "Cast", "open_cast"]

MIDNIGHT: Final = time(0)
TILLS: Final = 12
KIOSK_TILLS: Final = ("till-11", "till-12")


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody who does something during the day."""

    tills: Sequence[Till]
    attended: Sequence[AttendedTill]
    sensors: Sequence[SensorPlayer]


@asynccontextmanager
async def open_cast(
    world: World, source: SalesSource, assortment: Assortment, *, seed: int, sensor_events_per_hour: int
) -> AsyncIterator[Cast]:
    """The cast for a world, with the head office at its telephone."""
    running = {kiosk.till_id: kiosk for kiosk in world.kiosks.running}
    crowd = set_apart(source, tuple(running), seed=seed, speed=world.clock.speed)
    schedules = schedule_tills(
        crowd.others,
        tills=TILLS - len(running),
        seed=seed,
        currency=source.currency,
        time_zone=source.time_zone,
    )
    plain = [TillPlayer(one, world.till_sender(one.till_id), world.clock) for one in schedules]
    sensors = _sensors(world, source, seed, sensor_events_per_hour)
    async with world.cloud_client("storeforward-head-office") as client:
        desk = PriceDesk(
            client,
            DEVICE,
            assortment,
            world.kiosks.times,
            world.clock,
            seeded(seed, "price desk"),
            lambda: world.network_is_up,
            local_moment(source.days[-1] + timedelta(days=1), MIDNIGHT, source.zone),
        )
        album = Album(world.out)

        def attended(schedule: TillSchedule) -> AttendedTill:
            till_id = schedule.till_id
            sender, line = world.attended_till(till_id)
            staff = Staff(running[till_id], album, desk, seeded(seed, "staff", till_id))
            register = Register(assortment, seeded(seed, "register", till_id))
            return AttendedTill(schedule, sender, line, register, staff, world.clock)

        beside_kiosks = [attended(schedule) for schedule in crowd.attended]
        yield Cast([*plain, *beside_kiosks], beside_kiosks, sensors)


def _sensors(world: World, source: SalesSource, seed: int, events_per_hour: int) -> list[SensorPlayer]:
    """One player for each producer of the five other kinds of capture, and the back office."""
    actions: dict[str, list[SensorAction]] = {}
    for action in sensor_actions(source, seed=seed, events_per_hour=events_per_hour):
        actions.setdefault(action.producer, []).append(action)
    for action in backoffice_actions(source, seed=seed):
        actions.setdefault(action.producer, []).append(action)
    return [SensorPlayer(own, world.local_sender(producer), world.clock) for producer, own in actions.items()]
