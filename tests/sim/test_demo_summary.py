"""What a demo says of itself in figures: the JSON summary, the progress of its day, its outages."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from agent.event_types import Stream
from sim.demo.outage import find_outages
from sim.demo.summary import LinkState, Sample, StoreDay, StreamResult
from tests.sim.demo_samples import DAY, SUMMARY, failed, samples

PROMISED_KEYS = {
    "data_source",
    "events_accepted",
    "events_delivered",
    "missing",
    "duplicates",
    "conflicts",
    "outage_s",
    "append_ms_p50",
    "append_ms_p99",
    "event_to_cloud_ms_p50",
    "event_to_cloud_ms_p95",
    "wall_s",
    "baskets",
    "sales_total",
    "redelivered",
    "shed",
    "quarantined",
    "seed",
    "streams",
    "day_close",
    "invariants",
    "out",
    "version",
    "agv_orders_done",
    "stop_ms_max",
    "physical_picks_equal_actions",
}


def test_the_json_has_every_promised_key() -> None:
    assert set(json.loads(SUMMARY.to_json())) >= PROMISED_KEYS


def test_the_json_keeps_money_as_decimal_text_and_what_was_not_measured_as_null() -> None:
    fields = json.loads(SUMMARY.to_json())
    assert fields["sales_total"] == {"USD": "88123.10"}
    assert fields["event_to_cloud_ms_p95"] is None
    assert fields["append_ms_p99"] == 7.512
    assert fields["day_close"] == "agreed"
    assert fields["streams"]["sales"] == {
        "accepted": 28_000,
        "delivered": 28_000,
        "missing": 0,
        "duplicates": 0,
        "conflicts": 0,
        "shed": 0,
        "quarantined": 0,
    }


def test_one_broken_invariant_makes_the_demo_fail() -> None:
    assert SUMMARY.held
    assert not failed().held
    assert json.loads(failed().to_json())["ok"] is False


def test_a_demo_that_checked_nothing_has_not_held() -> None:
    assert not replace(SUMMARY, invariants={}).held


@pytest.mark.parametrize(
    ("result", "whole"),
    [
        (StreamResult(10, 10, 0, 0, 0), True),
        (StreamResult(10, 9, 0, 0, 0), False),
        (StreamResult(10, 7, 0, 0, 0, 2, 1), True),
        (StreamResult(10, 7, 0, 0, 0, 2), False),
        (StreamResult(10, 10, 1, 0, 0), False),
        (StreamResult(10, 10, 0, 1, 0), False),
        (StreamResult(10, 10, 0, 0, 1), False),
    ],
)
def test_a_stream_is_whole_only_when_both_sides_agree_and_nothing_is_odd(result: StreamResult, *, whole: bool) -> None:
    assert result.whole is whole


@pytest.mark.parametrize(("hours", "progress"), [(-1, 0.0), (0, 0.0), (4, 0.25), (16, 1.0), (20, 1.0)])
def test_progress_stays_within_the_day(hours: int, progress: float) -> None:
    assert DAY.progress(DAY.from_time + timedelta(hours=hours)) == progress


def test_a_day_without_length_is_over() -> None:
    assert replace(DAY, to_time=DAY.from_time).progress(DAY.from_time) == 1.0


def test_the_clock_shows_the_shops_own_time() -> None:
    zone = timezone(timedelta(hours=-5))
    day = StoreDay("x", datetime(2017, 3, 5, 6, tzinfo=zone), datetime(2017, 3, 5, 22, tzinfo=zone), "USD", "0")
    assert day.clock(datetime(2017, 3, 5, 19, 31, tzinfo=UTC)) == "14:31"


def test_the_clock_does_not_run_on_into_a_day_that_is_not_played() -> None:
    assert DAY.clock(DAY.to_time) == "22:00"
    assert DAY.clock(DAY.to_time + timedelta(hours=9)) == "after 22:00"
    assert DAY.clock(DAY.from_time - timedelta(hours=2)) == "06:00"


def test_the_clock_shows_the_date_when_several_days_are_played() -> None:
    week = replace(DAY, to_time=DAY.from_time + timedelta(days=7))
    assert week.clock(DAY.from_time) == "Sun 5 Mar 06:00"


def test_an_outage_is_measured_from_the_cut_until_the_log_is_shallow_again() -> None:
    (outage,) = find_outages(samples())
    assert (outage.begins_s, outage.ends_s, outage.length_s) == (10.0, 18.0, 8.0)
    assert outage.waiting_max == 16 * 60
    assert outage.caught_up_s == 0.5


def test_the_depth_that_grows_while_the_agent_reconnects_counts() -> None:
    made = [
        replace(sample, link=LinkState.CONNECTING, waiting=5_000) if sample.at_s == 18.0 else sample
        for sample in samples()
    ]
    (outage,) = find_outages(made)
    assert outage.waiting_max == 5_000
    assert outage.length_s == 8.0


def test_no_cut_is_no_outage() -> None:
    assert find_outages(samples(cut=False)) == ()
    assert find_outages([]) == ()


@pytest.mark.parametrize("last_s", [12.0, 10.0])
def test_a_cut_that_never_ended_lasts_to_the_last_sample(last_s: float) -> None:
    (outage,) = find_outages([sample for sample in samples() if sample.at_s <= last_s])
    assert (outage.begins_s, outage.ends_s) == (10.0, last_s)
    assert outage.caught_up_s is None


def test_every_cut_is_an_outage_of_its_own() -> None:
    made: list[Sample] = [
        replace(sample, link=LinkState.CUT) if sample.at_s < 2 or 30 <= sample.at_s < 31 else sample
        for sample in samples()
    ]
    assert [(outage.begins_s, outage.ends_s) for outage in find_outages(made)] == [(0, 2), (10, 18), (30, 31)]


def test_streams_are_named_in_the_json_as_on_the_wire() -> None:
    assert list(json.loads(SUMMARY.to_json())["streams"]) == [Stream.SALES.value, Stream.SENSOR.value]
