"""How good one direction of a line is, and when bytes sent over it arrive. It knows no socket and no clock.

The proxy stands between two TCP connections, so nothing that TCP hides shows: a lost segment is one that comes late,
with everything behind it waiting, because TCP sends it again and hands over in order. Not modelled: a sender that slows
down because of the loss.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

__all__ = ["PERFECT", "SEGMENT_OCTETS_MAX", "Bottleneck", "LineQuality", "Pace"]

SEGMENT_OCTETS_MAX: Final = 1_448
"""What a TCP segment carries on Ethernet, with time stamps (RFC 7323)."""

RETRANSMIT_MIN_S: Final = 0.2  # as Linux has it (TCP_RTO_MIN); doubles with each further loss (RFC 6298, 5.5)
LOSSES_IN_A_ROW_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class LineQuality:
    """One direction of a line; the default is a perfect one."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    """A segment takes up to so much more or less."""
    bits_per_s: int = 0
    """0: as many as the machine can."""
    loss: float = 0.0
    """Part of the segments that TCP has to send again."""
    flips: float = 0.0
    """Part of the segments in which one bit arrives wrong."""

    def __post_init__(self) -> None:
        if min(self.latency_s, self.jitter_s, self.bits_per_s) < 0 or self.jitter_s > self.latency_s:
            raise ValueError(f"{self}: expected no negative number, and jitter within the latency")
        for name in ("loss", "flips"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} {getattr(self, name)}: expected a part from 0 to below 1")


PERFECT: Final = LineQuality()


class Bottleneck:
    """The narrow place that all connections share: one byte after the other, so many a second."""

    def __init__(self, bits_per_s: int) -> None:
        self._s_per_octet = 8 / bits_per_s if bits_per_s else 0.0
        self._free_at_s = 0.0

    def left_s(self, octets: int, now_s: float) -> float:
        """When the last of the octets that come now is through."""
        self._free_at_s = max(now_s, self._free_at_s) + octets * self._s_per_octet
        return self._free_at_s


class Pace:
    """When the segments of one connection arrive: never before those sent earlier."""

    def __init__(self, quality: LineQuality, bottleneck: Bottleneck, random: Random) -> None:
        self._quality = quality
        self._bottleneck = bottleneck
        self._random = random
        self._last_s = 0.0

    def arrival_s(self, octets: int, now_s: float) -> float:
        """When a segment of so many octets, sent now, is there."""
        quality = self._quality
        way_s = quality.latency_s + self._random.uniform(-quality.jitter_s, quality.jitter_s) + self._lost_s()
        self._last_s = max(self._last_s, self._bottleneck.left_s(octets, now_s) + way_s)
        return self._last_s

    def _lost_s(self) -> float:
        """How long it takes TCP to notice and send again, as often as the segment is lost."""
        lost_s, timeout_s = 0.0, max(RETRANSMIT_MIN_S, 2 * self._quality.latency_s)
        for _ in range(LOSSES_IN_A_ROW_MAX):
            if self._random.random() >= self._quality.loss:
                break
            lost_s += timeout_s
            timeout_s *= 2
        return lost_s
