"""When the backlog will be gone, from how fast it has been shrinking: what leaves less what comes in."""

from math import exp
from typing import Final

__all__ = ["Eta"]

SAMPLE_S: Final = 1.0
SMOOTHING_S: Final = 60.0
STALE_S: Final = 10.0
SAMPLES_MIN: Final = 3
HORIZON_S: Final = 30 * 86_400.0


class Eta:
    """Fed with how many events wait, about each second. Times are monotonic."""

    def __init__(self) -> None:
        self._at_s: float | None = None
        self._waiting = 0
        self._shrinks_per_s = 0.0
        self._weight = 0.0
        self._samples = 0

    def due(self, now_s: float) -> bool:
        """Whether it is time for the next sample."""
        return self._at_s is None or now_s - self._at_s >= SAMPLE_S

    def sample(self, waiting: int, now_s: float) -> None:
        """So many events wait now."""
        if self._at_s is None or now_s - self._at_s > STALE_S:
            self._shrinks_per_s = self._weight = 0.0
            self._samples = 0
        elif (went_s := now_s - self._at_s) > 0:
            keep = exp(-went_s / SMOOTHING_S)
            self._shrinks_per_s = keep * self._shrinks_per_s + (1 - keep) * (self._waiting - waiting) / went_s
            self._weight = keep * self._weight + 1 - keep
            self._samples += 1
        self._at_s, self._waiting = now_s, waiting

    def remaining_s(self, now_s: float) -> float | None:
        """How long until nothing waits; None when nothing does, when it is not known yet, and when it grows."""
        stale = self._at_s is None or now_s - self._at_s > STALE_S
        if not self._waiting or stale or self._samples < SAMPLES_MIN or self._shrinks_per_s <= 0:
            return None
        remaining_s = self._waiting / (self._shrinks_per_s / self._weight)
        return remaining_s if remaining_s <= HORIZON_S else None
