"""What is parked is tried again one by one: none hides another, and none is in the way of what is live."""

from random import Random

import pytest

from agent.event_types import Stream
from agent.link.parking import REFUSED_IN_A_ROW_MAX
from agent.link.reasons import BREAKS_CONNECTION
from agent.log import Place, StoredEvent
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
NOT_AUTHORIZED, TOO_LARGE, INVALID_PAYLOAD = 0x87, 0x95, 0x99
SALES, STOCK = Stream.SALES, Stream.STOCK


def parked(code: int, *sequences: int, size: int = 10, settings: LinkSettings = SETTINGS) -> World:
    """A world that starts with the last event sent, and these ones parked before it; what is no neighbour is a run."""
    world = World(settings)
    world.append(SALES, max(sequences) + 1, size)
    world.durable[SALES] = Place(1, max(sequences) + 1)
    world.acknowledged[SALES] = {event.place for event in world.logs[SALES]}
    world.parked[SALES] = {Place(1, sequence): code for sequence in sequences}
    world.acknowledged[SALES] -= set(world.parked[SALES])
    world.start()
    world.connect()
    return world


def serve(world: World, codes: dict[int, int], seconds: float) -> None:
    """A broker that answers what holds one of these events with its code; BREAKS_CONNECTION: it hangs up."""
    ends_s = world.now_s + seconds
    while world.now_s < ends_s:
        world.pump()
        if not world.in_flight:
            wait_s = world.outbox.wait_s(world.now_s)
            world.now_s = min(ends_s, world.now_s + (seconds if wait_s is None else max(wait_s, 0.000_1)))
            continue
        mid, sent = next(iter(world.in_flight.items()))
        found = [codes[place.sequence] for place in sent.places if place.sequence in codes]
        if BREAKS_CONNECTION in found:
            world.disconnect(suspicious=True)
            world.now_s += 1.0
            world.connect()
        else:
            world.answer(mid, found[0] if found else 0)


def left(world: World) -> list[int]:
    return sorted(place.sequence for place in world.parked[SALES])


@pytest.mark.case("N5")
def test_an_event_that_is_still_refused_hides_none_of_the_others() -> None:
    world = parked(INVALID_PAYLOAD, 2, 4, 6)
    serve(world, {2: INVALID_PAYLOAD}, 10)
    assert left(world) == [2]


def test_a_run_that_is_still_refused_for_its_topic_is_not_the_only_one_that_is_ever_tried() -> None:
    world = parked(NOT_AUTHORIZED, 2, 4, 6)
    serve(world, {2: NOT_AUTHORIZED}, 10)
    assert left(world) == [2, 4, 6], "a topic that is refused is asked once"
    serve(world, {2: NOT_AUTHORIZED}, SETTINGS.parked_retry_s + 10)
    assert left(world) == [2]


@pytest.mark.case("N5")
def test_neighbours_that_a_restart_made_one_run_are_told_apart_when_one_is_still_refused() -> None:
    world = parked(INVALID_PAYLOAD, *range(2, 10))
    assert len(world.outbox.parked) == 1
    serve(world, {3: INVALID_PAYLOAD, 8: INVALID_PAYLOAD}, 10)
    assert left(world) == [3, 8]


def test_neighbours_of_an_event_that_is_still_too_large_are_sent() -> None:
    world = parked(TOO_LARGE, *range(2, 6))
    log = world.logs[SALES]
    log[1] = StoredEvent.of(log[1].place, log[1].id, Random(1).randbytes(5_000))
    world.disconnect()
    world.connect(packet_bytes_max=2_000)
    world.outbox.send_parked(None, world.now_s)
    serve(world, {}, 10)
    assert left(world) == [2]


def test_of_the_events_that_break_connections_one_a_day_does_so_and_the_others_have_their_turn() -> None:
    world = parked(BREAKS_CONNECTION, 2, 4, 6)
    poison = {2: BREAKS_CONNECTION, 4: BREAKS_CONNECTION}
    for day in (1, 2):
        sent = len(world.history)
        serve(world, poison, 86_410)
        assert len(world.history) - sent == 1, f"day {day}"
    serve(world, poison, 86_410)
    assert left(world) == [2, 4]


def test_a_thousand_parked_events_that_cannot_be_sent_hold_up_no_sale() -> None:
    world = parked(TOO_LARGE, *range(2, 2_002, 2))
    world.logs[SALES] = [
        StoredEvent.of(one.place, one.id, one.body.ljust(3_000)) if one.place in world.parked[SALES] else one
        for one in world.logs[SALES]
    ]
    world.disconnect()
    world.connect(packet_bytes_max=2_000)
    world.outbox.send_parked(None, world.now_s)
    world.append(STOCK, 20)
    reads = 0
    world.outbox.set_heads({STOCK: world.head(STOCK)}, world.now_s)
    while not any(sent.publish.stream is STOCK for sent in world.history) or len(world.history) < 3:
        before = len(world.history)
        world.pump_once()
        reads += len(world.history) == before
    assert reads < 20


@pytest.mark.case("N5")
def test_what_is_refused_because_it_is_compressed_goes_plain_at_once() -> None:
    world = parked(NOT_AUTHORIZED, *range(2, 6), size=200)
    world.outbox.compression.accepted = True
    for _ in range(20):
        world.pump()
        for mid, sent in list(world.in_flight.items()):
            world.answer(mid, INVALID_PAYLOAD if sent.publish.encoding else 0)
    assert left(world) == []
    assert [sent.publish.encoding for sent in world.history] == ["zstd", ""]


def test_what_is_refused_event_by_event_takes_little_of_the_line_and_the_one_that_is_not_has_its_turn() -> None:
    world = parked(INVALID_PAYLOAD, *range(2, 202))
    refused = dict.fromkeys(range(2, 201), INVALID_PAYLOAD)
    serve(world, refused, SETTINGS.parked_retry_s)
    assert len(world.history) <= REFUSED_IN_A_ROW_MAX
    serve(world, refused, 24 * SETTINGS.parked_retry_s)
    assert left(world) == list(range(2, 201))
