"""How the outbox paces itself over lines and brokers of all kinds, in virtual time."""

from statistics import median

import pytest

from agent.clock import SystemClock
from agent.event_types import Stream
from agent.settings import LinkSettings
from sim.bench.shop_bodies import shop_bodies
from sim.virtual_link import BrokerModel, LineModel, VirtualLink

DAY_BACKLOG = {Stream.SENSOR: 500_000, Stream.STOCK: 264_000, Stream.TOUCH: 100_000}
SLOW = LineModel(round_trip_s=0.6, bytes_per_s=250_000 / 8, loss=0.02)


def started(link: VirtualLink) -> VirtualLink:
    link.connect()
    return link


@pytest.mark.case("N8")
def test_an_outage_of_864_000_events_is_over_in_five_minutes_at_100_publishes_a_second() -> None:
    link = VirtualLink(
        LinkSettings(publishes_per_s_max=100), LineModel(round_trip_s=0.1), BrokerModel(publishes_per_s=100)
    )
    link.backlog(DAY_BACKLOG)
    link.flows[Stream.SALES] = 2.0
    took_s = started(link).drain(600)
    assert took_s is not None
    assert took_s < 300
    assert link.refused == 0
    assert link.timeouts == 0
    assert max(link.delays_s[Stream.SALES]) < 2.0


@pytest.mark.case("N8")
def test_without_a_cap_in_the_settings_the_rate_is_learned_from_refusals() -> None:
    link = VirtualLink(LinkSettings(), LineModel(round_trip_s=0.1), BrokerModel(publishes_per_s=20))
    link.backlog(DAY_BACKLOG)
    link.flows[Stream.SALES] = 2.0
    took_s = started(link).drain(1_200)
    assert took_s is not None
    assert link.timeouts == 0
    assert link.refused < 0.02 * link.publishes
    assert took_s < 1.3 * (link.publishes - link.refused) / 20


@pytest.mark.case("N13")
def test_a_slow_lossy_line_never_times_out_and_a_live_sale_does_not_wait_behind_the_backlog() -> None:
    link = VirtualLink(LinkSettings(), SLOW)
    link.backlog({Stream.SENSOR: 15_000, Stream.STOCK: 5_000})
    link.flows[Stream.SALES] = 0.2
    took_s = started(link).drain(3_000)
    assert took_s is not None
    assert link.timeouts == 0
    least_s = 20_000 * len(link.bodies[0]) / SLOW.bytes_per_s
    assert took_s < 1.4 * least_s
    assert max(link.delays_s[Stream.SALES]) < 2.0
    assert median(link.delays_s[Stream.SALES]) < 1.0


@pytest.mark.case("N3")
def test_with_a_fifth_of_the_answers_lost_everything_arrives_and_only_the_unanswered_is_sent_again() -> None:
    link = VirtualLink(LinkSettings(), LineModel(round_trip_s=0.1), BrokerModel(answers_lost=0.2))
    link.backlog({Stream.SALES: 50_000, Stream.SENSOR: 50_000})
    assert started(link).drain(3_600) is not None
    link.run(60)
    assert link.waiting == 0
    assert link.timeouts > 0
    repeats = link.outbox.tally.redelivered_events
    assert 0 < repeats <= link.outbox.tally.published_events - 100_000
    assert link.outbox.tally.published_events < 1.5 * 100_000


@pytest.mark.case("N1")
def test_thirty_days_without_a_network_are_sent_from_the_first_event_on() -> None:
    link = VirtualLink(LinkSettings(publishes_per_s_max=100), LineModel(round_trip_s=0.1))
    link.connect()
    link.lose_connection()
    link.now_s += 30 * 86_400
    link.backlog({Stream.SALES: 200_000, Stream.SENSOR: 800_000})
    link.connect()
    took_s = link.drain(1_800)
    assert took_s is not None
    link.run(10)
    assert link.waiting == 0
    assert link.outbox.tally.acknowledged_events == 1_000_000


