"""When the network was away, and what that did to the log: read from a demo's samples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sim.demo.summary import LinkState, Sample

__all__ = ["Outage", "find_outages"]

ORDINARY_SHARE: Final = 0.05  # of the outage's peak: what is waiting then is ordinary traffic again


@dataclass(frozen=True, slots=True)
class Outage:
    """One cut, in seconds of the demo; `waiting_max` is the log's greatest depth until it had caught up again.

    `caught_up_s` counts from the cut's end and is None when that never happened.
    """

    begins_s: float
    ends_s: float
    waiting_max: int
    caught_up_s: float | None

    @property
    def length_s(self) -> float:
        return self.ends_s - self.begins_s


def find_outages(samples: Sequence[Sample]) -> tuple[Outage, ...]:
    """Every time the network was cut on purpose, in order."""
    return tuple(_outage(samples, begin, end) for begin, end in _cuts(samples))


def _cuts(samples: Sequence[Sample]) -> Iterable[tuple[int, int]]:
    """Index of the first sample of each cut and of the first after it."""
    edges = [
        index
        for index, (before, after) in enumerate(pairwise(samples), start=1)
        if (before.link is LinkState.CUT) != (after.link is LinkState.CUT)
    ]
    if samples and samples[0].link is LinkState.CUT:
        edges.insert(0, 0)
    if len(edges) % 2:
        edges.append(len(samples))
    return zip(edges[::2], edges[1::2], strict=True)


def _outage(samples: Sequence[Sample], begin: int, end: int) -> Outage:
    depth = [sample.waiting for sample in samples]
    back_s = samples[min(end, len(samples) - 1)].at_s
    ordinary = max(depth[begin - 1] if begin else 0, int(max(depth[begin : end + 1]) * ORDINARY_SHARE))
    caught_up = next((index for index in range(end, len(samples)) if depth[index] <= ordinary), None)
    return Outage(
        begins_s=samples[begin].at_s,
        ends_s=back_s,
        waiting_max=max(depth[begin:caught_up]),
        caught_up_s=None if caught_up is None else samples[caught_up].at_s - back_s,
    )
