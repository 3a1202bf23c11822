"""The protocol: what teaches, what asks, and that the same seed asks the same."""

import pytest

from agent.decide.history import SoldBasket
from sim.evaluate.protocol import EvaluationRefused, Split
from sim.evaluate.sold_lines import SoldLines
from tests.sim.evaluate.history import SPLIT_S, history


def split(baskets: list[SoldBasket], split_s: float, least: int = 1) -> Split:
    return Split.at(SoldLines.of(baskets), split_s, seed=1, item_baskets_min=least)


def basket(name: str, at_s: float, *skus: str, customer: str | None = "h") -> SoldBasket:
    return SoldBasket(name, at_s, customer, skus)


def test_the_catalogue_is_what_lies_in_enough_train_baskets() -> None:
    found = split([basket("1", 0, "a", "b"), basket("2", 1, "a"), basket("3", 5, "a", "b", "c", "c2")], 5, least=2)
    assert found.train.item_names == ["a"]
    assert found.train.basket.tolist() == [0, 1]
    assert found.test.item.tolist() == [0]


def test_a_basket_question_shows_the_first_half_rounded_up_and_asks_for_the_rest() -> None:
    teaching = [basket("t", 0, *"abcdefg")]
    found = split([*teaching, basket("q", 9, *"abcdefg"), basket("small", 9, *"abc")], 5)
    (query,) = found.queries("basket")
    assert query.id == "q"
    assert len(query.given) == 4
    assert {*query.given, *query.bought} == set(range(7))
    assert not query.bought & {*query.given}


def test_a_next_question_is_the_first_basket_of_a_household_with_three_before() -> None:
    before = [basket(f"t{number}", number, "a", "b", customer="often") for number in range(3)]
    before += [basket(f"u{number}", number, "a", customer="seldom") for number in range(2)]
    before += [basket(f"v{number}", number, "a", customer=None) for number in range(5)]
    after = [
        basket("second", 12, "a", customer="often"),
        basket("first", 11, "b", customer="often"),
        basket("other", 11, "a", customer="seldom"),
        basket("nobody", 11, "a", customer=None),
    ]
    (query,) = split([*before, *after], 10).queries("next")
    assert (query.id, query.given, query.bought) == ("first", (), frozenset({1}))


def test_what_a_household_had_before_comes_from_the_train_side_only() -> None:
    found = split([basket("1", 0, "a", "b"), basket("2", 0, "a", customer=None), basket("3", 9, "b")], 5)
    assert found.had_before() == {0: frozenset({0, 1})}


def test_the_same_seed_asks_the_same_and_another_asks_otherwise() -> None:
    lines = SoldLines.of(history())
    asked = [Split.at(lines, SPLIT_S, seed=seed).queries("basket") for seed in (1, 1, 2)]
    assert asked[0] == asked[1]
    assert asked[0] != asked[2]


def test_a_stores_split_knows_only_that_store() -> None:
    whole = Split.at(SoldLines.of(history()), SPLIT_S, seed=1)
    part = whole.of_store(1)
    assert set(part.train.store.tolist()) == {1}
    assert part.items == whole.items
    assert {query.store for query in part.queries("basket")} == {1}


def test_a_split_that_leaves_a_side_empty_is_refused() -> None:
    with pytest.raises(EvaluationRefused):
        split([basket("1", 0, "a")], 5)
    with pytest.raises(EvaluationRefused):
        split([basket("1", 9, "a")], 5)
