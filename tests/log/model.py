"""What a log promises, without a file: events in their order, cursors, gaps, what is known of old ones, and time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from agent.event_types import SHED_ORDER, Stream
from agent.log import CLOUD, DAY_CLOSE, START, Gap, Place, Span
from agent.log.copies.restore import EPOCH_STEP

__all__ = ["CONSUMERS", "DEDUPE_DAYS", "REPLAY_HOURS", "STREAMS", "Model", "Said"]

REPLAY_HOURS: Final = 24
DEDUPE_DAYS: Final = 2
STREAMS: Final = (Stream.SALES, Stream.STOCK, Stream.SENSOR, Stream.AUDIT)
CONSUMERS: Final = (CLOUD, DAY_CLOSE, "learning")

Said = tuple[Stream, str, str, str]
"""An event as a test says it: stream, producer, id and something in its body."""


@dataclass
class Model:
    """One log. Hours are those of the wall clock, but for `uptime`."""

    epoch: int = 1
    rows: dict[tuple[Stream, Place], tuple[str, float]] = field(default_factory=dict)
    """Id and hour of each event that is there."""
    last: dict[tuple[Stream, int], int] = field(default_factory=dict)
    gaps: set[tuple[Stream, Place]] = field(default_factory=set)
    """Given up, and declared."""
    known: list[tuple[int, dict[tuple[str, str], tuple[Said, Place]]]] = field(default_factory=list)
    """A day and what was said on it under each source and id, and where it went; a day that had been is no new one."""
    error: float = 0
    """By how many hours the clock was off when that was looked at last."""
    held_until: float = 0
    cursors: dict[tuple[str, Stream], Place] = field(
        default_factory=lambda: {(consumer, stream): START for consumer in (CLOUD, DAY_CLOSE) for stream in Stream}
    )

    # --- what changes it -----------------------------------------------------------------------------------

    def append(self, call: Sequence[Said], hour: float) -> list[tuple[int, int, bool]] | None:
        """Epoch, sequence and whether it was there already, for each event; None for a conflict."""
        said: dict[tuple[str, str], Said] = {}
        for one in call:
            before = self.find(one[1], one[2])
            if (before[0] if before else said.setdefault(one[1:3], one)) != one:
                return None
        return [self._append_one(one, hour) for one in call]

    def prune(self, hour: float, uptime: float, *, delivered: bool = False) -> None:
        """After the clock was set, nothing goes before the replay window has gone by: `hour` minus `uptime` tells.

        What is `delivered` goes whenever it was.
        """
        if abs(hour - uptime - self.error) > 1:
            self.error, self.held_until = hour - uptime, uptime + REPLAY_HOURS
        if uptime < self.held_until and not delivered:
            return
        for stream in STREAMS:
            head, passed = self.head(stream), min(place for (_, of), place in self.cursors.items() if of is stream)
            for place, _ in self.events(stream):
                old = delivered or not hour - REPLAY_HOURS <= self.rows[stream, place][1] <= hour
                if place <= passed and old and place != head:
                    del self.rows[stream, place]
            for gap in self.declared(stream):
                if Place(gap.epoch, gap.last) <= passed:
                    self.gaps -= set(_places(stream, gap.epoch, gap.first, gap.last))
        days = [day for day, _ in self.known]
        later = [at for at in range(1, len(days)) if days[at - 1] < days[at]]
        if len(later) > DEDUPE_DAYS:
            del self.known[: later[-DEDUPE_DAYS - 1]]

    def shed(self) -> tuple[Stream, int, int, int, int]:
        """Give up the oldest that may go: stream, epoch, first and last sequence, and how many were there."""
        stream = next(stream for stream in SHED_ORDER if self.sheddable(stream))
        places = self.sheddable(stream)
        (epoch, first), (_, last) = places[0], places[-1]
        for place in places:
            del self.rows[stream, place]
        self.gaps |= set(_places(stream, epoch, first, last))
        return stream, epoch, first, last, len(places)

    def restored(self, backup: "Model") -> "Model":
        """What becomes of this log when a backup takes its place."""
        newest = max(self.epoch, backup.epoch)
        backup.epoch = (newest // EPOCH_STEP + 1) * EPOCH_STEP
        return backup

    # --- what it tells -------------------------------------------------------------------------------------

    def find(self, producer: str, event_id: str) -> tuple[Said, Place] | None:
        """What was said under that name, and where it went, as long as that is known."""
        return next((day[producer, event_id] for _, day in self.known if (producer, event_id) in day), None)

    def events(self, stream: Stream) -> list[tuple[Place, str]]:
        """Place and id of each that is there, in order."""
        return sorted((place, event_id) for (of, place), (event_id, _) in self.rows.items() if of is stream)

    def head(self, stream: Stream) -> Place:
        """The last one's place."""
        return max((place for of, place in self.rows if of is stream), default=START)

    def unread(self, consumer: str, stream: Stream) -> list[Span]:
        """What a consumer has not passed."""
        at = self.cursors.get((consumer, stream), START)
        lasts = {place.epoch: place.sequence for place, _ in self.events(stream)}
        spans = [Span(epoch, at.sequence + 1 if epoch == at.epoch else 1, last) for epoch, last in lasts.items()]
        return [span for span in spans if span.epoch >= at.epoch and span.first <= span.last]

    def waiting(self, consumer: str, stream: Stream) -> int:
        """How many of these are not given up."""
        return sum(
            (stream, Place(span.epoch, sequence)) not in self.gaps
            for span in self.unread(consumer, stream)
            for sequence in range(span.first, span.last + 1)
        )

    def declared(self, stream: Stream) -> list[Gap]:
        """The gaps, neighbours as one."""
        places = sorted(place for of, place in self.gaps if of is stream)
        firsts = places[:1] + [two for one, two in pairwise(places) if two != (one.epoch, one.sequence + 1)]
        lasts = [one for one, two in pairwise(places) if two != (one.epoch, one.sequence + 1)] + places[-1:]
        return [Gap(*first, last.sequence, "shed") for first, last in zip(firsts, lasts, strict=True)]

    def sheddable(self, stream: Stream) -> list[Place]:
        """What is given up next of a stream: what the cloud lacks of the oldest epoch, but never the newest event."""
        head, passed = self.head(stream), self.cursors[CLOUD, stream]
        places = [place for place, _ in self.events(stream) if passed < place]
        return [place for place in places if place.epoch == places[0].epoch and place < head]

    # --- private -------------------------------------------------------------------------------------------

    def _append_one(self, one: Said, hour: float) -> tuple[int, int, bool]:
        stream, producer, event_id, _ = one
        if before := self.find(producer, event_id):
            return (*before[1], True)
        place = Place(self.epoch, self.last.get((stream, self.epoch), 0) + 1)
        self.last[stream, self.epoch] = place.sequence
        self.rows[stream, place] = (event_id, hour)
        if int(hour // 24) not in {day for day, _ in self.known}:
            self.known.append((int(hour // 24), {}))
        self.known[-1][1][producer, event_id] = (one, place)
        return (*place, False)


def _places(stream: Stream, epoch: int, first: int, last: int) -> Iterator[tuple[Stream, Place]]:
    return ((stream, Place(epoch, sequence)) for sequence in range(first, last + 1))
