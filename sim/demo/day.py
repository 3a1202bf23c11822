"""Plays one store day from end to end: sells, cuts the network, lets it come back, closes the day, and reconciles."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from agent import __version__
from agent.clock import SystemClock
from sim.broker import BrokerKind
from sim.demo.cast import KIOSK_TILLS, TILLS, Cast, open_cast
from sim.demo.floor import Floor, open_floor
from sim.demo.kiosks import Kiosks
from sim.demo.outcome import gather, sum_up
from sim.demo.sampling import Sampler
from sim.demo.shop_floor import ShopFloor
from sim.demo.staff import Staff
from sim.demo.summary import DayCloseAnswer, Phase, Sample, StoreDay, Summary
from sim.demo.vehicles import VEHICLES_FOLDER, Vehicles
from sim.demo.world import World
from sim.network import Profile
from sim.store.assortment import Assortment
from sim.store.baskets import SalesSource

__all__ = ["DayPlan", "play_day"]

OUTAGE_AT: Final = 0.45  # of the day
KILL_AT: Final = 0.75
KILL_WAIT_S: Final = 5.0
DRAIN_TIMEOUT_S: Final = 30.0
DAY_CLOSE_TIMEOUT_S: Final = 15.0
POLL_S: Final = 0.1

_MACHINE: Final = SystemClock()


@dataclass(frozen=True, slots=True)
class DayPlan:
    """What to play: `duration_s` is how long the selling takes at most `speed` times real time."""

    source: SalesSource
    assortment: Assortment
    out: Path
    seed: int
    speed: float
    outage_s: float
    kill_agent: bool
    broker_kind: BrokerKind
    network: Profile | None
    """What the line to the cloud is like; None is without a fault."""
    sensor_events_per_hour: int
    kiosk_windows: bool
    began_s: float

    @property
    def day(self) -> StoreDay:
        """The same, for those who show it."""
        return StoreDay(
            self.source.name,
            self.source.starts_at.astimezone(self.source.zone),
            self.source.ends_at.astimezone(self.source.zone),
            self.source.currency,
            __version__,
        )


async def play_day(plan: DayPlan, show: Callable[[Sample], None]) -> tuple[Summary, Sequence[Sample]]:
    """Play it, and tell what came of it; the files stay in `plan.out`.

    Raises:
        EnvironmentFault: when a part of the world cannot be started.
    """
    kiosks = Kiosks(KIOSK_TILLS, windows=plan.kiosk_windows)
    shop_floor = ShopFloor(plan.assortment, TILLS)
    vehicles = Vehicles(plan.out / VEHICLES_FOLDER, shop_floor.starts)
    async with (
        World(
            plan.out,
            plan.source,
            kiosks,
            vehicles,
            speed=plan.speed,
            broker_kind=plan.broker_kind,
            network=plan.network,
        ) as world,
        open_floor(world, shop_floor, seed=plan.seed) as floor,
        open_cast(
            world,
            plan.source,
            plan.assortment,
            seed=plan.seed,
            sensor_events_per_hour=plan.sensor_events_per_hour,
        ) as cast,
    ):
        sampler = Sampler(world, cast.tills, floor, show)
        async with _watched(sampler):
            sampler.phase = Phase.SELLING
            await _sell(plan, world, cast, floor)
            await kiosks.stop()
            sampler.phase = Phase.CATCHING_UP
            await floor.close()
            await _until(lambda: _drained(world), DRAIN_TIMEOUT_S)
            sampler.phase = Phase.CLOSING
            day_close = await _day_close(plan, world)
            await _until(lambda: _drained(world), DRAIN_TIMEOUT_S)
        evidence = await gather(world, sampler, floor, day_close)
    wall_s = _MACHINE.monotonic_s() - plan.began_s
    return sum_up(plan.source.name, plan.seed, plan.out, evidence, wall_s), sampler.samples


@asynccontextmanager
async def _watched(sampler: Sampler) -> AsyncIterator[None]:
    """Samples during the block, and once more at its end."""
    watching = asyncio.create_task(sampler.run(), name="sampler")
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
    await sampler.take()


async def _sell(plan: DayPlan, world: World, cast: Cast, floor: Floor) -> None:
    """The whole day, with what goes wrong in it."""
    players: list[Coroutine[Any, Any, None]] = [
        *(till.play() for till in cast.tills),
        *(sensor.play() for sensor in cast.sensors),
    ]
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_cut_network(plan, world), name="outage")
        tasks.create_task(floor.open(_selling_s(plan, world)), name="errands")
        if plan.kill_agent:
            tasks.create_task(_kill_agent(plan, world, cast), name="kill")
        for number, player in enumerate(players, start=1):
            tasks.create_task(player, name=f"player-{number}")


async def _cut_network(plan: DayPlan, world: World) -> None:
    await _until_share(plan, world, OUTAGE_AT)
    await world.cut_network(plan.outage_s)


async def _kill_agent(plan: DayPlan, world: World, cast: Cast) -> None:
    """While somebody looks at a kiosk's cards, if that comes soon: who then taps all the same."""
    await _until_share(plan, world, KILL_AT)
    people = [till.staff for till in cast.attended]
    await _until(lambda: _anybody_looks(people), KILL_WAIT_S)
    await world.agent.kill()
    await asyncio.gather(*(person.accept_while_down() for person in people if person.has_cards()))
    await world.agent.start()


async def _anybody_looks(people: Sequence[Staff]) -> bool:
    return any(person.has_cards() for person in people)


def _selling_s(plan: DayPlan, world: World) -> float:
    """How long the day still takes."""
    return (plan.source.ends_at - world.clock.wall()).total_seconds() / world.clock.speed


async def _until_share(plan: DayPlan, world: World, share: float) -> None:
    """Wait for a point of the day."""
    length = plan.source.ends_at - plan.source.starts_at
    ahead = plan.source.starts_at + length * share - world.clock.wall()
    await asyncio.sleep(max(0.0, ahead.total_seconds() / world.clock.speed))


async def _until(condition: Callable[[], Awaitable[bool]], timeout_s: float) -> bool:
    """Wait for a condition; whether it came true in time."""
    deadline_s = _MACHINE.monotonic_s() + timeout_s
    while not await condition():
        if _MACHINE.monotonic_s() > deadline_s:
            return False
        await asyncio.sleep(POLL_S)
    return True


async def _drained(world: World) -> bool:
    status = await world.status()
    return status is not None and not status["log"]["waiting"]


async def _day_close(plan: DayPlan, world: World) -> DayCloseAnswer:
    """Let the last business day end, and wait for the ledger's answers to all of them."""
    await asyncio.sleep(max(0.0, _selling_s(plan, world)))
    days = [day.isoformat() for day in plan.source.days]

    def answers() -> list[bool | None]:
        return [world.ledger.day_answer(day) for day in days]

    async def agreed() -> bool:
        return all(answers())

    if await _until(agreed, DAY_CLOSE_TIMEOUT_S):  # while events of the day are on their way, the ledger still differs
        return DayCloseAnswer.AGREED
    return DayCloseAnswer.UNANSWERED if None in answers() else DayCloseAnswer.DIFFERS
