"""What a broker does not take is parked: declared, kept, tried again, and in nobody's way."""

import pytest

from agent.event_types import Stream
from agent.link.parking import ParkedRange
from agent.link.reasons import BREAKS_CONNECTION
from agent.log import START, Place
from agent.settings import LinkSettings
from tests.link.outbox_world import World

SETTINGS = LinkSettings(
    window_publishes=3,
    batch_events_max=4,
    batch_bytes_max=1_024,
    linger_s=0.0,
    park_after_tries=3,
    parked_retry_s=3_600,
)
NOT_AUTHORIZED, INVALID_TOPIC, TOO_LARGE, INVALID_PAYLOAD, UNSPECIFIED = 0x87, 0x90, 0x95, 0x99, 0x80
SALES = Stream.SALES


class Broker:
    """Refuses what holds one of these events, or all of these streams."""

    def __init__(self, settings: LinkSettings = SETTINGS) -> None:
        self.world = World(settings)
        self.world.connect()
        self.refuses: dict[tuple[Stream, int], int] = {}
        self.streams: dict[Stream, int] = {}
        self.poison: set[tuple[Stream, int]] = set()

    def code(self, mid: int) -> int:
        sent = self.world.in_flight[mid]
        stream = sent.publish.stream
        for place in sent.places:
            if code := self.refuses.get((stream, place.sequence)):
                return code
        return self.streams.get(stream, 0)

    def breaks(self, mid: int) -> bool:
        sent = self.world.in_flight[mid]
        return any((sent.publish.stream, place.sequence) in self.poison for place in sent.places)

    def run(self, seconds: float = 600.0, *, until: Stream | None = None) -> None:
        """Serves the world for a while, or until a stream has nothing more to send."""
        world, ends_s = self.world, self.world.now_s + seconds
        while world.now_s < ends_s and not (until and world.durable[until] == world.head(until)):
            world.pump()
            if world.in_flight:
                mid = next(iter(world.in_flight))
                if self.breaks(mid):
                    world.disconnect(suspicious=True)
                    world.now_s += 1.0
                    world.connect()
                else:
                    world.answer(mid, self.code(mid))
            else:
                wait_s = world.outbox.wait_s(world.now_s)
                world.now_s = min(ends_s, world.now_s + (ends_s if wait_s is None else max(wait_s, 0.000_1)))

    def make_suspects(self) -> None:
        """Ends two connections with whatever is in flight then."""
        for _ in range(2):
            self.world.pump()
            self.world.disconnect(suspicious=True)
            self.world.connect()

    def parked(self, stream: Stream = SALES) -> dict[int, int]:
        return {place.sequence: code for place, code in sorted(self.world.parked[stream].items())}


@pytest.mark.case("N5")
@pytest.mark.parametrize("code", [NOT_AUTHORIZED, INVALID_TOPIC])
def test_a_topic_that_is_refused_whole_parks_eight_batches_then_its_stream_waits_and_all_leaves_once_it_is_allowed(
    code: int,
) -> None:
    broker = Broker()
    broker.streams = {SALES: code}
    broker.world.append(SALES, 100)
    broker.world.append(Stream.STOCK, 12)
    broker.run()
    assert broker.parked() == dict.fromkeys(range(1, 33), code)
    assert broker.world.durable == {**broker.world.durable, SALES: Place(1, 32), Stream.STOCK: Place(1, 12)}
    assert "refuses stream sales" in broker.world.outbox.troubles[SALES]
    broker.streams = {}
    broker.run(SETTINGS.backoff_max_s + 1)
    assert (broker.parked(), broker.world.durable[SALES]) == ({}, Place(1, 100))


