"""One direction of a serial line in line time: octets and the time go in, octets come out when they are through.

Pure: it reads no clock and opens nothing. Times are nanoseconds of any clock that only goes forward.
"""

from typing import Final

__all__ = ["LatencyTimer", "Wire"]

BUFFER_OCTETS_MAX: Final = 4096
"""What a tty keeps for its driver (drivers/tty/serial: UART_XMIT_SIZE)."""

BITS_PER_OCTET: Final = 10
"""Start, eight data bits, stop."""

USB_PACKET_OCTETS: Final = 62
"""Data octets of a 64-octet USB packet of a serial adapter: a full one does not wait for its timer."""

_NS_PER_S: Final = 1_000_000_000


class Wire:
    """A transmit buffer and a line behind it that takes one octet after the other."""

    def __init__(self, baud: int, buffer_octets_max: int = BUFFER_OCTETS_MAX) -> None:
        if baud <= 0:
            raise ValueError(f"baud {baud}: expected more than 0")
        self._baud: Final = baud
        self._buffer_octets_max: Final = buffer_octets_max
        self._waiting = bytearray()
        self._through = bytearray()
        self._began_ns = 0  # the first octet of a row without a gap
        self._octets_of_row = 0  # of this row, that are through
        self._stands_until_ns = 0

    @property
    def room(self) -> int:
        """How many octets `feed` takes."""
        return self._buffer_octets_max - len(self._waiting)

    def feed(self, octets: bytes, now_ns: int) -> None:
        """Puts octets behind those that wait; more than `room` is the caller's error."""
        self._advance(now_ns)
        if len(octets) > self.room:
            raise ValueError(f"{len(octets)} octets for a buffer with room for {self.room}")
        if octets and not self._waiting:
            self._begin_row(max(now_ns, self._stands_until_ns))
        self._waiting += octets

    def take(self, now_ns: int) -> bytes:
        """The octets whose last bit is through by now."""
        self._advance(now_ns)
        through = bytes(self._through)
        self._through.clear()
        return through

    def flush(self, now_ns: int) -> int:
        """Drops what has not begun, as tcflush(3) does; the octet on the line goes through. Returns how many."""
        self._advance(now_ns)
        begun = 1 if self._waiting and now_ns > self._through_at_ns(0) else 0
        dropped = len(self._waiting) - begun
        del self._waiting[begun:]
        return max(0, dropped)

    def stall(self, duration_ns: int, now_ns: int) -> None:
        """Nothing moves for a while; nothing is lost."""
        self._advance(now_ns)
        self._began_ns += duration_ns
        self._stands_until_ns = max(self._stands_until_ns, now_ns) + duration_ns

    def clear(self) -> None:
        """Loses everything, as a pulled plug does."""
        self._waiting.clear()
        self._through.clear()

    def next_ns(self) -> int | None:
        """When the next octet is through; none while nothing waits."""
        return self._through_at_ns(1) if self._waiting else None

    def empty_ns(self) -> int | None:
        """When the last octet is through; none while nothing waits."""
        return self._through_at_ns(len(self._waiting)) if self._waiting else None

    def _begin_row(self, now_ns: int) -> None:
        self._began_ns = now_ns
        self._octets_of_row = 0

    def _through_at_ns(self, waiting: int) -> int:
        # From the row's beginning, never from the octet before: rounding must not add up. Rounded up: never early.
        bits = (self._octets_of_row + waiting) * BITS_PER_OCTET
        return self._began_ns - (-bits * _NS_PER_S // self._baud)

    def _advance(self, now_ns: int) -> None:
        if not self._waiting or now_ns <= self._began_ns:
            return
        of_row = (now_ns - self._began_ns) * self._baud // (BITS_PER_OCTET * _NS_PER_S)
        count = min(of_row - self._octets_of_row, len(self._waiting))
        if count > 0:
            self._through += self._waiting[:count]
            del self._waiting[:count]
            self._octets_of_row += count


class LatencyTimer:
    """A USB adapter on the way to the host: octets wait for a full packet or for its timer (FTDI AN232B-04)."""

    def __init__(self, latency_ns: int) -> None:
        self._latency_ns: Final = latency_ns
        self._waiting = bytearray()
        self._first_came_ns = 0

    def feed(self, octets: bytes, now_ns: int) -> None:
        """Octets came off the line."""
        if octets and not self._waiting:
            self._first_came_ns = now_ns
        self._waiting += octets

    def take(self, now_ns: int) -> bytes:
        """The octets the host gets now."""
        due_ns = self.next_ns()
        if due_ns is None:
            return b""
        packets = len(self._waiting) // USB_PACKET_OCTETS * USB_PACKET_OCTETS
        count = len(self._waiting) if now_ns >= due_ns else packets
        taken = bytes(self._waiting[:count])
        del self._waiting[:count]
        if taken:
            self._first_came_ns = now_ns
        return taken

    def clear(self) -> None:
        """Loses everything."""
        self._waiting.clear()

    def next_ns(self) -> int | None:
        """When the timer ends; none while nothing waits."""
        return self._first_came_ns + self._latency_ns if self._waiting else None
