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
from sim.demo.outcome import gather, sum_up
from sim.demo.players import SensorPlayer, TillPlayer
from sim.demo.sampling import Sampler
from sim.demo.summary import DayCloseAnswer, Phase, Sample, StoreDay, Summary
from sim.demo.world import World
from sim.sensors import sensor_actions
from sim.store.actions import SensorAction
from sim.store.backoffice import backoffice_actions
from sim.store.baskets import SalesSource
from sim.store.schedule import schedule_tills

__all__ = ["DayPlan", "play_day"]

TILLS: Final = 12
OUTAGE_AT: Final = 0.45  # of the day
KILL_AT: Final = 0.75
DRAIN_TIMEOUT_S: Final = 30.0
DAY_CLOSE_TIMEOUT_S: Final = 15.0
POLL_S: Final = 0.1

_MACHINE: Final = SystemClock()


@dataclass(frozen=True, slots=True)
class DayPlan:
    """What to play: `duration_s` is how long the selling takes at most `speed` times real time."""

    source: SalesSource
    out: Path
    seed: int
    speed: float
    outage_s: float
    kill_agent: bool
    broker_kind: BrokerKind
    sensor_events_per_hour: int

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
    began_s = _MACHINE.monotonic_s()
    async with World(plan.out, plan.source, speed=plan.speed, broker_kind=plan.broker_kind) as world:
        tills, sensors = _tills(plan, world), _sensors(plan, world)
        sampler = Sampler(world, tills, show)
        async with _watched(sampler):
            sampler.phase = Phase.SELLING
            await _sell(plan, world, [*(till.play() for till in tills), *(sensor.play() for sensor in sensors)])
            sampler.phase = Phase.CATCHING_UP
            await _until(lambda: _drained(world), DRAIN_TIMEOUT_S)
            sampler.phase = Phase.CLOSING
            day_close = await _day_close(plan, world)
            await _until(lambda: _drained(world), DRAIN_TIMEOUT_S)
        evidence = await gather(world, sampler, day_close)
    return sum_up(plan.source.name, plan.seed, plan.out, evidence, _MACHINE.monotonic_s() - began_s), sampler.samples


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


def _tills(plan: DayPlan, world: World) -> list[TillPlayer]:
    source = plan.source
    schedules = schedule_tills(
        source.baskets(), tills=TILLS, seed=plan.seed, currency=source.currency, time_zone=source.time_zone
    )
    return [TillPlayer(schedule, world.till_sender(schedule.till_id), world.clock) for schedule in schedules]


def _sensors(plan: DayPlan, world: World) -> list[SensorPlayer]:
    """One player for each producer of the five other kinds of capture, and the back office."""
    actions: dict[str, list[SensorAction]] = {}
    for action in sensor_actions(plan.source, seed=plan.seed, events_per_hour=plan.sensor_events_per_hour):
        actions.setdefault(action.producer, []).append(action)
    for action in backoffice_actions(plan.source, seed=plan.seed):
        actions.setdefault(action.producer, []).append(action)
    return [SensorPlayer(own, world.local_sender(producer), world.clock) for producer, own in actions.items()]


async def _sell(plan: DayPlan, world: World, players: Sequence[Coroutine[Any, Any, None]]) -> None:
    """The whole day, with what goes wrong in it."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_cut_network(plan, world), name="outage")
        if plan.kill_agent:
            tasks.create_task(_kill_agent(plan, world), name="kill")
        for number, player in enumerate(players, start=1):
            tasks.create_task(player, name=f"player-{number}")


async def _cut_network(plan: DayPlan, world: World) -> None:
    await _until_share(plan, world, OUTAGE_AT)
    await world.cut_network(plan.outage_s)


async def _kill_agent(plan: DayPlan, world: World) -> None:
    await _until_share(plan, world, KILL_AT)
    await world.agent.kill()
    await world.agent.start()


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
    ahead = plan.source.ends_at - world.clock.wall()
    await asyncio.sleep(max(0.0, ahead.total_seconds() / world.clock.speed))
    days = [day.isoformat() for day in plan.source.days]

    async def answered() -> bool:
        return all(world.ledger.day_answer(day) is not None for day in days)

    if not await _until(answered, DAY_CLOSE_TIMEOUT_S):
        return DayCloseAnswer.UNANSWERED
    agreed = all(world.ledger.day_answer(day) for day in days)
    return DayCloseAnswer.AGREED if agreed else DayCloseAnswer.DIFFERS
