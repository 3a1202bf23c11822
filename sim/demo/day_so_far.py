"""What the samples of a running demo add up to: the newest one, and the log's depth over the store day.

The day is kept in a fixed number of buckets, however long the demo runs.
"""

from dataclasses import dataclass, replace
from typing import Final, Self

from sim.demo.summary import LinkState, Sample, StoreDay

__all__ = ["DayColumn", "DaySoFar"]

BUCKETS: Final = 480
_WORST_FIRST: Final = (LinkState.CUT, LinkState.CONNECTING, LinkState.ONLINE)


@dataclass(frozen=True, slots=True)
class DayColumn:
    """One stretch of the day: the deepest log and the worst link within it."""

    waiting_max: int
    link: LinkState


@dataclass(frozen=True, slots=True)
class DaySoFar:
    """Each sample gives the next value, so that one can be drawn while the next is made."""

    day: StoreDay
    latest: Sample
    link_since_s: float
    waiting_max: int = 0
    buckets: tuple[DayColumn | None, ...] = (None,) * BUCKETS

    @classmethod
    def begin(cls, day: StoreDay, sample: Sample) -> Self:
        """The day as the first sample shows it."""
        return cls(day, sample, sample.at_s).after(sample)

    @property
    def link_for_s(self) -> float:
        """How long the link has been as it is."""
        return self.latest.at_s - self.link_since_s

    def after(self, sample: Sample) -> Self:
        """The day with one more sample."""
        place = self._place(sample)
        seen, old = DayColumn(sample.waiting, sample.link), self.buckets[place]
        bucket = _joined([old, seen]) if old else seen
        return replace(
            self,
            latest=sample,
            link_since_s=self.link_since_s if sample.link is self.latest.link else sample.at_s,
            waiting_max=max(self.waiting_max, sample.waiting),
            buckets=(*self.buckets[:place], bucket, *self.buckets[place + 1 :]),
        )

    def columns(self, width: int) -> list[DayColumn]:
        """The day up to now; the whole day would be `width` columns. A stretch without a sample repeats the last."""
        columns: list[DayColumn] = []
        for number in range(width):
            first, end = number * BUCKETS // width, (number + 1) * BUCKETS // width
            if first > self._place(self.latest):
                break
            seen = [bucket for bucket in self.buckets[first : max(first + 1, end)] if bucket]
            columns.append(_joined(seen) if seen else columns[-1] if columns else DayColumn(0, LinkState.CONNECTING))
        return columns

    def _place(self, sample: Sample) -> int:
        return min(BUCKETS - 1, int(self.day.progress(sample.shop_time) * BUCKETS))


def _joined(columns: list[DayColumn]) -> DayColumn:
    links = {column.link for column in columns}
    return DayColumn(
        max(column.waiting_max for column in columns), next(link for link in _WORST_FIRST if link in links)
    )
