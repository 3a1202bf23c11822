"""How long the benchmarks of the link take."""

from dataclasses import dataclass
from typing import Final, Self

__all__ = ["LinkEffort"]

LEDGER_EVENTS_MAX: Final = 100_000
SLOW_EVENTS_MAX: Final = 2_000
SLOW_PAIRS_MAX: Final = 3  # one takes a minute


@dataclass(frozen=True, slots=True)
class LinkEffort:
    """`events` of the backlog, `pairs` of runs, `samples` of the till in a run, the longest wait of a reconnect."""

    events: int = 500_000
    pairs: int = 5
    samples: int = 100
    backoff_max_s: float = 8.0
    slow_events_max: int = SLOW_EVENTS_MAX

    @classmethod
    def quick(cls) -> Self:
        """For a look in passing: a minute, in which each figure is taken once."""
        return cls(events=20_000, pairs=1, samples=40, backoff_max_s=4.0, slow_events_max=300)

    @property
    def ledger_events(self) -> int:
        """A ledger counts them one by one."""
        return min(self.events, LEDGER_EVENTS_MAX)

    @property
    def slow_events(self) -> int:
        """Over 3G each thousand takes 22 s."""
        return min(self.events, self.slow_events_max)

    @property
    def slow_pairs(self) -> int:
        """Of what waits for a line, or for a broker that is away."""
        return min(self.pairs, SLOW_PAIRS_MAX)
