"""Looks at the running demo four times a second: what the agent says, what the ledger has, what the tills do."""

import asyncio
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from agent.clock import SystemClock
from agent.event_types import Stream
from sim.demo.floor import Floor
from sim.demo.percentile import percentile
from sim.demo.players import Till
from sim.demo.summary import KioskView, LinkState, Phase, Sample, StreamCount
from sim.demo.world import World

__all__ = ["Sampler"]

INTERVAL_S: Final = 0.25
RECENT_EVENTS: Final = 200


class Sampler:
    """Keeps every sample and hands each to a view."""

    def __init__(self, world: World, tills: Sequence[Till], floor: Floor, show: Callable[[Sample], None]) -> None:
        self.samples: list[Sample] = []
        self.phase = Phase.STARTING
        self._world = world
        self._tills = tills
        self._floor = floor
        self._show = show
        self._machine = SystemClock()
        self.began_s = self._machine.monotonic_s()
        self._waiting = 0
        self._heads: dict[str, int] = {}

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            await self.take()
            await asyncio.sleep(INTERVAL_S)

    async def take(self) -> Sample:
        """One sample, now."""
        delivered = self._world.ledger.delivered()  # before the log is asked: the cloud is never ahead of the shop
        status = await self._world.status()
        if status:
            self._waiting = int(status["log"]["waiting"])
            self._heads = {row["stream"]: int(row["head"]["sequence"]) for row in status["log"]["streams"]}
        now_s = self._machine.monotonic_s()
        recent = self._world.tally.recent_append_ms
        sample = Sample(
            at_s=now_s - self.began_s,
            shop_time=self._world.clock.wall(),
            link=self._link(status["link"]["state"] if status else ""),
            accepted=sum(self._heads.values()),
            delivered=sum(delivered.values()),
            waiting=self._waiting,
            phase=self.phase,
            tills=tuple(till.view for till in self._tills),
            streams=tuple(
                StreamCount(stream, self._heads.get(stream, 0), delivered.get(stream, 0)) for stream in Stream
            ),
            captured=dict(self._world.tally.captured),
            append_ms_p50=median(recent) if recent else None,
            append_ms_p99=percentile(recent, 0.99),
            event_to_cloud_ms_p50=percentile(self._world.ledger.recent_times_ms(RECENT_EVENTS), 0.5),
            kiosks=self._kiosks(),
            vehicles=self._floor.views,
        )
        self.samples.append(sample)
        self._show(sample)
        return sample

    def _kiosks(self) -> KioskView | None:
        kiosks = self._world.kiosks
        if not kiosks.running:
            return None
        return KioskView(
            kiosks=len(kiosks.running),
            shown=kiosks.times.suggestions_painted,
            added=kiosks.times.added,
            refused=kiosks.times.refused,
            scan_to_suggestions_ms=percentile(kiosks.times.scan_to_suggestions, 0.95),
            tap_to_paint_ms=percentile(kiosks.times.tap_to_paint, 0.95),
            accept_to_till_ms=percentile(kiosks.times.accept_to_till, 0.95),
        )

    def _link(self, state: str) -> LinkState:
        if not self._world.network_is_up:
            return LinkState.CUT
        return LinkState.ONLINE if state == "online" else LinkState.CONNECTING