@pytest.mark.case("N13")
@pytest.mark.parametrize("line", [SLOW, LineModel(round_trip_s=0.1, bytes_per_s=250_000 / 8, loss=0.02)])
def test_a_backlog_of_real_events_is_gone_from_a_slow_line_eight_times_as_fast_when_it_is_compressed(
    line: LineModel,
) -> None:
    bodies = shop_bodies(6_000, SystemClock())[Stream.SALES]
    took_s, slowest_s = [], []
    for reads_zstd in (False, True):
        link = VirtualLink(LinkSettings(), line, bodies=bodies, reads_zstd=reads_zstd)
        link.backlog({Stream.SALES: 20_000})
        link.flows[Stream.STOCK] = 0.2
        took_s.append(started(link).drain(3_600) or float("inf"))
        slowest_s.append(max(link.delays_s[Stream.STOCK]))
        assert link.timeouts == 0
    assert took_s[1] < took_s[0] / 8
    assert slowest_s[1] < 2.0


def test_a_fast_long_line_is_filled() -> None:
    link = VirtualLink(LinkSettings(), LineModel(round_trip_s=0.2, bytes_per_s=12_500_000))
    link.backlog({Stream.SENSOR: 200_000})
    took_s = started(link).drain(600)
    assert took_s is not None
    assert took_s < 25


def test_no_stream_starves_however_much_others_have_to_send() -> None:
    link = VirtualLink(LinkSettings(publishes_per_s_max=10), LineModel(round_trip_s=0.1))
    link.backlog(dict.fromkeys(Stream, 50_000))
    link.connect()
    link.run(60)
    sent = {stream: link.outbox.cursor(stream).sequence for stream in Stream}
    assert min(sent.values()) > 1_000
    assert sent[Stream.SALES] > 6 * sent[Stream.SENSOR]


@pytest.mark.parametrize(("stream", "passes"), [(Stream.KIOSK, True), (Stream.STOCK, False)])
def test_live_events_pass_by_the_backlog_of_their_own_stream_unless_its_order_is_strict(
    stream: Stream, *, passes: bool
) -> None:
    link = VirtualLink(LinkSettings(publishes_per_s_max=20), LineModel(round_trip_s=0.1))
    link.backlog({stream: 100_000})
    link.flows[stream] = 1.0
    took_s = started(link).drain(600)
    assert took_s is not None
    assert took_s > 20
    assert (max(link.delays_s[stream]) < 2.0) == passes
    link.flows.clear()
    link.run(5)
    assert link.waiting == 0
    assert link.outbox.tally.redelivered_events == 0


@pytest.mark.case("N8")
def test_after_an_outage_stores_begin_to_catch_up_one_after_the_other_and_their_tills_at_once() -> None:
    begins_s = []
    for seed in range(200):
        link = VirtualLink(LinkSettings(catch_up_spread_s=5.0), LineModel(round_trip_s=0.1), seed=seed)
        started(link).run(1)
        link.lose_connection()
        link.now_s += 90.0
        link.backlog({Stream.SENSOR: 5_000})
        link.flows[Stream.SALES] = 1.0
        link.connect()
        connected_s = link.now_s
        while link.outbox.in_flight <= 1 and link.now_s - connected_s < 10:
            link.run(0.05)
        begins_s.append(link.now_s - connected_s)
        assert max(link.delays_s[Stream.SALES], default=0.0) < 1.0
    for second in range(1, 6):
        assert 20 <= sum(second - 1 < begins <= second for begins in begins_s) <= 60


def test_after_a_short_break_nobody_waits() -> None:
    link = VirtualLink(LinkSettings(catch_up_spread_s=5.0), LineModel(round_trip_s=0.1))
    started(link).run(1)
    link.lose_connection()
    link.now_s += 50.0
    link.backlog({Stream.SENSOR: 5_000})
    link.connect()
    link.run(0.05)
    assert link.outbox.in_flight > 1


@pytest.mark.case("N13")
@pytest.mark.parametrize("line", [SLOW, LineModel(round_trip_s=0.1, bytes_per_s=500_000)])
def test_the_time_that_is_told_for_the_end_of_a_backlog_comes_true(line: LineModel) -> None:
    link = VirtualLink(LinkSettings(), line)
    link.backlog({Stream.SENSOR: 30_000})
    link.flows[Stream.SENSOR] = 5.0
    link.connect()
    told: list[tuple[float, float]] = []
    while link.waiting > 100:
        link.run(5)
        remaining_s = link.eta.remaining_s(link.now_s)
        if remaining_s is not None and link.now_s > 20:
            told.append((link.now_s, link.now_s + remaining_s))
    assert len(told) > 3
    for at_s, ends_s in told:
        assert abs(ends_s - link.now_s) < 0.25 * (link.now_s - at_s) + 10
