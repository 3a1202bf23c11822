"""How many events a producer may send per second: a token bucket each. It knows no clock.

A call may be larger than what is left: it is let in and the debt is waited off, so that the long run keeps the
rate whatever the size of the calls.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

__all__ = ["ProducerRates"]

PRODUCERS_MAX: Final = 1_000  # the longest idle is forgotten, and so starts full again
BURST_S: Final = 1.0


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class ProducerRates:
    """One bucket per producer, `events_per_s` deep and wide."""

    def __init__(self, events_per_s: float) -> None:
        self._per_s = events_per_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def wait_s(self, producer: str, now_s: float) -> float:
        """How long this producer has to wait before its next call; 0 when it may come in."""
        tokens = self._filled(producer, now_s).tokens
        return 0.0 if tokens > 0 else (1.0 - tokens) / self._per_s

    def spend(self, producer: str, events: int, now_s: float) -> None:
        """This many events were let in."""
        self._filled(producer, now_s).tokens -= events

    def _filled(self, producer: str, now_s: float) -> _Bucket:
        depth = self._per_s * BURST_S
        bucket = self._buckets.get(producer)
        if bucket is None:
            bucket = self._buckets[producer] = _Bucket(depth, now_s)
            if len(self._buckets) > PRODUCERS_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(producer)
        bucket.tokens = min(depth, bucket.tokens + (now_s - bucket.at_s) * self._per_s)
        bucket.at_s = now_s
        return bucket
