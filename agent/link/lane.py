"""One stream's way out: what of it may leave next, and when.

After an outage a stream without strict order leaves from two places: a live part, recorded since the connection came,
and the backlog before it, each in its order. A lane knows no socket, file, clock or message id.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.event_types import Stream
from agent.link.segments import Fate, Segment, Segments
from agent.log.records import START, Place, StoredEvent

__all__ = ["Lane", "Limits", "Offer"]

SEGMENTS_MAX: Final = 1_000  # so much may be settled ahead of an open place, before nothing new leaves
LIVE_TURNS: Final = 3  # of a stream's turns while it has two parts, so many are the live part's, then one the backlog's


@dataclass(frozen=True, slots=True)
class Limits:
    """What a lane has to know of the settings."""

    linger_s: float
    batch_events_max: int
    live_after_events: int
    """A backlog of more events than this lets live ones pass by, where order is not strict."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Events after a place, up to another or as far as there are, that may leave from a moment on."""

    after: Place
    upto: Place | None
    due_at_s: float
    live: bool = False
    suspect: bool = False
    single: bool = False
    """Whether there can be one event only. A suspect that is goes plain, so that none is parked for its encoding."""


class Lane:
    """One stream's state."""

    def __init__(self, stream: Stream, cursor: Place, share: int, limits: Limits, *, strict: bool) -> None:
        self.stream = stream
        self.share = share
        self.virtual = 0.0
        """Bytes sent per share, as the outbox counts them for fairness."""
        self.blocked = ""
        """Why nothing can leave on this connection; empty when it can."""
        self.refusal = ""
        """The broker's last refusal, until it takes a batch again."""
        self.unreadable = ""
        """Why the log could not be read, until it can."""
        self.parked_in_a_row = 0
        """Batches parked since one got through."""
        self._limits = limits
        self._strict = strict
        self._segments = Segments(cursor)
        self._held_until_s = 0.0
        self._head = START
        self._repeated_upto = START
        self._waiting_since_s: float | None = None
        self._sent_at_s = float("-inf")
        self._nothing_before: Place | None = None
        self._live_from: Place | None = None
        self._live_turns = 0
        self._reconnected = False

    @property
    def cursor(self) -> Place:
        """Up to where everything is settled."""
        return self._segments.cursor

    @property
    def settled_ahead(self) -> int:
        """About how many events beyond the cursor need nothing any more."""
        return self._segments.settled_ahead

    # --- what may leave ------------------------------------------------------------------------------------

    def offer(self, now_s: float) -> Offer | None:
        """What is next: of what may leave now the fair one, else what may leave first."""
        if self.blocked:
            return None
        begin = self._live_from
        backlog = self._offer_of(self._segments.cursor, begin, live=False)
        if begin is None:
            return backlog
        live = self._offer_of(begin, None, live=True)
        if backlog is None:
            if self._segments.hole(self._segments.cursor, begin) is None and self._segments.waiting(end=begin) is None:
                self._live_from = None  # the backlog has come up to the live part: one again
            return live
        if live is None or max(live.due_at_s, backlog.due_at_s) > now_s:
            return backlog if live is None else min(live, backlog, key=lambda offer: offer.due_at_s)
        return live if self._live_turns < LIVE_TURNS else backlog

    def _offer_of(self, begin: Place, end: Place | None, *, live: bool) -> Offer | None:
        again = self._segments.waiting(begin if live else START, end)
        hole = self._segments.hole(begin, end)
        if again is not None and (hole is None or again.after < hole[0]):
            return Offer(again.after, again.last, self._held_until_s, live, again.is_suspect, again.is_single)
        if hole is None or (hole[1] is None and len(self._segments) >= SEGMENTS_MAX):
            return None
        after, upto = hole
        if upto is not None:
            return Offer(after, upto, self._held_until_s, live)
        if self._waiting_since_s is None or self._nothing_before == self._head or self._head <= after:
            return None
        full = self._head.epoch != after.epoch or self._head.sequence - after.sequence >= self._limits.batch_events_max
        # What comes after a quiet time leaves at once: nobody is there to wait for.
        lingers_until_s = 0.0 if full else min(self._waiting_since_s, self._sent_at_s) + self._limits.linger_s
        return Offer(after, None, max(self._held_until_s, lingers_until_s), live)

    def repeated(self, after: Place, events: Sequence[StoredEvent]) -> int:
        """How many of these events were handed over before."""
        if any(segment.after == after and segment.fate is Fate.WAITING for segment in self._segments):
            return len(events)
        if events and events[0].place > self._repeated_upto:
            return 0  # as in most cases
        return sum(event.place <= self._repeated_upto for event in events)

    # --- inputs --------------------------------------------------------------------------------------------

    def set_head(self, head: Place, now_s: float) -> None:
        """The log's last event of this stream."""
        if head != self._head:
            self._head = head
            if self._waiting_since_s is None and head > self._end():
                self._waiting_since_s = now_s
        if self._reconnected:
            self._reconnected = False
            self._live_from = (
                head if not self._strict and self._backlog_events() > self._limits.live_after_events else None
            )

    def handed_over(self, after: Place, first: Place, last: Place, now_s: float, *, live: bool) -> Segment:
        """The events after `after` up to `last` went to the broker, in one publish."""
        self._sent_at_s = now_s
        self._live_turns = self._live_turns + 1 if live else 0
        return self._take(after, first, last, Fate.IN_FLIGHT)

    def nothing_read(self, offer_after: Place, upto: Place | None) -> bool:
        """The log has nothing readable there; whether the cursor moved because of it."""
        if upto is None:
            self._nothing_before = self._head
            return False
        return self._segments.cover(offer_after, upto)

    def acknowledged(self, segment: Segment) -> bool:
        """The broker has the segment; whether the cursor moved."""
        self.refusal = self.blocked = ""
        self.parked_in_a_row = 0
        return self._segments.settle(segment)

    def refused(self, segment: Segment, held_until_s: float) -> None:
        """The broker did not take the segment: nothing new leaves this lane before it has."""
        segment.fate = Fate.WAITING
        segment.tries += 1
        segment.breaks = segment.breaks_alone = 0
        self._held_until_s = held_until_s

    def split(self, segment: Segment) -> None:
        """Look for the event that is to blame in each half by itself."""
        self._segments.split(segment)

    def park(self, segment: Segment) -> None:
        """Go on behind a segment; the cursor does so when this is durable."""
        segment.fate = Fate.PARKING
        self.refusal = ""
        self.parked_in_a_row += 1

    def park_unsent(self, after: Place, place: Place) -> Segment:
        """Park one event that was never handed over; returns its segment."""
        segment = self._take(after, place, place, Fate.PARKING)
        self.parked_in_a_row += 1
        return segment

    def parked(self, segment: Segment) -> bool:
        """A segment is parked for good; whether the cursor moved. One from before a rewind means nothing any more."""
        return segment in self._segments and self._segments.settle(segment)

    def could_not_read(self, reason: str, held_until_s: float) -> None:
        """The log gave a fault in place of events: try again later."""
        self.unreadable = reason
        self._held_until_s = max(self._held_until_s, held_until_s)

    def disconnected(self) -> None:
        """Nobody will answer what is in flight: it has to go again. What is settled stays so."""
        for segment in self._segments:
            if segment.fate is Fate.IN_FLIGHT:
                segment.fate = Fate.WAITING

    def clear_suspects(self) -> None:
        """Something else than what was sent ends connections."""
        for segment in self._segments:
            segment.breaks = segment.breaks_alone = 0

    def connected(self) -> None:
        """Another connection may take what the last one did not."""
        self.blocked = ""
        self._held_until_s = 0.0
        self._nothing_before = None
        self._reconnected = True

    def rewind(self, place: Place, now_s: float) -> None:
        """Go back to `place`: everything after it is sent again, but what is parked."""
        self._repeated_upto = max(self._repeated_upto, self._end())
        self._segments.restart(place)
        self._nothing_before = self._live_from = None
        self._waiting_since_s = now_s if self._head > place else None

    def leave_out(self, runs: Iterable[tuple[Place, Place]]) -> None:
        """Do not send the events of these runs, by first and last: they are parked."""
        for first, last in runs:
            if last > self.cursor:
                self._segments.cover(Place(first.epoch, first.sequence - 1), last)

    # --- private -------------------------------------------------------------------------------------------

    def _take(self, after: Place, first: Place, last: Place, fate: Fate) -> Segment:
        segment = self._segments.take(after, first, last, fate)
        if self._end() >= self._head:
            self._waiting_since_s = None
        return segment

    def _end(self) -> Place:
        """Behind the last segment."""
        return max((segment.last for segment in self._segments), default=self.cursor)

    def _backlog_events(self) -> int:
        """About how many events are not sent yet; of the head's epoch only."""
        same = self._head.epoch == self.cursor.epoch
        return self._head.sequence - self.cursor.sequence if same else self._head.sequence
