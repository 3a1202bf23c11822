"""A shell around the outbox for its tests: logs as lists, a broker that answers what and when the test says."""

import json
from dataclasses import dataclass, field
from random import Random

from agent.event_types import Stream
from agent.link.batch import Publish, Read, batch_of
from agent.link.compression import decompressed
from agent.link.outbox import Outbox
from agent.link.parking import ParkedRange
from agent.log import START, Place, StoredEvent
from agent.settings import LinkSettings

OVERHEAD_BYTES = 50
PATIENCE_S = 600.0


@dataclass
class Sent:
    """A publish on its way, with what the broker will find in it."""

    mid: int
    publish: Publish
    places: list[Place]


@dataclass
class World:
    """Streams of stored events, an outbox, and all it ever sent."""

    settings: LinkSettings
    seed: int = 1
    now_s: float = 100.0
    epoch: int = 1
    logs: dict[Stream, list[StoredEvent]] = field(default_factory=lambda: {stream: [] for stream in Stream})
    in_flight: dict[int, Sent] = field(default_factory=dict)
    history: list[Sent] = field(default_factory=list)
    acknowledged: dict[Stream, set[Place]] = field(default_factory=lambda: {stream: set() for stream in Stream})
    durable: dict[Stream, Place] = field(default_factory=lambda: dict.fromkeys(Stream, START))
    damaged: set[tuple[Stream, Place]] = field(default_factory=set)
    parked: dict[Stream, dict[Place, int]] = field(default_factory=lambda: {stream: {} for stream in Stream})
    """What is declared, with its code, as the log would know it."""
    disk_works: bool = True
    packet_bytes_max: int = 1_000_000
    next_mid: int = 1

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """The agent starts, or starts again, with what is durable."""
        ranges: list[ParkedRange] = []
        for stream, parked in self.parked.items():
            for place, code in sorted(parked.items()):
                last = ranges[-1] if ranges else None
                if last and (last.stream, last.code, last.last) == (
                    stream,
                    code,
                    place._replace(sequence=place[1] - 1),
                ):
                    last.last = place
                else:
                    ranges.append(ParkedRange(stream, place, place, code))
        self.in_flight.clear()
        self.outbox = Outbox(
            dict(self.durable), self.settings, Random(self.seed), overhead_bytes=OVERHEAD_BYTES, parked=ranges
        )

    def append(self, stream: Stream, count: int = 1, size: int = 10) -> None:
        log = self.logs[stream]
        for _ in range(count):
            last = log[-1].place if log and log[-1].place.epoch == self.epoch else Place(self.epoch, 0)
            place = Place(self.epoch, last.sequence + 1)
            body = json.dumps([stream, place.epoch, place.sequence]).encode().ljust(size)
            log.append(StoredEvent.of(place, f"{stream}-{place.epoch}-{place.sequence}", body))

    def head(self, stream: Stream) -> Place:
        return self.logs[stream][-1].place if self.logs[stream] else START

    def connect(self, *, receive_maximum: int = 65_535, packet_bytes_max: int = 1_000_000) -> None:
        self.packet_bytes_max = packet_bytes_max
        self.outbox.connected(receive_maximum, packet_bytes_max, self.now_s)

    def disconnect(self, *, suspicious: bool = False) -> None:
        self.outbox.disconnected(self.now_s, suspicious=suspicious)
        self.in_flight.clear()
        self.store()

    def read(self, wish: Read) -> list[StoredEvent]:
        found: list[StoredEvent] = []
        for event in self.logs[wish.stream]:
            if event.place <= wish.after or (wish.stream, event.place) in self.damaged:
                continue
            full = len(found) == wish.events_max or sum(len(e.body) for e in [*found, event]) > wish.bytes_max
            if found and (full or event.place.epoch != found[0].place.epoch):
                break
            found.append(event)
        return found

    def pump(self, limit: int = 1_000) -> int:
        """Sends whatever may be sent now; how many publishes."""
        self.outbox.set_heads({stream: self.head(stream) for stream in Stream}, self.now_s)
        count = 0
        for _ in range(limit):
            before = len(self.history)
            if not self.pump_once():
                return count
            count += len(self.history) - before
        raise AssertionError("the outbox keeps asking without sending")

    def pump_once(self) -> bool:
        """One read, and what comes of it; whether there was anything to read."""
        wish = self.outbox.next_read(self.now_s)
        if wish is None:
            return False
        publish = self.outbox.loaded(wish, batch_of(wish, self.read(wish)), self.now_s)
        if publish is not None:
            self._hand_over(publish)
        else:
            self.store()
        return True

    def answer(self, mid: int, code: int = 0) -> None:
        sent = self.in_flight.pop(mid)
        if code in (0x00, 0x10):
            self.acknowledged[sent.publish.stream].update(sent.places)
        self.outbox.puback(mid, code, self.now_s)
        self.store()

    def store(self) -> None:
        """The shell's work between publishes, when the disk lets it."""
        if not self.disk_works:
            return
        for parking in self.outbox.take_parkings():
            for event in self.logs[parking.stream]:
                if parking.first <= event.place <= parking.last:
                    self.parked[parking.stream][event.place] = parking.code
            self.outbox.parked_durably(parking, self.now_s)
        for release in self.outbox.take_releases():
            parked = self.parked[release.stream]
            for place in [place for place in parked if release.first <= place <= release.last]:
                del parked[place]
        self.durable.update(self.outbox.take_advances())

    def drain(self, rounds: int = 100_000) -> None:
        """A reliable broker answers everything until nothing is left but what is parked for long."""
        for _ in range(rounds):
            self.pump()
            if self.in_flight:
                self.answer(next(iter(self.in_flight)))
            elif (wait_s := self.outbox.wait_s(self.now_s)) is not None and wait_s < PATIENCE_S:
                self.now_s += wait_s
            else:
                self.store()
                return
        raise AssertionError("the outbox does not come to rest")

    def _hand_over(self, publish: Publish) -> None:
        plain = decompressed(publish.payload) if publish.encoding else publish.payload
        assert (len(plain), publish.encoding) in {(publish.plain_bytes, ""), (publish.plain_bytes, "zstd")}
        places = [Place(epoch, sequence) for _, epoch, sequence in json.loads(plain)]
        sent = Sent(self.next_mid, publish, places)
        self.next_mid += 1
        self.outbox.handed_over(publish, sent.mid, self.now_s)
        self.in_flight[sent.mid] = sent
        self.history.append(sent)
