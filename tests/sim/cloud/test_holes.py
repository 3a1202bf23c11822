"""Holes against the plainest model there is: a set of what has arrived, and a word for each of the others."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sim.cloud.holes import Gap, Holes

TOP = 60
Step = int | tuple[int, int, Gap, Gap] | None
"""An arrival, a mark (first, how many more, before, after), or all marks taken back."""
GAPS = st.sampled_from(Gap)
MARKS = st.tuples(st.integers(1, TOP), st.integers(0, 30), GAPS, GAPS)
STEPS = st.lists(st.integers(1, TOP) | MARKS | st.none(), max_size=60)


class Model:
    """What `Holes` says, sequence by sequence."""

    def __init__(self) -> None:
        self.gaps: dict[int, Gap | None] = {}

    def reach(self, upto: int) -> None:
        for sequence in range(1, upto + 1):
            self.gaps.setdefault(sequence, Gap.MISSING)

    def mark(self, first: int, last: int, before: Gap, after: Gap) -> None:
        self.reach(last)
        for sequence in range(first, last + 1):
            if self.gaps[sequence] is before:
                self.gaps[sequence] = after

    def sequences(self, gap: Gap) -> set[int]:
        return {sequence for sequence, known in self.gaps.items() if known is gap}


def step(holes: Holes, model: Model, one: Step) -> None:
    if one is None:
        holes.unmark()
        model.gaps = {sequence: gap and Gap.MISSING for sequence, gap in model.gaps.items()}
    elif isinstance(one, int):
        model.reach(one - 1)
        assert holes.add(one) == (model.gaps.get(one, Gap.MISSING) is not None)
        model.gaps[one] = None
    else:
        first, more, before, after = one
        holes.mark(first, first + more, before, after)
        model.mark(first, first + more, before, after)


@given(STEPS)
def test_any_arrivals_and_marks_equal_a_word_for_each_sequence(
    steps: list[Step],
) -> None:
    holes, model = Holes(), Model()
    for one in steps:
        step(holes, model, one)
        assert holes.upto == len(model.gaps)
        for gap in Gap:
            spans = holes.spans(gap)
            assert {number for first, last in spans for number in range(first, last + 1)} == model.sequences(gap)
            assert holes.count(gap) == len(model.sequences(gap))
            assert all(before[1] + 1 < after[0] for before, after in pairwise(spans)), "holes of a kind are joined"


@given(STEPS, st.integers(1, TOP + 40), st.integers(0, TOP + 40))
def test_counts_between_equal_a_count(steps: list[Step], first: int, last: int) -> None:
    holes, model = Holes(), Model()
    for one in steps:
        step(holes, model, one)
    words = [model.gaps.get(sequence, Gap.MISSING) for sequence in range(first, last + 1)]
    for gap in Gap:
        assert holes.count_between(first, last, gap) == words.count(gap)
    assert holes.arrived_between(first, last) == words.count(None)


@given(st.lists(STEPS, max_size=6))
def test_saved_changes_make_the_same_holes_again(
    publishes: list[list[Step]],
) -> None:
    holes, model, saved = Holes(), Model(), dict[int, tuple[int, Gap]]()
    for publish in publishes:
        for one in publish:
            step(holes, model, one)
        for first, change in holes.take_changes().items():
            if change is None:
                saved.pop(first, None)
            else:
                saved[first] = change
        again = Holes(holes.upto, ((first, *rest) for first, rest in saved.items()))
        assert [again.spans(gap) for gap in Gap] == [holes.spans(gap) for gap in Gap]
    assert holes.take_changes() == {}


def test_a_hole_splits_and_closes() -> None:
    holes = Holes()
    assert [holes.add(sequence) for sequence in (1, 10, 5, 5)] == [True, True, True, False]
    assert holes.spans(Gap.MISSING) == [(2, 4), (6, 9)]
    for sequence in (2, 4, 3, 9, 6, 7, 8):
        assert holes.add(sequence)
    assert holes.spans(*Gap) == []
    assert holes.upto == 10


def test_a_mark_beyond_the_high_water_mark_raises_it() -> None:
    holes = Holes()
    holes.add(2)
    holes.mark(5, 6, Gap.MISSING, Gap.SHED)
    assert (holes.upto, holes.spans(Gap.MISSING), holes.spans(Gap.SHED)) == (6, [(1, 1), (3, 4)], [(5, 6)])
