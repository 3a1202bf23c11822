"""One stream's way out: its cursor, what is handed to the broker beyond it, and what has to be handed over again.

A segment is a run of the stream that was published as one batch. The cursor stands before the first segment that is
not acknowledged, whatever came back for later ones. A lane knows no socket, file, clock or message id.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from agent.event_types import Stream
from agent.log.records import START, Place, StoredEvent

__all__ = ["Fate", "Lane", "Segment"]


class Fate(Enum):
    """Where a segment is."""

    WAITING = "waiting to be sent again"
    IN_FLIGHT = "sent, not answered"
    ACKNOWLEDGED = "acknowledged, behind an open one"


@dataclass(slots=True)
class Segment:
    """The events after one place up to and with another."""

    after: Place
    last: Place
    fate: Fate


class Lane:
    """One stream's state. Segments follow one another without a gap, from the cursor on."""

    def __init__(self, stream: Stream, cursor: Place, share: int) -> None:
        self.stream = stream
        self.share = share
        self.cursor = cursor
        self.virtual = 0.0
        """Bytes sent per share, as the outbox counts them for fairness."""
        self.blocked = ""
        """Why nothing can leave on this connection; empty when it can."""
        self.refusal = ""
        """The broker's last refusal, until it takes a batch again."""
        self.unreadable = ""
        """Why the log could not be read, until it can."""
        self._held_until_s = 0.0
        self._head = START
        self._highest = cursor
        self._segments: list[Segment] = []
        self._waiting_since_s: float | None = None
        self._nothing_before: Place | None = None

    @property
    def sent(self) -> Place:
        """How far the lane has been handed over, answered or not."""
        return self._segments[-1].last if self._segments else self.cursor

    def set_head(self, head: Place, now_s: float) -> None:
        """The log's last event of this stream."""
        if head == self._head:
            return
        self._head = head
        if self._waiting_since_s is None and head > self.sent:
            self._waiting_since_s = now_s

    def due_at_s(self, linger_s: float, batch_events_max: int) -> float | None:
        """When the next batch may leave: at once when full or to be repeated, else after the linger; None for never."""
        if self.blocked:
            return None
        if self._repeat() is not None:
            return self._held_until_s
        if self._waiting_since_s is None or self._nothing_before == self._head:
            return None
        sent, head = self.sent, self._head
        full = head.epoch != sent.epoch or head.sequence - sent.sequence >= batch_events_max
        return self._held_until_s if full else max(self._held_until_s, self._waiting_since_s + linger_s)

    def next_range(self) -> tuple[Place, Place | None]:
        """What to read next: after a place, up to another one or (None) as far as there is."""
        repeat = self._repeat()
        return (repeat.after, repeat.last) if repeat else (self.sent, None)

    def repeated(self, events: Sequence[StoredEvent]) -> int:
        """How many of these events were handed over before."""
        if not events or events[0].place > self._highest:
            return 0
        return sum(event.place <= self._highest for event in events)

    def nothing_read(self, after: Place) -> bool:
        """The log has nothing readable of the range after `after`; whether the cursor moved because of it."""
        repeat = self._repeat(after)
        if repeat is None:
            self._nothing_before = self._head
            return False
        return self.acknowledged(repeat)

    def handed_over(self, after: Place, last: Place) -> Segment:
        """The events after `after` up to `last` went to the broker, in one publish."""
        segment = self._repeat(after)
        if segment is None:
            assert after == self.sent
            segment = Segment(after, last, Fate.IN_FLIGHT)
            self._segments.append(segment)
        else:
            if last < segment.last:
                self._segments.insert(self._segments.index(segment) + 1, Segment(last, segment.last, Fate.WAITING))
            segment.last, segment.fate = last, Fate.IN_FLIGHT
        self._highest = max(self._highest, last)
        if self.sent >= self._head:
            self._waiting_since_s = None
        return segment

    def acknowledged(self, segment: Segment) -> bool:
        """The broker has the segment; whether the cursor moved."""
        segment.fate = Fate.ACKNOWLEDGED
        done = 0
        while done < len(self._segments) and self._segments[done].fate is Fate.ACKNOWLEDGED:
            self.cursor = self._segments[done].last
            done += 1
        del self._segments[:done]
        return done > 0

    def refused(self, segment: Segment, held_until_s: float) -> None:
        """The broker did not take the segment: nothing new leaves this lane before it has."""
        segment.fate = Fate.WAITING
        self._held_until_s = held_until_s

    def could_not_read(self, reason: str, held_until_s: float) -> None:
        """The log gave a fault in place of events: try again later."""
        self.unreadable = reason
        self._held_until_s = max(self._held_until_s, held_until_s)

    def disconnected(self) -> None:
        """Nobody will answer what is in flight: it has to go again. What was acknowledged stays so."""
        for segment in self._segments:
            if segment.fate is Fate.IN_FLIGHT:
                segment.fate = Fate.WAITING

    def connected(self) -> None:
        """Another connection may take what the last one did not."""
        self.blocked = ""
        self._held_until_s = 0.0
        self._nothing_before = None

    def rewind(self, place: Place, now_s: float) -> None:
        """Go back to `place`: everything after it is sent again."""
        self.cursor = place
        self._segments.clear()
        self._nothing_before = None
        self._waiting_since_s = now_s if self._head > place else None

    def _repeat(self, after: Place | None = None) -> Segment | None:
        """The first segment to be sent again, or the one that begins after a place."""
        waiting = (segment for segment in self._segments if segment.fate is Fate.WAITING)
        return next((segment for segment in waiting if after in (None, segment.after)), None)
