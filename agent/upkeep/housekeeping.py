"""What the agent does by itself: clear away delivered events, close business days, tell its health, record epochs."""

import asyncio
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.clock import Clock
from agent.device_events import EpochStarted, Health
from agent.errors import EnvironmentFault
from agent.event_types import EventData
from agent.events import EventDecoder
from agent.log import CLOUD, EpochReason, EventLog
from agent.log_lines import log_event
from agent.producers import AGENT_PRODUCER
from agent.upkeep.day_close import DayCloser

__all__ = ["Housekeeping"]

DAY_CHECK_INTERVAL_S: Final = 0.5
PRUNE_PAUSE_S: Final = 0.05  # between steps, so that producers get the writer in between
RETRY_AFTER_S: Final = 5.0

logger = logging.getLogger(__name__)


class Housekeeping:
    """The agent's own regular work; each `keep_…` runs until cancelled."""

    def __init__(
        self,
        log: EventLog,
        decoder: EventDecoder,
        day_closer: DayCloser,
        *,
        clock: Clock,
        connected: Callable[[], bool],
        retention_interval_s: float,
        health_interval_s: float,
    ) -> None:
        self._log = log
        self._decoder = decoder
        self._day_closer = day_closer
        self._clock = clock
        self._connected = connected
        self._retention_interval_s = retention_interval_s
        self._health_interval_s = health_interval_s
        self._started_s = clock.monotonic_s()
        self._new_epochs: asyncio.Queue[tuple[str, EpochReason]] = asyncio.Queue()
        if not log.epoch_on_record:  # the log is new, or the agent was killed before it could say
            self._new_epochs.put_nowait((log.epoch, log.epoch_reason))
        log.add_epoch_listener(lambda epoch, reason: self._new_epochs.put_nowait((epoch, reason)))

    async def keep_epochs(self) -> None:
        """Append an audit event for each epoch that begins."""
        while True:
            epoch, reason = await self._new_epochs.get()
            level = logging.INFO if reason == "created" else logging.WARNING
            log_event(logger, level, "log.epoch", "a new epoch of the log begins", epoch=epoch, reason=reason)
            while not await self._append(EpochStarted(epoch=epoch, reason=reason), f"epoch-{epoch}"):
                await asyncio.sleep(RETRY_AFTER_S)

    async def keep_days(self) -> None:
        """Close each business day once it is over."""
        while True:
            try:
                closed = await self._day_closer.close_if_due()
            except EnvironmentFault as fault:
                log_event(logger, logging.ERROR, "day.close_failed", "the day close was not stored", why=str(fault))
                await asyncio.sleep(RETRY_AFTER_S)
                continue
            if closed:
                events = sum(part.count for part in closed.ranges)
                log_event(
                    logger, logging.INFO, "day.closed", "business day closed", day=closed.business_day, events=events
                )
            await asyncio.sleep(DAY_CHECK_INTERVAL_S)

    async def keep_log_small(self) -> None:
        """Clear away what every consumer has passed and nobody can want to replay."""
        while True:
            await asyncio.sleep(self._retention_interval_s)
            try:
                while await self._log.prune():
                    await asyncio.sleep(PRUNE_PAUSE_S)
            except EnvironmentFault as fault:
                log_event(logger, logging.ERROR, "log.prune_failed", "old events were not cleared", why=str(fault))

    async def keep_telling_health(self) -> None:
        """Append a health event now and then; one that finds no room is not missed."""
        while True:
            await asyncio.sleep(self._health_interval_s)
            await self._append(self._health(), None)

    def _health(self) -> Health:
        return Health(
            uptime_s=int(self._clock.monotonic_s() - self._started_s),
            events_waiting=self._log.waiting(CLOUD),
            disk_free_bytes=shutil.disk_usage(self._log.file.parent).free,
            memory_bytes=_resident_bytes(),
            connected=self._connected(),
        )

    async def _append(self, data: EventData, event_id: str | None) -> bool:
        try:
            await self._log.append([self._decoder.make(data, AGENT_PRODUCER, event_id=event_id)])
        except EnvironmentFault as fault:
            log_event(logger, logging.ERROR, "log.append_failed", "an event of our own was not stored", why=str(fault))
            return False
        return True


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
