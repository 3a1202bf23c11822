"""The figures of one question and of many, by hand."""

from math import log2

import pytest

from sim.evaluate.metrics import score, summarise


def test_one_question_by_hand() -> None:
    """Shown 1 to 10; bought 1, 4, 7 and 99; of these, 1 and 99 were had before."""
    scored = score(list(range(1, 11)), frozenset({1, 4, 7, 99}), frozenset({1, 99, 50}))
    assert scored.recall5 == 2 / 4
    assert scored.recall10 == 3 / 4
    assert scored.hit10 == 1
    ideal = 1 + 1 / log2(3) + 1 / 2 + 1 / log2(5)
    assert scored.ndcg10 == pytest.approx((1 + 1 / log2(5) + 1 / log2(8)) / ideal)
    assert scored.repeat == 1 / 2
    assert scored.explore == 2 / 2


def test_a_perfect_list_has_everything_and_an_empty_one_nothing() -> None:
    perfect = score([3, 1, 2], frozenset({1, 2, 3}), frozenset())
    assert (perfect.recall10, perfect.repeat, perfect.explore) == (1, None, 1)
    assert perfect.ndcg10 == pytest.approx(1)
    nothing = score([], frozenset({1}), frozenset({1}))
    assert (nothing.recall10, nothing.ndcg10, nothing.hit10, nothing.repeat) == (0, 0, 0, 0)


def test_only_ten_count() -> None:
    assert score(list(range(20)), frozenset({15}), frozenset()).recall10 == 0


def test_means_leave_out_what_no_question_had_and_the_interval_holds_the_mean() -> None:
    scored = [score([1], frozenset({1}), frozenset()), score([2], frozenset({1}), frozenset({1}))] * 50
    metrics = summarise(scored, seed=1)
    assert (metrics.queries, metrics.recall10, metrics.repeat_recall10, metrics.explore_recall10) == (100, 0.5, 0, 1)
    low, high = metrics.recall10_ci
    assert 0.38 < low < 0.5 < high < 0.62
    assert summarise(scored, seed=1) == metrics
