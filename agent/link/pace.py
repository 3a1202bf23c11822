"""How many publishes a second leave: a cap from the settings, and a rate that is learned from a broker's refusals.

The rate falls by half when the broker says that it is too much, and grows by a little each second that it does not:
additive increase, multiplicative decrease, which is fair among the many who share a limit and comes to rest near it
(D.-M. Chiu, R. Jain, "Analysis of the increase and decrease algorithms for congestion avoidance", 1989).
"""

from collections import deque
from typing import Final

__all__ = ["Pace"]

HALF: Final = 0.5
RATE_MIN_PER_S: Final = 0.5
RECOVERS_IN_S: Final = 60.0
"""From half of it back to the rate at which the broker last refused."""
CALM_S: Final = 1.0
"""Refusals within this time are of one window of publishes, and count as one."""
FORGOTTEN_AT: Final = 4.0
"""Times the rate that was refused: at so much, nothing is known of a limit any more."""
SENT_KEPT: Final = 256


class Pace:
    """Spaces publishes evenly, so that no second has more than the rate. `cap_per_s` of 0 is no cap."""

    def __init__(self, cap_per_s: float) -> None:
        self._cap_per_s = cap_per_s
        self._learned_per_s = 0.0
        self._refused_per_s = 0.0
        self._refused_at_s = float("-inf")
        self._changed_at_s = 0.0
        self._next_at_s = float("-inf")
        self._sent_at_s: deque[float] = deque(maxlen=SENT_KEPT)

    @property
    def per_s(self) -> float | None:
        """The rate now; None when nothing limits it."""
        rates = [rate for rate in (self._cap_per_s, self._learned_per_s) if rate]
        return min(rates, default=None)

    @property
    def next_at_s(self) -> float:
        """When the next publish may leave."""
        return self._next_at_s

    def sent(self, now_s: float) -> None:
        """A publish left."""
        self._grow(now_s)
        self._sent_at_s.append(now_s)
        rate = self.per_s
        # Up to one publish that was late is made up for, so that a busy loop does not lower the rate.
        self._next_at_s = max(self._next_at_s, now_s - 1 / rate) + 1 / rate if rate else now_s

    def refused(self, now_s: float) -> None:
        """The broker said that it is too much."""
        if now_s - self._refused_at_s < CALM_S:
            return
        went = sum(now_s - at_s <= 1.0 for at_s in self._sent_at_s)
        rate = min(self.per_s or float("inf"), max(went, 1.0))
        self._refused_at_s = self._changed_at_s = now_s
        self._refused_per_s = rate
        self._learned_per_s = max(RATE_MIN_PER_S, rate * HALF)

    def _grow(self, now_s: float) -> None:
        if not self._learned_per_s:
            return
        went_s, self._changed_at_s = now_s - self._changed_at_s, now_s
        self._learned_per_s += self._refused_per_s * HALF * max(0.0, went_s) / RECOVERS_IN_S
        if self._learned_per_s >= self._refused_per_s * FORGOTTEN_AT:
            self._learned_per_s = 0.0
