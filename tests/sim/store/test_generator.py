from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest

from agent.card_guard import gs1_check_digit_ok
from sim.store import SalesSource
from sim.store.generator import BASKETS_MAX, DAY, generate
from sim.store.invented_products import invented_products
from tests.sim.store.shop import floats_in


@pytest.fixture(scope="module")
def day() -> SalesSource:
    return generate(1)


def test_the_same_seed_makes_the_same_day(day: SalesSource) -> None:
    again = generate(1)
    assert again.baskets() == day.baskets()
    assert again.products() == day.products()
    assert generate(2, baskets=50).baskets() != generate(1, baskets=50).baskets()


def test_the_default_day_is_a_busy_store(day: SalesSource) -> None:
    assert day.name == "seeded generator, seed 1"
    assert day.days == (DAY,)
    assert len(day.baskets()) == 3_000
    assert 28_000 <= sum(len(basket.lines) for basket in day.baskets()) <= 32_000


def test_the_shop_peaks_after_work_and_is_closed_at_night(day: SalesSource) -> None:
    hours = Counter(basket.starts_at.astimezone(day.zone).hour for basket in day.baskets())
    assert hours.most_common(1)[0][0] == 17
    assert hours[12] > hours[9]
    assert not [hour for hour in hours if not 6 <= hour <= 22]


def test_households_have_habits() -> None:
    day = generate(3, baskets=1_500)
    by_customer: dict[str, list[set[str]]] = {}
    for basket in day.baskets():
        if basket.customer is not None:
            by_customer.setdefault(basket.customer, []).append({line.sku for line in basket.lines})
    pairs = [(trips[0], trips[1]) for trips in by_customer.values() if len(trips) > 1]
    strangers = [(trips[0], others[1]) for trips, others in pairwise(pairs)]
    assert len(pairs) > 100
    assert _overlap(pairs) > 1.5 * _overlap(strangers)


def _overlap(pairs: list[tuple[set[str], set[str]]]) -> float:
    return sum(len(one & other) / min(len(one), len(other)) for one, other in pairs) / len(pairs)


def test_some_customers_are_unknown_and_some_lines_are_on_offer(day: SalesSource) -> None:
    unknown = sum(basket.customer is None for basket in day.baskets()) / len(day.baskets())
    assert 0.2 < unknown < 0.4
    lines = [line for basket in day.baskets() for line in basket.lines]
    assert 0.01 < sum(line.actual_unit_price != line.unit_price for line in lines) / len(lines) < 0.3
    assert all(Decimal(line.actual_unit_price) <= Decimal(line.unit_price) for line in lines)


def test_a_basket_holds_each_product_once(day: SalesSource) -> None:
    assert all(len({line.sku for line in basket.lines}) == len(basket.lines) > 0 for basket in day.baskets())


def test_money_is_text(day: SalesSource) -> None:
    values = [[line.unit_price, line.extended_amount] for basket in day.baskets() for line in basket.lines]
    assert not floats_in(values)
    assert all(len(amount.partition(".")[2]) == 2 for pair in values for amount in pair)


@pytest.mark.parametrize("baskets", [1, 7, 400])
def test_the_day_is_scaled(baskets: int) -> None:
    assert len(generate(1, baskets=baskets).baskets()) == baskets


@pytest.mark.parametrize("baskets", [0, BASKETS_MAX + 1])
def test_a_day_of_no_size_is_refused(baskets: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 100,000"):
        generate(1, baskets=baskets)


def test_the_range_has_distinct_products_with_valid_numbers_and_prices() -> None:
    products = invented_products()
    assert len(products) > 350
    assert len({product.sku for product in products}) == len({product.name for product in products}) == len(products)
    assert all(product.gtin and gs1_check_digit_ok(product.gtin) for product in products)
    assert all(product.price.endswith("9") and Decimal(product.price) > 0 for product in products)
    assert all(product.department and product.category and product.brand for product in products)