@pytest.mark.case("N5")
@pytest.mark.parametrize("code", [NOT_AUTHORIZED, INVALID_TOPIC])
def test_a_batch_that_is_refused_so_often_is_parked_whole_and_its_stream_and_the_others_go_on(code: int) -> None:
    broker = Broker()
    broker.refuses = {(SALES, 6): code}
    broker.world.append(SALES, 12)
    broker.world.append(Stream.STOCK, 12)
    broker.run()
    assert broker.parked() == dict.fromkeys(range(5, 9), code)
    assert broker.world.durable[SALES] == Place(1, 12)
    assert broker.world.durable[Stream.STOCK] == Place(1, 12)
    sent = [one for one in broker.world.history if one.publish.stream is SALES and Place(1, 6) in one.places]
    assert len(sent) == SETTINGS.park_after_tries
    (parked,) = broker.world.outbox.parked
    assert (parked.first, parked.last, parked.events) == (Place(1, 5), Place(1, 8), 4)
    assert f"0x{code:02X}" in parked.reason
    assert broker.world.outbox.troubles == {}


@pytest.mark.case("N5")
@pytest.mark.parametrize("code", [TOO_LARGE, INVALID_PAYLOAD])
def test_a_refusal_of_the_payload_is_traced_to_its_event_and_only_that_is_parked(code: int) -> None:
    broker = Broker()
    broker.refuses = {(SALES, 6): code}
    broker.world.append(SALES, 12)
    broker.run()
    assert broker.parked() == {6: code}
    assert broker.world.durable[SALES] == Place(1, 12)
    assert broker.world.acknowledged[SALES] == {Place(1, n) for n in range(1, 13) if n != 6}


def test_other_refusals_park_nothing_however_often_they_come() -> None:
    broker = Broker()
    broker.refuses = {(SALES, 6): UNSPECIFIED}
    broker.world.append(SALES, 12)
    broker.run(seconds=6_000)
    assert broker.parked() == {}
    assert broker.world.durable[SALES] == Place(1, 4)


@pytest.mark.case("N5")
def test_the_cursor_passes_what_is_parked_only_when_that_is_on_the_disk() -> None:
    broker = Broker()
    broker.refuses = {(SALES, 2): NOT_AUTHORIZED}
    broker.world.append(SALES, 8)
    broker.world.disk_works = False
    broker.run()
    assert broker.world.outbox.cursor(SALES) == START
    broker.world.disk_works = True
    broker.world.store()
    assert broker.world.durable[SALES] == Place(1, 8)
    assert set(broker.parked()) == {1, 2, 3, 4}


@pytest.mark.case("N5")
def test_parked_events_survive_a_restart_and_are_not_sent_with_their_neighbours() -> None:
    broker = Broker()
    broker.refuses = {(SALES, 6): NOT_AUTHORIZED}
    broker.world.append(SALES, 12)
    broker.run()
    broker.world.durable[SALES] = Place(1, 2)  # cursors are behind by what a crash forgets
    broker.world.start()
    broker.world.history.clear()
    broker.world.connect()
    broker.run(seconds=60)
    told = [
        [place.sequence for place in sent.places] for sent in broker.world.history if sent.publish.read.beside is None
    ]
    assert told == [[3, 4], [9, 10, 11, 12]]
    assert broker.world.durable[SALES] == Place(1, 12)
    assert set(broker.parked()) == {5, 6, 7, 8}


@pytest.mark.case("N5")
def test_parked_events_are_tried_again_at_the_start_each_hour_and_when_asked() -> None:
    broker = Broker()
    broker.streams = {SALES: NOT_AUTHORIZED}
    broker.world.append(SALES, 4)
    broker.run()
    assert set(broker.parked()) == {1, 2, 3, 4}

    def tries() -> int:
        return sum(sent.publish.read.beside is not None for sent in broker.world.history)

    broker.run(seconds=4_000)
    assert tries() == 1
    broker.world.start()
    broker.world.connect()
    broker.run(seconds=60)
    assert tries() == 2
    assert broker.world.outbox.send_parked(Stream.STOCK, broker.world.now_s) == 0
    assert broker.world.outbox.send_parked(SALES, broker.world.now_s) == 4
    broker.run(seconds=60)
    assert tries() == 3
    broker.streams = {}
    broker.world.outbox.send_parked(None, broker.world.now_s)
    broker.run(seconds=60)
    assert broker.parked() == {}
    assert broker.world.outbox.parked == []
    assert broker.world.acknowledged[SALES] == {Place(1, n) for n in range(1, 5)}


