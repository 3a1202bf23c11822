"""What a bad line does to octets, repeatable by seed and the same however the octets are cut into portions.

Pure: randomness is passed in.
"""

import math
from dataclasses import dataclass
from random import Random
from typing import Final

__all__ = ["Faults", "Noise"]

_NEVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Faults:
    """Probabilities: of a wrong bit, and per octet of its loss, of one too many before it, and of a burst's begin."""

    bit_errors: float = 0.0
    drops: float = 0.0
    inserts: float = 0.0
    bursts: float = 0.0
    burst_octets: int = 16

    def __post_init__(self) -> None:
        for name in ("bit_errors", "drops", "inserts", "bursts"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} {getattr(self, name)}: expected a probability from 0 to below 1")
        if self.burst_octets < 1:
            raise ValueError(f"burst_octets {self.burst_octets}: expected at least 1")


class Noise:
    """Applies faults; draws one number per fault, not per octet, so that a good line costs nothing."""

    def __init__(self, faults: Faults, random: Random) -> None:
        self._faults: Final = faults
        self._random: Final = random
        self._burst_left = 0
        self._bits_to_error = self._gap(faults.bit_errors)
        self._octets_to = {
            "drop": self._gap(faults.drops),
            "insert": self._gap(faults.inserts),
            "burst": self._gap(faults.bursts),
        }
        self.faults_done = 0

    def apply(self, octets: bytes) -> bytes:
        """The octets as they arrive."""
        count = len(octets)
        quiet = self._burst_left == 0 and min(self._octets_to.values()) >= count and self._bits_to_error >= 8 * count
        if quiet:
            self._bits_to_error -= 8 * count
            for name in self._octets_to:
                self._octets_to[name] -= count
            return octets
        return b"".join(self._one(octet) for octet in octets)

    def _one(self, octet: int) -> bytes:
        if self._happens("burst", self._faults.bursts):
            self._burst_left = self._faults.burst_octets
        octet = self._flipped(octet)
        if self._burst_left:
            self._burst_left -= 1
            octet = self._random.getrandbits(8)
        before = bytes([self._random.getrandbits(8)]) if self._happens("insert", self._faults.inserts) else b""
        return before if self._happens("drop", self._faults.drops) else before + bytes([octet])

    def _flipped(self, octet: int) -> int:
        while self._bits_to_error < 8:
            octet ^= 1 << self._bits_to_error
            self.faults_done += 1
            self._bits_to_error += 1 + self._gap(self._faults.bit_errors)
        self._bits_to_error -= 8
        return octet

    def _happens(self, name: str, probability: float) -> bool:
        happens = self._octets_to[name] == 0
        self._octets_to[name] = self._gap(probability) if happens else self._octets_to[name] - 1
        self.faults_done += happens
        return happens

    def _gap(self, probability: float) -> int:
        """Trials before the next event: a geometric distribution."""
        if probability <= 0.0:
            return _NEVER
        return int(math.log(1.0 - self._random.random()) / math.log(1.0 - probability))
