"""One direction of the whole line: what all its connections share."""

import asyncio
from enum import StrEnum
from typing import Final

from sim.network.faults import PacketFaults
from sim.network.quality import Bottleneck, LineQuality

__all__ = ["Direction", "Way"]


class Direction(StrEnum):
    """Seen from the device."""

    UP = "up"
    DOWN = "down"


class Way:
    """One direction: its quality, its faults, whether anything passes, and what has passed."""

    def __init__(self, quality: LineQuality) -> None:
        self.quality: Final = quality
        self.bottleneck: Final = Bottleneck(quality.bits_per_s)
        self.faults: Final = PacketFaults()
        self.open: Final = asyncio.Event()
        self.open.set()
        self.octets = 0
        """Arrived at the far side."""
