"""The outbox: what is sent in which order, within which limits, and when a cursor may move."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.event_types import Stream
from agent.link.batch import batch_of
from agent.link.shares import SHARES
from agent.log import START, Place
from agent.settings import LinkSettings
from tests.link.outbox_world import OVERHEAD_BYTES, World

SETTINGS = LinkSettings(window_publishes=3, batch_events_max=4, batch_bytes_max=1_024, linger_s=0.1)
NOT_AUTHORIZED, QUOTA_EXCEEDED, NO_SUBSCRIBERS = 0x87, 0x97, 0x10


def connected(settings: LinkSettings = SETTINGS) -> World:
    world = World(settings)
    world.connect()
    return world


def sequences(world: World, stream: Stream = Stream.SALES) -> list[list[int]]:
    return [[place.sequence for place in sent.places] for sent in world.history if sent.publish.stream is stream]


def test_nothing_leaves_without_a_connection() -> None:
    world = World(SETTINGS)
    world.append(Stream.SALES, 9)
    assert world.pump() == 0
    assert world.outbox.wait_s(world.now_s) is None


def test_a_full_batch_leaves_at_once_and_a_small_one_waits_for_company() -> None:
    world = connected()
    world.append(Stream.SALES, 5)
    assert world.pump() == 1
    assert sequences(world) == [[1, 2, 3, 4]]
    assert world.outbox.wait_s(world.now_s) == pytest.approx(0.1)
    world.now_s += 0.05
    world.append(Stream.SALES)
    assert world.pump() == 0
    assert world.outbox.wait_s(world.now_s) == pytest.approx(0.05)  # it counts from the first that waits
    world.now_s += 0.05
    assert world.pump() == 1
    assert sequences(world)[-1] == [5, 6]


def test_what_comes_after_a_quiet_time_leaves_at_once_and_what_follows_it_soon_waits_for_company() -> None:
    world = connected(SETTINGS.model_copy(update={"window_publishes": 20}))
    world.append(Stream.SALES)
    assert world.pump() == 1
    world.now_s += 0.04
    world.append(Stream.SALES)
    assert world.pump() == 0
    assert world.outbox.wait_s(world.now_s) == pytest.approx(0.06)  # it counts from the one that has left
    world.append(Stream.STOCK)
    assert world.pump() == 1  # each stream for itself
    world.now_s += 0.06
    assert world.pump() == 1
    world.now_s += 0.1
    world.append(Stream.SALES)
    assert world.pump() == 1
    assert sequences(world) == [[1], [2], [3]]


def test_a_batch_is_the_stored_bytes_as_a_json_array() -> None:
    world = connected()
    world.append(Stream.SALES, 4)
    world.pump()
    bodies = [event.body for event in world.logs[Stream.SALES]]
    assert world.history[0].publish.payload == b"[" + b",".join(bodies) + b"]"


def test_no_more_publishes_are_in_flight_than_the_window() -> None:
    world = connected()
    world.append(Stream.SALES, 100)
    assert world.pump() == 3
    assert world.outbox.in_flight == 3
    world.answer(2)
    assert world.pump() == 1


def test_the_brokers_receive_maximum_narrows_the_window_and_leaves_one_place_free() -> None:
    world = World(SETTINGS)
    world.connect(receive_maximum=3)
    world.append(Stream.SALES, 100)
    assert world.pump() == 2
    world.disconnect()
    world.connect(receive_maximum=1)
    assert world.pump() == 1


def test_the_cursor_moves_only_over_a_run_of_acknowledged_publishes() -> None:
    world = connected()
    world.append(Stream.SALES, 12)
    world.pump()
    world.answer(3)
    world.answer(2)
    assert world.outbox.cursor(Stream.SALES) == START
    assert world.durable[Stream.SALES] == START
    world.answer(1)
    assert world.durable[Stream.SALES] == Place(1, 12)


def test_nobody_subscribed_counts_as_delivered_and_is_told() -> None:
    world = connected()
    world.append(Stream.SALES, 4)
    world.pump()
    world.answer(1, NO_SUBSCRIBERS)
    assert world.durable[Stream.SALES] == Place(1, 4)
    assert world.outbox.tally.unheard_publishes == 1


@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99, 0x7F, 0x01])
def test_any_other_code_leaves_the_cursor_and_is_counted_by_name(code: int) -> None:
    world = connected()
    world.append(Stream.SALES, 4)
    world.pump()
    world.answer(1, code)
    assert world.outbox.cursor(Stream.SALES) == START
    assert world.durable[Stream.SALES] == START
    assert world.outbox.refused_by_code == {code: 1}
    assert f"0x{code:02X}" in world.outbox.troubles[Stream.SALES]


def test_a_refused_batch_is_tried_again_after_a_back_off_and_nothing_new_overtakes_it() -> None:
    world = connected()
    world.append(Stream.SALES, 12)
    world.pump()
    world.append(Stream.SALES, 8)
    world.answer(1, NOT_AUTHORIZED)
    world.answer(2)
    wait_s = world.outbox.wait_s(world.now_s)
    assert wait_s is not None
    assert 0 < wait_s <= SETTINGS.backoff_min_s
    assert world.pump() == 0
    world.now_s += wait_s
    assert world.pump() == 2
    assert sequences(world) == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [1, 2, 3, 4], [13, 14, 15, 16]]
    world.drain()
    assert world.durable[Stream.SALES] == Place(1, 20)
    assert world.outbox.troubles == {}
    assert world.outbox.tally.redelivered_events == 4


def test_a_refused_stream_does_not_hold_up_the_others() -> None:
    world = connected()
    world.append(Stream.SALES, 4)
    world.append(Stream.SENSOR, 4)
    world.pump()
    world.answer(1, NOT_AUTHORIZED)
    world.answer(2)
    world.append(Stream.SENSOR, 4)
    assert world.pump() == 1
    assert world.durable[Stream.SENSOR] == Place(1, 4)


def test_a_quota_code_slows_the_whole_connection() -> None:
    world = connected()
    world.append(Stream.SALES, 4)
    world.pump()
    world.append(Stream.STOCK, 4)
    world.answer(1, QUOTA_EXCEEDED)
    assert world.pump() == 0
    world.drain()
    assert world.durable[Stream.STOCK] == Place(1, 4)
    assert world.durable[Stream.SALES] == Place(1, 4)


def test_refused_again_and_again_waits_ever_longer() -> None:
    world = connected(SETTINGS.model_copy(update={"park_after_tries": 1_000}))
    world.append(Stream.SALES, 4)
    ceilings = []
    for _ in range(8):
        world.now_s += world.outbox.wait_s(world.now_s) or 0
        world.pump()
        world.answer(next(iter(world.in_flight)), NOT_AUTHORIZED)
        ceilings.append(world.outbox.wait_s(world.now_s) or 0)
    assert max(ceilings[4:]) > SETTINGS.backoff_min_s
    assert max(ceilings) <= SETTINGS.backoff_max_s


def test_after_a_broken_connection_only_what_was_not_acknowledged_goes_again() -> None:
    world = connected()
    world.append(Stream.SALES, 12)
    world.pump()
    world.answer(2)
    world.disconnect()
    world.connect()
    world.pump()
    assert sequences(world) == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [1, 2, 3, 4], [9, 10, 11, 12]]
    world.drain()
    assert world.durable[Stream.SALES] == Place(1, 12)


def test_a_batch_that_a_smaller_broker_cannot_take_whole_goes_again_in_parts() -> None:
    world = connected()
    world.append(Stream.SALES, 8, size=200)
    world.pump()
    world.disconnect()
    world.connect(packet_bytes_max=500)
    world.drain()
    assert sequences(world) == [[1, 2, 3, 4], [5, 6, 7, 8], [1, 2], [3, 4], [5, 6], [7, 8]]
    assert world.durable[Stream.SALES] == Place(1, 8)


def test_answers_of_an_earlier_connection_mean_nothing() -> None:
    world = connected()
    world.append(Stream.SALES, 4)
    world.pump()
    world.disconnect()
    world.connect()
    world.outbox.puback(1, 0, world.now_s)
    assert world.outbox.cursor(Stream.SALES) == START


def test_what_was_read_for_an_earlier_connection_is_not_sent() -> None:
    world = connected()
    world.append(Stream.SALES, 4)
    world.outbox.set_heads({Stream.SALES: Place(1, 4)}, world.now_s)
    wish = world.outbox.next_read(world.now_s)
    assert wish is not None
    assert world.outbox.next_read(world.now_s) is None  # one read at a time
    world.disconnect()
    world.connect()
    assert world.outbox.loaded(wish, batch_of(wish, world.read(wish)), world.now_s) is None
    assert world.pump() == 1


def test_a_batch_keeps_within_the_limit_of_bytes() -> None:
    world = connected(LinkSettings(batch_events_max=100, batch_bytes_max=1_024, linger_s=0))
    world.append(Stream.SALES, 50, size=102)
    world.drain()
    sizes = [len(sent.publish.payload) for sent in world.history]
    assert max(sizes) <= 1_024
    assert len(sizes) == 6  # ten bodies fit, ten and their commas do not: nine
    assert world.durable[Stream.SALES] == Place(1, 50)


def test_one_event_larger_than_a_batch_travels_alone() -> None:
    world = connected()
    world.append(Stream.SALES, 1)
    world.append(Stream.SALES, 1, size=5_000)
    world.append(Stream.SALES, 1)
    world.drain()
    assert sequences(world) == [[1], [2], [3]]


def test_a_batch_never_mixes_epochs() -> None:
    world = connected()
    world.append(Stream.SALES, 2)
    world.epoch = 2
    world.append(Stream.SALES, 3)
    world.drain()
    assert [sorted({place.epoch for place in sent.places}) for sent in world.history] == [[1], [2]]
    assert world.durable[Stream.SALES] == Place(2, 3)


def test_a_rewind_sends_again_from_there_and_is_made_durable() -> None:
    world = connected()
    world.append(Stream.SALES, 8)
    world.drain()
    world.outbox.rewind(Stream.SALES, Place(1, 3), world.now_s)
    world.store()
    assert world.durable[Stream.SALES] == Place(1, 3)
    world.drain()
    assert sequences(world)[2:] == [[4, 5, 6, 7], [8]]
    assert world.durable[Stream.SALES] == Place(1, 8)
    assert world.outbox.tally.redelivered_events == 5


def test_events_that_cannot_be_read_do_not_stop_the_others() -> None:
    world = connected()
    world.append(Stream.SALES, 12)
    world.damaged.add((Stream.SALES, Place(1, 6)))
    world.damaged.add((Stream.SALES, Place(1, 12)))
    world.drain()
    assert sequences(world) == [[1, 2, 3, 4], [5, 7, 8, 9], [10, 11]]
    assert world.durable[Stream.SALES] == Place(1, 11)


def test_a_batch_that_became_unreadable_while_in_flight_is_passed_over() -> None:
    world = connected()
    world.append(Stream.SALES, 8)
    world.pump()
    world.answer(2)
    world.disconnect()
    world.damaged.update((Stream.SALES, Place(1, sequence)) for sequence in range(1, 5))
    world.connect()
    world.drain()
    assert world.durable[Stream.SALES] == Place(1, 8)


def test_without_an_answer_for_too_long_the_connection_counts_as_stalled() -> None:
    world = connected()
    world.append(Stream.SALES, 8)
    world.pump()
    world.now_s += SETTINGS.puback_timeout_s - 1
    assert not world.outbox.stalled(world.now_s)
    world.answer(1)
    world.now_s += SETTINGS.puback_timeout_s - 1
    assert not world.outbox.stalled(world.now_s)
    assert world.outbox.wait_s(world.now_s) == pytest.approx(1)
    world.now_s += 1
    assert world.outbox.stalled(world.now_s)


@pytest.mark.case("N3")
def test_an_answer_that_was_passed_over_by_later_ones_is_not_waited_for_without_end() -> None:
    world = connected()
    world.append(Stream.SALES, 400)
    world.pump()
    began_s = world.now_s
    while world.now_s < began_s + SETTINGS.puback_timeout_s:
        assert not world.outbox.stalled(world.now_s)
        world.answer(max(world.in_flight))  # never the first
        world.now_s += 1
        world.pump()
    assert world.outbox.stalled(world.now_s)


def test_an_idle_connection_never_counts_as_stalled() -> None:
    world = connected()
    world.now_s += 10_000
    assert not world.outbox.stalled(world.now_s)


def test_latencies_are_measured_from_publish_to_answer() -> None:
    world = connected()
    world.append(Stream.SALES, 4)
    world.pump()
    world.now_s += 0.25
    world.answer(1)
    assert list(world.outbox.latencies_s) == [0.25]


def test_what_could_not_be_made_durable_is_given_again_unless_newer() -> None:
    world = connected()
    world.append(Stream.SALES, 8)
    world.pump()
    world.outbox.puback(1, 0, world.now_s)
    first = world.outbox.take_advances()
    world.outbox.put_back(first)
    assert world.outbox.take_advances() == first == {Stream.SALES: Place(1, 4)}
    world.outbox.puback(2, 0, world.now_s)
    world.outbox.put_back(first)
    assert world.outbox.take_advances() == {Stream.SALES: Place(1, 8)}


def test_streams_share_a_busy_connection_by_weight() -> None:
    world = connected(LinkSettings(window_publishes=1, batch_events_max=4, linger_s=0))
    for stream in Stream:
        world.append(stream, 4 * 200, size=100)
    turns = sum(SHARES.values())
    for _ in range(4 * turns):
        world.pump()
        world.answer(next(iter(world.in_flight)))
    for stream in Stream:
        publishes = len(sequences(world, stream))
        assert abs(publishes - 4 * SHARES[stream]) <= 1, stream


@given(st.lists(st.sampled_from(list(Stream)), min_size=1, unique=True), st.integers(20, 400))
def test_no_stream_starves(busy: list[Stream], size: int) -> None:
    world = connected(LinkSettings(window_publishes=2, batch_events_max=1, linger_s=0))
    for stream in busy:
        world.append(stream, 120, size=size)
    while len(world.history) < 120:
        world.pump()
        world.answer(next(iter(world.in_flight)))
    total = sum(SHARES[stream] for stream in busy)
    for stream in busy:
        at = [place for place, sent in enumerate(world.history) if sent.publish.stream is stream]
        assert len(at) >= 120 * SHARES[stream] // total - 2
        longest_gap = max((later - earlier for earlier, later in pairwise([0, *at])), default=0)
        assert longest_gap <= -(-total // SHARES[stream]) + len(busy)


def test_a_stream_that_was_idle_saved_no_credit() -> None:
    world = connected(LinkSettings(window_publishes=1, batch_events_max=1, linger_s=0))
    world.append(Stream.SENSOR, 100, size=100)
    for _ in range(100):
        world.pump()
        world.answer(next(iter(world.in_flight)))
    world.history.clear()
    world.append(Stream.SALES, 100, size=100)
    world.append(Stream.SENSOR, 100, size=100)
    for _ in range(27):
        world.pump()
        world.answer(next(iter(world.in_flight)))
    assert 2 <= len(sequences(world, Stream.SENSOR)) <= 4


def test_payloads_are_json_even_for_one_event() -> None:
    world = connected()
    world.append(Stream.AUDIT, 1)
    world.drain()
    assert json.loads(world.history[0].publish.payload) == [["audit", 1, 1]]
    assert len(world.history[0].publish.payload) + OVERHEAD_BYTES < world.packet_bytes_max


def test_a_stream_that_cannot_be_read_waits_and_the_others_go_on() -> None:
    world = connected()
    world.append(Stream.SALES, 4)
    world.append(Stream.SENSOR, 4)
    world.outbox.set_heads({stream: world.head(stream) for stream in Stream}, world.now_s)
    wish = world.outbox.next_read(world.now_s)
    assert wish is not None
    world.outbox.could_not_read(wish, "page 7 is damaged", world.now_s)
    other = Stream.SENSOR if wish.stream is Stream.SALES else Stream.SALES
    assert world.outbox.troubles == {wish.stream: f"stream {wish.stream} cannot be read: page 7 is damaged"}
    world.pump()
    assert sequences(world, other) == [[1, 2, 3, 4]]
    world.drain()
    assert sequences(world, wish.stream) == [[1, 2, 3, 4]]
    assert world.outbox.troubles == {}


def test_who_is_in_a_hurry_while_the_line_is_down_catches_up_without_the_spread_after_an_outage_once() -> None:
    settings = SETTINGS.model_copy(update={"catch_up_spread_s": 600.0})
    world = connected(settings)
    world.append(Stream.SALES, 12)
    for hurried, sent in ((True, 3), (False, 1)):
        world.disconnect()
        world.outbox.disconnected(world.now_s)
        world.now_s += 3_600.0
        if hurried:
            world.outbox.hurry()
        world.connect()
        assert world.pump() == sent


def test_a_cursor_that_could_not_be_made_durable_is_given_again_as_it_stands_by_then() -> None:
    world = connected()
    world.append(Stream.SALES, 4)
    world.disk_works = False
    world.pump()
    world.answer(1)
    failing = world.outbox.take_advances()
    world.outbox.disconnected(world.now_s)
    world.outbox.rewind(Stream.SALES, START, world.now_s)
    assert world.outbox.take_advances() == {Stream.SALES: START}  # and that became durable
    world.outbox.put_back(failing)
    assert world.outbox.take_advances() == {Stream.SALES: START}
