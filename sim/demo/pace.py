"""How fast events came, read from a demo's samples."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from sim.demo.summary import Sample

__all__ = ["events_per_s_max"]

WINDOW_S: Final = 1.0


def events_per_s_max(samples: Sequence[Sample]) -> float:
    """The most events that the log took in a second: over any stretch of samples that is a second or little more."""
    fastest, window = 0.0, deque[Sample]()
    for sample in samples:
        window.append(sample)
        while len(window) > 2 and sample.at_s - window[1].at_s >= WINDOW_S:
            window.popleft()
        length_s = sample.at_s - window[0].at_s
        if length_s >= WINDOW_S:
            fastest = max(fastest, (sample.accepted - window[0].accepted) / length_s)
    return fastest
