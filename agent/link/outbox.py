"""What to send next, how much of it, and how far each cursor may move. It knows no socket, file or clock.

Inputs are method calls with the time (`now_s`, monotonic); outputs are what `next_read`, `loaded` and the `take_…`
methods return. A shell reads what `next_read` asks for, gives it to `loaded`, publishes what that returns and says so
with `handed_over`. Streams share the connection by weight: the one with the least sent per share is next, and one that
was idle starts level with the others, so that each has its part and none can starve. What is sent beside the cursors
(parked, or wanted once more) has a part too.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, Final

from agent.event_types import Stream
from agent.link.backoff import Backoff
from agent.link.batch import Batch, Parking, Publish, Read
from agent.link.beside import NEVER, Beside
from agent.link.compression import Compression
from agent.link.lane import Lane, Limits, Offer
from agent.link.pace import Pace
from agent.link.parking import ParkedRange, ParkingLot, Release
from agent.link.reasons import (
    BREAKS_CONNECTION,
    DELIVERED,
    NO_MATCHING_SUBSCRIBERS,
    OF_ONE_EVENT,
    OF_THE_TOPIC,
    PACKET_TOO_LARGE,
    PARKING,
    PAYLOAD_FORMAT_INVALID,
    QUOTA,
    reason_name,
)
from agent.link.replay import Replay
from agent.link.segments import Segment
from agent.link.shares import SHARES
from agent.link.tally import Tally
from agent.link.window import Window
from agent.log.records import Place, StoredEvent
from agent.settings import LinkSettings

__all__ = ["Outbox", "Parking", "Publish", "Read"]

LATENCIES_KEPT: Final = 512
OUTAGE_S: Final = 60.0
"""After an outage as long as this, other stores come back in the same moment."""
SUSPECT_AFTER_S: Final = 2.0
"""A connection serves what is not suspected for so long before a suspect is tried on it, …"""
SUSPECT_AFTER_MIN_S: Final = 0.1
"""… or half as long as the last one lived, so that on a line that keeps breaking suspects have a turn, …"""
SUSPECT_PAUSE_S: Final = 0.5
"""… and for so long between two of them."""
POISON_AFTER_BREAKS: Final = 3
"""An event is to blame when the peer ended so many connections in a row with nothing but it in flight."""
PARKED_IN_A_ROW_MAX: Final = 8
"""So many batches without one that got through, and a refusal of the topic is one of all its stream: that waits.

