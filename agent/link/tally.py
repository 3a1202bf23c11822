"""What the outbox has counted since the start."""

from dataclasses import dataclass

__all__ = ["Tally"]


@dataclass(slots=True)
class Tally:
    """Totals; they only grow."""

    published_events: int = 0
    acknowledged_events: int = 0
    acknowledged_bytes: int = 0
    redelivered_events: int = 0
    unheard_publishes: int = 0
    """Taken by the broker although nobody subscribes (0x10)."""
