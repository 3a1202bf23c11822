"""What is wanted once more goes beside the cursors: nothing waits for it, and whatever happens, nothing is parked."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent.event_types import Stream
from agent.link.beside import Run
from agent.link.reasons import BREAKS_CONNECTION
from agent.link.replay import GIVEN_UP_IN_A_ROW_MAX, ReplayedStream, ReplayState, ReplayStatus
from agent.link.shares import SHARES
from agent.log import Place, StoredEvent
from agent.settings import LinkSettings
from sim.virtual_link import LineModel, VirtualLink
from tests.link.outbox_world import OVERHEAD_BYTES, World

SETTINGS = LinkSettings(
    window_publishes=3, batch_events_max=4, batch_bytes_max=1_024, linger_s=0.0, park_after_tries=3, parked_retry_s=0
)
NOT_AUTHORIZED, TOO_LARGE, INVALID_PAYLOAD, QUOTA_EXCEEDED, UNSPECIFIED = 0x87, 0x95, 0x99, 0x97, 0x80
SALES, STOCK = Stream.SALES, Stream.STOCK


def delivered(settings: LinkSettings = SETTINGS, **counts: int) -> World:
    """A world whose events are all delivered, with an empty history."""
    world = World(settings)
    world.connect()
    for stream, count in counts.items():
        world.append(Stream(stream), count)
    world.drain()
    world.history.clear()
    return world


def ask(world: World, *runs: tuple[Stream, int, int]) -> None:
    events: dict[Stream, int] = {}
    for stream, first, last in runs:
        events[stream] = events.get(stream, 0) + last - first + 1
    world.outbox.replay.start([Run(stream, Place(1, first), Place(1, last)) for stream, first, last in runs], events)


def status(world: World) -> ReplayStatus:
    found = world.outbox.replay.status()
    assert found is not None
    return found


def part(world: World, stream: Stream = SALES) -> ReplayedStream:
    return next(one for one in status(world).streams if one.stream is stream)


def again(world: World, stream: Stream = SALES) -> list[list[int]]:
    sent = [one for one in world.history if one.publish.stream is stream and one.publish.read.beside is not None]
    return [[place.sequence for place in one.places] for one in sent]


def serve(world: World, codes: dict[tuple[Stream, int], int], seconds: float = 600.0) -> None:
    """A broker that answers what holds one of these events with its code; BREAKS_CONNECTION: it hangs up."""
    ends_s = world.now_s + seconds
    while world.now_s < ends_s and world.outbox.replay.is_going:
        world.pump()
        if world.in_flight:
            mid, sent = next(iter(world.in_flight.items()))
            found = [codes[key] for place in sent.places if (key := (sent.publish.stream, place.sequence)) in codes]
            if BREAKS_CONNECTION in found:
                world.disconnect(suspicious=True)
                world.now_s += 1.0
                world.connect()
            else:
                world.answer(mid, found[0] if found else 0)
        else:
            wait_s = world.outbox.wait_s(world.now_s)
            assert wait_s is not None
            world.now_s += max(wait_s, 0.000_1)


def nothing_is_parked(world: World) -> bool:
    return not world.outbox.parked and not any(world.parked.values())


def test_the_same_bytes_go_again_in_their_order_and_no_cursor_moves() -> None:
    world = delivered(sales=20, stock=8)
    before = dict(world.durable)
    ask(world, (SALES, 3, 9), (SALES, 12, 13), (STOCK, 1, 8))
    assert status(world).state is ReplayState.SENDING
    world.drain()
    assert again(world) == [[3, 4, 5, 6], [7, 8, 9], [12, 13]]
    assert again(world, STOCK) == [[1, 2, 3, 4], [5, 6, 7, 8]]
    bodies = [event.body for event in world.logs[SALES]][2:6]
    assert world.history[0].publish.payload == b"[" + b",".join(bodies) + b"]"
    assert world.durable == before
    assert world.outbox.take_advances() == {}
    assert status(world) == ReplayStatus(
        ReplayState.DONE, "", (ReplayedStream(SALES, 9, 9, 0, 0, ""), ReplayedStream(STOCK, 8, 8, 0, 0, ""))
    )
    assert world.outbox.tally.redelivered_events == 17


def test_one_batch_is_on_its_way_at_a_time() -> None:
    world = delivered(sales=40)
    ask(world, (SALES, 1, 40))
    assert world.pump() == 1
    assert world.outbox.wait_s(world.now_s) == SETTINGS.puback_timeout_s
    world.append(SALES, 8)
    assert world.pump() == 2
    assert [one.publish.read.beside is None for one in world.in_flight.values()] == [False, True, True]


def test_beside_live_events_it_has_one_part() -> None:
    world = delivered(SETTINGS.model_copy(update={"window_publishes": 1}), sales=4_000)
    ask(world, (SALES, 1, 4_000))
    world.append(SALES, 4_000)
    for _ in range(270):
        world.pump()
        world.answer(next(iter(world.in_flight)))
    assert abs(len(again(world)) - 270 / (SHARES[SALES] + 1)) <= 4  # shares are of bytes
    assert world.durable[SALES].sequence > 4_000 + 200 * 4


def test_a_live_sale_does_not_wait_for_it() -> None:
    def slowest_s(*, replaying: bool) -> float:
        link = VirtualLink(LinkSettings(), LineModel(0.2, 31_250))
        link.backlog({SALES: 20_000})
        link.connect()
        link.drain(3_000)
        link.flows = {SALES: 2.0}
        if replaying:
            link.outbox.replay.start([Run(SALES, Place(1, 1), Place(1, 20_000))], {SALES: 20_000})
        link.run(120)
        found = link.outbox.replay.status()
        assert not replaying or (found is not None and found.sent > 2_000)
        return max(link.delays_s[SALES])

    assert slowest_s(replaying=True) < slowest_s(replaying=False) + 0.7


def test_a_broken_line_sends_the_batch_again_and_parks_nothing() -> None:
    world = delivered(sales=12)
    ask(world, (SALES, 1, 12))
    for suspicious in (False, True, False, True, True, True, False, True, True):
        world.pump()
        world.disconnect(suspicious=suspicious)
        world.now_s += 60.0
        assert world.outbox.wait_s(world.now_s) is None
        world.connect()
        world.append(SALES, 2)
    world.drain()
    assert world.durable[SALES] == world.head(SALES)
    assert part(world).sent + part(world).not_delivered == 12
    assert part(world).sent >= 8
    assert nothing_is_parked(world)


def test_a_line_that_breaks_for_no_fault_of_ours_costs_no_try() -> None:
    world = delivered(sales=12)
    ask(world, (SALES, 1, 12))
    for _ in range(50):
        world.pump()
        world.disconnect()
        world.connect()
    world.drain()
    assert part(world).sent == 12
    assert all(len(one) == 4 for one in again(world))


@pytest.mark.parametrize("code", [NOT_AUTHORIZED, UNSPECIFIED, 0x90, 0x10])
def test_what_is_refused_is_tried_with_waits_and_then_counts_as_not_delivered(code: int) -> None:
    world = delivered(SETTINGS.model_copy(update={"unheard": "hold"}), sales=12)
    ask(world, (SALES, 1, 12))
    began_s = world.now_s
    serve(world, {(SALES, 6): code})
    assert again(world) == [[1, 2, 3, 4], *[[5, 6, 7, 8]] * 3, [9, 10, 11, 12]]
    assert world.now_s > began_s + 0.01
    assert (part(world).sent, part(world).not_delivered, part(world).gone) == (8, 4, 0)
    assert f"0x{code:02X}" in part(world).reason
    assert status(world).state is ReplayState.DONE
    assert world.outbox.troubles == {}
    assert nothing_is_parked(world)


@pytest.mark.parametrize("code", [TOO_LARGE, INVALID_PAYLOAD, BREAKS_CONNECTION])
def test_one_event_that_is_to_blame_is_found_and_only_that_is_not_delivered(code: int) -> None:
    world = delivered(SETTINGS.model_copy(update={"batch_events_max": 16}), sales=64, stock=4)
    ask(world, (SALES, 1, 64))
    world.append(STOCK, 4)
    serve(world, {(SALES, 21): code})
    assert (part(world).sent, part(world).not_delivered) == (63, 1)
    assert part(world).reason
    assert nothing_is_parked(world)
    world.drain()
    assert world.durable[STOCK] == Place(1, 8)
    assert nothing_is_parked(world)


def test_a_broker_that_hangs_up_on_compressed_batches_gets_plain_ones() -> None:
    world = World(SETTINGS.model_copy(update={"batch_events_max": 8, "batch_bytes_max": 8_192}))
    world.connect()
    world.append(SALES, 64, size=400)
    world.drain()
    world.outbox.compression.accepted = True
    ask(world, (SALES, 1, 64))
    breaks = 0
    while world.outbox.replay.is_going:
        world.pump()
        if not world.in_flight:
            world.now_s += world.outbox.wait_s(world.now_s) or 0.000_1
        elif (sent := next(iter(world.in_flight.values()))).publish.encoding:
            breaks += 1
            world.disconnect(suspicious=True)
            world.connect()
        else:
            world.answer(sent.mid)
    assert (part(world).sent, part(world).not_delivered, breaks) == (64, 0, 3)


def test_a_stream_that_the_broker_does_not_want_any_more_is_given_up_soon_and_others_are_not() -> None:
    world = delivered(sales=400, stock=8)
    ask(world, (SALES, 1, 400), (STOCK, 1, 8))
    serve(world, dict.fromkeys(((SALES, at) for at in range(1, 401)), NOT_AUTHORIZED), seconds=3_000)
    assert len(again(world)) == GIVEN_UP_IN_A_ROW_MAX * SETTINGS.park_after_tries
    assert (part(world).sent, part(world).not_delivered) == (0, 400)
    assert part(world, STOCK).sent == 8
    assert nothing_is_parked(world)


def test_a_broker_that_asks_for_less_is_obeyed_and_everything_arrives_in_the_end() -> None:
    world = delivered(sales=8)
    ask(world, (SALES, 1, 8))
    for _ in range(20):
        while not world.in_flight:
            world.now_s += world.outbox.wait_s(world.now_s) or 0.001
            world.pump()
        world.answer(next(iter(world.in_flight)), QUOTA_EXCEEDED)
        assert world.pump() == 0
        assert "0x97 quota exceeded" in status(world).trouble
    world.drain()
    assert part(world).sent == 8
    assert status(world).trouble == ""


def test_an_event_beyond_the_brokers_packet_is_not_delivered_and_not_parked() -> None:
    world = World(SETTINGS)
    world.connect()
    world.append(SALES, 1)
    world.append(SALES, 1, size=2_000)
    world.append(SALES, 1)
    world.drain()
    world.disconnect()
    world.connect(packet_bytes_max=900)
    ask(world, (SALES, 1, 3))
    world.drain()
    assert (part(world).sent, part(world).not_delivered, part(world).reason) == (2, 1, "0x95 packet too large")
    assert nothing_is_parked(world)


def test_what_is_no_longer_in_the_log_is_told_as_gone() -> None:
    world = delivered(sales=12)
    ask(world, (SALES, 1, 12))
    del world.logs[SALES][2:7]
    world.drain()
    assert (part(world).sent, part(world).gone) == (7, 5)
    ask(world, (SALES, 3, 7))
    world.drain()
    assert (part(world).sent, part(world).gone, status(world).state) == (0, 5, ReplayState.DONE)


def test_what_cannot_be_read_is_tried_later_and_then_given_up() -> None:
    world = delivered(sales=12)
    ask(world, (SALES, 1, 12))
    for _ in range(SETTINGS.park_after_tries):
        world.now_s += world.outbox.wait_s(world.now_s) or 0.0
        wish = world.outbox.next_read(world.now_s)
        assert wish is not None
        world.outbox.could_not_read(wish, "the page is damaged", world.now_s)
    assert part(world) == ReplayedStream(SALES, 12, 0, 12, 0, "the page is damaged")
    assert world.outbox.troubles == {}


def test_it_can_be_stopped_and_another_one_begun_once_the_last_answer_is_there() -> None:
    world = delivered(sales=40)
    ask(world, (SALES, 1, 40))
    world.pump()
    world.outbox.replay.stop()
    assert status(world).state is ReplayState.STOPPED
    assert world.outbox.replay.is_going, "the batch on its way"
    world.answer(next(iter(world.in_flight)))
    assert (status(world).state, part(world).sent, part(world).gone) == (ReplayState.STOPPED, 4, 0)
    world.drain()
    assert len(again(world)) == 1
    ask(world, (SALES, 1, 40))
    world.drain()
    assert (status(world).state, part(world).sent) == (ReplayState.DONE, 40)


@given(st.data())
@hypothesis_settings(max_examples=120, deadline=None)
def test_whatever_happens_to_it_live_events_arrive_and_each_of_its_own_is_sent_or_told(data: st.DataObject) -> None:
    world = delivered(SETTINGS.model_copy(update={"batch_events_max": data.draw(st.integers(1, 6))}), sales=30, stock=9)
    ask(world, (SALES, 2, data.draw(st.integers(2, 30))), (STOCK, 1, 9))
    for _ in range(data.draw(st.integers(0, 60))):
        match data.draw(st.sampled_from(["pump", "answer", "refuse", "break", "live", "wait", "prune", "too small"])):
            case "pump":
                world.pump()
            case "answer" if world.in_flight:
                world.answer(data.draw(st.sampled_from(sorted(world.in_flight))))
            case "refuse" if beside := [mid for mid, one in world.in_flight.items() if one.publish.read.beside]:
                world.answer(beside[0], data.draw(st.sampled_from([0x80, 0x87, 0x90, 0x95, 0x97, 0x99])))
            case "break":
                only_its_own = all(one.publish.read.beside for one in world.in_flight.values())
                world.disconnect(suspicious=only_its_own and data.draw(st.booleans()))
                world.connect()
            case "live":
                world.append(SALES, data.draw(st.integers(1, 5)))
            case "wait":
                world.now_s += data.draw(st.floats(0, 90))
            case "prune":
                del world.logs[SALES][: data.draw(st.integers(0, 3))]
            case "too small":
                world.disconnect()
                world.connect(packet_bytes_max=data.draw(st.sampled_from([OVERHEAD_BYTES + 40, 1_000_000])))
    world.disconnect()
    world.connect()
    world.drain()
    assert nothing_is_parked(world)
    assert world.durable[SALES] == world.head(SALES)
    assert {event.place for event in world.logs[SALES]} <= world.acknowledged[SALES]
    assert status(world).state is ReplayState.DONE
    for one in status(world).streams:
        assert one.sent + one.not_delivered + one.gone == one.events
        assert one.sent <= sum(len(places) for places in again(world, one.stream))


def test_a_single_event_over_which_connections_break_because_it_is_compressed_goes_plain_and_is_sent() -> None:
    world = delivered(sales=1)
    world.logs[SALES] = [StoredEvent.of(Place(1, 1), "one", b'["sales",1,1]'.ljust(900))]
    world.outbox.compression.accepted = True
    ask(world, (SALES, 1, 1))
    for _ in range(20):
        world.pump()
        for mid, sent in list(world.in_flight.items()):
            if sent.publish.encoding:
                world.disconnect(suspicious=True)
                world.connect()
                break
            world.answer(mid)
        world.now_s += 60.0
    assert part(world).sent == 1


def test_an_event_of_it_that_is_too_large_says_nothing_of_compression() -> None:
    world = delivered(sales=8)
    world.outbox.compression.accepted = True
    ask(world, (SALES, 1, 8))
    serve(world, {(SALES, 3): TOO_LARGE})
    assert (part(world).sent, part(world).not_delivered) == (7, 1)
    assert world.outbox.compression.encoding == "zstd"


def test_what_was_cleared_away_before_the_rest_is_given_up_counts_as_gone() -> None:
    world = delivered(sales=80)
    ask(world, (SALES, 1, 20), (SALES, 41, 80))
    world.damaged = {(SALES, Place(1, sequence)) for sequence in range(1, 21)}
    serve(world, {(SALES, sequence): NOT_AUTHORIZED for sequence in range(41, 81)})
    assert part(world) == ReplayedStream(SALES, 60, 0, 40, 20, "0x87 not authorized")
