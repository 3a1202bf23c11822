"""The heartbeat of one vehicle's core: a round every 50 ms or sooner, and how late it was when something held it up."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from agent.clock import Clock
from agent.log_lines import log_event

__all__ = ["MissionLoop"]

ROUND_S: Final = 0.05  # the bridge's lease ends 0.25 s after the last sign of life
STALL_S: Final = 0.15

_log = logging.getLogger(__name__)


class MissionLoop:
    """Calls `work` again and again, each time after `feed`, the sign of life that lets the vehicle move."""

    def __init__(
        self, name: str, wake: asyncio.Event, feed: Callable[[], None], work: Callable[[], None], clock: Clock
    ) -> None:
        """`wake` is set by whoever has something to do before the next round is due."""
        self.stalls = 0
        """How often a round was more than 150 ms late: that will stop vehicles."""
        self.stall_s_max = 0.0
        self._name = name
        self._feed = feed
        self._work = work
        self._clock = clock
        self._wake = wake

    async def run(self) -> None:
        """Works until cancelled."""
        fed_s = self._clock.monotonic_s()
        while True:
            self._wake.clear()
            self._feed()
            self._note(self._clock.monotonic_s() - fed_s)
            fed_s = self._clock.monotonic_s()
            self._work()
            await asyncio.sleep(0)  # work that wakes itself must not keep everybody else from theirs
            try:
                async with asyncio.timeout(ROUND_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _note(self, gap_s: float) -> None:
        if gap_s <= STALL_S:
            return
        self.stalls += 1
        self.stall_s_max = max(self.stall_s_max, gap_s)
        text = f"the agent was busy for {gap_s * 1000:.0f} ms, which may have stopped {self._name}"
        log_event(_log, logging.WARNING, "fleet.stall", text, vehicle=self._name)
