"""The station as Python sees it: for whoever has its own line and clock, and for the line's queues."""

from typing import TypeAlias

__all__ = ["EventTuple", "Station"]

EventTuple: TypeAlias = tuple[int, int, int, int, int, bytes]

class Station:
    """The station for whoever has its own line and clock: tests in line time, and the monitor. Microseconds."""

    def __init__(self, *, table: int, baud: int = 115200, epoch: int = 1, preempts: bool = True) -> None:
        """`epoch` of the first opening; `preempts` False shows in a test what a stop costs without."""
    @property
    def open_epoch(self) -> int:
        """The epoch of the open link, 0 when no command is taken."""
    @property
    def has_room(self) -> bool:
        """Whether there is room for the results of more commands."""
    def port_opened(self, now_us: int) -> None:
        """The line is there: the opening begins."""
    def port_lost(self, now_us: int) -> None:
        """The line went away."""
    def disconnect(self, now_us: int) -> None:
        """Close the link for good."""
    def receive(self, octets: bytes, now_us: int) -> None:
        """Take octets of the line, in any portions."""
    def poll(self, now_us: int) -> tuple[bytes, bool]:
        """The octets to write now, and whether the line's buffer must be emptied first."""
    def deadline_us(self) -> int:
        """When poll has something to do next, if nothing comes in before."""
    def submit(self, command_id: int, code: int, body: bytes, until_us: int) -> bool:
        """Queue a command for the open link; False when the queue is full. The caller saw that the link is open."""
    def stop(self, number: int, reason: int, now_us: int) -> None:
        """Send STOP until it is acknowledged; `number` 1..65535."""
    def release(self, latch: int, now_us: int) -> None:
        """Send RESET for this latch until it is answered, at most ten times."""
    def feed(self, at_us: int) -> None:
        """The core's sign of life at this time."""
    def events(self) -> list[EventTuple]:
        """All events that wait as (kind, at_us, small, number, wide, octets), oldest first, the latest status last."""
    def counters(self) -> dict[str, int]:
        """Every number this station counts, by its name in firmware_bridge.statistics."""
