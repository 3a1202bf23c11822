"""What to send next, how much of it, and how far each cursor may move. It knows no socket, file or clock.

Inputs are method calls with the time (`now_s`, monotonic); outputs are what `next_read`, `loaded` and `take_advances`
return. A shell reads what `next_read` asks for, gives it to `loaded`, publishes what that returns and says so with
`handed_over`. Streams share the connection by weight: the one with the least sent per share is next, and one that was
idle starts level with the others, so that each has its part and none can starve.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from types import MappingProxyType
from typing import Final

from agent.event_types import Stream
from agent.link.backoff import Backoff
from agent.link.lane import Lane, Segment
from agent.link.reasons import DELIVERED, NO_MATCHING_SUBSCRIBERS, QUOTA, reason_name
from agent.log.records import Place, StoredEvent
from agent.settings import LinkSettings

__all__ = ["SHARES", "Outbox", "Publish", "Read", "Tally"]

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

LATENCIES_KEPT: Final = 512


@dataclass(frozen=True, slots=True)
class Read:
    """A wish: the events of a stream after a place, at most up to another."""

    stream: Stream
    after: Place
    upto: Place | None
    events_max: int
    bytes_max: int


@dataclass(frozen=True, slots=True)
class Publish:
    """One batch, ready to go: a JSON array of the stored events after `after` up to `last`."""

    stream: Stream
    after: Place
    last: Place
    payload: bytes
    events: int
    repeated: int


@dataclass(slots=True)
class Tally:
    """What the outbox has counted since the start."""

    published_events: int = 0
    acknowledged_events: int = 0
    redelivered_events: int = 0
    unheard_publishes: int = 0
    """Taken by the broker although nobody subscribes (0x10)."""


@dataclass(frozen=True, slots=True)
class _Flight:
    lane: Lane
    segment: Segment
    events: int
    sent_at_s: float


class Outbox:
    """The link's core. One shell drives it."""

    def __init__(
        self, cursors: Mapping[Stream, Place], settings: LinkSettings, random: Random, *, overhead_bytes: int
    ) -> None:
        """`overhead_bytes` is what MQTT adds to a payload at most, to keep within the broker's packet size."""
        self._settings = settings
        self._overhead_bytes = overhead_bytes
        self._lanes = {stream: Lane(stream, cursors[stream], SHARES[stream]) for stream in Stream}
        self._backoffs = {s: Backoff(settings.backoff_min_s, settings.backoff_max_s, random) for s in Stream}
        self._readings = {s: Backoff(settings.backoff_min_s, settings.backoff_max_s, random) for s in Stream}
        self._quota = Backoff(settings.backoff_min_s, settings.backoff_max_s, random)
        self._virtual = 0.0
        self._held_until_s = 0.0
        self._window = 0
        self._payload_bytes_max = 0
        self._reading: Read | None = None
        self._flights: dict[int, _Flight] = {}
        self._progress_at_s = 0.0
        self._advances: dict[Stream, Place] = {}
        self.tally = Tally()
        self.refused_by_code: dict[int, int] = {}
        self.latencies_s: deque[float] = deque(maxlen=LATENCIES_KEPT)

    # --- what a shell may ask ------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Publishes without an answer."""
        return len(self._flights)

    @property
    def troubles(self) -> dict[Stream, str]:
        """Streams that do not get through, each with the reason."""
        found = {stream: lane.blocked or lane.unreadable or lane.refusal for stream, lane in self._lanes.items()}
        return {stream: reason for stream, reason in found.items() if reason}

    def cursor(self, stream: Stream) -> Place:
        """Up to where the broker has acknowledged everything."""
        return self._lanes[stream].cursor

    def stalled(self, now_s: float) -> bool:
        """Whether publishes are in flight and none was answered for `puback_timeout_s`."""
        return bool(self._flights) and now_s - self._progress_at_s >= self._settings.puback_timeout_s

    def wait_s(self, now_s: float) -> float | None:
        """How long until something happens by itself; None when only an input can change anything."""
        times = [self._progress_at_s + self._settings.puback_timeout_s] if self._flights else []
        if self._has_room():
            due = (self._due_at_s(lane) for lane in self._lanes.values())
            times += [max(at_s, self._held_until_s) for at_s in due if at_s is not None]
        return max(0.0, min(times) - now_s) if times else None

    # --- inputs --------------------------------------------------------------------------------------------

    def connected(self, receive_maximum: int, packet_bytes_max: int, now_s: float) -> None:
        """A connection is there, with the limits of the broker's CONNACK."""
        # One place in the broker's window stays free for messages that are not events.
        self._window = max(1, min(self._settings.window_publishes, receive_maximum - 1))
        self._payload_bytes_max = packet_bytes_max - self._overhead_bytes
        self._progress_at_s = now_s
        self._held_until_s = 0.0
        for lane in self._lanes.values():
            lane.connected()

    def disconnected(self) -> None:
        """The connection is gone: everything unanswered will be sent again."""
        self._window = 0
        self._reading = None
        self._flights.clear()
        for lane in self._lanes.values():
            lane.disconnected()

    def set_heads(self, heads: Mapping[Stream, Place], now_s: float) -> None:
        """The log's last event of each stream."""
        for stream, head in heads.items():
            self._lanes[stream].set_head(head, now_s)

    def rewind(self, stream: Stream, place: Place, now_s: float) -> None:
        """Send everything after `place` again; only while nothing of the stream is in flight."""
        assert not any(flight.lane.stream is stream for flight in self._flights.values())
        self._lanes[stream].rewind(place, now_s)
        self._advances[stream] = place

    def puback(self, mid: int, code: int, now_s: float) -> None:
        """The broker's answer to a publish. Answers to anything else are ignored."""
        flight = self._flights.pop(mid, None)
        if flight is None:
            return
        self._progress_at_s = now_s
        self.latencies_s.append(now_s - flight.sent_at_s)
        if code in DELIVERED:
            self._delivered(flight, code)
        else:
            self._refused(flight, code, now_s)

    # --- outputs -------------------------------------------------------------------------------------------

    def next_read(self, now_s: float) -> Read | None:
        """What to read for the next publish; one at a time, only while there is room in the window."""
        if self._reading is not None or not self._has_room() or now_s < self._held_until_s:
            return None
        lane = self._choose(now_s)
        if lane is None:
            return None
        after, upto = lane.next_range()
        bytes_max = min(self._settings.batch_bytes_max, max(1, self._payload_bytes_max))
        self._reading = Read(lane.stream, after, upto, self._settings.batch_events_max, bytes_max)
        return self._reading

    def loaded(self, read: Read, events: Sequence[StoredEvent]) -> Publish | None:
        """The batch to publish, made of what the log gave for `read`; None when there is nothing to send."""
        if read is not self._reading:
            return None  # asked for on a connection that is gone
        self._reading = None
        lane = self._lanes[read.stream]
        lane.unreadable = ""
        self._readings[read.stream].reset()
        count = len(events)
        while count and read.upto is not None and events[count - 1].place > read.upto:
            count -= 1
        if not count:
            if lane.nothing_read(read.after):
                self._advances[lane.stream] = lane.cursor
            return None
        bodies = [event.body for event in events[:count]]
        payload = _array(bodies)
        if len(payload) > read.bytes_max:
            count = _fitting(bodies, read.bytes_max)
            payload = _array(bodies[:count])
        if len(payload) > self._payload_bytes_max:
            lane.blocked = (
                f"event {events[0].id} makes a message of {len(payload) + self._overhead_bytes:,} bytes, the broker"
                f" takes at most {self._payload_bytes_max + self._overhead_bytes:,}: raise its packet size limit"
            )
            return None
        sending = events[:count]
        return Publish(lane.stream, read.after, sending[-1].place, payload, count, lane.repeated(sending))

    def could_not_read(self, read: Read, fault: str, now_s: float) -> None:
        """The log gave a fault for `read`: this stream waits and tries again, the others go on."""
        if read is not self._reading:
            return
        self._reading = None
        reason = f"stream {read.stream} cannot be read: {fault}"
        self._lanes[read.stream].could_not_read(reason, now_s + self._readings[read.stream].next_s())

    def handed_over(self, publish: Publish, mid: int, now_s: float) -> None:
        """The batch went out under this message id."""
        lane = self._lanes[publish.stream]
        segment = lane.handed_over(publish.after, publish.last)
        lane.virtual += len(publish.payload) / lane.share
        if not self._flights:
            self._progress_at_s = now_s
        self._flights[mid] = _Flight(lane, segment, publish.events, now_s)
        self.tally.published_events += publish.events
        self.tally.redelivered_events += publish.repeated

    def take_advances(self) -> dict[Stream, Place]:
        """Cursors that moved since the last call, to be made durable."""
        advances, self._advances = self._advances, {}
        return advances

    def put_back(self, advances: Mapping[Stream, Place]) -> None:
        """Cursors that could not be made durable; newer ones stand."""
        self._advances = {**advances, **self._advances}

    # --- private -------------------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        return len(self._flights) < self._window

    def _due_at_s(self, lane: Lane) -> float | None:
        return lane.due_at_s(self._settings.linger_s, self._settings.batch_events_max)

    def _choose(self, now_s: float) -> Lane | None:
        due = []
        for lane in self._lanes.values():
            at_s = self._due_at_s(lane)
            if at_s is not None and at_s <= now_s:
                due.append(lane)
            else:
                lane.virtual = max(lane.virtual, self._virtual)  # who has nothing to send saves no credit
        if not due:
            return None
        chosen = min(due, key=lambda lane: (lane.virtual, -lane.share))
        self._virtual = chosen.virtual
        return chosen

    def _delivered(self, flight: _Flight, code: int) -> None:
        lane = flight.lane
        self.tally.acknowledged_events += flight.events
        self.tally.unheard_publishes += code == NO_MATCHING_SUBSCRIBERS
        self._backoffs[lane.stream].reset()
        self._quota.reset()
        lane.refusal = ""
        if lane.acknowledged(flight.segment):
            self._advances[lane.stream] = lane.cursor

    def _refused(self, flight: _Flight, code: int, now_s: float) -> None:
        lane = flight.lane
        self.refused_by_code[code] = self.refused_by_code.get(code, 0) + 1
        lane.refusal = f"the broker refuses stream {lane.stream}: {reason_name(code)}"
        if code in QUOTA:
            self._held_until_s = max(self._held_until_s, now_s + self._quota.next_s())
        lane.refused(flight.segment, now_s + self._backoffs[lane.stream].next_s())


def _array(bodies: Sequence[bytes]) -> bytes:
    return b"[" + b",".join(bodies) + b"]"


def _fitting(bodies: Sequence[bytes], bytes_max: int) -> int:
    """How many of the bodies make an array within the limit; one at least."""
    sizes = accumulate((len(body) + 1 for body in bodies), initial=1)  # a comma or bracket each, and the first bracket
    return max(1, sum(size <= bytes_max for size in sizes) - 1)
