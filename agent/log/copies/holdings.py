"""What one log file has that another has not: asked before the one takes the other's place."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from agent.errors import EnvironmentFault
from agent.event_types import Stream
from agent.log.copies.check import tables_of
from agent.log.gaps import Gaps, absent, load_gaps
from agent.log.records import START, Place, Span
from agent.log.schema import event_table, fault_of, open_reader
from agent.log.state import load_heads

__all__ = ["Difference", "Holdings", "difference", "newest_epoch"]

_EPOCHS: Final = "SELECT number, id FROM epoch"
_CURSORS: Final = "SELECT stream, epoch, sequence FROM cursor WHERE consumer = ?"


@dataclass(frozen=True, slots=True)
class Difference:
    """Events of one log that another has not; of these, those that a consumer has not passed."""

    events: int
    unread: int
    related: bool
    """Whether the two have an epoch in common, so that one is an earlier state of the other."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """A log file's epochs and how far each stream and one consumer has come in them."""

    epochs: Mapping[int, str]
    heads: Mapping[tuple[Stream, int], int]
    cursors: Mapping[Stream, Place]
    gaps: Gaps

    @classmethod
    def read(cls, file: Path, consumer: str) -> Self:
        """Of a file of this format or an earlier one.

        Raises:
            LogUnreadable, StorageFailed: it cannot be read.
        """
        try:
            with closing(open_reader(file)) as connection:
                tables = tables_of(connection)
                connection.text_factory = str
                streams = [stream for stream in Stream if event_table(stream) in tables]
                return cls(
                    epochs=dict(connection.execute(_EPOCHS)),
                    heads=load_heads(connection, streams),
                    cursors={
                        Stream(stream): Place(*place)
                        for stream, *place in connection.execute(_CURSORS, (consumer,))
                        if stream in streams
                    },
                    gaps=load_gaps(connection) if "gap" in tables else {},
                )
        except sqlite3.Error as error:
            raise fault_of(file, error) from error


def difference(present: Path, other: Path, consumer: str) -> Difference | None:
    """What `present` has beyond `other`; None when it cannot be read.

    Raises:
        LogUnreadable, StorageFailed: `other` cannot be read.
    """
    theirs = Holdings.read(other, consumer)
    try:
        ours = Holdings.read(present, consumer)
    except EnvironmentFault:
        return None
    known = {(stream, theirs.epochs[number]): last for (stream, number), last in theirs.heads.items()}
    events = unread = 0
    for (stream, number), last in ours.heads.items():
        first = known.get((stream, ours.epochs[number]), 0) + 1
        events += _there(ours, stream, Span(number, first, last))
        cursor = ours.cursors.get(stream, START)
        if cursor.epoch <= number:
            passed = cursor.sequence if cursor.epoch == number else 0
            unread += _there(ours, stream, Span(number, max(first, passed + 1), last))
    return Difference(events, unread, related=bool(set(ours.epochs.values()) & set(theirs.epochs.values())))


def newest_epoch(file: Path) -> int:
    """The highest number of an epoch in a file; 0 when it cannot be read."""
    try:
        with closing(open_reader(file)) as connection:
            return max((number for number, _ in connection.execute(_EPOCHS)), default=0)
    except sqlite3.Error:
        return 0


def _there(holdings: Holdings, stream: Stream, span: Span) -> int:
    return max(0, span.last - span.first + 1 - absent(holdings.gaps.get(stream, ()), span))
