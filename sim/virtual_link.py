"""The agent's outbox beside a modelled line and broker, in virtual time: a day's backlog drains in seconds.

No socket, no file, no waiting: the outbox is the real one, events are counted and not stored, time is a number. The
line has a rate, a round trip and losses, which TCP repeats in order; the broker counts publishes and refuses too many.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random
from typing import Final

from agent.event_types import Stream
from agent.link.batch import batch_of
from agent.link.eta import Eta
from agent.link.outbox import Outbox, Publish, Read
from agent.log import START, Place, StoredEvent
from agent.settings import LinkSettings

__all__ = ["BrokerModel", "LineModel", "VirtualLink"]

OVERHEAD_BYTES: Final = 120
SEGMENT_BYTES: Final = 1_460
QUOTA_EXCEEDED: Final = 0x97
RECONNECT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class LineModel:
    """The way to the broker and back."""

    round_trip_s: float = 0.1
    bytes_per_s: float = 10_000_000.0
    loss: float = 0.0
    """The part of TCP segments that has to be sent again, which takes a round trip and holds up what follows."""


@dataclass(frozen=True, slots=True)
class BrokerModel:
    """What the broker allows. `publishes_per_s` of 0 is no limit; beyond it PUBACKs say 0x97."""

    publishes_per_s: float = 0.0
    receive_maximum: int = 65_535
    answers_lost: float = 0.0
    """The part of PUBACKs that never comes, though the event is there."""
    packet_bytes_max: int = 131_072


@dataclass
class VirtualLink:
    """One device. Fill it with `backlog` and `flows` (events a second), then `run`."""

    settings: LinkSettings
    line: LineModel = LineModel()
    broker: BrokerModel = BrokerModel()
    bodies: Sequence[bytes] = (b"x" * 687,)
    """The events, over and over."""
    reads_zstd: bool = False
    """Whether the ledger says that it reads compressed payloads."""
    seed: int = 1
    now_s: float = 0.0
    flows: dict[Stream, float] = field(default_factory=dict)
    timeouts: int = 0
    refused: int = 0
    publishes: int = 0
    largest_payload_bytes: int = 0
    largest_in_flight_bytes: int = 0
    delays_s: dict[Stream, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Of events recorded while the link ran: from then until they reached the broker."""

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - a model, repeatable by its seed
        self.outbox = Outbox(dict.fromkeys(Stream, START), self.settings, self._random, overhead_bytes=OVERHEAD_BYTES)
        self.eta = Eta()
        self.outbox.compression.accepted = self.reads_zstd
        self._smallest_bytes = min(map(len, self.bodies))
        self._heads = dict.fromkeys(Stream, 0)
        self._backlog = dict.fromkeys(Stream, 0)
        self._recorded_s: dict[Stream, list[float]] = defaultdict(list)
        self._arrived: dict[Stream, set[int]] = defaultdict(set)
        self._answers: list[tuple[float, int, int]] = []
        self._in_flight: dict[int, int] = {}
        self._line_free_s = self._last_arrival_s = self._last_answer_s = 0.0
        self._tokens, self._tokens_at_s = self.broker.publishes_per_s, 0.0
        self._mid = 0
        self._owed: dict[Stream, float] = defaultdict(float)
        self._flowed_s = 0.0

    @property
    def waiting(self) -> int:
        """Events that the outbox has not settled."""
        behind = sum(self._heads[stream] - self.outbox.cursor(stream).sequence for stream in Stream)
        return behind - self.outbox.settled_ahead

    def backlog(self, counts: Mapping[Stream, int]) -> None:
        """Events from before this connection."""
        for stream, count in counts.items():
            self._heads[stream] += count
            self._backlog[stream] += count

    def connect(self) -> None:
        """The broker is there, now."""
        self.outbox.set_heads(self._places(), self.now_s)
        self.outbox.connected(self.broker.receive_maximum, self.broker.packet_bytes_max, self.now_s)

    def lose_connection(self) -> None:
        """What is in flight gets no answer any more."""
        self.outbox.disconnected(self.now_s)
        self._answers.clear()
        self._in_flight.clear()
        self._line_free_s = self._last_arrival_s = self._last_answer_s = self.now_s

    def drain(self, seconds_max: float) -> float | None:
        """Runs until nothing waits but what just came; how long that took, or None."""
        began_s = self.now_s
        while self.now_s - began_s < seconds_max:
            if self.waiting <= sum(self.flows.values()) + 1:
                return self.now_s - began_s
            self.run(1.0)
        return None

    def run(self, seconds: float) -> None:
        """Lets so much time go by."""
        ends_s = self.now_s + seconds
        while self.now_s < ends_s:
            self._flow()
            self._send()
            self._wait(ends_s)

    # --- private -------------------------------------------------------------------------------------------

    def _wait(self, ends_s: float) -> None:
        if self.outbox.stalled(self.now_s):
            self.timeouts += 1
            self.lose_connection()
            self.now_s += RECONNECT_S
            self.connect()
            return
        wait_s = self.outbox.wait_s(self.now_s)
        times = [ends_s, self._next_flow_s()] + ([self.now_s + wait_s + 1e-6] if wait_s is not None else [])
        times += [self._answers[0][0]] if self._answers else []
        self.now_s = max(self.now_s, min(times))
        while self._answers and self._answers[0][0] <= self.now_s:
            _, mid, code = heappop(self._answers)
            self._in_flight.pop(mid)
            self.outbox.puback(mid, code, self.now_s)
        self.outbox.take_advances()
        if self.eta.due(self.now_s):
            self.eta.sample(self.waiting, self.now_s)

    def _next_flow_s(self) -> float:
        return min((self._flowed_s + (1 - self._owed[one]) / rate for one, rate in self.flows.items()), default=1e18)

    def _flow(self) -> None:
        went_s, self._flowed_s = self.now_s - self._flowed_s, self.now_s
        for stream, rate in self.flows.items():
            self._owed[stream] += rate * went_s
            while self._owed[stream] >= 1 - 1e-9:
                self._owed[stream] -= 1
                self._heads[stream] += 1
                self._recorded_s[stream].append(self.now_s)

    def _send(self) -> None:
        self.outbox.set_heads(self._places(), self.now_s)
        while (wish := self.outbox.next_read(self.now_s)) is not None:
            publish = self.outbox.loaded(wish, batch_of(wish, self._read(wish)), self.now_s)
            if publish is not None:
                self._publish(publish)

    def _read(self, wish: Read) -> list[StoredEvent]:
        count = min(wish.events_max, max(1, wish.bytes_max // self._smallest_bytes))
        first, last = wish.after.sequence + 1, min(self._heads[wish.stream], wish.after.sequence + count)
        bodies = self.bodies
        return [StoredEvent.of(Place(1, at), "", bodies[at % len(bodies)]) for at in range(first, last + 1)]

    def _publish(self, publish: Publish) -> None:
        self._mid += 1
        self.publishes += 1
        self.largest_payload_bytes = max(self.largest_payload_bytes, len(publish.payload))
        size = len(publish.payload) + OVERHEAD_BYTES
        self.outbox.handed_over(publish, self._mid, self.now_s)
        self._in_flight[self._mid] = size
        self.largest_in_flight_bytes = max(self.largest_in_flight_bytes, sum(self._in_flight.values()))
        self._line_free_s = max(self._line_free_s, self.now_s) + size / self.line.bytes_per_s
        arrives_s = self._line_free_s + self.line.round_trip_s / 2 + self._lost_s(size)
        self._last_arrival_s = arrives_s = max(arrives_s, self._last_arrival_s)
        code = self._answer(arrives_s)
        if code == 0:
            self._note(publish, arrives_s)
        answered_s = max(arrives_s + self.line.round_trip_s / 2 + self._lost_s(1), self._last_answer_s)
        self._last_answer_s = answered_s
        if self._random.random() >= self.broker.answers_lost:
            heappush(self._answers, (answered_s, self._mid, code))

    def _lost_s(self, size: int) -> float:
        segments = -(-size // SEGMENT_BYTES)
        return self.line.round_trip_s * (self._random.random() > (1 - self.line.loss) ** segments)

    def _answer(self, at_s: float) -> int:
        if not self.broker.publishes_per_s:
            return 0
        gained = (at_s - self._tokens_at_s) * self.broker.publishes_per_s
        self._tokens, self._tokens_at_s = min(self.broker.publishes_per_s, self._tokens + gained), at_s
        if self._tokens < 1:
            self.refused += 1
            return QUOTA_EXCEEDED
        self._tokens -= 1
        return 0

    def _note(self, publish: Publish, arrives_s: float) -> None:
        backlog, recorded_s = self._backlog[publish.stream], self._recorded_s[publish.stream]
        arrived = self._arrived[publish.stream]
        for sequence in range(max(publish.first.sequence, backlog + 1), publish.last.sequence + 1):
            if sequence not in arrived:
                arrived.add(sequence)
                self.delays_s[publish.stream].append(arrives_s - recorded_s[sequence - backlog - 1])

    def _places(self) -> dict[Stream, Place]:
        return {stream: Place(1, head) if head else START for stream, head in self._heads.items()}
