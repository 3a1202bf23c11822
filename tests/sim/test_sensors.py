from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.card_guard import card_data_in
from sim.sensors import EVENTS_PER_HOUR_MAX, PRODUCERS, SensorAction, sensor_actions
from sim.store import Basket, Product, SalesSource
from sim.store.generator import generate
from tests.sim.store.shop import basket_lists, decode_all


@pytest.fixture(scope="module")
def source() -> SalesSource:
    return generate(1)


@pytest.fixture(scope="module")
def actions(source: SalesSource) -> list[SensorAction]:
    return list(sensor_actions(source))


def _values(actions: list[SensorAction], sensor_id: str) -> list[float]:
    return [action.data["value"] for action in actions if action.data.get("sensor_id") == sensor_id]


def test_the_default_rate_gives_some_eight_thousand_events_of_five_kinds(actions: list[SensorAction]) -> None:
    assert 6_000 <= len(actions) <= 10_000
    kinds = Counter((action.producer, action.type) for action in actions)
    assert {producer for producer, _ in kinds} == set(PRODUCERS)
    assert all(type_name == f"{producer}.v1" for producer, type_name in kinds)
    assert min(kinds.values()) > 200


def test_the_agent_accepts_every_event(actions: list[SensorAction]) -> None:
    assert len(list(decode_all(actions))) == len(actions)


def test_events_come_by_time_with_distinct_ids(source: SalesSource, actions: list[SensorAction]) -> None:
    assert all(first.at <= second.at for first, second in pairwise(actions))
    assert len({action.event_id for action in actions}) == len(actions)
    assert source.starts_at <= actions[0].at
    assert actions[-1].at < source.ends_at


def test_the_same_seed_makes_the_same_events(source: SalesSource, actions: list[SensorAction]) -> None:
    assert list(sensor_actions(source, seed=1)) == actions
    assert list(sensor_actions(source, seed=2)) != actions


@pytest.mark.parametrize("events_per_hour", [60, 1_000, 6_000])
def test_the_rate_is_kept(source: SalesSource, events_per_hour: int) -> None:
    count = sum(1 for _ in sensor_actions(source, events_per_hour=events_per_hour))
    assert abs(count - 24 * events_per_hour) < 0.1 * 24 * events_per_hour


@pytest.mark.parametrize("events_per_hour", [0, EVENTS_PER_HOUR_MAX + 1])
def test_a_rate_out_of_bounds_is_refused(source: SalesSource, events_per_hour: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 100,000"):
        next(sensor_actions(source, events_per_hour=events_per_hour))


def test_taps_and_reads_follow_the_visitors(source: SalesSource, actions: list[SensorAction]) -> None:
    hours = Counter(
        action.at.astimezone(source.zone).hour for action in actions if action.producer in ("rfid", "nfc", "voice")
    )
    assert sum(hours[hour] for hour in (16, 17, 18)) > 5 * sum(hours[hour] for hour in (1, 2, 3))


def test_as_many_people_leave_a_zone_as_enter_it(actions: list[SensorAction]) -> None:
    entered: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for action in actions:
        if action.producer == "camera":
            entered[action.data["zone"]] += action.data["entered"]
            left[action.data["zone"]] += action.data["left"]
    assert entered == left
    assert entered["entrance"] >= 3_000
    assert entered["produce"] < entered["entrance"]


def test_tags_come_as_hex_and_as_urn_and_none_looks_like_a_card(actions: list[SensorAction]) -> None:
    tags = [action.data["epc"] for action in actions if action.producer == "rfid"]
    by_hand = [tag for tag in tags if tag.startswith("urn:epc:id:sgtin:")]
    assert 0.1 < len(by_hand) / len(tags) < 0.2
    assert not [tag for tag in tags if card_data_in("epc", tag)]


def test_voices_speak_three_languages(actions: list[SensorAction]) -> None:
    languages = Counter(action.data["language"] for action in actions if action.producer == "voice")
    assert languages.keys() == {"en", "ro", "es"}


def test_one_fridge_fails_for_a_while_and_recovers(actions: list[SensorAction]) -> None:
    highest = sorted(max(_values(actions, f"fridge-{number}-temperature")) for number in range(1, 7))
    highest += sorted(max(_values(actions, f"freezer-{number}-temperature")) + 24 for number in range(1, 3))
    assert sum(cel > 7.5 for cel in highest) == 1
    assert all(mean(_values(actions, f"fridge-{number}-temperature")[-20:]) < 7 for number in range(1, 7))


def test_doors_open_when_people_are_there(source: SalesSource, actions: list[SensorAction]) -> None:
    opened = [
        action.at.astimezone(source.zone).hour
        for action in actions
        if action.data.get("measure") == "door_open" and action.data["value"] == 1.0
    ]
    assert len(opened) > 100
    assert not [hour for hour in opened if 0 <= hour < 5]


def test_units_belong_to_their_measure(actions: list[SensorAction]) -> None:
    units = {(action.data["measure"], action.data["unit"]) for action in actions if action.producer == "environment"}
    assert units == {("temperature", "Cel"), ("door_open", "1"), ("humidity", "%"), ("co2", "[ppm]"), ("weight", "kg")}


@settings(max_examples=20)
@given(basket_lists(most=10), st.integers(1, 60), st.integers(0, 1000))
def test_any_shop_gives_events_that_the_agent_accepts(baskets: list[Basket], events_per_hour: int, seed: int) -> None:
    products = {line.sku: Product(line.sku, None, line.name, line.unit_price) for b in baskets for line in b.lines}
    source = SalesSource("made up", baskets, products.values(), time_zone="Europe/Bucharest", currency="RON")
    actions = list(sensor_actions(source, seed=seed, events_per_hour=events_per_hour))
    assert len(list(decode_all(actions))) == len(actions)
    assert all(first.at <= second.at for first, second in pairwise(actions))
    assert all(source.starts_at <= action.at < source.ends_at for action in actions)


def test_each_day_has_its_own_ids(source: SalesSource) -> None:
    first = source.baskets()[0]
    later = Basket("later", first.starts_at + timedelta(days=1), None, first.lines)
    stretch = SalesSource("two days", [first, later], source.products(), time_zone="UTC", currency="EUR")
    actions = list(sensor_actions(stretch, events_per_hour=20))
    assert len({action.event_id for action in actions}) == len(actions)
    assert isinstance(actions[0].at, datetime)
    assert actions[-1].at - actions[0].at > timedelta(hours=40)
