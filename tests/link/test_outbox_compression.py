"""What the outbox makes of compression: larger batches, sizes as sent, and no event blamed for its encoding."""

from collections.abc import Callable
from random import Random

from agent.event_types import Stream
from agent.link.batch import batch_of
from agent.link.outbox import Publish
from agent.log import Place, StoredEvent
from agent.settings import LinkSettings
from tests.link.outbox_world import OVERHEAD_BYTES, World

SALES, SENSOR = Stream.SALES, Stream.SENSOR
SETTINGS = LinkSettings(batch_events_max=200, batch_bytes_max=1_024, linger_s=0.0, window_publishes=3)


def reading(settings: LinkSettings = SETTINGS, *, packet_bytes_max: int = 1_000_000) -> World:
    """A world whose ledger has said that it reads zstd."""
    world = World(settings)
    world.outbox.compression.accepted = True
    world.connect(packet_bytes_max=packet_bytes_max)
    return world


def publishes(world: World, stream: Stream = SALES) -> list[Publish]:
    return [sent.publish for sent in world.history if sent.publish.stream is stream]


def test_batches_grow_until_they_are_as_large_when_sent_as_they_may_be() -> None:
    world = reading()
    world.append(SALES, 1_000, size=100)
    world.drain()
    assert world.durable[SALES] == Place(1, 1_000)
    sent = publishes(world)
    assert {publish.encoding for publish in sent} == {"zstd"}
    assert max(len(publish.payload) for publish in sent) <= 1_024
    assert sent[0].events == 10  # nothing is known yet of how they compress
    assert max(publish.events for publish in sent) > 50


def test_what_is_in_flight_counts_as_it_was_sent() -> None:
    world = reading(LinkSettings(linger_s=0.0))
    world.append(SALES, 1_000, size=1_000)
    world.pump()
    compression = world.outbox.compression
    assert compression.sent_bytes == sum(len(publish.payload) for publish in publishes(world))
    assert compression.plain_bytes == sum(publish.plain_bytes for publish in publishes(world))
    assert compression.sent_bytes * 10 < compression.plain_bytes
    assert (
        sum(publish.plain_bytes for publish in publishes(world)) > world.outbox.window_bytes
    )  # plain, fewer would be on their way


def test_a_ledger_that_stops_saying_that_it_reads_zstd_gets_plain_batches_at_once() -> None:
    world = reading()
    world.append(SALES, 20)
    world.drain()
    world.outbox.compression.accepted = False
    world.append(SALES, 20)
    world.drain()
    assert [publish.encoding for publish in publishes(world)] == ["zstd", ""]


def test_neither_the_setting_off_nor_single_events_are_compressed() -> None:
    for settings in (LinkSettings(compression="off"), LinkSettings(batching="off")):
        world = reading(settings)
        world.append(SALES, 20)
        world.drain()
        assert {publish.encoding for publish in publishes(world)} == {""}


def test_a_broker_that_refuses_the_format_of_a_frame_gets_the_same_plain_and_no_event_is_parked() -> None:
    world = reading()
    world.append(SALES, 20)
    world.pump()
    world.answer(1, 0x99)
    world.drain()
    assert [(publish.encoding, publish.events) for publish in publishes(world)] == [("zstd", 20), ("", 20)]
    assert world.parked[SALES] == {}
    world.disconnect()
    world.connect()  # it may be another broker by now
    world.append(SALES, 20)
    world.drain()
    assert publishes(world)[-1].encoding == "zstd"


def broken_over(world: World, is_poison: Callable[[Publish], bool]) -> None:
    """A peer that ends the connection over some publishes, until all is settled."""
    for _ in range(200):
        world.pump()
        for mid, sent in list(world.in_flight.items()):
            if is_poison(sent.publish):
                world.disconnect(suspicious=True)
                world.now_s += 1.0
                world.connect()
                break
            world.answer(mid)
        world.now_s += 1.0
        if world.durable[SALES] == world.head(SALES):
            return
    raise AssertionError("it never comes to rest")


def test_where_connections_break_over_frames_no_event_is_parked_and_the_rest_of_the_connection_goes_plain() -> None:
    world = reading()
    world.append(SALES, 64)
    broken_over(world, lambda publish: publish.encoding != "")
    assert world.parked[SALES] == {}
    broken = sum(publish.encoding != "" for publish in publishes(world))
    assert broken < 12  # down to the first event that shows it
    world.append(SALES, 64)
    world.drain()
    assert sum(publish.encoding != "" for publish in publishes(world)) == broken


def test_an_event_that_connections_break_over_in_any_form_is_found_and_parked() -> None:
    world = reading()
    world.append(SALES, 64)
    broken_over(world, lambda publish: publish.first.sequence <= 40 <= publish.last.sequence)
    assert world.parked[SALES] == {Place(1, 40): 0x00}


def test_an_event_that_fits_the_brokers_packet_only_when_compressed_is_sent_so() -> None:
    world = reading(packet_bytes_max=2_000)
    world.append(SALES, 1, size=5_000)
    world.drain()
    (sent,) = publishes(world)
    assert (sent.encoding, sent.plain_bytes) == ("zstd", 5_002)
    assert len(sent.payload) + OVERHEAD_BYTES <= 2_000
    assert world.durable[SALES] == Place(1, 1)


def test_an_event_that_fits_it_in_no_form_is_parked() -> None:
    world = reading(packet_bytes_max=2_000)
    place = Place(1, 1)
    world.logs[SALES].append(StoredEvent.of(place, "noise", Random(1).randbytes(5_000)))
    world.pump()
    world.store()
    assert world.parked[SALES] == {place: 0x95}


def test_a_stream_that_suddenly_does_not_compress_makes_no_batch_beyond_what_was_asked_for() -> None:
    world = reading(LinkSettings(linger_s=0.0))
    world.append(SENSOR, 2_000, size=500)
    world.drain()
    random = Random(1)
    noise = [StoredEvent.of(Place(1, 2_000 + number), "noise", random.randbytes(500)) for number in range(1, 2_000)]
    world.outbox.set_heads({SENSOR: noise[-1].place}, world.now_s)
    wish = world.outbox.next_read(world.now_s)
    assert wish is not None
    assert wish.bytes_max > 5 * wish.sent_bytes_max
    batch = batch_of(wish, noise)
    assert batch is not None
    assert batch.encoding == ""
    assert wish.sent_bytes_max / 2 < len(batch.payload) <= wish.sent_bytes_max
