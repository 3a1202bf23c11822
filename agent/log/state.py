"""What the log knows without asking the file: epochs, heads and cursors, a few values per stream."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from agent.event_types import Stream
from agent.log.gaps import Gaps, absent, load_gaps
from agent.log.jobs import EpochReason
from agent.log.records import GONE, PARKED_AS, START, Place, Span
from agent.log.schema import event_table

__all__ = ["CLOUD", "LogState", "load_heads"]

CLOUD: Final = "cloud"
"""The consumer that forwards events; its cursor is what the cloud has acknowledged."""

_STREAMS: Final = frozenset(Stream)
_LAST_BEFORE: Final = "SELECT max(place) FROM {table} WHERE place < ?"


@dataclass(frozen=True, slots=True)
class LogState:
    """One durable moment of the log; a new one replaces it with each commit.

    Heads hold the last sequence of each stream and epoch that still has rows. The newest row of a stream is never
    deleted, so that its sequence is not given twice.
    """

    epochs: Mapping[int, str]
    reasons: Mapping[int, EpochReason]
    heads: Mapping[tuple[Stream, int], int]
    cursors: Mapping[tuple[str, Stream], Place]
    gaps: Gaps

    @classmethod
    def load(cls, connection: sqlite3.Connection) -> Self:
        """Read it from the file; the cost does not depend on how many events there are."""
        return cls(
            epochs=dict(connection.execute("SELECT number, id FROM epoch")),
            reasons=dict(connection.execute("SELECT number, reason FROM epoch")),
            heads=load_heads(connection),
            cursors={
                (consumer, Stream(stream)): Place(epoch, sequence)
                for consumer, stream, epoch, sequence in connection.execute(
                    "SELECT consumer, stream, epoch, sequence FROM cursor"
                )
                if stream in _STREAMS  # a later version may have had more
            },
            gaps=load_gaps(connection),
        )

    @property
    def epoch(self) -> int:
        """The current epoch's number; 0 before the first."""
        return max(self.epochs, default=0)

    def head(self, stream: Stream) -> Place:
        """The last event of a stream in its newest epoch that has any."""
        return max((Place(epoch, last) for (of, epoch), last in self.heads.items() if of is stream), default=START)

    def cursor(self, consumer: str, stream: Stream) -> Place:
        """How far a consumer has come."""
        return self.cursors.get((consumer, stream), START)

    def unread(self, consumer: str, stream: Stream) -> list[Span]:
        """What a consumer has not passed yet, one span per epoch, in order."""
        at = self.cursor(consumer, stream)
        spans = (
            Span(epoch, at.sequence + 1 if epoch == at.epoch else 1, last)
            for (of, epoch), last in self.heads.items()
            if of is stream and epoch >= at.epoch
        )
        return sorted(span for span in spans if span.first <= span.last)

    def waiting(self, consumer: str, stream: Stream) -> int:
        """How many events of a stream a consumer will still get; the cloud does not get what is parked."""
        gaps = self.gaps.get(stream, ())
        kinds = (*GONE, *PARKED_AS.values()) if consumer == CLOUD else GONE
        return sum(span.last - span.first + 1 - absent(gaps, span, *kinds) for span in self.unread(consumer, stream))


def load_heads(connection: sqlite3.Connection, streams: Iterable[Stream] = Stream) -> dict[tuple[Stream, int], int]:
    """The last sequence of each stream and epoch that has rows."""
    heads = {}
    for stream in streams:
        before = 1 << 62
        while key := connection.execute(_LAST_BEFORE.format(table=event_table(stream)), (before,)).fetchone()[0]:
            epoch, heads[stream, epoch] = Place.of_key(key)
            before = Place(epoch, 0).key
    return heads
