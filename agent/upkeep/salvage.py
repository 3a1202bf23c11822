"""Brings the events of a log that was put aside back: each whole row to its old place, each hole declared as lost.

It runs beside everything else, while the new log takes events. What the cloud and the day close had from the old log
stays out, as far as its cursors can be read; what is sent twice is the same event to the ledger. Until the link has
gone back to send them, the old log counts as pending, so that a kill in between costs nothing but work.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from agent.clock import Clock
from agent.device_events import Alert, EventsQuarantined
from agent.errors import EnvironmentFault
from agent.event_types import Stream
from agent.events import Draft, EventDecoder
from agent.log import CLOUD, DAY_CLOSE, DeclareUnreadable, EventLog, Place, Span
from agent.log.damage.aside import OldLog, Progress
from agent.log.damage.carve import CarvedRow, carve
from agent.log.damage.old_facts import OldFacts
from agent.log.merge import OldEvent
from agent.log_lines import log_event
from agent.producers import AGENT_PRODUCER

__all__ = ["Salvage"]

EVENTS_PER_STEP: Final = 500
HOLES_PER_APPEND: Final = 100
RETRY_AFTER_S: Final = 30.0

SendAgain = Callable[[Mapping[Stream, Place]], Awaitable[None]]
"""Asks the link to send everything after these places; returns once it will."""

logger = logging.getLogger(__name__)


class Salvage:
    """Salvages every pending old log, oldest first; `run` goes on until cancelled."""

    def __init__(self, log: EventLog, decoder: EventDecoder, send_again: SendAgain, clock: Clock) -> None:
        self._log = log
        self._decoder = decoder
        self._send_again = send_again
        self._clock = clock

    async def run(self) -> None:
        """Salvage what there is; what the disk refuses is tried again."""
        while True:
            try:
                for old in await asyncio.to_thread(self._log.old_logs):
                    if old.progress is Progress.PENDING:
                        await self.salvage(old)
                await asyncio.Event().wait()  # a log is put aside only before a start
            except (EnvironmentFault, OSError) as fault:
                log_event(logger, logging.ERROR, "log.salvage_failed", "will try again", why=str(fault))
                await asyncio.sleep(RETRY_AFTER_S)

    async def salvage(self, old: OldLog) -> OldLog:
        """Bring one old log's events back; what came of it.

        Raises:
            EnvironmentFault: the log takes no more at present; call again later, from the start.
            OSError: the old file cannot be read.
        """
        facts = await asyncio.to_thread(OldFacts.read, old.file)
        found = _Found(facts)
        rows = carve(old.file)
        brought = 0
        while step := await asyncio.to_thread(_step, rows, found):
            brought += await self._log.merge(step)
        lost = 0
        for stream, epoch in sorted(found.firsts):
            lost += await self._declare_holes(stream, epoch, found)
        await self._go_back(found)
        done = replace(old, progress=Progress.DONE, salvaged=brought, lost=lost)
        await self._tell(done)
        await asyncio.to_thread(done.write)
        return done

    async def _declare_holes(self, stream: Stream, epoch: str, found: "_Found") -> int:
        """Declare what is not there between the first and the last event that should be; how many."""
        number = self._log.epoch_number(epoch)
        assert number is not None
        first, last = found.first_expected(stream, epoch), self._log.last_of(stream, number)
        last_known = max(last, found.last_known(stream, epoch))

        def look() -> list[tuple[int, int]]:
            present = self._log.ids(stream, Place(number, first - 1), Place(number, last))
            return list(_holes(first, (at for at, *_ in present), last_known))

        holes = await asyncio.to_thread(look)
        for at in range(0, len(holes), HOLES_PER_APPEND):
            spans = [Span(number, *hole) for hole in holes[at : at + HOLES_PER_APPEND]]
            drafts = [self._lost(stream, epoch, span) for span in spans]
            await self._log.append(drafts, also=[DeclareUnreadable(stream, span) for span in spans])
        return sum(last - first + 1 for first, last in holes)

    def _lost(self, stream: Stream, epoch: str, span: Span) -> Draft:
        told = EventsQuarantined(
            stream=stream, epoch=epoch, first_sequence=span.first, last_sequence=span.last, reason="lost"
        )
        return self._decoder.make(told, AGENT_PRODUCER, event_id=f"lost-{stream}-{epoch}-{span.first}-{span.last}")

    async def _go_back(self, found: "_Found") -> None:
        """Let the link and the day close go on where they stood in the old log."""
        for consumer in (DAY_CLOSE, CLOUD):
            places = {stream: self._place(consumer, stream, found) for stream, _ in found.firsts}
            back = {stream: place for stream, place in places.items() if place < self._log.cursor(consumer, stream)}
            if consumer == CLOUD:
                await self._send_again(back)
            else:
                for stream, place in back.items():
                    await self._log.advance(consumer, stream, place)

    def _place(self, consumer: str, stream: Stream, found: "_Found") -> Place:
        """Where a consumer stood, or before the stream's first event that was found."""
        at = found.facts.cursors.get((consumer, stream))
        number = self._log.epoch_number(found.facts.epochs.get(at.epoch, "")) if at else None
        if at and number is not None:
            return Place(number, at.sequence)
        numbers = {self._log.epoch_number(epoch): first for (of, epoch), first in found.firsts.items() if of is stream}
        first = min(number for number in numbers if number is not None)
        return Place(first, numbers[first] - 1)

    async def _tell(self, done: OldLog) -> None:
        message = f"A damaged log was replaced: {done.salvaged} events were salvaged, {done.lost} are lost"
        log_event(logger, logging.WARNING, "log.salvaged", message, folder=str(done.folder), why=done.reason)
        name = f"log-replaced-{done.at_ms}"
        alert = Alert(alert_id=name, kind="log_replaced", severity="critical", active=True, message=message)
        draft = self._decoder.make(alert, AGENT_PRODUCER, event_id=name)
        await self._log.append([draft])


