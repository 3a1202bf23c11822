"""Holes against the plainest model there is: a set of what has arrived."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sim.cloud.holes import Holes

SEQUENCES = st.lists(st.integers(1, 60), max_size=120)


@given(SEQUENCES)
def test_high_water_holes_and_answers_equal_a_set(sequences: list[int]) -> None:
    holes, seen = Holes(), set[int]()
    for sequence in sequences:
        assert holes.add(sequence) == (sequence not in seen)
        seen.add(sequence)
        missing = set(range(1, max(seen) + 1)) - seen
        spans = holes.missing()
        assert holes.upto == max(seen)
        assert {number for first, last in spans for number in range(first, last + 1)} == missing
        assert holes.missing_count() == len(missing)
        assert all(before[1] + 1 < after[0] for before, after in pairwise(spans))


@given(SEQUENCES, st.integers(1, 70), st.integers(0, 70))
def test_missing_between_equals_a_count(sequences: list[int], first: int, last: int) -> None:
    holes = Holes()
    for sequence in sequences:
        holes.add(sequence)
    assert holes.missing_between(first, last) == len(set(range(first, last + 1)) - set(sequences))


@given(st.lists(SEQUENCES, max_size=6))
def test_saved_changes_make_the_same_holes_again(publishes: list[list[int]]) -> None:
    holes, saved = Holes(), dict[int, int]()
    for publish in publishes:
        for sequence in publish:
            holes.add(sequence)
        for first, last in holes.take_changes().items():
            if last is None:
                saved.pop(first, None)
            else:
                saved[first] = last
        assert Holes(holes.upto, saved.items()).missing() == holes.missing()
    assert holes.take_changes() == {}


def test_a_hole_splits_and_closes() -> None:
    holes = Holes()
    assert [holes.add(sequence) for sequence in (1, 10, 5, 5)] == [True, True, True, False]
    assert holes.missing() == [(2, 4), (6, 9)]
    for sequence in (2, 4, 3, 9, 6, 7, 8):
        assert holes.add(sequence)
    assert holes.missing() == []
    assert holes.upto == 10
