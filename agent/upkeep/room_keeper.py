"""Keeps room in the log: clears what is delivered, then gives events up in the declared order, each with its tombstone.

A tombstone is stored in the transaction that deletes what it tells of. Streams that are never shed are not touched.
"""

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence
from typing import Final

from agent.clock import Clock
from agent.device_events import EventsShed, ShedReadings
from agent.errors import EnvironmentFault
from agent.event_types import SHED_ORDER, TYPE_PREFIX, Stream
from agent.events import Draft, EventDecoder
from agent.log import CLOUD, EventLog, Place, Shed, StoredEvent
from agent.log_lines import log_event
from agent.producers import AGENT_PRODUCER

__all__ = ["RoomKeeper"]

SHED_EVENTS_MAX: Final = 500  # one tombstone's worth
SHED_BYTES_MAX: Final = 4_194_304
READINGS_MAX: Final = 64
BEGINS_AT_RESERVE: Final = 1.25  # of the reserve: shedding has to be ahead of refusing
RETRY_AFTER_S: Final = 5.0
TOLD_EVERY_S: Final = 60.0

_READING: Final = f"{TYPE_PREFIX}environment.v1"
_READING_MARK: Final = f'"type":"{_READING}"'.encode("ascii")

logger = logging.getLogger(__name__)


class RoomKeeper:
    """Made inside the event loop that the log belongs to; `run` goes on until cancelled."""

    def __init__(self, log: EventLog, decoder: EventDecoder, clock: Clock) -> None:
        self._log = log
        self._decoder = decoder
        self._clock = clock
        self._wake = asyncio.Event()
        self._told_at_s = -TOLD_EVERY_S
        self.shed_events = 0
        """Events given up since the start."""
        log.add_listener(self._on_commit)

    async def run(self) -> None:
        """Make room whenever a commit leaves too little."""
        while True:
            try:
                await self.relieve()
            except EnvironmentFault as fault:
                log_event(logger, logging.ERROR, "log.shed_failed", "no room was made; will try again", why=str(fault))
                await asyncio.sleep(RETRY_AFTER_S)
                continue
            self._wake.clear()
            if self._is_short():
                await asyncio.sleep(RETRY_AFTER_S)  # nothing is left to give up; something may be delivered by then
            else:
                await self._wake.wait()

    async def relieve(self) -> int:
        """Make room until there is enough or nothing is left to give up; how many events were shed.

        Raises:
            EnvironmentFault: when the log cannot be read or written.
        """
        shed = 0
        while self._is_short() and await self._log.prune(delivered=True):
            pass
        for stream in SHED_ORDER:
            while self._is_short():
                gone = await self._shed(stream)
                if not gone:
                    break
                shed += gone
        if shed:
            self.shed_events += shed
            self._tell(shed)
        return shed

    def _is_short(self) -> bool:
        return self._log.room_bytes < self._log.reserve_bytes * BEGINS_AT_RESERVE

    def _on_commit(self, _drafts: Sequence[Draft]) -> None:
        if self._is_short():
            self._wake.set()

    async def _shed(self, stream: Stream) -> int:
        """Give up the oldest events of a stream that the cloud does not have; how many."""
        events, readings = await asyncio.to_thread(self._oldest, stream, *self._oldest_range(stream))
        if not events:
            return 0
        first, last = events[0].place, events[-1].place
        epoch = self._log.epoch_id(last.epoch)
        tombstone = EventsShed(
            stream=stream,
            epoch=epoch,
            first_sequence=first.sequence,
            last_sequence=last.sequence,
            count=len(events),
            reason="storage_pressure",
            readings=readings,
        )
        event_id = f"shed-{stream}-{epoch}-{first.sequence}-{last.sequence}"
        draft = self._decoder.make(tombstone, AGENT_PRODUCER, event_id=event_id)
        await self._log.append([draft], also=[Shed(stream, Place(first.epoch, first.sequence - 1), last)])
        return len(events)

    def _oldest_range(self, stream: Stream) -> tuple[Place, Place]:
        """Where the oldest undelivered events are, after one place up to another: what is parked, else all."""
        cursor = self._log.cursor(CLOUD, stream)
        for gap in self._log.gaps(stream):
            if gap.parked_code is not None and Place(gap.epoch, gap.first) <= cursor:
                return Place(gap.epoch, gap.first - 1), Place(gap.epoch, gap.last)
        return cursor, self._log.head(stream)

    def _oldest(
        self, stream: Stream, after: Place, upto: Place
    ) -> tuple[Sequence[StoredEvent], tuple[ShedReadings, ...]]:
        """The oldest of these events but the stream's newest, and what is to be kept of their readings."""
        events = self._log.read(stream, after, events_max=SHED_EVENTS_MAX, bytes_max=SHED_BYTES_MAX)
        head = self._log.head(stream)
        events = [event for event in events if event.place < head and event.place <= upto]
        return events, _readings(event.body for event in events)

    def _tell(self, shed: int) -> None:
        if self._clock.monotonic_s() - self._told_at_s < TOLD_EVERY_S:
            return
        self._told_at_s = self._clock.monotonic_s()
        message = "too little room: events were given up, tombstones say which"
        log_event(logger, logging.WARNING, "log.shed", message, events=shed, room_bytes=self._log.room_bytes)


def _readings(bodies: Iterable[bytes]) -> tuple[ShedReadings, ...]:
    values: dict[tuple[str, str, str], list[float]] = {}
    for body in bodies:
        if _READING_MARK in body and (event := json.loads(body))["type"] == _READING:  # others may hold such a text
            told = event["data"]
            values.setdefault((told["sensor_id"], told["measure"], told["unit"]), []).append(told["value"])
    return tuple(
        ShedReadings(
            sensor_id=sensor,
            measure=measure,
            unit=unit,
            count=len(read),
            minimum=min(read),
            maximum=max(read),
            mean=sum(read) / len(read),
        )
        for (sensor, measure, unit), read in list(values.items())[:READINGS_MAX]
    )