class _Found:
    """What of an old log is worth bringing, and where its streams begin."""

    def __init__(self, facts: OldFacts) -> None:
        self.facts = facts
        self.firsts: dict[tuple[Stream, str], int] = {}
        """The first sequence found of each stream and epoch."""

    def event(self, row: CarvedRow) -> OldEvent | None:
        """A row as an event to be merged; None for one that every consumer had."""
        place = Place.of_key(row.place_key)
        told: dict[str, Any] = json.loads(row.body)  # Any: a stored CloudEvent; its checksum was right
        stream = Stream(told["stream"])
        if place <= self._passed(stream):
            return None
        key = (stream, told["epoch"])
        self.firsts[key] = min(place.sequence, self.firsts.get(key, place.sequence))
        return OldEvent(
            stream=stream,
            epoch=told["epoch"],
            epoch_number=place.epoch,
            sequence=place.sequence,
            source=told["source"],
            id=row.id.decode(),
            recorded_ms=row.recorded_ms,
            monotonic_us=row.monotonic_us,
            body=row.body,
        )

    def first_expected(self, stream: Stream, epoch: str) -> int:
        """The first sequence of an epoch that some consumer had not passed; the first found when nobody knows."""
        passed, number = self._passed(stream), self._number(epoch)
        if number is None or not passed.epoch:
            return self.firsts[stream, epoch]
        return passed.sequence + 1 if passed.epoch == number else 1

    def last_known(self, stream: Stream, epoch: str) -> int:
        """The last sequence that the old file still names; 0 when it does not."""
        number = self._number(epoch)
        return self.facts.heads.get((stream, number), 0) if number is not None else 0

    def _number(self, epoch: str) -> int | None:
        return next((number for number, known in self.facts.epochs.items() if known == epoch), None)

    def _passed(self, stream: Stream) -> Place:
        cursors = self.facts.cursors
        start = Place(0, 0)
        return min(cursors.get((CLOUD, stream), start), cursors.get((DAY_CLOSE, stream), start))


def _step(rows: Iterator[CarvedRow], found: _Found) -> Sequence[OldEvent]:
    """The next events to be merged; empty at the end."""
    step: list[OldEvent] = []
    for row in rows:
        event = found.event(row)
        if event is not None:
            step.append(event)
            if len(step) == EVENTS_PER_STEP:
                break
    return step


def _holes(first: int, present: Iterable[int], last: int) -> Iterator[tuple[int, int]]:
    """The runs of sequences from `first` to `last` that are not present."""
    for at in present:
        if at > first:
            yield first, at - 1
        first = at + 1
    if first <= last:
        yield first, last
