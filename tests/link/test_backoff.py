"""The wait before a retry: full jitter under a doubling ceiling."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from agent.link.backoff import Backoff


@given(st.integers(), st.floats(0.01, 10), st.floats(0.01, 1_000), st.integers(0, 200))
def test_every_wait_is_within_the_ceiling_and_the_ceiling_within_the_limits(
    seed: int, min_s: float, max_s: float, tries: int
) -> None:
    backoff = Backoff(min_s, max_s, Random(seed))
    for _ in range(tries):
        ceiling_s = backoff.ceiling_s
        assert min_s <= ceiling_s <= max(min_s, max_s)
        assert 0 <= backoff.next_s() <= ceiling_s
    assert backoff.tries == tries


def test_the_ceiling_doubles_from_the_least_to_the_most() -> None:
    backoff = Backoff(0.5, 5.0, Random(1))
    ceilings = []
    for _ in range(6):
        ceilings.append(backoff.ceiling_s)
        backoff.next_s()
    assert ceilings == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_reset_begins_anew() -> None:
    backoff = Backoff(0.5, 60.0, Random(1))
    for _ in range(10):
        backoff.next_s()
    backoff.reset()
    assert backoff.ceiling_s == 0.5


def test_waits_of_many_devices_spread_over_the_whole_ceiling() -> None:
    waits = sorted(Backoff(10.0, 60.0, Random(seed)).next_s() for seed in range(1_000))
    assert waits[100] < 2.0
    assert 4.0 < waits[500] < 6.0
    assert waits[900] > 8.0


def test_the_same_seed_waits_the_same() -> None:
    first, second = Backoff(0.5, 60.0, Random(7)), Backoff(0.5, 60.0, Random(7))
    assert [first.next_s() for _ in range(20)] == [second.next_s() for _ in range(20)]
