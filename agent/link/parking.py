"""What is parked: events that this broker does not take, left behind so that others go on. No I/O.

Parked events stay in the log, are declared to the ledger, and are tried again one batch at a time: at the start, now
and then, when a connection takes larger packets, and when somebody asks. What breaks the connection is tried once a
day: if it was not to blame, that puts it right, and if it is, that costs one connection.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from agent.event_types import Stream
from agent.link.reasons import BREAKS_CONNECTION, OF_THE_TOPIC, PACKET_TOO_LARGE, reason_name
from agent.log.records import Place

__all__ = ["NEVER", "ParkedRange", "ParkingLot", "Release"]

NEVER: Final = float("inf")
BREAKS_RETRY_S: Final = 86_400.0


@dataclass(slots=True, eq=False)
class ParkedRange:
    """A run of one stream's events of one epoch, by first and last, and why the broker does not take it."""

    stream: Stream
    first: Place
    last: Place
    code: int
    retry_at_s: float = NEVER

    @property
    def events(self) -> int:
        """How many there are at most."""
        return self.last.sequence - self.first.sequence + 1

    @property
    def reason(self) -> str:
        """In plain words."""
        return "the connection breaks over it" if self.code == BREAKS_CONNECTION else reason_name(self.code)


@dataclass(frozen=True, slots=True)
class Release:
    """A run of events, by first and last, that is not parked any more: delivered, or damaged since and declared so."""

    stream: Stream
    first: Place
    last: Place


@dataclass(slots=True)
class ParkingLot:
    """All that is parked, and which of it is tried next. `retry_s` of 0: only when asked."""

    ranges: list[ParkedRange]
    retry_s: float
    virtual: float = 0.0
    """Bytes sent, as the outbox counts them for fairness."""
    trying: ParkedRange | None = None
    _payload_bytes_max: int = field(default=0)

    def __post_init__(self) -> None:
        if self.retry_s:
            self._due(self.ranges, 0.0)

    def add(self, parked: ParkedRange, now_s: float) -> None:
        """A run is parked from now on, if it was not before."""
        if not any(
            one.stream is parked.stream and one.first <= parked.first and parked.last <= one.last for one in self.ranges
        ):
            parked.retry_at_s = self._later(parked, now_s)
            self.ranges.append(parked)

    def connected(self, payload_bytes_max: int, now_s: float) -> None:
        """A connection is there: what was too large for the last one may pass this one."""
        self.trying = None
        for one in self.ranges:
            if one.retry_at_s == NEVER:
                one.retry_at_s = self._later(one, now_s)
        if payload_bytes_max > self._payload_bytes_max:
            self._due((one for one in self.ranges if one.code == PACKET_TOO_LARGE), now_s)
        self._payload_bytes_max = payload_bytes_max

    def opened(self, stream: Stream, now_s: float) -> None:
        """The broker takes the stream again: whatever was refused because of its topic is tried now."""
        self._due((one for one in self.ranges if one.stream is stream and one.code in OF_THE_TOPIC), now_s)

    def wanted(self, stream: Stream | None, now_s: float) -> int:
        """Somebody asks for a stream's parked events, or all, to be tried now; how many there are."""
        asked = [one for one in self.ranges if stream in (None, one.stream)]
        for one in asked:
            one.retry_at_s = now_s
        return sum(one.events for one in asked)

    def next(self) -> ParkedRange | None:
        """What is to be tried first, from its `retry_at_s` on; nothing while one is being tried."""
        if self.trying is not None:
            return None
        return min(self.ranges, key=lambda one: one.retry_at_s, default=None)

    def failed(self, parked: ParkedRange, now_s: float) -> None:
        """The broker still does not take it: neither it nor what is parked beside it for the same reason."""
        self.trying = None
        for one in self.ranges:
            if (one.stream, one.code) == (parked.stream, parked.code):
                one.retry_at_s = self._later(one, now_s)

    def postpone(self, parked: ParkedRange, now_s: float) -> None:
        """This one did not get through, which says nothing of others."""
        self.trying = None
        parked.retry_at_s = self._later(parked, now_s)

    def over(self, parked: ParkedRange, last: Place, now_s: float) -> Release:
        """The head of a run, up to `last`, was delivered or is no more; the like of it is tried at once."""
        self.trying = None
        released = Release(parked.stream, parked.first, last)
        if last < parked.last:
            parked.first = Place(last.epoch, last.sequence + 1)
        else:
            self.ranges.remove(parked)
        self._due((one for one in self.ranges if (one.stream, one.code) == (parked.stream, parked.code)), now_s)
        return released

    def _due(self, ranges: Iterable[ParkedRange], at_s: float) -> None:
        for one in ranges:
            if one.code != BREAKS_CONNECTION:
                one.retry_at_s = at_s

    def _later(self, parked: ParkedRange, now_s: float) -> float:
        if not self.retry_s:
            return NEVER
        return now_s + (BREAKS_RETRY_S if parked.code == BREAKS_CONNECTION else self.retry_s)
