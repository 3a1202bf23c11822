"""Declares damage that readers of the log come upon: a bad row goes to quarantine, a bad part of the file is skipped.

Each declaration is an event, stored in the transaction that moves the row or remembers the gap. The stream then goes
on behind it.
"""

import asyncio
import logging
from typing import Final, Literal

from agent.clock import Clock
from agent.device_events import EventsQuarantined
from agent.errors import EnvironmentFault
from agent.event_types import Stream
from agent.events import EventDecoder
from agent.log import Also, DeclareUnreadable, EventLog, Place, SetAside, Span
from agent.log_lines import log_event
from agent.producers import AGENT_PRODUCER

__all__ = ["DamageKeeper"]

LOOK_INTERVAL_S: Final = 1.0
RETRY_AFTER_S: Final = 5.0

logger = logging.getLogger(__name__)


class DamageKeeper:
    """Looks every second at what was found; `run` goes on until cancelled."""

    def __init__(self, log: EventLog, decoder: EventDecoder, clock: Clock) -> None:
        self._log = log
        self._decoder = decoder
        self._clock = clock

    async def run(self) -> None:
        """Declare what readers find."""
        while True:
            try:
                await self.declare()
            except EnvironmentFault as fault:
                log_event(logger, logging.ERROR, "log.quarantine_failed", "will try again", why=str(fault))
                await asyncio.sleep(RETRY_AFTER_S)
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def declare(self) -> int:
        """Declare all that was found so far; how many events. A stream's newest event waits until it has a follower.

        Raises:
            EnvironmentFault: when the log cannot be read or written.
        """
        found = self._log.damage()
        declared = 0
        for stream, place in found.events:
            if place < self._log.head(stream):
                declared += await self._quarantine(stream, place)
        for stream, after in found.unreadable.items():
            declared += await self._skip(stream, after)
        return declared

    async def _quarantine(self, stream: Stream, place: Place) -> int:
        if await asyncio.to_thread(self._log.is_whole, stream, place) is False:
            span = Span(place.epoch, place.sequence, place.sequence)
            found_ms = int(self._clock.wall().timestamp() * 1000)
            await self._append(stream, span, "checksum", SetAside(stream, place, found_ms))
            self._log.declared(stream, place)
            return 1
        self._log.declared(stream, place)  # it was read whole this time, or retention took it
        return 0

    async def _skip(self, stream: Stream, after: Place) -> int:
        behind = await asyncio.to_thread(self._log.first_readable, stream, after)
        if behind is None:
            return 0  # the end of the stream itself: the next start replaces the file
        last = behind.sequence - 1 if behind.epoch == after.epoch else self._log.last_of(stream, after.epoch)
        if last <= after.sequence:
            self._log.declared(stream, after)
            return 0
        span = Span(after.epoch, after.sequence + 1, last)
        await self._append(stream, span, "unreadable", DeclareUnreadable(stream, span))
        self._log.declared(stream, after)
        return last - after.sequence

    async def _append(self, stream: Stream, span: Span, reason: Literal["checksum", "unreadable"], also: Also) -> None:
        epoch = self._log.epoch_id(span.epoch)
        told = EventsQuarantined(
            stream=stream, epoch=epoch, first_sequence=span.first, last_sequence=span.last, reason=reason
        )
        event_id = f"quarantined-{stream}-{epoch}-{span.first}-{span.last}-{reason}"
        await self._log.append([self._decoder.make(told, AGENT_PRODUCER, event_id=event_id)], also=[also])
        message = f"{stream} {span.first} to {span.last}: damaged, will not be sent"
        log_event(logger, logging.ERROR, "log.quarantined", message, reason=reason)