So does the audit stream, whatever the reason: it tells what is parked, and would tell nobody.
"""


@dataclass(frozen=True, slots=True)
class _Flight:
    publish: Publish
    lane: Lane
    segment: Segment | None
    """None: it is sent beside the cursor."""
    sent_at_s: float


class Outbox:
    """The link's core. One shell drives it."""

    def __init__(
        self,
        cursors: Mapping[Stream, Place],
        settings: LinkSettings,
        random: Random,
        *,
        overhead_bytes: int,
        parked: Iterable[ParkedRange] = (),
    ) -> None:
        """`overhead_bytes` is what MQTT adds to a payload at most, to keep within the broker's packet size."""
        self._settings = settings
        self._random = random
        self._overhead_bytes = overhead_bytes
        live_after = settings.window_publishes * settings.batch_events_max
        limits = Limits(settings.linger_s, settings.batch_events_max, live_after)
        self._lanes = {
            stream: Lane(stream, cursors[stream], SHARES[stream], limits, strict=stream in settings.ordered)
            for stream in Stream
        }
        self._lot = ParkingLot(parked, settings.parked_retry_s)
        new_backoff = partial(Backoff, settings.backoff_min_s, settings.backoff_max_s, random)
        self.replay: Final = Replay(settings.park_after_tries, new_backoff)
        self._beside = (self._lot, self.replay)
        self._backoffs = {stream: new_backoff() for stream in Stream}
        self._readings = {stream: new_backoff() for stream in Stream}
        self._quota = new_backoff()
        self._pace = Pace(settings.publishes_per_s_max)
        self._window = Window(0)
        self._window_publishes = 0
        self._virtual = 0.0
        self._held_until_s = 0.0
        self._gentle_until_s = 0.0
        self._suspects_from_s = self._connected_at_s = 0.0
        self._suspect_after_s = SUSPECT_AFTER_S
        self._lost_at_s: float | None = None
        self._payload_bytes_max = 0
        self._reading: Read | None = None
        self._flights: dict[int, _Flight] = {}
        self._bytes_in_flight = 0
        self._progress_at_s = 0.0
        self._answered_upto_s = 0.0
        """When the latest publish was sent that was answered on this connection."""
        self._advances: dict[Stream, Place] = {}
        self._parkings: list[Parking] = []
        self.compression = Compression(allowed=settings.compression == "auto" and settings.batching == "on")
        self.tally = Tally()
        self.refused_by_code: dict[int, int] = {}
        self.latencies_s: deque[float] = deque(maxlen=LATENCIES_KEPT)
        for stream in Stream:
            self._leave_out_parked(stream)

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

    @property
    def parked(self) -> Sequence[ParkedRange]:
        """What this broker does not take and is left behind for now."""
        return self._lot.ranges

    @property
    def publishes_per_s(self) -> float | None:
        """How many publishes may leave a second, by the settings or as learned; None when nothing limits it."""
        return self._pace.per_s

    @property
    def window_bytes(self) -> int:
        """How much may be in flight now."""
        return self._window.bytes_now

    @property
    def settled_ahead(self) -> int:
        """About how many events were delivered ahead of a cursor, which will jump over them."""
        return sum(lane.settled_ahead for lane in self._lanes.values())

    def cursor(self, stream: Stream) -> Place:
        """Up to where the broker has acknowledged everything, but what is parked."""
        return self._lanes[stream].cursor

    def stalled(self, now_s: float) -> bool:
        """Whether there is no answer to publishes in flight for `puback_timeout_s`, or to one, but to later ones."""
        if not self._flights:
            return False
        # A broker answers in order (MQTT 5, 4.6): who was passed over gets no answer any more.
        first_s = min(flight.sent_at_s for flight in self._flights.values())
        waits_since_s = min(first_s, self._progress_at_s) if first_s < self._answered_upto_s else self._progress_at_s
        return now_s - waits_since_s >= self._settings.puback_timeout_s

    def wait_s(self, now_s: float) -> float | None:
        """How long until something happens by itself; None when only an input can change anything."""
        times = [self._progress_at_s + self._settings.puback_timeout_s] if self._flights else []
        if self._has_room(now_s):
            offers = [offer for lane in self._lanes.values() if (offer := self._offer(lane, now_s))]
            if not (self._flights and any(offer.suspect and offer.due_at_s <= now_s for offer in offers)):
                due = [offer.due_at_s for offer in offers] + [one.due_at_s for one in self._beside]
                times += [max(at_s, self._held_until_s, self._pace.next_at_s) for at_s in due if at_s < NEVER]
        elif self._window_publishes and now_s < self._gentle_until_s:
            times.append(self._gentle_until_s)
        return max(0.0, min(times) - now_s) if times else None

    # --- inputs --------------------------------------------------------------------------------------------

    def connected(self, receive_maximum: int, packet_bytes_max: int, now_s: float) -> None:
        """A connection is there, with the limits of the broker's CONNACK."""
        settings = self._settings
        # One place in the broker's window stays free for messages that are not events.
        self._window_publishes = max(1, min(settings.window_publishes, receive_maximum - 1))
        self._window = Window(self._window_publishes * settings.batch_bytes_max)
        self._payload_bytes_max = packet_bytes_max - self._overhead_bytes
        self._progress_at_s = now_s
        self._connected_at_s = now_s
        self._suspects_from_s = now_s + self._suspect_after_s
        self._answered_upto_s = 0.0
        self._held_until_s = 0.0
        outage_s = now_s - self._lost_at_s if self._lost_at_s is not None else 0.0
        spread_s = settings.catch_up_spread_s if outage_s >= OUTAGE_S else 0.0
        self._gentle_until_s = now_s + self._random.uniform(0.0, spread_s)
        for beside in self._beside:
            beside.connected(settings.batch_bytes_max, self._payload_bytes_max, now_s)
        self.compression.refused = False
        for lane in self._lanes.values():
            lane.connected()

    def disconnected(self, now_s: float, *, suspicious: bool = False) -> None:
        """The connection is gone: everything unanswered will be sent again.

        `suspicious`: the peer ended it, for a reason that may lie in what was in flight.
        """
        self._suspect_after_s = max(SUSPECT_AFTER_MIN_S, min(SUSPECT_AFTER_S, (now_s - self._connected_at_s) / 2))
        alone, cleared = len(self._flights) == 1, suspicious and not self._flights
        for flight in self._flights.values():
            if suspicious:
                self._suspect(flight, alone=alone, now_s=now_s)
        for beside in self._beside:
            beside.again()
        self._window_publishes = 0
        self._reading = None
        self._lost_at_s = now_s
        self._flights.clear()
        self._bytes_in_flight = 0
        for lane in self._lanes.values():
            lane.disconnected()
            if cleared:
                lane.clear_suspects()

    def set_heads(self, heads: Mapping[Stream, Place], now_s: float) -> None:
        """The log's last event of each stream."""
        for stream, head in heads.items():
            self._lanes[stream].set_head(head, now_s)

    def rewind(self, stream: Stream, place: Place, now_s: float) -> None:
        """Send everything after `place` again; only while nothing of the stream is in flight."""
        assert not any(flight.lane.stream is stream for flight in self._flights.values())
        self._lanes[stream].rewind(place, now_s)
        self._advances[stream] = place
        self._leave_out_parked(stream)

    def send_parked(self, stream: Stream | None, now_s: float) -> int:
        """Try what is parked of a stream, or of all, now; how many events that may be."""
        return self._lot.wanted(stream, now_s)

    def hurry(self) -> None:
        """Catch up at once, though other stores may do so in the same moment."""
        self._gentle_until_s = 0.0
        self._lost_at_s = None  # the next connection does not spread either

    def puback(self, mid: int, code: int, now_s: float) -> None:
        """The broker's answer to a publish. Answers to anything else are ignored."""
        flight = self._flights.pop(mid, None)
        if flight is None:
            return
        size, took_s = len(flight.publish.payload), now_s - flight.sent_at_s
        self._progress_at_s = now_s
        self._answered_upto_s = max(self._answered_upto_s, flight.sent_at_s)
        self.latencies_s.append(took_s)
        if beside := flight.publish.read.beside:
            beside.answered(size, took_s, now_s)
        else:
            self._window.answered(size, self._bytes_in_flight, took_s, now_s)
        self._bytes_in_flight -= size
        if flight.segment and flight.segment.is_suspect:
            self._suspects_from_s = now_s + SUSPECT_PAUSE_S
        if (flight.segment and flight.segment.is_suspect) or (beside and beside.is_suspect):
            self.compression.suspect_answered(flight.publish.encoding)
        held = code == NO_MATCHING_SUBSCRIBERS and self._settings.unheard == "hold"
        self.tally.unheard_publishes += code == NO_MATCHING_SUBSCRIBERS
        if code in DELIVERED and not held:
            self._delivered(flight, now_s)
        else:
            self._refused(flight, code, now_s)

    def parked_durably(self, parking: Parking, now_s: float) -> None:
        """A run that `take_parkings` gave is declared, and that is on the disk: the cursor may pass it."""
        lane = self._lanes[parking.stream]
        self._lot.add(ParkedRange(parking.stream, parking.first, parking.last, parking.code), now_s)
        if lane.parked(parking.segment):
            self._advances[lane.stream] = lane.cursor

    # --- outputs -------------------------------------------------------------------------------------------

    def next_read(self, now_s: float) -> Read | None:
        """What to read for the next publish; one at a time, only while there is room in the window."""
        held_until_s = max(self._held_until_s, self._pace.next_at_s)
        if self._reading is not None or not self._has_room(now_s) or now_s < held_until_s:
            return None
        self._reading = self._choose(now_s)
        return self._reading

    def loaded(self, read: Read, batch: Batch | None, now_s: float) -> Publish | None:
        """The publish of what the log gave for `read`, if it gave any; None when there is nothing to send."""
        if read is not self._reading:
            return None  # asked for on a connection that is gone
        self._reading = None
        lane = self._lanes[read.stream]
        lane.unreadable = ""
        self._readings[read.stream].reset()
        if batch is None:
            self._nothing(read, lane, now_s)
            return None
        events, payload = batch.events, batch.payload
        if len(payload) > self._payload_bytes_max:
            self._too_large(read, events[0], len(payload), now_s)
            return None
        repeated = len(events) if read.beside else lane.repeated(read.after, events)
        first, last = events[0].place, events[-1].place
        return Publish(read, first, last, payload, len(events), repeated, batch.plain_bytes, batch.encoding)

    def could_not_read(self, read: Read, fault: str, now_s: float) -> None:
        """The log gave a fault for `read`: this stream waits and tries again, the others go on."""
        if read is not self._reading:
            return
        self._reading = None
        if read.beside:
            read.beside.unreadable(fault, now_s)
            return
        reason = f"stream {read.stream} cannot be read: {fault}"
        self._lanes[read.stream].could_not_read(reason, now_s + self._readings[read.stream].next_s())

    def handed_over(self, publish: Publish, mid: int, now_s: float) -> None:
        """The batch went out under this message id."""
        read, lane, size = publish.read, self._lanes[publish.stream], len(publish.payload)
        segment = None
        if read.beside:
            read.beside.handed_over(publish.last, publish.events, size)
        else:
            segment = lane.handed_over(read.after, publish.first, publish.last, now_s, live=read.live)
            lane.virtual += size / lane.share
        if not self._flights:
            self._progress_at_s = now_s
        self._flights[mid] = _Flight(publish, lane, segment, now_s)
        self._bytes_in_flight += size
        self.compression.sent(publish.stream, publish.plain_bytes, size, full=publish.is_full)
        self._pace.sent(now_s)
        self.tally.published_events += publish.events
        self.tally.redelivered_events += publish.repeated

    def take_advances(self) -> dict[Stream, Place]:
        """Cursors that moved since the last call, to be made durable."""
        advances, self._advances = self._advances, {}
        return advances

    def put_back(self, advances: Iterable[Stream]) -> None:
        """Cursors that could not be made durable; as they stand by now, which may be further back."""
        self._advances |= {stream: self._lanes[stream].cursor for stream in advances}

    def take_parkings(self) -> list[Parking]:
        """Runs to be parked, to be made durable together with their declarations; `parked_durably` each, then."""
        parkings, self._parkings = self._parkings, []
        return parkings

    def take_releases(self) -> list[Release]:
        """Runs that were parked and have been delivered, to be taken off that list durably."""
        return self._lot.take_releases()

    # --- private -------------------------------------------------------------------------------------------

    def _has_room(self, now_s: float) -> bool:
        if not self._flights:
            return self._window_publishes > 0
        if any(flight.segment and flight.segment.is_suspect for flight in self._flights.values()):
            return False  # it has to be alone
        if now_s < self._gentle_until_s:
            return False
        return len(self._flights) < self._window_publishes and self._bytes_in_flight < self._window.bytes_now

    def _offer(self, lane: Lane, now_s: float) -> Offer | None:
        offer = lane.offer(now_s)
        if offer is None or not offer.suspect:
            return offer
        return replace(offer, due_at_s=max(offer.due_at_s, self._suspects_from_s))

    def _choose(self, now_s: float) -> Read | None:
        due: list[tuple[Lane, Offer]] = []
        for lane in self._lanes.values():
            offer = self._offer(lane, now_s)
            if offer is not None and offer.due_at_s <= now_s:
                due.append((lane, offer))
            else:
                lane.virtual = max(lane.virtual, self._virtual)  # who has nothing to send saves no credit
        suspects = [(lane, offer) for lane, offer in due if offer.suspect]
        if suspects:
            return None if self._flights else self._wish(*suspects[0])
        beside = Beside.next_due(self._beside, self._virtual, now_s)
        if beside and (not due or beside.virtual < min(lane.virtual for lane, _ in due)):
            self._virtual = beside.virtual
            run = beside.begin()
            return self._wish(self._lanes[run.stream], Offer(run.after, run.last, now_s), beside)
        if not due:
            return None
        chosen, offer = min(due, key=lambda one: (one[0].virtual, -one[0].share))
        self._virtual = chosen.virtual
        return self._wish(chosen, offer)

    def _wish(self, lane: Lane, offer: Offer, beside: Beside[Any] | None = None) -> Read:  # Any: any kind
        batch_bytes = (beside or self._window).batch_bytes(self._pace.per_s)
        most = min(self._settings.batch_bytes_max, max(1, self._payload_bytes_max), batch_bytes)
        events_max = self._settings.batch_events_max
        if beside and beside.events_max:
            events_max = min(events_max, beside.events_max)
        blamed = beside.is_suspect if beside else offer.suspect and offer.single
        encoding = "" if blamed else self.compression.encoding
        bytes_max = self.compression.plain_bytes_max(lane.stream, most) if encoding else most
        return Read(lane.stream, offer.after, offer.upto, events_max, bytes_max, most, encoding, offer.live, beside)

    def _nothing(self, read: Read, lane: Lane, now_s: float) -> None:
        """The log has none of the events that were asked for."""
        if read.beside:
            read.beside.absent(now_s)
        elif lane.nothing_read(read.after, read.upto):
            self._advances[lane.stream] = lane.cursor

    def _too_large(self, read: Read, event: StoredEvent, payload_bytes: int, now_s: float) -> None:
        lane = self._lanes[read.stream]
        if read.beside:
            read.beside.too_large(event.place, now_s)
        elif self._may_park(lane, PACKET_TOO_LARGE):
            segment = lane.park_unsent(read.after, event.place)
            self._parkings.append(Parking(lane.stream, event.place, event.place, PACKET_TOO_LARGE, segment))
        else:
            lane.blocked = (
                f"event {event.id} makes a message of {payload_bytes + self._overhead_bytes:,} bytes, the broker"
                f" takes at most {self._payload_bytes_max + self._overhead_bytes:,}: raise its packet size limit"
            )

    def _delivered(self, flight: _Flight, now_s: float) -> None:
        lane, publish = flight.lane, flight.publish
        if lane.parked_in_a_row and flight.segment:
            self._lot.opened(lane.stream, now_s)
        self.tally.acknowledged_events += publish.events
        self.tally.acknowledged_bytes += len(publish.payload)
        self._backoffs[lane.stream].reset()
        self._quota.reset()
        if publish.read.beside:
            publish.read.beside.delivered(now_s)
        elif flight.segment and lane.acknowledged(flight.segment):
            self._advances[lane.stream] = lane.cursor

    def _refused(self, flight: _Flight, code: int, now_s: float) -> None:
        lane, segment = flight.lane, flight.segment
        self.refused_by_code[code] = self.refused_by_code.get(code, 0) + 1
        for_its_form = flight.publish.encoding != "" and code == PAYLOAD_FORMAT_INVALID
        self.compression.refused |= for_its_form
        if code in QUOTA:
            self._pace.refused(now_s)
            if now_s >= self._held_until_s:  # the others of one window say nothing more
                self._held_until_s = now_s + self._quota.next_s()
        if beside := flight.publish.read.beside:
            if for_its_form:
                beside.again()
            else:
                beside.refused(code, now_s)
        if segment is None:
            return
        lane.refusal = f"the broker refuses stream {lane.stream}: {reason_name(code)}"
        held_until_s = self._held_until_s if code in QUOTA else now_s + self._backoffs[lane.stream].next_s()
        lane.refused(segment, held_until_s)
        if flight.publish.encoding and self.compression.refused:
            return  # the same goes plain, before any event is to blame
        if code in OF_ONE_EVENT and not segment.is_single:
            lane.split(segment)
        elif code in PARKING and segment.tries >= self._settings.park_after_tries and self._may_park(lane, code):
            self._park(flight, segment, code)

    def _suspect(self, flight: _Flight, *, alone: bool, now_s: float) -> None:
        """The connection ended with this in flight."""
        lane, segment = flight.lane, flight.segment
        if segment is None:
            if beside := flight.publish.read.beside:
                beside.broke(now_s)
            return
        was_suspect = segment.is_suspect
        segment.breaks += 1
        if not (was_suspect and alone):
            return
        segment.breaks_alone += 1
        if not segment.is_single:
            lane.split(segment)
        elif segment.breaks_alone >= POISON_AFTER_BREAKS and self._may_park(lane, BREAKS_CONNECTION):
            self._park(flight, segment, BREAKS_CONNECTION)

    def _park(self, flight: _Flight, segment: Segment, code: int) -> None:
        flight.lane.park(segment)
        self._parkings.append(Parking(flight.lane.stream, segment.first, segment.last, code, segment))

    def _may_park(self, lane: Lane, code: int) -> bool:
        bounded = lane.stream is Stream.AUDIT or code in OF_THE_TOPIC
        return not bounded or lane.parked_in_a_row < PARKED_IN_A_ROW_MAX

    def _leave_out_parked(self, stream: Stream) -> None:
        lane = self._lanes[stream]
        before = lane.cursor
        lane.leave_out((one.first, one.last) for one in self._lot.ranges if one.stream is stream)
        if lane.cursor != before:
            self._advances[stream] = lane.cursor
