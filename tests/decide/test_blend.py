"""Scores by hand."""

import pytest

from agent.decide.blend import PERSONAL_WEIGHT, PROFILE_WEIGHT, Blend, Part


def test_neighbours_of_the_basket_and_own_share_add_up() -> None:
    blend = Blend([1, 2], {3: 0.5, 1: 0.9}, {1: {3: 0.2, 4: 0.1}, 2: {3: 0.1, 1: 9.0}})
    ranked = blend.ranked(5)
    assert [item for item, _ in ranked] == [3, 4]
    assert [score for _, score in ranked] == pytest.approx([0.3 + PERSONAL_WEIGHT * 0.5, 0.1])


def test_parts_sum_to_the_score_strongest_first() -> None:
    blend = Blend([1, 2], {3: 0.5}, {1: {3: 0.2}, 2: {3: 0.1}})
    assert blend.parts(3) == [Part(None, PERSONAL_WEIGHT * 0.5), Part(1, 0.2), Part(2, 0.1)]


def test_an_empty_basket_asks_the_customers_favourites() -> None:
    shares = {number: number / 100 for number in range(100)}
    assert list(Blend.asked([], shares)) == list(range(99, 49, -1))
    blend = Blend([], {1: 0.5}, {1: {2: 0.4}})
    assert dict(blend.ranked(2)) == {
        1: PERSONAL_WEIGHT * 0.5,
        2: pytest.approx(PERSONAL_WEIGHT * PROFILE_WEIGHT * 0.5 * 0.4),
    }


def test_of_equal_scores_the_one_heard_of_first_leads() -> None:
    assert [item for item, _ in Blend([9], {}, {9: {5: 0.1, 3: 0.1, 4: 0.1}}).ranked(2)] == [5, 3]
