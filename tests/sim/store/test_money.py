from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.store.money import amount_text, cents_text, total_text, unit_price_text


@pytest.mark.parametrize(("amount", "text"), [("0.005", "0.01"), ("0.855", "0.86"), ("2", "2.00"), ("0.0049", "0.00")])
def test_amounts_round_half_up_to_the_cent(amount: str, text: str) -> None:
    assert amount_text(Decimal(amount)) == text


@given(st.integers(0, 10**12))
def test_cents_become_an_amount_and_nothing_is_lost(cents: int) -> None:
    assert Decimal(cents_text(cents)) * 100 == cents
    assert len(cents_text(cents).partition(".")[2]) == 2


@given(st.lists(st.integers(0, 10**9), max_size=50))
def test_a_total_is_exact_to_the_cent(cents: list[int]) -> None:
    assert total_text(map(cents_text, cents)) == cents_text(sum(cents))


@pytest.mark.parametrize(
    ("amount", "quantity", "price"), [("5.00", "3", "1.6667"), ("3.98", "2", "1.99"), ("0.86", "0.345", "2.4928")]
)
def test_a_unit_price_has_two_decimals_where_they_are_enough_and_four_elsewhere(
    amount: str, quantity: str, price: str
) -> None:
    assert unit_price_text(amount, quantity) == price
