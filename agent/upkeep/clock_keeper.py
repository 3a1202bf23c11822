"""Tells by how much times are off that were taken before the clock was set: a box without a battery boots in 1970.

Events stay as they were stored. Beside its wall-clock time, each row has the boot's monotonic clock, which no setting
moves: once the clock is synchronised, the difference of the two then and now is what has to be added.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from agent.clock import Clock, boot_id, clock_synchronised, rfc3339
from agent.device_events import ClockCorrected, CorrectedRange
from agent.errors import EnvironmentFault, IdConflict
from agent.event_types import Stream
from agent.events import EventDecoder
from agent.log import EventLog, UnsyncedRow
from agent.log_lines import log_event
from agent.producers import AGENT_PRODUCER

__all__ = ["ClockKeeper"]

CHECK_INTERVAL_S: Final = 5.0
RETRY_AFTER_S: Final = 5.0
SAME_MS: Final = 1_000  # how far rows of one range may be apart: clocks are slewed, not only stepped
WORTH_TELLING_MS: Final = 2_000
RANGES_MAX: Final = 64

logger = logging.getLogger(__name__)


class ClockKeeper:
    """`run` goes on until cancelled; for the machine's own clock only, not for a simulated one."""

    def __init__(
        self,
        log: EventLog,
        decoder: EventDecoder,
        clock: Clock,
        *,
        synchronised: Callable[[], bool] = clock_synchronised,
        boot: Callable[[], str] = boot_id,
    ) -> None:
        self._log = log
        self._decoder = decoder
        self._clock = clock
        self._synchronised = synchronised
        self._boot = boot

    async def run(self) -> None:
        """Wait until the clock is synchronised, and each time it is again."""
        told = False
        while True:
            synchronised = self._synchronised()
            if synchronised and not told:
                try:
                    await self.correct()
                except EnvironmentFault as fault:
                    log_event(logger, logging.ERROR, "clock.not_told", "will try again", why=str(fault))
                    await asyncio.sleep(RETRY_AFTER_S)
                    continue
            told = synchronised
            await asyncio.sleep(CHECK_INTERVAL_S)

    async def correct(self) -> int:
        """Declare what is to be added to times of this boot from before the clock was set; of how many events.

        Raises:
            EnvironmentFault: the log cannot be read or written.
        """
        now = self._clock.wall()
        offset_ms = int(now.timestamp() * 1000) - int(self._clock.monotonic_s() * 1000)
        ranges: list[CorrectedRange] = []
        for stream in Stream:
            rows = await asyncio.to_thread(self._log.unsynced, stream)
            ranges += (one for one in self._ranges(stream, rows, offset_ms) if abs(one.add_ms) >= WORTH_TELLING_MS)
        for at in range(0, len(ranges), RANGES_MAX):
            await self._tell(rfc3339(now), ranges[at : at + RANGES_MAX])
        return sum(one.last_sequence - one.first_sequence + 1 for one in ranges)

    def _ranges(self, stream: Stream, rows: Iterable[UnsyncedRow], offset_ms: int) -> Iterator[CorrectedRange]:
        run: list[UnsyncedRow] = []
        for row in rows:
            if run and not _goes_on(run, row):
                yield self._range(stream, run, offset_ms)
                run = []
            run.append(row)
        if run:
            yield self._range(stream, run, offset_ms)

    def _range(self, stream: Stream, run: list[UnsyncedRow], offset_ms: int) -> CorrectedRange:
        first, last = run[0].place, run[-1].place
        return CorrectedRange(
            stream=stream,
            epoch=self._log.epoch_id(first.epoch),
            first_sequence=first.sequence,
            last_sequence=last.sequence,
            add_ms=offset_ms - run[0].offset_ms,
        )

    async def _tell(self, at: str, ranges: list[CorrectedRange]) -> None:
        told = ClockCorrected(synchronised_at=at, ranges=tuple(ranges))
        first = ranges[0]
        event_id = f"clock-{self._boot()}-{first.stream}-{first.epoch}-{first.first_sequence}-{first.last_sequence}"
        try:
            await self._log.append([self._decoder.make(told, AGENT_PRODUCER, event_id=event_id)])
        except IdConflict:
            return  # told before, a moment's drift apart
        message = "the clock was set: events from before are declared with what is to be added to their times"
        log_event(logger, logging.WARNING, "clock.corrected", message, ranges=len(ranges), add_ms=first.add_ms)


def _goes_on(run: list[UnsyncedRow], row: UnsyncedRow) -> bool:
    before = run[-1].place
    follows = (row.place.epoch, row.place.sequence) == (before.epoch, before.sequence + 1)
    return follows and abs(row.offset_ms - run[0].offset_ms) <= SAME_MS
