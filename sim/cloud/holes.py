"""Which sequences of one stream and epoch have arrived, as a high-water mark and the holes below it. No I/O."""

from bisect import bisect_right
from collections.abc import Iterable

__all__ = ["Holes"]


class Holes:
    """Sequences count from 1. Everything up to `upto` has arrived, except what lies in a hole."""

    def __init__(self, upto: int = 0, holes: Iterable[tuple[int, int]] = ()) -> None:
        self.upto = upto
        self._lasts = dict(holes)
        self._firsts = sorted(self._lasts)
        self._changes: dict[int, int | None] = {}

    def add(self, sequence: int) -> bool:
        """Marks a sequence as arrived; False when it had arrived before."""
        if sequence > self.upto:
            if sequence > self.upto + 1:
                self._open(self.upto + 1, sequence - 1)
            self.upto = sequence
            return True
        at = bisect_right(self._firsts, sequence) - 1
        if at < 0 or self._lasts[self._firsts[at]] < sequence:
            return False
        first = self._firsts[at]
        last = self._close(first)
        if first < sequence:
            self._open(first, sequence - 1)
        if sequence < last:
            self._open(sequence + 1, last)
        return True

    def missing(self) -> list[tuple[int, int]]:
        """The holes, both ends inclusive, in order."""
        return [(first, self._lasts[first]) for first in self._firsts]

    def missing_between(self, first: int, last: int) -> int:
        """How many sequences from `first` to `last` have not arrived, those above the high-water mark included."""
        if last < first:
            return 0
        count = max(0, last - max(first, self.upto + 1) + 1)
        at = max(0, bisect_right(self._firsts, first) - 1)
        for start in self._firsts[at:]:
            if start > last:
                break
            count += max(0, min(last, self._lasts[start]) - max(first, start) + 1)
        return count

    def missing_count(self) -> int:
        """How many sequences below the high-water mark have not arrived."""
        return sum(last - first + 1 for first, last in self._lasts.items())

    def take_changes(self) -> dict[int, int | None]:
        """Holes by their first sequence that are new or other than at the last call; None: that hole is gone."""
        changes, self._changes = self._changes, {}
        return changes

    def _open(self, first: int, last: int) -> None:
        self._firsts.insert(bisect_right(self._firsts, first), first)
        self._lasts[first] = last
        self._changes[first] = last

    def _close(self, first: int) -> int:
        del self._firsts[bisect_right(self._firsts, first) - 1]
        self._changes[first] = None
        return self._lasts.pop(first)
