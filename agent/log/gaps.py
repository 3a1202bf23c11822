"""Declared gaps of a log file: which sequences will not be sent although they were given, and why.

A row of the table `gap` is written in one transaction with the event that declares it. Neighbours of one kind are
one row, so that a long outage leaves a few rows, not one for each tombstone.
"""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from agent.event_types import Stream
from agent.log.records import GONE, PARKED_AS, Gap, GapKind, Place, Span

__all__ = ["GapTable", "Gaps", "absent", "load_gaps"]

_LOAD: Final = "SELECT stream, epoch, first, last, kind FROM gap ORDER BY stream, epoch, first"
_DROP: Final = "DELETE FROM gap WHERE stream = ? AND epoch = ? AND first = ?"
_ADD: Final = "INSERT INTO gap (stream, epoch, first, last, kind) VALUES (?, ?, ?, ?, ?)"
_STREAMS: Final = frozenset(Stream)

Gaps = Mapping[Stream, Sequence[Gap]]
"""By stream, each in the order of the sequences, without overlap."""


def load_gaps(connection: sqlite3.Connection) -> Gaps:
    """All that are on record."""
    found: dict[Stream, list[Gap]] = {}
    for stream, epoch, first, last, kind in connection.execute(_LOAD):
        if stream in _STREAMS:  # a later version may have had more
            found.setdefault(Stream(stream), []).append(Gap(epoch, first, last, kind))
    return {stream: tuple(gaps) for stream, gaps in found.items()}


def absent(gaps: Sequence[Gap], span: Span, *kinds: GapKind) -> int:
    """How many of a span's sequences are not in the log any more, or lie in a gap of one of these kinds."""
    return sum(gap.within(span) for gap in gaps if gap.kind in (kinds or GONE))


class GapTable:
    """The table in one transaction of the writer; `gaps` is what will be true after COMMIT."""

    def __init__(self, connection: sqlite3.Connection, gaps: Gaps) -> None:
        self._connection = connection
        self.gaps: Gaps = gaps

    def add(self, stream: Stream, span: Span, kind: GapKind) -> None:
        """Declare the sequences of a span that no gap has yet; what was parked may be lost later."""
        if kind in GONE:
            self.unpark(stream, span)
        before = list(self.gaps.get(stream, ()))
        after = _merged(before, _parts_outside(before, span, kind))
        self._replace(stream, before, after)

    def remove(self, stream: Stream, span: Span) -> None:
        """The sequences of a span are there again."""
        self._cut(stream, span, (*GONE, *PARKED_AS.values()))

    def unpark(self, stream: Stream, span: Span) -> None:
        """The sequences of a span are not parked any more."""
        self._cut(stream, span, PARKED_AS.values())

    def _cut(self, stream: Stream, span: Span, kinds: Collection[GapKind]) -> None:
        before = list(self.gaps.get(stream, ()))
        after: list[Gap] = []
        for gap in before:
            if not gap.within(span) or gap.kind not in kinds:
                after.append(gap)
                continue
            if gap.first < span.first:
                after.append(gap._replace(last=span.first - 1))
            if gap.last > span.last:
                after.append(gap._replace(first=span.last + 1))
        self._replace(stream, before, after)

    def forget(self, stream: Stream, passed: Place) -> None:
        """Let go of what every consumer has passed, but not of what is parked: nobody has got that."""
        before = list(self.gaps.get(stream, ()))
        kept = [gap for gap in before if Place(gap.epoch, gap.last) > passed or gap.parked_code is not None]
        self._replace(stream, before, kept)

    def parked(self, stream: Stream) -> list[Gap]:
        """A stream's parked ranges, in order."""
        return [gap for gap in self.gaps.get(stream, ()) if gap.parked_code is not None]

    def _replace(self, stream: Stream, before: Sequence[Gap], after: Sequence[Gap]) -> None:
        if before == after:
            return
        kept = set(after)
        for gap in before:
            if gap not in kept:
                self._connection.execute(_DROP, (stream, gap.epoch, gap.first))
        known = set(before)
        for gap in after:
            if gap not in known:
                self._connection.execute(_ADD, (stream, *gap))
        self.gaps = {**self.gaps, stream: tuple(after)}


def _parts_outside(gaps: Sequence[Gap], span: Span, kind: GapKind) -> list[Gap]:
    parts: list[Gap] = []
    first = span.first
    for gap in gaps:
        if gap.within(Span(span.epoch, first, span.last)):
            if first < gap.first:
                parts.append(Gap(span.epoch, first, gap.first - 1, kind))
            first = gap.last + 1
    if first <= span.last:
        parts.append(Gap(span.epoch, first, span.last, kind))
    return parts


def _merged(gaps: Sequence[Gap], more: Sequence[Gap]) -> list[Gap]:
    merged: list[Gap] = []
    for gap in sorted([*gaps, *more]):
        last = merged[-1] if merged else None
        if last and (last.epoch, last.kind, last.last + 1) == (gap.epoch, gap.kind, gap.first):
            merged[-1] = last._replace(last=gap.last)
        else:
            merged.append(gap)
    return merged
