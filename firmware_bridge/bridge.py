"""Owns the interface between whoever drives a vehicle and the serial line to it; two shells implement it."""

from typing import Final, Protocol

from firmware_bridge.commands import Command
from firmware_bridge.events import Event, StopReason
from firmware_bridge.statistics import Statistics

__all__ = ["LEASE_MS", "TOKEN_INTERVAL_MS", "Bridge"]

LEASE_MS: Final = 250
"""A vehicle may move this long after the core's last sign of life."""

TOKEN_INTERVAL_MS: Final = 50
"""How often the core says that it lives."""


class Bridge(Protocol):
    """One vehicle's serial line. No method waits: not for the line, the vehicle or a disk."""

    def submit(self, command: Command) -> None:
        """Queue a command, or raise CommandRefused: then it never reaches the line. Its fate comes as events."""

    def stop(self, reason: StopReason) -> int:
        """Stop the vehicle, from any thread, in any state; the stop's number, as StopAcknowledged will carry it."""

    def release(self, latch: int) -> None:
        """Release the latch with this number (1..65535). Only ever call it because a person asked for it."""

    def feed(self) -> None:
        """The core's sign of life: call it from the mission loop every 50 ms, never from a timer thread."""

    def fileno(self) -> int:
        """A descriptor that is readable while events wait."""

    def events(self) -> list[Event]:
        """All events that wait, oldest first, and the latest Status last. Unread results make the vehicle wait."""

    def statistics(self) -> Statistics:
        """Counters since the bridge was made."""

    def close(self) -> None:
        """Close the link and the port. The vehicle stops when its lease ends. May be called again."""
