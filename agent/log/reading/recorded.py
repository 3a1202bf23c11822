"""Where the events lie that were recorded within some time, found without reading the whole log. It never writes.

Rows are in the order in which they were recorded, and the clock only goes on, except where somebody set it. So of each
stretch of rows the first one is looked at: where wall clock and monotonic clock went the same way up to the next, all
between was recorded between the two, and a stretch that lies elsewhere is passed over. All others are read row by row.
What can be overlooked are events whose clock was set to that time by mistake, and back again, within one stretch.
"""

import sqlite3
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from agent.errors import LogUnreadable
from agent.event_types import Stream
from agent.log.reading.look import Window
from agent.log.records import SEQUENCE_BITS, START, Place, Span
from agent.log.schema import event_table, fault_of, open_reader

__all__ = ["Recorded", "RecordedRun", "RecordedSearch"]

STRETCH: Final = 512
"""A page holds about six events, so one page in 85 is read, where nothing was recorded in the time asked for."""
SLEWED_MS: Final = 1_000
SLEWED_PART: Final = 0.001
"""Clocks are slewed (by up to 0.05 %) as well as stepped: so little apart, two clocks went the same way."""

_FIRST: Final = """
    SELECT place, recorded_ms, boot, monotonic_us FROM {table} WHERE place >= ? AND place <= ? ORDER BY place LIMIT 1
"""
_LAST: Final = """
    SELECT place, recorded_ms, boot, monotonic_us FROM {table} WHERE place >= ? AND place <= ?
    ORDER BY place DESC LIMIT 1
"""
_END: Final = (1 << 62) - 1
_ROWS: Final = "SELECT place, recorded_ms, length(body) FROM {table} WHERE place >= ? AND place <= ? ORDER BY place"


class RecordedRun(NamedTuple):
    """Events of one epoch, by first and last: how many there are, and the bytes of their bodies."""

    first: Place
    last: Place
    events: int
    size_bytes: int


class Recorded(NamedTuple):
    """What was found of one stream. `left_out` counts events within the spans that nobody wanted."""

    runs: Sequence[RecordedRun]
    left_out: int
    damaged: bool
    """Whether a part of the file could not be read, so that events may be missing here."""


class _Row(NamedTuple):
    key: int
    recorded_ms: int
    boot: int
    monotonic_us: int


class RecordedSearch:
    """One log file, opened to read with a connection of its own; every read is short. For one thread.

    Every method raises StorageFailed when the disk fails.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._connection = open_reader(file)
        except sqlite3.Error as error:
            raise fault_of(file, error) from error
        self._damaged: set[Stream] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def find(self, stream: Stream, window: Window, upto: Place, without: Sequence[Span] = ()) -> Recorded:
        """The events up to a place that were recorded within a window, but those of some spans that do not overlap."""
        spans = sorted((Place(one.epoch, one.first).key, Place(one.epoch, one.last).key) for one in without)
        runs: list[list[int]] = []  # first and last key, events, bytes
        goes_on, left_out = False, 0
        for rows in self._stretches(stream, window, START, upto):
            goes_on = goes_on and bool(rows)
            for key, recorded_ms, size_bytes in rows:
                inside = window.from_ms <= recorded_ms < window.before_ms
                if inside and _lies_in(spans, key):
                    inside, left_out = False, left_out + 1
                if not inside:
                    goes_on = False
                elif goes_on and key >> SEQUENCE_BITS == runs[-1][1] >> SEQUENCE_BITS:
                    run = runs[-1]
                    run[1] = key
                    run[2] += 1
                    run[3] += size_bytes
                else:
                    runs.append([key, key, 1, size_bytes])
                    goes_on = True
        found = [RecordedRun(Place.of_key(first), Place.of_key(last), *counts) for first, last, *counts in runs]
        return Recorded(found, left_out, stream in self._damaged)

    def any_after(self, stream: Stream, window: Window, after: Place, upto: Place) -> bool:
        """Whether an event between two places was recorded within a window."""
        return any(
            window.from_ms <= recorded_ms < window.before_ms
            for rows in self._stretches(stream, window, after, upto)
            for _, recorded_ms, _ in rows
        )

    def oldest(self, stream: Stream) -> tuple[Place, int] | None:
        """The first event that is still there, and when it was recorded (wall clock, milliseconds)."""
        found = self._query(_FIRST, stream, 0, _END)
        return (Place.of_key(found[0][0]), found[0][1]) if found else None

    def _stretches(self, stream: Stream, window: Window, after: Place, upto: Place) -> Iterator[list[tuple[int, ...]]]:
        """All stretches between two places in order, each as its rows; an empty one was recorded at another time."""
        begin = self._next(stream, after.key + 1, upto.key)
        while begin is not None:
            following = self._next(stream, begin.key + STRETCH, upto.key)
            end = [following] if following else self._query(_LAST, stream, begin.key, upto.key)
            if end and _is_outside(begin, _Row(*end[0]), window):
                yield []
            else:
                yield self._query(_ROWS, stream, begin.key, min(begin.key + STRETCH - 1, upto.key)) or []
            begin = following

    def _next(self, stream: Stream, key: int, last: int) -> _Row | None:
        """The first row from a key on, behind damage if need be."""
        damaged, step = key, STRETCH
        found = self._query(_FIRST, stream, key, last)
        while found is None and (key := damaged + step) <= last:  # epochs lie 2**40 keys apart, on one page maybe
            found = self._query(_FIRST, stream, key, last)
            if found is None:
                damaged, step = key, 2 * step
        while found is not None and key - damaged > STRETCH:
            middle = (damaged + key) // 2
            nearer = self._query(_FIRST, stream, middle, last)
            if nearer is None:
                damaged = middle
            else:
                key, found = middle, nearer
        return _Row(*found[0]) if found else None

    def _query(self, statement: str, stream: Stream, first: int, last: int) -> list[tuple[int, ...]] | None:
        """Rows, or None where the file is damaged."""
        try:
            return self._connection.execute(statement.format(table=event_table(stream)), (first, last)).fetchall()
        except sqlite3.Error as error:
            fault = fault_of(self._file, error)
            if not isinstance(fault, LogUnreadable):
                raise fault from error
            self._damaged.add(stream)
            return None


def _lies_in(spans: Sequence[tuple[int, int]], key: int) -> bool:
    at = bisect_right(spans, (key, _END))
    return at > 0 and key <= spans[at - 1][1]


def _is_outside(begin: _Row, end: _Row, window: Window) -> bool:
    """Whether everything from one row to another was surely recorded at another time than this."""
    went_ms = (end.monotonic_us - begin.monotonic_us) / 1_000
    slewed_ms = SLEWED_MS + SLEWED_PART * went_ms
    stepped = end.boot != begin.boot or abs(end.recorded_ms - begin.recorded_ms - went_ms) > slewed_ms
    first_ms, last_ms = sorted((begin.recorded_ms, end.recorded_ms))
    return not stepped and (last_ms + slewed_ms < window.from_ms or first_ms - slewed_ms >= window.before_ms)