def test_when_one_parked_batch_gets_through_the_others_of_its_stream_follow_at_once() -> None:
    broker = Broker()
    broker.streams = {SALES: NOT_AUTHORIZED}
    broker.world.append(SALES, 32)
    broker.run(seconds=3_000)
    assert set(broker.parked()) == set(range(1, 33))
    broker.streams = {}
    broker.run(seconds=3_700)
    assert broker.parked() == {}
    assert broker.world.acknowledged[SALES] == {Place(1, n) for n in range(1, 33)}


@pytest.mark.case("D4")
def test_an_event_larger_than_the_brokers_packet_is_parked_and_sent_when_a_connection_allows_it() -> None:
    world = World(SETTINGS)
    world.connect(packet_bytes_max=900)
    world.append(SALES, 1)
    world.append(SALES, 1, size=2_000)
    world.append(SALES, 1)
    world.drain()
    assert [[place.sequence for place in sent.places] for sent in world.history] == [[1], [3]]
    assert world.durable[SALES] == Place(1, 3)
    assert world.parked[SALES] == {Place(1, 2): TOO_LARGE}
    world.disconnect()
    world.connect(packet_bytes_max=900)
    world.drain()
    assert len(world.history) == 2
    world.disconnect()
    world.connect(packet_bytes_max=10_000)
    world.drain()
    assert [place.sequence for place in world.history[-1].places] == [2]
    assert world.parked[SALES] == {}


def test_the_audit_stream_which_tells_of_parking_parks_a_few_and_then_waits() -> None:
    broker = Broker(SETTINGS.model_copy(update={"backoff_max_s": 1.0}))
    broker.streams = {Stream.AUDIT: NOT_AUTHORIZED}
    broker.world.append(Stream.AUDIT, 100)
    broker.run(seconds=3_000)
    assert set(broker.parked(Stream.AUDIT)) == set(range(1, 33))
    assert broker.world.durable[Stream.AUDIT] == Place(1, 32)
    assert "0x87" in broker.world.outbox.troubles[Stream.AUDIT]
    broker.streams = {}
    broker.run(seconds=4_000)
    assert broker.world.durable[Stream.AUDIT] == Place(1, 100)
    assert broker.parked(Stream.AUDIT) == {}


# --- poison -------------------------------------------------------------------------------------------------------


@pytest.mark.case("N5")
def test_an_event_over_which_the_broker_breaks_the_connection_is_found_and_parked_and_all_else_arrives() -> None:
    broker = Broker(SETTINGS.model_copy(update={"batch_events_max": 16}))
    broker.poison = {(SALES, 21)}
    broker.world.append(SALES, 64)
    broker.world.append(Stream.STOCK, 64)
    broker.run(until=SALES)
    broker.run(until=Stream.STOCK)
    assert broker.parked() == {21: BREAKS_CONNECTION}
    assert broker.world.durable[SALES] == Place(1, 64)
    assert broker.world.acknowledged[SALES] == {Place(1, n) for n in range(1, 65) if n != 21}
    assert broker.world.durable[Stream.STOCK] == Place(1, 64)


def test_poison_is_tried_again_once_a_day_and_when_asked() -> None:
    broker = Broker()
    broker.poison = {(SALES, 1)}
    broker.world.append(SALES, 4)
    broker.run(until=SALES)
    assert broker.parked() == {1: BREAKS_CONNECTION}
    broker.world.history.clear()
    broker.run(seconds=86_000)
    assert broker.world.history == []
    broker.run(seconds=1_000)
    assert len(broker.world.history) == 1
    broker.world.history.clear()
    broker.world.start()
    broker.world.connect()
    broker.run(seconds=86_000)
    assert broker.world.history == []
    broker.world.outbox.send_parked(None, broker.world.now_s)
    broker.run(seconds=100)
    assert len(broker.world.history) == 1
    assert broker.parked() == {1: BREAKS_CONNECTION}
    broker.poison.clear()
    broker.world.outbox.send_parked(None, broker.world.now_s)
    broker.run(seconds=100)
    assert broker.parked() == {}


