"""Follows the log and learns: each sale once, and how far the log was read in the same transaction."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from agent.clock import Clock, clock_synchronised
from agent.decide.facts import FACT_TYPES, BoughtBasket, Fact, facts_of
from agent.decide.tables_learned import LearnedTables, LogCursor
from agent.errors import EnvironmentFault
from agent.event_types import Stream
from agent.events import Draft
from agent.log import START, EventLog, Place
from agent.log_lines import log_event

__all__ = ["Learner"]

EVENTS_PER_STEP_MAX: Final = 500
BYTES_PER_STEP_MAX: Final = 1_048_576
RETRY_AFTER_S: Final = 5.0
AHEAD_MAX_S: Final = 86_400.0
"""What was learned with a date further ahead than this was dated by a clock that was ahead."""

_STREAMS: Final = (Stream.SALES, Stream.STOCK)

logger = logging.getLogger(__name__)


class Learner:
    """Learns from the log until cancelled; made inside the event loop that the log belongs to."""

    def __init__(
        self,
        log: EventLog,
        tables: LearnedTables,
        clock: Clock,
        *,
        synchronised: Callable[[], bool] = clock_synchronised,
    ) -> None:
        self._log = log
        self._tables = tables
        self._clock = clock
        self._synchronised = synchronised
        self._wake = asyncio.Event()
        log.add_listener(self._on_commit)

    async def run(self) -> None:
        """Catch up, then learn from each commit; what the disk refuses is tried again."""
        while True:
            self._wake.clear()
            try:
                await self.catch_up()
            except EnvironmentFault as fault:
                log_event(logger, logging.ERROR, "decide.learn_failed", "will try again", why=str(fault))
                await asyncio.sleep(RETRY_AFTER_S)
                continue
            await self._wake.wait()

    async def catch_up(self) -> int:
        """Learn from all that is in the log now; how many baskets were new.

        Raises:
            EnvironmentFault: when log or tables cannot be used.
        """
        await self._redate()
        new = 0
        for stream in _STREAMS:
            after = self._after(stream)
            while self._log.head(stream) > after:
                step = await asyncio.to_thread(self._step, stream, after)
                if step is None:
                    break
                after, baskets = step
                new += baskets
        return new

    async def _redate(self) -> None:
        """What a clock that was ahead has dated, once the clock is known to be right.

        Only then: for a clock that boots in 1970, all that was ever learned is of the future.
        """
        now_s = int(self._clock.wall().timestamp())
        if self._tables.latest_s > now_s + AHEAD_MAX_S and self._synchronised():
            baskets = await asyncio.to_thread(self._tables.redate, now_s)
            message = "baskets that were learned while the clock was ahead count as of now"
            log_event(logger, logging.WARNING, "decide.redated", message, baskets=baskets)

    def _on_commit(self, drafts: Sequence[Draft]) -> None:
        if any(draft.type in FACT_TYPES for draft in drafts):
            self._wake.set()

    def _after(self, stream: Stream) -> Place:
        """Where to read on: after the cursor, or from the start of a log that the cursor does not know."""
        cursor = self._tables.cursor(stream)
        epoch = self._log.epoch_number(cursor.epoch) if cursor else None
        return START if cursor is None or epoch is None else Place(epoch, cursor.sequence)

    def _step(self, stream: Stream, after: Place) -> tuple[Place, int] | None:
        """Learn from the next events; None when there are none. Runs on a thread."""
        events = self._log.read(stream, after, events_max=EVENTS_PER_STEP_MAX, bytes_max=BYTES_PER_STEP_MAX)
        if not events:
            return None
        last = events[-1].place
        now_s = self._clock.wall().timestamp()
        facts = [_not_after(fact, now_s) for fact in facts_of(event.body for event in events)]
        cursor = LogCursor(stream, self._log.epoch_id(last.epoch), last.sequence)
        return last, self._tables.take(facts, cursor)


def _not_after(fact: Fact, now_s: float) -> Fact:
    """A sale of the future counts as one of now: else one wrong till clock would outweigh a year."""
    return replace(fact, at_s=now_s) if isinstance(fact, BoughtBasket) and fact.at_s > now_s else fact
