"""Closes business days: one audit event says what this device recorded, for the cloud to check like a till's day end.

A range ends before the first event of another day; one day earlier is let in, for a clock that stepped back over the
day's start. The cursors of the closed ranges move in the transaction that stores the event.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from typing import Final
from zoneinfo import ZoneInfo

from agent.clock import Clock
from agent.device_events import DayClosed, DayRange
from agent.errors import LogUnreadable
from agent.event_types import Stream
from agent.events import EventDecoder
from agent.log import DAY_CLOSE, PARKED_AS, Advance, EventLog, Place, Span, absent
from agent.producers import AGENT_PRODUCER
from agent.settings import SiteSettings

__all__ = ["BusinessDays", "DayCloser"]

MINUTE_MS: Final = 60_000
RANGES_MAX: Final = 64  # of one audit event; what is beyond is closed by the next one


class BusinessDays:
    """The shop's calendar: which business day a moment belongs to."""

    def __init__(self, site: SiteSettings) -> None:
        self._zone = ZoneInfo(site.time_zone)
        self._starts = time.fromisoformat(site.day_starts_at)

    def day_of(self, moment: datetime) -> date:
        """The business day of an aware moment.

        A day begins when the shop's clocks first show `day_starts_at`, or jump over it. So days have 23 or 25 hours
        when the clocks change, and the hour that comes twice never turns the calendar back.
        """
        local = moment.astimezone(self._zone)
        day = local.date() if local.time() >= self._starts else local.date() - timedelta(days=1)
        return day + timedelta(days=1) if moment >= self._first_showing(day + timedelta(days=1)) else day

    def _first_showing(self, day: date) -> datetime:
        """When clocks first show the start of `day`; for a time they jump over, a moment after the jump."""
        return datetime.combine(day, self._starts, self._zone).astimezone(ZoneInfo("UTC"))


class DayCloser:
    """The consumer DAY_CLOSE: its cursors say up to where days are closed."""

    def __init__(self, log: EventLog, decoder: EventDecoder, site: SiteSettings, clock: Clock) -> None:
        self._log = log
        self._decoder = decoder
        self._days = BusinessDays(site)
        self._clock = clock
        self._closing = asyncio.Lock()

    async def close_if_due(self) -> DayClosed | None:
        """Close the first business day that is over; what was closed, or None. Call again: there may be more.

        Raises:
            EnvironmentFault: when the event could not be stored; call again later.
        """
        async with self._closing:
            today = self._days.day_of(self._clock.wall())
            # A step back over the day's start is not a new day; a clock that was far ahead must not hold days open.
            over = [day for day in self._open_days() if (today - day).days not in (0, -1)]
            return await self._close(min(over)) if over else None

    async def close_now(self) -> DayClosed | None:
        """Close the first open day although it goes on; what was closed, or None when nothing is open.

        Raises:
            EnvironmentFault: as `close_if_due`.
        """
        async with self._closing:
            days = self._open_days()
            return await self._close(min(days)) if days else None

    def _open_days(self) -> set[date]:
        """The business day of each stream's first event that is not closed."""
        return {
            day
            for stream in Stream
            if self._log.waiting(DAY_CLOSE, stream)
            and (at_ms := self._first_recorded_ms(stream)) is not None
            and (day := self._day_of_ms(at_ms)) is not None
        }

    def _first_recorded_ms(self, stream: Stream) -> int | None:
        try:
            return self._log.first_recorded_ms(stream, self._log.cursor(DAY_CLOSE, stream))
        except LogUnreadable:  # the other streams say which day is open
            return None

    def _day_of_ms(self, recorded_ms: int) -> date | None:
        """The business day of a row; None when damage left no moment there."""
        try:
            return self._days.day_of(datetime.fromtimestamp(recorded_ms / 1000, ZoneInfo("UTC")))
        except (TypeError, ValueError, OverflowError, OSError):
            return None

    async def _close(self, day: date) -> DayClosed:
        spans = [(stream, span) for stream in Stream for span in self._log.unread(DAY_CLOSE, stream)]
        spans = sorted(spans, key=lambda one: one[1].epoch)
        # The audit head moves with each close, so the id is new each time, and the same in a repeat.
        epoch, sequence = self._log.head(Stream.AUDIT)
        event_id = f"day-{day}-{self._log.epoch}-{epoch}.{sequence}"
        parts = await asyncio.to_thread(self._measure, spans, day)
        closed = DayClosed(business_day=day.isoformat(), ranges=tuple(part for _, part in parts))
        await self._log.append(
            [self._decoder.make(closed, AGENT_PRODUCER, event_id=event_id)],
            also=[Advance(DAY_CLOSE, part.stream, place) for place, part in parts],
        )
        return closed

    def _measure(self, spans: Sequence[tuple[Stream, Span]], day: date) -> list[tuple[Place, DayRange]]:
        """Count and hash what is really there of `day`, off the event loop; each with the place it reaches."""
        parts: list[tuple[Place, DayRange]] = []
        ended: set[Stream] = set()
        for stream, span in spans:
            if stream in ended:
                continue
            if len(parts) == RANGES_MAX:
                break
            part = self._range(stream, span, day)
            if part is None or part.last_sequence < span.last:
                ended.add(stream)
            if part:
                parts.append((Place(span.epoch, part.last_sequence), part))
        return parts

    def _range(self, stream: Stream, span: Span, day: date) -> DayRange | None:
        """What belongs to `day`; None when nothing does. Behind damage nothing can be read, and so nothing counts."""
        count, last = 0, span.last
        digest = sha256()
        gaps = self._log.gaps(stream)
        parked = [gap for gap in gaps if gap.parked_code is not None]
        minute, here = -1, True
        try:
            for sequence, event_id, recorded_ms in self._log.ids(
                stream, Place(span.epoch, span.first - 1), Place(span.epoch, span.last)
            ):
                if not isinstance(recorded_ms, int):
                    pass  # damaged: it stays with those before it
                elif recorded_ms // MINUTE_MS != minute:  # days begin with a minute
                    minute, here = recorded_ms // MINUTE_MS, self._belongs(recorded_ms, day)
                if not here:
                    last = sequence - 1
                    break
                if any(gap.within(Span(span.epoch, sequence, sequence)) for gap in parked):
                    continue
                digest.update(f"{sequence}:{event_id}\n".encode())
                count += 1
        except LogUnreadable:
            pass  # the range says what should be there, the count what is
        if last < span.first:
            return None
        closed = Span(span.epoch, span.first, last)
        return DayRange(
            stream=stream,
            epoch=self._log.epoch_id(span.epoch),
            first_sequence=span.first,
            last_sequence=last,
            count=count,
            shed=absent(gaps, closed, "shed"),
            parked=absent(gaps, closed, *PARKED_AS.values()),
            quarantined=absent(gaps, closed, "quarantined", "unreadable"),
            sha256=digest.hexdigest(),
        )

    def _belongs(self, recorded_ms: int, day: date) -> bool:
        of = self._day_of_ms(recorded_ms)
        return of is None or (day - of).days in (0, 1)
