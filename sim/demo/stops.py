"""What the person on the floor did and saw, as values."""

from dataclasses import dataclass
from typing import Final

__all__ = ["PERSON", "Stalls", "StopAsked"]

PERSON: Final = "ann"


@dataclass(frozen=True, slots=True)
class StopAsked:
    """A stop that a person asked for; the time is of the machine's monotonic clock.

    With a command `asked_s` is when its process was started, at a kiosk when the finger came down.
    """

    vehicle_id: str
    by_command: bool
    asked_s: float
    at_kiosk: bool = False


@dataclass(frozen=True, slots=True)
class Stalls:
    """How often the agent was late to say that it lives, and how late at most."""

    count: int = 0
    ms_max: int = 0
