"""Which sequences of one stream and epoch have not arrived, and whether their device said that they will not. No I/O.

A hole is missing until the device declares it shed, quarantined or parked; see `declarations` for which word changes
what.
"""

from bisect import bisect_right
from collections.abc import Iterable
from enum import StrEnum
from itertools import pairwise

__all__ = ["Gap", "Holes"]


class Gap(StrEnum):
    """What a hole is."""

    MISSING = "missing"
    SHED = "shed"
    QUARANTINED = "quarantined"
    PARKED = "parked"


class Holes:
    """Sequences count from 1. Everything up to `upto` has arrived, except what lies in a hole."""

    def __init__(self, upto: int = 0, holes: Iterable[tuple[int, int, Gap]] = ()) -> None:
        self.upto = upto
        self._holes = {first: (last, gap) for first, last, gap in holes}
        self._firsts = sorted(self._holes)
        self._changes: dict[int, tuple[int, Gap] | None] = {}

    def add(self, sequence: int) -> bool:
        """Marks a sequence as arrived; False when it had arrived before."""
        if sequence > self.upto:
            if sequence > self.upto + 1:
                self._reach(sequence - 1)
            self.upto = sequence
            return True
        found = self._between(sequence, sequence)
        if not found:
            return False
        (first,) = found
        last, gap = self._close(first)
        self._open(first, sequence - 1, gap)
        self._open(sequence + 1, last, gap)
        return True

    def mark(self, first: int, last: int, before: Gap, after: Gap) -> None:
        """Turns what is `before` from `first` to `last` into `after`; raises the high-water mark to `last`."""
        self._reach(last)
        for start in self._between(first, last):
            end, gap = self._holes[start]
            if gap is before:
                self._close(start)
                self._open(start, first - 1, before)
                self._open(max(start, first), min(end, last), after)
                self._open(last + 1, end, before)
        self._join(first - 1, last + 1)

    def unmark(self) -> None:
        """Makes every hole a missing one."""
        for first in list(self._firsts):
            last, gap = self._holes[first]
            if gap is not Gap.MISSING:
                self._close(first)
                self._open(first, last, Gap.MISSING)
        self._join(1, self.upto)

    def spans(self, *gaps: Gap) -> list[tuple[int, int]]:
        """The holes of some kinds, both ends inclusive, in order."""
        return [(first, last) for first in self._firsts for last, gap in [self._holes[first]] if gap in gaps]

    def count(self, gap: Gap) -> int:
        """How many sequences up to the high-water mark are that."""
        return sum(last - first + 1 for first, last in self.spans(gap))

    def count_between(self, first: int, last: int, *gaps: Gap) -> int:
        """How many sequences from `first` to `last` are one of these; what is above the high-water mark is missing."""
        count = max(0, last - max(first, self.upto + 1) + 1) if Gap.MISSING in gaps else 0
        for start in self._between(first, last):
            end, gap = self._holes[start]
            if gap in gaps:
                count += max(0, min(last, end) - max(first, start) + 1)
        return count

    def arrived_between(self, first: int, last: int) -> int:
        """How many sequences from `first` to `last` have arrived."""
        return max(0, last - first + 1) - self.count_between(first, last, *Gap)

    def take_changes(self) -> dict[int, tuple[int, Gap] | None]:
        """Holes by their first sequence that are new or other than at the last call; None: that hole is gone."""
        changes, self._changes = self._changes, {}
        return changes

    def _reach(self, upto: int) -> None:
        """Raises the high-water mark; what is new below it is missing."""
        if upto > self.upto:
            first, self.upto = self.upto + 1, upto
            self._open(first, upto, Gap.MISSING)
            self._join(first - 1, first)  # a declared one may have been released at the mark

    def _between(self, first: int, last: int) -> list[int]:
        """Where the holes begin that have a sequence from `first` to `last`."""
        at = bisect_right(self._firsts, first) - 1
        if at < 0 or self._holes[self._firsts[at]][0] < first:
            at += 1
        return self._firsts[at : bisect_right(self._firsts, last)]

    def _join(self, first: int, last: int) -> None:
        """Makes one of neighbouring holes that are the same, from the one with `first` to the one with `last`."""
        starts = self._between(first, last)
        for before, start in reversed(list(pairwise(starts))):
            end, gap = self._holes[before]
            if end + 1 == start and gap is self._holes[start][1]:
                end, _ = self._close(start)
                self._close(before)
                self._open(before, end, gap)

    def _open(self, first: int, last: int, gap: Gap) -> None:
        if first <= last:
            self._firsts.insert(bisect_right(self._firsts, first), first)
            self._holes[first] = self._changes[first] = (last, gap)

    def _close(self, first: int) -> tuple[int, Gap]:
        del self._firsts[bisect_right(self._firsts, first) - 1]
        self._changes[first] = None
        return self._holes.pop(first)