def test_while_a_suspect_is_looked_at_others_get_through_first() -> None:
    broker = Broker()
    broker.poison = {(Stream.SENSOR, 1)}
    broker.world.append(Stream.SENSOR, 4)
    for _ in range(12):
        broker.world.append(SALES, 8)
        broker.run(seconds=4.0)
        assert broker.world.durable[SALES] == broker.world.head(SALES)
    assert broker.parked(Stream.SENSOR) == {1: BREAKS_CONNECTION}


def test_between_two_suspects_others_get_through() -> None:
    broker = Broker(SETTINGS.model_copy(update={"window_publishes": 20}))
    broker.world.append(Stream.SENSOR, 60)
    broker.make_suspects()
    assert all(len(sent.places) == 4 for sent in broker.world.history)
    began_s, slowest_s = broker.world.now_s, 0.0
    while broker.world.durable[Stream.SENSOR] != broker.world.head(Stream.SENSOR):
        broker.world.append(SALES)
        recorded_s = broker.world.now_s
        broker.run(until=SALES)
        slowest_s = max(slowest_s, broker.world.now_s - recorded_s)
        broker.run(seconds=0.3)
    assert slowest_s < 0.1
    assert broker.world.now_s - began_s < 15
    assert broker.parked(Stream.SENSOR) == {}


@pytest.mark.parametrize("life_s", [0.25, 0.5, 1.9])
def test_on_a_line_that_breaks_ever_and_again_suspects_have_their_turn(life_s: float) -> None:
    broker = Broker()
    broker.world.append(SALES, 40)
    broker.make_suspects()
    for _ in range(20):
        broker.run(seconds=life_s, until=SALES)
        broker.world.disconnect(suspicious=True)
        broker.world.connect()
    assert broker.world.durable[SALES] == Place(1, 40)
    assert broker.parked() == {}


def test_a_connection_that_ends_with_nothing_in_flight_clears_all_suspects() -> None:
    """Another client that takes the connection over without a word does that; an event to blame cannot."""
    broker = Broker()
    broker.world.append(SALES, 40)
    broker.make_suspects()
    broker.world.pump()
    assert broker.world.in_flight == {}  # suspects wait for their turn
    broker.world.disconnect(suspicious=True)
    broker.world.connect()
    broker.world.pump()
    assert len(broker.world.in_flight) == SETTINGS.window_publishes


def test_lines_that_break_for_no_fault_of_ours_make_nothing_suspect() -> None:
    broker = Broker()
    broker.world.append(SALES, 40)
    for _ in range(50):
        broker.world.pump()
        broker.world.disconnect(suspicious=False)
        broker.world.now_s += 1.0
        broker.world.connect()
    broker.run(until=SALES)
    assert broker.parked() == {}
    assert broker.world.durable[SALES] == Place(1, 40)


def test_a_broker_that_restarts_over_and_over_parks_no_good_event() -> None:
    """Breaks that hit whatever is in flight, at any time: each suspect gets through when it is alone."""
    broker = Broker()
    broker.world.append(SALES, 40)
    for _ in range(20):
        broker.world.pump()
        broker.world.disconnect(suspicious=True)
        broker.world.now_s += 1.0
        broker.world.connect()
    assert broker.parked() == {}
    broker.run(until=SALES)
    assert broker.parked() == {}
    assert broker.world.durable[SALES] == Place(1, 40)


def test_what_is_known_as_parked_already_is_not_listed_twice() -> None:
    world = World(SETTINGS)
    world.append(SALES, 4)
    world.parked[SALES] = {Place(1, 2): NOT_AUTHORIZED}
    world.start()
    assert [(one.stream, one.first, one.last) for one in world.outbox.parked] == [(SALES, Place(1, 2), Place(1, 2))]
    assert isinstance(world.outbox.parked[0], ParkedRange)
