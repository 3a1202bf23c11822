"""What a stream has handed to the broker beyond its cursor, as runs of places, and the holes between them. No I/O.

A segment is a run that was published as one batch, or that is to be parked, or is parked. What lies between segments
has not been sent on this run of the agent. The cursor stands before the first place that is not settled.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice, takewhile
from operator import attrgetter
from typing import Final

from agent.log.records import START, Place

__all__ = ["SUSPECT_AFTER_BREAKS", "Fate", "Segment", "Segments"]

SUSPECT_AFTER_BREAKS: Final = 2
"""A batch that was in flight when the peer ended the connection, so many times in a row, may be why."""


class Fate(Enum):
    """Where a segment is."""

    WAITING = "waiting to be sent again"
    IN_FLIGHT = "sent, not answered"
    PARKING = "given up for now, which is not durable yet"
    SETTLED = "acknowledged or parked, behind an open one"


@dataclass(slots=True, eq=False)
class Segment:
    """The events after one place up to and with another, of one epoch; `first` is the first that there really is."""

    after: Place
    first: Place
    last: Place
    fate: Fate
    tries: int = 0
    """Refusals so far."""
    breaks: int = 0
    """How often the peer ended the connection while this was in flight, in a row."""
    breaks_alone: int = 0
    """The same, with nothing else in flight."""

    @property
    def is_suspect(self) -> bool:
        """Whether it has to be sent alone, to see what it does."""
        return self.breaks >= SUSPECT_AFTER_BREAKS

    @property
    def is_single(self) -> bool:
        """Whether it can hold one event only."""
        return self.first >= self.last


_AFTER: Final = attrgetter("after")


class Segments:
    """One stream's, in order, without overlap but for what is parked around the cursor."""

    def __init__(self, cursor: Place) -> None:
        self.cursor = cursor
        self._segments: list[Segment] = []

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments)

    def __len__(self) -> int:
        return len(self._segments)

    @property
    def settled_ahead(self) -> int:
        """About how many events beyond the cursor need nothing any more."""
        settled = (one for one in self._segments if one.fate is Fate.SETTLED)
        return sum(max(0, one.last.sequence - one.first.sequence + 1) for one in settled)

    def hole(self, begin: Place, end: Place | None) -> tuple[Place, Place | None] | None:
        """The first stretch from one place up to another that no segment covers; None when there is none.

        Without an end there always is one, which ends with None: behind the last segment.
        """
        at = begin
        for segment in self._segments:
            if segment.last <= at:
                continue
            if segment.after > at:
                return at, segment.after if end is None else min(segment.after, end)
            at = segment.last
        return None if end is not None and at >= end else (at, end)

    def waiting(self, begin: Place = START, end: Place | None = None) -> Segment | None:
        """The first segment to be sent again that begins between two places."""
        for segment in self._segments:
            if segment.fate is Fate.WAITING and segment.after >= begin and (end is None or segment.after < end):
                return segment
        return None

    def take(self, after: Place, first: Place, last: Place, fate: Fate) -> Segment:
        """The events after one place up to another go out, or are parked: a new segment, or the head of a waiting one.

        What is left of the waiting one waits on.
        """
        there = takewhile(lambda one: one.after == after, islice(self._segments, self._index(after), None))
        segment = next((one for one in there if one.fate is Fate.WAITING), None)
        if segment is None:
            segment = Segment(after, first, last, fate)
            insort(self._segments, segment, key=_AFTER)
        else:
            if last < segment.last:
                rest = Segment(last, Place(last.epoch, last.sequence + 1), segment.last, Fate.WAITING)
                rest.tries, rest.breaks = segment.tries, segment.breaks
                self._segments.insert(self._segments.index(segment) + 1, rest)
            segment.first, segment.last, segment.fate = first, last, fate
        return segment

    def split(self, segment: Segment) -> None:
        """Both halves wait, each to be looked at by itself."""
        middle = Place(segment.last.epoch, (segment.first.sequence + segment.last.sequence) // 2)
        behind = Place(middle.epoch, middle.sequence + 1)
        half = Segment(middle, behind, segment.last, Fate.WAITING, breaks=segment.breaks)
        self._segments.insert(self._segments.index(segment) + 1, half)
        segment.last, segment.fate, segment.tries, segment.breaks_alone = middle, Fate.WAITING, 0, 0

    def cover(self, after: Place, last: Place) -> bool:
        """There is nothing to be sent after one place up to another; whether the cursor moved."""
        segment = self.take(after, Place(last.epoch, after.sequence + 1), last, Fate.SETTLED)
        return self.settle(segment)

    def settle(self, segment: Segment) -> bool:
        """The broker has it, or it is parked; whether the cursor moved."""
        segment.fate = Fate.SETTLED
        done = 0
        for one in self._segments:
            if one.fate is not Fate.SETTLED or one.after > self.cursor:
                break
            self.cursor = max(self.cursor, one.last)
            done += 1
        del self._segments[:done]
        if not done:
            self._join(segment)
        return done > 0

    def restart(self, cursor: Place) -> None:
        """Nothing beyond a place was sent."""
        self.cursor = cursor
        self._segments.clear()

    def _index(self, after: Place) -> int:
        """Where the first segment stands that begins there or later: after a rewind there may be thousands."""
        return bisect_left(self._segments, after, key=_AFTER)

    def _join(self, segment: Segment) -> None:
        """Makes one of settled neighbours, so that a long way ahead of the cursor takes little memory."""
        at = self._segments.index(segment, self._index(segment.after))
        for left, right in ((at, at + 1), (at - 1, at)):
            if left < 0 or right >= len(self._segments):
                continue
            one, other = self._segments[left], self._segments[right]
            if one.fate is other.fate is Fate.SETTLED and other.after <= one.last:
                one.last = max(one.last, other.last)
                del self._segments[right]
