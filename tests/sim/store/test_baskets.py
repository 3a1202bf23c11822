from datetime import UTC, date, datetime, timedelta

import pytest

from sim.store import SalesSource
from tests.sim.store.shop import NOON, basket, line


def test_the_actual_unit_price_is_the_shelf_price_where_that_makes_the_amount() -> None:
    assert line(quantity="0.345", unit_price="2.49").extended_amount == "0.86"
    assert line(quantity="0.345", unit_price="2.49").actual_unit_price == "2.49"


def test_the_actual_unit_price_follows_from_the_amount_where_it_was_discounted() -> None:
    assert line(quantity="3", unit_price="1.99", extended_amount="5.00").actual_unit_price == "1.6667"


def test_a_total_is_the_sum_of_the_extended_amounts() -> None:
    assert basket("b", line(extended_amount="0.10"), line(extended_amount="0.20")).total == "0.30"


def test_a_source_sorts_its_baskets_and_knows_its_days() -> None:
    late, early = basket("b-1", starts_at=NOON + timedelta(days=2)), basket("b-2")
    source = SalesSource("two days apart", [late, early], [], time_zone="UTC", currency="EUR")
    assert source.baskets() == (early, late)
    assert source.day == date(2026, 3, 6)
    assert source.days == (date(2026, 3, 6), date(2026, 3, 7), date(2026, 3, 8))
    assert source.starts_at == datetime(2026, 3, 6, 4, tzinfo=UTC)
    assert source.ends_at == datetime(2026, 3, 9, 4, tzinfo=UTC)
    starts, ends = zip(*source.day_bounds, strict=True)
    assert (starts[0], ends[-1]) == (source.starts_at, source.ends_at)
    assert starts[1:] == ends[:-1]


def test_a_source_without_baskets_cannot_be_made() -> None:
    with pytest.raises(AssertionError):
        SalesSource("nothing", [], [], time_zone="UTC", currency="EUR")
