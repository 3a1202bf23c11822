"""The thread that serves one serial port without the GIL: opens it, reads, writes, reopens; the station decides."""

from firmware_bridge._station import EventTuple

__all__ = ["Line", "now_us"]

def now_us() -> int:
    """CLOCK_MONOTONIC in microseconds: the loop's clock, the same in every process of this machine."""

class Line:
    """One port and its station: `run` serves it until `quit`, in the thread that calls it, without the GIL."""

    def __init__(self, port: str, *, table: int, baud: int, epoch: int = 0) -> None:
        """With `epoch` 0 the first one is taken from the clock."""
    @property
    def open_epoch(self) -> int:
        """The epoch of the open link, 0 when no command is taken."""
    @property
    def has_room(self) -> bool:
        """Whether there is room for the results of more commands."""
    def run(self) -> None:
        """Serve the port until `quit`."""
    def quit(self) -> None:
        """Make `run` return, within a tenth of a second; for good."""
    def submit(self, command_id: int, code: int, body: bytes, ttl_ms: int) -> bool:
        """Queue a command; False when the queue is full."""
    def stop(self, reason: int) -> int:
        """Ask for a stop; its number."""
    def release(self, latch: int) -> None:
        """Ask for the release of this latch."""
    def feed(self, at_us: int = 0) -> None:
        """The core's sign of life: at this time, or now. A time to come counts as now."""
    def fileno(self) -> int:
        """A descriptor that is readable while events wait."""
    def events(self) -> list[EventTuple]:
        """All events that wait, as Station.events gives them."""
    def counters(self) -> dict[str, int]:
        """Every number the line and its station count."""
