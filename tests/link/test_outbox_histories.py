"""The outbox under any history of appends, answers in any order, refusals and broken connections."""

from typing import Literal

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent.event_types import Stream
from agent.link.beside import Run
from agent.log import START, Place
from agent.settings import LinkSettings
from tests.link.outbox_world import OVERHEAD_BYTES, Sent, World

STREAMS = [Stream.SALES, Stream.STOCK, Stream.SENSOR]


class OutboxHistories(RuleBasedStateMachine):
    """After any history, a reliable broker gets everything; at no time is anything called delivered that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(LinkSettings())
        self.connected = False
        self.window = 0
        self.checked = 0
        self.undisturbed: dict[tuple[Stream, bool], Place] = {}

    @initialize(
        window=st.integers(1, 5),
        batch_events=st.integers(1, 6),
        linger_s=st.sampled_from([0.0, 0.02]),
        publishes_per_s=st.sampled_from([0.0, 0.0, 5.0]),
        unheard=st.sampled_from(["accept", "hold"]),
        seed=st.integers(0, 2**32),
    )
    def start(
        self,
        window: int,
        batch_events: int,
        linger_s: float,
        publishes_per_s: float,
        unheard: Literal["accept", "hold"],
        seed: int,
    ) -> None:
        self.world = World(
            LinkSettings(
                window_publishes=window,
                batch_events_max=batch_events,
                batch_bytes_max=1_024,
                linger_s=linger_s,
                park_after_tries=2,
                publishes_per_s_max=publishes_per_s,
                unheard=unheard,
            ),
            seed=seed,
        )

    @rule(stream=st.sampled_from(STREAMS), count=st.integers(1, 12), size=st.sampled_from([10, 200, 700, 3_000]))
    def append(self, stream: Stream, count: int, size: int) -> None:
        self.world.append(stream, count, size)

    @rule()
    def begin_an_epoch(self) -> None:
        self.world.epoch += 1

    @precondition(lambda self: not self.connected)
    @rule(receive_maximum=st.sampled_from([1, 2, 4, 65_535]), packet_bytes_max=st.sampled_from([900, 2_000, 100_000]))
    def connect(self, receive_maximum: int, packet_bytes_max: int) -> None:
        self.connected = True
        self.window = max(1, min(self.world.settings.window_publishes, receive_maximum - 1))
        self.world.connect(receive_maximum=receive_maximum, packet_bytes_max=packet_bytes_max)

    @precondition(lambda self: self.connected)
    @rule(suspicious=st.booleans())
    def disconnect(self, *, suspicious: bool) -> None:
        self.connected = False
        self.undisturbed.clear()
        self.world.disconnect(suspicious=suspicious)

    @precondition(lambda self: self.connected)
    @rule(times=st.integers(2, 12))
    def break_what_is_sent(self, times: int) -> None:
        """The peer ends each connection over whatever comes first, until it finds something to live with."""
        for _ in range(times):
            self.world.now_s += 3.0
            self.undisturbed.clear()
            self.world.pump()
            self.every_publish_is_a_run_of_one_epoch_within_the_limits_and_in_order()
            self.world.disconnect(suspicious=True)
            self.world.connect()
        self.window = self.world.settings.window_publishes
        self.undisturbed.clear()

    @rule()
    def crash(self) -> None:
        """What is not durable is forgotten."""
        self.connected = False
        self.undisturbed.clear()
        self.world.start()

    @rule(reads=st.booleans())
    def the_ledger_says_whether_it_reads_compressed_payloads(self, *, reads: bool) -> None:
        self.world.outbox.compression.accepted = reads

    @rule(works=st.booleans())
    def disk(self, *, works: bool) -> None:
        self.world.disk_works = works

    @rule()
    def hurry(self) -> None:
        """As the link does when somebody wants to drain it."""
        self.world.outbox.hurry()
        self.world.outbox.send_parked(None, self.world.now_s)

    @rule(stream=st.sampled_from([*STREAMS, None]))
    def ask_for_what_is_parked(self, stream: Stream | None) -> None:
        self.world.outbox.send_parked(stream, self.world.now_s)

    @precondition(lambda self: not self.world.outbox.replay.is_going)
    @rule(stream=st.sampled_from(STREAMS), data=st.data())
    def replay(self, stream: Stream, data: st.DataObject) -> None:
        """Somebody wants delivered events once more."""
        cursor, log = self.world.outbox.cursor(stream), self.world.logs[stream]
        places = [one.place for one in log if one.place <= cursor and one.place in self.world.acknowledged[stream]]
        if places:
            place = data.draw(st.sampled_from(places))
            last = data.draw(st.sampled_from([one for one in places if one.epoch == place.epoch and one >= place]))
            events = sum(place <= one <= last for one in places)
            self.world.outbox.replay.start([Run(stream, place, last)], {stream: events})

    @precondition(lambda self: self.world.outbox.replay.is_going)
    @rule()
    def stop_the_replay(self) -> None:
        self.world.outbox.replay.stop()

    @rule(seconds=st.floats(0, 100))
    def pass_time(self, seconds: float) -> None:
        self.world.now_s += seconds

    @rule()
    def pump(self) -> None:
        self.world.pump()

    @precondition(lambda self: self.world.in_flight)
    @rule(data=st.data(), code=st.sampled_from([0x00, 0x00, 0x10, 0x80, 0x87, 0x95, 0x97, 0x99]))
    def answer(self, data: st.DataObject, code: int) -> None:
        mid = data.draw(st.sampled_from(sorted(self.world.in_flight)))
        if code:
            self.undisturbed.clear()
        self.world.answer(mid, code)

    @precondition(lambda self: self.connected)
    @rule(data=st.data(), code=st.sampled_from([0x00, 0x87, 0x90, 0x95, 0x99]))
    def a_broker_that_does_not_take_some_of_what_is_parked_gets_all_others(
        self, data: st.DataObject, code: int
    ) -> None:
        """A day and some hours of a broker that always answers the same to these events; 0x00: it hangs up."""
        self.world.disk_works = True
        self.world.store()
        parked = [(stream, place) for stream in STREAMS for place in sorted(self.world.parked[stream])]
        stays = set(data.draw(st.lists(st.sampled_from(parked), max_size=3))) if parked else set()
        self.undisturbed.clear()
        self.world.outbox.send_parked(None, self.world.now_s)
        ends_s = self.world.now_s + 90_000 * (1 + len(stays))
        while self.world.now_s < ends_s:
            self.world.pump()
            self.every_publish_is_a_run_of_one_epoch_within_the_limits_and_in_order()
            self.undisturbed.clear()
            if not self.world.in_flight:
                wait_s = self.world.outbox.wait_s(self.world.now_s)
                self.world.now_s = min(ends_s, self.world.now_s + (90_000 if wait_s is None else max(wait_s, 0.001)))
                continue
            mid, sent = next(iter(self.world.in_flight.items()))
            refused = any((sent.publish.stream, place) in stays for place in sent.places)
            if refused and not code:
                self.world.disconnect(suspicious=True)
                self.world.now_s += 3.0
                self.world.connect()
                self.window = self.world.settings.window_publishes
            else:
                self.world.answer(mid, code if refused else 0)
        self.world.store()
        left = {(stream, place) for stream in STREAMS for place in self.world.parked[stream]}
        if code in (0x95, 0x99) or not stays:
            too_large = {
                (stream, event.place)
                for stream in STREAMS
                for event in self.world.logs[stream]
                if len(event.body) + 2 + OVERHEAD_BYTES > self.world.packet_bytes_max
            }
            assert left <= stays | too_large

    @precondition(lambda self: not self.connected)
    @rule(stream=st.sampled_from(STREAMS), data=st.data())
    def rewind(self, stream: Stream, data: st.DataObject) -> None:
        cursor = self.world.outbox.cursor(stream)
        before = [event.place for event in self.world.logs[stream] if event.place <= cursor]
        self.world.outbox.rewind(stream, data.draw(st.sampled_from([START, *before])), self.world.now_s)
        self.world.store()
        self.undisturbed.clear()

    @invariant()
    def no_cursor_passes_an_event_that_the_broker_has_not_taken_and_that_is_not_declared(self) -> None:
        for stream in STREAMS:
            for event in self.world.logs[stream]:
                if event.place <= max(self.world.outbox.cursor(stream), self.world.durable[stream]):
                    assert event.place in self.world.acknowledged[stream] or event.place in self.world.parked[stream]

    @invariant()
    def the_window_is_kept(self) -> None:
        assert self.world.outbox.in_flight <= self.window or not self.connected

    @invariant()
    def every_publish_is_a_run_of_one_epoch_within_the_limits_and_in_order(self) -> None:
        for sent in self.world.history[self.checked :]:
            self._check(sent)
        self.checked = len(self.world.history)

    def teardown(self) -> None:
        if self.connected:
            self.world.disconnect()
        self.window = self.world.settings.window_publishes
        self.world.disk_works = True
        self.world.store()
        self.world.connect()
        self.world.outbox.send_parked(None, self.world.now_s)
        self.world.drain()
        for stream in STREAMS:
            assert self.world.durable[stream] == self.world.head(stream)
            assert {event.place for event in self.world.logs[stream]} <= self.world.acknowledged[stream]
            assert self.world.parked[stream] == {}
        assert self.world.outbox.parked == []
        assert not self.world.outbox.replay.is_going
        self.no_cursor_passes_an_event_that_the_broker_has_not_taken_and_that_is_not_declared()

    def _check(self, sent: Sent) -> None:
        places, stream = sent.places, sent.publish.stream
        log = [event.place for event in self.world.logs[stream]]
        first = log.index(places[0])
        assert log[first : first + len(places)] == places
        assert len({place.epoch for place in places}) == 1
        assert len(places) == sent.publish.events <= self.world.settings.batch_events_max
        assert sent.publish.last == places[-1]
        size = len(sent.publish.payload)
        assert size <= self.world.settings.batch_bytes_max or len(places) == 1
        assert size + OVERHEAD_BYTES <= self.world.packet_bytes_max
        read = sent.publish.read
        if read.beside:
            return
        # Without refusals and broken connections each part of a stream leaves in its order, each event once.
        assert not (read.live and stream in self.world.settings.ordered)
        part = (stream, read.live)
        if part in self.undisturbed:
            assert places[0] > self.undisturbed[part]
        self.undisturbed[part] = places[-1]


TestOutboxHistories = OutboxHistories.TestCase
TestOutboxHistories.settings = hypothesis_settings(max_examples=150, stateful_step_count=40, deadline=None)
