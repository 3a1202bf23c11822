"""How streams share a busy connection."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agent.event_types import Stream

__all__ = ["SHARES"]

SHARES: Final[Mapping[Stream, int]] = MappingProxyType(
    {
        Stream.SALES: 8,
        Stream.STOCK: 4,
        Stream.AGV: 4,
        Stream.AUDIT: 4,
        Stream.KIOSK: 2,
        Stream.TOUCH: 2,
        Stream.HEALTH: 1,
        Stream.SENSOR: 1,
    }
)
"""What each stream gets of a busy connection, in parts of the sum of those that have something to send."""
