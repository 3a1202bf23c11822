"""One figure of a benchmark beside its ceiling, and how figures are taken: medians of repeated runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Final, Self

from agent.clock import Clock

__all__ = ["Effort", "Figure", "paired", "per_second", "quantile", "rate", "time"]

REPEATS: Final = 5


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a benchmark takes: `run_s` for each repeat of a loop, and how many samples where each one waits."""

    run_s: float = 0.4
    turnarounds: int = 500
    stops: int = 1000

    @classmethod
    def quick(cls) -> Self:
        """For a look in passing: seconds, and quantiles that are the worst of few."""
        return cls(run_s=0.05, turnarounds=60, stops=60)


@dataclass(frozen=True, slots=True)
class Figure:
    """`ratio` is how many times better than the ceiling, below 1 for worse; the note says what the ceiling is.

    Where the note says `lower is better`, it is how many times the ceiling.
    """

    name: str
    value: float
    unit: str
    ceiling: float
    ratio: float
    note: str


def rate(name: str, value: float, unit: str, ceiling: float, note: str) -> Figure:
    """A figure of which more is better."""
    return Figure(name, round(value, 3), unit, round(ceiling, 3), round(value / ceiling, 3), note)


def time(name: str, value: float, unit: str, ceiling: float, note: str) -> Figure:
    """A figure of which less is better."""
    return Figure(name, round(value, 3), unit, round(ceiling, 3), round(ceiling / value, 3), note)


def paired(name: str, unit: str, pairs: Sequence[tuple[float, float]], note: str) -> Figure:
    """A figure of runs that each stand beside their own ceiling: medians, and the spread of the ratios in the note."""
    values, ceilings = zip(*pairs, strict=True)
    ratios = [value / ceiling for value, ceiling in pairs]
    spread = f"ratio {min(ratios):.2f} to {max(ratios):.2f}, value {min(values):,.4g} to {max(values):,.4g}"
    value, ceiling, ratio = (round(median(side), 3) for side in (values, ceilings, ratios))
    return Figure(name, value, unit, ceiling, ratio, f"{note}; {len(pairs)} pairs, {spread}")


def per_second(call: Callable[[], object], clock: Clock, run_s: float) -> float:
    """Calls a second: the median of repeated runs of at least `run_s`."""
    call()
    return median(_calls_per_s(call, clock, run_s) for _ in range(REPEATS))


def quantile(samples: Sequence[float], part: float) -> float:
    """The smallest sample that this part of all samples does not exceed."""
    return sorted(samples)[max(ceil(len(samples) * part), 1) - 1]


def _calls_per_s(call: Callable[[], object], clock: Clock, run_s: float) -> float:
    calls, began_s = 0, clock.monotonic_s()
    while (took_s := clock.monotonic_s() - began_s) < run_s:
        for _ in range(10):
            call()
        calls += 10
    return calls / took_s
