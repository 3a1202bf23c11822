"""Owns the bridge in this process: the interface `Bridge` over one serial port, served by a thread without the GIL."""

from threading import Thread
from types import TracebackType
from typing import Final, Self

from firmware_bridge._line import Line
from firmware_bridge.commands import Command
from firmware_bridge.errors import CommandRefused, Refusal
from firmware_bridge.events import Event, StopReason
from firmware_bridge.messages import TABLE_HASH, RawEvent, event_of
from firmware_bridge.statistics import Statistics

__all__ = ["BAUD", "SerialBridge"]

BAUD: Final = 115200
"""Unless agreed otherwise with the vehicle."""

LATCHES_MAX: Final = 65535


class SerialBridge:
    """A `Bridge` over the port at this path, best one of /dev/serial/by-id; a missing port is waited for."""

    def __init__(self, port: str, *, baud: int = BAUD) -> None:
        self._port = port
        self._baud = baud
        self._line = Line(port, table=TABLE_HASH, baud=baud)
        self._thread = Thread(target=self._line.run, name=f"bridge {port}", daemon=True)
        self._closed = False
        self._thread.start()

    def __enter__(self) -> Self:
        """The bridge itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def submit(self, command: Command) -> None:
        """Queue a command for the open link, or raise CommandRefused."""
        if self._closed:
            raise CommandRefused(command.command_id, Refusal.CLOSED)
        if not self._line.open_epoch:
            raise CommandRefused(command.command_id, Refusal.LINK_DOWN)
        if not self._line.has_room:
            raise CommandRefused(command.command_id, Refusal.EVENTS_UNREAD)
        if not self._line.submit(command.command_id, command.CODE, command.body(), command.ttl_ms):
            raise CommandRefused(command.command_id, Refusal.QUEUE_FULL)

    def stop(self, reason: StopReason) -> int:
        """Stop the vehicle; the number of this stop. On a closed bridge the vehicle's lease has ended already."""
        return self._line.stop(reason)

    def release(self, latch: int) -> None:
        """Release this latch, because a person asked for it."""
        if not 1 <= latch <= LATCHES_MAX:
            raise ValueError(f"latch {latch}: expected 1..{LATCHES_MAX}")
        self._line.release(latch)

    def feed(self, made_us: int = 0) -> None:
        """The core's sign of life: now, or when it was made, if it came from another process (`now_us`)."""
        self._line.feed(made_us)

    def fileno(self) -> int:
        """A descriptor that is readable while events wait; valid as long as the bridge exists."""
        return self._line.fileno()

    def events(self) -> list[Event]:
        """All events that wait, oldest first, and the latest Status last."""
        return [event_of(RawEvent(*raw), self._port, self._baud) for raw in self._line.events()]

    def statistics(self) -> Statistics:
        """Counters since the bridge was made."""
        return Statistics(**self._line.counters())

    def close(self) -> None:
        """Close link and port: DISC goes out, then the thread ends, within a tenth of a second."""
        self._closed = True
        self._line.quit()
        self._thread.join()
