"""A serial line in line time: a station and a vehicle joined octet by octet, without a clock; faults on request."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from firmware_bridge._station import Station
from firmware_bridge.events import Event, Latched
from firmware_bridge.messages import TABLE_HASH, RawEvent, event_of
from tests.firmware_bridge.fake_vehicle import FakeVehicle

__all__ = ["OCTET_US", "Fault", "LineVehicle", "World"]

OCTET_US = 10 / 115200 * 1e6
TOKEN_US = 50_000
Fault = Callable[[bytes], bytes]


class LineVehicle(Protocol):
    """The far end of the line, in a time that others move."""

    def receive(self, octets: bytes, now_us: int) -> None: ...

    def poll(self, now_us: int) -> bytes: ...

    def deadline_us(self) -> float: ...


@dataclass
class Direction:
    """Octets on their way: each portion arrives when its last octet is out."""

    on_the_way: list[tuple[float, bytes]] = field(default_factory=list)
    free_us: float = 0.0

    def send(self, octets: bytes, now_us: float) -> None:
        self.free_us = max(self.free_us, now_us) + len(octets) * OCTET_US
        self.on_the_way.append((self.free_us, octets))

    def flush(self, now_us: float) -> None:
        """What has not begun to go out is forgotten."""
        kept = []
        for done_us, octets in self.on_the_way:
            left = int(max(done_us - now_us, 0) // OCTET_US)
            if out := octets[: len(octets) - min(left, len(octets))]:
                kept.append((done_us - left * OCTET_US, out))
        self.on_the_way = kept
        self.free_us = max((done_us for done_us, _ in kept), default=now_us)

    def next_us(self) -> float:
        return self.on_the_way[0][0] if self.on_the_way else 1e18

    def arrived(self, now_us: float) -> bytes:
        found = b""
        while self.on_the_way and self.on_the_way[0][0] <= now_us:
            found += self.on_the_way.pop(0)[1]
        return found


def _no_fault(octets: bytes) -> bytes:
    return octets


class World:
    """Runs until a moment or a condition; `events` collects what the station told."""

    def __init__(self, *, flushes: bool = True, fed: bool = True, fault: Fault = _no_fault, **vehicle: Any) -> None:
        self.station = Station(table=TABLE_HASH)
        self.vehicle = FakeVehicle(**{"table": TABLE_HASH, **vehicle})
        self.far_end: LineVehicle = self.vehicle
        self.now_us = 1_000_000.0
        self.down, self.up = Direction(), Direction()
        self.events: list[Event] = []
        self.writes: list[tuple[float, bytes, bool]] = []
        self.flushes = flushes
        self.fed = fed
        self.reads_events = True
        self.fault = fault
        self._token_us = 0.0

    def open_port(self) -> None:
        self.station.port_opened(int(self.now_us))

    def opened(self) -> "World":
        """The same world, with an open link."""
        self.open_port()
        self.run_until(lambda: self.station.open_epoch > 0)
        return self

    def run_until(self, condition: Callable[[], bool], within_us: float = 20_000_000) -> None:
        end_us = self.now_us + within_us
        while not condition():
            assert self.now_us < end_us, f"not within {within_us} us: {self.events[-5:]}"
            self.step(end_us)

    def run_for(self, span_us: float) -> None:
        end_us = self.now_us + span_us
        while self.now_us < end_us:
            self.step(end_us)

    def step(self, end_us: float) -> None:
        """Everything that is due now, then on to the next moment at which something is."""
        now = int(self.now_us)
        if self.fed and self.now_us >= self._token_us:
            self.station.feed(now)
            self._token_us = self.now_us + TOKEN_US
        if octets := self.down.arrived(self.now_us):
            self.far_end.receive(self.fault(octets), now)
        if octets := self.up.arrived(self.now_us):
            self.station.receive(self.fault(octets), now)
        octets, flush = self.station.poll(now)
        if octets:
            self.writes.append((self.now_us, octets, flush))
            if flush and self.flushes:
                self.down.flush(self.now_us)
            self.down.send(octets, self.now_us)
        if self.now_us >= self.up.free_us and (octets := self.far_end.poll(now)):
            self.up.send(octets, self.now_us)
        if self.reads_events:
            self.events += [event_of(RawEvent(*raw), "line", 115200) for raw in self.station.events()]
        self.now_us = min(max(self._next_us(), self.now_us + 1), max(end_us, self.now_us + 1))

    def _next_us(self) -> float:
        return min(
            self.station.deadline_us(),
            max(self.far_end.deadline_us(), self.up.free_us),
            self.down.next_us(),
            self.up.next_us(),
            self._token_us if self.fed else 1e18,
        )

    def told(self, kind: type[Event]) -> list[Any]:
        """The events of one kind; Any because each kind has its own fields."""
        return [event for event in self.events if isinstance(event, kind)]

    def events_without_latches(self) -> list[Event]:
        return [event for event in self.events if not isinstance(event, Latched)]
