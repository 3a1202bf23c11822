"""Closes business days: one audit event says what this device recorded, for the cloud to check like a till's day end.

The cursors of the closed ranges move in the transaction that stores the event.
"""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from typing import Final
from zoneinfo import ZoneInfo

from agent.clock import Clock
from agent.event_types import DayClosed, DayRange, Stream
from agent.events import EventDecoder
from agent.log import DAY_CLOSE, Advance, EventLog, Place, Span
from agent.settings import SiteSettings

__all__ = ["BusinessDays", "DayCloser"]

PRODUCER: Final = "agent"
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
        """Close the open range once its business day is over; what was closed, or None.

        Raises:
            EnvironmentFault: when the event could not be stored; call again later.
        """
        async with self._closing:
            day = self._open_day()
            # A step back over the day's start is not a new day; a clock that was far ahead must not hold days open.
            if day is None or (self._days.day_of(self._clock.wall()) - day).days in (0, -1):
                return None
            return await self._close(day)

    async def close_now(self) -> DayClosed | None:
        """Close the open range although its day goes on; what was closed, or None when nothing is open.

        Raises:
            EnvironmentFault: as `close_if_due`.
        """
        async with self._closing:
            day = self._open_day()
            return None if day is None else await self._close(day)

    def _open_day(self) -> date | None:
        """The business day of the first event of the open range."""
        recorded_ms = [
            at_ms
            for stream in Stream
            if self._log.waiting(DAY_CLOSE, stream)
            and (at_ms := self._log.first_recorded_ms(stream, self._log.cursor(DAY_CLOSE, stream))) is not None
        ]
        if not recorded_ms:
            return None
        return self._days.day_of(datetime.fromtimestamp(min(recorded_ms) / 1000, ZoneInfo("UTC")))

    async def _close(self, day: date) -> DayClosed:
        spans = [(stream, span) for stream in Stream for span in self._log.unread(DAY_CLOSE, stream)]
        spans = sorted(spans, key=lambda one: one[1].epoch)[:RANGES_MAX]
        # The audit head moves with each close, so the id is new each time, and the same in a repeat.
        epoch, sequence = self._log.head(Stream.AUDIT)
        event_id = f"day-{day}-{self._log.epoch}-{epoch}.{sequence}"
        ranges = await asyncio.to_thread(self._measure, spans)
        closed = DayClosed(business_day=day.isoformat(), ranges=ranges)
        await self._log.append(
            [self._decoder.make(closed, PRODUCER, event_id=event_id)],
            also=[Advance(DAY_CLOSE, stream, Place(span.epoch, span.last)) for stream, span in spans],
        )
        return closed

    def _measure(self, spans: Sequence[tuple[Stream, Span]]) -> tuple[DayRange, ...]:
        """Count and hash what is really there, off the event loop."""
        return tuple(self._range(stream, span) for stream, span in spans)

    def _range(self, stream: Stream, span: Span) -> DayRange:
        count = 0
        digest = sha256()
        for sequence, event_id in self._log.ids(
            stream, Place(span.epoch, span.first - 1), Place(span.epoch, span.last)
        ):
            digest.update(f"{sequence}:{event_id}\n".encode())
            count += 1
        return DayRange(
            stream=stream,
            epoch=self._log.epoch_id(span.epoch),
            first_sequence=span.first,
            last_sequence=span.last,
            count=count,
            sha256=digest.hexdigest(),
        )
