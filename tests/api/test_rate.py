"""Each producer has its rate, whatever the size of its calls."""

from hypothesis import given
from hypothesis import strategies as st

from agent.api.rate import PRODUCERS_MAX, ProducerRates


def test_a_producer_may_come_in_until_its_tokens_are_spent() -> None:
    rates = ProducerRates(10)
    assert rates.wait_s("till", 0.0) == 0
    rates.spend("till", 10, 0.0)
    assert rates.wait_s("till", 0.0) > 0
    assert rates.wait_s("till", 0.2) == 0
    assert rates.wait_s("other", 0.0) == 0


def test_a_large_call_is_let_in_and_waited_off() -> None:
    rates = ProducerRates(10)
    rates.spend("till", 110, 0.0)
    assert 10 <= rates.wait_s("till", 0.0) < 10.2
    assert rates.wait_s("till", 9.9) > 0
    assert rates.wait_s("till", 10.2) == 0


def test_idle_time_is_not_saved_up() -> None:
    rates = ProducerRates(10)
    assert rates.wait_s("till", 1_000.0) == 0
    rates.spend("till", 11, 1_000.0)
    assert rates.wait_s("till", 1_000.0) > 0


def test_only_so_many_producers_are_remembered() -> None:
    rates = ProducerRates(1)
    rates.spend("first", 5, 0.0)
    for number in range(PRODUCERS_MAX):
        rates.spend(f"till-{number}", 1, 0.0)
    assert rates.wait_s("first", 0.0) == 0, "forgotten, so it starts full"


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 50)), max_size=60), st.integers(1, 100))
def test_nobody_gets_more_than_the_rate_in_the_long_run(calls: list[tuple[float, int]], per_s: int) -> None:
    rates = ProducerRates(per_s)
    now_s = 0.0
    let_in, last = 0, 0
    for pause_s, events in calls:
        now_s += pause_s
        if rates.wait_s("till", now_s) == 0:
            rates.spend("till", events, now_s)
            let_in, last = let_in + events, events
    assert let_in - last <= per_s * (now_s + 1) + 1e-6, "one second's burst, and the call that may overdraw"


@given(st.integers(1, 1_000), st.integers(1, 100))
def test_who_waits_as_told_is_let_in(events: int, per_s: int) -> None:
    rates = ProducerRates(per_s)
    rates.spend("till", events, 0.0)
    assert rates.wait_s("till", rates.wait_s("till", 0.0) + 1e-6) == 0
